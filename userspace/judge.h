/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of a guest's entries: baseline, revisions, drift, events and alerts, in one transaction. Used by the analyst for
 * every settled fingerprint and by `accept`, so that both leave the same store behind.
 */
#ifndef ABIDRIFT_JUDGE_H
#define ABIDRIFT_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/abi/context.h"
#include "userspace/abi/entries.h"
#include "userspace/store/store.h"

struct buffer;
struct error;
struct guest_facts;
struct suppressions;

struct judge_input {
	struct store_guest *guest;
	struct store_instance *instance; /* state, severity, changes, revision, coverage, settled are set here */
	const struct guest_facts *facts;
	const struct abi_entries *entries; /* of all facets; only those in `judged` count */
	const struct context *context;
	unsigned judged;       /* facets settled in this boot (bits) */
	uint32_t began;        /* revision that this boot showed when it was first judged as a whole; 0: it has not been */
	bool hold;             /* what is new and not critical waits until all facets are judged */
	bool baseline_auto;
	const struct suppressions *suppress; /* NULL: none */
	const char *host;
	int64_t now;           /* CLOCK_REALTIME ns */
};

struct judge_outcome {
	bool alerted;          /* something went into the outbox */
	bool fell;             /* a facet fell from complete, or facts were lost */
	bool no_baseline;      /* there is none to compare with */
	bool baseline_made;
	bool new_revision;
	bool held;             /* something waits so: it is not in the store */
	bool drift_new;        /* drift, or another one than before */
	bool resolved;
	size_t joined;         /* entries that joined the baseline as evidence */
	char summary[2000];    /* of the drift, ""; without the guest's name */
	size_t suppressed;     /* changes that a rule hides */
	char overrun[200];     /* suppression rules that fit more changes than they say, so that they hide none; "" */
	struct digest digest;  /* of the whole fingerprint, once all facets are judged */
};

/* Within one transaction of its own. -errno: nothing was stored. */
int judge(struct store *s, const struct judge_input *in, struct judge_outcome *ret, struct error *e);

/* What is now becomes the baseline / the baseline before comes back; drift, events, alerts and instances follow. One transaction. */
int judge_accept(struct store *s, const struct store_guest *guest, const struct suppressions *suppress, const char *by, const char *reason,
		 int64_t expires, int64_t now, struct store_baseline *ret, struct error *e);
int judge_undo(struct store *s, const struct store_guest *guest, const struct suppressions *suppress, const char *by, const char *reason,
	       int64_t now, struct store_baseline *ret, struct error *e);

/* What came of one guest of a change set. */
struct judge_decided {
	struct store_guest guest;
	struct store_baseline baseline; /* that is now; revision 0: it was skipped */
	const char *skipped;            /* why, static; NULL */
};
void judge_decided_free(struct judge_decided *items, size_t count);

/*
 * The same for all guests of a change set, in one transaction: those whose open drift is of it, or (undo) whose baseline was
 * accepted with it. A guest that has not settled is skipped. 0 with all of them told, also if every one was skipped.
 */
struct judge_decision {
	const char *change_set; /* the whole id */
	bool undo;
	const struct suppressions *suppress;
	const char *by, *reason;
	int64_t expires, now;
};
int judge_change_set(struct store *s, const struct judge_decision *d, struct judge_decided **ret, size_t *ret_count, struct error *e);

#endif

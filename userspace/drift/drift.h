/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What differs between two fingerprints, by evidence against evidence; and between two contexts. Pure.
 *
 * A key that both sides have and disagree about is changed. One that a side has is lost or gained where there is evidence that
 * the other side does not have it: a facet that is complete there and lacks a complete key, a PCI function that answered
 * nobody (so does all behind a bridge, and functions 1 to 7 beside such a function 0). Else it is unknown, not drift.
 * A facet that was complete in `from` and is not in `to`: unknown as a whole, with the reason (`fell`). What is only new in a
 * facet that is better covered in `to` is growth, and is not listed. Witnessed keys of a PCI function that came or went follow
 * that function and are not listed. `placement` never counts: it is `moved`, folded under a change of the same function (or
 * bridge above it, or added/removed function, or memory), else at the top. identity is compared only with `same_guest`.
 * Changes are in the order of facets, then by key.
 */
#ifndef ABIDRIFT_DRIFT_DRIFT_H
#define ABIDRIFT_DRIFT_DRIFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/abi/context.h"
#include "userspace/abi/entries.h"

enum change_kind { CHANGE_CHANGED, CHANGE_LOST, CHANGE_GAINED };
enum severity { SEVERITY_NONE, SEVERITY_INFO, SEVERITY_WARNING, SEVERITY_CRITICAL };
/* NONE: drift_judge was not asked. Later ones are worse. */
enum verdict { VERDICT_NONE, VERDICT_INTENDED, VERDICT_EXEMPT, VERDICT_UNEXPLAINED, VERDICT_VIOLATION };
enum drift_result { DRIFT_SAME, DRIFT_DRIFT, DRIFT_UNKNOWN };

struct drift_moved {
	char *key;
	char *from; /* NULL: was not placed */
	char *to;
};

/* How well a factor explains a change. */
enum cause_strength {
	CAUSE_NONE,
	CAUSE_POSSIBLE,  /* it can move this facet */
	CAUSE_LIKELY,    /* it is what makes this part of the facet */
	CAUSE_CERTAIN,   /* it names this very thing; weaker causes beside it are left out */
};

struct drift_cause {
	char *factor;
	char *from, *to; /* of a list, only the elements that differ; NULL: was not there */
	enum cause_strength strength;
	const char *why; /* static */
};

struct drift_change {
	enum facet_id facet;
	char *key;
	enum change_kind kind;
	char *from; /* NULL when gained */
	char *to;   /* NULL when lost */
	struct abi_fields fields;
	char *meaning; /* "" where there is none */
	/* What CPUID spells over several registers, this one among them, as each side has all of it; NULL: it is none of those, or is not there. */
	const char *string; /* "brand", "vendor", "hypervisor" (static) */
	char *string_from, *string_to;
	struct drift_moved *moved;
	size_t moved_count;
	/* What follows is drift_judge's. Before it: warning, and nothing else. */
	enum severity severity;
	enum verdict verdict;
	struct drift_cause *causes; /* best first */
	size_t cause_count;
	const char *why;     /* static: what excuses it, or makes it worse; NULL */
	const char *impact;  /* static sentence; NULL: no known consequence */
	char *suppressed_by; /* name of a rule; NULL */
	bool while_running;  /* it changed within one boot: the guest was not restarted */
	bool firmware;       /* it arrived with firmware: the machine itself did not change */
};

struct drift_unknown {
	enum facet_id facet;
	char *key;    /* NULL: the whole facet (it fell from complete, or facts were lost) */
	char *reason;
	bool fell;    /* this one makes the result unknown (exit code 3) */
};

struct drift_factor {
	char *factor;
	char *from; /* NULL: was not there */
	char *to;
};

/* A suppression rule that fits changes of this drift. */
struct drift_suppression {
	char *rule, *reason;
	size_t changes;   /* that it fits, as far as no rule before it hid them */
	uint64_t at_most; /* 0: any number */
	bool applied;     /* false: there are more than at_most, so it hides none */
};

struct drift {
	struct drift_change *changes;
	size_t change_count;
	struct drift_moved *moved;
	size_t moved_count;
	struct drift_unknown *unknown;
	size_t unknown_count;
	struct drift_factor *context;
	size_t context_count;
	/* Of the later side, for words: `vmm.kind` and `machine`; NULL: not known. */
	char *vmm;
	char *machine;
	struct drift_suppression *suppressions; /* drift_judge's; in the order of the rules */
	size_t suppression_count;
};

#define DRIFT_INIT { 0 }

/* What to compare. A facet outside `facets` (bits 1u << id) is left out entirely: it has not settled yet. */
#define DRIFT_ALL_FACETS (~0u)
struct drift_options {
	unsigned facets;
	bool same_guest;
};

void drift_release(struct drift *d);
/* What it owns. */
void drift_cause_release(struct drift_cause *cause);
void drift_causes_clear(struct drift_change *change);
void drift_suppressions_clear(struct drift *d);
/* from_context, to_context may be NULL. Entries sorted. 0 or -ENOMEM. */
int drift_compare(const struct abi_entries *from, const struct context *from_context, const struct abi_entries *to,
		  const struct context *to_context, const struct drift_options *options, struct drift *ret);
/* Changes below min_severity do not count, nor those that are suppressed. */
enum drift_result drift_result(const struct drift *d, enum severity min_severity);
const char *drift_result_name(enum drift_result r);
const char *change_kind_name(enum change_kind k);
const char *verdict_name(enum verdict v); /* NULL for VERDICT_NONE */
enum verdict verdict_parse(const char *name); /* NONE: there is no such verdict */
const char *severity_name(enum severity s);
int severity_parse(const char *name, enum severity *ret);
/* A SHA-256 over the changes (facet, key, kind, from, to): two drifts with one digest are the same drift. No change: none (""). */
struct digest;
void drift_digest(const struct drift *d, struct digest *ret);

/*
 * Entries of `now` that are only new beside `known`: witnessed keys that it lacks, and facets that became complete while
 * every key known before agrees. They join `known` (coverage rises too). *ret_joined counts both. -ENOMEM (`known` stays valid).
 * Of a PCI function that contradicts nothing joins. Whether another facet's drift taints what is new is the caller's to judge:
 * a baseline should grow only from a `now` that drifts nowhere.
 */
int drift_grow(struct abi_entries *known, const struct abi_entries *now, size_t *ret_joined);
/* Is `now` a new revision after `last`: does a complete key differ, or evidence contradict evidence? Placement counts too, identity too. */
bool drift_is_revision(const struct abi_entries *last, const struct abi_entries *now);

/* Does `now` tell anything of this key: a value, or that it is not there? Else what was known of it before still stands. */
bool drift_answers(const struct abi_entries *now, enum facet_id facet, const char *key);

#endif

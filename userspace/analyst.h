/* SPDX-License-Identifier: Apache-2.0 */
/* The stream in; fingerprints, drift and alerts into the store. No privileges, no clock but the stream's, except for how long the store failed. */
#ifndef ABIDRIFT_ANALYST_H
#define ABIDRIFT_ANALYST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/stream/record.h"

struct analyst;
struct buffer;
struct error;
struct store;
struct suppressions;

struct analyst_options {
	uint64_t settle_ns, settle_max_ns; /* until the stream says otherwise, with follow_config */
	bool baseline_auto;
	uint64_t keep_ns;           /* store.keep */
	bool follow_config;         /* the stream's RECORD_CONFIG counts, also later: settle, settle_max, baseline, keep */
	/*
	 * Its own settings, as the body of a RECORD_CONFIG, instead of those of the stream, which another configuration may have made; again when
	 * settings_fd (an eventfd) is readable. -errno: there are none to be had now. NULL: the stream's; settings_fd is not looked at.
	 */
	int (*settings)(void *context, struct buffer *ret);
	int settings_fd;
	bool replay;                /* the end of the stream judges what has not settled; suppression rules are `suppress`, not the stream's */
	const struct suppressions *suppress; /* borrowed; of a replay. NULL: none */
	/* One human line for the operator (no newline), escaped for a terminal; level: 0 = event, 1 = warning. NULL: silent. */
	void (*say)(void *context, int level, const char *line);
	/* An alert was committed to the store (the messenger's door bell). NULL: none. */
	void (*rang)(void *context);
	/* analyst_run makes progress: something was read, or there is nothing to read. NULL: none. */
	void (*alive)(void *context);
	void *context;
};

/* Borrows the store, opened for writing. */
int analyst_new(struct store *store, const struct analyst_options *options, struct analyst **ret, struct error *e);
void analyst_free(struct analyst *a);
/* One record. -errno with e: the store failed (the analyst may be given the same record again), or out of memory; -EBADMSG: not a stream. */
int analyst_feed(struct analyst *a, const struct record_header *header, const void *body, size_t bytes, struct error *e);
/* The stream ended. With options.replay judges the rest. Instances stay marked as running unless `gone`. */
int analyst_end(struct analyst *a, bool gone, struct error *e);
/* `accept` and others write to the store beside us: look, at least every 500 ms. */
int analyst_poll(struct analyst *a, struct error *e);
/* Time of the stream as it was last told, CLOCK_REALTIME ns. NULL: 0. */
int64_t analyst_now(const struct analyst *a);
/* SYNCED was seen. */
bool analyst_synced(const struct analyst *a);
/* Facts were lost, or a facet fell from complete, in some guest (replay's exit code 3). */
bool analyst_unknown(const struct analyst *a);

/* The process: reads the stream from fd until it ends, `stop_fd` becomes readable, or fails. Never writes but to the store and through options. */
int analyst_run(struct analyst *a, int stream_fd, int stop_fd, struct error *e);

#endif

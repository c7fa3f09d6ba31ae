/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A maintenance window: drift is judged, stored and shown as ever, but alerts of it wait, and one alert sums them up at the end.
 * Used by whoever judges, so that no order of monitor, `accept` and the window's end loses or doubles an alert.
 */
#ifndef ABIDRIFT_MAINTENANCE_H
#define ABIDRIFT_MAINTENANCE_H

#include <stdbool.h>
#include <stdint.h>

struct error;
struct store;

struct maintenance {
	bool holds;      /* alerts of drift have to wait */
	bool alerted;    /* a window was over, and was summed up just now: something went into the outbox */
	int64_t ends_at; /* of the window that holds; INT64_MAX: none does */
};

/* What holds at `now` (CLOCK_REALTIME ns). To be asked before anything that happened after is stored. Within a transaction, or one of its own. */
int maintenance_follow(struct store *s, const char *host, int64_t now, struct maintenance *ret, struct error *e);
/* -EEXIST with e while one is open. The caller's transaction, or several of its own. */
int maintenance_begin(struct store *s, int64_t now, uint64_t length_ns, const char *by, const char *reason, struct error *e);
/* It is over now; whoever judges next (the monitor, within a second) sums it up. -ENOENT with e: none is open. */
int maintenance_end(struct store *s, int64_t now, const char *by, struct error *e);

#endif

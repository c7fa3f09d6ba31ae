/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does the monitor of this host still see? Collector and analyst may both be gone or stuck, so it is the messenger that looks: the
 * status that they keep in the store is their heartbeat. Only how long nothing came counts, by a clock that nobody sets. A collector that
 * has just begun loads its programs first, which is quick on most machines and takes a minute on some: the first heartbeat may take longer.
 */
#ifndef ABIDRIFT_WATCH_H
#define ABIDRIFT_WATCH_H

#include <stdbool.h>
#include <stdint.h>

struct error;
struct store;

struct watch {
	char host[65];
	char before[65];   /* as which the analyst may still speak: this host was given another name; "" = it was not */
	uint64_t after_ms;
	int64_t beat;      /* of the last heartbeat: its time as it says; 0 = none yet */
	int64_t beat_before; /* the same, under the name before */
	int64_t since_ms;  /* when that was new to us, CLOCK_MONOTONIC */
	int64_t looked_ms, asleep_ms;
	bool begun;        /* looked at once */
	bool heard;        /* a heartbeat came since we look */
	bool blind;
	bool told;         /* the store says so too */
	bool named;        /* and nothing any more under another name of this host */
};

/* after_ns: without a heartbeat for so long it is blind, for WATCH_FIRST times as long where none came yet; at least twice the time between two. */
#define WATCH_FIRST 4
void watch_begin(struct watch *w, uint64_t after_ns);
/* changed: somebody wrote to the store. *ret_alerted is set if something went into the outbox. -errno with e: not told yet; look again. */
int watch_look(struct watch *w, struct store *s, bool changed, bool *ret_alerted, struct error *e);

#endif

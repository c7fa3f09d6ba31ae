/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When the kernel skipped runs of our programs: spans of time, from the counts that the collector tells now and then. What a guest did
 * meanwhile may have been seen wrongly. Pure data; times are CLOCK_MONOTONIC.
 */
#ifndef ABIDRIFT_SKIPS_H
#define ABIDRIFT_SKIPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Facts are told at most a few sweeps after they were taken: of older spans nobody asks. Those that touch are one. */
#define SKIPS_MAX 32

struct skip_span {
	uint64_t from_ns, to_ns;
	uint64_t events;
};

struct skips {
	struct skip_span spans[SKIPS_MAX]; /* a ring */
	size_t next;
	uint64_t count;     /* as last told */
	uint64_t ticked_ns; /* when the collector was last known to go around */
};

#define SKIPS_INIT { .count = 0 }

/* The collector goes around: it has looked at its counters not long before. */
void skips_tick(struct skips *s, uint64_t now_ns);
/* An analyst before this one was told so many, at that time. */
void skips_known(struct skips *s, uint64_t count, uint64_t at_ns);
/* It tells a count. False: they did not grow; else *ret: how many more, and when. */
bool skips_take(struct skips *s, uint64_t count, uint64_t now_ns, struct skip_span *ret);
/* How many events were skipped around that time. */
uint64_t skips_around(const struct skips *s, uint64_t at_ns);

#endif

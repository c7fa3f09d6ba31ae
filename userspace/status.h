/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the monitor of a host says of itself: one JSON object in the store, replaced every few seconds. That it is new is the
 * heartbeat: whoever reads it knows that collector and analyst are there.
 *   {"stats": {KEY: number, … as in RECORD_STATS}, "kernel", "cpu", "microcode": text or null, "blind": {FACET: reason}, "abidrift": version}
 */
#ifndef ABIDRIFT_STATUS_H
#define ABIDRIFT_STATUS_H

#include <jansson.h>
#include <stddef.h>

/* Bodies of the newest RECORD_STATS, RECORD_HOST and RECORD_COVERAGE; NULL: none yet. NULL: out of memory. The caller frees. */
struct status_records {
	const void *stats, *host, *blind;
	size_t stats_bytes, host_bytes, blind_bytes;
};
char *status_write(const struct status_records *r);

#endif

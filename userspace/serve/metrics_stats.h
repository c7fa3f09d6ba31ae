/* SPDX-License-Identifier: Apache-2.0 */
/* What the collectors of the watched hosts count, out of the statuses that their monitors leave in the store. */
#ifndef ABIDRIFT_SERVE_METRICS_STATS_H
#define ABIDRIFT_SERVE_METRICS_STATS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

/* The hosts that spoke last: one that was renamed is not missed for ever. */
#define METRICS_HOSTS_MAX 4
#define METRICS_STATS_MAX 128
#define METRICS_NAME_BYTES 48

struct metrics_stats {
	struct {
		char *name;
		int64_t at;
		json_t *status; /* NULL: not JSON */
	} hosts[METRICS_HOSTS_MAX]; /* by name */
	size_t host_count;
	struct {
		char key[2 * METRICS_NAME_BYTES]; /* of stream/record.h: "facts.cpuid" */
		uint64_t value;
	} items[METRICS_STATS_MAX]; /* by key, of the host that spoke last: a sum would fall with a host that is left out, and look like a restart */
	size_t count;
};
/* All zero before. -errno of the store, or -ENOMEM. */
int metrics_stats_read(struct store *s, struct metrics_stats *ret);
void metrics_stats_release(struct metrics_stats *stats);

/* Fit for a label: [a-z0-9_], and not longer than METRICS_NAME_BYTES. */
bool metrics_word(const char *text);
/* Is the key PREFIX name SUFFIX? named: name is a word; else there is none, the key is the prefix. */
bool metrics_stat_named(const char *key, const char *prefix, const char *suffix, bool named, char ret_name[METRICS_NAME_BYTES]);

#endif

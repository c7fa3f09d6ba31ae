/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/serve/metrics_stats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/store/store.h"

#define DAY_NS 86400000000000

bool metrics_word(const char *text)
{
	size_t length = strlen(text);

	return length && length < METRICS_NAME_BYTES && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_") == length;
}

bool metrics_stat_named(const char *key, const char *prefix, const char *suffix, bool named, char ret_name[METRICS_NAME_BYTES])
{
	size_t before = strlen(prefix), after = strlen(suffix), length = strlen(key);

	if (!named)
		return !strcmp(key, prefix);
	if (length <= before + after || length - before - after >= METRICS_NAME_BYTES || strncmp(key, prefix, before) || strcmp(key + length - after, suffix))
		return false;
	memcpy(ret_name, key + before, length - before - after);
	ret_name[length - before - after] = 0;
	return metrics_word(ret_name);
}

void metrics_stats_release(struct metrics_stats *stats)
{
	for (size_t i = 0; i < stats->host_count; i++) {
		free(stats->hosts[i].name);
		json_decref(stats->hosts[i].status);
	}
	stats->host_count = stats->count = 0;
}

static void value_add(struct metrics_stats *stats, const char *key, uint64_t value)
{
	size_t at = 0;

	if (strlen(key) >= sizeof stats->items[0].key)
		return;
	while (at < stats->count && strcmp(stats->items[at].key, key) < 0)
		at++;
	if (at == stats->count || strcmp(stats->items[at].key, key)) {
		if (stats->count == METRICS_STATS_MAX)
			return;
		memmove(&stats->items[at + 1], &stats->items[at], (stats->count - at) * sizeof stats->items[0]);
		strncpy(stats->items[at].key, key, sizeof stats->items[at].key);
		stats->items[at].value = 0;
		stats->count++;
	}
	stats->items[at].value += value;
}

/* counts: what its collector counts is told, too. */
static int host_add(struct metrics_stats *stats, struct store_status *status, bool counts)
{
	json_t *json = json_loads(status->json, 0, NULL), *value;
	const char *key;
	char *name = strdup(status->host);

	if (!name) {
		json_decref(json);
		return -ENOMEM;
	}
	stats->hosts[stats->host_count].name = name;
	stats->hosts[stats->host_count].at = status->at;
	stats->hosts[stats->host_count++].status = json;
	if (!counts)
		return 0;
	json_object_foreach(json_object_get(json, "stats"), key, value)
		if (json_is_integer(value) && json_integer_value(value) >= 0)
			value_add(stats, key, (uint64_t)json_integer_value(value));
	return 0;
}

struct rank {
	size_t newer; /* hosts that spoke later */
	bool speaks;  /* it is among the newest, and spoke within a day of the newest */
};

static struct rank rank_of(const struct store_status *items, size_t count, size_t which)
{
	struct rank rank = { 0 };
	int64_t newest = items[which].at;

	for (size_t i = 0; i < count; i++) {
		rank.newer += items[i].at > items[which].at || (items[i].at == items[which].at && i < which);
		if (items[i].at > newest)
			newest = items[i].at;
	}
	rank.speaks = rank.newer < METRICS_HOSTS_MAX && newest - items[which].at < DAY_NS;
	return rank;
}

int metrics_stats_read(struct store *s, struct metrics_stats *ret)
{
	struct store_status *items = NULL;
	size_t count = 0;
	int err = store_statuses(s, &items, &count);

	for (size_t i = 0; err >= 0 && i < count; i++) {
		struct rank rank = rank_of(items, count, i);

		if (rank.speaks)
			err = host_add(ret, &items[i], !rank.newer);
	}
	store_statuses_free(items, count);
	return err;
}

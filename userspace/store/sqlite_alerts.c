// SPDX-License-Identifier: Apache-2.0
/* Alerts that were raised, and what became of each: for people who ask later. */
#include "userspace/store/sqlite_internal.h"

#include <stdlib.h>
#include <string.h>

/* Whom an alert is about stands behind its JSON, which may be large, and no index has it: so many are looked through at once. */
#define LOOKED_AT 5000

/* The row after those that are looked through, from `before` down; 0: that is all there are. */
static int looked_end(struct store *s, int64_t before, int64_t *ret)
{
	struct query q = query_start(s, "SELECT row FROM alerts WHERE row < ?1 ORDER BY row DESC LIMIT 1 OFFSET ?2");

	*ret = 0;
	query_int(&q, before);
	query_int(&q, LOOKED_AT);
	if (query_next(&q) > 0)
		*ret = column_int(&q);
	return query_end(&q);
}

static void turn_round(struct store_alert *items, size_t count)
{
	for (size_t i = 0; i < count / 2; i++) {
		struct store_alert other = items[i];

		items[i] = items[count - 1 - i];
		items[count - 1 - i] = other;
	}
}

static struct store_alert *alert_append(struct query *q, struct store_alert **items, size_t *count)
{
	struct store_alert *grown = store_grow(q, items, *count, sizeof **items);

	if (!grown)
		return NULL;
	(*count)++;
	grown->row = column_int(q);
	grown->id = column_must(q);
	grown->json = column_must(q);
	grown->at = column_int(q);
	grown->guest = column_text(q);
	return q->err ? NULL : grown;
}

int store_alerts_newest(struct store *s, const struct store_alerts_part *part, struct store_alert **ret, size_t *ret_count, int64_t *ret_before)
{
	struct store_alert *items = NULL;
	size_t count = 0, characters = 0;
	int64_t end = 0, before = 0;
	int err = looked_end(s, part->before, &end);

	if (err < 0)
		return err;
	struct query q = query_start(s, "SELECT row, id, json, at, guest FROM alerts WHERE row < ?1 AND row > ?2 AND at >= ?3 AND (?4 IS NULL OR guest = ?4)"
					" ORDER BY row DESC LIMIT ?5");
	query_int(&q, part->before);
	query_int(&q, end);
	query_int(&q, part->since);
	query_text(&q, part->guest);
	query_int(&q, (int64_t)part->limit + 1);
	while (!q.err && !before && query_next(&q) > 0) {
		if (count && (count == part->limit || characters > part->characters)) {
			before = items[count - 1].row;
			break;
		}
		const struct store_alert *added = alert_append(&q, &items, &count);

		characters += added ? strlen(added->json) : 0;
	}
	err = query_end(&q);
	if (err < 0) {
		store_alerts_free(items, count);
		return err;
	}
	turn_round(items, count);
	*ret = items;
	*ret_count = count;
	*ret_before = before ? before : end ? end + 1 : 0;
	return 0;
}

void store_fates_free(struct store_fate *items, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(items[i].sink);
		free(items[i].why);
	}
	free(items);
}

int store_alert_fates(struct store *s, int64_t row, struct store_fate **ret, size_t *ret_count)
{
	struct store_fate *items = NULL;
	size_t count = 0;
	struct query q = query_start(s, "SELECT k.sink, ?1 <= k.done OR EXISTS (SELECT 1 FROM acknowledged AS a WHERE a.sink = k.sink AND a.alert = ?1),"
					" coalesce(d.attempts, 0), d.why FROM sinks AS k LEFT JOIN deliveries AS d ON d.sink = k.sink AND d.alert = ?1 ORDER BY k.sink");

	query_int(&q, row);
	while (query_next(&q) > 0) {
		struct store_fate *one = store_grow(&q, &items, count, sizeof *items);

		if (!one)
			break;
		count++;
		one->sink = column_must(&q);
		one->done = column_int(&q) != 0;
		one->attempts = column_int(&q);
		one->why = column_text(&q);
		if (q.err)
			break;
	}
	int err = query_end(&q);
	if (err < 0) {
		store_fates_free(items, count);
		return err;
	}
	*ret = items;
	*ret_count = count;
	return 0;
}

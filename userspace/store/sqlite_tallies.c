// SPDX-License-Identifier: Apache-2.0
/* How many there are of each: what metrics ask every few seconds, of all guests. */
#include "userspace/store/sqlite_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

void store_tallies_free(struct store_tally *items, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(items[i].name);
		free(items[i].kind);
	}
	free(items);
}

/* Ends the query. */
static int tallies_read(struct query *q, struct store_tally **ret, size_t *ret_count)
{
	struct store_tally *items = NULL;
	size_t count = 0;

	while (query_next(q) > 0) {
		struct store_tally *one = store_grow(q, &items, count, sizeof *items);
		if (!one)
			break;
		count++;
		one->name = column_must(q);
		one->kind = column_must(q);
		one->count = (size_t)column_int(q);
		if (q->err)
			break;
	}
	int err = query_end(q);
	if (err < 0) {
		store_tallies_free(items, count);
		return err;
	}
	*ret = items;
	*ret_count = count;
	return 0;
}

int store_tally_states(struct store *s, struct store_tally **ret, size_t *ret_count)
{
	/* What runs; or the last life of a guest that does not, or none, where it was never seen to run. */
	struct query q = query_start(s, "SELECT state, 'running', count(*) FROM instances WHERE running = 1 GROUP BY state UNION ALL SELECT coalesce((SELECT i.state "
					"FROM instances AS i WHERE i.guest = g.row ORDER BY " GUEST_FIRST("i.") " LIMIT 1), 'unknown') AS last, 'ended', "
					"count(*) FROM guests AS g WHERE NOT EXISTS (SELECT 1 FROM instances AS r WHERE r.guest = g.row AND r.running = 1) "
					"GROUP BY last ORDER BY 1, 2");
	return tallies_read(&q, ret, ret_count);
}

int store_tally_coverage(struct store *s, struct store_tally **ret, size_t *ret_count)
{
	/* CROSS: in this order. */
	struct query q = query_start(s, "SELECT c.facet, c.coverage, count(*) FROM instances AS i CROSS JOIN coverage AS c ON c.instance = i.row WHERE i.running = 1 "
					"GROUP BY c.facet, c.coverage ORDER BY c.facet, c.coverage");
	return tallies_read(&q, ret, ret_count);
}

/* A guest without identity that is gone never comes back: it does not drift. */
#define COMES_BACK                                                                                                                         \
	"(g.anonymous = 0 OR EXISTS (SELECT 1 FROM instances AS i WHERE i.guest = g.row AND i.running = 1))"
#define RANK "CASE severity WHEN 'critical' THEN 3 WHEN 'warning' THEN 2 ELSE 1 END"
#define WORD "CASE rank WHEN 3 THEN 'critical' WHEN 2 THEN 'warning' ELSE 'info' END"

int store_tally_drifted(struct store *s, struct store_tally **ret, size_t *ret_count)
{
	struct query q = query_start(s, "SELECT facet, " WORD ", count(*) FROM (SELECT d.guest, "
					"d.facet AS facet, max(" RANK ") AS rank FROM drifted AS d JOIN guests AS g ON g.row = d.guest WHERE " COMES_BACK
					" GROUP BY d.guest, d.facet) GROUP BY facet, rank ORDER BY facet, rank DESC");
	return tallies_read(&q, ret, ret_count);
}

int store_tally_worst(struct store *s, struct store_tally **ret, size_t *ret_count)
{
	struct query q = query_start(s, "SELECT " WORD ", '', count(*) FROM (SELECT max(" RANK ") AS rank FROM drifted AS d JOIN guests AS g ON g.row = d.guest "
					"WHERE " COMES_BACK " GROUP BY d.guest) GROUP BY rank ORDER BY rank DESC");
	return tallies_read(&q, ret, ret_count);
}

void store_drifting_free(struct store_drifting *items, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(items[i].uuid);
	free(items);
}

int store_drifting(struct store *s, size_t max, struct store_drifting **ret, size_t *ret_count)
{
	struct store_drifting *items = NULL;
	size_t count = 0;
	struct query q = query_start(s, "SELECT g.uuid, max(" RANK ") AS rank, sum(d.changes) AS changes FROM drifted AS d JOIN guests AS g ON g.row = d.guest "
					"WHERE g.uuid IS NOT NULL AND " COMES_BACK " GROUP BY g.row ORDER BY rank DESC, changes DESC, g.uuid LIMIT ?");
	query_int(&q, (int64_t)max);
	while (query_next(&q) > 0) {
		struct store_drifting *one = store_grow(&q, &items, count, sizeof *items);
		if (!one)
			break;
		count++;
		one->uuid = column_must(&q);
		one->severity = (enum severity)(SEVERITY_NONE + column_int(&q));
		one->changes = (size_t)column_int(&q);
		if (q.err)
			break;
	}
	int err = query_end(&q);
	if (err < 0) {
		store_drifting_free(items, count);
		return err;
	}
	*ret = items;
	*ret_count = count;
	return 0;
}

int store_size(struct store *s, uint64_t *ret_bytes)
{
	static const char *const parts[] = { "", "-wal" };
	uint64_t bytes = 0;
	char path[4096 + 8];
	struct stat st;

	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		if (snprintf(path, sizeof path, "%s%s", s->path, parts[i]) < (int)sizeof path && stat(path, &st) == 0)
			bytes += (uint64_t)st.st_size;
		else if (i == 0)
			return error_set(&s->error, errno, "store %s: how large it is cannot be seen", s->path);
	}
	*ret_bytes = bytes;
	return 0;
}

// SPDX-License-Identifier: Apache-2.0
/* What may be forgotten, and whether what is kept is whole. */
#include "userspace/store/sqlite_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DRIFTS(guest) "EXISTS (SELECT 1 FROM drifts AS d WHERE d.guest = " guest ")"
#define BASELINED(guest)                                                                                                                  \
	"EXISTS (SELECT 1 FROM baselines AS b JOIN guests AS k ON k.row = b.guest WHERE b.guest = " guest " AND b.undone_at IS NULL AND " \
	"k.anonymous = 0)"

/*
 * In this order: what refers goes before what is referred to. ?1 is the time before which things are old. A guest with open
 * drift keeps all that tells of it; a guest with a baseline stays known, with its newest instance and revision; the baseline
 * of an anonymous guest was for one life only and ends with its last instance.
 */
#define FORGET(table, key, where) \
	{ table, "DELETE FROM " table " WHERE (" key ") IN (SELECT " key " FROM " table " WHERE " where " LIMIT ?2)" }
static const struct {
	const char *table, *sql;
} PRUNE[] = {
	FORGET("events", "row",
	  "at < ?1 AND NOT EXISTS (SELECT 1 FROM drifts AS d WHERE d.guest = events.guest AND d.at <= events.at)"),
	/* An alert that some sink still owes is no history. */
	FORGET("alerts", "row",
	  "at < ?1 AND NOT EXISTS (SELECT 1 FROM sinks AS k WHERE k.done < alerts.row"
	" AND NOT EXISTS (SELECT 1 FROM acknowledged AS a WHERE a.sink = k.sink AND a.alert = alerts.row))"),
	FORGET("instances", "row",
	  "running = 0 AND ended_at < ?1 AND NOT " DRIFTS("instances.guest") " AND NOT (" BASELINED(
		"instances.guest") " AND row = (SELECT n.row FROM instances AS n WHERE n.guest = instances.guest ORDER BY " GUEST_FIRST("n.") " LIMIT 1))"),
	FORGET("baselines", "row",
	  "undone_at < ?1 OR (at < ?1 AND (SELECT anonymous AND boots > 0 FROM guests WHERE row = "
	"baselines.guest)"
	" AND NOT EXISTS (SELECT 1 FROM instances AS i WHERE i.guest = baselines.guest) AND NOT " DRIFTS("baselines.guest") ")"),
	/* The newest one is what a guest is now, as long as anything is known of the guest. */
	FORGET("revisions", "guest, revision",
	  "at < ?1 AND NOT EXISTS (SELECT 1 FROM baselines AS b WHERE b.guest = revisions.guest AND b.revision = "
	"revisions.revision)"
	" AND NOT EXISTS (SELECT 1 FROM instances AS i WHERE i.guest = revisions.guest AND i.revision = revisions.revision)"
	" AND (revision < (SELECT max(n.revision) FROM revisions AS n WHERE n.guest = revisions.guest)"
	" OR NOT (" DRIFTS("revisions.guest") " OR EXISTS (SELECT 1 FROM baselines AS b WHERE b.guest = revisions.guest)"
					      " OR EXISTS (SELECT 1 FROM instances AS i WHERE i.guest = revisions.guest)))"),
	/* Not one that was named just now and has not lived yet. */
	FORGET("guests", "row",
	  "boots > 0 AND ?1 AND NOT " DRIFTS("guests.row") " AND NOT EXISTS (SELECT 1 FROM baselines AS b WHERE "
										  "b.guest = guests.row)"
										  " AND NOT EXISTS (SELECT 1 FROM instances AS i WHERE "
										  "i.guest = guests.row) AND NOT EXISTS (SELECT 1 FROM "
										  "revisions AS r WHERE r.guest = guests.row)"
										  " AND NOT EXISTS (SELECT 1 FROM events AS e WHERE "
										  "e.guest = guests.row)"),
	FORGET("maintenance", "row",
	  "closed_at < ?1"),
	FORGET("contents", "row",
	  "?1 AND NOT EXISTS (SELECT 1 FROM revisions AS r WHERE r.text = contents.row)"
	" AND NOT EXISTS (SELECT 1 FROM revisions AS r WHERE r.facts = contents.row) AND NOT EXISTS (SELECT 1 FROM revisions AS r WHERE "
	"r.context = contents.row)"),
};

#define PRUNES (sizeof(PRUNE) / sizeof(*PRUNE))

void store_rows_free(struct store_rows *items, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(items[i].table);
	free(items);
}

/* At most so many rows of one table. */
static int prune_table(struct store *s, size_t i, int64_t before, uint64_t most, uint64_t *ret_rows)
{
	struct query q = query_start(s, PRUNE[i].sql);
	query_int(&q, before);
	query_int(&q, (int64_t)most);
	int err = query_run(&q);
	if (!err)
		*ret_rows = query_changes(&q);
	return err;
}

/* Adds to rows. One transaction, in which no other can write: it has to be short. */
static int prune_some(struct store *s, int64_t before, uint64_t most, uint64_t rows[PRUNES], bool *ret_more)
{
	uint64_t left = most, gone = 0;
	bool own;
	int err = store_enter(s, true, &own);
	if (err < 0)
		return err;
	for (size_t i = 0; i < PRUNES && !err && left; i++) {
		err = prune_table(s, i, before, left, &gone);
		if (!err) {
			rows[i] += gone;
			left -= gone < left ? gone : left;
		}
	}
	err = store_leave(s, own, err);
	*ret_more = !err && !left;
	return err;
}

static int prune_all(struct store *s, int64_t before, uint64_t rows[PRUNES])
{
	/* Who waits for its turn to write looks seldom; without a pause it would never find one. */
	const struct timespec pause = { .tv_nsec = 20000000 };
	bool more = before > 0;
	int err = 0;
	memset(rows, 0, PRUNES * sizeof(*rows));
	while (more && !err) {
		err = prune_some(s, before, STORE_PRUNE_ROWS, rows, &more);
		if (more && !s->transaction)
			nanosleep(&pause, NULL);
	}
	return err;
}

static size_t rows_sum(const uint64_t rows[PRUNES])
{
	size_t sum = 0;
	for (size_t i = 0; i < PRUNES; i++)
		sum += rows[i];
	return sum;
}

int store_prune(struct store *s, int64_t before, size_t *ret_rows)
{
	uint64_t rows[PRUNES];
	int err = prune_all(s, before, rows);
	if (!err)
		*ret_rows = rows_sum(rows);
	return err;
}

int store_prune_some(struct store *s, int64_t before, bool *ret_more)
{
	uint64_t rows[PRUNES] = { 0 };
	*ret_more = false;
	return before > 0 ? prune_some(s, before, STORE_PRUNE_ROWS, rows, ret_more) : 0;
}

/* A row for each table, or NULL. */
static struct store_rows *named_rows(void)
{
	struct store_rows *items = calloc(PRUNES, sizeof(*items));
	bool made = items != NULL;

	for (size_t i = 0; i < PRUNES && made; i++)
		made = (items[i].table = strdup(PRUNE[i].table)) != NULL;
	if (items && !made) {
		store_rows_free(items, PRUNES);
		items = NULL;
	}
	return items;
}

int store_prune_told(struct store *s, int64_t before, struct store_rows **ret, size_t *ret_count)
{
	uint64_t rows[PRUNES] = { 0 };
	struct store_rows *items = named_rows();
	if (!items)
		return store_fail(s, SQLITE_NOMEM);
	int err = prune_all(s, before, rows);
	if (err < 0) {
		store_rows_free(items, PRUNES);
		return err;
	}
	for (size_t i = 0; i < PRUNES; i++)
		items[i].rows = rows[i];
	*ret = items;
	*ret_count = PRUNES;
	return 0;
}

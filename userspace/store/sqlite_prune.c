// SPDX-License-Identifier: Apache-2.0
/* What may be forgotten, and whether what is kept is whole. */
#include "userspace/store/sqlite_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DRIFTS(guest) "EXISTS (SELECT 1 FROM drifts AS d WHERE d.guest = " guest ")"
#define BASELINED(guest)                                                                                                                  \
	"EXISTS (SELECT 1 FROM baselines AS b JOIN guests AS k ON k.row = b.guest WHERE b.guest = " guest " AND b.undone_at IS NULL AND " \
	"k.anonymous = 0)"

/*
 * In this order: what refers goes before what is referred to. ?1 is the time before which things are old. A guest with open
 * drift keeps all that tells of it; a guest with a baseline stays known, with its newest instance and revision; the baseline
 * of an anonymous guest was for one life only and ends with its last instance.
 */
static const struct {
	const char *table, *sql;
} PRUNE[] = {
	{ "events",
	  "DELETE FROM events WHERE at < ?1 AND NOT EXISTS (SELECT 1 FROM drifts AS d WHERE d.guest = events.guest AND d.at <= events.at)" },
	/* An alert that some sink still owes is no history. */
	{ "alerts",
	  "DELETE FROM alerts WHERE at < ?1 AND NOT EXISTS (SELECT 1 FROM sinks AS k WHERE k.done < alerts.row"
	" AND NOT EXISTS (SELECT 1 FROM acknowledged AS a WHERE a.sink = k.sink AND a.alert = alerts.row))" },
	{ "instances",
	  "DELETE FROM instances WHERE running = 0 AND ended_at < ?1 AND NOT " DRIFTS("instances.guest") " AND NOT (" BASELINED(
		"instances.guest") " AND row = (SELECT n.row FROM instances AS n WHERE n.guest = instances.guest ORDER BY n.running DESC, "
				   "n.began_at DESC, n.row DESC LIMIT 1))" },
	{ "baselines",
	  "DELETE FROM baselines WHERE undone_at < ?1 OR (at < ?1 AND (SELECT anonymous AND boots > 0 FROM guests WHERE row = "
	"baselines.guest)"
	" AND NOT EXISTS (SELECT 1 FROM instances AS i WHERE i.guest = baselines.guest) AND NOT " DRIFTS("baselines.guest") ")" },
	/* The newest one is what a guest is now, as long as anything is known of the guest. */
	{ "revisions",
	  "DELETE FROM revisions WHERE at < ?1 AND NOT EXISTS (SELECT 1 FROM baselines AS b WHERE b.guest = revisions.guest AND b.revision = "
	"revisions.revision)"
	" AND NOT EXISTS (SELECT 1 FROM instances AS i WHERE i.guest = revisions.guest AND i.revision = revisions.revision)"
	" AND (revision < (SELECT max(n.revision) FROM revisions AS n WHERE n.guest = revisions.guest)"
	" OR NOT (" DRIFTS("revisions.guest") " OR EXISTS (SELECT 1 FROM baselines AS b WHERE b.guest = revisions.guest)"
					      " OR EXISTS (SELECT 1 FROM instances AS i WHERE i.guest = revisions.guest)))" },
	/* Not one that was named just now and has not lived yet. */
	{ "guests",
	  "DELETE FROM guests WHERE boots > 0 AND ?1 AND NOT " DRIFTS("guests.row") " AND NOT EXISTS (SELECT 1 FROM baselines AS b WHERE "
										  "b.guest = guests.row)"
										  " AND NOT EXISTS (SELECT 1 FROM instances AS i WHERE "
										  "i.guest = guests.row) AND NOT EXISTS (SELECT 1 FROM "
										  "revisions AS r WHERE r.guest = guests.row)"
										  " AND NOT EXISTS (SELECT 1 FROM events AS e WHERE "
										  "e.guest = guests.row)" },
	{ "maintenance",
	  "DELETE FROM maintenance WHERE closed_at < ?1" },
	{ "contents",
	  "DELETE FROM contents WHERE ?1 AND NOT EXISTS (SELECT 1 FROM revisions AS r WHERE r.text = contents.row)"
	" AND NOT EXISTS (SELECT 1 FROM revisions AS r WHERE r.facts = contents.row) AND NOT EXISTS (SELECT 1 FROM revisions AS r WHERE "
	"r.context = contents.row)" },
};

#define PRUNES (sizeof(PRUNE) / sizeof(*PRUNE))

void store_rows_free(struct store_rows *items, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(items[i].table);
	free(items);
}

static int prune_tables(struct store *s, int64_t before, uint64_t rows[PRUNES])
{
	bool own;
	memset(rows, 0, PRUNES * sizeof(*rows));
	if (before <= 0)
		return 0;
	int err = store_enter(s, true, &own);
	if (err < 0)
		return err;
	for (size_t i = 0; i < PRUNES && !err; i++) {
		struct query q = query_start(s, PRUNE[i].sql);
		query_int(&q, before);
		err = query_run(&q);
		if (!err)
			rows[i] = query_changes(&q);
	}
	return store_leave(s, own, err);
}

int store_prune(struct store *s, int64_t before, size_t *ret_rows)
{
	uint64_t rows[PRUNES];
	int err = prune_tables(s, before, rows);
	if (err < 0)
		return err;
	*ret_rows = 0;
	for (size_t i = 0; i < PRUNES; i++)
		*ret_rows += rows[i];
	return 0;
}

int store_prune_told(struct store *s, int64_t before, struct store_rows **ret, size_t *ret_count)
{
	uint64_t rows[PRUNES];
	struct store_rows *items = calloc(PRUNES, sizeof(*items));
	bool made = items != NULL;
	for (size_t i = 0; i < PRUNES && made; i++)
		made = (items[i].table = strdup(PRUNE[i].table)) != NULL;
	int err = made ? prune_tables(s, before, rows) : store_fail(s, SQLITE_NOMEM);
	if (err < 0) {
		store_rows_free(items, items ? PRUNES : 0);
		return err;
	}
	for (size_t i = 0; i < PRUNES; i++)
		items[i].rows = rows[i];
	*ret = items;
	*ret_count = PRUNES;
	return 0;
}

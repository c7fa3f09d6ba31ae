// SPDX-License-Identifier: Apache-2.0
/* Which guests drift alike, and which were accepted alike. */
#include "userspace/store/sqlite_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "userspace/drift/change_set.h"

/* A guest without identity that is gone never comes back, so there is nothing to be said or accepted of it. */
#define COMES_BACK(guest)                                                                                                            \
	"EXISTS (SELECT 1 FROM guests AS k WHERE k.row = " guest " AND (k.anonymous = 0 OR EXISTS (SELECT 1 FROM instances AS i WHERE " \
	"i.guest = k.row AND i.running = 1)))"
#define DRIFTING "SELECT d.guest AS guest, d.change_set AS id, d.at AS at FROM drifts AS d WHERE d.change_set IS NOT NULL AND " COMES_BACK("d.guest")
/* The baseline that is now is one that was accepted with a set. */
#define ACCEPTED                                                                                                                          \
	"SELECT b.guest AS guest, b.change_set AS id FROM baselines AS b WHERE b.change_set IS NOT NULL AND b.undone_at IS NULL AND "     \
	"b.row = (SELECT max(t.row) FROM baselines AS t WHERE t.guest = b.guest AND t.undone_at IS NULL)"

void store_change_sets_free(struct store_change_set *items, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(items[i].id);
	free(items);
}

int store_change_sets(struct store *s, struct store_change_set **ret, size_t *ret_count)
{
	struct store_change_set *items = NULL;
	size_t count = 0;
	struct query q = query_start(s, "SELECT id, count(*) AS guests, min(guest), min(at) FROM (" DRIFTING ") GROUP BY id ORDER BY guests DESC, id");
	while (query_next(&q) > 0) {
		struct store_change_set *grown = reallocarray(items, count + 1, sizeof(*grown));
		if (!grown) {
			q.err = store_fail(s, SQLITE_NOMEM);
			break;
		}
		items = grown;
		struct store_change_set *set = &items[count++];
		set->id = column_must(&q);
		set->guests = (size_t)column_int(&q);
		set->guest = column_int(&q);
		set->since = column_int(&q);
		if (q.err)
			break;
	}
	int err = query_end(&q);
	if (err < 0) {
		store_change_sets_free(items, count);
		return err;
	}
	*ret = items;
	*ret_count = count;
	return 0;
}

int store_change_set_of(struct store *s, int64_t guest, char **ret)
{
	char *id = NULL;
	struct query q = query_start(s, "SELECT change_set FROM drifts WHERE guest = ?");
	query_int(&q, guest);
	if (query_next(&q) > 0)
		id = column_text(&q);
	int err = query_end(&q);
	if (err < 0) {
		free(id);
		return err;
	}
	*ret = id;
	return 0;
}

/* Two of those that begin so are enough to know that one is not meant alone. */
static int sets_like(struct store *s, const char *prefix, bool accepted, char *ret[2], size_t *ret_count)
{
	size_t count = 0;
	struct query q = query_start(s, accepted ? "SELECT DISTINCT id FROM (" ACCEPTED ") WHERE id >= ?1 AND id < ?1 || 'g' ORDER BY id LIMIT 2"
						 : "SELECT DISTINCT id FROM (" DRIFTING ") WHERE id >= ?1 AND id < ?1 || 'g' ORDER BY id LIMIT 2");
	query_text(&q, prefix);
	while (count < 2 && query_next(&q) > 0)
		ret[count++] = column_must(&q);
	*ret_count = count;
	return query_end(&q);
}

int store_change_set_find(struct store *s, const char *prefix, bool accepted, char **ret, struct error *e)
{
	char *found[2] = { NULL, NULL };
	size_t count = 0;
	if (!change_set_prefix_valid(prefix))
		return error_set(e, EINVAL, "change set %.40s: has to be %d to %d digits of its id, 0 to 9 and a to f (abidrift ls shows them)", prefix,
				 CHANGE_SET_DIGITS_MIN, CHANGE_SET_DIGITS);
	int err = sets_like(s, prefix, accepted, found, &count);
	if (err < 0)
		error_set(e, -err, "%s", store_error(s));
	else if (!count)
		err = error_set(e, ENOENT, accepted ? "change set %s: no guest's baseline was accepted with it"
						    : "change set %s: no guest drifts by it now (abidrift ls lists the sets)", prefix);
	else if (count > 1)
		err = error_set(e, EEXIST, "change set %s is ambiguous: %s, %s; write more digits", prefix, found[0], found[1]);
	if (!err) {
		*ret = found[0];
		found[0] = NULL;
	}
	free(found[0]);
	free(found[1]);
	return err;
}

int store_change_set_guests(struct store *s, const char *id, bool accepted, int64_t **ret, size_t *ret_count)
{
	int64_t *rows = NULL;
	size_t count = 0;
	struct query q = query_start(s, accepted ? "SELECT guest FROM (" ACCEPTED ") WHERE id = ? ORDER BY guest"
						 : "SELECT guest FROM (" DRIFTING ") WHERE id = ? ORDER BY guest");
	query_text(&q, id);
	while (query_next(&q) > 0) {
		int64_t *grown = reallocarray(rows, count + 1, sizeof(*grown));
		if (!grown) {
			q.err = store_fail(s, SQLITE_NOMEM);
			break;
		}
		rows = grown;
		rows[count++] = column_int(&q);
	}
	int err = query_end(&q);
	if (err < 0) {
		free(rows);
		return err;
	}
	*ret = rows;
	*ret_count = count;
	return 0;
}

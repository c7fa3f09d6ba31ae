// SPDX-License-Identifier: Apache-2.0
#include "userspace/store/sqlite_internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/buffer.h"
#include "userspace/base/text.h"

#define GUEST_COLUMNS "row, id, uuid, name, anonymous, boots, revisions"
/* Of an error line, so that what to do still fits behind the candidates. */
#define CANDIDATES_BYTES 340
#define CANDIDATE_NAME_BYTES 40
#define SHOWN_BYTES 40

void store_guest_release(struct store_guest *g)
{
	if (!g)
		return;
	free(g->id);
	free(g->uuid);
	free(g->name);
	*g = (struct store_guest){ 0 };
}

static void guests_free(struct store_guest *items, size_t count)
{
	for (size_t i = 0; i < count; i++)
		store_guest_release(&items[i]);
	free(items);
}

static void guest_columns(struct query *q, struct store_guest *ret)
{
	ret->row = column_int(q);
	ret->id = column_must(q);
	ret->uuid = column_text(q);
	ret->name = column_text(q);
	ret->anonymous = column_int(q) != 0;
	ret->boots = (uint32_t)column_int(q);
	ret->revisions = (uint32_t)column_int(q);
}

/* The one row of q, or -ENOENT. */
static int guest_only(struct query *q, struct store_guest *ret)
{
	struct store_guest g = { 0 };
	int found = query_next(q);
	if (found > 0)
		guest_columns(q, &g);
	int err = query_end(q);
	if (!err && !found)
		err = error_set(&q->s->error, ENOENT, "store %s: there is no such guest", q->s->path);
	if (err < 0) {
		store_guest_release(&g);
		return err;
	}
	*ret = g;
	return 0;
}

int store_guest_get(struct store *s, int64_t row, struct store_guest *ret)
{
	struct query q = query_start(s, "SELECT " GUEST_COLUMNS " FROM guests WHERE row = ?");
	query_int(&q, row);
	return guest_only(&q, ret);
}

static int guest_by_id(struct store *s, const char *id, struct store_guest *ret)
{
	struct query q = query_start(s, "SELECT " GUEST_COLUMNS " FROM guests WHERE id = ?");
	query_text(&q, id);
	return guest_only(&q, ret);
}

static bool differs(const char *known, const char *now)
{
	return now && (!known || strcmp(known, now) != 0);
}

static int guest_write(struct store *s, const char *id, const char *uuid, const char *name, bool anonymous)
{
	bool own;
	int err = store_enter(s, true, &own);
	if (err < 0)
		return err;
	struct query q = query_start(s, "INSERT INTO guests (id, uuid, name, anonymous) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
					" uuid = coalesce(excluded.uuid, uuid), name = coalesce(excluded.name, name), anonymous = "
					"excluded.anonymous");
	query_text(&q, id);
	query_text(&q, uuid);
	query_text(&q, name);
	query_int(&q, anonymous);
	return store_leave(s, own, query_run(&q));
}

int store_guest_put(struct store *s, const char *id, const char *uuid, const char *name, bool anonymous, struct store_guest *ret)
{
	char canonical[37];
	struct store_guest g = { 0 };
	if (uuid && text_uuid(uuid, canonical) == 0)
		uuid = canonical;

	/* Nearly always it is known and the same: then no lock is asked for. */
	int err = guest_by_id(s, id, &g);
	if (err < 0 && err != -ENOENT)
		return err;
	if (err == -ENOENT || differs(g.uuid, uuid) || differs(g.name, name) || g.anonymous != anonymous) {
		store_guest_release(&g);
		err = guest_write(s, id, uuid, name, anonymous);
		if (!err)
			err = guest_by_id(s, id, &g);
		if (err < 0)
			return err;
	}
	if (ret)
		*ret = g;
	else
		store_guest_release(&g);
	return 0;
}

int store_guest_rename(struct store *s, int64_t row, const char *id, const char *uuid, const char *name, bool anonymous)
{
	struct store_guest other = { 0 };
	bool own;
	int err = store_enter(s, true, &own);
	if (err < 0)
		return err;
	err = guest_by_id(s, id, &other);
	if (!err && other.row != row) {
		store_guest_release(&other);
		return store_leave(s, own, error_set(&s->error, EEXIST, "store %s: there is a guest %.*s already", s->path, SHOWN_BYTES, id));
	}
	store_guest_release(&other);
	if (err && err != -ENOENT)
		return store_leave(s, own, err);
	struct query q = query_start(s, "UPDATE guests SET id = ?, uuid = ?, name = coalesce(?, name), anonymous = ? WHERE row = ?");
	query_text(&q, id);
	query_text(&q, uuid);
	query_text(&q, name);
	query_int(&q, anonymous);
	query_int(&q, row);
	return store_leave(s, own, query_run(&q));
}

static int drop_rows(struct store *s, int64_t guest)
{
	struct query events = query_start(s, "DELETE FROM events WHERE guest = ?");
	query_int(&events, guest);
	int err = query_run(&events);
	if (err < 0)
		return err;
	struct query instances = query_start(s, "DELETE FROM instances WHERE guest = ?");
	query_int(&instances, guest);
	err = query_run(&instances);
	if (err < 0)
		return err;
	struct query guests = query_start(s, "DELETE FROM guests WHERE row = ?");
	query_int(&guests, guest);
	return query_run(&guests);
}

int store_guest_drop(struct store *s, int64_t row, bool *ret_dropped)
{
	struct store_guest g = { 0 };
	bool own;
	int err = store_enter(s, true, &own);
	if (err < 0)
		return err;
	err = store_guest_get(s, row, &g);
	bool empty = !err && g.revisions == 0;
	store_guest_release(&g);
	if (empty)
		err = drop_rows(s, row);
	err = store_leave(s, own, err);
	if (!err)
		*ret_dropped = empty;
	return err;
}

/* Appends the row of q. */
static int guest_append(struct query *q, struct store_guest **items, size_t *count)
{
	struct store_guest *grown = reallocarray(*items, *count + 1, sizeof(**items));
	if (!grown)
		return q->err = store_fail(q->s, SQLITE_NOMEM);
	*items = grown;
	grown[*count] = (struct store_guest){ 0 };
	guest_columns(q, &grown[(*count)++]);
	return q->err;
}

int store_guests(struct store *s, struct store_guest **ret, size_t *ret_count)
{
	struct store_guest *items = NULL;
	size_t count = 0;
	struct query q = query_start(s, "SELECT " GUEST_COLUMNS " FROM guests ORDER BY coalesce(name, id), id");
	while (query_next(&q) > 0)
		if (guest_append(&q, &items, &count) < 0)
			break;
	int err = query_end(&q);
	if (err < 0) {
		guests_free(items, count);
		return err;
	}
	*ret = items;
	*ret_count = count;
	return 0;
}

/* ---- what people write */

/* The prefix of a UUID as people write one: any case, with or without dashes and an opening brace. */
static bool uuid_begins(const char *uuid, const char *text)
{
	bool any = false;
	if (*text == '{')
		text++;
	for (; *text; text++) {
		if (*text == '-')
			continue;
		while (*uuid == '-')
			uuid++;
		if (tolower((unsigned char)*uuid++) != tolower((unsigned char)*text))
			return false;
		any = true;
	}
	return any;
}

static bool begins(const char *whole, const char *text)
{
	return strncmp(whole, text, strlen(text)) == 0;
}

enum match_rank { MATCH_ID, MATCH_UUID, MATCH_NAME, MATCH_PREFIX, MATCH_NONE };

struct wanted {
	const char *text;
	const char *uuid; /* canonical, where text is one; else NULL */
	bool name_only;
};

/* How well does the text name this guest? A better match of one guest excludes the weaker ones of all others. */
static enum match_rank match(const struct store_guest *g, const struct wanted *w)
{
	bool named = g->name && strcmp(g->name, w->text) == 0;
	if (w->name_only)
		return named ? MATCH_NAME : MATCH_NONE;
	if (strcmp(g->id, w->text) == 0)
		return MATCH_ID;
	if (w->uuid && g->uuid && strcmp(g->uuid, w->uuid) == 0)
		return MATCH_UUID;
	if (named)
		return MATCH_NAME;
	if (begins(g->id, w->text) || (g->uuid && uuid_begins(g->uuid, w->text)) || (g->name && begins(g->name, w->text)))
		return MATCH_PREFIX;
	return MATCH_NONE;
}

static int find_matches(struct store *s, const struct wanted *w, struct store_guest **ret, size_t *ret_count)
{
	enum match_rank best = MATCH_NONE;
	struct store_guest *items = NULL;
	size_t count = 0, kept = 0;
	int err = store_guests(s, &items, &count);
	if (err < 0)
		return err;

	for (size_t i = 0; i < count; i++) {
		enum match_rank rank = match(&items[i], w);
		if (rank < best)
			best = rank;
	}
	for (size_t i = 0; i < count; i++) {
		if (best != MATCH_NONE && match(&items[i], w) == best)
			items[kept++] = items[i];
		else
			store_guest_release(&items[i]);
	}
	*ret = items;
	*ret_count = kept;
	return 0;
}

static void candidate(struct buffer *out, const struct store_guest *g)
{
	text_terminal(out, g->id, strlen(g->id));
	if (g->name && strcmp(g->name, g->id) != 0) {
		buffer_string(out, " (");
		text_terminal(out, g->name, strnlen(g->name, CANDIDATE_NAME_BYTES));
		buffer_string(out, ")");
	}
}

static int ambiguous(const struct store_guest *items, size_t count, const char *shown, struct error *e)
{
	struct buffer list = BUFFER_INIT;
	size_t listed = 0;
	while (listed < count && listed < STORE_CANDIDATES) {
		struct buffer one = BUFFER_INIT;
		candidate(&one, &items[listed]);
		bool fits = !buffer_failed(&one) && (listed == 0 || list.size + one.size + 2 < CANDIDATES_BYTES);
		if (fits) {
			buffer_string(&list, listed ? ", " : "");
			buffer_append(&list, one.data, one.size);
			listed++;
		}
		buffer_release(&one);
		if (!fits)
			break;
	}
	if (listed < count)
		buffer_printf(&list, " and %zu more", count - listed);
	int err = error_set(e, EEXIST, "guest %s is ambiguous: %s; write more of one, or its id", shown, list.data ? list.data : "");
	buffer_release(&list);
	return err;
}

int store_guest_resolve(struct store *s, const char *text, struct store_guest *ret, struct error *e)
{
	static const char force[] = "guest:";
	char canonical[37];
	struct store_guest *items = NULL;
	struct buffer shown = BUFFER_INIT;
	size_t count = 0;
	struct wanted w = { .text = text, .name_only = begins(text, force) };

	if (w.name_only)
		w.text += strlen(force);
	else if (text_uuid(text, canonical) == 0)
		w.uuid = canonical;
	if (!*w.text)
		return error_set(e, ENOENT, "a guest's id, UUID or name is missing; abidrift ls lists them");
	/* An id is one guest's, and excludes all other matches: the rest need not be looked at. */
	int err = w.name_only ? -ENOENT : guest_by_id(s, text, ret);
	if (err != -ENOENT)
		return err < 0 ? error_set(e, -err, "%s", store_error(s)) : 0;
	err = find_matches(s, &w, &items, &count);
	if (err < 0)
		return error_set(e, -err, "%s", store_error(s));
	text_terminal(&shown, text, strnlen(text, SHOWN_BYTES));
	if (count == 0)
		err = error_set(e, ENOENT, "no guest is known as %s; abidrift ls lists them", shown.data ? shown.data : "that");
	else if (count > 1)
		err = ambiguous(items, count, shown.data ? shown.data : "", e);
	buffer_release(&shown);
	if (!err) {
		*ret = items[0];
		items[0] = (struct store_guest){ 0 };
	}
	guests_free(items, count);
	return err;
}

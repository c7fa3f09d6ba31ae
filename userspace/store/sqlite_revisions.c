// SPDX-License-Identifier: Apache-2.0
/* Revisions with their contents, and which of them is the baseline. */
#include "userspace/store/sqlite_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void store_revision_release(struct store_revision *r)
{
	if (!r)
		return;
	free(r->text);
	free(r->facts);
	free(r->context);
	*r = (struct store_revision){ 0 };
}

/* Rows of contents. */
struct parts {
	int64_t text, facts, context;
};

static int parts_put(struct store *s, const struct store_revision *r, struct parts *ret)
{
	int err = store_contents_put(s, r->text, r->text_size, &ret->text);
	if (!err)
		err = store_contents_put(s, r->facts, r->facts_size, &ret->facts);
	if (!err)
		err = store_contents_put(s, r->context, r->context_size, &ret->context);
	return err;
}

static int parts_of(struct store *s, int64_t guest, uint32_t revision, struct parts *ret)
{
	struct query q = query_start(s, "SELECT text, facts, context FROM revisions WHERE guest = ? AND revision = ?");
	query_int(&q, guest);
	query_int(&q, revision);
	int found = query_next(&q);
	if (found > 0) {
		ret->text = column_int(&q);
		ret->facts = column_int(&q);
		ret->context = column_int(&q);
	}
	int err = query_end(&q);
	if (!err && !found)
		err = error_set(&s->error, ENOENT, "store %s: there is no such revision", s->path);
	return err;
}

static void bind_revision(struct query *q, const struct store_revision *r, const struct parts *parts)
{
	query_int(q, r->at);
	query_int(q, r->boot);
	query_int(q, r->normaliser);
	query_int(q, r->running);
	query_text(q, *r->digest.text ? r->digest.text : NULL);
	query_int(q, parts->text);
	query_int(q, parts->facts);
	query_int(q, parts->context);
}

static int revision_add(struct store *s, const struct store_revision *r, uint32_t *ret_revision)
{
	struct parts parts = { 0 };
	struct query next = query_start(s, "UPDATE guests SET revisions = revisions + 1 WHERE row = ? RETURNING revisions");
	query_int(&next, r->guest);
	int found = query_next(&next);
	if (found > 0)
		*ret_revision = (uint32_t)column_int(&next);
	int err = query_end(&next);
	if (!err && !found)
		err = error_set(&s->error, ENOENT, "store %s: there is no such guest", s->path);
	if (!err)
		err = parts_put(s, r, &parts);
	if (err < 0)
		return err;
	struct query q = query_start(s, "INSERT INTO revisions (at, boot, normaliser, running, digest, text, facts, context, guest, "
					"revision) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
	bind_revision(&q, r, &parts);
	query_int(&q, r->guest);
	query_int(&q, *ret_revision);
	return query_run(&q);
}

static int revision_replace(struct store *s, const struct store_revision *r)
{
	struct parts old = { 0 }, parts = { 0 };
	int err = parts_of(s, r->guest, r->revision, &old);
	if (!err)
		err = parts_put(s, r, &parts);
	if (err < 0)
		return err;
	struct query q = query_start(s, "UPDATE revisions SET at = ?, boot = ?, normaliser = ?, running = ?, digest = ?, text = ?, facts = ?, context = "
					"? WHERE guest = ? AND revision = ?");
	bind_revision(&q, r, &parts);
	query_int(&q, r->guest);
	query_int(&q, r->revision);
	err = query_run(&q);
	/* A growing revision must not leave a copy behind at every step. */
	if (!err)
		err = store_contents_drop(s, old.text);
	if (!err)
		err = store_contents_drop(s, old.facts);
	if (!err)
		err = store_contents_drop(s, old.context);
	return err;
}

int store_revision_put(struct store *s, struct store_revision *r)
{
	uint32_t revision = r->revision;
	bool own;
	int err = store_enter(s, true, &own);
	if (err < 0)
		return err;
	err = store_leave(s, own, revision ? revision_replace(s, r) : revision_add(s, r, &revision));
	if (!err)
		r->revision = revision;
	return err;
}

static int revision_read(struct store *s, int64_t guest, uint32_t revision, struct store_revision *r)
{
	struct parts parts = { 0 };
	void *text = NULL, *context = NULL;
	struct query q = query_start(s, "SELECT revision, at, boot, normaliser, running, digest, text, facts, context FROM revisions WHERE guest = "
					"?1"
					" AND revision = CASE ?2 WHEN 0 THEN (SELECT max(revision) FROM revisions WHERE guest = ?1) ELSE "
					"?2 END");
	query_int(&q, guest);
	query_int(&q, revision);
	int found = query_next(&q);
	if (found > 0) {
		r->guest = guest;
		r->revision = (uint32_t)column_int(&q);
		r->at = column_int(&q);
		r->boot = (uint32_t)column_int(&q);
		r->normaliser = (uint32_t)column_int(&q);
		r->running = column_int(&q) != 0;
		column_digest(&q, &r->digest);
		parts.text = column_int(&q);
		parts.facts = column_int(&q);
		parts.context = column_int(&q);
	}
	int err = query_end(&q);
	if (!err && !found)
		return error_set(&s->error, ENOENT, "store %s: there is no such revision", s->path);
	if (!err)
		err = store_contents_get(s, parts.text, &text, &r->text_size);
	r->text = text;
	if (!err)
		err = store_contents_get(s, parts.facts, &r->facts, &r->facts_size);
	if (!err)
		err = store_contents_get(s, parts.context, &context, &r->context_size);
	r->context = context;
	return err;
}

int store_revision_get(struct store *s, int64_t guest, uint32_t revision, struct store_revision *ret)
{
	struct store_revision r = { 0 };
	bool own;
	int err = store_enter(s, false, &own);
	if (err < 0)
		return err;
	err = store_leave(s, own, revision_read(s, guest, revision, &r));
	if (err < 0) {
		store_revision_release(&r);
		return err;
	}
	*ret = r;
	return 0;
}

int store_revision_mark(struct store *s, int64_t guest, uint32_t revision, struct digest *ret_digest, int64_t *ret_at)
{
	struct digest digest = { "" };
	int64_t at = 0;
	struct query q = query_start(s, "SELECT digest, at FROM revisions WHERE guest = ? AND revision = ?");
	query_int(&q, guest);
	query_int(&q, revision);
	int found = query_next(&q);
	if (found > 0) {
		column_digest(&q, &digest);
		at = column_int(&q);
	}
	int err = query_end(&q);
	if (!err && !found)
		return error_set(&s->error, ENOENT, "store %s: there is no such revision", s->path);
	if (err < 0)
		return err;
	*ret_digest = digest;
	*ret_at = at;
	return 0;
}

int store_revision_marks(struct store *s, int64_t guest, size_t max, struct store_revision_mark **ret, size_t *ret_count)
{
	struct store_revision_mark *items = NULL;
	size_t count = 0;
	struct query q = query_start(s, "SELECT revision, boot, at, digest FROM revisions WHERE guest = ? ORDER BY revision DESC LIMIT ?");
	query_int(&q, guest);
	query_int(&q, (int64_t)max);
	while (query_next(&q) > 0) {
		struct store_revision_mark *mark = store_grow(&q, &items, count, sizeof(*items));
		if (!mark)
			break;
		count++;
		*mark = (struct store_revision_mark){ .revision = (uint32_t)column_int(&q) };
		mark->boot = (uint32_t)column_int(&q);
		mark->at = column_int(&q);
		column_digest(&q, &mark->digest);
	}
	int err = query_end(&q);
	if (err < 0) {
		free(items);
		return err;
	}
	*ret = items;
	*ret_count = count;
	return 0;
}

/* Digests that begin so, at most STORE_CANDIDATES + 1. All of them are lower-case hex, so 'g' is behind them all. */
static int digests_like(struct store *s, const char *prefix, struct digest found[STORE_CANDIDATES + 1], size_t *ret_count)
{
	size_t count = 0;
	struct query q = query_start(s, "SELECT DISTINCT digest FROM revisions WHERE digest >= ?1 AND digest < ?1 || 'g' ORDER BY digest "
					"LIMIT ?2");
	query_text(&q, prefix);
	query_int(&q, STORE_CANDIDATES + 1);
	while (count <= STORE_CANDIDATES && query_next(&q) > 0)
		column_digest(&q, &found[count++]);
	*ret_count = count;
	return query_end(&q);
}

static int digest_ambiguous(const char *prefix, const struct digest *found, size_t count, struct error *e)
{
	/* Enough of each to be told apart by a person, and for all of them to fit into a line. */
	const int shown = 28;
	char list[STORE_CANDIDATES * 32] = "";
	for (size_t i = 0; i < count && i < STORE_CANDIDATES; i++)
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%.*s", i ? ", " : "", shown, found[i].text);
	return error_set(e, EEXIST, "%s is ambiguous: %s%s; write more of one", prefix, list, count > STORE_CANDIDATES ? " and more" : "");
}

int store_revision_by_digest(struct store *s, const char *prefix, struct store_revision *ret, struct error *e)
{
	struct digest found[STORE_CANDIDATES + 1];
	size_t count = 0;
	int64_t guest = 0;
	uint32_t revision = 0;

	if (!digest_prefix_valid(prefix))
		return error_set(e, EINVAL, "%.80s is not a digest: sha256: and 1 to 64 lower-case hex digits", prefix);
	int err = digests_like(s, prefix, found, &count);
	if (!err && count == 0)
		return error_set(e, ENOENT, "no fingerprint in the store has the digest %s", prefix);
	if (!err && count > 1)
		return digest_ambiguous(prefix, found, count, e);
	if (!err) {
		struct query q = query_start(s, "SELECT guest, revision FROM revisions WHERE digest = ? ORDER BY guest DESC, revision DESC "
						"LIMIT 1");
		query_text(&q, found[0].text);
		if (query_next(&q) > 0) {
			guest = column_int(&q);
			revision = (uint32_t)column_int(&q);
		}
		err = query_end(&q);
	}
	if (!err)
		err = store_revision_get(s, guest, revision, ret);
	return err < 0 ? error_set(e, -err, "%s", store_error(s)) : 0;
}

/* ---- baselines */

void store_baseline_release(struct store_baseline *b)
{
	if (!b)
		return;
	free(b->by);
	free(b->reason);
	free(b->change_set);
	*b = (struct store_baseline){ 0 };
}

/* The nth of the guest's stack, 0 = on top. */
static int baseline_at(struct store *s, int64_t guest, int depth, struct store_baseline *ret, int64_t *ret_row)
{
	struct store_baseline b = { 0 };
	int64_t row = 0;
	struct query q = query_start(s, "SELECT b.row, b.revision, r.digest, b.at, b.by, b.reason, b.expires, b.change_set FROM baselines AS "
					"b JOIN revisions AS r"
					" ON r.guest = b.guest AND r.revision = b.revision WHERE b.row = (SELECT row FROM baselines WHERE "
					"guest = ? AND undone_at IS NULL ORDER BY row DESC LIMIT 1 OFFSET ?)");
	query_int(&q, guest);
	query_int(&q, depth);
	int found = query_next(&q);
	if (found > 0) {
		row = column_int(&q);
		b.revision = (uint32_t)column_int(&q);
		column_digest(&q, &b.digest);
		b.at = column_int(&q);
		b.by = column_must(&q);
		b.reason = column_text(&q);
		b.expires = column_int(&q);
		b.change_set = column_text(&q);
	}
	int err = query_end(&q);
	if (!err && !found)
		err = error_set(&s->error, ENOENT,
				depth ? "store %s: the guest has no baseline before this one" : "store %s: the guest has no baseline yet",
				s->path);
	if (err < 0) {
		store_baseline_release(&b);
		return err;
	}
	*ret = b;
	*ret_row = row;
	return 0;
}

int store_baseline_get(struct store *s, int64_t guest, struct store_baseline *ret)
{
	int64_t row;
	return baseline_at(s, guest, 0, ret, &row);
}

static int baseline_push(struct store *s, int64_t guest, const struct store_baseline *b)
{
	struct parts parts;
	int err = parts_of(s, guest, b->revision, &parts);
	if (err < 0)
		return err;
	struct query q = query_start(s, "INSERT INTO baselines (guest, revision, at, by, reason, expires, change_set) VALUES (?, ?, ?, ?, "
					"?, ?, ?)");
	query_int(&q, guest);
	query_int(&q, b->revision);
	query_int(&q, b->at);
	query_text(&q, b->by);
	query_text(&q, b->reason);
	query_int(&q, b->expires);
	query_text(&q, b->change_set);
	return query_run(&q);
}

int store_baseline_set(struct store *s, int64_t guest, const struct store_baseline *b)
{
	bool own;
	int err = store_enter(s, true, &own);
	if (err < 0)
		return err;
	return store_leave(s, own, baseline_push(s, guest, b));
}

static int baseline_pop(struct store *s, int64_t guest, int64_t at, const char *by, const char *reason, struct store_baseline *ret_now)
{
	struct store_baseline top = { 0 }, before = { 0 };
	int64_t top_row = 0, before_row = 0;
	int err = baseline_at(s, guest, 0, &top, &top_row);
	if (!err)
		err = baseline_at(s, guest, 1, &before, &before_row);
	store_baseline_release(&top);
	if (err < 0)
		return err;
	struct query q = query_start(s, "UPDATE baselines SET undone_at = ?, undone_by = ?, undone_reason = ? WHERE row = ?");
	query_int(&q, at);
	query_text(&q, by);
	query_text(&q, reason);
	query_int(&q, top_row);
	err = query_run(&q);
	if (err < 0) {
		store_baseline_release(&before);
		return err;
	}
	*ret_now = before;
	return 0;
}

int store_baseline_undo(struct store *s, int64_t guest, int64_t at, const char *by, const char *reason, struct store_baseline *ret_now)
{
	struct store_baseline now = { 0 };
	bool own;
	int err = store_enter(s, true, &own);
	if (err < 0)
		return err;
	err = store_leave(s, own, baseline_pop(s, guest, at, by, reason, &now));
	if (err < 0 || !ret_now) {
		store_baseline_release(&now);
		return err;
	}
	*ret_now = now;
	return 0;
}

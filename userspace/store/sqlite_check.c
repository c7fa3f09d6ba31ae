// SPDX-License-Identifier: Apache-2.0
/* Whether a store is whole: SQLite's own check, what the tables promise each other, and every content against its digest. */
#include "userspace/store/sqlite_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of a store in pieces nobody reads more. */
#define FINDINGS_MAX 100

/* Each asks for one text; a row is a finding. */
static const char *const RULES[] = {
	"SELECT 'a row of ' || \"table\" || ' refers to a row of ' || parent || ' that is not there' FROM pragma_foreign_key_check",
	"SELECT 'guest ' || row || ' has more revisions than it counts' FROM guests"
	" WHERE revisions < (SELECT max(revision) FROM revisions AS r WHERE r.guest = guests.row)",
	"SELECT 'instance ' || row || ' is in a boot that its guest does not count' FROM instances AS i"
	" WHERE boot > (SELECT boots FROM guests AS g WHERE g.row = i.guest)",
};

struct findings {
	char **texts;
	size_t count;
};

void store_findings_free(char **texts, size_t count)
{
	while (count)
		free(texts[--count]);
	free(texts);
}

/* SQLite's own findings have several lines. */
static void one_line(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || (unsigned char)*text >= 0x7f)
			*text = ' ';
}

/* Takes ownership of the text. */
static int finding_take(struct store *s, struct findings *f, char *text)
{
	char **larger = text ? reallocarray(f->texts, f->count + 1, sizeof(*larger)) : NULL;
	if (!larger) {
		free(text);
		return store_fail(s, SQLITE_NOMEM);
	}
	one_line(text);
	f->texts = larger;
	f->texts[f->count++] = text;
	return 0;
}

/* Every row of an answer is a finding, except the text `fine`. */
static int find_by_query(struct store *s, struct findings *f, const char *sql, const char *fine)
{
	struct query q = query_start(s, sql);
	int err = 0;
	while (!err && f->count < FINDINGS_MAX && query_next(&q) > 0) {
		char *text = column_must(&q);
		if (text && fine && !strcmp(text, fine))
			free(text);
		else if (text)
			err = finding_take(s, f, text);
	}
	int end = query_end(&q);
	return err ? err : end;
}

/* Reading one compares it with its digest. */
static int find_in_contents(struct store *s, struct findings *f)
{
	int64_t row = 0;
	int err = 0;
	while (!err && f->count < FINDINGS_MAX) {
		struct query q = query_start(s, "SELECT row FROM contents WHERE row > ? ORDER BY row LIMIT 1");
		query_int(&q, row);
		int found = query_next(&q);
		if (found > 0)
			row = column_int(&q);
		err = query_end(&q);
		if (err || !found)
			break;
		void *data = NULL;
		size_t size;
		err = store_contents_get(s, row, &data, &size);
		free(data);
		if (err == -EBADMSG) {
			char *text = NULL;
			err = finding_take(s, f, asprintf(&text, "contents %lld are not what was stored", (long long)row) < 0 ? NULL : text);
		}
	}
	return err;
}

/* SQLite itself may give up on a damaged file; that is one more finding, and the next look may still tell something. */
static int find_went_on(struct store *s, struct findings *f, int err)
{
	return err == -EBADMSG ? finding_take(s, f, strdup("SQLite cannot read all of it")) : err;
}

int store_findings(struct store *s, char ***ret, size_t *ret_count)
{
	struct findings f = { 0 };
	bool own;
	int err = store_enter(s, false, &own);
	if (err < 0)
		return err;
	err = find_went_on(s, &f, find_by_query(s, &f, "PRAGMA integrity_check(100)", "ok"));
	for (size_t i = 0; i < sizeof(RULES) / sizeof(*RULES) && !err; i++)
		err = find_went_on(s, &f, find_by_query(s, &f, RULES[i], NULL));
	if (!err)
		err = find_went_on(s, &f, find_in_contents(s, &f));
	err = store_leave(s, own, err);
	if (err < 0) {
		store_findings_free(f.texts, f.count);
		return err;
	}
	*ret = f.texts;
	*ret_count = f.count;
	return 0;
}

int store_check(struct store *s, struct error *e)
{
	char **texts = NULL;
	size_t count = 0;
	int err = store_findings(s, &texts, &count);
	if (!err && count)
		err = store_damaged(s, texts[0]);
	store_findings_free(texts, count);
	return err < 0 ? error_set(e, -err, "%s", store_error(s)) : 0;
}

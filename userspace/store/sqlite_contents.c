// SPDX-License-Identifier: Apache-2.0
/* Bytes that are stored once, by their digest. */
#include "userspace/store/sqlite_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int find(struct store *s, const struct digest *digest, int64_t *ret_row)
{
	struct query q = query_start(s, "SELECT row FROM contents WHERE digest = ?");
	query_text(&q, digest->text);
	int found = query_next(&q);
	if (found > 0)
		*ret_row = column_int(&q);
	int err = query_end(&q);
	return err < 0 ? err : found;
}

int store_contents_put(struct store *s, const void *data, size_t size, int64_t *ret_row)
{
	struct digest digest;
	digest_bytes(size ? data : "", size, &digest);
	int found = find(s, &digest, ret_row);
	if (found)
		return found < 0 ? found : 0;

	struct query q = query_start(s, "INSERT INTO contents (digest, bytes) VALUES (?, ?)");
	query_text(&q, digest.text);
	query_blob(&q, data, size);
	int err = query_run(&q);
	if (!err)
		*ret_row = sqlite3_last_insert_rowid(s->db);
	return err;
}

int store_contents_get(struct store *s, int64_t row, void **ret, size_t *ret_size)
{
	struct digest expected = { "" }, digest;
	void *data = NULL;
	size_t size = 0;
	struct query q = query_start(s, "SELECT digest, bytes FROM contents WHERE row = ?");
	query_int(&q, row);
	int found = query_next(&q);
	if (found > 0) {
		column_digest(&q, &expected);
		data = column_blob(&q, &size);
	}
	int err = query_end(&q);
	if (!err && data)
		digest_bytes(data, size, &digest);
	if (!err && data && !digest.text[0])
		err = store_fail(s, SQLITE_NOMEM);
	if (!err && (!data || strcmp(digest.text, expected.text) != 0))
		err = store_damaged(s, "contents are not what was stored");
	if (err < 0) {
		free(data);
		return err;
	}
	*ret = data;
	*ret_size = size;
	return 0;
}

int store_contents_drop(struct store *s, int64_t row)
{
	struct query q = query_start(s, "DELETE FROM contents WHERE row = ?1 AND NOT EXISTS (SELECT 1 FROM revisions WHERE text = ?1)"
					" AND NOT EXISTS (SELECT 1 FROM revisions WHERE facts = ?1) AND NOT EXISTS (SELECT 1 FROM "
					"revisions WHERE context = ?1)");
	query_int(&q, row);
	return query_run(&q);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/serve/facet_json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/facet.h"
#include "userspace/base/buffer.h"
#include "userspace/fingerprint/fingerprint.h"
#include "userspace/serve/json.h"

/* An entry; what of it is a string of its own is owned. */
struct row {
	struct facet_line line;
	char *meaning;
	char *group; /* "": none */
	int (*order)(const char *a, const char *b);
};

struct rows {
	const struct facet *facet;
	struct row *items;
	size_t count;
};

static void rows_release(struct rows *r)
{
	for (size_t i = 0; i < r->count; i++) {
		free(r->items[i].meaning);
		free(r->items[i].group);
	}
	free(r->items);
}

static char *said(void (*say)(const char *, const char *, struct buffer *), const struct abi_entry *entry)
{
	struct buffer text = BUFFER_INIT;

	if (say)
		say(entry->key, entry->value, &text);
	return buffer_take(&text, NULL);
}

static char *group_of(const struct facet *facet, const struct abi_entry *entry)
{
	struct buffer text = BUFFER_INIT;

	if (facet->group)
		facet->group(entry->key, &text);
	return buffer_take(&text, NULL);
}

static int rows_make(const struct abi_entries *entries, const struct facet *facet, struct rows *ret)
{
	struct rows r = { .facet = facet, .items = calloc(entries->count ? entries->count : 1, sizeof(*r.items)) };

	for (size_t i = 0; r.items && i < entries->count; i++) {
		const struct abi_entry *entry = &entries->items[i];
		struct row *row = &r.items[r.count];

		if (entry->facet != facet->id)
			continue;
		*row = (struct row){ .meaning = said(facet->meaning, entry), .group = group_of(facet, entry), .order = facet->order ? facet->order : strcmp };
		row->line = (struct facet_line){ entry->key, entry->value, row->meaning };
		r.count++;
		if (!row->meaning || !row->group) {
			rows_release(&r);
			return -ENOMEM;
		}
	}
	if (!r.items)
		return -ENOMEM;
	*ret = r;
	return 0;
}

/* ---- what the facet has */

static json_t *fields_json(const struct facet *facet, const struct facet_line *line)
{
	struct abi_fields fields = { 0 };
	bool is_register;
	json_t *ret = NULL;

	if (facet_values(facet, line->key, line->value, &fields, &is_register) >= 0)
		ret = is_register ? json_array() : json_null();
	for (size_t i = 0; ret && is_register && i < fields.count; i++)
		if (json_array_append_new(ret, json_pack("{s:s, s:s, s:s}", "name", fields.items[i].name, "bits", fields.items[i].bits, "value",
							 fields.items[i].to)) < 0) {
			json_decref(ret);
			ret = NULL;
		}
	abi_fields_release(&fields);
	return ret;
}

static json_t *entries_json(const struct rows *r)
{
	json_t *ret = json_array();

	for (size_t i = 0; ret && i < r->count; i++) {
		const struct row *row = &r->items[i];

		if (json_array_append_new(ret, json_pack("{s:s, s:s, s:o, s:o, s:o}", "key", row->line.key, "value", row->line.value, "meaning",
							 json_text(row->meaning), "group", json_text(row->group), "fields",
							 fields_json(r->facet, &row->line))) < 0) {
			json_decref(ret);
			ret = NULL;
		}
	}
	return ret;
}

/* ---- what people see of it as one */

static int by_group(const void *va, const void *vb)
{
	const struct row *a = *(const struct row *const *)va, *b = *(const struct row *const *)vb;
	int order = a->order(a->group, b->group);

	/* Rows stand in the order of their keys. */
	return order ? order : (a > b) - (a < b);
}

static json_t *title_of(const struct facet *facet, const struct row *const *rows, size_t count)
{
	struct facet_line *lines = facet->title ? malloc(count * sizeof(*lines)) : NULL;
	struct buffer text = BUFFER_INIT;
	json_t *ret;

	for (size_t i = 0; lines && i < count; i++)
		lines[i] = rows[i]->line;
	if (lines)
		facet->title(lines, count, &text);
	ret = (facet->title && !lines) || buffer_failed(&text) ? NULL : json_text(text.data);
	buffer_release(&text);
	free(lines);
	return ret;
}

static json_t *groups_json(const struct rows *r)
{
	const struct row **sorted = calloc(r->count ? r->count : 1, sizeof(*sorted));
	json_t *ret = sorted ? json_array() : NULL;
	size_t end;

	for (size_t i = 0; sorted && i < r->count; i++)
		sorted[i] = &r->items[i];
	if (sorted)
		qsort(sorted, r->count, sizeof(*sorted), by_group);
	for (size_t i = 0; ret && i < r->count; i = end) {
		for (end = i + 1; end < r->count && strcmp(sorted[end]->group, sorted[i]->group) == 0;)
			end++;
		if (*sorted[i]->group && json_array_append_new(ret, json_pack("{s:o, s:o}", "id", json_text(sorted[i]->group), "title",
									       title_of(r->facet, &sorted[i], end - i))) < 0) {
			json_decref(ret);
			ret = NULL;
		}
	}
	free(sorted);
	return ret;
}

json_t *facet_json(const struct abi_entries *entries, enum facet_id id)
{
	const struct abi_coverage *coverage = &entries->coverage[id];
	struct digest digest = { "" };
	struct rows rows;
	json_t *ret;

	if (rows_make(entries, facet_get(id), &rows) < 0)
		return NULL;
	fingerprint_facet_digest(entries, id, &digest);
	ret = json_pack("{s:s, s:o, s:s, s:o, s:o, s:o}", "facet", rows.facet->name, "digest", json_text(digest.text), "coverage",
			coverage_name(coverage->level), "reason", json_text(coverage->reason), "groups", groups_json(&rows), "entries",
			entries_json(&rows));
	rows_release(&rows);
	return ret;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/drift/told.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "userspace/base/buffer.h"
#include "userspace/drift/blame.h"
#include "userspace/drift/group.h"
#include "userspace/drift/words.h"

/* Where a change stands in the diff. */
struct place {
	uintptr_t change;
	size_t index;
};

static int place_compare(const void *va, const void *vb)
{
	const struct place *a = va, *b = vb;

	return (a->change > b->change) - (a->change < b->change);
}

static struct place *places_of(const json_t *changes)
{
	size_t count = json_array_size(changes);
	struct place *places = calloc(count ? count : 1, sizeof(*places));

	for (size_t i = 0; places && i < count; i++)
		places[i] = (struct place){ (uintptr_t)json_array_get(changes, i), i };
	if (places)
		qsort(places, count, sizeof(*places), place_compare);
	return places;
}

/* They rise, so that a reader meets them as the diff lists them. */
static int index_compare(const void *a, const void *b)
{
	const size_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static json_t *indexes(const struct blame *b, const struct place *places, size_t place_count)
{
	size_t count = json_array_size(b->changes);
	size_t *found = calloc(count ? count : 1, sizeof(*found));
	json_t *ret = found ? json_array() : NULL;

	for (size_t i = 0; ret && i < count; i++) {
		const struct place wanted = { .change = (uintptr_t)json_array_get(b->changes, i) };
		const struct place *place = bsearch(&wanted, places, place_count, sizeof(*places), place_compare);

		found[i] = place ? place->index : 0;
	}
	if (ret)
		qsort(found, count, sizeof(*found), index_compare);
	for (size_t i = 0; ret && i < count; i++)
		json_array_append_new(ret, json_integer((json_int_t)found[i]));
	free(found);
	return ret;
}

/* What was said, as a string; null for nothing. */
static json_t *said(struct buffer *text)
{
	json_t *ret = buffer_failed(text) ? NULL : text->size ? json_stringn(text->data, text->size) : json_null();

	buffer_release(text);
	return ret;
}

static json_t *text_or_null(const char *text) { return text && text[0] ? json_string(text) : json_null(); }

static json_t *because(const struct blame *b)
{
	json_t *ret = json_array();

	for (size_t i = 0; ret && i < b->why_count; i++)
		json_array_append_new(ret, json_string(b->whys[i]));
	return ret;
}

static json_t *impacts(const struct blame *b)
{
	json_t *ret = json_array();

	for (size_t i = 0; ret && i < b->impact_count; i++)
		json_array_append_new(ret, json_string(b->impacts[i].sentence));
	return ret;
}

static json_t *one_json(const json_t *diff, const struct blame *b, const struct place *places, size_t place_count)
{
	struct buffer title = BUFFER_INIT, besides = BUFFER_INIT;

	words_heading(diff, b, &title);
	words_besides(diff, b, WORDS_VALUE, &besides);
	return json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "verdict", text_or_null(verdict_name(b->verdict)), "severity",
			 severity_name(b->severity), "title", said(&title), "because", because(b), "or_by", said(&besides), "reason",
			 text_or_null(b->reason), "note", text_or_null(words_note(b)), "impact", impacts(b), "changes",
			 indexes(b, places, place_count));
}

json_t *told_json(const json_t *diff)
{
	const json_t *changes = json_object_get(diff, "changes");
	json_t *ordered = group_order(changes), *ret = NULL;
	struct place *places = places_of(changes);
	struct blames blames = BLAMES_INIT;

	if (ordered && places && blames_part(ordered, &blames) >= 0)
		ret = json_array();
	for (size_t i = 0; ret && i < blames.count; i++)
		if (json_array_append_new(ret, one_json(diff, &blames.items[i], places, json_array_size(changes))) < 0) {
			json_decref(ret);
			ret = NULL;
		}
	blames_release(&blames);
	free(places);
	json_decref(ordered);
	return ret;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/entries.h"
#include "userspace/base/buffer.h"
#include "userspace/base/text.h"

void entries_release(struct abi_entries *e)
{
	if (!e)
		return;
	for (size_t i = 0; i < e->count; i++) {
		free(e->items[i].key);
		free(e->items[i].value);
	}
	free(e->items);
	for (size_t i = 0; i < FACETS; i++)
		free(e->coverage[i].reason);
	*e = (struct abi_entries)ABI_ENTRIES_INIT;
}

/* Takes key and value over, also where it fails. */
static int entries_take(struct abi_entries *e, enum facet_id facet, char *key, char *value)
{
	struct abi_entry *items;
	size_t room;

	if (!key || !value)
		goto fail;
	if (e->count == e->room) {
		room = e->room ? e->room * 2 : 64;
		items = realloc(e->items, room * sizeof(*items));
		if (!items)
			goto fail;
		e->items = items;
		e->room = room;
	}
	e->items[e->count++] = (struct abi_entry){ .facet = facet, .key = key, .value = value };
	return 0;
fail:
	free(key);
	free(value);
	return -ENOMEM;
}

static char *escaped(const char *text, bool key)
{
	struct buffer b = BUFFER_INIT;
	char *taken;

	text_escape(&b, text, strlen(text), key);
	taken = buffer_take(&b, NULL);
	buffer_release(&b);
	return taken;
}

int entries_add(struct abi_entries *e, enum facet_id facet, const char *key, const char *value)
{
	return entries_take(e, facet, escaped(key, true), escaped(value, false));
}

int entries_addf(struct abi_entries *e, enum facet_id facet, const char *key, const char *format, ...)
{
	struct buffer value = BUFFER_INIT;
	va_list args;
	int r;

	va_start(args, format);
	buffer_vprintf(&value, format, args);
	va_end(args);
	r = buffer_failed(&value) ? -ENOMEM : entries_add(e, facet, key, value.data ? value.data : "");
	buffer_release(&value);
	return r;
}

int entries_add_escaped(struct abi_entries *e, enum facet_id facet, const char *key, const char *value)
{
	return entries_take(e, facet, strdup(key), strdup(value));
}

int entries_cover(struct abi_entries *e, enum facet_id facet, enum coverage level, const char *format, ...)
{
	struct buffer reason = BUFFER_INIT;
	va_list args;
	char *text;

	va_start(args, format);
	buffer_vprintf(&reason, format, args);
	va_end(args);
	text = buffer_take(&reason, NULL);
	buffer_release(&reason);
	if (!text)
		return -ENOMEM;
	free(e->coverage[facet].reason);
	e->coverage[facet] = (struct abi_coverage){ .level = level, .reason = text };
	return 0;
}

static int key_compare(enum facet_id a_facet, const char *a_key, const struct abi_entry *b)
{
	if (a_facet != b->facet)
		return strcmp(facet_get(a_facet)->name, facet_get(b->facet)->name);
	return strcmp(a_key, b->key);
}

/* A key holds no byte below the space that ends it in a line, so keys compare as their lines do. */
static bool entry_after(const struct abi_entry *a, const struct abi_entry *b) { return key_compare(a->facet, a->key, b) > 0; }

static void insertion_sort(struct abi_entry *items, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		struct abi_entry moving = items[i];
		size_t at = i;

		for (; at > 0 && entry_after(&items[at - 1], &moving); at--)
			items[at] = items[at - 1];
		items[at] = moving;
	}
}

/* Stable, unlike qsort: of equal keys the last added stays. */
static void merge_sort(struct abi_entry *items, struct abi_entry *spare, size_t count)
{
	size_t half = count / 2, left = 0, right = half, at = 0;

	if (count < 16) {
		insertion_sort(items, count);
		return;
	}
	merge_sort(items, spare, half);
	merge_sort(items + half, spare, count - half);
	/* What comes out of a baseline is sorted but for the little that joined it. */
	if (!entry_after(&items[half - 1], &items[half]))
		return;
	while (left < half && right < count)
		spare[at++] = entry_after(&items[left], &items[right]) ? items[right++] : items[left++];
	while (left < half)
		spare[at++] = items[left++];
	memcpy(items, spare, at * sizeof(*items));
}

void entries_sort(struct abi_entries *e)
{
	struct abi_entry *spare = malloc(e->count ? e->count * sizeof(*spare) : 1);
	size_t kept = 0;

	/* Without memory it is slow, not wrong. */
	if (spare)
		merge_sort(e->items, spare, e->count);
	else
		insertion_sort(e->items, e->count);
	free(spare);
	for (size_t i = 0; i < e->count; i++) {
		struct abi_entry *item = &e->items[i];

		if (i + 1 < e->count && key_compare(item->facet, item->key, item + 1) == 0) {
			free(item->key);
			free(item->value);
		} else {
			e->items[kept++] = *item;
		}
	}
	e->count = kept;
}

const struct abi_entry *entries_find(const struct abi_entries *e, enum facet_id facet, const char *key)
{
	size_t low = 0, high = e->count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = key_compare(facet, key, &e->items[middle]);

		if (order == 0)
			return &e->items[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

int entries_copy(const struct abi_entries *from, struct abi_entries *to)
{
	struct abi_entries copy = ABI_ENTRIES_INIT;
	int r = 0;

	for (size_t i = 0; i < from->count && r >= 0; i++)
		r = entries_add_escaped(&copy, from->items[i].facet, from->items[i].key, from->items[i].value);
	for (int i = 0; i < FACETS && r >= 0; i++)
		r = entries_cover(&copy, i, from->coverage[i].level, "%s", from->coverage[i].reason ? from->coverage[i].reason : "");
	if (r < 0) {
		entries_release(&copy);
		return r;
	}
	*to = copy;
	return 0;
}

bool entry_complete(const struct abi_entry *entry)
{
	const struct facet *facet = facet_get(entry->facet);

	return !facet->complete_key || facet->complete_key(entry->key);
}

static void entries_keep(struct abi_entries *e, unsigned facets)
{
	size_t kept = 0;

	for (size_t i = 0; i < e->count; i++) {
		if (facets & (1u << e->items[i].facet)) {
			e->items[kept++] = e->items[i];
			continue;
		}
		free(e->items[i].key);
		free(e->items[i].value);
	}
	e->count = kept;
}

int abi_derive_of(const struct guest_facts *facts, unsigned facets, struct abi_entries *ret)
{
	struct abi_entries e = ABI_ENTRIES_INIT;
	/* Memory adds to placement. */
	unsigned derived = facets | (facets & (1u << FACET_PLACEMENT) ? 1u << FACET_MEMORY : 0);
	int r = 0;

	for (int i = 0; i < FACETS && r >= 0; i++) {
		const struct facet *facet = facet_get(i);

		r = entries_cover(&e, i, COVERAGE_NONE, "abidrift " ABIDRIFT_VERSION " does not read this facet");
		if (r >= 0 && derived & (1u << i))
			r = facet->derive(facts, &e);
	}
	if (r < 0) {
		entries_release(&e);
		return r;
	}
	entries_keep(&e, facets);
	for (int i = 0; i < FACETS; i++)
		if (!(facets & (1u << i)))
			e.coverage[i].level = COVERAGE_NONE;
	entries_sort(&e);
	*ret = e;
	return 0;
}

int abi_derive(const struct guest_facts *facts, struct abi_entries *ret) { return abi_derive_of(facts, ~0u, ret); }

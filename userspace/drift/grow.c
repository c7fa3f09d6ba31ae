/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/drift/drift.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/drift/evidence.h"
#include "userspace/drift/list.h"

/* The lines of one facet that join, gathered before any does. */
struct growth {
	const struct abi_entry **lines;
	size_t count;
	bool contradicted;
	/* The PCI function being walked: what is new of it joins only if nothing of it contradicts. */
	const char *path;
	size_t path_length;
	size_t path_begin;
	bool path_contradicted;
};

static void path_end(struct growth *g)
{
	if (g->path_contradicted)
		g->count = g->path_begin;
	g->path = NULL;
	g->path_contradicted = false;
}

static void path_enter(struct growth *g, const char *key)
{
	size_t length = path_above(key, strlen(key));

	if (g->path && g->path_length == length && strncmp(g->path, key, length) == 0)
		return;
	path_end(g);
	g->path = key;
	g->path_length = length;
	g->path_begin = g->count;
}

static int grow_key(void *context, const struct evidence *e)
{
	struct growth *g = context;
	const struct abi_entry **lines;

	if (e->facet == FACET_PCI)
		path_enter(g, e->key);
	if (evidence_contradicts(e)) {
		g->contradicted = true;
		g->path_contradicted = e->facet == FACET_PCI;
		return 0;
	}
	if (e->from_presence != PRESENCE_UNKNOWN || !e->to)
		return 0;
	lines = list_room(g->lines, g->count, sizeof(const struct abi_entry *));
	if (!lines)
		return -ENOMEM;
	g->lines = lines;
	lines[g->count++] = e->to;
	return 0;
}

/* A complete pci facet says by silence what a witnessed one says by lines: which functions are not there. */
static void drop_absent_functions(struct abi_entries *known)
{
	size_t kept = 0;

	for (size_t i = 0; i < known->count; i++) {
		struct abi_entry *entry = &known->items[i];
		size_t path = path_above(entry->key, strlen(entry->key));

		if (entry->facet == FACET_PCI && path > 0 && strcmp(entry->key + path, "/id") == 0 && strcmp(entry->value, "absent") == 0) {
			free(entry->key);
			free(entry->value);
		} else {
			known->items[kept++] = *entry;
		}
	}
	known->count = kept;
}

static int grow_coverage(struct abi_entries *known, const struct abi_entries *now, enum facet_id facet, bool contradicted, size_t *joined)
{
	const struct abi_coverage *better = &now->coverage[facet];
	const char *why = better->reason ? better->reason : "", *knew = known->coverage[facet].reason;
	int r;

	/* Why there is nothing to see may be known only later: "not read yet" is not for ever. What one boot lacks by chance is no such reason. */
	if (!coverage_tells_skips(why) && better->level == COVERAGE_NONE && known->coverage[facet].level == COVERAGE_NONE && *why && strcmp(why, knew ? knew : "")) {
		(*joined)++;
		return entries_cover(known, facet, COVERAGE_NONE, "%s", why);
	}
	if (better->level <= known->coverage[facet].level || (better->level == COVERAGE_COMPLETE && contradicted))
		return 0;
	r = entries_cover(known, facet, better->level, "%s", better->reason ? better->reason : "");
	if (r < 0)
		return r;
	if (facet == FACET_PCI && better->level == COVERAGE_COMPLETE)
		drop_absent_functions(known);
	(*joined)++;
	return 0;
}

static int grow_facet(struct abi_entries *known, const struct abi_entries *now, enum facet_id facet, size_t *joined)
{
	struct growth g = { 0 };
	int r = evidence_walk(known, now, facet, grow_key, &g);

	path_end(&g);
	for (size_t i = 0; r >= 0 && i < g.count; i++) {
		r = entries_add_escaped(known, facet, g.lines[i]->key, g.lines[i]->value);
		if (r >= 0)
			(*joined)++;
	}
	if (r >= 0)
		r = grow_coverage(known, now, facet, g.contradicted, joined);
	entries_sort(known);
	free(g.lines);
	return r;
}

int drift_grow(struct abi_entries *known, const struct abi_entries *now, size_t *ret_joined)
{
	size_t joined = 0;

	for (int i = 0; i < FACETS; i++) {
		int r = grow_facet(known, now, i, &joined);

		if (r < 0)
			return r;
	}
	*ret_joined = joined;
	return 0;
}

#define FOUND (-EEXIST)

static int find_contradiction(void *context, const struct evidence *e)
{
	(void)context;
	return evidence_contradicts(e) ? FOUND : 0;
}

bool drift_is_revision(const struct abi_entries *last, const struct abi_entries *now)
{
	for (int i = 0; i < FACETS; i++)
		if (evidence_walk(last, now, i, find_contradiction, NULL) == FOUND)
			return true;
	return false;
}

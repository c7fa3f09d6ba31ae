/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/drift/fold.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/drift/drift.h"
#include "userspace/drift/evidence.h"
#include "userspace/drift/list.h"

struct fold {
	const struct abi_entries *from, *to;
	struct drift *drift;
	size_t pci_begin, pci_end;      /* the changes of pci, sorted by key */
	struct drift_change *elsewhere; /* what moves functions that did not change themselves; NULL = nothing */
};

static const char *last_part(const char *key)
{
	const char *slash = strrchr(key, '/');

	return slash ? slash + 1 : key;
}

static bool resizes(const char *key)
{
	const char *part = last_part(key);

	return strncmp(part, "bar", 3) == 0 || strcmp(part, "rom") == 0;
}

static void fold_find(struct fold *f)
{
	struct drift_change *came = NULL, *resized = NULL, *memory = NULL;

	for (size_t i = 0; i < f->drift->change_count; i++) {
		struct drift_change *c = &f->drift->changes[i];

		if (c->facet == FACET_MEMORY && (!memory || (memory->kind != CHANGE_CHANGED && c->kind == CHANGE_CHANGED)))
			memory = c;
		if (c->facet != FACET_PCI)
			continue;
		if (f->pci_end == 0)
			f->pci_begin = i;
		f->pci_end = i + 1;
		if (!came && c->kind != CHANGE_CHANGED && strcmp(last_part(c->key), "id") == 0)
			came = c;
		if (!resized && resizes(c->key))
			resized = c;
	}
	f->elsewhere = came ? came : resized ? resized : memory;
}

/* Orders key against PATH/NAME. */
static int key_compare(const char *key, const char *path, size_t length, const char *name)
{
	int order = strncmp(key, path, length);

	if (order != 0)
		return order;
	if (key[length] != '/')
		return key[length] < '/' ? -1 : 1;
	return strcmp(key + length + 1, name);
}

/* The first change of pci at or after PATH/NAME. */
static size_t lower_bound(const struct fold *f, const char *path, size_t length, const char *name)
{
	size_t low = f->pci_begin, high = f->pci_end;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (key_compare(f->drift->changes[middle].key, path, length, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct drift_change *change_of(const struct fold *f, const char *path, size_t length)
{
	struct drift_change *changes = f->drift->changes;
	size_t at = lower_bound(f, path, length, "id");

	if (at < f->pci_end && key_compare(changes[at].key, path, length, "id") == 0)
		return &changes[at];
	/* Its own keys begin with a letter; the functions behind it begin with a digit, so they come before them. */
	at = lower_bound(f, path, length, "a");
	if (at < f->pci_end && strncmp(changes[at].key, path, length) == 0 && changes[at].key[length] == '/' &&
	    !strchr(changes[at].key + length + 1, '/'))
		return &changes[at];
	return NULL;
}

static struct drift_change *mover_of(const struct fold *f, const char *key)
{
	for (size_t length = path_above(key, strlen(key)); length > 0; length = path_above(key, length)) {
		struct drift_change *c = change_of(f, key, length);

		if (c)
			return c;
	}
	return f->elsewhere;
}

/*
 * A side that does not have a key tells something only if it saw all functions and looked as well as the other side did, or if it knows
 * that the whole function is not there. A guest that was moved while it ran saw no function since: "not placed" would be made up.
 */
static bool has_moved(const struct fold *f, const struct evidence *e)
{
	const struct abi_entries *without = e->from ? f->to : f->from, *with = e->from ? f->from : f->to;

	if (e->from && e->to)
		return strcmp(e->from->value, e->to->value) != 0;
	return (without->coverage[FACET_PCI].level == COVERAGE_COMPLETE &&
		without->coverage[FACET_PLACEMENT].level >= with->coverage[FACET_PLACEMENT].level) ||
	       function_absent(without, e->key, path_above(e->key, strlen(e->key)));
}

static int fold_one(void *context, const struct evidence *e)
{
	struct fold *f = context;
	struct drift_change *mover;
	struct drift_moved *list, *moved;
	size_t count;

	if (!has_moved(f, e))
		return 0;
	mover = mover_of(f, e->key);
	count = mover ? mover->moved_count : f->drift->moved_count;
	list = list_room(mover ? mover->moved : f->drift->moved, count, sizeof(*list));
	if (!list)
		return -ENOMEM;
	moved = &list[count];
	*moved = (struct drift_moved){ 0 };
	if (mover) {
		mover->moved = list;
		mover->moved_count++;
	} else {
		f->drift->moved = list;
		f->drift->moved_count++;
	}
	return copy_text(e->key, &moved->key) && copy_text(e->from ? e->from->value : NULL, &moved->from) &&
		       copy_text(e->to ? e->to->value : NULL, &moved->to) ? 0 : -ENOMEM;
}

int fold_placement(const struct abi_entries *from, const struct abi_entries *to, struct drift *d)
{
	struct fold f = { .from = from, .to = to, .drift = d };

	fold_find(&f);
	return evidence_walk(from, to, FACET_PLACEMENT, fold_one, &f);
}

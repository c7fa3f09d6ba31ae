/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/drift/evidence.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/drift/drift.h"

/* The deepest path that PCI's 256 buses allow is shorter; what is longer was made up, and nothing is concluded from it. */
#define PATH_BYTES 2048
#define VALUE_ABSENT "absent"

size_t path_above(const char *key, size_t length)
{
	while (length > 0 && key[length - 1] != '/')
		length--;
	return length > 0 ? length - 1 : 0;
}

static bool is_function_id(enum facet_id facet, const char *key)
{
	size_t path = path_above(key, strlen(key));

	return facet == FACET_PCI && path > 0 && strcmp(key + path, "/id") == 0;
}

static const struct abi_entry *attribute(const struct abi_entries *entries, const char *path, const char *name)
{
	char key[PATH_BYTES + 32];

	snprintf(key, sizeof(key), "%s/%s", path, name);
	return entries_find(entries, FACET_PCI, key);
}

static enum presence id_presence(const struct abi_entries *entries, const char *path)
{
	const struct abi_entry *id = attribute(entries, path, "id");

	if (id)
		return strcmp(id->value, VALUE_ABSENT) == 0 ? PRESENCE_ABSENT : PRESENCE_PRESENT;
	return entries->coverage[FACET_PCI].level == COVERAGE_COMPLETE ? PRESENCE_ABSENT : PRESENCE_UNKNOWN;
}

/* Does it end as the name of a function does ("03.0")? A window's key has a path too, which is none. */
static bool names_function(const char *path, size_t length)
{
	return length >= 2 && path[length - 2] == '.' && path[length - 1] >= '0' && path[length - 1] <= '7';
}

/*
 * Function 0 is not there, or its header was read and is that of a device with one function: there are no functions 1 to 7.
 * (PCI Local Bus 3.0, 3.2.2.3.4 and 6.2.1, header type.)
 */
static bool sibling_denies(const struct abi_entries *entries, char *path, size_t length)
{
	char function = path[length - 1];
	bool denies;

	if (function == '0')
		return false;
	path[length - 1] = '0';
	denies = id_presence(entries, path) == PRESENCE_ABSENT ||
		 (attribute(entries, path, "header") && !attribute(entries, path, "multifunction"));
	path[length - 1] = function;
	return denies;
}

bool function_absent(const struct abi_entries *entries, const char *path, size_t length)
{
	char buffer[PATH_BYTES];

	if (length == 0 || length >= sizeof(buffer))
		return false;
	memcpy(buffer, path, length);
	/* From the function up to the root bus: a bridge that is gone took all behind it along. */
	for (; names_function(buffer, length); length = path_above(buffer, length)) {
		enum presence id;

		buffer[length] = '\0';
		id = id_presence(entries, buffer);
		if (id != PRESENCE_UNKNOWN)
			return id == PRESENCE_ABSENT;
		if (sibling_denies(entries, buffer, length))
			return true;
	}
	return false;
}

static enum presence presence_of(const struct abi_entries *entries, const struct evidence *evidence, const struct abi_entry *entry)
{
	if (entry)
		return is_function_id(evidence->facet, evidence->key) && strcmp(entry->value, VALUE_ABSENT) == 0 ? PRESENCE_ABSENT : PRESENCE_PRESENT;
	if (entries->coverage[evidence->facet].level == COVERAGE_COMPLETE && evidence->complete_key)
		return PRESENCE_ABSENT;
	if (evidence->facet == FACET_PCI && function_absent(entries, evidence->key, path_above(evidence->key, strlen(evidence->key))))
		return PRESENCE_ABSENT;
	return PRESENCE_UNKNOWN;
}

bool drift_answers(const struct abi_entries *now, enum facet_id facet, const char *key)
{
	const struct facet *f = facet_get(facet);
	struct evidence e = { .facet = facet, .key = key, .complete_key = !f->complete_key || f->complete_key(key) };

	return presence_of(now, &e, entries_find(now, facet, key)) != PRESENCE_UNKNOWN;
}

static void facet_range(const struct abi_entries *entries, enum facet_id facet, size_t *ret_begin, size_t *ret_end)
{
	size_t begin = 0, end;

	while (begin < entries->count && entries->items[begin].facet != facet)
		begin++;
	for (end = begin; end < entries->count && entries->items[end].facet == facet;)
		end++;
	*ret_begin = begin;
	*ret_end = end;
}

int evidence_walk(const struct abi_entries *from, const struct abi_entries *to, enum facet_id facet, evidence_fn fn, void *context)
{
	size_t f, f_end, t, t_end;

	facet_range(from, facet, &f, &f_end);
	facet_range(to, facet, &t, &t_end);
	while (f < f_end || t < t_end) {
		struct evidence e = { .facet = facet };
		int order = f == f_end ? 1 : t == t_end ? -1 : strcmp(from->items[f].key, to->items[t].key);
		int r;

		const struct abi_entry *either = order <= 0 ? &from->items[f] : &to->items[t];

		if (order <= 0)
			e.from = &from->items[f++];
		if (order >= 0)
			e.to = &to->items[t++];
		e.key = either->key;
		e.complete_key = entry_complete(either);
		e.from_presence = presence_of(from, &e, e.from);
		e.to_presence = presence_of(to, &e, e.to);
		r = fn(context, &e);
		if (r < 0)
			return r;
	}
	return 0;
}

bool evidence_contradicts(const struct evidence *e)
{
	if (e->from_presence == PRESENCE_UNKNOWN || e->to_presence == PRESENCE_UNKNOWN)
		return false;
	if (e->from_presence != e->to_presence)
		return true;
	return e->from_presence == PRESENCE_PRESENT && strcmp(e->from->value, e->to->value) != 0;
}

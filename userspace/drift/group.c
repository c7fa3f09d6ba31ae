/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/drift/group.h"

#include <stdlib.h>
#include <string.h>

#include "userspace/drift/evidence.h"

const char *member_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

bool member_is_text(const json_t *object, const char *key)
{
	return json_is_string(json_object_get(object, key));
}

/* "0x00000001.0" of "0x00000001.0.ecx". */
static size_t cpuid_leaf(const char *key)
{
	const char *subleaf = strchr(key, '.');
	const char *reg = subleaf ? strchr(subleaf + 1, '.') : NULL;

	return reg ? (size_t)(reg - key) : strlen(key);
}

/* Keys of an SMBIOS structure that came or went, or of an ACPI table: all before the slash. */
static size_t head_of(const char *key) { return strcspn(key, "/"); }

/* What every table of ACPI, and every structure of SMBIOS, has among its keys. */
static const char *always_of(const char *facet) { return strcmp(facet, "smbios") == 0 ? "/handle" : "/length"; }

/* All of a table's changes stand together, so they are looked at once, from the first on. */
static void table_look(const json_t *changes, const struct group *g, struct group_cursor *c)
{
	size_t head = head_of(g->key), i;

	c->lost = c->gained = 0;
	for (i = g->begin; i < json_array_size(changes); i++) {
		const json_t *change = json_array_get(changes, i);
		const char *key = member_text(change, "key");

		if (strncmp(key, g->key, head + 1) != 0 || strcmp(member_text(change, "facet"), g->facet) != 0)
			break;
		if (strcmp(key + head, always_of(g->facet)) != 0)
			continue;
		if (strcmp(member_text(change, "change"), "lost") == 0)
			c->lost = i + 1;
		else if (strcmp(member_text(change, "change"), "gained") == 0)
			c->gained = i + 1;
	}
	c->table_end = i;
}

/* Did this change's whole ACPI table, or SMBIOS structure, come or go? */
static bool whole(const json_t *changes, const struct group *g, struct group_cursor *c)
{
	if (g->begin >= c->table_end)
		table_look(changes, g, c);
	return g->begin < (strcmp(g->kind, "lost") == 0 ? c->lost : c->gained);
}

/* "DSDT/_SB.PCI0.S18" of "DSDT/_SB.PCI0.S18._ADR"; the whole key where it is no object of a namespace. */
static size_t device_of(const char *key)
{
	const char *dot = strrchr(key, '.'), *slash = strchr(key, '/');

	return slash && dot > slash && dot[1] == '_' ? (size_t)(dot - key) : strlen(key);
}

/* What of the key a block shares; 0: this change is none of a block. */
static size_t block_of(const json_t *changes, const struct group *g, struct group_cursor *c)
{
	if (strcmp(g->kind, "changed") == 0 || !strchr(g->key, '/'))
		return 0;
	if (strcmp(g->facet, "smbios") == 0)
		return whole(changes, g, c) ? head_of(g->key) : 0;
	if (strcmp(g->facet, "acpi") != 0)
		return 0;
	if (whole(changes, g, c))
		return head_of(g->key);
	/* An object that stays and lost its _ADR has not gone itself. */
	return device_of(g->key) == strlen(g->key) ? strlen(g->key) : 0;
}

static bool in_block(const struct group *g, const json_t *change)
{
	const char *key = member_text(change, "key");

	if (strcmp(member_text(change, "facet"), g->facet) != 0 || strcmp(member_text(change, "change"), g->kind) != 0 ||
	    strncmp(key, g->key, g->subject) != 0)
		return false;
	return key[g->subject] == '/' || (key[g->subject] == '.' && device_of(key) == g->subject);
}

/* The three leaves of the brand: of one of them nobody can read it. */
#define BRAND_LEAVES "0x80000002-4"

const json_t *group_string(const json_t *change)
{
	const json_t *string = json_object_get(change, "string");

	return json_is_object(string) ? string : NULL;
}

static bool is_brand(const json_t *change) { return strcmp(member_text(group_string(change), "name"), "brand") == 0; }

static bool same_brand(const struct group *group, const json_t *first, const json_t *change)
{
	return strcmp(member_text(change, "facet"), group->facet) == 0 && json_equal(group_string(change), group_string(first));
}

/* A longer brand has registers more, and is another one, as a shorter one is. */
static const char *kind_of_brand(const json_t *change)
{
	const json_t *string = group_string(change);
	bool both = json_is_string(json_object_get(string, "from")) && json_is_string(json_object_get(string, "to"));

	return both ? "changed" : member_text(change, "change");
}

static bool same_subject(const struct group *group, const json_t *change)
{
	const char *key = member_text(change, "key");
	char after = group->key[group->subject];

	if (strcmp(member_text(change, "facet"), group->facet) != 0 || strcmp(member_text(change, "change"), group->kind) != 0)
		return false;
	/* What is behind a bridge begins with the bridge's path too. */
	return strncmp(key, group->key, group->subject) == 0 && key[group->subject] == after &&
	       (after != '/' || !strchr(key + group->subject + 1, '/'));
}

struct place {
	json_t *change;
	size_t index;
};

/* An object of a namespace, then what it has, then the objects within: "S18", "S18._ADR", "S18.S00". */
static int place_compare(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	const char *left = member_text(x->change, "key"), *right = member_text(y->change, "key");
	size_t m, n;
	int order = 0;

	if (strcmp(member_text(x->change, "facet"), "acpi") == 0 && strcmp(member_text(y->change, "facet"), "acpi") == 0) {
		m = device_of(left);
		n = device_of(right);
		order = memcmp(left, right, m < n ? m : n);
		if (order == 0)
			order = (m > n) - (m < n);
	}
	return order ? order : (x->index > y->index) - (x->index < y->index);
}

json_t *group_order(const json_t *changes)
{
	size_t count = json_array_size(changes), first = 0, last;
	struct place *places = calloc(count ? count : 1, sizeof(*places));
	json_t *ret = places ? json_array() : NULL;

	for (size_t i = 0; ret && i < count; i++)
		places[i] = (struct place){ json_array_get(changes, i), i };
	/* Only facets that stand together are in an order at all. */
	for (; ret && first < count; first = last) {
		const char *facet = member_text(places[first].change, "facet");

		for (last = first + 1; last < count && strcmp(member_text(places[last].change, "facet"), facet) == 0;)
			last++;
		qsort(places + first, last - first, sizeof(*places), place_compare);
	}
	for (size_t i = 0; ret && i < count; i++)
		if (json_array_append(ret, places[i].change) < 0) {
			json_decref(ret);
			ret = NULL;
		}
	free(places);
	return ret;
}

bool group_next(const json_t *changes, struct group_cursor *cursor, struct group *ret)
{
	const json_t *change = json_array_get(changes, cursor->at);
	struct group g = { .begin = cursor->at };
	bool leaf, function;

	if (!change)
		return false;
	g.facet = member_text(change, "facet");
	g.kind = member_text(change, "change");
	g.key = member_text(change, "key");
	leaf = strcmp(g.facet, "cpuid") == 0;
	function = strcmp(g.facet, "pci") == 0 && strcmp(g.kind, "changed") != 0 && path_above(g.key, strlen(g.key)) > 0;
	g.subject = block_of(changes, &g, cursor);
	g.block = g.subject > 0;
	for (g.end = g.begin + 1; g.block && (change = json_array_get(changes, g.end)) && in_block(&g, change);)
		g.end++;
	if (g.block) {
		cursor->at = g.end;
		*ret = g;
		return true;
	}
	if (leaf && is_brand(change)) {
		g.called = BRAND_LEAVES;
		g.kind = kind_of_brand(change);
		g.subject = cpuid_leaf(g.key);
		while (g.end < json_array_size(changes) && same_brand(&g, change, json_array_get(changes, g.end)))
			g.end++;
		cursor->at = g.end;
		*ret = g;
		return true;
	}
	g.subject = leaf ? cpuid_leaf(g.key) : function ? path_above(g.key, strlen(g.key)) : strlen(g.key);
	for (g.end = g.begin + 1; (leaf || function) && (change = json_array_get(changes, g.end)) && same_subject(&g, change);)
		g.end++;
	for (size_t i = g.begin; function && !g.id && i < g.end; i++)
		if (strcmp(group_part(&g, json_array_get(changes, i)), "id") == 0)
			g.id = json_array_get(changes, i);
	/* A function that stays and lost a BAR: a line of its own for each key. */
	if (function && !g.id) {
		g.end = g.begin + 1;
		g.subject = strlen(g.key);
	}
	cursor->at = g.end;
	*ret = g;
	return true;
}

const char *group_part(const struct group *group, const json_t *change)
{
	const char *key = member_text(change, "key");

	return strlen(key) > group->subject ? key + group->subject + 1 : "";
}

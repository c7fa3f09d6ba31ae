/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/drift/group.h"

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

bool group_next(const json_t *changes, size_t *cursor, struct group *ret)
{
	const json_t *change = json_array_get(changes, *cursor);
	struct group g = { .begin = *cursor };
	bool leaf, function;

	if (!change)
		return false;
	g.facet = member_text(change, "facet");
	g.kind = member_text(change, "change");
	g.key = member_text(change, "key");
	leaf = strcmp(g.facet, "cpuid") == 0;
	function = strcmp(g.facet, "pci") == 0 && strcmp(g.kind, "changed") != 0 && path_above(g.key, strlen(g.key)) > 0;
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
	*cursor = g.end;
	*ret = g;
	return true;
}

const char *group_part(const struct group *group, const json_t *change)
{
	const char *key = member_text(change, "key");

	return strlen(key) > group->subject ? key + group->subject + 1 : "";
}

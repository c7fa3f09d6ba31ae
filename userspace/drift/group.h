/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The changes of a diff (JSON) as people think of them: one for a CPUID leaf (the brand's three are one), for a PCI function, an ACPI table or device or an
 * SMBIOS structure that came or went, though each of its keys is a change.
 */
#ifndef ABIDRIFT_DRIFT_GROUP_H
#define ABIDRIFT_DRIFT_GROUP_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct group {
	const char *facet;
	const char *kind; /* of all of them: "changed", "lost", "gained" */
	const char *key;  /* of the first */
	size_t subject;   /* bytes of key that all of them share: the leaf, the function; or the whole key */
	const json_t *id; /* the change of the function's id, for a PCI function that came or went; else NULL */
	bool block;       /* an ACPI table or device, or an SMBIOS structure, that came or went */
	const char *called; /* what stands for the subject, where its key names a part of it only; else NULL */
	size_t begin, end;
};

/* Where one is among the changes. */
struct group_cursor {
	size_t at;
	/* The last table that was looked at: behind its last change, and behind that by which it is whole; 0: there is none. */
	size_t table_end, lost, gained;
};
#define GROUP_CURSOR_INIT { 0 }

/* The string member of an object; "" where it is null or anything else. */
const char *member_text(const json_t *object, const char *key);
/* Is there such a string? */
bool member_is_text(const json_t *object, const char *key);

/* The changes in an order in which what belongs together stands together, as a new array; NULL: out of memory. */
json_t *group_order(const json_t *changes);
/*
 * The group that begins at the cursor, which moves behind it. False: no more. What all of them take together grows as the changes do:
 * a guest chooses how many objects its tables have.
 */
bool group_next(const json_t *changes, struct group_cursor *cursor, struct group *ret);
/* What CPUID spells over several registers, the change's among them: an object of name, from and to; NULL: it is none of those. */
const json_t *group_string(const json_t *change);
/* What follows the subject in the key of a change of the group: "ecx", "bar0"; "" where the subject is all. */
const char *group_part(const struct group *group, const json_t *change);

#endif

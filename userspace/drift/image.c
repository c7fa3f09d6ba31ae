/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/drift/image.h"

#include <stddef.h>
#include <string.h>

#include "userspace/abi/context.h"
#include "userspace/base/glob.h"

#define NODES_DEEP 8 /* block nodes between a flash device and its file */
#define NAMED_MAX 16 /* elements that name the file: each is looked up among all others */

struct span {
	const char *text;
	size_t size;
};

static struct span span_of(const char *text)
{
	return (struct span){ .text = text, .size = strlen(text) };
}

static bool same(struct span a, struct span b)
{
	return a.size == b.size && memcmp(a.text, b.text, a.size) == 0;
}

/* `between` is what stands between two elements; a dash in it belongs to the next one. */
static bool element_next(const char **cursor, const char *between, struct span *ret)
{
	const char *end = *cursor ? strstr(*cursor, between) : NULL;

	if (!*cursor)
		return false;
	ret->text = *cursor;
	ret->size = end ? (size_t)(end - *cursor) : strlen(*cursor);
	*cursor = !end ? NULL : between[1] == '-' ? end + 1 : end + strlen(between);
	return true;
}

/* The next place at or after `*at` where the word stands. */
static bool word_next(struct span e, const char *word, size_t *at)
{
	const char *found = *at < e.size ? memmem(e.text + *at, e.size - *at, word, strlen(word)) : NULL;

	if (found)
		*at = (size_t)(found - e.text);
	return found;
}

/* A file of that name, not one whose name only has it in it. */
static bool names_file(struct span e, const char *name, const char *ends)
{
	size_t size = strlen(name);

	for (size_t at = 0; word_next(e, name, &at); at++)
		if ((at == 0 || strchr("/=\": ", e.text[at - 1])) && (at + size == e.size || strchr(ends, e.text[at + size])))
			return true;
	return false;
}

/* key=VALUE, or as JSON "key":"VALUE". */
static bool property(struct span e, const char *key, struct span *ret)
{
	for (size_t at = 0; word_next(e, key, &at); at++) {
		struct span rest = { .text = e.text + at + strlen(key), .size = e.size - at - strlen(key) };
		bool json = at > 0 && e.text[at - 1] == '"';
		size_t skip = 0;

		if (!json && (at == 0 || e.text[at - 1] == ',') && rest.size > 0 && rest.text[0] == '=')
			skip = 1;
		else if (json && rest.size > 3 && memcmp(rest.text, "\":\"", 3) == 0)
			skip = 3;
		else if (json && rest.size > 4 && memcmp(rest.text, "\": \"", 4) == 0)
			skip = 4;
		if (!skip)
			continue;
		*ret = (struct span){ .text = rest.text + skip };
		while (ret->size < rest.size - skip && !strchr(",;\"", ret->text[ret->size]))
			ret->size++;
		return true;
	}
	return false;
}

static bool property_is(struct span e, const char *key, const char *value)
{
	struct span found;

	return property(e, key, &found) && same(found, span_of(value));
}

/* Of the nodes from a flash device down to its file: is this one of them? */
static bool node_is_below(const char *nodes, struct span top, struct span node)
{
	for (int depth = 0; depth < NODES_DEEP; depth++) {
		struct span e, name, below = { 0 };

		if (same(top, node))
			return true;
		for (const char *cursor = nodes; !below.text && element_next(&cursor, "; ", &e);)
			if (!property(e, "node-name", &name) || !same(name, top) || !property(e, "file", &below))
				below.text = NULL;
		if (!below.text)
			return false;
		top = below;
	}
	return false;
}

static bool node_is_flash(const struct context *side, const char *nodes, struct span e)
{
	static const char *const machines[] = { "option.machine", "backend.machine" }, *const units[] = { "pflash0", "pflash1" };
	struct span node, top;

	if (!side || !property(e, "node-name", &node))
		return false;
	for (size_t m = 0; m < 2; m++) {
		const char *machine = context_get(side, machines[m]);

		for (size_t u = 0; machine && u < 2; u++)
			if (property(span_of(machine), units[u], &top) && node_is_below(nodes, top, node))
				return true;
	}
	return false;
}

/*
 * What the guest sees of a drive (if=) is told by option.drive, its file by backend.drive, in the same order; one with if=none is
 * told by the latter alone. Where a drive without a file makes them uneven, any flash device will do.
 */
static bool drive_is_flash(const struct context *side, const char *drives, struct span drive)
{
	const char *seen = side ? context_get(side, "option.drive") : NULL;
	size_t files = 0, all = 0, at = 0;
	bool flash = false, any = false;
	struct span e;

	if (property_is(drive, "if", "pflash"))
		return true;
	if (!seen || property_is(drive, "if", "none"))
		return false;
	for (const char *cursor = drives; element_next(&cursor, "; ", &e);) {
		if (e.text == drive.text)
			at = files;
		files += !property_is(e, "if", "none");
	}
	for (const char *cursor = seen; element_next(&cursor, "; ", &e); all++) {
		bool is = property_is(e, "if", "pflash");

		any = any || is;
		flash = flash || (is && all == at);
	}
	return all == files ? flash : any;
}

bool image_is_firmware(const struct context *side, const char *factor, const char *value, const char *name)
{
	bool args = strcmp(factor, "option.args") == 0;
	const char *ends = args ? ",; " : ",;\"";
	struct span e, file;
	int named = 0;

	for (const char *cursor = value; name[0] && named < NAMED_MAX && element_next(&cursor, args ? " -" : "; ", &e);) {
		if (!names_file(e, name, ends))
			continue;
		named++;
		if (glob_match("option.bios|option.pflash", factor))
			return true;
		/* cloud-hypervisor, crosvm, kvmtool */
		if (args && (strncmp(e.text, "--firmware", 10) == 0 || strncmp(e.text, "--bios", 6) == 0 || strncmp(e.text, "--pflash", 8) == 0))
			return true;
		if (strcmp(factor, "option.machine") == 0 && property(e, "firmware", &file) && names_file(file, name, ends))
			return true;
		if (strcmp(factor, "backend.drive") == 0 && drive_is_flash(side, value, e))
			return true;
		if (strcmp(factor, "backend.blockdev") == 0 && node_is_flash(side, value, e))
			return true;
	}
	return false;
}

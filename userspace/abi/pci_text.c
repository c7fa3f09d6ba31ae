/* SPDX-License-Identifier: Apache-2.0 */
/* The facet pci as a tree: functions below the bridge that leads to them, each with what it is, its BARs and its capabilities. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/facet.h"
#include "userspace/abi/facets_internal.h"
#include "userspace/abi/text_lines.h"
#include "userspace/base/buffer.h"

/* The lines of one function, by attribute; the attribute begins behind the path and its slash. */
struct function {
	const struct facet_line *lines;
	size_t count;
	size_t path; /* characters of the path */
	size_t depth;
};

static size_t path_length(const char *key)
{
	const char *slash = strrchr(key, '/');

	return slash ? (size_t)(slash - key) : strlen(key);
}

static const struct facet_line *attribute(const struct function *f, const char *name)
{
	for (size_t i = 0; i < f->count; i++)
		if (strcmp(f->lines[i].key + f->path + 1, name) == 0)
			return &f->lines[i];
	return NULL;
}

static void part(struct buffer *out, const struct function *f, const char *name, const char *before)
{
	const struct facet_line *line = attribute(f, name);

	if (line)
		buffer_printf(out, "%s%s", before, line->value);
}

static void function_title(struct buffer *out, const struct function *f)
{
	const struct facet_line *id = attribute(f, "id"), *class = attribute(f, "class");

	if (id && strcmp(id->value, "absent") == 0) {
		buffer_string(out, "absent");
		return;
	}
	if (class)
		buffer_printf(out, "%s: ", *class->meaning ? class->meaning : class->value);
	if (id)
		buffer_printf(out, "%s%s[%s]", id->meaning, *id->meaning ? " " : "", id->value);
	part(out, f, "revision", " rev ");
	part(out, f, "subsystem", ", subsystem ");
	part(out, f, "pin", ", pin ");
	if (attribute(f, "multifunction"))
		buffer_string(out, ", multifunction");
}

static void head_line(struct buffer *out, const struct function *f)
{
	const char *name = f->lines[0].key;
	struct buffer head = BUFFER_INIT, text = BUFFER_INIT;
	size_t begin = 0;

	for (size_t i = 0; i < f->path; i++)
		if (name[i] == '/')
			begin = i + 1;
	buffer_printf(&head, "%*s%.*s  ", (int)(2 + 2 * f->depth), "", (int)(f->path - begin), name + begin);
	function_title(&text, f);
	if (!buffer_failed(&head) && !buffer_failed(&text))
		lines_wrapped(out, head.data, head.size, text.data ? text.data : "");
	buffer_release(&head);
	buffer_release(&text);
}

static bool is_region(const char *name) { return strncmp(name, "bar", 3) == 0 || strcmp(name, "rom") == 0; }
static bool is_capability(const char *name) { return strncmp(name, "cap.", 4) == 0 || strncmp(name, "ext.", 4) == 0; }

static void region_line(struct buffer *out, const struct function *f, const struct facet_line *line)
{
	const char *size = strstr(line->value, "size=");
	struct buffer text = BUFFER_INIT;

	if (size) {
		buffer_append(&text, line->value, (size_t)(size - line->value));
		lines_bytes(&text, strtoull(size + strlen("size="), NULL, 16));
	} else {
		buffer_string(&text, line->value);
	}
	buffer_printf(out, "%*s%s: %s\n", (int)(6 + 2 * f->depth), "", line->key + f->path + 1, text.data ? text.data : "");
	buffer_release(&text);
}

/* `cap.11@0x48` and its `.vectors`, `.table` are one line. */
static size_t capability_line(struct buffer *out, const struct function *f, size_t first)
{
	const char *name = f->lines[first].key + f->path + 1;
	size_t at = strcspn(name, "@"), length = at + strcspn(name + at, "."), n = first;
	struct buffer head = BUFFER_INIT, text = BUFFER_INIT;

	buffer_printf(&head, "%*s%.*s  ", (int)(6 + 2 * f->depth), "", (int)length, name);
	if (*f->lines[first].meaning)
		buffer_string(&text, f->lines[first].meaning);
	for (; n < f->count && strncmp(f->lines[n].key + f->path + 1, name, length) == 0; n++) {
		const char *detail = f->lines[n].key + f->path + 1 + length, *value = f->lines[n].value;

		if (*detail && *detail != '.')
			break;
		if (*detail)
			buffer_printf(&text, "%s%s: %s", text.size ? ", " : "", detail + 1, value);
		else if (strcmp(value, "present") != 0)
			buffer_printf(&text, "%s%s", text.size ? ", " : "", value);
	}
	if (!buffer_failed(&head) && !buffer_failed(&text))
		lines_wrapped(out, head.data, head.size, text.data ? text.data : "");
	buffer_release(&head);
	buffer_release(&text);
	return n > first ? n - first : 1;
}

static void function_lines(struct buffer *out, const struct function *f)
{
	head_line(out, f);
	for (size_t i = 0; i < f->count; i++)
		if (is_region(f->lines[i].key + f->path + 1))
			region_line(out, f, &f->lines[i]);
	for (size_t i = 0; i < f->count;) {
		if (is_capability(f->lines[i].key + f->path + 1))
			i += capability_line(out, f, i);
		else
			i++;
	}
}

void pci_group(const char *key, struct buffer *out)
{
	if (strchr(key, '/'))
		buffer_append(out, key, path_length(key));
}

void pci_title(const struct facet_line *lines, size_t count, struct buffer *out)
{
	function_title(out, &(struct function){ .lines = lines, .count = count, .path = path_length(lines[0].key) });
}

static size_t depth_of(const char *key, size_t path)
{
	size_t depth = 0;

	for (size_t i = 0; i < path; i++)
		depth += key[i] == '/';
	return depth;
}

/*
 * Keys are sorted as text, so the functions behind a bridge stand among the bridge's own attributes (a digit comes before a
 * letter): its lines are those of its path, wherever they stand.
 */
static int by_path(const void *va, const void *vb)
{
	const struct facet_line *a = va, *b = vb;
	size_t x = path_length(a->key), y = path_length(b->key), n = x < y ? x : y;
	int order = strncmp(a->key, b->key, n);

	if (order != 0 || x != y)
		return order != 0 ? order : x < y ? -1 : 1;
	return strcmp(a->key, b->key);
}

void pci_present(const struct facet_line *lines, size_t count, struct buffer *out)
{
	struct facet_line *sorted = malloc((count ? count : 1) * sizeof(*sorted));

	if (!sorted)
		return;
	memcpy(sorted, lines, count * sizeof(*sorted));
	qsort(sorted, count, sizeof(*sorted), by_path);
	for (size_t i = 0; i < count;) {
		/* A fingerprint may have been written by hand. */
		if (!strchr(sorted[i].key, '/')) {
			lines_group(out, &sorted[i++], 1, 0, 2);
			continue;
		}
		size_t path = path_length(sorted[i].key), same = 1;
		struct function f = { .lines = &sorted[i], .path = path, .depth = depth_of(sorted[i].key, path) };

		while (i + same < count && path_length(sorted[i + same].key) == path && strncmp(sorted[i + same].key, sorted[i].key, path) == 0)
			same++;
		f.count = same;
		function_lines(out, &f);
		i += same;
	}
	free(sorted);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/abi/text_lines.h"

#include <string.h>

#include "userspace/abi/facet.h"
#include "userspace/base/buffer.h"

#define KEY_COLUMNS_MAX 36u

static void spaces(struct buffer *out, size_t count)
{
	while (count--)
		buffer_append(out, " ", 1);
}

/* How much of `text` goes into `room` columns: up to behind a space, or to its end; a longer word as a whole. */
static size_t take(const char *text, size_t room)
{
	size_t best = 0, n;

	for (n = 0; text[n] && (n < room || !best); n++)
		if (text[n] == ' ')
			best = n + 1;
	return !text[n] && n <= room ? n : best ? best : n;
}

void lines_wrapped(struct buffer *out, const char *head, size_t indent, const char *text)
{
	size_t used = strlen(head), room = indent + 20 < LINE_COLUMNS ? LINE_COLUMNS - indent : 20;

	while (!*text && used && head[used - 1] == ' ')
		used--;
	buffer_append(out, head, used);
	if (used < indent && *text)
		spaces(out, indent - used);
	do {
		size_t length = take(text, room), end = length;

		while (end && text[end - 1] == ' ')
			end--;
		buffer_append(out, text, end);
		buffer_string(out, "\n");
		text += length;
		if (*text)
			spaces(out, indent);
	} while (*text);
}

void lines_bytes(struct buffer *out, uint64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	size_t unit = 0;

	while (bytes && bytes % 1024 == 0 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		bytes /= 1024;
		unit++;
	}
	buffer_printf(out, "%llu %s", (unsigned long long)bytes, units[unit]);
}

size_t lines_same(const struct facet_line *lines, size_t count, size_t prefix)
{
	size_t n = 1;

	while (n < count && strncmp(lines[n].key, lines[0].key, prefix) == 0)
		n++;
	return n;
}

void lines_group(struct buffer *out, const struct facet_line *lines, size_t count, size_t prefix, size_t indent)
{
	size_t width = 0;

	for (size_t i = 0; i < count; i++) {
		size_t length = strlen(lines[i].key + prefix);

		if (length > width && length <= KEY_COLUMNS_MAX)
			width = length;
	}
	for (size_t i = 0; i < count; i++) {
		struct buffer head = BUFFER_INIT, text = BUFFER_INIT;

		spaces(&head, indent);
		buffer_string(&head, lines[i].key + prefix);
		buffer_string(&head, "  ");
		buffer_string(&text, lines[i].value);
		if (*lines[i].meaning && strcmp(lines[i].meaning, lines[i].value) != 0)
			buffer_printf(&text, "  (%s)", lines[i].meaning);
		if (!buffer_failed(&head) && !buffer_failed(&text))
			lines_wrapped(out, head.data, indent + width + 2, text.data ? text.data : "");
		buffer_release(&head);
		buffer_release(&text);
	}
}

void slash_group(const char *key, struct buffer *out)
{
	const char *slash = strchr(key, '/');

	if (slash)
		buffer_append(out, key, (size_t)(slash - key));
}

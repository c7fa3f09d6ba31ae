/* SPDX-License-Identifier: Apache-2.0 */
/* The facet acpi table by table: its header in one line, its fields, then the devices that it names, each with what identifies it. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/facet.h"
#include "userspace/abi/facets_internal.h"
#include "userspace/abi/text_lines.h"
#include "userspace/base/buffer.h"

/* The lines of one table; keys go on behind `prefix` characters. */
struct table {
	const struct facet_line *lines;
	size_t count;
	size_t prefix;
};

static const char *const header_names[] = {
	"revision", "length", "oem_id", "oem_table_id", "oem_revision", "creator_id", "creator_revision",
};

static const char *name_of(const struct table *t, size_t n) { return t->lines[n].key + t->prefix; }

static const struct facet_line *line_of(const struct table *t, const char *name)
{
	for (size_t i = 0; i < t->count; i++)
		if (strcmp(name_of(t, i), name) == 0)
			return &t->lines[i];
	return NULL;
}

static bool is_header(const char *name)
{
	for (size_t i = 0; i < sizeof(header_names) / sizeof(header_names[0]); i++)
		if (strcmp(header_names[i], name) == 0)
			return true;
	return false;
}

/* `_SB.PCI0._HID`: a name of the namespace, in capitals; fields of tables begin with a small letter or a digit. */
static bool is_object(const struct facet_line *line, const char *name)
{
	return (*name == '_' || (*name >= 'A' && *name <= 'Z')) && *line->value;
}

/* Where the path's last name begins, if that is one that identifies (`_HID`); else 0. */
static size_t identification(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot && dot[1] == '_' ? (size_t)(dot - path) : 0;
}

static void value_part(struct buffer *out, const struct table *t, const char *name, const char *before)
{
	const struct facet_line *line = line_of(t, name);

	if (line)
		buffer_printf(out, "%s%s", before, line->value);
}

static void put_name(struct buffer *out, const struct table *t)
{
	const struct facet_line *revision = line_of(t, "revision");

	if (revision)
		buffer_string(out, revision->meaning);
}

void acpi_title(const struct facet_line *lines, size_t count, struct buffer *out)
{
	put_name(out, &(struct table){ .lines = lines, .count = count, .prefix = strcspn(lines[0].key, "/") + 1 });
}

static void head_line(struct buffer *out, const struct table *t)
{
	struct buffer head = BUFFER_INIT, text = BUFFER_INIT;

	buffer_printf(&head, "  %.*s  ", (int)(t->prefix - 1), t->lines[0].key);
	put_name(&text, t);
	value_part(&text, t, "revision", text.size ? ", revision " : "revision ");
	value_part(&text, t, "length", text.size ? ", length " : "length ");
	value_part(&text, t, "oem_id", text.size ? ", OEM " : "OEM ");
	value_part(&text, t, "oem_table_id", " ");
	value_part(&text, t, "oem_revision", " ");
	value_part(&text, t, "creator_id", ", creator ");
	value_part(&text, t, "creator_revision", " ");
	if (!buffer_failed(&head) && !buffer_failed(&text))
		lines_wrapped(out, head.data, head.size, text.data ? text.data : "");
	buffer_release(&head);
	buffer_release(&text);
}

/* A device and, behind it, its _HID, _UID and so on, which sort behind the devices within it. */
static void device_line(struct buffer *out, const struct table *t, size_t n)
{
	const char *path = name_of(t, n);
	size_t length = strlen(path);
	struct buffer head = BUFFER_INIT, text = BUFFER_INIT;

	buffer_printf(&head, "    %s  ", path);
	buffer_string(&text, t->lines[n].value);
	for (size_t i = n + 1; i < t->count && strncmp(name_of(t, i), path, length) == 0; i++)
		if (identification(name_of(t, i)) == length)
			buffer_printf(&text, ", %s %s", name_of(t, i) + length + 1, t->lines[i].value);
	if (!buffer_failed(&head) && !buffer_failed(&text))
		lines_wrapped(out, head.data, head.size, text.data ? text.data : "");
	buffer_release(&head);
	buffer_release(&text);
}

/* Its device has a line of its own, which tells it. */
static bool told_by_device(const struct table *t, size_t n)
{
	const char *path = name_of(t, n);
	size_t length = identification(path);

	for (size_t i = n; length && i-- > 0;)
		if (strlen(name_of(t, i)) == length && strncmp(name_of(t, i), path, length) == 0)
			return true;
	return false;
}

static void field_lines(struct buffer *out, const struct table *t)
{
	struct facet_line *fields = malloc(t->count * sizeof(*fields));
	size_t count = 0;

	for (size_t i = 0; fields && i < t->count; i++)
		if (!is_header(name_of(t, i)) && !is_object(&t->lines[i], name_of(t, i)))
			fields[count++] = t->lines[i];
	lines_group(out, fields, count, t->prefix, 4);
	free(fields);
}

static void table_lines(struct buffer *out, const struct table *t)
{
	head_line(out, t);
	field_lines(out, t);
	for (size_t i = 0; i < t->count; i++) {
		if (!is_object(&t->lines[i], name_of(t, i)) || told_by_device(t, i))
			continue;
		if (identification(name_of(t, i)))
			lines_group(out, &t->lines[i], 1, t->prefix, 4);
		else
			device_line(out, t, i);
	}
}

void acpi_present(const struct facet_line *lines, size_t count, struct buffer *out)
{
	for (size_t i = 0; i < count;) {
		const char *slash = strchr(lines[i].key, '/');

		if (!slash) {
			lines_group(out, &lines[i++], 1, 0, 2);
			continue;
		}
		struct table t = { .lines = &lines[i], .prefix = (size_t)(slash - lines[i].key) + 1 };

		t.count = lines_same(&lines[i], count - i, t.prefix);
		table_lines(out, &t);
		i += t.count;
	}
}

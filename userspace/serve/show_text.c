/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/serve/show_text.h"

#include <stdlib.h>
#include <string.h>

#include "userspace/abi/facet.h"
#include "userspace/base/buffer.h"
#include "userspace/base/text.h"
#include "userspace/serve/listing.h"
#include "userspace/serve/member.h"
#include "userspace/serve/table.h"

static const char *const two[] = { "NAME", "VALUE", NULL };
static const char *const three[] = { "KEY", "VALUE", "MEANING", NULL };

static void head_cell(struct table *t, const char *name, struct buffer *value)
{
	table_cell(t, name);
	table_cell(t, value->data ? value->data : "");
	buffer_release(value);
}

static void head_member(struct table *t, const char *name, const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	if (!value || json_is_null(value))
		return;
	table_cell(t, name);
	table_member(t, object, key);
}

/* Is this the revision that the guest has now? */
static bool is_current(const json_t *model)
{
	const json_t *current = json_object_get(json_object_get(model, "guest"), "current");

	return json_is_object(current) && json_equal(json_object_get(current, "revision"), json_object_get(model, "revision"));
}

/* An earlier revision was another VMM's, perhaps: what the guest has now would be told as that one's. */
static void earlier_rows(struct table *t, const json_t *context)
{
	static const char *const vmm[] = { "vmm.kind", "vmm.version", "vmm.path" };
	struct buffer value = BUFFER_INIT;

	for (size_t i = 0; i < sizeof(vmm) / sizeof(vmm[0]); i++) {
		if (!member_string(context, vmm[i]))
			continue;
		buffer_string(&value, !value.size ? "" : i == 2 ? "  " : " ");
		member_put(&value, context, vmm[i]);
	}
	if (value.size)
		head_cell(t, "vmm", &value);
	head_member(t, "machine", context, "machine");
}

/* One row for each reason; the first one has the name. */
static void reason_rows(struct table *t, const char *name, const json_t *reasons)
{
	const json_t *reason;
	size_t i;

	json_array_foreach(reasons, i, reason)
	{
		struct buffer value = BUFFER_INIT;

		member_put(&value, reason, "reason");
		head_cell(t, i ? "" : name, &value);
	}
}

static void current_rows(struct table *t, const json_t *guest)
{
	struct buffer value = BUFFER_INIT;

	listing_vmm(guest, true, &value);
	if (member_string(json_object_get(guest, "vmm"), "path")) {
		buffer_string(&value, "  ");
		member_put(&value, json_object_get(guest, "vmm"), "path");
	}
	head_cell(t, "vmm", &value);
	head_member(t, "machine", guest, "machine");
	head_member(t, "pid", guest, "pid");
	head_member(t, "boot", guest, "boot");
	head_member(t, "state", guest, "state");
	reason_rows(t, "not stable", json_object_get(guest, "unstable"));
	if (json_is_true(json_object_get(guest, "stable")))
		head_member(t, "stable", guest, "stable");
	reason_rows(t, "next boot", json_object_get(guest, "next_boot"));
}

static void head_text(const json_t *model, struct buffer *out)
{
	struct table *t = table_new(two, true);
	const json_t *guest = json_object_get(model, "guest");
	struct buffer value = BUFFER_INIT;

	if (json_is_object(guest)) {
		listing_name(guest, &value);
		head_cell(t, "guest", &value);
		head_member(t, "uuid", guest, "uuid");
		if (is_current(model))
			current_rows(t, guest);
		else
			earlier_rows(t, json_object_get(model, "context"));
	}
	head_member(t, "revision", model, "revision");
	head_member(t, "digest", model, "digest");
	head_member(t, "at", model, "at");
	table_end(t, "", out);
}

static int level(const char *coverage)
{
	return !coverage || strcmp(coverage, "none") == 0 ? 0 : strcmp(coverage, "witnessed") == 0 ? 1 : 2;
}

/*
 * A revision holds what all its boots showed. Where the newest boot shows less (reading of guest memory was switched off, say), who
 * looks at it must know that it is not from there. NULL: the boot shows as much, or is not judged yet, or another revision is looked at.
 */
static const char *less_now(const json_t *model, const json_t *facet)
{
	const json_t *guest = json_object_get(model, "guest");
	const char *name = member_string(facet, "facet");
	const char *now = name ? member_string(json_object_get(guest, "coverage"), name) : NULL;

	if (!now || !is_current(model) || !json_is_true(json_object_get(guest, "settled")))
		return NULL;
	return level(now) < level(member_string(facet, "coverage")) ? now : NULL;
}

static void facet_head(const json_t *facet, const char *less, bool color, struct buffer *out)
{
	buffer_printf(out, "\n%s", color ? "\033[1m" : "");
	member_put(out, facet, "facet");
	buffer_printf(out, "%s  ", color ? "\033[0m" : "");
	member_put(out, facet, "coverage");
	if (member_string(facet, "reason")) {
		buffer_string(out, " (");
		member_put(out, facet, "reason");
		buffer_string(out, ")");
	}
	if (less)
		buffer_printf(out, ", of its newest boot %s: `abidrift diff` says why", less);
	if (member_string(facet, "digest")) {
		buffer_string(out, "  ");
		member_put(out, facet, "digest");
	}
	buffer_string(out, "\n");
}

static void line_release(struct facet_line *line)
{
	free((char *)line->key);
	free((char *)line->value);
	free((char *)line->meaning);
}

static const char *line_text(const json_t *entry, const char *member)
{
	struct buffer text = BUFFER_INIT;
	const char *string = member_string(entry, member);

	if (string)
		text_terminal(&text, string, strlen(string));
	return buffer_take(&text, NULL);
}

/* As people read this facet, where it has such a form. */
static bool facet_presented(const json_t *facet, struct buffer *out)
{
	const struct facet *row = facet_find(member_string(facet, "facet"));
	const json_t *entries = json_object_get(facet, "entries"), *entry;
	struct facet_line *lines;
	size_t i, count = json_array_size(entries);
	bool whole = true;

	if (!row || !row->present)
		return false;
	lines = calloc(count ? count : 1, sizeof(*lines));
	if (!lines) {
		out->failed = true;
		return true;
	}
	json_array_foreach(entries, i, entry)
	{
		lines[i] = (struct facet_line){ line_text(entry, "key"), line_text(entry, "value"), line_text(entry, "meaning") };
		whole &= lines[i].key && lines[i].value && lines[i].meaning;
	}
	if (whole)
		row->present(lines, count, out);
	for (i = 0; i < count; i++)
		line_release(&lines[i]);
	free(lines);
	return whole;
}

static void facet_text(const json_t *facet, const char *less, bool raw, bool color, struct buffer *out)
{
	const json_t *entries = json_object_get(facet, "entries"), *entry;
	struct table *t;
	size_t i;

	facet_head(facet, less, color, out);
	if (!raw && facet_presented(facet, out))
		return;
	t = table_new(three, true);
	json_array_foreach(entries, i, entry)
	{
		const char *meaning = member_string(entry, "meaning");

		table_member(t, entry, "key");
		table_member(t, entry, "value");
		if (meaning)
			table_member(t, entry, "meaning");
		else
			table_cell(t, "");
	}
	table_end(t, "  ", out);
}

/* Facets of which this version knows nothing for any guest are one line together, not twelve paragraphs. */
void show_text(const json_t *model, const struct show_text_options *o, struct buffer *out)
{
	const json_t *facets = json_object_get(model, "facets"), *facet;
	size_t i, silent = 0;

	head_text(model, out);
	json_array_foreach(facets, i, facet) if (o->every || json_array_size(json_object_get(facet, "entries")) ||
						 strcmp(member_string(facet, "coverage"), "none")) facet_text(facet, less_now(model, facet), o->raw, o->color, out);
	else silent++;
	if (!silent)
		return;
	buffer_string(out, "\nnot seen:\n");
	json_array_foreach(facets, i, facet) if (!json_array_size(json_object_get(facet, "entries")) &&
						 !strcmp(member_string(facet, "coverage"), "none"))
	{
		buffer_string(out, "  ");
		member_put(out, facet, "facet");
		buffer_string(out, ": ");
		member_put(out, facet, "reason");
		buffer_string(out, "\n");
	}
}

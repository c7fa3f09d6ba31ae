/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/drift/items.h"

#include <stdlib.h>
#include <string.h>

#include "userspace/base/text.h"
#include "userspace/drift/group.h"
#include "userspace/drift/words.h"

#define ARROW " \xe2\x86\x92 "
#define ELLIPSIS "\xe2\x80\xa6"
#define NAMES_SHOWN 4
#define KEYS_SHOWN 2 /* longer than names */
#define VALUE_COLUMNS 24
#define STRING_COLUMNS 48 /* CPUID has no longer ones */
/* Pairs of functions are looked for only among so many. */
#define CHANGES_PAIRED 512
/* Of one list of names, few enough to be worth reading one by one. */
#define PAIRS_TRIED 64

static void put(struct buffer *out, const char *text) { text_terminal(out, text, strlen(text)); }

static void append(struct buffer *out, const struct buffer *text)
{
	out->failed |= buffer_failed(text);
	buffer_append(out, text->data, text->size);
}

void items_release(struct items *items)
{
	for (size_t i = 0; i < items->count; i++) {
		buffer_release(&items->list[i].fold);
		buffer_release(&items->list[i].subject);
		buffer_release(&items->list[i].shared);
		buffer_release(&items->list[i].text);
	}
	items->count = 0;
}

/* The item that folds what has this key: a new one, or one that is there. NULL: no room. Takes over fold. */
static struct item *item_of(struct items *s, const char *facet, enum severity severity, struct buffer *fold)
{
	struct item *item;
	size_t i;

	for (i = 0; i < s->count; i++)
		if (strcmp(s->list[i].facet, facet) == 0 && s->list[i].fold.size == fold->size && fold->size &&
		    memcmp(s->list[i].fold.data, fold->data, fold->size) == 0)
			break;
	if (i == ITEMS_MAX) {
		s->left_out++;
		buffer_release(fold);
		return NULL;
	}
	item = &s->list[i];
	if (i == s->count) {
		*item = (struct item){ .facet = facet, .place = i, .fold = *fold };
		s->count++;
	} else {
		buffer_release(fold);
	}
	*fold = (struct buffer)BUFFER_INIT;
	if (severity > item->severity)
		item->severity = severity;
	item->count++;
	return item;
}

/* ---- lists of names: "lost cx16, avx" */

/* The place for one more name in the list of this subject and verb; NULL: it is only counted. */
static struct buffer *name_place(struct items *s, const char *facet, enum severity severity, const char *subject, const char *verb, size_t shown)
{
	struct buffer fold = BUFFER_INIT;
	struct item *item;

	buffer_printf(&fold, "%s\n%s", verb, subject);
	item = item_of(s, facet, severity, &fold);
	if (!item)
		return NULL;
	if (item->count == 1) {
		item->verb = verb;
		buffer_string(&item->subject, subject);
	}
	if (item->named >= shown)
		return NULL;
	buffer_string(&item->text, item->named++ ? ", " : "");
	return &item->text;
}

static const char *kind_of(const char *kind) { return strcmp(kind, "lost") == 0 ? "lost" : "gained"; }

/* ---- values: "FADT revision 1 → 3" */

static bool is_derived(const char *facet, const char *key)
{
	const char *field = strchr(key, '/');

	return strcmp(facet, "acpi") == 0 && field && (strcmp(field, "/body") == 0 || strcmp(field, "/length") == 0);
}

static void add_value(struct items *s, const json_t *change, enum severity severity)
{
	const char *facet = member_text(change, "facet"), *key = member_text(change, "key"), *to = member_text(change, "to"), *unit = NULL;
	struct buffer fold = BUFFER_INIT, shared = BUFFER_INIT, values = BUFFER_INIT;
	bool derived = is_derived(facet, key);
	bool folds = words_shared(facet, key, &shared, &unit);
	struct item *item;

	buffer_printf(&fold, "=%s\n%s", folds ? shared.data : key, folds && derived ? "" : to);
	words_values(member_text(change, "from"), to, VALUE_COLUMNS, &values);
	item = item_of(s, facet, severity, &fold);
	if (item && item->count == 1) {
		item->derived = derived;
		item->unit = unit;
		words_subject(facet, key, &item->subject);
		item->shared = shared;
		item->text = values;
		return;
	}
	if (item && (values.size != item->text.size || (values.size && memcmp(values.data, item->text.data, values.size) != 0)))
		item->various = true;
	buffer_release(&shared);
	buffer_release(&values);
}

/* "brand "AMD EPYC Processor" → "AMD EPYC-Rome Processor"": once, of however many registers and leaves. */
static void add_string(struct items *s, const char *facet, const json_t *string, enum severity severity)
{
	const char *name = member_text(string, "name"), *from = member_text(string, "from"), *to = member_text(string, "to");
	struct buffer fold = BUFFER_INIT;
	struct item *item;

	buffer_printf(&fold, "=%s\n%s\n%s", name, from, to);
	item = item_of(s, facet, severity, &fold);
	if (!item || item->count > 1)
		return;
	put(&item->subject, name);
	buffer_string(&item->text, "\"");
	words_cut(from, STRING_COLUMNS, &item->text);
	buffer_string(&item->text, "\"" ARROW "\"");
	words_cut(to, STRING_COLUMNS, &item->text);
	buffer_string(&item->text, "\"");
}

/* Of CPUID a name says enough; where nobody has given one, it is which bits of which register: "0x00000007.0.edx[5]". */
static void put_name(const json_t *change, const json_t *field, struct buffer *out)
{
	const char *facet = member_text(change, "facet"), *name = member_text(field, "name"), *bits = strchr(member_text(field, "bits"), '[');

	if (strcmp(facet, "cpuid") != 0 || (strcmp(name, FIELD_WHOLE) != 0 && strncmp(name, "reserved_", strlen("reserved_")) != 0)) {
		put(out, name);
		return;
	}
	words_subject(facet, member_text(change, "key"), out);
	if (strcmp(name, FIELD_WHOLE) != 0 && bits)
		put(out, bits);
}

/* "cx16" to those that were lost, or "physical_address_bits 40 → 39". */
static void add_field(struct items *s, const json_t *change, const json_t *field, enum severity severity)
{
	const char *facet = member_text(change, "facet"), *from = member_text(field, "from"), *to = member_text(field, "to");
	bool bit = !strchr(member_text(field, "bits"), ':');
	bool lost = bit && strcmp(from, "1") == 0 && strcmp(to, "0") == 0, gained = bit && strcmp(from, "0") == 0 && strcmp(to, "1") == 0;
	struct buffer subject = BUFFER_INIT, name = BUFFER_INIT, fold = BUFFER_INIT, *text;
	char from_room[WORDS_NUMBER], to_room[WORDS_NUMBER];
	struct item *item;

	/* What CPUID's bits are called says enough. */
	if (strcmp(facet, "cpuid") != 0)
		words_subject(facet, member_text(change, "key"), &subject);
	put_name(change, field, &name);
	if (lost || gained) {
		text = name_place(s, facet, severity, subject.size ? subject.data : "", lost ? "lost" : "gained", NAMES_SHOWN);
		if (text)
			append(text, &name);
		buffer_release(&subject);
		buffer_release(&name);
		return;
	}
	/* AMD repeats family, model and stepping in another leaf: told once. */
	if (strcmp(facet, "cpuid") == 0)
		buffer_printf(&fold, "=%s\n%s\n%s", name.size ? name.data : "", from, to);
	else
		buffer_printf(&fold, "=%s\n%s", member_text(change, "key"), member_text(field, "name"));
	item = item_of(s, facet, severity, &fold);
	if (item && item->count == 1) {
		item->subject = subject;
		buffer_string(&item->subject, subject.size ? " " : "");
		append(&item->subject, &name);
		words_values(words_number(from, from_room), words_number(to, to_room), VALUE_COLUMNS, &item->text);
	} else {
		buffer_release(&subject);
	}
	buffer_release(&name);
}

/* ---- groups of changes */

static enum severity severity_of(const json_t *changes, const struct group *g)
{
	enum severity worst = SEVERITY_NONE, one;

	for (size_t i = g->begin; i < g->end; i++)
		if (severity_parse(member_text(json_array_get(changes, i), "severity"), &one) == 0 && one > worst)
			worst = one;
	return worst;
}

static void put_subject(struct buffer *out, const struct group *g)
{
	text_terminal(out, g->key, g->subject);
}

static bool of_facet(const json_t *changes, size_t i, const char *facet)
{
	return strcmp(member_text(json_array_get(changes, i), "facet"), facet) == 0;
}

/* The lost function with this id as gained elsewhere: a device in another slot. */
static bool find_pair(const json_t *changes, const struct group *lost, struct group *ret)
{
	struct group_cursor cursor = { .at = lost->end };

	for (size_t i = 0; i < PAIRS_TRIED && of_facet(changes, cursor.at, lost->facet) && group_next(changes, &cursor, ret); i++)
		if (ret->id && strcmp(ret->kind, lost->kind) != 0 &&
		    strcmp(member_text(ret->id, "from"), member_text(lost->id, "to")) == 0 &&
		    strcmp(member_text(ret->id, "to"), member_text(lost->id, "from")) == 0)
			return true;
	return false;
}

/* A function: "lost 0000:00:03.0 (8086:100e)", or with its other half "0000:00:03.0 → 0000:00:04.0". */
static void add_function(struct items *s, const struct group *g, enum severity severity, bool *done)
{
	bool lost = strcmp(g->kind, "lost") == 0;
	struct buffer *out;
	struct group pair;

	if (g->begin < CHANGES_PAIRED && done[g->begin])
		return;
	if (find_pair(s->changes, g, &pair) && pair.begin < CHANGES_PAIRED && !done[pair.begin]) {
		done[pair.begin] = true;
		out = name_place(s, g->facet, severity, "", "", KEYS_SHOWN);
		if (!out)
			return;
		put_subject(out, lost ? g : &pair);
		buffer_string(out, ARROW);
		put_subject(out, lost ? &pair : g);
		return;
	}
	out = name_place(s, g->facet, severity, "", kind_of(g->kind), KEYS_SHOWN);
	if (!out)
		return;
	put_subject(out, g);
	buffer_string(out, " (");
	put(out, member_text(g->id, lost ? "from" : "to"));
	buffer_string(out, ")");
}

/* What is within an object that came or went came or went with it. */
static bool is_within(const struct group *g, const char *whole)
{
	size_t size = strlen(whole);

	return size && strncmp(g->key, whole, size) == 0 && g->key[size] == '.';
}

/* "DSDT gained _SB.PCI0.S18"; where no table has it, "gained 0x100000". */
static void add_came_or_went(struct items *s, const struct group *g, enum severity severity, struct buffer *whole)
{
	const char *verb = kind_of(g->kind);
	size_t head = strcmp(g->facet, "acpi") == 0 && g->block ? strcspn(g->key, "/") : g->subject;
	struct buffer subject = BUFFER_INIT, name = BUFFER_INIT, *out;
	bool object = head < g->subject, within = object && whole->size && is_within(g, whole->data);

	if (object)
		text_terminal(&subject, g->key, head);
	out = name_place(s, g->facet, severity, subject.size ? subject.data : "", verb, within ? 0 : KEYS_SHOWN);
	buffer_append(&name, g->key + (object ? head + 1 : 0), g->subject - (object ? head + 1 : 0));
	if (out && object)
		put(out, name.data ? name.data : "");
	else if (out && g->called)
		put(out, member_text(group_string(json_array_get(s->changes, g->begin)), "name"));
	else if (out)
		words_subject(g->facet, name.data ? name.data : "", out);
	if (object && !within) {
		buffer_clear(whole);
		buffer_append(whole, g->key, g->subject);
	}
	buffer_release(&subject);
	buffer_release(&name);
}

static void add_group(struct items *s, const struct group *g, bool *done, struct buffer *whole)
{
	enum severity severity = severity_of(s->changes, g);

	if (g->id) {
		add_function(s, g, severity, done);
		return;
	}
	if (strcmp(g->kind, "changed") != 0) {
		add_came_or_went(s, g, severity, whole);
		return;
	}
	for (size_t i = g->begin; i < g->end; i++) {
		const json_t *change = json_array_get(s->changes, i), *fields = json_object_get(change, "fields");

		if (group_string(change)) {
			add_string(s, g->facet, group_string(change), severity);
			continue;
		}
		for (size_t j = 0; j < json_array_size(fields); j++)
			add_field(s, change, json_array_get(fields, j), severity);
		if (json_array_size(fields) == 0)
			add_value(s, change, severity);
	}
}

/* ---- the order in which they are told */

static int item_compare(const void *va, const void *vb)
{
	const struct item *a = va, *b = vb;

	if (a->facet_severity != b->facet_severity)
		return a->facet_severity < b->facet_severity ? 1 : -1;
	if (a->facet_place != b->facet_place)
		return a->facet_place < b->facet_place ? -1 : 1;
	if (a->severity != b->severity)
		return a->severity < b->severity ? 1 : -1;
	if (a->derived != b->derived)
		return a->derived ? 1 : -1;
	return (a->place > b->place) - (a->place < b->place);
}

static void order(struct items *s)
{
	for (size_t i = 0; i < s->count; i++) {
		struct item *item = &s->list[i];

		item->facet_place = i;
		for (size_t j = 0; j < s->count; j++) {
			if (strcmp(s->list[j].facet, item->facet) != 0)
				continue;
			if (j < item->facet_place)
				item->facet_place = j;
			if (s->list[j].severity > item->facet_severity)
				item->facet_severity = s->list[j].severity;
		}
	}
	qsort(s->list, s->count, sizeof(s->list[0]), item_compare);
}

void items_make(const json_t *changes, struct items *ret)
{
	bool done[CHANGES_PAIRED] = { false };
	struct buffer whole = BUFFER_INIT; /* the object that came or went last */
	struct group_cursor cursor = GROUP_CURSOR_INIT;
	struct group g;

	ret->changes = changes;
	ret->count = ret->left_out = 0;
	while (group_next(changes, &cursor, &g))
		add_group(ret, &g, done, &whole);
	buffer_release(&whole);
	order(ret);
}

void item_put(const struct item *item, struct buffer *out)
{
	const struct buffer *about = item->shared.size && item->count > 1 ? &item->shared : &item->subject;

	append(out, about);
	if (item->verb) {
		buffer_string(out, about->size ? " " : "");
		buffer_string(out, item->verb);
		buffer_string(out, item->verb[0] ? " " : "");
		append(out, &item->text);
		if (item->count > item->named)
			buffer_printf(out, " and %zu more", item->count - item->named);
		return;
	}
	buffer_string(out, item->text.size ? " " : "");
	append(out, &item->text);
	if (item->count > 1 && item->unit)
		buffer_printf(out, "%s (%zu %s)", item->various && item->text.size ? " " ELLIPSIS : "", item->count, item->unit);
}

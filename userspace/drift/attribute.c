/* SPDX-License-Identifier: Apache-2.0 */
/* From the rules (causes.c) to the causes of a change. What can be decided once for a drift is: which rows a factor can fit at all. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/buffer.h"
#include "userspace/base/glob.h"
#include "userspace/drift/causes.h"
#include "userspace/drift/elements.h"
#include "userspace/drift/list.h"
#include "userspace/drift/placed.h"
#include "userspace/drift/stability.h"

#define CAUSE_TEXT_BYTES 1000u /* of what is told of each side */
#define KEY_FIELD_BYTES 256u
#define CAUSES_MAX 8u          /* of one change: what is told, and kept, for each of many thousands */

/* One element that differs (of what is no list: all of it) and the rows whose factor it is. */
struct unit {
	uint16_t *rules;
	size_t count;
};

struct source {
	const struct drift_factor *factor;
	enum factor_class class;
	struct elements elements;
	struct placed *from, *to; /* of all elements; NULL: no devices */
	struct unit *units;       /* as elements.pairs */
};

struct causes {
	const struct drift *drift;
	unsigned *facets; /* of each rule: bits 1u << facet */
	struct source *sources;
	size_t count;
};

#define DEVICE_FACTORS "option.device|option.nic|option.net|option.vga|option.watchdog|option.soundhw|option.balloon"

/* ---- once for a drift */

static bool unless_fits(const struct drift *d, const struct drift_factor *self, const char *unless)
{
	for (size_t i = 0; unless && i < d->context_count; i++)
		if (&d->context[i] != self && glob_match(unless, d->context[i].factor))
			return true;
	return false;
}

static bool element_fits(const char *pattern, const char *factor, const char *element, struct buffer *text)
{
	if (!element)
		return false;
	buffer_clear(text);
	buffer_string(text, factor);
	buffer_string(text, "=");
	buffer_string(text, element);
	return !buffer_failed(text) && glob_match(pattern, text->data);
}

static int unit_rule(struct unit *u, size_t rule)
{
	uint16_t *list = list_room(u->rules, u->count, sizeof(*list));

	if (!list)
		return -ENOMEM;
	u->rules = list;
	list[u->count++] = (uint16_t)rule;
	return 0;
}

/* A parameter of KVM that only one of the two hosts knows: its kernel, or the module for its CPU, brought it, and most likely nobody set it. */
static bool came_along(const struct drift *d, const struct drift_factor *f)
{
	return glob_match("kvm.*", f->factor) && (!f->from || !f->to) && unless_fits(d, f, "kernel|kernel.version|host_cpu.vendor");
}

/* The rows that can fit the factor at all go to the elements that they speak of. */
static int units_prepare(const struct causes *c, struct source *s)
{
	bool along = came_along(c->drift, s->factor);
	struct buffer text = BUFFER_INIT;
	int r = 0;

	s->units = calloc(s->elements.count, sizeof(*s->units));
	if (!s->units)
		return -ENOMEM;
	for (size_t rule = 0; r >= 0 && rule < cause_rule_count; rule++) {
		const char *pattern = cause_rules[rule].factor;
		bool whole = glob_match(pattern, s->factor->factor);

		/* It may have been set in the same night: then what it does, and nothing else does, is its work. */
		if (along && (cause_rules[rule].strength == CAUSE_LIKELY || cause_rules[rule].strength == CAUSE_POSSIBLE))
			continue;
		if ((!whole && !strchr(pattern, '=')) || unless_fits(c->drift, s->factor, cause_rules[rule].unless))
			continue;
		for (size_t i = 0; r >= 0 && i < s->elements.count; i++)
			if (whole || element_fits(pattern, s->factor->factor, s->elements.pairs[i].from, &text) ||
			    element_fits(pattern, s->factor->factor, s->elements.pairs[i].to, &text))
				r = unit_rule(&s->units[i], rule);
	}
	if (buffer_failed(&text))
		r = -ENOMEM;
	buffer_release(&text);
	return r;
}

static int source_prepare(const struct causes *c, const struct drift_factor *factor, struct source *ret)
{
	int r;

	ret->factor = factor;
	ret->class = factor_class_of(factor->factor);
	r = elements_read(factor->factor, factor->from, factor->to, &ret->elements);
	if (r >= 0 && glob_match(DEVICE_FACTORS, factor->factor)) {
		r = placed_read(factor->factor, &ret->elements.from, &ret->from);
		if (r >= 0)
			r = placed_read(factor->factor, &ret->elements.to, &ret->to);
	}
	return r < 0 ? r : units_prepare(c, ret);
}

static void facets_prepare(unsigned *facets)
{
	for (size_t rule = 0; rule < cause_rule_count; rule++)
		for (int i = 0; i < FACETS; i++)
			if (glob_match(cause_rules[rule].facet, facet_get(i)->name))
				facets[rule] |= 1u << i;
}

void causes_free(struct causes *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->count; i++) {
		struct source *s = &c->sources[i];

		for (size_t u = 0; s->units && u < s->elements.count; u++)
			free(s->units[u].rules);
		free(s->units);
		free(s->from);
		free(s->to);
		elements_release(&s->elements);
	}
	free(c->sources);
	free(c->facets);
	free(c);
}

int causes_prepare(const struct drift *d, struct causes **ret)
{
	struct causes *c = calloc(1, sizeof(*c));
	int r = c ? 0 : -ENOMEM;

	if (c) {
		c->drift = d;
		c->facets = calloc(cause_rule_count, sizeof(*c->facets));
		c->sources = calloc(d->context_count ? d->context_count : 1, sizeof(*c->sources));
		r = c->facets && c->sources ? 0 : -ENOMEM;
	}
	if (r >= 0 && d->context_count)
		facets_prepare(c->facets);
	for (size_t i = 0; r >= 0 && i < d->context_count; i++) {
		c->count = i + 1;
		r = source_prepare(c, &d->context[i], &c->sources[i]);
	}
	if (r < 0) {
		causes_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

/* Of a firmware factor "BYTES SHA-256", of the entry of an image that is in memory "size=… sha256=SHA-256 …". */
static bool image_in_memory(const struct abi_entries *now, const char *image)
{
	const char *digest = strchr(image, ' ');

	for (size_t i = 0; digest && digest[1] && i < now->count; i++) {
		const struct abi_entry *entry = &now->items[i];
		const char *mark = entry->facet == FACET_FIRMWARE && strncmp(entry->key, "rom/", 4) == 0 ? strstr(entry->value, "sha256=") : NULL;

		if (!mark)
			continue;
		mark += strlen("sha256=");
		if (strcspn(mark, " ") == strlen(digest + 1) && strncmp(mark, digest + 1, strlen(digest + 1)) == 0)
			return true;
	}
	return false;
}

void causes_firmware_stays(struct causes *c, const struct abi_entries *now)
{
	for (size_t i = 0; now && i < c->count; i++) {
		struct source *s = &c->sources[i];

		if (s->class == FACTOR_FIRMWARE && s->factor->from && image_in_memory(now, s->factor->from))
			s->class = FACTOR_NONE;
	}
}

/* ---- what an element names */

/* The change of a function's id: changes stand in the order of facets, then of keys. */
static const struct drift_change *id_change(const struct drift *d, const char *path)
{
	char key[DEVICE_PATH_MAX + 4];
	size_t low = 0, high = d->change_count;

	snprintf(key, sizeof(key), "%s/id", path);
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct drift_change *c = &d->changes[middle];
		int order = c->facet == FACET_PCI ? strcmp(c->key, key) : c->facet < FACET_PCI ? -1 : 1;

		if (order == 0)
			return c;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* The path of the function that a key is about: of pci as it begins, of identity and firmware behind "mac/", "rom/" … */
static bool path_of_key(const struct drift_change *change, char *ret)
{
	const char *key = change->key, *slash = change->facet == FACET_PCI ? NULL : strchr(key, '/');
	size_t size = function_path_size(slash ? slash + 1 : key);

	if (size == 0 || size >= DEVICE_PATH_MAX)
		return false;
	memcpy(ret, slash ? slash + 1 : key, size);
	ret[size] = '\0';
	return true;
}

static bool device_is(const struct placed *device, const char *path, const char *id)
{
	if (device->path[0])
		return strcmp(device->path, path) == 0;
	return id && device->ids && glob_match(device->ids, id);
}

static bool names_function(const struct causes *c, const struct source *s, const struct element_pair *pair, const struct drift_change *change)
{
	const struct drift_change *id;
	char path[DEVICE_PATH_MAX];

	if (!path_of_key(change, path))
		return false;
	id = id_change(c->drift, path);
	if (pair->from && pair->from_at < s->elements.from.count && device_is(&s->from[pair->from_at], path, id ? id->from : NULL))
		return true;
	return pair->to && pair->to_at < s->elements.to.count && device_is(&s->to[pair->to_at], path, id ? id->to : NULL);
}

static bool is_movable(const struct causes *c, const struct source *s, const struct element_pair *pair, const struct drift_change *change)
{
	char path[DEVICE_PATH_MAX];
	const struct drift_change *id = path_of_key(change, path) ? id_change(c->drift, path) : NULL;

	/* One that was added where it was told to be takes no other's place. */
	if (id && id->kind != CHANGE_GAINED && s->to && !pair->from && pair->to_at < s->elements.to.count && s->to[pair->to_at].path[0])
		return false;
	if (id)
		return true;
	/* No option whose devices are looked at (-usb, say): what stayed what it was need not be of it. */
	if (!s->from)
		return false;
	/* The order is all that differs: nobody knows where it is. */
	if (pair->from_at == ELEMENTS_MAX || pair->to_at == ELEMENTS_MAX)
		return true;
	return (pair->from && !s->from[pair->from_at].path[0]) || (pair->to && !s->to[pair->to_at].path[0]);
}

/* -smbios type=N,… makes structures of type N: keys typeN.… */
static bool names_type(const char *element, const char *key)
{
	size_t digits;

	if (strncmp(key, "type", 4) != 0)
		return false;
	digits = strspn(key + 4, "0123456789");
	for (const char *p = element; p; p = strchr(p, ','), p = p ? p + 1 : NULL)
		if (strncmp(p, "type=", 5) == 0)
			return digits > 0 && strncmp(p + 5, key + 4, digits) == 0 && (p[5 + digits] == ',' || p[5 + digits] == '\0');
	return false;
}

static bool names(const struct causes *c, const struct source *s, const struct element_pair *pair, const struct drift_change *change)
{
	if (s->from)
		return names_function(c, s, pair, change);
	return (pair->from && names_type(pair->from, change->key)) || (pair->to && names_type(pair->to, change->key));
}

/* ---- for a change */

static enum cause_strength key_fits(const struct cause_rule *rule, const struct drift_change *change)
{
	char text[KEY_FIELD_BYTES];
	size_t fits = 0;

	if (glob_match(rule->key, change->key))
		return rule->strength;
	if (!strchr(rule->key, '#'))
		return CAUSE_NONE;
	for (size_t i = 0; i < change->fields.count; i++) {
		int size = snprintf(text, sizeof(text), "%s#%s", change->key, change->fields.items[i].name);

		fits += size > 0 && (size_t)size < sizeof(text) && glob_match(rule->key, text);
	}
	if (fits == 0)
		return CAUSE_NONE;
	return fits < change->fields.count && rule->strength > CAUSE_LIKELY ? CAUSE_LIKELY : rule->strength;
}

/* The first row that fits; NULL where none does, or where it says that none does. */
static const struct cause_rule *rule_for(const struct causes *c, const struct source *s, size_t unit, const struct drift_change *change,
					 enum cause_strength *ret)
{
	const struct element_pair *pair = &s->elements.pairs[unit];

	for (size_t i = 0; i < s->units[unit].count; i++) {
		size_t n = s->units[unit].rules[i];
		const struct cause_rule *rule = &cause_rules[n];

		if (!(c->facets[n] & (1u << change->facet)))
			continue;
		*ret = key_fits(rule, change);
		/* A row that keeps others away fits with no strength. */
		if (*ret == CAUSE_NONE && (rule->strength != CAUSE_NONE || !glob_match(rule->key, change->key)))
			continue;
		if (rule->when == CAUSE_STAYS && change->kind != CHANGE_CHANGED)
			continue;
		if ((rule->when == CAUSE_NAMED && !names(c, s, pair, change)) || (rule->when == CAUSE_MOVABLE && !is_movable(c, s, pair, change)))
			continue;
		return *ret == CAUSE_NONE ? NULL : rule;
	}
	return NULL;
}

static void tell(struct buffer *out, const char *element, const char *between, bool *cut)
{
	size_t size = element ? strlen(element) : 0, room = out->size < CAUSE_TEXT_BYTES ? CAUSE_TEXT_BYTES - out->size : 0;

	if (!element || *cut)
		return;
	if (size > room) {
		*cut = true;
		size = room;
		/* Not through a character. */
		while (size > 0 && ((unsigned char)element[size] & 0xc0) == 0x80)
			size--;
	}
	buffer_string(out, out->size ? between : "");
	buffer_append(out, element, size);
	buffer_string(out, *cut ? "…" : "");
}

/* What one factor has to do with it: the strength of its best element, and all elements that have that strength. */
static int source_explain(const struct causes *c, const struct source *s, const struct drift_change *change, struct drift_cause *ret)
{
	const char *between = strcmp(s->factor->factor, "option.machine") == 0 ? "," : strcmp(s->factor->factor, "option.args") == 0 ? " " : "; ";
	struct buffer from = BUFFER_INIT, to = BUFFER_INIT;
	bool from_cut = false, to_cut = false, has_from = false, has_to = false;

	*ret = (struct drift_cause){ .strength = CAUSE_NONE };
	for (size_t unit = 0; unit < s->elements.count; unit++) {
		enum cause_strength strength;
		const struct cause_rule *rule = rule_for(c, s, unit, change, &strength);

		if (!rule || strength < ret->strength)
			continue;
		if (strength > ret->strength) {
			buffer_clear(&from);
			buffer_clear(&to);
			from_cut = to_cut = has_from = has_to = false;
			ret->strength = strength;
			ret->why = rule->why;
		}
		has_from = has_from || s->elements.pairs[unit].from;
		has_to = has_to || s->elements.pairs[unit].to;
		tell(&from, s->elements.pairs[unit].from, between, &from_cut);
		tell(&to, s->elements.pairs[unit].to, between, &to_cut);
	}
	if (ret->strength == CAUSE_NONE) {
		buffer_release(&from);
		buffer_release(&to);
		return 0;
	}
	ret->factor = strdup(s->factor->factor);
	ret->from = has_from ? buffer_take(&from, NULL) : NULL;
	ret->to = has_to ? buffer_take(&to, NULL) : NULL;
	buffer_release(&from);
	buffer_release(&to);
	return ret->factor && (!has_from || ret->from) && (!has_to || ret->to) ? 0 : -ENOMEM;
}

/* Who is asked first: what the operator did, then what the host did. */
static const int ranks[] = {
	[FACTOR_VISIBLE] = 0, [FACTOR_FIRMWARE] = 1, [FACTOR_VMM] = 2, [FACTOR_HOST] = 3, [FACTOR_BACKEND] = 4, [FACTOR_OBSERVER] = 5, [FACTOR_NONE] = 6,
};
/* A versioned machine type holds QEMU to the CPU models that it gave before, and nothing holds KVM and the host to them. */
static const int cpu_ranks[] = {
	[FACTOR_VISIBLE] = 0, [FACTOR_FIRMWARE] = 1, [FACTOR_HOST] = 2, [FACTOR_VMM] = 3, [FACTOR_BACKEND] = 4, [FACTOR_OBSERVER] = 5, [FACTOR_NONE] = 6,
};

static int better_by(const int *rank, const struct drift_cause *a, const struct drift_cause *b)
{
	int order = (int)b->strength - (int)a->strength;

	if (order == 0)
		order = rank[factor_class_of(a->factor)] - rank[factor_class_of(b->factor)];
	return order ? order : strcmp(a->factor, b->factor);
}

static int better(const void *a, const void *b)
{
	return better_by(ranks, a, b);
}

static int better_of_cpu(const void *a, const void *b)
{
	return better_by(cpu_ranks, a, b);
}

/* Which leaves there are, and which of KVM's own features have a name, is what the VMM knows; the bits of a leaf that stays are the host's. */
static bool asks_host_first(const struct drift *d, const struct drift_change *change)
{
	if (!d->machine || !machine_has_version(d->machine))
		return false;
	return change->facet == FACET_MSR || (change->facet == FACET_CPUID && change->kind == CHANGE_CHANGED && !glob_match("0x4000*", change->key));
}

static int cause_add(struct drift_change *change, struct drift_cause *cause)
{
	struct drift_cause *list = list_room(change->causes, change->cause_count, sizeof(*list));

	if (!list) {
		drift_cause_release(cause);
		return -ENOMEM;
	}
	change->causes = list;
	list[change->cause_count++] = *cause;
	return 0;
}

int causes_fill(const struct causes *c, struct drift_change *change)
{
	struct drift_cause cause;

	for (size_t i = 0; i < c->count; i++) {
		int r = c->sources[i].class == FACTOR_NONE ? 0 : source_explain(c, &c->sources[i], change, &cause);

		if (r < 0) {
			drift_cause_release(&cause);
			return r;
		}
		if (c->sources[i].class != FACTOR_NONE && cause.strength != CAUSE_NONE && cause_add(change, &cause) < 0)
			return -ENOMEM;
	}
	if (change->cause_count == 0)
		return 0;
	qsort(change->causes, change->cause_count, sizeof(*change->causes), asks_host_first(c->drift, change) ? better_of_cpu : better);
	while (change->cause_count > CAUSES_MAX ||
	       (change->causes[0].strength == CAUSE_CERTAIN && change->causes[change->cause_count - 1].strength != CAUSE_CERTAIN))
		drift_cause_release(&change->causes[--change->cause_count]);
	return 0;
}

int causes_find(const struct drift *d, struct drift_change *change)
{
	struct causes *c;
	int r = causes_prepare(d, &c);

	if (r < 0)
		return r;
	r = causes_fill(c, change);
	causes_free(c);
	return r;
}

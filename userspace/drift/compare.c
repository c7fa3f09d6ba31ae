/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/drift/drift.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/cpuid_strings.h"
#include "userspace/base/buffer.h"
#include "userspace/drift/evidence.h"
#include "userspace/drift/fold.h"
#include "userspace/drift/list.h"

#define NOT_SEEN_THEN "not seen then"
#define NOT_SEEN_SINCE "not seen since"

struct comparison {
	struct drift *drift;
	const struct abi_entries *from, *to;
	enum coverage from_level, to_level;
};

static int add_unknown(struct drift *d, enum facet_id facet, const char *key, const char *reason, bool fell)
{
	struct drift_unknown *list = list_room(d->unknown, d->unknown_count, sizeof(*list));
	struct drift_unknown *u;

	if (!list)
		return -ENOMEM;
	d->unknown = list;
	u = &list[d->unknown_count++];
	*u = (struct drift_unknown){ .facet = facet, .fell = fell };
	return copy_text(key, &u->key) && copy_text(reason, &u->reason) ? 0 : -ENOMEM;
}

static int change_explain(struct drift_change *c)
{
	const struct facet *facet = facet_get(c->facet);
	struct buffer meaning = BUFFER_INIT;
	bool failed;

	if (facet->meaning)
		facet->meaning(c->key, c->to ? c->to : c->from, &meaning);
	failed = buffer_failed(&meaning);
	if (!failed)
		failed = !copy_text(meaning.size ? meaning.data : "", &c->meaning);
	buffer_release(&meaning);
	if (failed)
		return -ENOMEM;
	return facet->fields ? facet->fields(c->key, c->from, c->to, &c->fields) : 0;
}

/* A side that lacks this register may have others of the name. *ret stays NULL where it has none. */
static int string_of(const struct abi_entries *entries, const char *key, bool there, char **ret)
{
	struct buffer text = BUFFER_INIT;

	cpuid_string_put(entries, key, &text);
	if (!buffer_failed(&text) && !text.size && !there)
		return 0;
	if (buffer_failed(&text) || !copy_text(text.size ? text.data : "", ret)) {
		buffer_release(&text);
		return -ENOMEM;
	}
	buffer_release(&text);
	return 0;
}

static int change_spell(const struct comparison *sides, struct drift_change *c)
{
	int r = 0;

	c->string = c->facet == FACET_CPUID ? cpuid_string_name(c->key) : NULL;
	if (c->string)
		r = string_of(sides->from, c->key, c->from, &c->string_from);
	if (r >= 0 && c->string)
		r = string_of(sides->to, c->key, c->to, &c->string_to);
	return r;
}

static int add_change(const struct comparison *sides, const struct evidence *e)
{
	struct drift *d = sides->drift;
	struct drift_change *list = list_room(d->changes, d->change_count, sizeof(*list));
	struct drift_change *c;

	if (!list)
		return -ENOMEM;
	d->changes = list;
	c = &list[d->change_count++];
	*c = (struct drift_change){
		.facet = e->facet,
		.kind = e->from_presence == e->to_presence ? CHANGE_CHANGED : e->from_presence == PRESENCE_PRESENT ? CHANGE_LOST : CHANGE_GAINED,
		.severity = SEVERITY_WARNING,
	};
	if (!copy_text(e->key, &c->key) || !copy_text(e->from_presence == PRESENCE_PRESENT ? e->from->value : NULL, &c->from) ||
	    !copy_text(e->to_presence == PRESENCE_PRESENT ? e->to->value : NULL, &c->to))
		return -ENOMEM;
	return change_spell(sides, c) < 0 ? -ENOMEM : change_explain(c);
}

/* What an operator calls a guest is not what the guest is given: a new name is told by the context. */
static bool is_label(const struct evidence *e)
{
	return e->facet == FACET_IDENTITY && strcmp(e->key, "name") == 0;
}

static int compare_key(void *context, const struct evidence *e)
{
	struct comparison *c = context;

	if (is_label(e))
		return 0;
	if (evidence_contradicts(e)) {
		/* What was only witnessed of a function that came or went follows it. */
		if (!e->complete_key && e->from_presence != e->to_presence)
			return 0;
		return add_change(c, e);
	}
	if (e->from_presence != PRESENCE_UNKNOWN && e->to_presence != PRESENCE_UNKNOWN)
		return 0;
	/* Said once for the whole facet: it fell, or one side saw none of it. */
	if (c->to_level < c->from_level && (c->from_level == COVERAGE_COMPLETE || c->to_level == COVERAGE_NONE))
		return 0;
	/* Growth. */
	if (c->from_level < c->to_level && !e->from)
		return 0;
	return add_unknown(c->drift, e->facet, e->key, e->from ? NOT_SEEN_SINCE : NOT_SEEN_THEN, false);
}

static int compare_coverage(struct comparison *c, enum facet_id facet, const char *reason)
{
	/* Facts that were refused may be the very ones that differ: then "same" cannot be said. */
	bool fell = (c->from_level == COVERAGE_COMPLETE && c->to_level != COVERAGE_COMPLETE) || coverage_tells_loss(reason);

	if (!fell && !(c->from_level == COVERAGE_WITNESSED && c->to_level == COVERAGE_NONE))
		return 0;
	return add_unknown(c->drift, facet, NULL, reason && reason[0] ? reason : coverage_name(c->to_level), fell);
}

static int compare_facet(const struct abi_entries *from, const struct abi_entries *to, enum facet_id facet, struct drift *d)
{
	struct comparison c = {
		.drift = d,
		.from = from,
		.to = to,
		.from_level = from->coverage[facet].level,
		.to_level = to->coverage[facet].level,
	};
	int r = compare_coverage(&c, facet, to->coverage[facet].reason);

	return r < 0 ? r : evidence_walk(from, to, facet, compare_key, &c);
}

/* ---- context */

/* Numbers that a VMM's starter makes up at every start: descriptors, and libvirt's domain ids in paths. */
static const char *const start_numbers[] = { "fd=", "fds=", "/dev/fdset/", "/domain-" };
/* Options that say how this one start went, and nothing of what was started. */
static const char *const start_options[] = { "incoming", "loadvm", "S", "pidfile" };

/* What came along with a guest's memory is told as what its next boot replaces (stability.c): it differs from no machine. */
static const char *const carried_factors[] = { "vmm.tables", "vmm.firmware" };

static bool is_start_factor(const char *factor)
{
	const char *option = strncmp(factor, "backend.", 8) == 0 ? factor + 8 : strncmp(factor, "option.", 7) == 0 ? factor + 7 : NULL;

	for (size_t i = 0; i < sizeof(carried_factors) / sizeof(carried_factors[0]); i++)
		if (strcmp(factor, carried_factors[i]) == 0)
			return true;
	for (size_t i = 0; option && i < sizeof(start_options) / sizeof(start_options[0]); i++)
		if (strcmp(option, start_options[i]) == 0)
			return true;
	return false;
}

/* How much of the text at `at` is the number of a start (digits and colons after one of the words that end before it). */
static size_t start_number(const char *text, const char *at)
{
	for (size_t i = 0; i < sizeof(start_numbers) / sizeof(start_numbers[0]); i++) {
		size_t length = strlen(start_numbers[i]);

		if ((size_t)(at - text) >= length && memcmp(at - length, start_numbers[i], length) == 0)
			return strspn(at, "0123456789:");
	}
	return 0;
}

static bool same_value(const char *from, const char *to)
{
	const char *f = from, *t = to;

	for (;;) {
		f += start_number(from, f);
		t += start_number(to, t);
		if (*f != *t)
			return false;
		if (*f == '\0')
			return true;
		f++;
		t++;
	}
}

/* KVM's switches are numbers in one kernel and yes or no in another (kvm_amd.npt: an int before Linux 5.13). */
static bool same_switch(const char *factor, const char *from, const char *to)
{
	static const char *const said[][2] = { { "0", "N" }, { "1", "Y" } };

	for (size_t i = 0; strncmp(factor, "kvm.", 4) == 0 && i < sizeof(said) / sizeof(said[0]); i++)
		if ((strcmp(from, said[i][0]) == 0 && strcmp(to, said[i][1]) == 0) || (strcmp(from, said[i][1]) == 0 && strcmp(to, said[i][0]) == 0))
			return true;
	return false;
}

static int add_factor(struct drift *d, const char *factor, const char *from, const char *to)
{
	struct drift_factor *list;

	if (is_start_factor(factor) || (from && to && (same_value(from, to) || same_switch(factor, from, to))))
		return 0;
	list = list_room(d->context, d->context_count, sizeof(*list));
	if (!list)
		return -ENOMEM;
	d->context = list;
	list = &list[d->context_count++];
	*list = (struct drift_factor){ 0 };
	return copy_text(factor, &list->factor) && copy_text(from, &list->from) && copy_text(to, &list->to) ? 0 : -ENOMEM;
}

static int compare_context(const struct context *from, const struct context *to, struct drift *d)
{
	size_t f = 0, t = 0;
	int r = 0;

	while (r >= 0) {
		const struct context_factor *a = f < from->count ? &from->items[f] : NULL, *b = t < to->count ? &to->items[t] : NULL;
		int order;

		if (!a && !b)
			break;
		order = !a ? 1 : !b ? -1 : strcmp(a->factor, b->factor);
		r = add_factor(d, order <= 0 ? a->factor : b->factor, order <= 0 ? a->value : NULL, order >= 0 ? b->value : NULL);
		f += order <= 0;
		t += order >= 0;
	}
	return r;
}

int drift_compare(const struct abi_entries *from, const struct context *from_context, const struct abi_entries *to,
		  const struct context *to_context, const struct drift_options *options, struct drift *ret)
{
	struct drift d = DRIFT_INIT;
	int r = 0;

	for (int i = 0; r >= 0 && i < FACETS; i++)
		if ((options->facets & (1u << i)) && i != FACET_PLACEMENT && (i != FACET_IDENTITY || options->same_guest))
			r = compare_facet(from, to, i, &d);
	if (r >= 0 && (options->facets & (1u << FACET_PLACEMENT)))
		r = fold_placement(from, to, &d);
	if (r >= 0 && from_context && to_context)
		r = compare_context(from_context, to_context, &d);
	if (r >= 0 && to_context &&
	    (!copy_text(context_get(to_context, "vmm.kind"), &d.vmm) || !copy_text(context_get(to_context, "machine"), &d.machine)))
		r = -ENOMEM;
	if (r < 0) {
		drift_release(&d);
		return r;
	}
	*ret = d;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/drift/suppress.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/options.h"
#include "userspace/base/buffer.h"
#include "userspace/base/error.h"
#include "userspace/base/glob.h"
#include "userspace/base/text.h"
#include "userspace/drift/list.h"

enum rule_text { TEXT_FACET, TEXT_KEY, TEXT_CAUSE, TEXT_MACHINE, TEXT_GUEST, TEXT_REASON, TEXTS };

struct rule {
	char *name;
	char *text[TEXTS];
	unsigned kinds; /* bits 1u << enum change_kind; 0: any */
	int64_t until;
	uint64_t at_most;
};

struct suppressions {
	struct rule *rules;
	size_t count;
};

struct suppressions *suppressions_new(void)
{
	return calloc(1, sizeof(struct suppressions));
}

static void rule_release(struct rule *r)
{
	free(r->name);
	for (int i = 0; i < TEXTS; i++)
		free(r->text[i]);
}

void suppressions_free(struct suppressions *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->count; i++)
		rule_release(&s->rules[i]);
	free(s->rules);
	free(s);
}

/* ---- what the configuration says */

/* A rule for a facet that is none would hide nothing for ever, and say nothing. */
static int check_facet(struct rule *r, const char *value, struct error *e)
{
	(void)r;
	for (int i = 0; i < FACETS; i++)
		if (glob_match(value, facet_get((enum facet_id)i)->name))
			return 0;
	return error_set(e, EINVAL, "no facet is called \"%.80s\"", value);
}

static int set_change(struct rule *r, const char *value, struct error *e)
{
	static const enum change_kind kinds[] = { CHANGE_CHANGED, CHANGE_LOST, CHANGE_GAINED };

	r->kinds = 0;
	for (;;) {
		size_t length = strcspn(value, "|");
		unsigned kind = 0;

		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
			if (strlen(change_kind_name(kinds[i])) == length && strncmp(value, change_kind_name(kinds[i]), length) == 0)
				kind = 1u << kinds[i];
		if (!kind)
			return error_set(e, EINVAL, "\"%.80s\" has to be changed, lost or gained, or several of them with | between", value);
		r->kinds |= kind;
		if (!value[length])
			return 0;
		value += length + 1;
	}
}

static int set_until(struct rule *r, const char *value, struct error *e)
{
	if (text_time_parse(value, &r->until) < 0 || r->until <= 0)
		return error_set(e, EINVAL, "\"%.80s\" has to be a date like 2026-01-31 or 2026-01-31T12:00:00Z", value);
	return 0;
}

static int set_at_most(struct rule *r, const char *value, struct error *e)
{
	if (text_u64(value, &r->at_most) < 0 || r->at_most == 0)
		return error_set(e, EINVAL, "\"%.80s\" has to be a number from 1", value);
	return 0;
}

static const struct rule_key {
	const char *name;
	enum rule_text text; /* TEXTS: no text, what `set` makes of it */
	int (*set)(struct rule *r, const char *value, struct error *e);
} rule_keys[] = {
	{ "facet", TEXT_FACET, check_facet }, { "key", TEXT_KEY, NULL },	 { "change", TEXTS, set_change },
	{ "cause", TEXT_CAUSE, NULL },	      { "machine", TEXT_MACHINE, NULL }, { "guest", TEXT_GUEST, NULL },
	{ "until", TEXTS, set_until },	      { "at_most", TEXTS, set_at_most }, { "reason", TEXT_REASON, NULL },
};
#define RULE_KEYS "facet, key, change, cause, machine, guest, until, at_most, reason"

static const struct rule_key *rule_key_find(const char *name)
{
	for (size_t i = 0; i < sizeof(rule_keys) / sizeof(rule_keys[0]); i++)
		if (strcmp(rule_keys[i].name, name) == 0)
			return &rule_keys[i];
	return NULL;
}

static struct rule *rule_find(const struct suppressions *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->rules[i].name, name) == 0)
			return &s->rules[i];
	return NULL;
}

static struct rule *rule_get(struct suppressions *s, const char *name)
{
	struct rule *r = rule_find(s, name), *list;

	if (r)
		return r;
	list = list_room(s->rules, s->count, sizeof(*list));
	if (!list)
		return NULL;
	s->rules = list;
	r = &list[s->count];
	*r = (struct rule){ .name = strdup(name) };
	if (!r->name)
		return NULL;
	s->count++;
	return r;
}

int suppressions_set(struct suppressions *s, const char *rule, const char *key, const char *value, struct error *e)
{
	const struct rule_key *row = key ? rule_key_find(key) : NULL;
	struct error why = ERROR_INIT;
	struct rule *r;
	char *copy;

	if (key && !row)
		return error_set(e, EINVAL, "a suppression rule has no key %.80s (it has " RULE_KEYS ")", key);
	r = rule_get(s, rule);
	if (!r)
		return error_set(e, ENOMEM, "out of memory");
	if (!row)
		return 0;
	if (!*value)
		return error_set(e, EINVAL, "%s of suppression rule %.80s has no value", key, rule);
	if (row->set && row->set(r, value, &why) < 0)
		return error_set(e, EINVAL, "%s of suppression rule %.80s: %s", key, rule, why.text);
	if (row->text == TEXTS)
		return 0;
	copy = strdup(value);
	if (!copy)
		return error_set(e, ENOMEM, "out of memory");
	free(r->text[row->text]);
	r->text[row->text] = copy;
	return 0;
}

int suppressions_check(const struct suppressions *s, const char **ret_rule, struct error *e)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct rule *r = &s->rules[i];
		bool narrow = r->kinds;

		for (int t = 0; t < TEXT_REASON; t++)
			narrow |= r->text[t] != NULL;
		if (r->text[TEXT_REASON] && narrow)
			continue;
		if (ret_rule)
			*ret_rule = r->name;
		if (!r->text[TEXT_REASON])
			return error_set(e, EINVAL, "suppression rule %.80s has no reason: whoever reads of it later needs to know why", r->name);
		return error_set(e, EINVAL,
				 "suppression rule %.80s does not say what it hides: it needs a facet, key, change, cause, machine or guest "
				 "(key = * hides all)",
				 r->name);
	}
	return 0;
}

size_t suppressions_count(const struct suppressions *s)
{
	return s ? s->count : 0;
}

struct suppression suppressions_get(const struct suppressions *s, size_t index)
{
	const struct rule *r = &s->rules[index];

	return (struct suppression){ .name = r->name, .reason = r->text[TEXT_REASON], .until = r->until, .at_most = r->at_most };
}

static bool ended(const struct rule *r, int64_t at)
{
	return r->until && at >= r->until;
}

bool suppressions_stand(const struct suppressions *s, const char *rule, int64_t at)
{
	const struct rule *r = s ? rule_find(s, rule) : NULL;

	return r && !ended(r, at);
}

int64_t suppressions_next_end(const struct suppressions *s, int64_t after)
{
	int64_t next = INT64_MAX;

	for (size_t i = 0; s && i < s->count; i++)
		if (s->rules[i].until > after && s->rules[i].until < next)
			next = s->rules[i].until;
	return next;
}

/* ---- which changes a rule fits */

/* Of the guest, the same for all of its changes. */
struct subject {
	const char *guest, *name; /* NULL: not known */
	const char *machine;      /* its type, "" where the command line names none */
};

static bool fits(const char *pattern, const char *text)
{
	return !pattern || (text && glob_match(pattern, text));
}

static bool guest_fits(const struct rule *r, const struct subject *s)
{
	if (r->text[TEXT_GUEST] && !fits(r->text[TEXT_GUEST], s->guest) && !fits(r->text[TEXT_GUEST], s->name))
		return false;
	return fits(r->text[TEXT_MACHINE], s->machine);
}

/* Causes as strong as the best explain a change equally well; a weaker one only might. */
static bool cause_fits(const struct rule *r, const struct drift_change *c)
{
	if (!r->text[TEXT_CAUSE])
		return true;
	for (size_t i = 0; i < c->cause_count && c->causes[i].strength == c->causes[0].strength; i++)
		if (fits(r->text[TEXT_CAUSE], c->causes[i].factor))
			return true;
	return false;
}

static bool change_fits(const struct rule *r, const struct drift_change *c)
{
	return !c->suppressed_by && (!r->kinds || r->kinds & (1u << c->kind)) && fits(r->text[TEXT_FACET], facet_get(c->facet)->name) &&
	       fits(r->text[TEXT_KEY], c->key) && cause_fits(r, c);
}

static int tally(struct drift *d, const struct rule *r, size_t changes, bool applied)
{
	struct drift_suppression *list = list_room(d->suppressions, d->suppression_count, sizeof(*list));

	if (!list)
		return -ENOMEM;
	d->suppressions = list;
	list = &list[d->suppression_count++];
	*list = (struct drift_suppression){ .changes = changes, .at_most = r->at_most, .applied = applied };
	return copy_text(r->name, &list->rule) && copy_text(r->text[TEXT_REASON], &list->reason) ? 0 : -ENOMEM;
}

static int rule_apply(struct drift *d, const struct rule *r)
{
	size_t count = 0;
	bool applied;

	for (size_t i = 0; i < d->change_count; i++)
		count += change_fits(r, &d->changes[i]);
	if (!count)
		return 0;
	applied = !r->at_most || count <= r->at_most;
	for (size_t i = 0; applied && i < d->change_count; i++)
		if (change_fits(r, &d->changes[i]) && !copy_text(r->name, &d->changes[i].suppressed_by))
			return -ENOMEM;
	return tally(d, r, count, applied);
}

int suppress(struct drift *d, const struct drift_circumstances *c)
{
	const char *machine = c->to ? context_get(c->to, "machine") : NULL;
	struct subject s = { .guest = c->guest, .name = c->name };
	struct buffer type = BUFFER_INIT;
	int err = 0;

	drift_suppressions_clear(d);
	if (machine)
		property_get(machine, "type", true, &type);
	s.machine = type.size ? type.data : "";
	if (buffer_failed(&type))
		err = -ENOMEM;
	for (size_t i = 0; err >= 0 && c->suppress && i < c->suppress->count; i++)
		if (!ended(&c->suppress->rules[i], c->at) && guest_fits(&c->suppress->rules[i], &s))
			err = rule_apply(d, &c->suppress->rules[i]);
	buffer_release(&type);
	return err;
}

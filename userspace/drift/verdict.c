/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/drift/verdict.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/hotplug.h"
#include "userspace/base/buffer.h"
#include "userspace/base/text.h"
#include "userspace/drift/causes.h"
#include "userspace/drift/impact.h"
#include "userspace/drift/list.h"
#include "userspace/drift/stability.h"
#include "userspace/drift/suppress.h"

#define HOTPLUG_FACTOR "hotplug"

static void change_reset(struct drift_change *c)
{
	for (size_t i = 0; i < c->cause_count; i++) {
		free(c->causes[i].factor);
		free(c->causes[i].from);
		free(c->causes[i].to);
	}
	free(c->causes);
	free(c->suppressed_by);
	c->causes = NULL;
	c->cause_count = 0;
	c->suppressed_by = NULL;
	c->why = c->impact = NULL;
	c->verdict = VERDICT_NONE;
	c->severity = SEVERITY_WARNING;
	c->while_running = c->firmware = false;
}

/* Did this boot begin with what the baseline has? Then it changed after that. */
static bool changed_in_boot(const struct drift_change *c, const struct abi_entries *began)
{
	const struct abi_entry *then = began ? entries_find(began, c->facet, c->key) : NULL;

	if (!began)
		return false;
	if (then && c->from)
		return strcmp(then->value, c->from) == 0;
	return !then && !c->from && drift_answers(began, c->facet, c->key);
}

/* ---- what a running guest trips over */

static bool bit_lost(const struct drift_change *c)
{
	for (size_t i = 0; i < c->fields.count; i++) {
		const struct abi_field *f = &c->fields.items[i];

		if (!strchr(f->bits, ':') && f->from && f->to && strcmp(f->from, "1") == 0 && strcmp(f->to, "0") == 0)
			return true;
	}
	return false;
}

static uint64_t size_of(const char *value)
{
	const char *size = value ? strstr(value, "size=") : NULL;
	char number[24];
	uint64_t bytes;
	size_t length;

	if (!size)
		return 0;
	size += strlen("size=");
	length = strcspn(size, " ");
	if (length >= sizeof(number))
		return 0;
	memcpy(number, size, length);
	number[length] = '\0';
	return text_u64(number, &bytes) < 0 ? 0 : bytes;
}

static bool is_loss(const struct drift_change *c)
{
	switch (c->facet) {
	case FACET_CPUID:
		return c->kind == CHANGE_LOST || bit_lost(c);
	case FACET_MSR:
		return c->kind == CHANGE_LOST || (c->to && strcmp(c->to, "#GP") == 0) || bit_lost(c);
	case FACET_PCI:
	case FACET_MEMORY:
		return c->kind == CHANGE_LOST || size_of(c->to) < size_of(c->from);
	case FACET_PORTS:
	case FACET_MMIO:
		return c->kind == CHANGE_LOST || (c->to && strcmp(c->to, "absent") == 0);
	default:
		return false;
	}
}

/* ---- verdict and severity */

static int hotplug_cause(struct drift_change *c, const struct drift_circumstances *circumstances, bool *ret_known)
{
	struct buffer evidence = BUFFER_INIT;
	struct drift_cause *cause;
	bool known;

	*ret_known = false;
	if (!c->while_running || c->kind == CHANGE_CHANGED || !circumstances->facts)
		return 0;
	known = hotplug_evidence(circumstances->facts, c->facet, c->key, c->kind == CHANGE_GAINED, &evidence);
	if (!known || buffer_failed(&evidence)) {
		known = known && !buffer_failed(&evidence);
		buffer_release(&evidence);
		return 0;
	}
	for (size_t i = 0; i < c->cause_count; i++) {
		free(c->causes[i].factor);
		free(c->causes[i].from);
		free(c->causes[i].to);
	}
	c->cause_count = 0;
	cause = list_room(c->causes, 0, sizeof(*cause));
	if (!cause) {
		buffer_release(&evidence);
		return -ENOMEM;
	}
	c->causes = cause;
	*cause = (struct drift_cause){ .strength = CAUSE_CERTAIN, .factor = strdup(HOTPLUG_FACTOR), .to = buffer_take(&evidence, NULL) };
	cause->why = c->kind == CHANGE_GAINED ? "the guest found it while it ran" : "the guest let go of it";
	c->cause_count = 1;
	*ret_known = true;
	return cause->factor && cause->to ? 0 : -ENOMEM;
}

static void verdict_set(struct drift_change *c, const struct drift_circumstances *circumstances)
{
	const struct drift_cause *best = c->cause_count ? &c->causes[0] : NULL;
	enum factor_class class = best ? factor_class_of(best->factor) : FACTOR_NONE;

	if (!best) {
		c->verdict = VERDICT_UNEXPLAINED;
		return;
	}
	c->firmware = class == FACTOR_FIRMWARE;
	if (class == FACTOR_VISIBLE) {
		c->verdict = VERDICT_INTENDED;
		return;
	}
	c->why = stability_excuse(c, best, circumstances->from, circumstances->to);
	if (!c->why && class == FACTOR_OBSERVER)
		c->why = "seen by another version of abidrift";
	c->verdict = c->why ? VERDICT_EXEMPT : VERDICT_VIOLATION;
}

static void severity_set(struct drift_change *c)
{
	const struct impact *impact = impact_of(c);

	c->impact = impact ? impact->sentence : NULL;
	if (c->while_running && is_loss(c)) {
		c->severity = SEVERITY_CRITICAL;
		return;
	}
	switch (c->verdict) {
	case VERDICT_INTENDED:
		c->severity = SEVERITY_INFO;
		return;
	case VERDICT_EXEMPT:
		c->severity = impact && impact->severity == SEVERITY_CRITICAL ? SEVERITY_WARNING : SEVERITY_INFO;
		return;
	default:
		c->severity = impact ? impact->severity : c->firmware ? SEVERITY_INFO : SEVERITY_WARNING;
	}
}

static int change_judge(struct drift *d, struct drift_change *c, const struct drift_circumstances *circumstances)
{
	bool hotplug = false;
	int r;

	change_reset(c);
	c->while_running = changed_in_boot(c, circumstances->boot_began);
	r = causes_find(d, c);
	if (r >= 0)
		r = hotplug_cause(c, circumstances, &hotplug);
	if (r < 0)
		return r;
	if (hotplug) {
		c->verdict = VERDICT_INTENDED;
		c->severity = SEVERITY_INFO;
		return 0;
	}
	verdict_set(c, circumstances);
	severity_set(c);
	return 0;
}

int drift_judge(struct drift *d, const struct drift_circumstances *c)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < d->change_count; i++)
		r = change_judge(d, &d->changes[i], c);
	return r < 0 ? r : suppress(d, c);
}

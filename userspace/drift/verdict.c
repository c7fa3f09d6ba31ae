/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/drift/verdict.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/hotplug.h"
#include "userspace/base/buffer.h"
#include "userspace/base/glob.h"
#include "userspace/drift/causes.h"
#include "userspace/drift/image.h"
#include "userspace/drift/impact.h"
#include "userspace/drift/list.h"
#include "userspace/drift/passed.h"
#include "userspace/drift/renames.h"
#include "userspace/drift/stability.h"
#include "userspace/drift/suppress.h"

#define HOTPLUG_FACTOR "hotplug"
#define OTHER_OBSERVER "seen by another version of abidrift"

static void change_reset(struct drift_change *c)
{
	drift_causes_clear(c);
	free(c->suppressed_by);
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

/* Single bits there that promise nothing: how a cache is built, which counters are missing. */
#define NO_FEATURES "0x00000004.*|0x8000001d.*|0x0000000a.*"

static bool bit_lost(const struct drift_change *c)
{
	for (size_t i = 0; i < c->fields.count; i++) {
		const struct abi_field *f = &c->fields.items[i];

		if (!strchr(f->bits, ':') && f->from && strcmp(f->from, "1") == 0 && (!f->to || strcmp(f->to, "0") == 0))
			return true;
	}
	return false;
}

static bool feature_lost(const struct drift_change *c)
{
	/* `/vcpu.N` and `/seen` stand beside a register: one that went says that all agree again. */
	if (c->kind == CHANGE_LOST && strchr(c->key, '/'))
		return false;
	return bit_lost(c) && !glob_match(NO_FEATURES, c->key);
}

/* Gone, smaller, or another one. */
static bool device_lost(const struct drift_change *c)
{
	if (glob_match("*/id|*/class|*/bar?", c->key))
		return c->kind == CHANGE_LOST || (c->kind == CHANGE_CHANGED && impact_how(c->from, c->to) != (IMPACT_CHANGED | IMPACT_MORE));
	return c->kind == CHANGE_LOST || (impact_how(c->from, c->to) & IMPACT_LESS);
}

static bool is_loss(const struct drift_change *c)
{
	switch (c->facet) {
	case FACET_CPUID:
		return feature_lost(c);
	case FACET_MSR:
		return c->kind == CHANGE_LOST || (c->to && strcmp(c->to, "#GP") == 0) || bit_lost(c);
	case FACET_PCI:
		return device_lost(c);
	case FACET_MEMORY:
		return c->kind == CHANGE_LOST || (impact_how(c->from, c->to) & IMPACT_LESS);
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
	if (buffer_failed(&evidence)) {
		buffer_release(&evidence);
		return -ENOMEM;
	}
	if (!known) {
		buffer_release(&evidence);
		return 0;
	}
	drift_causes_clear(c);
	cause = list_room(NULL, 0, sizeof(*cause));
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

/*
 * Which cause decides: of those that explain equally well, one that may change a guest, else one that is excused, else the first.
 * A change that an option accounts for is no violation because the VMM was replaced too.
 */
static const struct drift_cause *decisive_cause(const struct drift *d, const struct drift_change *c, const struct drift_circumstances *circumstances,
						const char **ret_excuse)
{
	const struct drift_cause *first = NULL, *excused = NULL;

	*ret_excuse = NULL;
	for (size_t i = 0; i < c->cause_count; i++) {
		const struct drift_cause *cause = &c->causes[i];
		enum factor_class class = factor_class_of(cause->factor);
		const char *excuse;

		if (class == FACTOR_NONE || (first && cause->strength < first->strength))
			continue;
		if (class == FACTOR_VISIBLE) {
			*ret_excuse = NULL;
			return cause;
		}
		first = first ? first : cause;
		excuse = class == FACTOR_OBSERVER ? OTHER_OBSERVER : stability_excuse(d, c, cause, circumstances);
		if (excuse && !excused) {
			excused = cause;
			*ret_excuse = excuse;
		}
	}
	return excused ? excused : first;
}

/*
 * Did an option name this image, or no longer name it? An image by the same path that has other bytes came with a package; so did
 * one by another path that no option that differs speaks of (a data folder of the VMM's version).
 */
static bool image_named(const struct drift *d, const struct drift_circumstances *circumstances, const struct drift_cause *image)
{
	const char *slash = strrchr(image->factor, '/'), *name = slash ? slash + 1 : image->factor;

	for (size_t i = 0; !(image->from && image->to) && i < d->context_count; i++) {
		const struct drift_factor *f = &d->context[i];
		const char *value = image->to ? f->to : f->from;

		if (value && image_is_firmware(image->to ? circumstances->to : circumstances->from, f->factor, value, name))
			return true;
	}
	return false;
}

static bool firmware_chosen(const struct drift *d, const struct drift_change *c, const struct drift_circumstances *circumstances)
{
	for (size_t i = 0; i < c->cause_count && c->causes[i].strength == c->causes[0].strength; i++)
		if (factor_class_of(c->causes[i].factor) == FACTOR_FIRMWARE && image_named(d, circumstances, &c->causes[i]))
			return true;
	return false;
}

static void verdict_set(const struct drift *d, struct drift_change *c, const struct drift_circumstances *circumstances)
{
	const char *excuse;
	const struct drift_cause *cause = decisive_cause(d, c, circumstances, &excuse);
	enum factor_class class = cause ? factor_class_of(cause->factor) : FACTOR_NONE;

	/* What is the host's own device, or another process's, changes without a factor that could tell. */
	if (!cause)
		excuse = stability_excuse(d, c, NULL, circumstances);
	c->firmware = class == FACTOR_FIRMWARE;
	c->why = excuse;
	if (!cause)
		c->verdict = excuse ? VERDICT_EXEMPT : VERDICT_UNEXPLAINED;
	else if (class == FACTOR_VISIBLE || (c->firmware && firmware_chosen(d, c, circumstances)))
		c->verdict = VERDICT_INTENDED;
	else
		c->verdict = excuse ? VERDICT_EXEMPT : VERDICT_VIOLATION;
}

/* Of what nothing excuses. */
static enum severity unexcused(const struct drift_change *c, const struct impact *impact, bool contexts)
{
	enum severity severity = impact ? impact->severity : c->firmware ? SEVERITY_INFO : SEVERITY_WARNING;

	/* That nothing around the guest changed is known only where both sides' contexts are. */
	if (c->verdict == VERDICT_UNEXPLAINED && contexts && severity < SEVERITY_WARNING && !(impact && impact->follows))
		return SEVERITY_WARNING;
	return severity;
}

/* A device that came or went is told by its own line. Its slot's number is told beside it: interfaces are named by it. */
static bool goes_with_device(const struct renames *renames, const struct drift_change *c)
{
	return renames_follow(renames, c) && !glob_match("*._SUN", c->key);
}

static void severity_set(const struct impact_scene *scene, struct drift_change *c, const struct drift_circumstances *circumstances)
{
	const struct impact *impact = impact_of(scene, c);

	if (goes_with_device(scene->renames, c)) {
		c->severity = SEVERITY_INFO;
		return;
	}
	c->impact = impact && !impact->quiet ? impact->sentence : NULL;
	if (c->while_running && is_loss(c))
		c->severity = SEVERITY_CRITICAL;
	else if (impact && impact->running)
		c->severity = impact->severity;
	else if (c->verdict == VERDICT_INTENDED)
		c->severity = SEVERITY_INFO;
	else if (c->verdict == VERDICT_EXEMPT)
		c->severity = impact && impact->severity == SEVERITY_CRITICAL ? SEVERITY_WARNING : SEVERITY_INFO;
	else
		c->severity = unexcused(c, impact, circumstances->from && circumstances->to);
}

static int change_judge(const struct impact_scene *scene, const struct causes *causes, struct drift_change *c,
			const struct drift_circumstances *circumstances)
{
	bool hotplug = false;
	int r;

	change_reset(c);
	c->while_running = changed_in_boot(c, circumstances->boot_began);
	r = causes_fill(causes, c);
	if (r >= 0)
		r = hotplug_cause(c, circumstances, &hotplug);
	if (r < 0)
		return r;
	if (hotplug) {
		c->verdict = VERDICT_INTENDED;
		c->severity = SEVERITY_INFO;
		return 0;
	}
	verdict_set(scene->drift, c, circumstances);
	severity_set(scene, c, circumstances);
	return 0;
}

/* ---- what belongs together */

/* The part of a key of pci that names the function; 0: none. */
static size_t function_length(const struct drift_change *c)
{
	const char *slash = c->facet == FACET_PCI ? strrchr(c->key, '/') : NULL;

	return slash ? (size_t)(slash - c->key) : 0;
}

static bool is_part(const struct drift_change *c, const char *name)
{
	return strcmp(c->key + function_length(c), name) == 0;
}

/*
 * A PCI function that came or went is one thing, though each of its keys is a change: its id and its class tell of it, with what
 * the class is known to break. BARs, header and pin go with it and alarm nobody a second time.
 */
static void function_settle(struct drift_change *id, struct drift_change *begin, struct drift_change *end)
{
	size_t length = function_length(id);
	struct drift_change *class = NULL;

	for (struct drift_change *c = begin; c < end; c++) {
		if (c == id || c->kind != id->kind || function_length(c) != length || strncmp(c->key, id->key, length) != 0)
			continue;
		if (is_part(c, "/class")) {
			class = c;
			continue;
		}
		c->severity = SEVERITY_INFO;
		c->impact = NULL;
	}
	if (!class)
		return;
	if (class->impact && class->severity >= id->severity)
		id->impact = class->impact;
	else
		class->impact = id->impact;
	id->severity = class->severity = class->severity > id->severity ? class->severity : id->severity;
}

/* Keys of pci stand in order, so those of a function lie between the first and last that begin as its id does. */
static void functions_settle(struct drift *d)
{
	for (size_t i = 0; i < d->change_count; i++) {
		struct drift_change *id = &d->changes[i], *begin = id, *end = id + 1;
		size_t length = function_length(id);

		if (!length || id->kind == CHANGE_CHANGED || !is_part(id, "/id"))
			continue;
		while (begin > d->changes && begin[-1].facet == FACET_PCI && strncmp(begin[-1].key, id->key, length) == 0)
			begin--;
		while (end < d->changes + d->change_count && end->facet == FACET_PCI && strncmp(end->key, id->key, length) == 0)
			end++;
		function_settle(id, begin, end);
	}
}

static int changes_judge(struct drift *d, const struct causes *causes, const struct drift_circumstances *c)
{
	struct impact_scene scene;
	struct renames *renames;
	int r = renames_find(d, &renames);

	if (r < 0)
		return r;
	scene = impact_scene_of(d, c->now, renames);
	for (size_t i = 0; r >= 0 && i < d->change_count; i++)
		r = change_judge(&scene, causes, &d->changes[i], c);
	renames_free(renames);
	return r;
}

/* As changes_judge, with what the command lines pass through read once. */
static int changes_judge_passed(struct drift *d, const struct causes *causes, const struct drift_circumstances *c)
{
	struct drift_circumstances all = *c;
	struct passed *from = NULL, *to = NULL;
	int r = c->from ? passed_prepare(c->from, &from) : 0;

	if (r >= 0 && c->to)
		r = passed_prepare(c->to, &to);
	all.passed_from = from;
	all.passed_to = to;
	if (r >= 0)
		r = changes_judge(d, causes, &all);
	passed_free(from);
	passed_free(to);
	return r;
}

int drift_judge(struct drift *d, const struct drift_circumstances *c)
{
	struct causes *causes;
	int r = causes_prepare(d, &causes);

	if (r < 0)
		return r;
	causes_firmware_stays(causes, c->now);
	r = changes_judge_passed(d, causes, c);
	causes_free(causes);
	if (r >= 0)
		functions_settle(d);
	return r < 0 ? r : suppress(d, c);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/drift/drift.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/buffer.h"
#include "userspace/fingerprint/fingerprint.h"

static const char *const kind_names[] = {
	[CHANGE_CHANGED] = "changed",
	[CHANGE_LOST] = "lost",
	[CHANGE_GAINED] = "gained",
};

static const char *const severity_names[] = {
	[SEVERITY_NONE] = "none",
	[SEVERITY_INFO] = "info",
	[SEVERITY_WARNING] = "warning",
	[SEVERITY_CRITICAL] = "critical",
};

static const char *const verdict_names[] = {
	[VERDICT_NONE] = NULL,
	[VERDICT_INTENDED] = "intended",
	[VERDICT_EXEMPT] = "exempt",
	[VERDICT_UNEXPLAINED] = "unexplained",
	[VERDICT_VIOLATION] = "violation",
};

static const char *const result_names[] = {
	[DRIFT_SAME] = "same",
	[DRIFT_DRIFT] = "drift",
	[DRIFT_UNKNOWN] = "unknown",
};

const char *drift_result_name(enum drift_result r)
{
	return result_names[r];
}

const char *change_kind_name(enum change_kind k)
{
	return kind_names[k];
}

const char *verdict_name(enum verdict v)
{
	return verdict_names[v];
}

enum verdict verdict_parse(const char *name)
{
	for (int i = VERDICT_INTENDED; i <= VERDICT_VIOLATION; i++)
		if (strcmp(name, verdict_names[i]) == 0)
			return i;
	return VERDICT_NONE;
}

const char *severity_name(enum severity s)
{
	return severity_names[s];
}

int severity_parse(const char *name, enum severity *ret)
{
	for (int i = SEVERITY_NONE; i <= SEVERITY_CRITICAL; i++)
		if (strcmp(name, severity_names[i]) == 0) {
			*ret = i;
			return 0;
		}
	return -EINVAL;
}

static void moved_release(struct drift_moved *moved, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(moved[i].key);
		free(moved[i].from);
		free(moved[i].to);
	}
	free(moved);
}

void drift_cause_release(struct drift_cause *cause)
{
	free(cause->factor);
	free(cause->from);
	free(cause->to);
}

void drift_causes_clear(struct drift_change *change)
{
	for (size_t i = 0; i < change->cause_count; i++)
		drift_cause_release(&change->causes[i]);
	free(change->causes);
	change->causes = NULL;
	change->cause_count = 0;
}

static void change_release(struct drift_change *change)
{
	free(change->key);
	free(change->from);
	free(change->to);
	free(change->meaning);
	free(change->string_from);
	free(change->string_to);
	abi_fields_release(&change->fields);
	moved_release(change->moved, change->moved_count);
	drift_causes_clear(change);
	free(change->suppressed_by);
}

void drift_suppressions_clear(struct drift *d)
{
	for (size_t i = 0; i < d->suppression_count; i++) {
		free(d->suppressions[i].rule);
		free(d->suppressions[i].reason);
	}
	free(d->suppressions);
	d->suppressions = NULL;
	d->suppression_count = 0;
}

void drift_release(struct drift *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->change_count; i++)
		change_release(&d->changes[i]);
	free(d->changes);
	moved_release(d->moved, d->moved_count);
	for (size_t i = 0; i < d->unknown_count; i++) {
		free(d->unknown[i].key);
		free(d->unknown[i].reason);
	}
	free(d->unknown);
	for (size_t i = 0; i < d->context_count; i++) {
		free(d->context[i].factor);
		free(d->context[i].from);
		free(d->context[i].to);
	}
	free(d->context);
	free(d->vmm);
	free(d->machine);
	drift_suppressions_clear(d);
	*d = (struct drift)DRIFT_INIT;
}

enum drift_result drift_result(const struct drift *d, enum severity min_severity)
{
	for (size_t i = 0; i < d->change_count; i++)
		if (d->changes[i].severity >= min_severity && !d->changes[i].suppressed_by)
			return DRIFT_DRIFT;
	for (size_t i = 0; i < d->unknown_count; i++)
		if (d->unknown[i].fell)
			return DRIFT_UNKNOWN;
	return DRIFT_SAME;
}

/* Keys and values hold no control bytes, so these cannot be part of one. */
#define END_OF_FIELD "\n"
#define NO_VALUE "\1"

void drift_digest(const struct drift *d, struct digest *ret)
{
	struct buffer text = BUFFER_INIT;

	ret->text[0] = '\0';
	for (size_t i = 0; i < d->change_count; i++) {
		const struct drift_change *c = &d->changes[i];
		const char *const parts[] = { facet_get(c->facet)->name, c->key, change_kind_name(c->kind), c->from, c->to };

		for (size_t j = 0; j < sizeof(parts) / sizeof(parts[0]); j++) {
			buffer_string(&text, parts[j] ? parts[j] : NO_VALUE);
			buffer_string(&text, END_OF_FIELD);
		}
	}
	if (!buffer_failed(&text) && text.size > 0)
		digest_bytes(text.data, text.size, ret);
	buffer_release(&text);
}

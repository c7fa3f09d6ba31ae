/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/drift/view.h"

#include <string.h>

#include "userspace/base/buffer.h"
#include "userspace/base/text.h"
#include "userspace/drift/change_set.h"
#include "userspace/drift/drift.h"

/* NULL is null; NULL as result: out of memory. */
static json_t *text_or_null(const char *text)
{
	struct buffer utf8 = BUFFER_INIT;
	json_t *result;

	if (!text)
		return json_null();
	text_utf8(&utf8, text, strlen(text));
	result = buffer_failed(&utf8) ? NULL : json_stringn(utf8.size ? utf8.data : "", utf8.size);
	buffer_release(&utf8);
	return result;
}

/* Takes the object. NULL in stays NULL. */
static json_t *appended(json_t *array, json_t *object)
{
	if (array && json_array_append_new(array, object) == 0)
		return array;
	if (!array)
		json_decref(object);
	json_decref(array);
	return NULL;
}

static json_t *moved_json(const struct drift_moved *moved, size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < count; i++)
		array = appended(array, json_pack("{s:o, s:o, s:o}", "key", text_or_null(moved[i].key), "from", text_or_null(moved[i].from),
						  "to", text_or_null(moved[i].to)));
	return array;
}

static json_t *fields_json(const struct abi_fields *fields)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < fields->count; i++) {
		const struct abi_field *f = &fields->items[i];

		array = appended(array, json_pack("{s:o, s:o, s:o, s:o}", "name", text_or_null(f->name), "bits", text_or_null(f->bits),
						  "from", text_or_null(f->from), "to", text_or_null(f->to)));
	}
	return array;
}

static json_t *causes_json(const struct drift_change *c)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < c->cause_count; i++) {
		const struct drift_cause *cause = &c->causes[i];

		array = appended(array, json_pack("{s:o, s:o, s:o, s:o}", "factor", text_or_null(cause->factor), "from", text_or_null(cause->from),
						  "to", text_or_null(cause->to), "why", text_or_null(cause->why)));
	}
	return array;
}

static json_t *string_json(const struct drift_change *c)
{
	if (!c->string)
		return json_null();
	return json_pack("{s:s, s:o, s:o}", "name", c->string, "from", text_or_null(c->string_from), "to", text_or_null(c->string_to));
}

static json_t *change_json(const struct drift_change *c)
{
	return json_pack("{s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:b, s:b, s:o}", "facet", facet_get(c->facet)->name,
			 "key", text_or_null(c->key), "change", change_kind_name(c->kind), "from", text_or_null(c->from),
			 "to", text_or_null(c->to), "fields", fields_json(&c->fields), "string", string_json(c),
			 "meaning", text_or_null(c->meaning && c->meaning[0] ? c->meaning : NULL), "verdict", text_or_null(verdict_name(c->verdict)),
			 "severity", severity_name(c->severity), "cause", c->verdict ? causes_json(c) : json_null(), "reason", text_or_null(c->why),
			 "impact", text_or_null(c->impact), "suppressed_by", text_or_null(c->suppressed_by), "running", c->while_running,
			 "firmware", c->firmware, "moved", moved_json(c->moved, c->moved_count));
}

static json_t *changes_json(const struct drift *d)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < d->change_count; i++)
		array = appended(array, change_json(&d->changes[i]));
	return array;
}

static json_t *unknown_json(const struct drift *d)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < d->unknown_count; i++)
		array = appended(array, json_pack("{s:s, s:o, s:o}", "facet", facet_get(d->unknown[i].facet)->name,
						  "key", text_or_null(d->unknown[i].key), "reason", text_or_null(d->unknown[i].reason)));
	return array;
}

static json_t *context_json(const struct drift *d)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < d->context_count; i++)
		array = appended(array, json_pack("{s:o, s:o, s:o}", "factor", text_or_null(d->context[i].factor),
						  "from", text_or_null(d->context[i].from), "to", text_or_null(d->context[i].to)));
	return array;
}

static json_t *suppressed_json(const struct drift *d)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < d->suppression_count; i++) {
		const struct drift_suppression *s = &d->suppressions[i];

		array = appended(array, json_pack("{s:o, s:o, s:I, s:o, s:b}", "rule", text_or_null(s->rule), "reason", text_or_null(s->reason),
						  "changes", (json_int_t)s->changes, "at_most",
						  s->at_most ? json_integer((json_int_t)s->at_most) : json_null(), "applied", s->applied));
	}
	return array;
}

json_t *drift_json(const struct drift *d, int min_severity)
{
	json_t *diff = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "result", drift_result_name(drift_result(d, min_severity)), "vmm",
			 text_or_null(d->vmm), "machine", text_or_null(d->machine), "context", context_json(d), "changes", changes_json(d),
			 "moved", moved_json(d->moved, d->moved_count), "unknown", unknown_json(d), "suppressed", suppressed_json(d));

	if (diff && changes_mark(diff) < 0) {
		json_decref(diff);
		return NULL;
	}
	return diff;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/status.h"

#include <stdint.h>
#include <string.h>

#include "userspace/base/buffer.h"
#include "userspace/base/text.h"
#include "userspace/stream/record.h"

static json_t *text_json(const char *text)
{
	struct buffer utf8 = BUFFER_INIT;
	json_t *value = NULL;

	text_utf8(&utf8, text, strlen(text));
	if (!buffer_failed(&utf8))
		value = json_stringn(utf8.size ? utf8.data : "", utf8.size);
	buffer_release(&utf8);
	return value;
}

static json_t *pair_json(const void *body, size_t bytes, const char *key)
{
	const char *value = body ? record_pair_get(body, bytes, key) : NULL;

	return value ? text_json(value) : json_null();
}

static json_t *numbers(const void *body, size_t bytes)
{
	json_t *all = json_object();
	const char *key, *value;
	size_t cursor = 0;
	uint64_t number;

	while (body && record_pair_next(body, bytes, &cursor, &key, &value) > 0)
		if (text_u64(value, &number) == 0 && number <= INT64_MAX)
			json_object_set_new(all, key, json_integer((json_int_t)number));
	return all;
}

static json_t *texts(const void *body, size_t bytes)
{
	json_t *all = json_object();
	const char *key, *value;
	size_t cursor = 0;

	while (body && record_pair_next(body, bytes, &cursor, &key, &value) > 0)
		json_object_set_new(all, key, text_json(value));
	return all;
}

char *status_write(const struct status_records *r)
{
	json_t *status = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "stats", numbers(r->stats, r->stats_bytes), "kernel",
				   pair_json(r->host, r->host_bytes, "kernel.release"), "cpu", pair_json(r->host, r->host_bytes, "cpu.model"), "microcode",
				   pair_json(r->host, r->host_bytes, "cpu.microcode"), "blind", texts(r->blind, r->blind_bytes), "abidrift",
				   pair_json(r->host, r->host_bytes, "abidrift"));
	char *text = status ? json_dumps(status, JSON_COMPACT) : NULL;

	json_decref(status);
	return text;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/stream/record.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "userspace/base/buffer.h"
#include "userspace/base/error.h"

/* Records are copied as they lie in memory. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "a big-endian host has to swap on its way to the stream");
_Static_assert(sizeof(struct record_header) == 40, "record_header");
_Static_assert(sizeof(struct record_hello) == 16, "record_hello");
_Static_assert(sizeof(struct record_boot) == 24, "record_boot");
_Static_assert(sizeof(struct record_fact) == 64, "record_fact");
_Static_assert(sizeof(struct record_cpuid) == 16, "record_cpuid");
_Static_assert(sizeof(struct record_slot) == 32, "record_slot");
_Static_assert(sizeof(struct record_slots) == 8, "record_slots");
_Static_assert(sizeof(struct record_loss) == 16, "record_loss");
_Static_assert(sizeof(struct record_memory) == 16, "record_memory");
_Static_assert(sizeof(struct record_part) == 16, "record_part");
_Static_assert(sizeof(struct record_rom) == 40, "record_rom");

#define PART_ALIGN 8u

int record_put(struct buffer *out, const struct record_header *header, const void *body, size_t bytes, const void *more, size_t more_bytes)
{
	struct record_header h = *header;
	const size_t most = RECORD_MAX_BYTES - sizeof(h);

	if (bytes > most || more_bytes > most - bytes)
		return -EMSGSIZE;
	h.bytes = (uint32_t)(sizeof(h) + bytes + more_bytes);
	h.zero = 0;
	h.zero2 = 0;
	buffer_append(out, &h, sizeof(h));
	buffer_append(out, body, bytes);
	buffer_append(out, more, more_bytes);
	return buffer_failed(out) ? -ENOMEM : 0;
}

/* ---- pairs */

void record_pair_put(struct buffer *body, const char *key, const char *value)
{
	buffer_append(body, key, strlen(key) + 1);
	buffer_append(body, value, strnlen(value, RECORD_VALUE_MAX));
	buffer_append(body, "", 1);
}

/* The NUL-terminated string at *cursor, which moves behind it; NULL if none ends within the body. */
static const char *next_string(const char *body, size_t bytes, size_t *cursor)
{
	const char *text = body + *cursor;
	const char *end = memchr(text, '\0', bytes - *cursor);

	if (end != NULL)
		*cursor = (size_t)(end - body) + 1;
	return end != NULL ? text : NULL;
}

int record_pair_next(const void *body, size_t bytes, size_t *cursor, const char **ret_key, const char **ret_value)
{
	size_t at = *cursor;

	if (at == bytes)
		return 0;
	if (at > bytes)
		return -EBADMSG;
	const char *key = next_string(body, bytes, &at);
	if (key == NULL || at == bytes)
		return -EBADMSG;
	size_t value_at = at;
	const char *value = next_string(body, bytes, &at);
	if (value == NULL || at - value_at - 1 > RECORD_VALUE_MAX)
		return -EBADMSG;
	*cursor = at;
	*ret_key = key;
	*ret_value = value;
	return 1;
}

const char *record_pair_get(const void *body, size_t bytes, const char *key)
{
	const char *this_key, *value;
	size_t cursor = 0;

	while (record_pair_next(body, bytes, &cursor, &this_key, &value) > 0) {
		if (strcmp(this_key, key) == 0)
			return value;
	}
	return NULL;
}

void record_part_put(struct buffer *body, enum record_part_kind kind, uint64_t gpa, const void *data, size_t bytes)
{
	static const char padding[PART_ALIGN];
	struct record_part part = { .gpa = gpa, .kind = kind, .bytes = (uint32_t)bytes };

	buffer_append(body, &part, sizeof(part));
	buffer_append(body, data, bytes);
	buffer_append(body, padding, -bytes & (PART_ALIGN - 1));
}

/* ---- checks: one per shape of body. true = as long as it says */

static bool pairs_fit(const void *body, size_t bytes)
{
	const char *key, *value;
	size_t cursor = 0;
	int r;

	do
		r = record_pair_next(body, bytes, &cursor, &key, &value);
	while (r > 0);
	return r == 0;
}

static bool cpuid_fits(const void *body, size_t bytes)
{
	struct record_cpuid cpuid;

	if (bytes < sizeof(cpuid))
		return false;
	memcpy(&cpuid, body, sizeof(cpuid));
	return cpuid.count <= OBSERVE_CPUID_MAX && bytes - sizeof(cpuid) == cpuid.count * sizeof(struct inventory_cpuid_entry);
}

static bool slots_fit(const void *body, size_t bytes)
{
	struct record_slots slots;

	if (bytes < sizeof(slots))
		return false;
	memcpy(&slots, body, sizeof(slots));
	return slots.count <= RECORD_MAX_BYTES / sizeof(struct record_slot) && bytes - sizeof(slots) == slots.count * sizeof(struct record_slot);
}

int record_part_next(const void *body, size_t bytes, size_t *cursor, struct record_part *ret, const void **ret_bytes)
{
	size_t at = *cursor ? *cursor : sizeof(struct record_memory), padded;
	struct record_part part;

	if (at == bytes)
		return 0;
	if (at > bytes || bytes - at < sizeof(part))
		return -EBADMSG;
	memcpy(&part, (const char *)body + at, sizeof(part));
	at += sizeof(part);
	padded = ((size_t)part.bytes + PART_ALIGN - 1) & ~(size_t)(PART_ALIGN - 1);
	if (padded > bytes - at)
		return -EBADMSG;
	*ret = part;
	*ret_bytes = (const char *)body + at;
	*cursor = at + padded;
	return 1;
}

static bool memory_fits(const void *body, size_t bytes)
{
	struct record_memory head;
	struct record_part part;
	const void *data;
	size_t cursor = 0;
	uint32_t count = 0;
	int r;

	if (bytes < sizeof(head))
		return false;
	memcpy(&head, body, sizeof(head));
	while ((r = record_part_next(body, bytes, &cursor, &part, &data)) > 0)
		count++;
	return r == 0 && count == head.count;
}

static const struct shape {
	const char *name;
	bool (*fits)(const void *body, size_t bytes); /* NULL: always `bytes` long */
	size_t bytes;
} shapes[] = {
	[RECORD_HELLO] = { "HELLO", NULL, sizeof(struct record_hello) },
	[RECORD_HOST] = { "HOST", pairs_fit, 0 },
	[RECORD_CONFIG] = { "CONFIG", pairs_fit, 0 },
	[RECORD_COVERAGE] = { "COVERAGE", pairs_fit, 0 },
	[RECORD_VM] = { "VM", pairs_fit, 0 },
	[RECORD_BOOT] = { "BOOT", NULL, sizeof(struct record_boot) },
	[RECORD_FACT] = { "FACT", NULL, sizeof(struct record_fact) },
	[RECORD_CPUID] = { "CPUID", cpuid_fits, 0 },
	[RECORD_SLOTS] = { "SLOTS", slots_fit, 0 },
	[RECORD_GONE] = { "GONE", pairs_fit, 0 },
	[RECORD_LOSS] = { "LOSS", NULL, sizeof(struct record_loss) },
	[RECORD_TICK] = { "TICK", NULL, sizeof(struct record_hello) },
	[RECORD_SYNCED] = { "SYNCED", NULL, 0 },
	[RECORD_MEMORY] = { "MEMORY", memory_fits, 0 },
	[RECORD_STATS] = { "STATS", pairs_fit, 0 },
};

#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))

static int check_body(const struct record_header *header, const void *body, size_t bytes, struct error *e)
{
	struct record_hello hello;

	/* Before its length: a later format may have a longer one. */
	if (header->type == RECORD_HELLO && bytes >= sizeof(hello)) {
		memcpy(&hello, body, sizeof(hello));
		if (hello.format > RECORD_FORMAT)
			return error_set(e, EBADMSG, "the observation stream has format %u, this abidrift reads up to %u; use the abidrift that "
					 "wrote it or a newer one", hello.format, RECORD_FORMAT);
	}
	if (header->type >= SHAPES || shapes[header->type].name == NULL)
		return 0;
	const struct shape *shape = &shapes[header->type];
	if (shape->fits != NULL ? shape->fits(body, bytes) : bytes == shape->bytes)
		return 0;
	return error_set(e, EBADMSG, "record %llu (%s) is corrupt: its body of %zu bytes does not agree with its contents",
			 (unsigned long long)header->seq, shape->name, bytes);
}

int record_parse(const void *data, size_t size, struct record_header *ret_header, const void **ret_body, size_t *ret_body_bytes,
		 size_t *ret_size, struct error *e)
{
	struct record_header header;

	/* The length alone tells nonsense from a record that is not yet whole, so nobody waits for the rest of nonsense. */
	if (size < sizeof(header.bytes))
		return 0;
	memcpy(&header.bytes, data, sizeof(header.bytes));
	if (header.bytes < sizeof(header) || header.bytes > RECORD_MAX_BYTES)
		return error_set(e, EBADMSG, "corrupt: a record claims %u bytes, possible are %zu to %u", header.bytes, sizeof(header), RECORD_MAX_BYTES);
	if (size < header.bytes)
		return 0;
	memcpy(&header, data, sizeof(header));
	const void *body = (const char *)data + sizeof(header);
	size_t body_bytes = header.bytes - sizeof(header);
	int r = check_body(&header, body, body_bytes, e);
	if (r < 0)
		return r;
	*ret_header = header;
	*ret_body = body;
	*ret_body_bytes = body_bytes;
	*ret_size = header.bytes;
	return 1;
}

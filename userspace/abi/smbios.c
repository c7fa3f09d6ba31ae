/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What SMBIOS tells a guest of its hardware, field by field; what identifies the one guest goes to the facet identity.
 *
 * Nothing that a guest can read is left out: fields that have no name here are told by their digest, strings that no field
 * refers to by their place. Addresses, sizes and checksums of the tables themselves are where firmware put them, no entries.
 * Bounds: at most STRUCTURES_MAX structures are told one by one, the others as one digest; a string of more than STRING_MAX
 * bytes is told as a digest. A table is at most one record, and each of its bytes is looked at a bounded number of times.
 */
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/entries.h"
#include "userspace/abi/facets_internal.h"
#include "userspace/abi/facts.h"
#include "userspace/abi/smbios_fields.h"
#include "userspace/abi/smbios_names.h"
#include "userspace/abi/smbios_structures.h"
#include "userspace/base/buffer.h"
#include "userspace/base/secrets.h"
#include "userspace/base/text.h"

#define STRUCTURES_MAX 4096u
#define STRING_MAX 1024u
#define STRING_NUMBERS 256u /* what a byte can name */
#define NAME_BYTES 64
#define KEY_BYTES (NAME_BYTES + 32)
#define SHA256_BYTES 32
#define SHA256_TEXT (2 * SHA256_BYTES + 1)
#define UUID_BYTES 16
/* From this version on the first three parts of a UUID are little-endian: DSP0134 7.2.1. */
#define UUID_SWAPPED_MAJOR 2u
#define UUID_SWAPPED_MINOR 6u
#define TYPE_MACHINE 1u
#define MACHINE_UUID 0x08u

/* One structure on its way to entries: of the one facet or of the other. */
struct telling {
	const struct smbios_tables *tables;
	const struct smbios_structure *s;
	struct abi_entries *out;
	enum facet_id facet;
	bool referred[STRING_NUMBERS]; /* strings that a field named */
};

static int add(const struct telling *t, const char *name, const char *value)
{
	char key[KEY_BYTES];

	snprintf(key, sizeof(key), "type%u.%u/%s", t->s->type, t->s->instance, name);
	return entries_add(t->out, t->facet, key, value);
}

static int sha256(const void *data, size_t bytes, char ret[SHA256_TEXT])
{
	uint8_t digest[SHA256_BYTES];

	if (!EVP_Digest(data, bytes, digest, NULL, EVP_sha256(), NULL))
		return -ENOMEM;
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(ret + 2 * i, 3, "%02x", digest[i]);
	return 0;
}

static int add_digest(const struct telling *t, const char *name, const void *data, size_t bytes)
{
	char digest[SHA256_TEXT], text[SHA256_TEXT + 40];

	if (sha256(data, bytes, digest) < 0)
		return -ENOMEM;
	snprintf(text, sizeof(text), "size=%zu sha256=%s", bytes, digest);
	return add(t, name, text);
}

static int add_text(const struct telling *t, const char *name, const char *text)
{
	struct buffer clean = BUFFER_INIT;
	int r;

	/*
	 * Systemd's credentials, a password for cloud-init: not even a digest of it is kept, which of a short one tells all. The
	 * collector has taken it out; this is for facts of one that had not, so that both are the same entry.
	 */
	secrets_clean_text(text, &clean);
	if (buffer_failed(&clean))
		r = -ENOMEM;
	else
		r = clean.size > STRING_MAX ? add_digest(t, name, clean.data, clean.size) : add(t, name, clean.size ? clean.data : "");
	buffer_release(&clean);
	return r;
}

/* ---- fields */

static int add_string(struct telling *t, const struct smbios_field *field, unsigned n)
{
	const char *text = smbios_string(t->s, n);
	char name[NAME_BYTES], value[16];

	t->referred[n] = true;
	if (t->facet != (field->identity ? FACET_IDENTITY : FACET_SMBIOS) || n == 0)
		return 0;
	if (text)
		return add_text(t, field->name, text);
	snprintf(name, sizeof(name), "%s.number", field->name);
	snprintf(value, sizeof(value), "%u", n);
	return add(t, name, value);
}

static void uuid_text(const struct smbios_tables *tables, const uint8_t *raw, char ret[37])
{
	static const uint8_t order[] = { 3, 2, 1, 0, 5, 4, 7, 6 };
	bool swapped = !tables->entry_known || tables->major > UUID_SWAPPED_MAJOR ||
		       (tables->major == UUID_SWAPPED_MAJOR && tables->minor >= UUID_SWAPPED_MINOR);
	size_t at = 0;

	for (size_t i = 0; i < UUID_BYTES; i++) {
		uint8_t byte = swapped && i < sizeof(order) ? raw[order[i]] : raw[i];

		at += (size_t)snprintf(ret + at, 37 - at, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", byte);
	}
}

static int add_number(const struct telling *t, const struct smbios_field *field, size_t offset)
{
	unsigned long long value = smbios_number(t->s, offset, field->width);
	char text[32];

	if (field->quiet && value == 0)
		return 0;
	if (field->kind == SMBIOS_NUMBER)
		snprintf(text, sizeof(text), "%llu", value);
	else
		snprintf(text, sizeof(text), "0x%0*llx", field->width * 2, value);
	return add(t, field->name, text);
}

static int add_field(struct telling *t, const struct smbios_field *field, size_t offset)
{
	char uuid[37];

	if (field->kind == SMBIOS_STRING)
		return add_string(t, field, (unsigned)smbios_number(t->s, offset, 1));
	if (t->facet != (field->identity ? FACET_IDENTITY : FACET_SMBIOS))
		return 0;
	if (field->kind == SMBIOS_UUID) {
		uuid_text(t->tables, t->s->data + offset, uuid);
		return add(t, field->name, uuid);
	}
	return add_number(t, field, offset);
}

/*
 * A list that its structure cuts is told as far as it goes. *ret_bytes is what it would take: what is behind it then lies beyond
 * the structure.
 */
static int add_list(const struct telling *t, const struct smbios_list *list, size_t *ret_bytes, size_t *ret_told)
{
	size_t room = t->s->length > list->first ? t->s->length - list->first : 0, size, n;
	int r = 0;

	*ret_bytes = *ret_told = 0;
	if (!list->name || room == 0)
		return 0;
	size = list->size_offset ? smbios_number(t->s, list->size_offset, 1) : list->size;
	*ret_bytes = smbios_number(t->s, list->count_offset, 1) * size;
	for (n = 0; size && r >= 0 && (n + 1) * size <= *ret_bytes && (n + 1) * size <= room; n++) {
		const uint8_t *item = t->s->data + list->first + n * size;
		char name[NAME_BYTES], text[2 * UINT8_MAX + 1];

		snprintf(name, sizeof(name), "%s.%zu", list->name, n);
		for (size_t i = 0; i < size; i++)
			snprintf(text + 2 * i, 3, "%02x", item[i]);
		if (t->facet == FACET_SMBIOS)
			r = add(t, name, text);
	}
	*ret_told = n * size;
	return r;
}

/* Strings that no field refers to; in a type of strings these are all. */
static int add_strings(const struct telling *t, bool identity)
{
	char name[NAME_BYTES];
	const char *text;
	int r = 0;

	if (t->facet != (identity ? FACET_IDENTITY : FACET_SMBIOS))
		return 0;
	for (unsigned n = 1; r >= 0 && n < STRING_NUMBERS && (text = smbios_string(t->s, n)); n++) {
		snprintf(name, sizeof(name), "string.%u", n);
		if (!t->referred[n])
			r = add_text(t, name, text);
	}
	return r;
}

static int tell_known(struct telling *t, const struct smbios_type *type)
{
	size_t shift, listed, told = SMBIOS_HEADER_BYTES;
	int r = add_list(t, &type->list, &shift, &listed);

	if (r >= 0 && listed)
		told = type->list.first + listed;
	for (const struct smbios_field *field = type->fields; r >= 0 && field->name; field++) {
		size_t offset = field->offset + (field->behind ? shift : 0), end = offset + field->width;

		if (end > t->s->length)
			break;
		r = add_field(t, field, offset);
		told = end > told ? end : told;
	}
	if (r >= 0 && t->facet == FACET_SMBIOS && told < t->s->length)
		r = add_digest(t, "more", t->s->data + told, t->s->length - told);
	return r < 0 ? r : add_strings(t, type->identity_strings);
}

static int tell(struct telling *t)
{
	const struct smbios_type *type = smbios_type(t->s->type);
	char handle[8];
	int r = 0;

	if (t->facet == FACET_SMBIOS) {
		snprintf(handle, sizeof(handle), "0x%04x", t->s->handle);
		r = add(t, "handle", handle);
	}
	if (r >= 0 && type)
		r = tell_known(t, type);
	else if (r >= 0 && t->facet == FACET_SMBIOS)
		r = add_digest(t, "body", t->s->data + SMBIOS_HEADER_BYTES, t->s->bytes - SMBIOS_HEADER_BYTES);
	return r;
}

/* ---- the whole */

static int add_rest(const struct smbios_tables *tables, size_t from, size_t to, size_t count, struct abi_entries *out)
{
	char digest[SHA256_TEXT];

	if (sha256(tables->data + from, to - from, digest) < 0)
		return -ENOMEM;
	return entries_addf(out, FACET_SMBIOS, "rest", "structures=%zu size=%zu sha256=%s", count, to - from, digest);
}

static int tell_all(const struct smbios_tables *tables, enum facet_id facet, struct abi_entries *out, const char **ret_damage)
{
	struct smbios_walk walk = { 0 };
	struct smbios_structure s;
	size_t rest = 0, others = 0;
	int r = 0;

	while (r >= 0 && smbios_next(tables, &walk, &s)) {
		struct telling t = { .tables = tables, .s = &s, .out = out, .facet = facet };

		if (walk.count > STRUCTURES_MAX) {
			others++;
			continue;
		}
		r = tell(&t);
		rest = walk.at;
	}
	*ret_damage = walk.damage;
	if (r >= 0 && others && facet == FACET_SMBIOS)
		r = add_rest(tables, rest, walk.at, others, out);
	return r;
}

int smbios_derive(const struct guest_facts *facts, struct abi_entries *out)
{
	const char *damage = NULL;
	struct smbios_tables tables;
	int r = facet_cover_area(facts, out, FACET_SMBIOS, RECORD_AREA_SMBIOS);

	smbios_tables_find(facts, &tables);
	if (r < 0 || (!tables.entry_known && !tables.data))
		return r;
	if (tables.entry_known && tables.wide)
		r = entries_addf(out, FACET_SMBIOS, "entry_point", "SMBIOS %u.%u.%u 64-bit", tables.major, tables.minor, tables.revision);
	else if (tables.entry_known)
		r = entries_addf(out, FACET_SMBIOS, "entry_point", "SMBIOS %u.%u 32-bit", tables.major, tables.minor);
	if (r >= 0)
		r = tell_all(&tables, FACET_SMBIOS, out, &damage);
	if (!tables.data)
		damage = "there is an entry point, but no table";
	if (!tables.entry_known)
		damage = "there is a table, but no entry point of a known form";
	if (r >= 0 && damage && out->coverage[FACET_SMBIOS].level == COVERAGE_COMPLETE)
		r = entries_cover(out, FACET_SMBIOS, COVERAGE_WITNESSED, "%s", damage);
	return r;
}

int smbios_identity_add(const struct guest_facts *facts, struct abi_entries *out)
{
	struct smbios_tables tables;
	const char *damage;

	smbios_tables_find(facts, &tables);
	return tell_all(&tables, FACET_IDENTITY, out, &damage);
}

bool smbios_table_uuid(const struct guest_facts *facts, char ret[37])
{
	static const uint8_t nil[UUID_BYTES], unset[UUID_BYTES] = { 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255 };
	struct smbios_walk walk = { 0 };
	struct smbios_structure s;
	struct smbios_tables tables;

	smbios_tables_find(facts, &tables);
	while (tables.entry_known && smbios_next(&tables, &walk, &s)) {
		const uint8_t *raw = s.data + MACHINE_UUID;

		if (s.type != TYPE_MACHINE || s.length < MACHINE_UUID + UUID_BYTES)
			continue;
		/* Of several, as Linux does, the first counts. */
		if (!memcmp(raw, nil, UUID_BYTES) || !memcmp(raw, unset, UUID_BYTES))
			return false;
		uuid_text(&tables, raw, ret);
		return true;
	}
	return false;
}

/* ---- meaning */

static const struct smbios_field *field_of_key(const char *key)
{
	const struct smbios_type *type;
	unsigned number, instance;
	char name[NAME_BYTES];

	if (sscanf(key, "type%3u.%9u/%63s", &number, &instance, name) != 3 || !(type = smbios_type(number)))
		return NULL;
	for (const struct smbios_field *field = type->fields; field->name; field++)
		if (strcmp(field->name, name) == 0)
			return field;
	return NULL;
}

static void say_names(const struct smbios_field *field, uint64_t value, struct buffer *out)
{
	const struct smbios_names *names = field->names;
	const char *between = "";

	if (!field->flags) {
		value &= field->mask ? field->mask : UINT64_MAX;
		if (value < names->count && names->list[value])
			buffer_string(out, names->list[value]);
		return;
	}
	for (size_t bit = 0; bit < names->count; bit++)
		if (value >> bit & 1 && names->list[bit]) {
			buffer_printf(out, "%s%s", between, names->list[bit]);
			between = ", ";
		}
}

void smbios_meaning(const char *key, const char *value, struct buffer *out)
{
	const struct smbios_field *field = field_of_key(key);
	uint64_t number;

	if (!field || field->kind == SMBIOS_STRING || text_u64(value, &number) < 0)
		return;
	if (field->names)
		say_names(field, number, out);
	if (field->say)
		field->say(number, out);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "userspace/abi/acpi_out.h"
#include "userspace/abi/entries.h"
#include "userspace/base/buffer.h"
#include "userspace/base/text.h"

#define SHA256_BYTES 32
#define KEY_BYTES 160

static bool room(struct acpi_out *out)
{
	if (out->error)
		return false;
	if (out->decoded >= ACPI_DECODED_MAX) {
		out->refused++;
		return false;
	}
	out->decoded++;
	return true;
}

void acpi_say(struct acpi_out *out, const char *key, const char *format, ...)
{
	struct buffer value = BUFFER_INIT;
	char whole[KEY_BYTES];
	va_list args;

	if (!room(out))
		return;
	snprintf(whole, sizeof(whole), "%s/%s", out->name, key);
	va_start(args, format);
	buffer_vprintf(&value, format, args);
	va_end(args);
	out->error = buffer_failed(&value) ? -ENOMEM : entries_add(out->entries, FACET_ACPI, whole, value.data ? value.data : "");
	buffer_release(&value);
}

void acpi_say_text(struct acpi_out *out, const char *key, const void *text, size_t bytes)
{
	struct buffer whole = BUFFER_INIT, value = BUFFER_INIT;
	const char *data = text;

	if (!room(out))
		return;
	while (bytes && (data[bytes - 1] == '\0' || data[bytes - 1] == ' '))
		bytes--;
	text_escape(&whole, out->name, strlen(out->name), true);
	buffer_printf(&whole, "/%s", key);
	text_escape(&value, data, bytes, false);
	/* Nothing appended: there is no NUL either. */
	buffer_string(&value, "");
	if (buffer_failed(&whole) || buffer_failed(&value))
		out->error = -ENOMEM;
	else
		out->error = entries_add_escaped(out->entries, FACET_ACPI, whole.data, value.data ? value.data : "");
	buffer_release(&whole);
	buffer_release(&value);
}

void acpi_damaged(struct acpi_out *out, const char *format, ...)
{
	va_list args;

	if (out->damage[0])
		return;
	va_start(args, format);
	vsnprintf(out->damage, sizeof(out->damage), format, args);
	va_end(args);
}

void acpi_digest(const void *data, size_t bytes, char ret[ACPI_DIGEST_BYTES])
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned int length = 0;
	size_t at;

	ret[0] = '\0';
	if (EVP_Digest(bytes ? data : "", bytes, hash, &length, EVP_sha256(), NULL) != 1 || length != SHA256_BYTES)
		return;
	at = (size_t)snprintf(ret, ACPI_DIGEST_BYTES, "sha256:");
	for (size_t i = 0; i < SHA256_BYTES; i++)
		at += (size_t)snprintf(ret + at, ACPI_DIGEST_BYTES - at, "%02x", hash[i]);
}

struct acpi_table acpi_part(const struct acpi_table *of, size_t offset, size_t bytes)
{
	struct acpi_table part = *of;

	if (offset > of->bytes)
		offset = of->bytes;
	part.data = of->data + offset;
	part.bytes = bytes < of->bytes - offset ? bytes : of->bytes - offset;
	return part;
}

bool acpi_gas_text(const struct acpi_table *table, size_t offset, char ret[ACPI_GAS_TEXT])
{
	static const char *const spaces[] = { "memory", "io", "pci", "ec", "smbus", "cmos", "pcibar", "ipmi", "gpio", "serial", "pcc", "prm" };
	unsigned space = (unsigned)acpi_field(table, offset, 1), bits = (unsigned)acpi_field(table, offset + 1, 1);
	unsigned shift = (unsigned)acpi_field(table, offset + 2, 1), access = (unsigned)acpi_field(table, offset + 3, 1);
	uint64_t address = acpi_field(table, offset + 4, 8);
	int at;

	if (!space && !bits && !shift && !access && !address)
		return false;
	if (space < sizeof(spaces) / sizeof(spaces[0]))
		at = snprintf(ret, ACPI_GAS_TEXT, "%s 0x%" PRIx64 " bits=%u", spaces[space], address, bits);
	else
		at = snprintf(ret, ACPI_GAS_TEXT, "space=0x%02x 0x%" PRIx64 " bits=%u", space, address, bits);
	if (shift)
		at += snprintf(ret + at, ACPI_GAS_TEXT - (size_t)at, " offset=%u", shift);
	if (access)
		snprintf(ret + at, ACPI_GAS_TEXT - (size_t)at, " access=%u", access);
	return true;
}

bool acpi_structure_next(struct acpi_out *out, const struct acpi_table *table, const struct acpi_form *form, size_t *at,
			 struct acpi_table *ret)
{
	size_t head = (size_t)form->length_at + form->length_bytes, length;

	if (*at == 0)
		*at = form->first;
	if (*at == table->bytes || out->error)
		return false;
	if (*at > table->bytes || table->bytes - *at < head) {
		acpi_damaged(out, "structure at 0x%zx: cut", *at);
		return false;
	}
	length = acpi_field(table, *at + form->length_at, form->length_bytes);
	if (length < head || length > table->bytes - *at) {
		acpi_damaged(out, "structure at 0x%zx: length %zu", *at, length);
		return false;
	}
	*ret = acpi_part(table, *at, length);
	*at += length;
	return true;
}

static void unknown_say(struct acpi_out *out, const struct acpi_table *structure, unsigned type, unsigned n)
{
	char key[40], digest[ACPI_DIGEST_BYTES] = "";

	snprintf(key, sizeof(key), "type.0x%02x.%u", type, n);
	/* A digest costs more than all else: none for what is refused. */
	if (out->decoded < ACPI_DECODED_MAX)
		acpi_digest(structure->data, structure->bytes, digest);
	acpi_say(out, key, "%s", digest);
}

void acpi_structures_decode(struct acpi_out *out, const struct acpi_table *table, const struct acpi_form *form,
			    const struct acpi_kind *kinds, size_t count)
{
	struct acpi_table structure;
	unsigned unknown[UINT8_MAX + 1] = { 0 };
	size_t at = 0;

	while (acpi_structure_next(out, table, form, &at, &structure)) {
		unsigned type = (unsigned)acpi_field(&structure, 0, form->type_bytes);
		size_t i = 0;

		while (i < count && kinds[i].type != type)
			i++;
		if (i == count) {
			/* Types of 16 bits are few; where two meet here, the key still tells them apart. */
			unknown_say(out, &structure, type, unknown[type & UINT8_MAX]++);
		} else if (structure.bytes < kinds[i].least) {
			acpi_damaged(out, "structure at 0x%zx: length %zu of type %u", at - structure.bytes, structure.bytes, type);
		} else {
			kinds[i].decode(out, table, &structure);
		}
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/abi/aml_internal.h"

#include <inttypes.h>
#include <string.h>

#include "userspace/abi/aml.h"
#include "userspace/base/buffer.h"

/* ACPI 6.5, 6.4: small items are 1 + n bytes, large ones 3 + n. */
#define ITEM_LARGE 0x80u
#define SMALL_IRQ 0x4u
#define SMALL_DMA 0x5u
#define SMALL_IO 0x8u
#define SMALL_FIXED_IO 0x9u
#define SMALL_END 0xfu
#define LARGE_MEMORY24 0x01u
#define LARGE_MEMORY32 0x05u
#define LARGE_MEMORY32_FIXED 0x06u
#define LARGE_DWORD 0x07u
#define LARGE_WORD 0x08u
#define LARGE_INTERRUPT 0x09u
#define LARGE_QWORD 0x0au

struct item {
	bool large;
	unsigned type;
	uint8_t *data; /* behind the item's header; only the blanking writes */
	size_t bytes;
};

static uint64_t field(const uint8_t *data, size_t bytes, size_t offset, unsigned width)
{
	uint64_t value = 0;

	if (offset > bytes || bytes - offset < width)
		return 0;
	for (unsigned i = 0; i < width; i++)
		value |= (uint64_t)data[offset + i] << 8 * i;
	return value;
}

static bool item_next(uint8_t *data, size_t bytes, size_t *cursor, struct item *ret)
{
	size_t header;

	if (*cursor >= bytes)
		return false;
	ret->large = data[*cursor] & ITEM_LARGE;
	header = ret->large ? 3 : 1;
	if (bytes - *cursor < header)
		return false;
	ret->type = ret->large ? data[*cursor] & 0x7fu : data[*cursor] >> 3 & 0xfu;
	ret->bytes = ret->large ? (size_t)field(data, bytes, *cursor + 1, 2) : data[*cursor] & 7u;
	*cursor += header;
	if (bytes - *cursor < ret->bytes || (!ret->large && ret->type == SMALL_END))
		return false;
	ret->data = data + *cursor;
	*cursor += ret->bytes;
	return true;
}

/* Bytes of each bound of an address window, 0 where the item is none. */
static unsigned window_width(const struct item *item)
{
	if (!item->large)
		return 0;
	return item->type == LARGE_WORD ? 2 : item->type == LARGE_DWORD ? 4 : item->type == LARGE_QWORD ? 8 : 0;
}

static void put_mask(struct buffer *out, const char *what, uint64_t mask)
{
	const char *before = what;

	for (unsigned i = 0; i < 16; i++)
		if (mask >> i & 1) {
			buffer_printf(out, "%s%u", before, i);
			before = ",";
		}
}

static void put_range(struct buffer *out, const char *what, uint64_t low, uint64_t high, uint64_t length)
{
	if (low == high && length > 0)
		buffer_printf(out, "%s 0x%" PRIx64 "-0x%" PRIx64, what, low, low + length - 1);
	else
		buffer_printf(out, "%s 0x%" PRIx64 "..0x%" PRIx64 " length=0x%" PRIx64, what, low, high, length);
}

/* Minimum, maximum, translation and length follow the granularity, which follows three bytes of kind and flags. */
static void put_window(struct buffer *out, const struct item *item, unsigned width)
{
	static const char *const kinds[] = { "mem", "io", "bus" };
	unsigned kind = (unsigned)field(item->data, item->bytes, 0, 1);
	uint64_t low = field(item->data, item->bytes, 3 + width, width), high = field(item->data, item->bytes, 3 + 2 * width, width);

	if (kind < 3)
		buffer_printf(out, "%s 0x%" PRIx64 "-0x%" PRIx64, kinds[kind], low, high);
	else
		buffer_printf(out, "type%u 0x%" PRIx64 "-0x%" PRIx64, kind, low, high);
}

static void put_interrupts(struct buffer *out, const struct item *item)
{
	unsigned count = (unsigned)field(item->data, item->bytes, 1, 1);

	for (unsigned i = 0; i < count && 2 + 4 * (size_t)(i + 1) <= item->bytes; i++)
		buffer_printf(out, "%s%" PRIu64, i ? "," : "irq ", field(item->data, item->bytes, 2 + 4 * i, 4));
}

static void put_item(struct buffer *out, const struct item *item)
{
	const uint8_t *d = item->data;
	size_t n = item->bytes;

	if (window_width(item))
		put_window(out, item, window_width(item));
	else if (!item->large && item->type == SMALL_IRQ)
		put_mask(out, "irq ", field(d, n, 0, 2));
	else if (!item->large && item->type == SMALL_DMA)
		put_mask(out, "dma ", field(d, n, 0, 1));
	else if (!item->large && item->type == SMALL_IO)
		put_range(out, "io", field(d, n, 1, 2), field(d, n, 3, 2), field(d, n, 6, 1));
	else if (!item->large && item->type == SMALL_FIXED_IO)
		put_range(out, "io", field(d, n, 0, 2), field(d, n, 0, 2), field(d, n, 2, 1));
	else if (item->large && item->type == LARGE_MEMORY24)
		put_range(out, "mem", field(d, n, 1, 2) << 8, field(d, n, 3, 2) << 8, field(d, n, 7, 2) << 8);
	else if (item->large && item->type == LARGE_MEMORY32)
		put_range(out, "mem", field(d, n, 1, 4), field(d, n, 5, 4), field(d, n, 13, 4));
	else if (item->large && item->type == LARGE_MEMORY32_FIXED)
		put_range(out, "mem", field(d, n, 1, 4), field(d, n, 1, 4), field(d, n, 5, 4));
	else if (item->large && item->type == LARGE_INTERRUPT)
		put_interrupts(out, item);
	else
		buffer_printf(out, "item 0x%02x", item->large ? item->type | ITEM_LARGE : item->type << 3);
}

static void put_resources(struct buffer *out, const struct aml_constant *constant, bool windows, size_t most)
{
	/* Nothing is written here: the parser serves the blanking too. */
	uint8_t *data = (uint8_t *)(uintptr_t)constant->data;
	size_t cursor = 0, start = out->size;
	struct item item;

	while (item_next(data, constant->bytes, &cursor, &item) && out->size <= most) {
		if (window_width(&item) && !windows)
			continue;
		if (out->size > start)
			buffer_string(out, ", ");
		put_item(out, &item);
	}
}

void aml_value_blank_windows(uint8_t *data, size_t bytes)
{
	size_t cursor = 0;
	struct item item;

	while (item_next(data, bytes, &cursor, &item)) {
		size_t width = window_width(&item);
		if (width && item.bytes >= 3 + 5 * width)
			memset(item.data + 3 + width, 0, 4 * width);
	}
}

/* Three letters of five bits and four hex digits, the first byte first (ACPI 6.5, 6.1.5). false: no such id. */
static bool eisa_id(uint64_t value, char ret[8])
{
	static const char digits[] = "0123456789ABCDEF";
	uint32_t id = (uint32_t)((value & 0xff) << 24 | (value & 0xff00) << 8 | (value >> 8 & 0xff00) | (value >> 24 & 0xff));

	if (value > UINT32_MAX || id >> 31)
		return false;
	for (unsigned i = 0; i < 3; i++) {
		unsigned letter = id >> (26 - 5 * i) & 0x1f;
		if (letter < 1 || letter > 26)
			return false;
		ret[i] = (char)('A' + letter - 1);
	}
	for (unsigned i = 0; i < 4; i++)
		ret[3 + i] = digits[id >> (12 - 4 * i) & 0xf];
	ret[7] = '\0';
	return true;
}

static void put_id(struct buffer *out, const struct aml_constant *constant)
{
	char id[8];

	if (constant->type == AML_STRING)
		buffer_append(out, constant->data, constant->bytes < AML_VALUE_MAX + 1 ? constant->bytes : AML_VALUE_MAX + 1);
	else if (constant->type == AML_INTEGER && eisa_id(constant->integer, id))
		buffer_string(out, id);
	else if (constant->type == AML_INTEGER)
		buffer_printf(out, "0x%08" PRIx64, constant->integer);
	else
		buffer_string(out, "?");
}

/* Elements of a package: constants, and names, which stand for what they name. */
static void put_ids(struct buffer *out, const struct aml_constant *constant, size_t most)
{
	/* Only what needs no namespace to be read. */
	static const uint8_t literals[] = { 0x00, 0x01, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x11, 0x12, 0xff };
	struct aml_cursor c = { .data = constant->data, .end = constant->bytes };
	struct aml_constant element;

	for (unsigned n = 0; c.at < c.end && out->size <= most; n++) {
		struct aml_name name;
		uint8_t first = c.data[c.at];
		bool literal = memchr(literals, first, sizeof literals);

		element = (struct aml_constant){ .type = AML_OTHER };
		if (literal ? !aml_take_constant(&c, &element) : !aml_take_name(&c, &name))
			return;
		if (n > 0)
			buffer_string(out, ",");
		put_id(out, &element);
	}
}

static void put_utf16(struct buffer *out, const struct aml_constant *constant, size_t most)
{
	for (size_t i = 0; i + 2 <= constant->bytes && out->size <= most; i += 2) {
		unsigned u = constant->data[i] | (unsigned)constant->data[i + 1] << 8;
		char utf8[3] = { (char)(0xe0 | u >> 12), (char)(0x80 | (u >> 6 & 0x3f)), (char)(0x80 | (u & 0x3f)) };
		char two[2] = { (char)(0xc0 | u >> 6), (char)(0x80 | (u & 0x3f)) }, one = (char)u;

		if (u == 0)
			return;
		if (u < 0x80)
			buffer_append(out, &one, 1);
		else if (u < 0x800)
			buffer_append(out, two, 2);
		else
			buffer_append(out, utf8, 3);
	}
}

static bool put_number(struct buffer *out, const struct aml_constant *constant, enum aml_form form)
{
	if (constant->type != AML_INTEGER)
		return false;
	if (form == AML_FORM_DECIMAL)
		buffer_printf(out, "%" PRIu64, constant->integer);
	else
		buffer_printf(out, form == AML_FORM_ADDRESS ? "0x%08" PRIx64 : "0x%02" PRIx64, constant->integer);
	return true;
}

static bool put_form(struct buffer *out, const struct aml_constant *constant, enum aml_form form, bool windows, size_t most)
{
	if (constant->type == AML_STRING && form != AML_FORM_RESOURCES)
		put_id(out, constant);
	else if (form == AML_FORM_ID && constant->type == AML_INTEGER)
		put_id(out, constant);
	else if (form == AML_FORM_ID && constant->type == AML_PACKAGE)
		put_ids(out, constant, most);
	else if (form == AML_FORM_TEXT && constant->type == AML_BUFFER)
		put_utf16(out, constant, most);
	else if (form == AML_FORM_RESOURCES && constant->type == AML_BUFFER)
		put_resources(out, constant, windows, most);
	else
		return form != AML_FORM_RESOURCES && put_number(out, constant, form);
	return true;
}

bool aml_value_put(struct buffer *out, const struct aml_constant *constant, enum aml_form form, bool windows)
{
	size_t start = out->size, most = start + AML_VALUE_MAX;

	if (!put_form(out, constant, form, windows, most))
		return false;
	if (out->size > most) {
		out->size = most - 3;
		buffer_string(out, "...");
	}
	return true;
}

bool aml_value_host_bridge(const struct aml_constant *constant)
{
	static const char *const ids[] = { "PNP0A03", "PNP0A08", "ACPI0016" };
	char id[16] = "";

	if (constant->type == AML_STRING && constant->bytes < sizeof(id))
		memcpy(id, constant->data, constant->bytes);
	else if (constant->type != AML_INTEGER || !eisa_id(constant->integer, id))
		return false;
	for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++)
		if (strcmp(id, ids[i]) == 0)
			return true;
	return false;
}

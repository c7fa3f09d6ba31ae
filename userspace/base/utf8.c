// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/utf8.h"

/* Smallest code point that needs a sequence of this length: a smaller one is an overlong form. */
static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };

static size_t sequence_length(uint8_t lead)
{
	if (lead < 0x80)
		return 1;
	if (lead >= 0xc2 && lead <= 0xdf)
		return 2;
	if (lead >= 0xe0 && lead <= 0xef)
		return 3;
	if (lead >= 0xf0 && lead <= 0xf4)
		return 4;
	return 0;
}

size_t utf8_next(const char *data, size_t size, uint32_t *ret_code)
{
	const uint8_t *bytes = (const uint8_t *)data;

	if (size == 0)
		return 0;
	size_t length = sequence_length(bytes[0]);
	if (length == 0 || length > size)
		return 0;
	if (length == 1) {
		*ret_code = bytes[0];
		return 1;
	}
	uint32_t code = bytes[0] & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (bytes[i] & 0x3fu);
	}
	if (code < smallest[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	*ret_code = code;
	return length;
}

/*
 * What is not seen, or turns what is beside it: Unicode 15, general categories Cc, Cf, Zl, Zp and Co, spaces other than U+0020, fillers
 * and variation selectors. As UNSEEN of the page.
 */
static const struct range {
	uint32_t first, last;
} unseen[] = {
	{ 0x00, 0x1f },	    { 0x7f, 0xa0 },	{ 0xad, 0xad },	    { 0x600, 0x605 },	  { 0x61c, 0x61c },	{ 0x6dd, 0x6dd },     { 0x70f, 0x70f },
	{ 0x890, 0x891 },   { 0x8e2, 0x8e2 },	{ 0x115f, 0x1160 }, { 0x1680, 0x1680 },	  { 0x180b, 0x180f },	{ 0x2000, 0x200f },   { 0x2028, 0x202f },
	{ 0x205f, 0x2064 }, { 0x2066, 0x206f }, { 0x2800, 0x2800 }, { 0x3000, 0x3000 },	  { 0x3164, 0x3164 },	{ 0xe000, 0xf8ff },   { 0xfe00, 0xfe0f },
	{ 0xfeff, 0xfeff }, { 0xffa0, 0xffa0 }, { 0xfff9, 0xfffb }, { 0x110bd, 0x110bd }, { 0x110cd, 0x110cd }, { 0x13430, 0x1343f }, { 0x1bca0, 0x1bca3 },
	{ 0x1d173, 0x1d17a }, { 0xe0001, 0xe0001 }, { 0xe0020, 0xe007f }, { 0xe0100, 0xe01ef }, { 0xf0000, 0xffffd }, { 0x100000, 0x10fffd },
};

bool utf8_printable(uint32_t code)
{
	for (size_t i = 0; i < sizeof(unseen) / sizeof(*unseen) && code >= unseen[i].first; i++)
		if (code <= unseen[i].last)
			return false;
	return true;
}

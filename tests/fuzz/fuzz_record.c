// SPDX-License-Identifier: Apache-2.0
/* The analyst's first contact with a stream: records, and the pairs in them. Also the text functions that print them. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/buffer.h"
#include "userspace/base/error.h"
#include "userspace/base/text.h"
#include "userspace/stream/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

static void print_value(const char *value)
{
	struct buffer escaped = BUFFER_INIT, back = BUFFER_INIT, shown = BUFFER_INIT;
	size_t size = strlen(value);

	text_escape(&escaped, value, size, true);
	require(text_unescape(&back, escaped.data, escaped.size) == 0);
	require(back.size == size && (size == 0 || memcmp(back.data, value, size) == 0));
	text_terminal(&shown, value, size);
	text_utf8(&shown, value, size);
	buffer_release(&escaped);
	buffer_release(&back);
	buffer_release(&shown);
}

static void walk_pairs(const void *body, size_t bytes)
{
	const char *key, *value;
	size_t cursor = 0;

	while (record_pair_next(body, bytes, &cursor, &key, &value) > 0) {
		require(strlen(value) <= RECORD_VALUE_MAX);
		require(record_pair_get(body, bytes, key) != NULL);
		print_value(value);
		if (cursor > 4096)
			break; /* record_pair_get from the start at every key: keep it quick */
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t at = 0;

	while (at < size) {
		struct record_header header;
		struct error e = ERROR_INIT;
		const void *body;
		size_t bytes, got;
		int r = record_parse(data + at, size - at, &header, &body, &bytes, &got, &e);
		require((r < 0) == (e.text[0] != '\0'));
		if (r <= 0)
			break;
		require(got <= size - at && bytes == got - sizeof(header) && header.bytes == got);
		walk_pairs(body, bytes);
		at += got;
	}
	return 0;
}

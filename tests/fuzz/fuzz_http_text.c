// SPDX-License-Identifier: Apache-2.0
/* Lines of a request: its target, then a header value for each of the other readers. What a target decodes to, encoded again, decodes to the same. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/buffer.h"
#include "userspace/base/http_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void encode(struct buffer *out, const char *text)
{
	for (; *text; text++)
		buffer_printf(out, "%%%02X", (unsigned char)*text);
}

static void require(bool good)
{
	if (!good)
		abort();
}

static void again(const struct http_target *t)
{
	struct buffer text = BUFFER_INIT;
	struct http_target same = { 0 };

	if (!t->part_count)
		buffer_string(&text, "/");
	for (size_t i = 0; i < t->part_count; i++) {
		buffer_string(&text, "/");
		encode(&text, t->parts[i]);
	}
	for (size_t i = 0; i < t->arg_count; i++) {
		buffer_string(&text, i ? "&" : "?");
		encode(&text, t->args[i].name);
		buffer_string(&text, "=");
		encode(&text, t->args[i].value);
	}
	if (text.size <= HTTP_TARGET_MAX) {
		require(http_target_parse(text.data, &same) == 0);
		require(same.part_count == t->part_count && same.arg_count == t->arg_count);
		for (size_t i = 0; i < t->part_count; i++)
			require(!strcmp(same.parts[i], t->parts[i]));
		for (size_t i = 0; i < t->arg_count; i++)
			require(!strcmp(same.args[i].value, t->args[i].value));
		http_target_release(&same);
	}
	buffer_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size), *rest = text ? strchr(text, '\n') : NULL;
	struct http_target t = { 0 };
	char name[64];

	if (rest)
		*rest++ = 0;
	if (text && http_target_parse(text, &t) == 0) {
		again(&t);
		http_target_release(&t);
	}
	if (rest) {
		http_wants_gzip(rest);
		http_bearer(rest);
		free(http_basic(rest));
		http_tag_matches(rest, "0123456789");
		if (http_host_name(rest, name, sizeof name) == 0)
			require(strlen(name) && strlen(name) < sizeof name);
	}
	free(text);
	return 0;
}

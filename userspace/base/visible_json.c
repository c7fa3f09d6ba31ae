/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/base/visible_json.h"

#include <string.h>

#include "userspace/base/buffer.h"

#define DEL 0x7f

static int put(const char *data, size_t size, void *context)
{
	struct buffer *out = context;

	while (size) {
		const char *del = memchr(data, DEL, size);
		size_t plain = del ? (size_t)(del - data) : size;

		buffer_append(out, data, plain);
		if (del)
			buffer_string(out, "\\u007f");
		data += plain + !!del;
		size -= plain + !!del;
	}
	return buffer_failed(out) ? -1 : 0;
}

void visible_json_put(struct buffer *out, const json_t *model, size_t flags)
{
	if (!model || json_dump_callback(model, put, out, flags | JSON_ENSURE_ASCII) < 0)
		out->failed = true;
}

char *visible_json(const json_t *model, size_t flags)
{
	struct buffer text = BUFFER_INIT;
	char *taken;

	visible_json_put(&text, model, flags);
	taken = buffer_take(&text, NULL);
	buffer_release(&text);
	return taken;
}

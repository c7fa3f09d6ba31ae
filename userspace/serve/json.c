/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/serve/json.h"

#include <string.h>

#include "userspace/base/buffer.h"
#include "userspace/base/text.h"

static json_t *from_buffer(struct buffer *b)
{
	json_t *value = buffer_failed(b) ? NULL : json_stringn(b->data ? b->data : "", b->size);

	buffer_release(b);
	return value;
}

json_t *json_text(const char *text)
{
	struct buffer clean = BUFFER_INIT;
	json_t *value;

	if (!text || !*text)
		return json_null();
	/* It looks for itself, and most are good. */
	value = json_string(text);
	if (value)
		return value;
	text_utf8(&clean, text, strlen(text));
	return from_buffer(&clean);
}

json_t *json_time(int64_t realtime_ns)
{
	struct buffer text = BUFFER_INIT;

	if (!realtime_ns)
		return json_null();
	text_time(&text, realtime_ns);
	return from_buffer(&text);
}

json_t *json_number(int64_t number)
{
	return number ? json_integer(number) : json_null();
}

json_t *json_stored(const char *text)
{
	json_t *value = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
	return value ? value : json_null();
}

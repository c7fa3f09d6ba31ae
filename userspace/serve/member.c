/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/serve/member.h"

#include <string.h>

#include "userspace/base/buffer.h"
#include "userspace/base/text.h"

/* Whoever chooses a long name is not to push everybody's columns out of sight. */
#define BRIEF_COLUMNS 64

void member_put(struct buffer *out, const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	if (json_is_string(value))
		text_terminal(out, json_string_value(value), json_string_length(value));
	else if (json_is_integer(value))
		buffer_printf(out, "%lld", (long long)json_integer_value(value));
	else if (json_is_boolean(value))
		buffer_string(out, json_is_true(value) ? "yes" : "no");
	else
		buffer_string(out, "-");
}

void member_brief(struct buffer *out, const json_t *object, const char *key)
{
	const char *text = member_string(object, key);

	if (text)
		text_terminal_brief(out, text, strlen(text), BRIEF_COLUMNS);
	else
		member_put(out, object, key);
}

const char *member_string(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

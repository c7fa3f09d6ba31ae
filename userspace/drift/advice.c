/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/drift/advice.h"

#include <string.h>

#include "userspace/base/buffer.h"
#include "userspace/base/text.h"

bool advice_is_plain(const char *text)
{
	for (const char *c = text; *c; c++)
		if (!(*c >= '0' && *c <= '9') && !(*c >= 'a' && *c <= 'z') && !(*c >= 'A' && *c <= 'Z') && !strchr("._+", *c) && (*c != '-' || c == text))
			return false;
	return text[0] != '\0';
}

/* Would a terminal show it as it is? */
static bool all_shown(const char *text)
{
	struct buffer shown = BUFFER_INIT;
	bool same;

	text_terminal(&shown, text, strlen(text));
	same = !buffer_failed(&shown) && strcmp(shown.size ? shown.data : "", text) == 0;
	buffer_release(&shown);
	return same;
}

void advice_word(const char *text, struct buffer *out)
{
	bool simple = all_shown(text);

	if (advice_is_plain(text)) {
		buffer_string(out, text);
		return;
	}
	buffer_string(out, simple ? "'" : "$'");
	for (const char *c = text; *c; c++)
		if (*c == '\'')
			buffer_string(out, simple ? "'\\''" : "\\'");
		else if (simple || (*c >= ' ' && *c <= '~' && *c != '\\'))
			buffer_append(out, c, 1);
		else
			buffer_printf(out, "\\%03o", (unsigned char)*c); /* three digits: what follows is none of it */
	buffer_string(out, "'");
}

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

/* fish takes a backslash within '' for the beginning of something. */
static void put_quoted(const char *text, struct buffer *out)
{
	buffer_string(out, "'");
	for (const char *c = text; *c; c++)
		if (*c == '\'' || *c == '\\')
			buffer_printf(out, "'\\%c'", *c);
		else
			buffer_append(out, c, 1);
	buffer_string(out, "'");
}

/* Within the quotes is neither a quote nor a backslash that is followed by other than a digit, nor "!", which bash replaces first. */
static void put_printed(const char *text, struct buffer *out)
{
	buffer_string(out, "\"$(printf '");
	for (const char *c = text; *c; c++)
		if (*c >= ' ' && *c <= '~' && !strchr("'\\%!", *c))
			buffer_append(out, c, 1);
		else
			buffer_printf(out, "\\%03o", (unsigned char)*c); /* three digits: what follows is none of it */
	buffer_string(out, "')\"");
}

bool advice_word(const char *text, struct buffer *out)
{
	size_t size = strlen(text);

	/* What is substituted loses it: that would be another word. */
	if (size && text[size - 1] == '\n')
		return false;
	if (advice_is_plain(text))
		buffer_string(out, text);
	else if (all_shown(text))
		put_quoted(text, out);
	else
		put_printed(text, out);
	return true;
}

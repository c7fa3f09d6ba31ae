// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/error.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/utf8.h"

/* Paths and names in an error may be hostile: what a terminal would obey becomes '?', byte by byte. */
static void make_printable(char *text)
{
	size_t left = strlen(text);

	while (left > 0) {
		uint32_t code;
		size_t length = utf8_next(text, left, &code);
		if (length == 0 || !utf8_printable(code)) {
			length = length > 0 ? length : 1;
			memset(text, '?', length);
		}
		text += length;
		left -= length;
	}
}

#undef error_set
int error_set(struct error *e, int code, const char *format, ...)
{
	/* Kept apart until done: an argument may be e->text itself, where a caller says more about an error. */
	char text[sizeof(e->text)];
	va_list args;

	if (e != NULL) {
		va_start(args, format);
		if (vsnprintf(text, sizeof(text), format, args) < 0)
			snprintf(text, sizeof(text), "error %d", abs(code));
		va_end(args);
		make_printable(text);
		memcpy(e->text, text, strlen(text) + 1);
	}
	return code == 0 || code == INT_MIN ? -EIO : -abs(code);
}

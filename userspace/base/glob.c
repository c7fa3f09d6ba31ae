/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/base/glob.h"

#include <stddef.h>
#include <string.h>

/* Only the last star is ever tried again: what an earlier one took can stay as it is. */
static bool one_matches(const char *pattern, size_t length, const char *text)
{
	const char *p = pattern, *end = pattern + length, *star = NULL, *retry = NULL;

	for (;;) {
		if (p < end && *p == '*') {
			star = ++p;
			retry = text;
			if (p == end)
				return true;
		} else if (p < end && *text && (*p == '?' || *p == *text)) {
			p++;
			text++;
		} else if (p == end && !*text) {
			return true;
		} else if (star && *retry) {
			p = star;
			text = ++retry;
		} else {
			return false;
		}
	}
}

bool glob_match(const char *pattern, const char *text)
{
	for (;;) {
		size_t length = strcspn(pattern, "|");

		if (one_matches(pattern, length, text))
			return true;
		if (!pattern[length])
			return false;
		pattern += length + 1;
	}
}

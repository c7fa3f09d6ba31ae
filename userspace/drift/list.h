/* SPDX-License-Identifier: Apache-2.0 */
/* Growing the arrays of a struct drift, which carry a count and no room. */
#ifndef ABIDRIFT_DRIFT_LIST_H
#define ABIDRIFT_DRIFT_LIST_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/memory.h"

/* Room for one more; NULL: out of memory, and the array stays as it is. Its room is always the next power of two. */
static inline void *list_room(void *array, size_t count, size_t size)
{
	if (count & (count - 1))
		return array;
	void *more = reallocarray(array, count ? 2 * count : 1, size);

	if (!more)
		memory_short();
	return more;
}

/* A copy, of NULL too. False: out of memory. */
static inline bool copy_text(const char *text, char **ret)
{
	*ret = text ? strdup(text) : NULL;
	return !text || *ret;
}

#endif

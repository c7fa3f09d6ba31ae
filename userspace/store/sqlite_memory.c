// SPDX-License-Identifier: Apache-2.0
#include "userspace/store/sqlite_internal.h"

#include "userspace/base/memory.h"
#include "userspace/store/store.h"

static sqlite3_mem_methods real;

static void *noted(void *data)
{
	if (!data)
		memory_short();
	return data;
}

static void *note_malloc(int size) { return noted(real.xMalloc(size)); }
static void *note_realloc(void *old, int size) { return noted(real.xRealloc(old, size)); }

void store_note_memory(void)
{
	sqlite3_mem_methods own;

	if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real) != SQLITE_OK)
		return;
	own = real;
	own.xMalloc = note_malloc;
	own.xRealloc = note_realloc;
	sqlite3_config(SQLITE_CONFIG_MALLOC, &own);
}

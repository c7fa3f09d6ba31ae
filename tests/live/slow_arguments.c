/* SPDX-License-Identifier: Apache-2.0 */
/* Preloaded: command lines of processes open late, as on a host that swaps. SLOW_ARGUMENTS_MS says how late. */
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void delay(const char *path)
{
	const char *end = strrchr(path, '/'), *ms = getenv("SLOW_ARGUMENTS_MS");

	if (end && !strcmp(end, "/cmdline") && ms)
		poll(NULL, 0, atoi(ms));
}

static int late(const char *name, const char *path, int flags, mode_t mode)
{
	int (*real)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, name);

	delay(path);
	return real(path, flags, mode);
}

#define LATE(name) \
	int name(const char *path, int flags, ...) \
	{ \
		va_list args; \
		mode_t mode; \
\
		va_start(args, flags); \
		mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0; \
		va_end(args); \
		return late(#name, path, flags, mode); \
	}

LATE(open)
LATE(open64)

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded: a host with its own ways. Command lines of processes open late where it swaps: SLOW_ARGUMENTS_MS says how late.
 * SANDBOX_REFUSED names a process that the kernel does not let shut itself in.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

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

int seccomp_load(const void *filter);
int seccomp_load(const void *filter)
{
	int (*real)(const void *) = (int (*)(const void *))dlsym(RTLD_NEXT, "seccomp_load");
	const char *refused = getenv("SANDBOX_REFUSED");
	char name[16] = "";

	prctl(PR_GET_NAME, name, 0, 0, 0);
	return refused && !strcmp(name, refused) ? -EPERM : real(filter);
}

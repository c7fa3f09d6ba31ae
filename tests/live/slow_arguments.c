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
#include <sys/syscall.h>

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

long syscall(long number, ...);
long syscall(long number, ...)
{
	long (*real)(long, ...) = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	const char *refused = getenv("SANDBOX_REFUSED");
	char name[16] = "";
	va_list args;
	long a[6];

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	prctl(PR_GET_NAME, name, 0, 0, 0);
	if (number == SYS_seccomp && refused && !strcmp(name, refused)) {
		errno = EPERM;
		return -1;
	}
	return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

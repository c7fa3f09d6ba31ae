/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded: a kernel that refuses something of bpf(2). REFUSE names it, with what it is answered (a number of errno):
 *   map:NAME:ERRNO       a map of that name is not made
 *   program:NAME:ERRNO   a program of that name ("*": of any) is not loaded
 *   tracepoint:NAME:ERRNO  nothing more is attached there
 *   iterator::ERRNO      no iterator is attached
 *   call:K:ERRNO         the K-th call of a process, whatever it is (from 1)
 *   entries:NAME:COUNT   a map of that name is made with so many entries: no refusal
 *   large:BYTES:ERRNO    no map of more than so many bytes of keys and values is made
 * Several with "," between. REFUSE_HIT names a file that is made when something was refused.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ARGUMENTS = 6, WORD = 64 };

static unsigned calls;

/* What libbpf asks what this kernel can has no name, or one of its own. */
static bool is_ours(const char *name)
{
	return name[0] && strncmp(name, "libbpf", strlen("libbpf"));
}

static bool made_of(const union bpf_attr *attr, int command, const char *what, const char *name)
{
	if (!strcmp(what, "map"))
		return command == BPF_MAP_CREATE && !strncmp(attr->map_name, name, BPF_OBJ_NAME_LEN - 1);
	if (!strcmp(what, "large"))
		return command == BPF_MAP_CREATE && (uint64_t)(attr->key_size + attr->value_size) * attr->max_entries > strtoull(name, NULL, 10);
	if (!strcmp(what, "program"))
		return command == BPF_PROG_LOAD && (!strncmp(attr->prog_name, name, BPF_OBJ_NAME_LEN - 1) || (!strcmp(name, "*") && is_ours(attr->prog_name)));
	if (!strcmp(what, "tracepoint"))
		return command == BPF_RAW_TRACEPOINT_OPEN && !strcmp((const char *)(uintptr_t)attr->raw_tracepoint.name, name);
	if (!strcmp(what, "iterator"))
		return command == BPF_LINK_CREATE && attr->link_create.attach_type == BPF_TRACE_ITER;
	return !strcmp(what, "call") && calls == (unsigned)atoi(name);
}

/* What this call is answered; 0: it is made. */
static int answer(int command, union bpf_attr *attr)
{
	const char *rules = getenv("REFUSE");
	char what[WORD], name[WORD];
	int number, used, refused = 0;

	calls++;
	for (; rules && sscanf(rules, "%63[a-z]:%63[^:]:%d%n", what, name, &number, &used) == 3; rules += used + (rules[used] == ',')) {
		if (!strcmp(what, "entries") && command == BPF_MAP_CREATE && !strcmp(attr->map_name, name))
			attr->max_entries = (uint32_t)number;
		else if (made_of(attr, command, what, name))
			refused = number;
	}
	return refused;
}

static void tell(void)
{
	const char *path = getenv("REFUSE_HIT");
	int fd = path ? open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) : -1;

	if (fd >= 0)
		close(fd);
}

long syscall(long number, ...)
{
	long (*real)(long, ...) = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	long a[ARGUMENTS];
	va_list args;
	int refused;

	va_start(args, number);
	for (int i = 0; i < ARGUMENTS; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	refused = number == SYS_bpf ? answer((int)a[0], (union bpf_attr *)a[1]) : 0;
	if (refused) {
		tell();
		errno = refused;
		return -1;
	}
	return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/collect/process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "userspace/base/buffer.h"
#include "userspace/collect/arguments.h"
#include "userspace/collect/files.h"
#include "userspace/base/secrets.h"
#include "userspace/stream/record.h"

#define CMDLINE_MAX_BYTES (256u << 10)
#define ARGUMENTS_MAX_BYTES (640u << 10) /* with keys and placeholders; the record must stay below RECORD_MAX_BYTES */
#define SMALL_FILE_BYTES 4096u
#define FIRMWARE_FILES_MAX 8
#define DATA_FOLDERS_MAX 8u /* of -L: each is a lookup of each file, and any user may start a VMM with ever more */
#define STAT_FIELD_START 22
#define NS_PER_S 1000000000ll

static const char deleted_suffix[] = " (deleted)";

static void proc_path(char path[64], int pid, const char *file)
{
	snprintf(path, 64, "/proc/%d/%s", pid, file);
}

/* The command name, field 2, may hold anything: fields are counted from behind its last parenthesis. */
int process_start(int pid, uint64_t *ret)
{
	struct buffer text = BUFFER_INIT;
	char path[64], *p;
	int err;

	proc_path(path, pid, "stat");
	err = files_read(path, SMALL_FILE_BYTES, &text);
	if (err >= 0) {
		err = -ESRCH;
		p = text.size ? strrchr(text.data, ')') : NULL;
		for (int field = 2; p && field < STAT_FIELD_START; field++) {
			p = strchr(p, ' ');
			p = p ? p + 1 : NULL;
		}
		if (p && *p >= '0' && *p <= '9') {
			*ret = strtoull(p, NULL, 10);
			err = 0;
		}
	}
	buffer_release(&text);
	return err == -ENOENT ? -ESRCH : err;
}

int process_open(int pid, struct process *ret)
{
	uint64_t before, after;
	int pidfd, err;

	err = process_start(pid, &before);
	if (err < 0)
		return err;
	pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return -errno;
	/* Between the two readings the pid may have become another process. */
	err = process_start(pid, &after);
	if (err >= 0 && before != after)
		err = -ESRCH;
	if (err < 0) {
		close(pidfd);
		return err;
	}
	*ret = (struct process){ .pidfd = pidfd, .pid = pid, .start = after };
	return 0;
}

void process_release(struct process *p)
{
	if (p->pidfd >= 0)
		close(p->pidfd);
	p->pidfd = -1;
}

bool process_alive(const struct process *p)
{
	struct pollfd f = { .fd = p->pidfd, .events = POLLIN };

	return poll(&f, 1, 0) == 0;
}

bool process_has_thread(const struct process *p, uint32_t tid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%" PRIu32, p->pid, tid);
	return access(path, F_OK) == 0;
}

/* What a link of /proc says, without " (deleted)". */
static int link_read(int pid, const char *file, char *ret, size_t size, bool *ret_deleted)
{
	size_t suffix = sizeof(deleted_suffix) - 1;
	char path[64];
	ssize_t n;

	proc_path(path, pid, file);
	n = readlink(path, ret, size - 1);
	if (n < 0)
		return -errno;
	ret[n] = '\0';
	*ret_deleted = (size_t)n > suffix && !strcmp(ret + n - suffix, deleted_suffix);
	if (*ret_deleted)
		ret[n - suffix] = '\0';
	return 0;
}

bool process_replaced(const struct process *p)
{
	char path[64], target[4096];
	struct stat runs, there;
	bool deleted = false;
	int fd;

	if (link_read(p->pid, "exe", target, sizeof(target), &deleted) < 0)
		return false;
	if (deleted)
		return true;
	proc_path(path, p->pid, "exe");
	if (stat(path, &runs) < 0)
		return false;
	fd = files_open_as(p->pid, target);
	if (fd < 0)
		return false;
	if (fstat(fd, &there) < 0)
		there = runs;
	close(fd);
	return runs.st_dev != there.st_dev || runs.st_ino != there.st_ino;
}

static void pair_u64(struct buffer *pairs, const char *key, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	record_pair_put(pairs, key, text);
}

static bool begins(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

/* By its name; a QEMU under another name gives itself away by what it prints for --version. */
static const char *kind_of(const char *exe, const struct executable *x)
{
	const char *name = strrchr(exe, '/');

	name = name ? name + 1 : exe;
	if (x->qemu_version[0] || begins(name, "qemu-system-") || begins(name, "qemu-kvm"))
		return "qemu";
	if (begins(name, "firecracker"))
		return "firecracker";
	if (begins(name, "cloud-hypervisor"))
		return "cloud-hypervisor";
	if (begins(name, "crosvm"))
		return "crosvm";
	if (!strcmp(name, "lkvm") || begins(name, "lkvm-") || begins(name, "kvmtool"))
		return "kvmtool";
	return "other";
}

static void describe_executable(const struct process *p, struct contents *contents, struct buffer *pairs)
{
	char path[64], target[4096] = "";
	struct executable x = { 0 };
	bool deleted;
	int fd;

	if (link_read(p->pid, "exe", target, sizeof(target), &deleted) >= 0)
		record_pair_put(pairs, "exe", target);
	proc_path(path, p->pid, "exe");
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd >= 0) {
		contents_executable(contents, fd, &x);
		close(fd);
	}
	if (x.build_id[0])
		record_pair_put(pairs, "build_id", x.build_id);
	record_pair_put(pairs, "kind", kind_of(target, &x));
	if (x.qemu_version[0])
		record_pair_put(pairs, "version", x.qemu_version);
}

static void describe_arguments(const struct arguments *a, struct buffer *pairs)
{
	struct buffer clean = BUFFER_INIT;

	for (size_t i = 0; i < a->count && pairs->size < ARGUMENTS_MAX_BYTES; i++) {
		buffer_clear(&clean);
		secrets_clean(i ? a->list[i - 1] : NULL, a->list[i], &clean);
		record_pair_put(pairs, "arg", clean.size ? clean.data : "");
	}
	if (buffer_failed(&clean))
		pairs->failed = true;
	buffer_release(&clean);
}

/* The last *.service or *.scope of a cgroup path is the unit: what lies below is the VMM manager's own. */
static void unit_of(char *cgroup, char *ret, size_t size)
{
	char *rest;

	ret[0] = '\0';
	for (char *part = strtok_r(cgroup, "/", &rest); part; part = strtok_r(NULL, "/", &rest)) {
		size_t n = strlen(part);

		if ((n > 8 && !strcmp(part + n - 8, ".service")) || (n > 6 && !strcmp(part + n - 6, ".scope")))
			snprintf(ret, size, "%s", part);
	}
}

/* Version 2's line is "0::PATH"; on a version 1 host systemd's own hierarchy has the units. */
static void describe_cgroup(int pid, const char *guest, struct buffer *pairs, bool *matches)
{
	struct buffer text = BUFFER_INIT;
	char path[64], unit[256], *rest, *chosen = NULL;

	proc_path(path, pid, "cgroup");
	if (files_read(path, SMALL_FILE_BYTES, &text) >= 0 && text.size)
		for (char *line = strtok_r(text.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
			char *named = strstr(line, ":name=systemd:");

			if (named)
				chosen = named + strlen(":name=systemd:");
			else if (begins(line, "0::") && (!chosen || strlen(line) > strlen("0::/")))
				chosen = line + 3;
		}
	if (chosen) {
		record_pair_put(pairs, "cgroup", chosen);
		unit_of(chosen, unit, sizeof(unit));
		if (unit[0])
			record_pair_put(pairs, "unit", unit);
		if (unit[0] && guest && !strcmp(unit, guest))
			*matches = true;
	}
	buffer_release(&text);
}

static void describe_status(int pid, struct buffer *pairs)
{
	struct buffer text = BUFFER_INIT;
	char path[64], *uid;

	proc_path(path, pid, "comm");
	if (files_line(path, SMALL_FILE_BYTES, &text) >= 0 && text.size)
		record_pair_put(pairs, "comm", text.data);
	buffer_clear(&text);
	proc_path(path, pid, "status");
	/* The command's name is escaped there, so a line break before "Uid:" is the kernel's. */
	if (files_read(path, SMALL_FILE_BYTES, &text) >= 0 && text.size) {
		uid = strstr(text.data, "\nUid:");
		if (uid)
			pair_u64(pairs, "uid", strtoul(uid + 5, NULL, 10));
	}
	buffer_release(&text);
}

static int64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static void describe_start(const struct process *p, struct buffer *pairs)
{
	int64_t booted = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_BOOTTIME);
	int64_t tick = NS_PER_S / sysconf(_SC_CLK_TCK);

	pair_u64(pairs, "pid", p->pid);
	pair_u64(pairs, "start", p->start);
	pair_u64(pairs, "started_ns", booted + (int64_t)p->start * tick);
}

struct firmware_search {
	const struct process *process;
	const struct arguments *arguments;
	struct contents *contents;
	struct buffer *pairs;
	unsigned count;
	uint64_t bytes; /* read for this process; CONTENTS_MAX_BYTES at most: the collector has others to look after */
};

static int firmware_try(const struct firmware_search *s, const char *directory, const char *name, char *ret, size_t size)
{
	int n = snprintf(ret, size, "%s%s%s", directory, directory[0] ? "/" : "", name);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : files_open_as(s->process->pid, ret);
}

/* Where the VMM would look: its working directory, then (as QEMU does for -bios) its data directories. */
static int firmware_open(const struct firmware_search *s, const char *name, char *ret, size_t size)
{
	static const char *const data_directories[] = { "/usr/share/qemu", "/usr/share/seabios", "/usr/share/qemu-kvm", "/usr/share/kvm", "/usr/share/ovmf", "/usr/local/share/qemu" };
	char cwd[4096];
	const char *directory;
	size_t cursor = 0;
	bool deleted = false;
	int fd = -ENOENT;

	if (name[0] == '/')
		return firmware_try(s, "", name, ret, size);
	if (link_read(s->process->pid, "cwd", cwd, sizeof(cwd), &deleted) >= 0 && !deleted)
		fd = firmware_try(s, cwd, name, ret, size);
	for (unsigned n = 0; fd < 0 && n < DATA_FOLDERS_MAX && (directory = arguments_next(s->arguments, "L", &cursor)); n++)
		fd = firmware_try(s, directory, name, ret, size);
	for (size_t n = 0; fd < 0 && n < sizeof(data_directories) / sizeof(data_directories[0]); n++)
		fd = firmware_try(s, data_directories[n], name, ret, size);
	return fd;
}

static int firmware_found(void *context, const char *name)
{
	struct firmware_search *s = context;
	char path[8192], digest[65] = "-", text[8192 + 128];
	struct stat st = { 0 };
	int fd;

	if (s->count++ == FIRMWARE_FILES_MAX)
		return -E2BIG;
	fd = firmware_open(s, name, path, sizeof(path));
	if (fd < 0) {
		snprintf(path, sizeof(path), "%s", name);
	} else {
		if (fstat(fd, &st) < 0 || (uint64_t)st.st_size > CONTENTS_MAX_BYTES - s->bytes || contents_digest(s->contents, fd, digest) < 0)
			memcpy(digest, "-", 2);
		else
			s->bytes += st.st_size;
		close(fd);
	}
	snprintf(text, sizeof(text), "%s %" PRIu64 " %s", path, (uint64_t)st.st_size, digest);
	record_pair_put(s->pairs, "firmware", text);
	return 0;
}

/* What nobody asked for is told only where it is. */
static void default_firmware(struct firmware_search *s)
{
	const char *exe = record_pair_get(s->pairs->data, s->pairs->size, "exe"), *kind = record_pair_get(s->pairs->data, s->pairs->size, "kind");
	const char *name;
	char path[8192];
	int fd;

	if (!exe || !kind || strcmp(kind, "qemu"))
		return;
	name = arguments_default_firmware(s->arguments, strstr(exe, "-x86_64") || strstr(exe, "-i386"));
	fd = name ? firmware_open(s, name, path, sizeof(path)) : -ENOENT;
	if (fd < 0)
		return;
	close(fd);
	firmware_found(s, name);
}

static bool has_memory(const struct process *p)
{
	char target[4096];
	bool deleted;

	return link_read(p->pid, "exe", target, sizeof(target), &deleted) >= 0;
}

int process_arguments(const struct process *p, struct contents *contents, int wait_ms, struct foreign **reading, struct buffer *out)
{
	char path[64];
	int err = 0;

	proc_path(path, p->pid, "cmdline");
	if (!*reading)
		err = foreign_begin(contents, path, CMDLINE_MAX_BYTES, reading);
	if (err >= 0)
		err = foreign_take(reading, wait_ms, out);
	/* One that has let go of its memory is ending; else it hides its arguments, but not itself, or they come later. */
	if ((err == -EAGAIN || err == -EBUSY || (err >= 0 && !out->size)) && !has_memory(p))
		err = -ESRCH;
	return err == -EBUSY ? -EAGAIN : err;
}

int process_describe(const struct process *p, struct contents *contents, const char *guest, const struct buffer *arguments,
		     struct buffer *pairs, bool *ret_matches)
{
	struct buffer block = BUFFER_INIT;
	struct arguments a = ARGUMENTS_INIT;
	int err;

	buffer_append(&block, arguments->data, arguments->size);
	if (block.size && block.data[block.size - 1])
		buffer_append(&block, "", 1); /* cut, or written over by the process itself */
	err = buffer_failed(&block) ? -ENOMEM : arguments_split(block.data, block.size, &a);
	if (err >= 0) {
		struct firmware_search search = { .process = p, .arguments = &a, .contents = contents, .pairs = pairs };

		*ret_matches = guest && arguments_match(&a, guest);
		describe_start(p, pairs);
		describe_executable(p, contents, pairs);
		describe_status(p->pid, pairs);
		describe_cgroup(p->pid, guest, pairs, ret_matches);
		arguments_firmware(&a, firmware_found, &search);
		default_firmware(&search);
		describe_arguments(&a, pairs);
		err = buffer_failed(pairs) ? -ENOMEM : 0;
	}
	arguments_release(&a);
	buffer_release(&block);
	return err;
}

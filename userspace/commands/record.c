/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "userspace/base/buffer.h"
#include "userspace/base/config.h"
#include "userspace/base/error.h"
#include "userspace/base/text.h"
#include "userspace/collector.h"
#include "userspace/commands/options.h"
#include "userspace/commands/output.h"
#include "userspace/commands/privilege.h"
#include "userspace/commands/settings.h"
#include "userspace/commands/verbs.h"
#include "userspace/sandbox.h"
#include "userspace/serve/json.h"

struct recording {
	int fd;
	dev_t device;
	ino_t inode;
	bool made; /* the file was not there before */
};

static int regular(int fd, const char *path, struct recording *ret, struct error *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_set(e, errno, "cannot write %s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return error_set(e, EINVAL,
				 "cannot write %s: it is no regular file, and a trace is marked complete at its beginning once it is",
				 path);
	/* Two recordings in one file would be neither. */
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return error_set(e, EBUSY, "cannot write %s: another process is recording into it", path);
	if (ftruncate(fd, 0) < 0)
		return error_set(e, errno, "cannot write %s: %s", path, strerror(errno));
	ret->device = st.st_dev;
	ret->inode = st.st_ino;
	return 0;
}

/* A trace tells much about guests: only its owner reads it. No link is followed, since root writes, often where others may. */
static int file_open(const char *path, struct recording *ret, struct error *e)
{
	int flags = O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, err;
	int fd = open(path, flags | O_CREAT | O_EXCL, 0600);

	ret->made = fd >= 0;
	if (fd < 0 && errno == EEXIST)
		fd = open(path, flags);
	if (fd < 0 && errno == ELOOP)
		return error_set(e, ELOOP, "cannot write %s: it is a symbolic link, and none is followed here", path);
	if (fd < 0)
		return error_set(e, errno, "cannot write %s: %s", path, errno == EISDIR ? "it is a folder" : strerror(errno));
	err = regular(fd, path, ret, e);
	if (err < 0) {
		close(fd);
		return err;
	}
	ret->fd = fd;
	return 0;
}

/* A recording that could not even begin leaves no empty file behind. */
static void file_forget(const char *path, const struct recording *r)
{
	struct stat st;

	if (r->made && lstat(path, &st) == 0 && st.st_dev == r->device && st.st_ino == r->inode)
		unlink(path);
}

/* Readable once somebody asks for the end. */
static int end_signals(struct error *e)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? error_set(e, errno, "signalfd: %s", strerror(errno)) : fd;
}

static int record_print(const struct options *o, uint64_t records)
{
	struct buffer text = BUFFER_INIT;
	struct stat st;
	json_int_t bytes = stat(o->output, &st) == 0 ? (json_int_t)st.st_size : 0;
	int code = 0;

	if (o->json)
		return output_json(o, json_pack("{s:o, s:I, s:I, s:b}", "path", json_text(o->output), "records", (json_int_t)records,
						"bytes", bytes, "complete", 1));
	if (!o->quiet) {
		buffer_printf(&text, "%llu records, %lld bytes, complete: ", (unsigned long long)records, (long long)bytes);
		text_terminal(&text, o->output, strlen(o->output));
		buffer_string(&text, "\n");
		code = output_text(o, &text);
	}
	buffer_release(&text);
	return code;
}

/* Said once it sees: what happens from now on is in the trace. */
static void recording_begins(void *context, size_t guests)
{
	const struct options *o = context;
	struct error e = ERROR_INIT;

	/* Not before: an empty file in a folder of another user could not be taken away again. Guests are read by the reader, which has. */
	if (privilege_collector(&e) < 0)
		output_note(o, "goes on with more rights than it needs: %s", e.text);
	output_note(o, "recording into %s%s; %zu guest%s now%s", o->output, o->duration ? "" : " until Ctrl-C", guests, guests == 1 ? "" : "s",
		    o->guest && !guests ? ": none is the one asked for" : "");
}

static int record(const struct options *o, const struct config *config, uint64_t duration, uint64_t *ret_records, struct error *e)
{
	struct collector_options options = { .listen_fd = -1, .guest = o->guest, .duration_ns = duration };
	struct recording file = { .fd = -1 };
	struct collector *collector = NULL;
	const char **pairs = config_stream_pairs(config);
	int err = pairs ? file_open(o->output, &file, e) : error_set(e, ENOMEM, "out of memory");

	if (err >= 0) {
		options.trace_fd = file.fd;
		options.config = pairs;
		options.quota = (uint32_t)config_number(config, "monitor.quota");
		options.ring_bytes = (uint32_t)config_number(config, "monitor.ring");
		options.guest_memory = !strcmp(config_get(config, "monitor.guest_memory"), "on");
		options.ready = recording_begins;
		options.context = (void *)o;
		options.stop_fd = end_signals(e);
		err = options.stop_fd;
	}
	if (err >= 0) {
		err = collector_open(&options, &collector, e);
		/* Guests are not looked at before, and where this fails the empty file can still be taken away. */
		if (err >= 0)
			err = sandbox_collector(e);
		if (err >= 0)
			err = collector_run(collector, ret_records, e);
		collector_free(collector);
		close(options.stop_fd);
	}
	if (err < 0 && file.fd >= 0 && !*ret_records)
		file_forget(o->output, &file);
	free(pairs);
	return err;
}

int verb_record(const struct options *o)
{
	struct error e = ERROR_INIT;
	struct config *config = NULL;
	uint64_t duration = 0, records = 0;
	int err;

	if (!o->output)
		return output_error(o, "record: where to? usage: abidrift record -o FILE [--for DURATION] [--guest GUEST]");
	if (o->duration && (text_duration(o->duration, &duration) < 0 || !duration))
		return output_error(o, "--for %s: has to be a whole number with ms, s, m, h or d", o->duration);
	err = privilege_check("record", &e);
	if (err >= 0)
		err = settings_load(o, &config, &e);
	if (err >= 0)
		err = record(o, config, duration, &records, &e);
	config_free(config);
	return err < 0 ? output_error(o, "%s", *e.text ? e.text : strerror(-err)) : record_print(o, records);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "userspace/base/buffer.h"
#include "userspace/base/error.h"
#include "userspace/base/memory.h"
#include "userspace/base/text.h"
#include "userspace/commands/options.h"
#include "userspace/commands/output.h"
#include "userspace/commands/settings.h"
#include "userspace/commands/stale.h"
#include "userspace/commands/verbs.h"
#include "userspace/drift/suppress.h"
#include "userspace/serve/api.h"
#include "userspace/serve/export.h"
#include "userspace/serve/json.h"

#define STANDARD_OUTPUT "-"

static bool to_standard_output(const struct options *o)
{
	return !strcmp(o->output, STANDARD_OUTPUT);
}

static int write_all(int fd, const struct buffer *data)
{
	for (size_t done = 0; done < data->size;) {
		ssize_t wrote = write(fd, data->data + done, data->size - done);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote <= 0)
			return wrote < 0 ? -errno : -EIO;
		done += (size_t)wrote;
	}
	return 0;
}

static int failed(const char *path, int err, struct error *e)
{
	return error_set(e, -err, "cannot write %s: %s", path, strerror(-err));
}

/* Of signals that end a program by default, and that people and systems send. */
static const int ending[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ };

static const char *volatile unfinished;

static void clean_up(int number)
{
	if (unfinished)
		unlink(unfinished);
	signal(number, SIG_DFL);
	raise(number);
}

/* Those that are ignored (nohup) stay so. */
static void ending_catch(const char *path)
{
	struct sigaction was, now = { .sa_handler = clean_up };

	sigemptyset(&now.sa_mask);
	for (size_t i = 0; i < sizeof ending / sizeof *ending; i++)
		sigaddset(&now.sa_mask, ending[i]);
	unfinished = path;
	for (size_t i = 0; i < sizeof ending / sizeof *ending; i++)
		if (sigaction(ending[i], NULL, &was) == 0 && was.sa_handler == SIG_DFL)
			sigaction(ending[i], &now, NULL);
}

static void ending_hold(bool held)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof ending / sizeof *ending; i++)
		sigaddset(&set, ending[i]);
	sigprocmask(held ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

static int file_open(struct buffer *temporary)
{
	int fd, err;

	/* No signal between the file and that it is known to be there. */
	ending_hold(true);
	fd = mkostemp(temporary->data, O_CLOEXEC);
	err = fd < 0 ? -errno : 0;
	if (fd >= 0)
		ending_catch(temporary->data);
	ending_hold(false);
	return fd < 0 ? err : fd;
}

/* It tells much of a guest: its owner alone reads it. It has its name once it is whole and on the disk. */
static int file_put(const char *path, const struct buffer *data, struct error *e)
{
	struct buffer temporary = BUFFER_INIT;
	int fd, err;

	buffer_printf(&temporary, "%s.XXXXXX", path);
	if (buffer_failed(&temporary))
		return error_set(e, ENOMEM, "out of memory");
	err = fd = file_open(&temporary);
	if (fd >= 0) {
		err = write_all(fd, data);
		if (err >= 0 && fsync(fd) < 0)
			err = -errno;
		if (close(fd) < 0 && err >= 0)
			err = -errno;
		ending_hold(true);
		if (err >= 0 && rename(temporary.data, path) < 0)
			err = -errno;
		if (err < 0)
			unlink(temporary.data);
		unfinished = NULL;
		ending_hold(false);
	}
	buffer_release(&temporary);
	return err < 0 ? failed(path, err, e) : 0;
}

/* A link stays one: what it leads to is written, which has to be there. */
static int file_write(const char *path, const struct buffer *data, struct error *e)
{
	char *real = realpath(path, NULL);
	int err = real ? 0 : -errno;
	struct stat st;

	if (!real && lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
		return failed(path, err, e);
	err = file_put(real ? real : path, data, e);
	free(real);
	return err;
}

/* A device or a pipe is written to as it is: no file takes its place. */
static int output_write(const struct options *o, const struct buffer *data, struct error *e)
{
	struct stat st;
	int fd, err;

	/* What the archive is made of. */
	if (memory_shortages())
		return error_set(e, ENOMEM, "out of memory");
	if (to_standard_output(o)) {
		err = write_all(STDOUT_FILENO, data);
		return err < 0 ? failed("to standard output", err, e) : 0;
	}
	if (stat(o->output, &st) < 0 || S_ISREG(st.st_mode))
		return file_write(o->output, data, e);
	fd = open(o->output, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return failed(o->output, -errno, e);
	err = write_all(fd, data);
	close(fd);
	return err < 0 ? failed(o->output, err, e) : 0;
}

static int export_print(const struct options *o, const struct export *x)
{
	struct digest digest;
	struct buffer text = BUFFER_INIT;
	int code;

	digest_bytes(x->archive.data, x->archive.size, &digest);
	if (x->lost == 1)
		output_warning(o, "the archive lacks %s: %s", x->first, x->why.text);
	else if (x->lost)
		output_warning(o, "the archive lacks %s and %zu more, which its manifest names: %s", x->first, x->lost - 1, x->why.text);
	if (to_standard_output(o)) {
		output_note(o, "%zu files, %zu bytes, %s", x->files, x->archive.size, digest.text);
		return 0;
	}
	if (o->json)
		return output_json(o, json_pack("{s:o, s:I, s:s, s:I}", "path", json_text(o->output), "bytes", (json_int_t)x->archive.size, "digest",
						digest.text, "files", (json_int_t)x->files));
	if (!o->quiet) {
		buffer_printf(&text, "%zu files, %zu bytes, %s: ", x->files, x->archive.size, digest.text);
		text_terminal(&text, o->output, strlen(o->output));
		buffer_string(&text, "\n");
	}
	code = output_text(o, &text);
	buffer_release(&text);
	return code;
}

static int export_make(const struct options *o, struct export *ret, struct error *e)
{
	struct suppressions *suppressions = NULL;
	struct store *store = NULL;
	int err = settings_suppressions(o, NULL, &suppressions, e);

	if (err >= 0)
		err = settings_store(o, STORE_READ, &store, e);
	if (err >= 0) {
		stale_note(o, store);
		err = api_export(store, o->arguments[0], &(struct api_rules){ .suppress = suppressions, .at = settings_now() }, ret, e);
	}
	store_close(store);
	suppressions_free(suppressions);
	return err;
}

int verb_export(const struct options *o)
{
	struct export x = EXPORT_INIT;
	struct error e = ERROR_INIT;
	int err, code;

	if (!o->output)
		return output_error(o, "export: where to? usage: abidrift export GUEST -o FILE (- for standard output)");
	if (to_standard_output(o) && isatty(STDOUT_FILENO))
		return output_error(o, "export: an archive is nothing for a terminal; name a file with -o FILE, or let a pipe take it");
	settings_pci_names();
	err = export_make(o, &x, &e);
	if (err >= 0)
		err = output_write(o, &x.archive, &e);
	code = err < 0 ? output_error(o, "%s", *e.text ? e.text : strerror(-err)) : export_print(o, &x);
	export_release(&x);
	return code;
}

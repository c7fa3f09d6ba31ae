/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "userspace/base/config.h"
#include "userspace/base/error.h"
#include "userspace/collect/kernel.h"
#include "userspace/commands/options.h"
#include "userspace/commands/output.h"
#include "userspace/commands/service.h"
#include "userspace/commands/settings.h"

#define BACKLOG 16
#define LOCK_MODE 0600

static int url_absolute(char **url, struct error *e)
{
	const char *path = *url + strlen(URL_SCHEME);
	char *here, *whole = NULL;

	if (strncmp(*url, URL_SCHEME, strlen(URL_SCHEME)) || *path == '/' || !*path)
		return 0; /* store_open says what is wrong with the others */
	here = getcwd(NULL, 0);
	if (!here)
		return error_set(e, errno, "store %s: the working directory has no name any more: %s", *url, strerror(errno));
	if (asprintf(&whole, URL_SCHEME "%s/%s", here, path) < 0)
		whole = NULL;
	free(here);
	if (!whole)
		return error_set(e, ENOMEM, "out of memory");
	free(*url);
	*url = whole;
	return 0;
}

/* The folder, not those above it: they are somebody's decision. One that is there is left as it is. */
static int folder_make(const struct run *r, struct error *e)
{
	char *folder = strdup(r->url + strlen(URL_SCHEME)), *slash = folder ? strrchr(folder, '/') : NULL;
	int err = 0, fd;

	if (!folder)
		return error_set(e, ENOMEM, "out of memory");
	if (slash && slash != folder) {
		*slash = 0;
		if (mkdir(folder, 0750) == 0) {
			fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			if (fd < 0 || fchown(fd, r->user.uid, r->user.gid) < 0)
				err = error_set(e, errno, "cannot give the folder %s to user %s: %s", folder, r->user.name,
						strerror(errno));
			if (fd >= 0)
				close(fd);
		} else if (errno != EEXIST && errno != ENOENT && errno != ENOTDIR) {
			err = error_set(e, errno, "cannot make the folder %s: %s", folder, strerror(errno));
		}
	}
	free(folder);
	return err;
}

/*
 * The file that says that somebody works with the store. Not the store itself: who may read that could hold its lock. It is never
 * removed, and there is one, whichever link leads to the store.
 */
static int lock_open(const struct run *r, int flags, int *ret, struct error *e)
{
	char *whole = realpath(r->url + strlen(URL_SCHEME), NULL), *path = NULL;
	struct stat st;
	int fd = -1, err = 0;

	if (!whole || asprintf(&path, "%s-lock", whole) < 0) {
		free(whole);
		return error_set(e, errno ? errno : ENOMEM, "store %s: %s", r->url, strerror(errno));
	}
	/* Its folder belongs to a user who may have been taken over: nothing else is opened or waited for. */
	fd = open(path, flags | O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, LOCK_MODE);
	if (fd < 0 || fstat(fd, &st) < 0)
		err = error_set(e, errno, "store %s: the file %s cannot be opened: %s", r->url, path, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		err = error_set(e, EINVAL, "store %s: %s is not a file of ours; remove it", r->url, path);
	else if (st.st_uid == geteuid() && (st.st_mode & 07777) != LOCK_MODE && fchmod(fd, LOCK_MODE) < 0)
		err = error_set(e, errno, "store %s: the mode of %s cannot be set: %s", r->url, path, strerror(errno));
	if (err < 0 && fd >= 0)
		close(fd);
	else
		*ret = fd;
	free(path);
	free(whole);
	return err;
}

/* As the user who will work with it, who never comes back: is the folder open to it, is the store sound? */
static int store_try(const void *context, struct error *e)
{
	const struct run *r = context;
	struct store *store = NULL;
	int err = privilege_drop(&r->user, e), fd = -1;

	if (err >= 0)
		err = store_open(r->url, STORE_CREATE, &store, e);
	store_close(store);
	if (err >= 0)
		err = lock_open(r, O_CREAT, &fd, e);
	if (fd >= 0)
		close(fd);
	if (err < 0 && !*e->text)
		error_set(e, -err, "store %s: %s", r->url, strerror(-err));
	return err;
}

/* systemd, if it started us, has nothing to end us for, nor to start anew. */
static void room_awaited(struct run *r, const char *why)
{
	const struct timespec pause = { .tv_sec = 1 };

	if (!r->notified) {
		output_error(r->options, "%s; trying again until there is room", why);
		sd_notify(0, "READY=1\nSTATUS=waiting for room on the store's disk");
	}
	r->notified = true;
	sd_notify(0, "WATCHDOG=1");
	nanosleep(&pause, NULL);
}

/* Who has a store waits for room at the start as later: most often it comes back by itself. */
static int store_check_as_user(struct run *r, struct error *e)
{
	struct error why = ERROR_INIT;
	int err;

	while ((err = service_apart(store_try, r, &why)) == -ENOSPC)
		room_awaited(r, why.text);
	return err < 0 ? error_set(e, EACCES, "%s (analyst and messenger run as %s, %u)", why.text, r->user.name, (unsigned)r->user.uid) : 0;
}

/* Two monitors on one store would each end the other's guests. */
static int store_lock(struct run *r, struct error *e)
{
	int err = lock_open(r, 0, &r->lock_fd, e);

	if (err < 0)
		return err;
	if (flock(r->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return error_set(e, EBUSY,
				 "store %s: another abidrift run works with it; stop that one, or name another store with --store", r->url);
	return 0;
}

static int store_prepare(struct run *r, struct error *e)
{
	int err = settings_store_url(r->options, r->config, &r->url, e);

	if (err >= 0)
		err = url_absolute(&r->url, e);
	if (err >= 0 && !strncmp(r->url, URL_SCHEME, strlen(URL_SCHEME)))
		err = folder_make(r, e);
	if (err >= 0)
		err = store_check_as_user(r, e);
	return err < 0 ? err : store_lock(r, e);
}

/* Where the other service listens. */
static int address_take(struct run *r, struct error *e)
{
	const char *path = getenv(COLLECTOR_VARIABLE);

	if (!path || !*path)
		path = COLLECTOR_SOCKET;
	if (strlen(path) >= sizeof r->address.sun_path)
		return error_set(e, ENAMETOOLONG, COLLECTOR_VARIABLE " %.100s…: has to be shorter", path);
	r->address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(r->address.sun_path, path, strlen(path));
	r->address_size = sizeof r->address;
	return 0;
}

static int address_make(struct run *r, struct error *e)
{
	struct sockaddr_un any = { .sun_family = AF_UNIX };

	r->address_size = sizeof r->address;
	r->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* Only the family: the kernel finds an abstract name that is free. */
	if (r->listen_fd < 0 || bind(r->listen_fd, (const struct sockaddr *)&any, sizeof any.sun_family) < 0 ||
	    listen(r->listen_fd, BACKLOG) < 0 || getsockname(r->listen_fd, (struct sockaddr *)&r->address, &r->address_size) < 0)
		return error_set(e, errno, "cannot make the socket between collector and analyst: %s", strerror(errno));
	return 0;
}

static int descriptors_make(struct run *r, struct error *e)
{
	int *const bells[] = { &r->bell_fd, &r->ready_fd, &r->reload_fd };
	int err = r->part == PART_ANALYST ? address_take(r, e) : address_make(r, e);

	for (size_t i = 0; err >= 0 && i < sizeof bells / sizeof *bells; i++) {
		*bells[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (*bells[i] < 0)
			err = error_set(e, errno, "eventfd: %s", strerror(errno));
	}
	if (err >= 0 && r->part == PART_ANALYST && (r->settings_fd = memfd_create("settings", MFD_CLOEXEC)) < 0)
		err = error_set(e, errno, "memfd_create: %s", strerror(errno));
	return err;
}

/* What somebody asked for has to be there; what nobody did is told, and done without. */
static int http_prepare(struct run *r, struct error *e)
{
	const char *where = r->options->listen ? r->options->listen : config_get(r->config, "serve.listen");
	int err = http_listen(r->config, where, &r->http, e);

	if (err < 0 && !r->options->listen && !config_is_set(r->config, "serve.listen")) {
		output_note(r->options, "no HTTP: %s", e->text);
		e->text[0] = 0;
		return 0;
	}
	if (err >= 0 && r->http.fd >= 0)
		output_note(r->options, "listening on %s", r->http.text);
	return err;
}

int prepare(struct run *r, struct error *e)
{
	int err = r->part == PART_ANALYST ? 0 : privilege_check("run", e);

	if (err >= 0)
		err = privilege_user(&r->user, e);
	if (err >= 0)
		output_note(r->options, "analyst and messenger run as %s (%u)%s", r->user.name, (unsigned)r->user.uid,
			    strcmp(r->user.name, "nobody") ? "" : ": other programs that do may change the store; useradd --system abidrift");
	if (err >= 0)
		err = store_prepare(r, e);
	if (err >= 0)
		err = settings_pin(r->config, r->url + strlen(URL_SCHEME), &r->pin, e);
	if (err >= 0 && r->pin && r->part == PART_ALL)
		r->pin_fd = kernel_pins_hold(r->pin);
	if (err >= 0)
		err = descriptors_make(r, e);
	if (err >= 0)
		err = http_prepare(r, e);
	if (err >= 0 && !(r->pairs = config_stream_pairs(r->config)))
		err = error_set(e, ENOMEM, "out of memory");
	return err < 0 ? err : service_hand_on(r, e);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "userspace/analyst.h"
#include "userspace/base/buffer.h"
#include "userspace/base/config.h"
#include "userspace/base/error.h"
#include "userspace/collector.h"
#include "userspace/commands/options.h"
#include "userspace/commands/output.h"
#include "userspace/commands/privilege.h"
#include "userspace/commands/settings.h"
#include "userspace/commands/supervise.h"
#include "userspace/commands/verbs.h"
#include "userspace/messenger.h"
#include "userspace/sandbox.h"
#include "userspace/drift/suppress.h"
#include "userspace/notify/notify.h"
#include "userspace/serve/http.h"
#include "userspace/serve/http_listen.h"

#define URL_SCHEME "sqlite:"
#define BACKLOG 16
/* While somebody keeps the store locked, HTTP and sinks go on; what could not be written is written later. */
#define MESSENGER_PATIENCE_MS 50
/* How the analyst says that it has seen the whole host once. */
#define READY_LINE "ready: "

struct run {
	const struct options *options;
	struct config *config;
	const char **pairs;
	struct privilege_user user;
	char *url; /* with an absolute path: the processes do not depend on a working directory */
	int lock_fd; /* on the store's file: one monitor per store */
	int listen_fd; /* the collector's */
	int bell_fd; /* analyst rings, messenger hears */
	int ready_fd; /* analyst tells, we hear */
	struct http_listener http;
	struct sockaddr_un address; /* of listen_fd, abstract */
	socklen_t address_size;
};

/* ---- the three processes */

static int failed(const struct run *r, const char *who, const struct error *e, int err)
{
	return output_error(r->options, "%s: %s", who, *e->text ? e->text : strerror(-err));
}

static int collector_prepare(void *context, struct service_start *start, struct error *e)
{
	const struct run *r = context;

	(void)e;
	start->keep[0] = r->listen_fd;
	return 0;
}

static int collector_main(void *context, const struct service_start *start)
{
	struct run *r = context;
	struct error e = ERROR_INIT;
	uint64_t records = 0;
	struct collector_options options = {
		.listen_fd = r->listen_fd,
		.trace_fd = -1,
		.stop_fd = start->stop_fd,
		.quota = (uint32_t)config_number(r->config, "monitor.quota"),
		.ring_bytes = (uint32_t)config_number(r->config, "monitor.ring"),
		.guest_memory = !strcmp(config_get(r->config, "monitor.guest_memory"), "on"),
		.config = r->pairs,
	};
	int err = sandbox_collector(&e);

	if (err >= 0)
		err = collector_run(&options, &records, &e);
	if (err < 0)
		return output_error(r->options, "collector: %s (abidrift replay FILE works without)", *e.text ? e.text : strerror(-err));
	return 0;
}

/* We connect, being root, which is whom the collector talks to; the analyst inherits it and cannot do the same again. */
static int analyst_prepare(void *context, struct service_start *start, struct error *e)
{
	const struct run *r = context;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return error_set(e, errno, "analyst: socket: %s", strerror(errno));
	if (connect(fd, (const struct sockaddr *)&r->address, r->address_size) < 0) {
		int err = error_set(e, errno, "analyst: the collector does not answer: %s", strerror(errno));

		close(fd);
		return err;
	}
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	start->own_fd = fd;
	start->keep[0] = r->bell_fd;
	start->keep[1] = r->ready_fd;
	return 0;
}

static void ring(int fd)
{
	uint64_t one = 1;
	ssize_t put = write(fd, &one, sizeof one);

	(void)put; /* full: it rings already */
}

static void rang(void *context)
{
	const struct run *r = context;

	ring(r->bell_fd);
}

static void said(void *context, int level, const char *line)
{
	const struct run *r = context;
	bool ready = !strncmp(line, READY_LINE, strlen(READY_LINE));

	if (level > 0)
		fprintf(stderr, "abidrift: %s\n", line);
	else
		output_note(r->options, "%s", ready ? line + strlen(READY_LINE) : line);
	if (ready)
		ring(r->ready_fd);
}

static int unprivileged(const struct run *r, const char *who)
{
	struct error e = ERROR_INIT;
	int err = privilege_drop(&r->user, &e);

	if (err < 0)
		return failed(r, who, &e, err);
	supervise_bind();
	return 0;
}

static int analyst_main(void *context, const struct service_start *start)
{
	struct run *r = context;
	struct analyst_options options = {
		.settle_ns = config_ns(r->config, "monitor.settle"),
		.settle_max_ns = config_ns(r->config, "monitor.settle_max"),
		.baseline_auto = !strcmp(config_get(r->config, "monitor.baseline"), "auto"),
		.keep_ns = config_ns(r->config, "store.keep"),
		.say = said,
		.rang = rang,
		.context = r,
	};
	struct error e = ERROR_INIT;
	struct store *store = NULL;
	struct analyst *a = NULL;
	int err;

	settings_pci_names();
	if (unprivileged(r, "analyst"))
		return EXIT_FAILED;
	err = sandbox_analyst(r->url + strlen(URL_SCHEME), &e);
	if (err >= 0)
		err = store_open(r->url, STORE_CREATE, &store, &e);
	if (err >= 0)
		err = analyst_new(store, &options, &a, &e);
	if (err >= 0)
		err = analyst_run(a, start->own_fd, start->stop_fd, &e);
	analyst_free(a);
	store_close(store);
	return err < 0 ? failed(r, "analyst", &e, err) : 0;
}

static int messenger_prepare(void *context, struct service_start *start, struct error *e)
{
	const struct run *r = context;

	(void)e;
	start->keep[0] = r->bell_fd;
	start->keep[1] = r->http.fd;
	return 0;
}

static int messenger_main(void *context, const struct service_start *start)
{
	struct run *r = context;
	struct messenger_options options = { .store_url = r->url, .bell_fd = r->bell_fd, .stop_fd = start->stop_fd,
					     .blind_after_ns = config_ns(r->config, "alerts.blind_after") };
	struct suppressions *rules = NULL;
	struct error e = ERROR_INIT;
	struct store *store = NULL;
	/* Secrets are for root alone: they are read before rights are given up. */
	int err = notify_load(r->config, &options.notify, &e);

	if (err >= 0)
		err = http_load(r->config, &r->http, &options.http, &e);
	if (err >= 0)
		err = settings_suppressions(r->options, r->config, &rules, &e);
	options.rules = rules;
	if (err >= 0 && unprivileged(r, "messenger"))
		_exit(EXIT_FAILED);
	if (err >= 0)
		err = sandbox_messenger(r->url + strlen(URL_SCHEME), &e);
	if (err >= 0)
		err = store_open(r->url, STORE_WRITE, &store, &e);
	if (err >= 0) {
		store_patience(store, MESSENGER_PATIENCE_MS);
		err = messenger_run(store, &options, &e);
	}
	http_free(options.http);
	suppressions_free(rules);
	notify_free(options.notify);
	store_close(store);
	return err < 0 ? failed(r, "messenger", &e, err) : 0;
}

static const struct service services[] = {
	{ "collector", false, false, collector_prepare, collector_main },
	{ "analyst", true, false, analyst_prepare, analyst_main },
	{ "messenger", false, true, messenger_prepare, messenger_main },
};

/* ---- before they start */

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
 * As the user who will work with it: is the folder open to it, is the store sound? In a process of its own, since that user
 * never comes back.
 */
static void store_try(const struct run *r, int fd)
{
	struct error e = ERROR_INIT;
	struct store *store = NULL;
	ssize_t put;
	int err = privilege_drop(&r->user, &e);

	if (err >= 0)
		err = store_open(r->url, STORE_CREATE, &store, &e);
	store_close(store);
	if (err < 0 && !*e.text)
		error_set(&e, -err, "store %s: %s", r->url, strerror(-err));
	put = err < 0 ? write(fd, e.text, strlen(e.text)) : 0;
	_exit(err < 0 || put < 0 ? EXIT_FAILED : 0);
}

static int store_check_as_user(const struct run *r, struct error *e)
{
	char why[sizeof e->text] = "";
	int report[2], status = 0;
	ssize_t got;
	pid_t pid;

	if (pipe2(report, O_CLOEXEC) < 0)
		return error_set(e, errno, "pipe: %s", strerror(errno));
	pid = fork();
	if (pid == 0)
		store_try(r, report[1]);
	close(report[1]);
	if (pid < 0) {
		close(report[0]);
		return error_set(e, errno, "fork: %s", strerror(errno));
	}
	got = read(report[0], why, sizeof why - 1);
	close(report[0]);
	waitpid(pid, &status, 0);
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	return error_set(e, EACCES, "%s (analyst and messenger run as %s, %u)", got > 0 ? why : "the store cannot be opened", r->user.name,
			 (unsigned)r->user.uid);
}

/* Two monitors on one store would each end the other's guests. */
static int store_lock(struct run *r, struct error *e)
{
	const char *path = r->url + strlen(URL_SCHEME);

	r->lock_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (r->lock_fd < 0)
		return error_set(e, errno, "store %s: %s", r->url, strerror(errno));
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

static int descriptors_make(struct run *r, struct error *e)
{
	struct sockaddr_un any = { .sun_family = AF_UNIX };

	r->address_size = sizeof r->address;
	r->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* Only the family: the kernel finds an abstract name that is free. */
	if (r->listen_fd < 0 || bind(r->listen_fd, (const struct sockaddr *)&any, sizeof any.sun_family) < 0 ||
	    listen(r->listen_fd, BACKLOG) < 0 || getsockname(r->listen_fd, (struct sockaddr *)&r->address, &r->address_size) < 0)
		return error_set(e, errno, "cannot make the socket between collector and analyst: %s", strerror(errno));
	r->bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->ready_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->bell_fd < 0 || r->ready_fd < 0)
		return error_set(e, errno, "eventfd: %s", strerror(errno));
	return 0;
}

static void ready(void *context)
{
	const struct run *r = context;

	output_note(r->options, "ready");
	sd_notify(0, "READY=1");
}

/* Whoever still waits for the collector to answer learns that it will not. */
static void stopping(void *context)
{
	struct run *r = context;

	sd_notify(0, "STOPPING=1");
	close(r->listen_fd);
	r->listen_fd = -1;
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

static int prepare(struct run *r, struct error *e)
{
	int err = privilege_check("run", e);

	if (err >= 0)
		err = privilege_user(&r->user, e);
	if (err >= 0)
		output_note(r->options, "analyst and messenger run as %s (%u)", r->user.name, (unsigned)r->user.uid);
	if (err >= 0)
		err = store_prepare(r, e);
	if (err >= 0)
		err = descriptors_make(r, e);
	if (err >= 0)
		err = http_prepare(r, e);
	if (err >= 0 && !(r->pairs = config_stream_pairs(r->config)))
		err = error_set(e, ENOMEM, "out of memory");
	return err;
}

static int watch(struct run *r)
{
	struct supervision supervision = { .options = r->options, .context = r, .ready = ready, .stopping = stopping };
	struct error e = ERROR_INIT;
	int err = prepare(r, &e);

	if (err < 0)
		return output_error(r->options, "%s", *e.text ? e.text : strerror(-err));
	output_note(r->options, "store %s", r->url);
	supervision.ready_fd = r->ready_fd;
	return supervise(services, sizeof services / sizeof *services, &supervision);
}

static int print_config(const struct run *r)
{
	struct buffer text = BUFFER_INIT;
	json_t *model = json_object();
	const char **pairs;
	int code;

	if (!r->options->json) {
		json_decref(model);
		config_print(r->config, &text);
		code = output_text(r->options, &text);
		buffer_release(&text);
		return code;
	}
	pairs = config_pairs(r->config);
	for (size_t i = 0; pairs && pairs[i]; i += 2)
		json_object_set_new(model, pairs[i], json_string(pairs[i + 1]));
	free(pairs);
	return output_json(r->options, model);
}

int verb_run(const struct options *o)
{
	struct run r = { .options = o, .lock_fd = -1, .listen_fd = -1, .bell_fd = -1, .ready_fd = -1, .http = HTTP_LISTENER_INIT };
	struct error e = ERROR_INIT;
	int code = settings_load(o, &r.config, &e) < 0 ? output_error(o, "%s", e.text) : 0;

	if (!code)
		code = o->print_config ? print_config(&r) : watch(&r);
	http_listener_close(&r.http);
	free(r.pairs);
	free(r.url);
	config_free(r.config);
	return code;
}

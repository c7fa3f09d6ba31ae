/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/commands/service.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "userspace/analyst.h"
#include "userspace/base/buffer.h"
#include "userspace/base/config.h"
#include "userspace/base/error.h"
#include "userspace/collector.h"
#include "userspace/commands/attendants.h"
#include "userspace/commands/options.h"
#include "userspace/commands/output.h"
#include "userspace/commands/settings.h"
#include "userspace/drift/suppress.h"
#include "userspace/messenger.h"
#include "userspace/notify/notify.h"
#include "userspace/sandbox.h"
#include "userspace/serve/http.h"
#include "userspace/store/forward.h"
#include "userspace/store/store.h"

/* While somebody keeps the store locked, HTTP and sinks go on; what could not be written is written later. */
#define MESSENGER_PATIENCE_MS 50
/* How the analyst says that it has seen the whole host once. */
#define READY_LINE "ready: "

static int failed(const struct run *r, const char *who, const struct error *e, int err)
{
	return output_error(r->options, "%s: %s", who, *e->text ? e->text : strerror(-err));
}

static void alive(void *context)
{
	const struct run *r = context;

	supervise_alive(r->alive_fd);
}

static int collector_prepare(void *context, struct service_start *start, struct error *e)
{
	const struct run *r = context;

	(void)e;
	start->keep[0] = r->listen_fd;
	start->keep[1] = r->reload_fd;
	return 0;
}

static void note_lines(const struct run *r, const char *lines)
{
	for (size_t length; *lines; lines += length + (lines[length] == '\n')) {
		length = strcspn(lines, "\n");
		output_note(r->options, "%.*s", (int)length, lines);
	}
}

void service_collector_options(const struct run *r, struct collector_options *ret)
{
	*ret = (struct collector_options){
		.listen_fd = -1,
		.trace_fd = -1,
		.stop_fd = -1,
		.reload_fd = -1,
		.quota = (uint32_t)config_number(r->config, "monitor.quota"),
		.ring_bytes = (uint32_t)config_number(r->config, "monitor.ring"),
		.guest_memory = !strcmp(config_get(r->config, "monitor.guest_memory"), "on"),
		.pin = r->pin,
		.config = r->pairs,
	};
}

/* The supervisor read it before us, and said what there is to say. */
static const char *const *collector_reload(void *context)
{
	struct run *r = context;
	struct config *config = NULL;
	struct error e = ERROR_INIT;
	uint64_t rung;
	ssize_t got = read(r->reload_fd, &rung, sizeof rung);

	(void)got;
	if (service_reread(r, PART_NONE, &config, &e) < 0)
		return NULL;
	config_forget_secrets(config);
	if (service_take(r, config, &e) < 0)
		return NULL;
	return r->pairs;
}

int service_collect(const struct run *r, const struct collector_options *options)
{
	struct collector *collector = NULL;
	struct error e = ERROR_INIT;
	uint64_t records = 0;
	int err = privilege_collector(&e);

	/* Before it is shut in: pins are files. */
	if (err >= 0)
		err = collector_open(options, &collector, &e);
	if (err >= 0)
		note_lines(r, collector_notes(collector));
	if (err >= 0 && r->options->verbose)
		output_note(r->options, "programs loaded and attached in %.0f ms", collector_load_ms(collector));
	if (err >= 0)
		err = sandbox_collector(&e);
	if (err >= 0)
		err = collector_run(collector, &records, &e);
	if (err >= 0 && collector_pinned(collector))
		output_note(r->options, "the kernel side goes on collecting; rm -r %s ends it", r->pin);
	collector_free(collector);
	if (err < 0)
		return output_error(r->options, "collector: %s (abidrift replay FILE works without)", *e.text ? e.text : strerror(-err));
	return 0;
}

static int collector_main(void *context, const struct service_start *start)
{
	struct run *r = context;
	struct collector_options options;

	r->alive_fd = start->alive_fd;
	config_forget_secrets(r->config);
	service_collector_options(r, &options);
	options.listen_fd = r->listen_fd;
	options.stop_fd = start->stop_fd;
	options.reload_fd = r->reload_fd;
	options.reload = collector_reload;
	options.alive = alive;
	options.context = r;
	return service_collect(r, &options);
}

/* What we read comes from a process that may have taken the collector's name. */
static int peer_check(int fd, struct error *e)
{
	struct ucred peer;
	socklen_t size = sizeof peer;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return error_set(e, errno, "analyst: who is the collector? %s", strerror(errno));
	if (peer.uid != 0 && peer.uid != geteuid())
		return error_set(e, EPERM, "analyst: the collector's socket is served by user %u, who is not root", (unsigned)peer.uid);
	return 0;
}

/* The other service is away: it comes back, and we have begun all that we can. */
static void collector_awaited(struct run *r)
{
	if (r->part != PART_ANALYST || r->notified)
		return;
	r->notified = true;
	sd_notify(0, "READY=1\nSTATUS=waiting for the collector");
}

/* We connect: the analyst inherits it, and has no sockets of its own. */
static int analyst_prepare(void *context, struct service_start *start, struct error *e)
{
	struct run *r = context;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err = 0;

	if (fd < 0)
		return error_set(e, errno, "analyst: socket: %s", strerror(errno));
	if (connect(fd, (const struct sockaddr *)&r->address, r->address_size) < 0)
		err = error_set(e, errno, "analyst: the collector does not answer: %s", strerror(errno));
	if (err >= 0)
		err = peer_check(fd, e);
	if (err < 0) {
		close(fd);
		collector_awaited(r);
		return err;
	}
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	start->own_fd = fd;
	start->keep[0] = r->bell_fd;
	start->keep[1] = r->ready_fd;
	if (r->settings_fd >= 0) {
		start->keep[2] = r->settings_fd;
		start->keep[3] = r->reload_fd;
	}
	return 0;
}

/* One that is torn, as it is being written anew, is not taken: the bell rings once it is whole. */
static int settings_read(void *context, struct buffer *ret)
{
	const struct run *r = context;
	char chunk[4096];
	ssize_t got;

	while ((got = pread(r->settings_fd, chunk, sizeof chunk, (off_t)ret->size)) > 0)
		buffer_append(ret, chunk, (size_t)got);
	return got < 0 || buffer_failed(ret) || !ret->size || ret->data[ret->size - 1] ? -EAGAIN : 0;
}

static void rang(void *context)
{
	const struct run *r = context;

	supervise_alive(r->bell_fd);
}

static void said(void *context, int level, const char *line)
{
	const struct run *r = context;
	bool ready = !strncmp(line, READY_LINE, strlen(READY_LINE));

	if (level > 0)
		fprintf(stderr, "%sabidrift: %s\n", output_priority(PRIORITY_WARNING), line);
	else
		output_note(r->options, "%s", ready ? line + strlen(READY_LINE) : line);
	if (ready)
		supervise_alive(r->ready_fd);
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
		.follow_config = true,
		.settings = r->settings_fd >= 0 ? settings_read : NULL,
		.settings_fd = r->reload_fd,
		.alive = alive,
		.say = said,
		.rang = rang,
		.context = r,
	};
	struct error e = ERROR_INIT;
	struct store *store = NULL;
	struct analyst *a = NULL;
	int err;

	r->alive_fd = start->alive_fd;
	config_forget_secrets(r->config);
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
	if (err < 0)
		failed(r, "analyst", &e, err);
	/* A disk that is full is no reason not to begin. */
	return err >= 0 || err == -ENOSPC ? 0 : EXIT_FAILED;
}

static int messenger_prepare(void *context, struct service_start *start, struct error *e)
{
	const struct run *r = context;

	(void)e;
	start->keep[0] = r->bell_fd;
	start->keep[1] = r->http.fd;
	return 0;
}

struct attendants {
	struct attendant keeper, runner;
};

/* Before this process knows any secret, and may not start others any more. */
static int attendants_start(const struct run *r, struct attendants *a, struct messenger_options *options, struct error *e)
{
	int err = attendant_keeper(r->config, r->url, MESSENGER_PATIENCE_MS, &r->user, &a->keeper, e);

	if (err >= 0)
		err = attendant_runner(r->config, &r->user, &a->runner, e);
	options->attendants[0] = (struct messenger_attendant){ "keeper", a->keeper.pid_fd };
	options->attendants[1] = (struct messenger_attendant){ "runner", a->runner.pid_fd };
	return err;
}

static int messenger_main(void *context, const struct service_start *start)
{
	struct run *r = context;
	struct attendants attendants = { ATTENDANT_INIT, ATTENDANT_INIT };
	struct messenger_options options = { .store_url = r->url, .bell_fd = r->bell_fd, .stop_fd = start->stop_fd,
					     .blind_after_ns = config_ns(r->config, "alerts.blind_after"), .alive = alive, .context = r,
					     .mark = output_priority(PRIORITY_WARNING) };
	struct suppressions *rules = NULL;
	struct error e = ERROR_INIT;
	struct store *store = NULL;
	bool unable;
	int err = attendants_start(r, &attendants, &options, &e);

	r->alive_fd = start->alive_fd;
	/* Secrets are for root alone: they are read before rights are given up. */
	if (err >= 0)
		err = notify_load(r->config, &options.notify, &e);
	if (err >= 0)
		err = http_load(r->config, &r->http, &options.http, &e);
	if (err >= 0)
		err = settings_suppressions(r->options, r->config, &rules, &e);
	options.rules = rules;
	settings_pci_names();
	if (err >= 0 && unprivileged(r, "messenger"))
		_exit(EXIT_FAILED);
	if (err >= 0)
		err = sandbox_messenger(r->url + strlen(URL_SCHEME), &e);
	if (err >= 0)
		err = store_open_forwarding(r->url, attendants.keeper.fd, &store, &e);
	if (err >= 0) {
		store_patience(store, MESSENGER_PATIENCE_MS);
		notify_runner(options.notify, attendants.runner.fd);
		if (r->reloaded)
			notify_keep(options.notify);
		err = messenger_run(store, &options, &e);
	}
	http_free(options.http);
	suppressions_free(rules);
	notify_free(options.notify);
	store_close(store);
	/* The keeper last: who writes puts the store's log in order when nobody reads any more. */
	attendant_end(&attendants.runner);
	unable = attendant_end(&attendants.keeper);
	if (err < 0)
		failed(r, "messenger", &e, err);
	/* That somebody killed one of them is no reason not to begin, nor is a disk that is full; that the keeper cannot work is. */
	return !unable && (err >= 0 || err == -ECHILD || err == -EPIPE || err == -ENOSPC) ? 0 : EXIT_FAILED;
}

const struct service *services_of(enum part part, size_t *ret_count)
{
	static const struct service all[] = {
		{ .name = "collector", .prepare = collector_prepare, .main = collector_main },
		{ .name = "analyst", .follows = true, .prepare = analyst_prepare, .main = analyst_main },
		{ .name = "messenger", .keeps_stdout = true, .renews = true, .prepare = messenger_prepare, .main = messenger_main },
	};
	/* The collector does not end with us, so the analyst is told. */
	static const struct service apart[] = {
		{ .name = "analyst", .prepare = analyst_prepare, .main = analyst_main },
		{ .name = "messenger", .keeps_stdout = true, .renews = true, .prepare = messenger_prepare, .main = messenger_main },
	};

	*ret_count = part == PART_ALL ? sizeof all / sizeof *all : sizeof apart / sizeof *apart;
	return part == PART_ALL ? all : apart;
}

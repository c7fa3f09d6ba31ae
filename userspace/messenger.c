/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/messenger.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <systemd/sd-event.h>
#include <time.h>
#include <unistd.h>

#include "userspace/base/error.h"
#include "userspace/notify/notify.h"
#include "userspace/serve/http.h"
#include "userspace/store/store.h"
#include "userspace/watch.h"

/* `accept` and others write alerts without ringing. */
#define LOOK_MS 500
/* How long the end waits for a sink that does not take what is left: it keeps until the next start. */
#define FAREWELL_MS 2000
#define FAREWELL_LOOK_MS 50

struct messenger {
	struct store *store;
	struct notify *notify;
	sd_event *loop;
	sd_event_source *bell, *stop, *ends[MESSENGER_ATTENDANTS];
	const char *mark; /* of a line's priority */
	const char *lost; /* the attendant that ended */
	struct watch watch;
	bool news, stopping;
	bool waits; /* the store takes nothing, and it was said */
	bool watch_said; /* that it cannot tell */
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void say(void *context, const char *line)
{
	const struct messenger *m = context;

	fprintf(stderr, "%sabidrift: %s\n", m->mark, line);
}

/* Nothing can be written before somebody mends it: makes room, lets it be written, puts the file or the disk in order. */
static bool waits(int err)
{
	return err == -ENOSPC || err == -EROFS || err == -ESTALE || err == -EIO;
}

static bool passing(int err)
{
	return err == -EBUSY || err == -EAGAIN || waits(err);
}

/* The store is asked again: what sinks answered is kept until it can be written. */
static int deliver(struct messenger *m, struct error *e)
{
	int err = notify_deliver(m->notify, e);

	if (waits(err) && !m->waits)
		fprintf(stderr, "%sabidrift: messenger: %s; trying again\n", m->mark, e->text);
	m->waits = waits(err);
	m->news = passing(err);
	if (passing(err)) {
		e->text[0] = 0;
		return 0;
	}
	return err;
}

static int bell_rang(sd_event_source *source, int fd, uint32_t events, void *context)
{
	struct messenger *m = context;
	uint64_t rung;
	ssize_t got = read(fd, &rung, sizeof rung);

	(void)source, (void)events, (void)got;
	m->news = true;
	return 0;
}

static int stop_told(sd_event_source *source, int fd, uint32_t events, void *context)
{
	struct messenger *m = context;

	(void)fd, (void)events;
	m->stopping = true;
	return sd_event_source_set_enabled(source, SD_EVENT_OFF);
}

static int attendant_ended(sd_event_source *source, int fd, uint32_t events, void *context)
{
	struct messenger *m = context;

	(void)fd, (void)events;
	sd_event_source_get_description(source, &m->lost);
	m->stopping = true;
	return sd_event_source_set_enabled(source, SD_EVENT_OFF);
}

static int attendants_watch(struct messenger *m, const struct messenger_attendant *attendants)
{
	int err = 0;

	for (size_t i = 0; err >= 0 && i < MESSENGER_ATTENDANTS; i++) {
		if (attendants[i].pid_fd < 0)
			continue;
		err = sd_event_add_io(m->loop, &m->ends[i], attendants[i].pid_fd, EPOLLIN, attendant_ended, m);
		if (err >= 0)
			err = sd_event_source_set_description(m->ends[i], attendants[i].name);
	}
	return err;
}

static int begin(struct messenger *m, const struct messenger_options *options, struct error *e)
{
	int err = sd_event_new(&m->loop);

	if (err >= 0 && options->bell_fd >= 0)
		err = sd_event_add_io(m->loop, &m->bell, options->bell_fd, EPOLLIN, bell_rang, m);
	if (err >= 0)
		err = sd_event_add_io(m->loop, &m->stop, options->stop_fd, EPOLLIN | EPOLLHUP, stop_told, m);
	if (err >= 0)
		err = attendants_watch(m, options->attendants);
	if (err < 0)
		return error_set(e, -err, "event loop: %s", strerror(-err));
	err = notify_begin(m->notify, m->store, m->loop, say, m, e);
	return err < 0 || !options->http ? err : http_begin(options->http, options->store_url, options->rules, m->loop, e);
}

/* What changed in the store, and whether the monitor still sees. That this cannot be stored now stops no delivery: it is tried again. */
static void look(struct messenger *m)
{
	int changed = store_changed(m->store);
	struct error e = ERROR_INIT;
	bool alerted = false;

	if (watch_look(&m->watch, m->store, changed != 0, &alerted, &e) >= 0) {
		m->watch_said = false;
	} else if (!m->watch_said) {
		m->watch_said = true;
		say(m, e.text);
	}
	m->news |= changed > 0 || alerted;
}

/* Until something happened, at most so long. */
static int wait_ms(struct messenger *m, int64_t ms, struct error *e)
{
	int err = sd_event_run(m->loop, ms < 0 ? 0 : (uint64_t)ms * 1000);

	return err < 0 ? error_set(e, -err, "event loop: %s", strerror(-err)) : 0;
}

static int64_t patience(const struct messenger *m)
{
	int64_t left = notify_due(m->notify) - now_ms();

	return m->news ? 0 : left < LOOK_MS ? left : LOOK_MS;
}

static int work(struct messenger *m, const struct messenger_options *options, struct error *e)
{
	int err = 0;

	m->news = true;
	while (err >= 0 && !m->stopping) {
		if (notify_runner_hangs(m->notify))
			return error_set(e, ECHILD, "its runner does not answer");
		look(m);
		if (options->alive)
			options->alive(options->context);
		if (m->news || notify_due(m->notify) <= now_ms())
			err = deliver(m, e);
		if (err >= 0)
			err = wait_ms(m, m->waits ? LOOK_MS : m->news ? FAREWELL_LOOK_MS : patience(m), e);
	}
	return err;
}

static int farewell(struct messenger *m, struct error *e)
{
	int64_t end = now_ms() + FAREWELL_MS;
	int err = deliver(m, e);

	while (err >= 0 && (m->news || notify_busy(m->notify)) && now_ms() < end) {
		err = wait_ms(m, FAREWELL_LOOK_MS, e);
		if (err >= 0)
			err = deliver(m, e);
	}
	return err;
}

int messenger_run(struct store *store, const struct messenger_options *options, struct error *e)
{
	struct messenger m = { .store = store, .notify = options->notify, .mark = options->mark ? options->mark : "" };
	struct error unsaid = ERROR_INIT;
	int err;

	if (!e)
		e = &unsaid;
	signal(SIGPIPE, SIG_IGN);
	watch_begin(&m.watch, options->blind_after_ns);
	err = begin(&m, options, e);
	if (err >= 0)
		err = work(&m, options, e);
	if (err >= 0 && m.lost)
		err = error_set(e, ECHILD, "its %s is gone", m.lost);
	http_end(options->http);
	if (err >= 0)
		err = farewell(&m, e);
	sd_event_source_unref(m.bell);
	sd_event_source_unref(m.stop);
	for (size_t i = 0; i < MESSENGER_ATTENDANTS; i++)
		sd_event_source_unref(m.ends[i]);
	sd_event_unref(m.loop);
	return err;
}

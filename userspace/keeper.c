/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "userspace/base/buffer.h"
#include "userspace/base/error.h"
#include "userspace/base/message.h"
#include "userspace/blind.h"
#include "userspace/store/forward.h"
#include "userspace/store/store.h"

/* Others wait while a transaction is open: a messenger takes milliseconds, even for many notices. */
#define TRANSACTION_MS 10000
#define NAME_BYTES 64
/* What a sink answered, shortened (struct error), and what a notice is known by. */
#define TEXT_BYTES 4096
#define NOTICE_BYTES (8u << 20)
#define COUNT_MAX 1000000

struct keeper {
	struct store *store;
	int fd;
	const char *const *sinks;
	struct buffer in;
	bool open;          /* a transaction is */
	int64_t overdue_ms; /* then it has lasted too long */
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- is it what a messenger says? */

static bool is_text(const char *text, size_t most)
{
	return strnlen(text, most + 1) <= most;
}

/* One line that people will read. */
static bool is_line(const char *text, size_t most)
{
	if (!is_text(text, most))
		return false;
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 127)
			return false;
	return true;
}

static bool is_sink(const struct keeper *k, const struct message *m)
{
	for (const char *const *sink = k->sinks; *sink; sink++)
		if (!strcmp(*sink, m->fields[0].text))
			return true;
	return false;
}

static bool is_row(const struct message_field *f)
{
	return f->number > 0;
}

static bool is_flag(const struct message_field *f)
{
	return f->number == 0 || f->number == 1;
}

static bool is_time(const struct message_field *f)
{
	return f->number >= 0;
}

static bool done_ok(const struct keeper *k, const struct message *m)
{
	return is_sink(k, m) && is_row(&m->fields[1]) && is_flag(&m->fields[2]);
}

static bool failed_ok(const struct keeper *k, const struct message *m)
{
	return done_ok(k, m) && is_time(&m->fields[3]) && is_text(m->fields[4].text, TEXT_BYTES);
}

/* Those of the sinks the store counts by itself. */
static bool counter_ok(const struct keeper *k, const struct message *m)
{
	static const char *const results[] = { "delivered", "failed", "given_up" };
	char labels[NAME_BYTES];

	(void)k;
	if (strcmp(m->fields[0].text, "alerts") || m->fields[2].number <= 0 || m->fields[2].number > COUNT_MAX)
		return false;
	for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
		snprintf(labels, sizeof labels, "alertmanager,%s", results[i]);
		if (!strcmp(m->fields[1].text, labels))
			return true;
	}
	return false;
}

static bool notice_ok(const struct keeper *k, const struct message *m)
{
	(void)k;
	return is_text(m->fields[0].text, TEXT_BYTES) && is_text(m->fields[1].text, NOTICE_BYTES) && is_time(&m->fields[2]) && is_time(&m->fields[3]);
}

static bool took_ok(const struct keeper *k, const struct message *m)
{
	(void)k;
	return is_text(m->fields[0].text, TEXT_BYTES) && is_text(m->fields[1].text, TEXT_BYTES);
}

static bool drop_ok(const struct keeper *k, const struct message *m)
{
	(void)k;
	return is_text(m->fields[0].text, TEXT_BYTES);
}

static bool monitor_ok(const struct keeper *k, const struct message *m)
{
	const char *host = m->fields[0].text, *reason = m->fields[1].text;

	(void)k;
	return *host && is_text(host, NAME_BYTES) && (!reason || is_line(reason, TEXT_BYTES)) && is_time(&m->fields[2]);
}

/* ---- what is done then */

static int do_begin(struct keeper *k, const struct message *m, int64_t *ret, struct error *e)
{
	int err = store_begin(k->store);

	(void)m, (void)ret, (void)e;
	if (err >= 0) {
		k->open = true;
		k->overdue_ms = now_ms() + TRANSACTION_MS;
	}
	return err;
}

static int do_commit(struct keeper *k, const struct message *m, int64_t *ret, struct error *e)
{
	(void)m, (void)ret, (void)e;
	k->open = false;
	return store_commit(k->store);
}

static int do_rollback(struct keeper *k, const struct message *m, int64_t *ret, struct error *e)
{
	(void)m, (void)ret, (void)e;
	k->open = false;
	store_rollback(k->store);
	return 0;
}

static int do_changed(struct keeper *k, const struct message *m, int64_t *ret, struct error *e)
{
	int err = store_changed(k->store);

	(void)m, (void)e;
	*ret = err > 0;
	return err;
}

static int do_sink_begin(struct keeper *k, const struct message *m, int64_t *ret, struct error *e)
{
	(void)ret, (void)e;
	return store_sink_begin(k->store, m->fields[0].text);
}

static int do_sink_drop(struct keeper *k, const struct message *m, int64_t *ret, struct error *e)
{
	(void)ret, (void)e;
	return store_sink_drop(k->store, m->fields[0].text);
}

static int do_done(struct keeper *k, const struct message *m, int64_t *ret, struct error *e)
{
	(void)ret, (void)e;
	return store_alert_done(k->store, m->fields[0].text, m->fields[1].number, m->fields[2].number);
}

static int do_failed(struct keeper *k, const struct message *m, int64_t *ret, struct error *e)
{
	const struct message_field *f = m->fields;

	(void)ret, (void)e;
	return store_alert_failed(k->store, f[0].text, f[1].number, f[2].number, f[3].number, f[4].text);
}

static int do_counter(struct keeper *k, const struct message *m, int64_t *ret, struct error *e)
{
	(void)ret, (void)e;
	return store_counter_add(k->store, m->fields[0].text, m->fields[1].text, (uint64_t)m->fields[2].number);
}

static int do_notice_put(struct keeper *k, const struct message *m, int64_t *ret, struct error *e)
{
	const struct message_field *f = m->fields;
	const struct store_notice notice = { (char *)f[0].text, (char *)f[1].text, f[2].number, f[3].number };

	(void)ret, (void)e;
	return store_notice_put(k->store, &notice);
}

static int do_notice_took(struct keeper *k, const struct message *m, int64_t *ret, struct error *e)
{
	(void)ret, (void)e;
	return store_notice_took(k->store, m->fields[0].text, m->fields[1].text);
}

static int do_notice_drop(struct keeper *k, const struct message *m, int64_t *ret, struct error *e)
{
	(void)ret, (void)e;
	return store_notice_drop(k->store, m->fields[0].text);
}

/* The alert is made here, so that no other can be. */
static int do_monitor(struct keeper *k, const struct message *m, int64_t *ret, struct error *e)
{
	bool alerted = false;
	int err = blind_monitor(k->store, m->fields[0].text, m->fields[1].text, m->fields[2].number, &alerted, e);

	*ret = alerted;
	return err;
}

static const struct task {
	bool (*ok)(const struct keeper *k, const struct message *m); /* of fields of the right kinds; NULL: there is nothing to ask */
	int (*go)(struct keeper *k, const struct message *m, int64_t *ret, struct error *e);
} tasks[FORWARD_COUNT] = {
	[FORWARD_BEGIN] = { NULL, do_begin },
	[FORWARD_COMMIT] = { NULL, do_commit },
	[FORWARD_ROLLBACK] = { NULL, do_rollback },
	[FORWARD_CHANGED] = { NULL, do_changed },
	[FORWARD_SINK_BEGIN] = { is_sink, do_sink_begin },
	[FORWARD_SINK_DROP] = { is_sink, do_sink_drop },
	[FORWARD_ALERT_DONE] = { done_ok, do_done },
	[FORWARD_ALERT_FAILED] = { failed_ok, do_failed },
	[FORWARD_COUNTER_ADD] = { counter_ok, do_counter },
	[FORWARD_NOTICE_PUT] = { notice_ok, do_notice_put },
	[FORWARD_NOTICE_TOOK] = { took_ok, do_notice_took },
	[FORWARD_NOTICE_DROP] = { drop_ok, do_notice_drop },
	[FORWARD_MONITOR] = { monitor_ok, do_monitor },
};

/* ---- question and answer */

static int answer(struct keeper *k, int err, int64_t result, const char *line)
{
	struct message m = { 0 };

	message_number(&m, err < 0 ? err : 0);
	message_number(&m, result);
	message_text(&m, err < 0 ? line : "");
	return message_send(k->fd, &m);
}

/* 1: there is one, of *ret_bytes at the head of k->in; 0: nobody asks any more. */
static int next(struct keeper *k, struct message *ret, size_t *ret_bytes)
{
	struct pollfd fd = { .fd = k->fd, .events = POLLIN };
	char part[16384];
	int err;

	while (!(err = message_take(&k->in, ret, ret_bytes))) {
		int64_t left = k->open ? k->overdue_ms - now_ms() : -1;
		int came = k->open && left <= 0 ? 0 : poll(&fd, 1, (int)left);
		ssize_t got;

		if (!came)
			return -ETIMEDOUT;
		got = came < 0 ? -1 : read(k->fd, part, sizeof part);
		if (got < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		if (!got)
			return 0;
		buffer_append(&k->in, part, got > 0 ? (size_t)got : 0);
		if (buffer_failed(&k->in))
			return -ENOMEM;
	}
	return err;
}

static int work(struct keeper *k, const struct message *m)
{
	const char *kinds = store_forward_kinds(m->what);
	const struct task *task = kinds ? &tasks[m->what] : NULL;
	struct error e = ERROR_INIT;
	int64_t result = 0;
	int err;

	if (!task || !message_is(m, kinds) || (task->ok && !task->ok(k, m)))
		return answer(k, -EPERM, 0, "the keeper refuses: that is nothing that the messenger may write");
	err = task->go(k, m, &result, &e);
	return answer(k, err, result, *e.text ? e.text : store_error(k->store));
}

int keeper_run(struct store *s, int fd, const char *const *sinks, struct error *e)
{
	struct keeper k = { .store = s, .fd = fd, .sinks = sinks, .in = BUFFER_INIT };
	struct message m;
	size_t bytes;
	int err;

	/* Who does not take its answers must not keep a transaction open for it. */
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
		return error_set(e, errno, "keeper: %s", strerror(errno));
	if (!s)
		return answer(&k, -EIO, 0, e->text);
	err = answer(&k, 0, 0, "");
	while (err >= 0 && (err = next(&k, &m, &bytes)) > 0) {
		err = work(&k, &m);
		buffer_consume(&k.in, bytes);
	}
	buffer_release(&k.in);
	if (err == -EPIPE || err == -ECONNRESET)
		err = 0; /* as hanging up */
	if (err == -ETIMEDOUT)
		return error_set(e, ETIMEDOUT, "keeper: the messenger kept the store locked for too long");
	if (err == -EAGAIN)
		return error_set(e, EAGAIN, "keeper: the messenger does not take its answers");
	return err < 0 ? error_set(e, -err, "keeper: what the messenger asks cannot be understood: %s", strerror(-err)) : 0;
}

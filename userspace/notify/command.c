/* SPDX-License-Identifier: Apache-2.0 */
/* A program for each alert: another process runs it (runner.h), one at a time; here is who asks it to. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "userspace/base/buffer.h"
#include "userspace/base/config.h"
#include "userspace/base/error.h"
#include "userspace/base/message.h"
#include "userspace/notify/runner.h"
#include "userspace/notify/sink.h"

#define GONE "the process that runs commands is gone"
/* It answers at the latest when it killed the program; on a busy host that takes a while. */
#define SPARE_US 10000000

struct command {
	const struct sink_host *host;
	sd_event_source *talk, *patience;
	uint64_t patience_us;
	int64_t row;            /* of what is asked for; 0: nothing is */
	struct buffer out, in;  /* what is not sent yet; what came so far of an answer */
	bool gone;
};

static bool command_wanted(const struct config *c)
{
	return *config_get(c, "command.run");
}

static int command_load(const struct config *config, void **ret_state, struct error *e)
{
	struct command *c = calloc(1, sizeof *c);

	*ret_state = c;
	if (!c)
		return error_set(e, ENOMEM, "out of memory");
	c->patience_us = config_ns(config, "command.timeout") / 1000 + SPARE_US;
	return 0;
}

static void command_release(void *state)
{
	struct command *c = state;

	if (!c)
		return;
	sd_event_source_disable_unref(c->talk);
	sd_event_source_disable_unref(c->patience);
	buffer_release(&c->out);
	buffer_release(&c->in);
	free(c);
}

static void answer(struct command *c, enum sink_result result, const char *text)
{
	struct error line = ERROR_INIT;
	struct sink_answer is = { .result = result, .text = line.text };
	int64_t row = c->row;

	error_set(&line, 0, "%s", text); /* makes it printable */
	c->row = 0;
	c->patience = sd_event_source_disable_unref(c->patience);
	c->host->answered(c->host->context, sink_command.name, row, &is);
}

/* Hung up on, it ends; then the messenger does, and both are started again. */
static void gone(struct command *c)
{
	c->gone = true;
	shutdown(c->host->runner_fd, SHUT_RDWR);
	sd_event_source_set_enabled(c->talk, SD_EVENT_OFF);
	buffer_clear(&c->out);
	if (c->row)
		answer(c, SINK_LATER, GONE);
}

/* What the socket takes now. */
static void send_some(struct command *c)
{
	ssize_t put = c->out.size ? write(c->host->runner_fd, c->out.data, c->out.size) : 0;

	if (put < 0 && errno != EAGAIN && errno != EINTR) {
		gone(c);
		return;
	}
	buffer_consume(&c->out, put > 0 ? (size_t)put : 0);
	sd_event_source_set_io_events(c->talk, c->out.size ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void take(struct command *c)
{
	struct message m = { 0 };
	size_t bytes;
	char part[4096];
	ssize_t got = read(c->host->runner_fd, part, sizeof part);
	int err;

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	buffer_append(&c->in, part, got > 0 ? (size_t)got : 0);
	err = got <= 0 || buffer_failed(&c->in) ? -EPIPE : message_take(&c->in, &m, &bytes);
	if (err > 0 && (!c->row || !message_is(&m, RUNNER_ANSWER) || m.fields[0].number < SINK_DELIVERED || m.fields[0].number > SINK_STOPPED))
		err = -EBADMSG;
	if (err < 0)
		gone(c);
	if (err <= 0)
		return;
	answer(c, (enum sink_result)m.fields[0].number, m.fields[1].text);
	buffer_consume(&c->in, bytes);
}

static int talk(sd_event_source *source, int fd, uint32_t events, void *context)
{
	struct command *c = context;

	(void)source, (void)fd;
	if (events & EPOLLOUT)
		send_some(c);
	if (!c->gone && events & ~(uint32_t)EPOLLOUT)
		take(c);
	return 0;
}

static int never_answered(sd_event_source *source, uint64_t usec, void *context)
{
	struct command *c = context;

	(void)source, (void)usec;
	gone(c);
	c->host->runner_hangs(c->host->context);
	return 0;
}

static int command_begin(void *state, const struct sink_host *host, struct error *e)
{
	struct command *c = state;
	int err;

	if (host->runner_fd < 0)
		return error_set(e, ECHILD, GONE);
	if (fcntl(host->runner_fd, F_SETFL, fcntl(host->runner_fd, F_GETFL) | O_NONBLOCK) < 0)
		return error_set(e, errno, "%s", strerror(errno));
	err = sd_event_add_io(host->loop, &c->talk, host->runner_fd, EPOLLIN, talk, c);
	if (err < 0)
		return error_set(e, -err, "event loop: %s", strerror(-err));
	c->host = host;
	return 0;
}

static void put(struct message *m, const json_t *alert, const char *key)
{
	const char *value = json_string_value(json_object_get(alert, key));

	message_text(m, value ? value : "");
}

static void command_deliver(void *state, const struct sink_alert *alert)
{
	struct command *c = state;
	struct message m = { 0 };
	int err;

	c->row = alert->row;
	message_text(&m, alert->id);
	put(&m, alert->json, "type");
	put(&m, alert->json, "severity");
	message_text(&m, alert->line);
	err = c->gone ? -EPIPE : message_put(&m, &c->out);
	if (err < 0)
		buffer_clear(&c->out); /* nothing else is in it: one alert at a time */
	if (err == -EMSGSIZE)
		answer(c, SINK_REFUSED, "the alert is too long");
	else if (err < 0)
		answer(c, SINK_LATER, err == -ENOMEM ? "out of memory" : GONE);
	else if ((err = sd_event_add_time_relative(c->host->loop, &c->patience, CLOCK_MONOTONIC, c->patience_us, 0, never_answered, c)) < 0)
		answer(c, SINK_LATER, strerror(-err));
	else
		send_some(c);
}

const struct sink_kind sink_command = {
	.name = "command",
	.window = 1,
	.wanted = command_wanted,
	.load = command_load,
	.begin = command_begin,
	.deliver = command_deliver,
	.release = command_release,
};

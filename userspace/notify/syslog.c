/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Syslog has no acknowledgement. What comes nearest: an alert is delivered once the far end's kernel took every byte of it, and the
 * connection still stood a moment later; a receiver that goes away with bytes unread resets it. All else is sent again on the next
 * connection, with the same id. Into a datagram socket it is delivered when the kernel took it, as everywhere.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "userspace/base/buffer.h"
#include "userspace/base/config.h"
#include "userspace/base/error.h"
#include "userspace/notify/sink.h"
#include "userspace/notify/syslog_link.h"
#include "userspace/notify/syslog_message.h"

#define WINDOW 64
#define CHECK_MS 50
/* So long a connection has to stand after it took a message. */
#define STANDS_MS 200
/* One that takes nothing for so long is given up for a new one. */
#define STUCK_MS 20000

/* A message on its way. */
struct held {
	int64_t row;
	struct buffer bytes;
	bool framed; /* as the connection wants it, which shows once it is open */
	size_t put;
	uint64_t end;     /* of the connection's bytes, once it is written whole */
	int64_t taken_ms; /* CLOCK_MONOTONIC; 0: not yet */
};

struct syslog {
	int facility;
	struct syslog_link *link;
	const struct sink_host *host;
	struct held held[WINDOW]; /* in order */
	size_t count;
	uint64_t acknowledged;
	int64_t progress_ms;
	sd_event_source *timer;
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool syslog_wanted(const struct config *c)
{
	return *config_get(c, "syslog.address") != 0;
}

static void syslog_release(void *state)
{
	struct syslog *s = state;

	sd_event_source_disable_unref(s->timer);
	syslog_link_free(s->link);
	for (size_t i = 0; i < s->count; i++)
		buffer_release(&s->held[i].bytes);
	free(s);
}

static int syslog_load(const struct config *c, void **ret_state, struct error *e)
{
	const char *facility = config_get(c, "syslog.facility");
	const struct syslog_peer peer = {
		.address = config_get(c, "syslog.address"),
		.ca_file = config_get(c, "syslog.ca_file"),
		.cert_file = config_get(c, "syslog.cert_file"),
		.key_file = config_get(c, "syslog.key_file"),
	};
	struct syslog *s = calloc(1, sizeof *s);
	int err;

	if (!s)
		return error_set(e, ENOMEM, "out of memory");
	s->facility = syslog_facility(facility);
	err = s->facility < 0 ? error_set(e, EINVAL, "syslog.facility is \"%.40s\", but has to be one of syslog(3): daemon, user, local0 to local7", facility) :
				syslog_link_new(&peer, &s->link, e);
	if (err < 0) {
		free(s);
		return err;
	}
	*ret_state = s;
	return 0;
}

/* ---- answers */

static void answer_first(struct syslog *s, enum sink_result result, const char *text)
{
	const struct sink_answer answer = { result, 0, text };
	int64_t row = s->held[0].row;

	buffer_release(&s->held[0].bytes);
	memmove(&s->held[0], &s->held[1], --s->count * sizeof s->held[0]);
	s->host->answered(s->host->context, sink_syslog.name, row, &answer);
}

/* In order: what stood a moment. */
static void answer_taken(struct syslog *s)
{
	char text[160];

	snprintf(text, sizeof text, "taken by %.140s", syslog_link_name(s->link));
	while (s->count && s->held[0].taken_ms && (syslog_link_framing(s->link) == SYSLOG_SINGLE || now_ms() - s->held[0].taken_ms >= STANDS_MS))
		answer_first(s, SINK_DELIVERED, text);
}

static void broke(void *context, const char *why)
{
	struct syslog *s = context;

	s->acknowledged = 0;
	while (s->count)
		answer_first(s, SINK_LATER, why);
}

/* ---- what goes */

static int on_check(sd_event_source *source, uint64_t usec, void *context);

static void check_later(struct syslog *s)
{
	s->timer = sd_event_source_disable_unref(s->timer);
	if (s->count && sd_event_add_time_relative(s->host->loop, &s->timer, CLOCK_MONOTONIC, CHECK_MS * 1000, 0, on_check, s) < 0)
		syslog_link_break(s->link, "out of memory");
}

static bool whole(const struct held *h)
{
	return h->framed && h->put == h->bytes.size;
}

/* Marks what the far end took. */
static void look(struct syslog *s)
{
	uint64_t acknowledged = syslog_link_acknowledged(s->link);
	int64_t now = now_ms();

	if (acknowledged > s->acknowledged) {
		s->acknowledged = acknowledged;
		s->progress_ms = now;
	}
	for (size_t i = 0; i < s->count && whole(&s->held[i]); i++)
		if (!s->held[i].taken_ms && s->held[i].end <= acknowledged)
			s->held[i].taken_ms = now;
}

static bool stuck(const struct syslog *s)
{
	return s->count && !s->held[0].taken_ms && now_ms() - s->progress_ms > STUCK_MS;
}

static int on_check(sd_event_source *source, uint64_t usec, void *context)
{
	struct syslog *s = context;

	(void)source, (void)usec;
	/* It has time limits of its own until it is open. */
	if (!syslog_link_is_open(s->link)) {
		s->progress_ms = now_ms();
	} else if (syslog_link_alive(s->link)) {
		look(s);
		answer_taken(s);
		if (stuck(s))
			syslog_link_break(s->link, "it takes nothing");
	}
	check_later(s);
	return 0;
}

static bool frame(struct syslog *s, struct held *h)
{
	struct buffer framed = BUFFER_INIT;

	if (h->framed)
		return true;
	h->framed = true;
	if (syslog_link_framing(s->link) == SYSLOG_SINGLE)
		return true;
	if (syslog_link_framing(s->link) == SYSLOG_COUNTED)
		buffer_printf(&framed, "%zu ", h->bytes.size);
	buffer_append(&framed, h->bytes.data, h->bytes.size);
	if (syslog_link_framing(s->link) == SYSLOG_LINES)
		buffer_string(&framed, "\n");
	buffer_release(&h->bytes);
	h->bytes = framed;
	if (!buffer_failed(&framed))
		return true;
	syslog_link_break(s->link, "out of memory");
	return false;
}

/* Until it takes no more. A connection that breaks meanwhile leaves nothing to go on with. */
static void pump(struct syslog *s)
{
	for (size_t i = 0; i < s->count; i++) {
		struct held *h = &s->held[i];

		if (!frame(s, h))
			return;
		while (!whole(h)) {
			size_t put = syslog_link_write(s->link, h->bytes.data + h->put, h->bytes.size - h->put);

			if (!put)
				return;
			h->put += put;
			if (whole(h))
				h->end = syslog_link_sent(s->link);
		}
	}
}

static void moved(void *context)
{
	struct syslog *s = context;

	pump(s);
	/* Nothing more is to be heard from these. */
	if (syslog_link_is_open(s->link) && syslog_link_framing(s->link) == SYSLOG_SINGLE) {
		look(s);
		answer_taken(s);
	}
}

static int syslog_begin(void *state, const struct sink_host *host, struct error *e)
{
	struct syslog *s = state;
	const struct syslog_link_events events = { .context = s, .moved = moved, .broke = broke };

	(void)e;
	/* OpenSSL writes without MSG_NOSIGNAL. */
	signal(SIGPIPE, SIG_IGN);
	s->host = host;
	syslog_link_begin(s->link, host->loop, &events);
	return 0;
}

static void syslog_deliver(void *state, const struct sink_alert *alert)
{
	struct syslog *s = state;
	struct held h = { .row = alert->row, .bytes = BUFFER_INIT };
	const struct sink_answer later = { SINK_LATER, 0, "out of memory" };

	if (!s->count)
		s->progress_ms = now_ms();
	syslog_message(&h.bytes, alert, s->facility, getpid());
	if (s->count == WINDOW || buffer_failed(&h.bytes)) {
		buffer_release(&h.bytes);
		s->host->answered(s->host->context, sink_syslog.name, alert->row, &later);
		return;
	}
	s->held[s->count++] = h;
	if (!syslog_link_is_open(s->link))
		syslog_link_open(s->link);
	else
		moved(s);
	if (s->count && !s->timer)
		check_later(s);
}

const struct sink_kind sink_syslog = {
	.name = "syslog",
	.window = WINDOW,
	.wanted = syslog_wanted,
	.load = syslog_load,
	.begin = syslog_begin,
	.deliver = syslog_deliver,
	.release = syslog_release,
};

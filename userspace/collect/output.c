/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/collect/output.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "userspace/base/buffer.h"
#include "userspace/base/error.h"
#include "userspace/stream/trace.h"

#define QUEUE_BYTES (16u << 20) /* from here on everyone waits for the analyst */
#define QUEUE_MAX_BYTES (64u << 20) /* an analyst that lets it come to this is dropped: it finds all again when it comes back */
#define TRACE_BATCH_BYTES 65536u
#define KEPT_BYTES (1u << 20) /* an empty queue larger than this gives its memory back */

struct sink {
	struct buffer queue;
	size_t sent;     /* of the queue, already handed on */
	uint64_t seq;
	uint64_t at_ns;
	size_t records;  /* in the queue */
};

struct output {
	int listen_fd;
	int analyst_fd;
	uid_t peer;
	struct trace_writer *trace;
	uint64_t trace_records;
	int trace_error;
	struct sink to_trace, to_analyst;
};

int output_new(int trace_fd, int listen_fd, uid_t peer, struct output **ret, struct error *e)
{
	struct output *o = calloc(1, sizeof(*o));
	int err;

	if (!o)
		return error_set(e, ENOMEM, "no memory for the output");
	o->listen_fd = listen_fd;
	o->analyst_fd = -1;
	o->peer = peer;
	if (trace_fd >= 0) {
		err = trace_writer_new(trace_fd, &o->trace, e);
		if (err < 0) {
			free(o);
			return err;
		}
	}
	*ret = o;
	return 0;
}

static void sink_release(struct sink *s)
{
	buffer_release(&s->queue);
	*s = (struct sink){ .queue = BUFFER_INIT };
}

void output_drop(struct output *o)
{
	if (o->analyst_fd >= 0)
		close(o->analyst_fd);
	o->analyst_fd = -1;
	sink_release(&o->to_analyst);
}

void output_free(struct output *o)
{
	if (!o)
		return;
	output_drop(o);
	sink_release(&o->to_trace);
	trace_writer_free(o->trace);
	free(o);
}

unsigned output_sinks(const struct output *o)
{
	return (o->trace ? OUTPUT_TRACE : 0) | (o->analyst_fd >= 0 ? OUTPUT_ANALYST : 0);
}

int output_analyst_fd(const struct output *o)
{
	return o->analyst_fd;
}

static bool may_connect(const struct output *o, int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) >= 0 &&
	       (peer.uid == 0 || peer.uid == geteuid() || (o->peer && peer.uid == o->peer));
}

/* It may have gone, and we have not heard of it: its successor is quick. */
static bool analyst_there(const struct output *o)
{
	struct pollfd p = { .fd = o->analyst_fd, .events = POLLRDHUP };

	return o->analyst_fd >= 0 && poll(&p, 1, 0) == 0;
}

int output_accept(struct output *o)
{
	int fd = accept4(o->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return 0;
	if (!may_connect(o, fd) || analyst_there(o)) {
		close(fd);
		return 0;
	}
	output_drop(o);
	o->analyst_fd = fd;
	return 1;
}

static void sink_put(struct sink *s, const struct record_header *header, const void *body, size_t bytes, const void *more, size_t more_bytes)
{
	struct record_header h = *header;

	if (h.at_ns < s->at_ns)
		h.at_ns = s->at_ns;
	h.seq = s->seq + 1;
	if (record_put(&s->queue, &h, body, bytes, more, more_bytes) < 0)
		return; /* too large: nobody makes such a record */
	s->at_ns = h.at_ns;
	s->seq++;
	s->records++;
}

static void trace_write(struct output *o)
{
	struct sink *s = &o->to_trace;
	int err;

	if (o->trace_error < 0 || !s->records)
		return;
	err = buffer_failed(&s->queue) ? -ENOMEM : trace_writer_append(o->trace, s->queue.data, s->queue.size, s->records);
	if (err < 0)
		o->trace_error = err;
	o->trace_records += s->records;
	s->records = 0;
	buffer_clear(&s->queue);
}

void output_put(struct output *o, unsigned sinks, const struct record_header *header, const void *body, size_t bytes,
		const void *more, size_t more_bytes)
{
	if ((sinks & OUTPUT_TRACE) && o->trace) {
		sink_put(&o->to_trace, header, body, bytes, more, more_bytes);
		if (o->to_trace.queue.size >= TRACE_BATCH_BYTES)
			trace_write(o);
	}
	if ((sinks & OUTPUT_ANALYST) && o->analyst_fd >= 0) {
		sink_put(&o->to_analyst, header, body, bytes, more, more_bytes);
		if (buffer_failed(&o->to_analyst.queue) || output_pending(o) > QUEUE_MAX_BYTES)
			output_drop(o);
	}
}

size_t output_pending(const struct output *o)
{
	return o->analyst_fd >= 0 ? o->to_analyst.queue.size - o->to_analyst.sent : 0;
}

size_t output_room(const struct output *o)
{
	size_t pending = output_pending(o);

	if (o->analyst_fd < 0)
		return (size_t)-1;
	return pending < QUEUE_BYTES ? QUEUE_BYTES - pending : 0;
}

static void analyst_write(struct output *o)
{
	struct sink *s = &o->to_analyst;

	while (output_pending(o)) {
		ssize_t n = send(o->analyst_fd, s->queue.data + s->sent, s->queue.size - s->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (n < 0) {
			output_drop(o);
			return;
		}
		s->sent += n;
	}
	if (s->sent == s->queue.size) {
		if (s->queue.room > KEPT_BYTES)
			buffer_release(&s->queue);
		buffer_clear(&s->queue);
		s->sent = 0;
		s->records = 0;
	} else if (s->sent > s->queue.size / 2) {
		/* Moved seldom: each byte at most once more than it is queued. */
		buffer_consume(&s->queue, s->sent);
		s->sent = 0;
	}
}

void output_save(struct output *o)
{
	trace_write(o);
	if (o->trace && o->trace_error >= 0)
		o->trace_error = trace_writer_flush(o->trace);
}

int output_flush(struct output *o, struct error *e)
{
	trace_write(o);
	if (o->analyst_fd >= 0)
		analyst_write(o);
	if (o->trace_error < 0)
		return error_set(e, -o->trace_error, "writing the trace file: %s; it stays marked INCOMPLETE", strerror(-o->trace_error));
	return 0;
}

uint64_t output_trace_records(const struct output *o)
{
	return o->trace_records;
}

int output_finish(struct output *o, struct error *e)
{
	int err = output_flush(o, e);

	return err < 0 || !o->trace ? err : trace_writer_finish(o->trace, e);
}

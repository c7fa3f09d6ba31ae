/* SPDX-License-Identifier: Apache-2.0 */
/* Standard output: one JSON object a line. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "userspace/base/error.h"
#include "userspace/notify/sink.h"

struct output {
	const struct sink_host *host;
	char *line; /* being written, with its newline; NULL = none */
	size_t size, done;
};

static int output_load(const struct config *c, void **ret_state, struct error *e)
{
	struct output *o = calloc(1, sizeof *o);

	(void)c;
	if (!o)
		return error_set(e, ENOMEM, "out of memory");
	*ret_state = o;
	return 0;
}

static int output_begin(void *state, const struct sink_host *host, struct error *e)
{
	struct output *o = state;

	(void)e;
	o->host = host;
	return 0;
}

static void output_release(void *state)
{
	struct output *o = state;

	if (!o)
		return;
	free(o->line);
	free(o);
}

static int output_take(struct output *o, const char *line)
{
	size_t size = strlen(line);

	o->line = malloc(size + 2);
	if (!o->line)
		return -EAGAIN;
	memcpy(o->line, line, size);
	o->line[size] = '\n';
	o->size = size + 1;
	o->done = 0;
	return 0;
}

static struct sink_answer answer(enum sink_result result, const char *text)
{
	return (struct sink_answer){ .result = result, .text = text };
}

/*
 * Never blocks, though the descriptor may be a blocking one that is shared with others: a pipe that is said to be writable
 * takes PIPE_BUF bytes at once. A line that was begun is finished first, whenever its reader goes on: it is the same alert.
 */
static struct sink_answer output_put(struct output *o, const char *line)
{
	struct pollfd writable = { .fd = STDOUT_FILENO, .events = POLLOUT };

	if (!o->line && output_take(o, line) < 0)
		return answer(SINK_LATER, NULL);
	while (o->done < o->size) {
		size_t rest = o->size - o->done;
		ssize_t put;

		if (poll(&writable, 1, 0) <= 0)
			return answer(SINK_LATER, NULL);
		if (writable.revents & POLLNVAL)
			return answer(SINK_STOPPED, "it is closed");
		put = write(STDOUT_FILENO, o->line + o->done, rest < PIPE_BUF ? rest : PIPE_BUF);
		if (put < 0 && (errno == EINTR || errno == EAGAIN))
			return answer(SINK_LATER, NULL);
		if (put < 0 && errno == ENOSPC)
			return answer(SINK_LATER, strerror(ENOSPC));
		if (put < 0)
			return answer(SINK_STOPPED, errno == EPIPE ? "nobody reads it any more" : strerror(errno));
		o->done += (size_t)put;
	}
	free(o->line);
	o->line = NULL;
	return answer(SINK_DELIVERED, "written");
}

static void output_deliver(void *state, const struct sink_alert *alert)
{
	struct output *o = state;
	struct sink_answer is = output_put(o, alert->line);

	o->host->answered(o->host->context, sink_stdout.name, alert->row, &is);
}

const struct sink_kind sink_stdout = {
	.name = "stdout",
	.window = 1,
	.load = output_load,
	.begin = output_begin,
	.deliver = output_deliver,
	.release = output_release,
};

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
	char *line; /* being written, with its newline; NULL = none */
	size_t size, done;
};

static int output_begin(void **ret_state, struct error *e)
{
	struct output *o = calloc(1, sizeof *o);

	if (!o)
		return error_set(e, ENOMEM, "out of memory");
	*ret_state = o;
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

/*
 * Never blocks, though the descriptor may be a blocking one that is shared with others: a pipe that is said to be writable
 * takes PIPE_BUF bytes at once. A line that was begun is finished first, whenever its reader goes on: it is the same alert.
 */
static int output_deliver(void *state, const struct sink_alert *alert, struct error *e)
{
	struct pollfd writable = { .fd = STDOUT_FILENO, .events = POLLOUT };
	struct output *o = state;

	if (!o->line && output_take(o, alert->line) < 0)
		return -EAGAIN;
	while (o->done < o->size) {
		size_t rest = o->size - o->done;
		ssize_t put;

		if (poll(&writable, 1, 0) <= 0)
			return -EAGAIN;
		if (writable.revents & POLLNVAL)
			return error_set(e, EBADF, "it is closed");
		put = write(STDOUT_FILENO, o->line + o->done, rest < PIPE_BUF ? rest : PIPE_BUF);
		if (put < 0 && (errno == EINTR || errno == EAGAIN))
			return -EAGAIN;
		if (put < 0 && errno == ENOSPC)
			return error_set(e, EAGAIN, "%s", strerror(ENOSPC));
		if (put < 0)
			return error_set(e, errno, "%s", errno == EPIPE ? "nobody reads it any more" : strerror(errno));
		o->done += (size_t)put;
	}
	free(o->line);
	o->line = NULL;
	return 0;
}

const struct sink_kind sink_stdout = {
	.name = "stdout",
	.begin = output_begin,
	.deliver = output_deliver,
	.release = output_release,
};

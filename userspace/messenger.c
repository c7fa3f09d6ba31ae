/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/messenger.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "userspace/base/error.h"
#include "userspace/notify/notify.h"
#include "userspace/store/store.h"

/* `accept` and others write alerts without ringing; a sink that said "not now" is asked again. */
#define LOOK_MS 500
/* How long the end waits for a sink that does not take what is left: it keeps until the next start. */
#define FAREWELL_MS 2000
#define FAREWELL_LOOK_MS 50

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool passing(int err)
{
	return err == -EBUSY || err == -EAGAIN;
}

/* What the operator has to know is one line on standard error. A store that is busy is asked again. */
static int deliver(struct notify *n, bool *ret_left, struct error *e)
{
	int err = notify_deliver(n, ret_left, e);

	if (passing(err)) {
		*ret_left = true;
		e->text[0] = 0;
		return 0;
	}
	if (err >= 0 && *e->text) {
		fprintf(stderr, "abidrift: %s\n", e->text);
		e->text[0] = 0;
	}
	return err;
}

static void bell_silence(int fd)
{
	uint64_t rung;
	ssize_t got = fd >= 0 ? read(fd, &rung, sizeof rung) : 0;

	(void)got;
}

static int farewell(struct notify *n, struct error *e)
{
	int64_t end = now_ms() + FAREWELL_MS;
	bool left = true;
	int err = 0;

	while (err >= 0 && left) {
		err = deliver(n, &left, e);
		if (err < 0 || !left || now_ms() >= end)
			break;
		poll(NULL, 0, FAREWELL_LOOK_MS);
	}
	return err;
}

int messenger_run(struct store *store, const struct messenger_options *options, struct error *e)
{
	struct pollfd fds[] = { { .fd = options->stop_fd, .events = POLLIN }, { .fd = options->bell_fd, .events = POLLIN } };
	struct notify *n = NULL;
	struct error unsaid = ERROR_INIT;
	bool left = true, stop = false;
	int err;

	if (!e)
		e = &unsaid;
	signal(SIGPIPE, SIG_IGN);
	err = notify_new(store, &n, e);
	while (err >= 0 && !stop) {
		bool look = left || store_changed(store) > 0;

		if (look)
			err = deliver(n, &left, e);
		if (err >= 0 && poll(fds, 2, LOOK_MS) < 0 && errno != EINTR)
			err = error_set(e, errno, "poll: %s", strerror(errno));
		if (fds[1].revents) {
			bell_silence(options->bell_fd);
			left = true;
		}
		stop = fds[0].revents != 0;
		fds[0].revents = fds[1].revents = 0;
	}
	if (err >= 0)
		err = farewell(n, e);
	notify_free(n);
	return err;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/store/forward.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>

#include "userspace/base/buffer.h"
#include "userspace/store/sqlite_internal.h"

const char *store_forward_kinds(enum store_forward what)
{
	static const char *const kinds[FORWARD_COUNT] = {
		[FORWARD_BEGIN] = "",
		[FORWARD_COMMIT] = "",
		[FORWARD_ROLLBACK] = "",
		[FORWARD_CHANGED] = "",
		[FORWARD_SINK_BEGIN] = "t",
		[FORWARD_SINK_DROP] = "t",
		[FORWARD_ALERT_DONE] = "tii",
		[FORWARD_ALERT_FAILED] = "tiiit",
		[FORWARD_COUNTER_ADD] = "tti",
		[FORWARD_NOTICE_PUT] = "ttii",
		[FORWARD_NOTICE_TOOK] = "tt",
		[FORWARD_NOTICE_DROP] = "t",
		[FORWARD_MONITOR] = "tTi",
	};

	return (unsigned)what < FORWARD_COUNT ? kinds[what] : NULL;
}

bool store_forwards(const struct store *s)
{
	return s->setup.keeper_fd > 0;
}

/* What is left of a message would be taken for the next one: the keeper is hung up on, and ends; who watches it does too. */
static int channel_lost(int fd, struct error *e)
{
	shutdown(fd, SHUT_RDWR);
	return error_set(e, EPIPE, "the keeper, who writes the store for this process, is gone");
}

static int answer_read(int fd, int64_t *ret_result, struct error *e)
{
	struct buffer room = BUFFER_INIT;
	struct message m;
	int err = message_receive(fd, &room, &m);

	if (err <= 0 || !message_is(&m, FORWARD_ANSWER)) {
		buffer_release(&room);
		return channel_lost(fd, e);
	}
	err = 0;
	if (m.fields[0].number < 0 && m.fields[0].number >= -4095)
		err = error_set(e, (int)-m.fields[0].number, "%s", m.fields[2].text);
	else if (ret_result)
		*ret_result = m.fields[1].number;
	buffer_release(&room);
	return err;
}

int store_forward(struct store *s, const struct message *m, int64_t *ret_result)
{
	int err = message_send(s->setup.keeper_fd, m);

	if (err == -EMSGSIZE || err == -ENOMEM)
		return error_set(&s->error, -err, "store %s: a value is too big to be stored", s->path);
	if (err < 0)
		return channel_lost(s->setup.keeper_fd, &s->error);
	return answer_read(s->setup.keeper_fd, ret_result, &s->error);
}

int store_open_forwarding(const char *url, int fd, struct store **ret, struct error *e)
{
	struct store_setup setup = STORE_SETUP;
	int err = answer_read(fd, NULL, e);

	setup.keeper_fd = fd;
	return err < 0 ? err : store_open_with(url, STORE_READ, &setup, ret, e);
}

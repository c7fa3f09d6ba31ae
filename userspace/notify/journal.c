/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal of this host. libsystemd says "sent" also where no journal listens, and waits where a journal is full; so we look
 * first: connecting tells whether one is there, poll whether it takes more.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "userspace/base/error.h"
#include "userspace/notify/sink.h"
#include "userspace/notify/syslog_message.h"

#define JOURNAL_FOLDER "/run/systemd/journal"
#define JOURNAL_SOCKET JOURNAL_FOLDER "/socket"

/* One id per type of alert, for `journalctl MESSAGE_ID=` and packaging/journal/abidrift.catalog: never change one. */
static const struct {
	const char *type, *id;
} messages[] = {
	{ "drift", "adee847f41ba415b80710207ffac37ab" }, { "resolved", "2dc1954e53ba45939adadec7f0940b73" },
	{ "loss", "76d3121d5ea54eb782070769576913a8" },  { "blind", "1a6e5e3af77f4a83858a5dadf54dde84" },
	{ "store", "3de60373f72f4101afbbc77c3e33e5b6" }, { "twin", "0d2a4c6f5c9e4d3aa1f87d6c93b25e14" },
	{ "test", "69cab376f7934cdea55d0336fc9f53db" },
};

/* 0: a journal takes a message now. -EAGAIN: there is none, or it is full. */
static int journal_ready(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = JOURNAL_SOCKET };
	struct pollfd writable = { .events = POLLOUT };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), ret = -EAGAIN;

	if (fd < 0)
		return -EAGAIN;
	writable.fd = fd;
	if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0 && poll(&writable, 1, 0) == 1 &&
	    writable.revents == POLLOUT)
		ret = 0;
	close(fd);
	return ret;
}

struct journal {
	const struct sink_host *host;
};

/* systemd makes the folder long before a journal listens: alerts of an early boot, or of its restart, wait for it. */
static bool journal_present(void *state)
{
	(void)state;
	return access(JOURNAL_FOLDER, F_OK) == 0;
}

static int journal_load(const struct config *c, void **ret_state, struct error *e)
{
	struct journal *j = calloc(1, sizeof *j);

	(void)c;
	*ret_state = j;
	return j ? 0 : error_set(e, ENOMEM, "out of memory");
}

static int journal_begin(void *state, const struct sink_host *host, struct error *e)
{
	struct journal *j = state;

	(void)e;
	j->host = host;
	return 0;
}

static const char *member(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}

static const char *message_id(const char *type)
{
	for (size_t i = 0; i < sizeof messages / sizeof *messages; i++)
		if (!strcmp(messages[i].type, type))
			return messages[i].id;
	return messages[0].id;
}

static struct sink_answer journal_put(const struct sink_alert *alert)
{
	const json_t *guest = json_object_get(alert->json, "guest");
	const char *name = member(guest, "name"), *uuid = member(guest, "uuid"), *type = member(alert->json, "type");
	const char *who = *name ? name : uuid;
	int err;

	if (journal_ready() < 0)
		return (struct sink_answer){ SINK_LATER, 0, "no journal listens, or it is full" };
	err = sd_journal_send("MESSAGE=%s", member(alert->json, "summary"), "MESSAGE_ID=%s", message_id(type), "PRIORITY=%d",
			      syslog_priority(member(alert->json, "severity")), "SYSLOG_IDENTIFIER=abidrift", "ABIDRIFT_ID=%s",
			      alert->id, "ABIDRIFT_TYPE=%s", type, "ABIDRIFT_GUEST=%s", who, "ABIDRIFT_UUID=%s", uuid,
			      "ABIDRIFT_SEVERITY=%s", member(alert->json, "severity"), "ABIDRIFT_VERDICT=%s", member(alert->json, "verdict"),
			      "ABIDRIFT_CHANGE_SET=%s", member(alert->json, "change_set"), "ABIDRIFT_HOST=%s", member(alert->json, "host"),
			      "ABIDRIFT_ALERT=%s", alert->line, NULL);
	/* What the journal refuses today (no memory, its socket went away) it may take tomorrow; nothing here is our reader's fault. */
	if (err < 0)
		return (struct sink_answer){ SINK_LATER, 0, strerror(-err) };
	return (struct sink_answer){ SINK_DELIVERED, 0, "the journal took it" };
}

static void journal_deliver(void *state, const struct sink_alert *alert)
{
	struct journal *j = state;
	struct sink_answer answer = journal_put(alert);

	j->host->answered(j->host->context, sink_journal.name, alert->row, &answer);
}

const struct sink_kind sink_journal = {
	.name = "journal",
	.window = 1,
	.load = journal_load,
	.present = journal_present,
	.begin = journal_begin,
	.deliver = journal_deliver,
	.release = free,
};

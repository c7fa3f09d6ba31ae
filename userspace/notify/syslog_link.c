/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/notify/syslog_link.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "userspace/base/error.h"
#include "userspace/base/text.h"
#include "userspace/notify/lookup.h"
#include "userspace/notify/syslog_tls.h"

/* For the look-up, for each address, and for the handshake: what does not answer by then is away. */
#define STEP_US (5 * 1000 * 1000)
/* What a dead host or network left unacknowledged for so long is a broken connection. */
#define UNACKNOWLEDGED_MS 20000

enum state { CLOSED, LOOKING_UP, CONNECTING, HANDSHAKE, OPEN };

struct syslog_link {
	char *name; /* as configured */
	char *host, *port; /* NULL: Unix */
	char *path;
	struct syslog_tls *tls; /* NULL: none */
	sd_event *loop;
	struct syslog_link_events events;
	enum state state;
	struct lookup *lookup;
	struct addrinfo *addresses; /* of the look-up, and the one in use */
	const struct addrinfo *address;
	int fd;
	bool datagram;
	uint64_t sent; /* without TLS */
	sd_event_source *io, *timer;
	char why[256]; /* of the address that failed last */
};

/* ---- the address */

static int address_wrong(const char *address, struct error *e)
{
	return error_set(e, EINVAL, "syslog.address is \"%.120s\", but has to be tls:HOST:PORT, tcp:HOST:PORT or unix:PATH", address);
}

static int host_parse(struct syslog_link *l, const char *rest, struct error *e)
{
	const char *colon = strrchr(rest, ':');
	size_t length = colon ? (size_t)(colon - rest) : 0;
	uint64_t port;

	if (!length || text_u64(colon + 1, &port) < 0 || !port || port > UINT16_MAX)
		return address_wrong(l->name, e);
	/* [::1]:6514; without brackets nobody knows where the port begins. */
	if (rest[0] == '[' && rest[length - 1] == ']') {
		rest++;
		length -= 2;
	} else if (memchr(rest, ':', length)) {
		return address_wrong(l->name, e);
	}
	l->host = strndup(rest, length);
	if (!l->host || asprintf(&l->port, "%u", (unsigned)port) < 0) {
		l->port = NULL;
		return error_set(e, ENOMEM, "out of memory");
	}
	return length ? 0 : address_wrong(l->name, e);
}

static int address_parse(struct syslog_link *l, struct error *e)
{
	struct sockaddr_un un;

	if (!strncmp(l->name, "tls:", 4) || !strncmp(l->name, "tcp:", 4))
		return host_parse(l, l->name + 4, e);
	if (strncmp(l->name, "unix:/", 6))
		return address_wrong(l->name, e);
	if (strlen(l->name + 5) >= sizeof un.sun_path)
		return error_set(e, EINVAL, "syslog.address: the path of a Unix socket has at most %zu bytes", sizeof un.sun_path - 1);
	l->path = strdup(l->name + 5);
	return l->path ? 0 : error_set(e, ENOMEM, "out of memory");
}

int syslog_link_new(const struct syslog_peer *peer, struct syslog_link **ret, struct error *e)
{
	struct syslog_link *l = calloc(1, sizeof *l);
	int err;

	if (!l)
		return error_set(e, ENOMEM, "out of memory");
	l->fd = -1;
	l->name = strdup(peer->address);
	err = l->name ? address_parse(l, e) : error_set(e, ENOMEM, "out of memory");
	if (err >= 0 && !strncmp(l->name, "tls:", 4))
		err = syslog_tls_new(l->host, peer->ca_file, peer->cert_file, peer->key_file, &l->tls, e);
	if (err < 0) {
		syslog_link_free(l);
		return err;
	}
	*ret = l;
	return 0;
}

void syslog_link_begin(struct syslog_link *l, sd_event *loop, const struct syslog_link_events *events)
{
	l->loop = loop;
	l->events = *events;
}

const char *syslog_link_name(const struct syslog_link *l)
{
	return l->name;
}

/* ---- closing */

static void socket_drop(struct syslog_link *l)
{
	l->io = sd_event_source_disable_unref(l->io);
	l->timer = sd_event_source_disable_unref(l->timer);
	syslog_tls_end(l->tls);
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}

static void link_close(struct syslog_link *l)
{
	socket_drop(l);
	lookup_cancel(l->lookup);
	l->lookup = NULL;
	if (l->addresses)
		freeaddrinfo(l->addresses);
	l->addresses = NULL;
	l->address = NULL;
	l->state = CLOSED;
	l->sent = 0;
}

void syslog_link_free(struct syslog_link *l)
{
	if (!l)
		return;
	link_close(l);
	syslog_tls_free(l->tls);
	free(l->name);
	free(l->host);
	free(l->port);
	free(l->path);
	free(l);
}

void syslog_link_break(struct syslog_link *l, const char *why)
{
	char line[sizeof l->why + 128];

	snprintf(line, sizeof line, "%.120s: %s", l->name, why);
	link_close(l);
	l->events.broke(l->events.context, line);
}

/* ---- opening */

static void addresses_try(struct syslog_link *l);

static void opened(struct syslog_link *l)
{
	l->timer = sd_event_source_disable_unref(l->timer);
	l->state = OPEN;
	l->events.moved(l->events.context);
}

static void watch(struct syslog_link *l, uint32_t events)
{
	if (l->io)
		sd_event_source_set_io_events(l->io, events);
}

static void handshake_go_on(struct syslog_link *l)
{
	char why[sizeof l->why];
	uint32_t want = 0;
	int err = syslog_tls_handshake(l->tls, &want, why, sizeof why);

	if (err == -EAGAIN)
		watch(l, want);
	else if (err < 0)
		syslog_link_break(l, why); /* another address of this name is the same peer: it would fail there too */
	else
		opened(l);
}

static void connected(struct syslog_link *l)
{
	char why[sizeof l->why];

	watch(l, EPOLLIN);
	if (!l->tls) {
		opened(l);
		return;
	}
	l->state = HANDSHAKE;
	if (syslog_tls_begin(l->tls, l->fd, why, sizeof why) < 0)
		syslog_link_break(l, why);
	else
		handshake_go_on(l);
}

/* The next address, if there is one. */
static void address_failed(struct syslog_link *l, const char *why)
{
	snprintf(l->why, sizeof l->why, "%s", why);
	socket_drop(l);
	l->address = l->address->ai_next;
	addresses_try(l);
}

static void connect_ended(struct syslog_link *l)
{
	int err = 0;
	socklen_t size = sizeof err;

	if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &err, &size) < 0)
		err = errno;
	if (err)
		address_failed(l, strerror(err));
	else
		connected(l);
}

static int on_socket(sd_event_source *source, int fd, uint32_t events, void *context)
{
	struct syslog_link *l = context;

	(void)source, (void)fd, (void)events;
	if (l->state == CONNECTING) {
		connect_ended(l);
	} else if (l->state == HANDSHAKE) {
		handshake_go_on(l);
	} else if (l->state == OPEN && syslog_link_alive(l)) {
		watch(l, EPOLLIN);
		l->events.moved(l->events.context);
	}
	return 0;
}

static int on_step_over(sd_event_source *source, uint64_t usec, void *context)
{
	struct syslog_link *l = context;

	(void)source, (void)usec;
	if (l->state == CONNECTING && l->address)
		address_failed(l, strerror(ETIMEDOUT));
	else
		syslog_link_break(l, l->state == LOOKING_UP ? "looking up its name took too long" : "it does not answer");
	return 0;
}

static int step_begin(struct syslog_link *l)
{
	l->timer = sd_event_source_disable_unref(l->timer);
	return sd_event_add_time_relative(l->loop, &l->timer, CLOCK_MONOTONIC, STEP_US, 0, on_step_over, l);
}

static int socket_watch(struct syslog_link *l, uint32_t events)
{
	int err = sd_event_add_io(l->loop, &l->io, l->fd, events, on_socket, l);

	return err < 0 ? err : step_begin(l);
}

static int address_connect(struct syslog_link *l, const struct addrinfo *to)
{
	static const int on = 1, patience = UNACKNOWLEDGED_MS;

	l->fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0)
		return -errno;
	setsockopt(l->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(l->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience, sizeof patience);
	if (connect(l->fd, to->ai_addr, to->ai_addrlen) < 0 && errno != EINPROGRESS)
		return -errno;
	return socket_watch(l, EPOLLOUT);
}

static void addresses_try(struct syslog_link *l)
{
	l->state = CONNECTING;
	for (; l->address; l->address = l->address->ai_next) {
		int err = address_connect(l, l->address);

		if (err >= 0)
			return;
		snprintf(l->why, sizeof l->why, "%s", strerror(-err));
		socket_drop(l);
	}
	syslog_link_break(l, l->why);
}

static void looked_up(void *context, int err, struct addrinfo *list)
{
	struct syslog_link *l = context;

	l->lookup = NULL;
	if (err || !list) {
		syslog_link_break(l, err ? gai_strerror(err) : "its name has no address");
		return;
	}
	l->addresses = list;
	l->address = list;
	addresses_try(l);
}

/* A datagram socket as /dev/log is, else a stream. */
static int unix_connect(struct syslog_link *l, int type)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	memcpy(to.sun_path, l->path, strlen(l->path));
	l->datagram = type == SOCK_DGRAM;
	l->fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0 || connect(l->fd, (const struct sockaddr *)&to, sizeof to) < 0)
		return -errno;
	return socket_watch(l, EPOLLIN);
}

static void unix_open(struct syslog_link *l)
{
	int err = unix_connect(l, SOCK_DGRAM);

	if (err == -EPROTOTYPE) {
		socket_drop(l);
		err = unix_connect(l, SOCK_STREAM);
	}
	if (err < 0)
		syslog_link_break(l, strerror(-err));
	else
		opened(l);
}

void syslog_link_open(struct syslog_link *l)
{
	int err;

	if (l->state != CLOSED)
		return;
	if (l->path) {
		unix_open(l);
		return;
	}
	l->state = LOOKING_UP;
	err = step_begin(l);
	if (err >= 0)
		err = lookup_begin(l->loop, l->host, l->port, looked_up, l, &l->lookup);
	if (err < 0)
		syslog_link_break(l, strerror(-err));
}

/* ---- open */

bool syslog_link_is_open(const struct syslog_link *l)
{
	return l->state == OPEN;
}

enum syslog_framing syslog_link_framing(const struct syslog_link *l)
{
	return !l->path ? SYSLOG_COUNTED : l->datagram ? SYSLOG_SINGLE : SYSLOG_LINES;
}

static ssize_t plain_write(struct syslog_link *l, const void *data, size_t size, char *why, size_t room)
{
	ssize_t put = send(l->fd, data, size, MSG_NOSIGNAL);

	if (put >= 0) {
		l->sent += (uint64_t)put;
		return put;
	}
	if (errno == EAGAIN || errno == EINTR)
		return -EAGAIN;
	snprintf(why, room, "%s", strerror(errno));
	return -EIO;
}

size_t syslog_link_write(struct syslog_link *l, const void *data, size_t size)
{
	char why[sizeof l->why];
	uint32_t want = EPOLLOUT;
	ssize_t put;

	if (l->state != OPEN)
		return 0;
	put = l->tls ? syslog_tls_write(l->tls, data, size, &want, why, sizeof why) : plain_write(l, data, size, why, sizeof why);
	if (put >= 0)
		return (size_t)put;
	if (put == -EAGAIN)
		watch(l, EPOLLIN | want);
	else
		syslog_link_break(l, why);
	return 0;
}

uint64_t syslog_link_sent(const struct syslog_link *l)
{
	return l->tls ? syslog_tls_sent(l->tls) : l->sent;
}

uint64_t syslog_link_acknowledged(const struct syslog_link *l)
{
	uint64_t sent = syslog_link_sent(l);
	int waiting = 0;

	if (l->datagram)
		return sent;
	/* A Unix stream's are counted with what the kernel needs to keep them; that only makes us wait until the last was read. */
	if (ioctl(l->fd, SIOCOUTQ, &waiting) < 0 || waiting < 0 || (uint64_t)waiting > sent)
		return 0;
	return sent - (uint64_t)waiting;
}

/* -EAGAIN: nothing more came, and it is open. What a receiver says means nothing here. */
static int plain_hear(struct syslog_link *l, char *why, size_t room)
{
	char rest[512];
	ssize_t got = recv(l->fd, rest, sizeof rest, MSG_DONTWAIT);

	if (got > 0 || (got < 0 && errno == EINTR))
		return 0;
	if (got < 0 && errno == EAGAIN)
		return -EAGAIN;
	snprintf(why, room, "%s", got ? strerror(errno) : "it closed the connection");
	return -EIO;
}

/* One that talks and talks is heard again later. */
#define HEAR_MAX 64

bool syslog_link_alive(struct syslog_link *l)
{
	char why[sizeof l->why];

	for (int i = 0; l->state == OPEN && i < HEAR_MAX; i++) {
		int err = l->tls ? syslog_tls_hear(l->tls, why, sizeof why) : plain_hear(l, why, sizeof why);

		if (err == -EAGAIN)
			return true;
		if (err < 0)
			syslog_link_break(l, why);
	}
	return l->state == OPEN;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/serve/http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "userspace/base/config.h"
#include "userspace/base/error.h"
#include "userspace/base/http_text.h"
#include "userspace/serve/http_internal.h"
#include "userspace/serve/http_listen.h"
#include "userspace/store/store.h"

/* Headers of one request; MHD answers 431 to more. */
#define REQUEST_MEMORY (32 << 10)
/* At once, before those that are here get their turn. */
#define ACCEPTS 16
/* No descriptor or no memory is left for another client: those that are here go first. */
#define PAUSE_MS 100
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- called by MHD */

static struct http_client *client_of(struct http *h, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	return info ? http_clients_find(&h->clients, info->connect_fd) : NULL;
}

static void connection_changed(void *context, struct MHD_Connection *connection, void **socket_context, enum MHD_ConnectionNotificationCode code)
{
	struct http *h = context;
	struct http_client *client = code == MHD_CONNECTION_NOTIFY_STARTED ? client_of(h, connection) : *socket_context;

	*socket_context = client;
	if (code != MHD_CONNECTION_NOTIFY_CLOSED || !client)
		return;
	http_clients_remove(&h->clients, client);
	*socket_context = NULL;
}

static struct http_client *client_known(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

/* The request's first line has come. It is kept as it stands: MHD would decode it to where a NUL hides the rest. */
static void *target_came(void *context, const char *target, struct MHD_Connection *connection)
{
	struct http_client *client = client_known(connection);

	(void)context;
	if (!client)
		return NULL;
	free(client->target);
	client->target_too_long = strlen(target) > HTTP_TARGET_MAX;
	client->target = client->target_too_long ? NULL : strdup(target);
	return NULL;
}

/* Nobody reads what MHD would make of it. */
static size_t leave_escaped(void *context, struct MHD_Connection *connection, char *text)
{
	(void)context, (void)connection;
	return strlen(text);
}

static bool has_body(struct MHD_Connection *connection)
{
	const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Length");

	return (length && strcmp(length, "0")) || MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Transfer-Encoding");
}

static enum MHD_Result request_came(void *context, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
				    const char *body, size_t *body_size, void **seen)
{
	struct http *h = context;
	struct http_client *client = client_known(connection);
	enum MHD_Result done;
	int64_t began;

	(void)url, (void)version, (void)body;
	if (!client || *body_size)
		return MHD_NO;
	if (!*seen) {
		*seen = client;
		http_client_turn(&h->clients, client, true, now_ms());
		return has_body(connection) ? http_request_refuse_body(h, connection, method) : MHD_YES;
	}
	began = now_ms();
	done = http_request_answer(h, connection, client, method);
	h->spent_ms += now_ms() - began;
	return done;
}

static void request_ended(void *context, struct MHD_Connection *connection, void **seen, enum MHD_RequestTerminationCode code)
{
	struct http *h = context;
	struct http_client *client = client_known(connection);

	(void)code;
	*seen = NULL;
	if (!client)
		return;
	free(client->target);
	client->target = NULL;
	http_client_turn(&h->clients, client, false, now_ms());
}

/* ---- called by the loop */

static void timer_set(struct http *h)
{
	int64_t due = http_clients_due(&h->clients), now = now_ms();
	MHD_UNSIGNED_LONG_LONG wish;

	if (MHD_get_timeout(h->daemon, &wish) == MHD_YES && (int64_t)wish < due - now)
		due = now + (int64_t)wish;
	if (http_clients_held_back(&h->clients))
		due = now;
	if (sd_event_source_get_enabled(h->listening, NULL) == 0 && now + PAUSE_MS < due)
		due = now + PAUSE_MS;
	if (due == INT64_MAX) {
		sd_event_source_set_enabled(h->timer, SD_EVENT_OFF);
		return;
	}
	sd_event_source_set_time(h->timer, (uint64_t)(due < 0 ? 0 : due) * 1000);
	sd_event_source_set_enabled(h->timer, SD_EVENT_ONESHOT);
}

/* A new turn, which begins with who waits longest; those whose end has come are let go at once. */
static void resume(struct http *h, bool all)
{
	struct http_client *first = http_clients_held_back(&h->clients);

	for (size_t i = 0; i < h->clients.count; i++) {
		struct http_client *c = h->clients.items[i];

		if (!c->held_back || !(all || c == first || c->doomed))
			continue;
		MHD_resume_connection(c->held_back);
		c->held_back = NULL;
		c->resumed = true;
	}
	h->spent_ms = 0;
}

static void pump(struct http *h)
{
	resume(h, false);
	MHD_run(h->daemon);
	if (http_clients_expire(&h->clients, now_ms()))
		MHD_run(h->daemon);
	timer_set(h);
}

static int work_came(sd_event_source *source, int fd, uint32_t events, void *context)
{
	(void)source, (void)fd, (void)events;
	pump(context);
	return 0;
}

static int time_came(sd_event_source *source, uint64_t usec, void *context)
{
	struct http *h = context;

	(void)source, (void)usec;
	sd_event_source_set_enabled(h->listening, SD_EVENT_ON);
	pump(h);
	return 0;
}

static void take_in(struct http *h, int fd, const struct sockaddr *address, socklen_t size)
{
	struct http_peer peer = http_peer_of(fd, address);
	struct http_client *client;

	/* Who has sent its request already does not wait for one any more: that is to be known before it is said who goes. */
	if (http_clients_full(&h->clients, &peer)) {
		MHD_run(h->daemon);
		if (http_clients_make_room(&h->clients, &peer))
			MHD_run(h->daemon);
	}
	client = http_clients_add(&h->clients, fd, &peer, now_ms());
	if (!client) {
		close(fd);
		return;
	}
	/* It closes fd where it fails, and then has told nobody. */
	if (MHD_add_connection(h->daemon, fd, address, size) != MHD_YES && http_clients_find(&h->clients, fd) == client)
		http_clients_remove(&h->clients, client);
}

static int client_came(sd_event_source *source, int listen_fd, uint32_t events, void *context)
{
	struct http *h = context;

	(void)events;
	for (int i = 0; i < ACCEPTS; i++) {
		struct sockaddr_storage address = { 0 };
		socklen_t size = sizeof address;
		int fd = accept4(listen_fd, (struct sockaddr *)&address, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			take_in(h, fd, (const struct sockaddr *)&address, size);
			continue;
		}
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			sd_event_source_set_enabled(source, SD_EVENT_OFF);
		break;
	}
	pump(h);
	return 0;
}

/* ---- from beginning to end */

int http_load(const struct config *c, const struct http_listener *listener, struct http **ret, struct error *e)
{
	struct http *h = calloc(1, sizeof *h);
	int err;

	if (!h)
		return error_set(e, ENOMEM, "out of memory");
	h->tcp = listener->tcp;
	h->listen_fd = listener->fd;
	h->names = strdup(config_get(c, "serve.host"));
	err = h->names ? http_secrets_load(c, listener->tcp, &h->secrets, e) : error_set(e, ENOMEM, "out of memory");
	if (err < 0) {
		http_free(h);
		return err;
	}
	*ret = h;
	return 0;
}

static int daemon_start(struct http *h, struct error *e)
{
	struct MHD_OptionItem tls[] = {
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, h->secrets.key },
		{ MHD_OPTION_HTTPS_MEM_CERT, 0, h->secrets.cert },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)TLS_PRIORITIES },
		{ h->secrets.client_ca ? MHD_OPTION_HTTPS_MEM_TRUST : MHD_OPTION_END, 0, h->secrets.client_ca },
		{ MHD_OPTION_END, 0, NULL },
	};
	struct MHD_OptionItem none[] = { { MHD_OPTION_END, 0, NULL } };
	unsigned flags = MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | (h->secrets.cert ? MHD_USE_TLS : 0);

	h->daemon = MHD_start_daemon(flags, 0, NULL, NULL, request_came, h, MHD_OPTION_NOTIFY_CONNECTION, connection_changed, h,
				     MHD_OPTION_URI_LOG_CALLBACK, target_came, h, MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, h,
				     MHD_OPTION_NOTIFY_COMPLETED, request_ended, h, MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTP_CLIENTS_ROOM,
				     MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_MEMORY, MHD_OPTION_STRICT_FOR_CLIENT, 1,
				     MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_ARRAY, h->secrets.cert ? tls : none, MHD_OPTION_END);
	return h->daemon ? 0 : error_set(e, EIO, "HTTP cannot be served: libmicrohttpd does not start%s", h->secrets.cert ? " (has it TLS?)" : "");
}

int http_begin(struct http *h, const char *store_url, const struct suppressions *rules, sd_event *loop, struct error *e)
{
	const union MHD_DaemonInfo *info;
	int err;

	if (h->listen_fd < 0)
		return 0;
	h->rules = rules;
	h->store_url = strdup(store_url);
	err = h->store_url ? daemon_start(h, e) : error_set(e, ENOMEM, "out of memory");
	if (err < 0)
		return err;
	info = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	/* All of the same priority as those that send alerts: the loop takes turns, and neither starves. */
	err = info ? sd_event_add_io(loop, &h->working, info->epoll_fd, EPOLLIN, work_came, h) : -ENOSYS;
	if (err >= 0)
		err = sd_event_add_io(loop, &h->listening, h->listen_fd, EPOLLIN, client_came, h);
	if (err >= 0)
		err = sd_event_add_time(loop, &h->timer, CLOCK_MONOTONIC, 0, 1000, time_came, h);
	if (err < 0)
		return error_set(e, -err, "HTTP: event loop: %s", strerror(-err));
	return 0;
}

void http_end(struct http *h)
{
	if (!h)
		return;
	h->working = sd_event_source_disable_unref(h->working);
	h->listening = sd_event_source_disable_unref(h->listening);
	h->timer = sd_event_source_disable_unref(h->timer);
	if (h->daemon) {
		resume(h, true); /* it ends none that is held back */
		MHD_stop_daemon(h->daemon);
	}
	h->daemon = NULL;
	while (h->clients.count)
		http_clients_remove(&h->clients, h->clients.items[0]);
	http_cache_clear(&h->cache);
}

void http_free(struct http *h)
{
	if (!h)
		return;
	http_end(h);
	http_secrets_release(&h->secrets);
	store_close(h->store);
	free(h->store_url);
	free(h->names);
	free(h);
}

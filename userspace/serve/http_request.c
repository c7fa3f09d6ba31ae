/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

#include "userspace/base/error.h"
#include "userspace/base/http_text.h"
#include "userspace/serve/http_internal.h"
#include "userspace/serve/http_routes.h"
#include "userspace/store/store.h"

#define HOST_MAX 256
/* Of a store that does not open. */
#define SLOW_MS 100
#define AGAIN_MS 2000

static int64_t clock_ns(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static const char *header(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

/* ---- errors */

#define MORE(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* more: headers that it has beside those of every answer, name and value by turns; NULL: none. */
static enum MHD_Result send_error(struct http *h, struct MHD_Connection *connection, unsigned status, const char *text, const char *const *more)
{
	struct http_answer answer = HTTP_ANSWER_INIT;
	struct http_reply reply = { 0 };
	enum MHD_Result done = MHD_NO;

	http_answer_error(&answer, status, text);
	if (http_reply_make(&h->cache, &answer, &reply) >= 0)
		done = MHD_YES;
	for (; more && *more && done == MHD_YES; more += 2)
		done = MHD_add_response_header(reply.plain, more[0], more[1]);
	if (done == MHD_YES)
		done = MHD_queue_response(connection, status, reply.plain);
	http_reply_release(&reply);
	buffer_release(&answer.body);
	return done;
}

static bool method_good(const char *method)
{
	return !strcmp(method, MHD_HTTP_METHOD_GET) || !strcmp(method, MHD_HTTP_METHOD_HEAD);
}

static enum MHD_Result refuse_method(struct http *h, struct MHD_Connection *connection)
{
	return send_error(h, connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD: nothing is changed over HTTP", MORE("Allow", "GET, HEAD"));
}

enum MHD_Result http_request_refuse_body(struct http *h, struct MHD_Connection *connection, const char *method)
{
	if (!method_good(method))
		return refuse_method(h, connection);
	return send_error(h, connection, MHD_HTTP_CONTENT_TOO_LARGE, "a request has no body here", MORE("Connection", "close"));
}

/* ---- may it ask? */

/* The address that this client reached us at. */
static bool own_address(const struct http_client *client, const char *name)
{
	struct sockaddr_storage address = { 0 };
	socklen_t size = sizeof address;
	char text[64] = "";

	return getsockname(client->fd, (struct sockaddr *)&address, &size) == 0 &&
	       !getnameinfo((const struct sockaddr *)&address, size, text, sizeof text, NULL, 0, NI_NUMERICHOST) && !strcasecmp(text, name);
}

static bool listed(const char *names, const char *name)
{
	for (const char *p = names + strspn(names, " "); *p; p += strspn(p, " ")) {
		size_t length = strcspn(p, " ");

		if (strlen(name) == length && !strncasecmp(p, name, length))
			return true;
		p += length;
	}
	return false;
}

/* A page of somebody else whose name was made to point here must not read this host's guests through its visitor's browser. */
static bool host_good(const struct http *h, struct MHD_Connection *connection, const struct http_client *client)
{
	static const char *const ours[] = { "localhost", "127.0.0.1", "::1" };
	const char *value = header(connection, "Host");
	char name[HOST_MAX];

	if (!h->tcp)
		return true;
	if (!value || http_host_name(value, name, sizeof name) < 0)
		return false;
	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
		if (!strcasecmp(name, ours[i]))
			return true;
	return listed(h->names, name) || own_address(client, name);
}

static enum MHD_Result host_count(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
	unsigned *count = context;

	(void)kind, (void)value;
	*count += !strcasecmp(name, "Host");
	return MHD_YES;
}

/* Of two, a proxy before us may have looked at the one that we do not look at (RFC 9112, 3.2). */
static bool host_twice(struct MHD_Connection *connection)
{
	unsigned count = 0;

	MHD_get_connection_values(connection, MHD_HEADER_KIND, host_count, &count);
	return count > 1;
}

static bool says(struct MHD_Connection *connection, const char *name, const char *wanted)
{
	const char *value = header(connection, name);

	return value && !strcmp(value, wanted);
}

/*
 * Asked by a page of another site, in its visitor's browser (W3C Fetch Metadata; what is no browser sends none of it). It is not given the answer, but
 * an image of it could have archives put together all the time. A link to the page is followed from anywhere, and to all else where somebody clicked on it.
 */
static bool from_elsewhere(struct MHD_Connection *connection, const struct http_client *client)
{
	if (!header(connection, "Sec-Fetch-Site") || says(connection, "Sec-Fetch-Site", "same-origin") || says(connection, "Sec-Fetch-Site", "none"))
		return false;
	if (!says(connection, "Sec-Fetch-Mode", "navigate") || !says(connection, "Sec-Fetch-Dest", "document"))
		return true;
	return !says(connection, "Sec-Fetch-User", "?1") && (!client->target || strcmp(client->target, "/"));
}

static bool certificate_good(const struct http *h, struct MHD_Connection *connection, struct http_client *client)
{
	const union MHD_ConnectionInfo *info;

	if (!h->secrets.client_ca)
		return true;
	if (!client->known) {
		info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
		client->trusted = info && http_secrets_certificate(info->tls_session);
		client->known = true;
	}
	return client->trusted;
}

/* ---- answers */

static int64_t now_ms(void)
{
	return clock_ns(CLOCK_MONOTONIC) / 1000000;
}

/* A store that somebody keeps locked is waited for, and alerts wait meanwhile: that is not asked for at every request. */
static struct store *store_again(struct http *h, struct error *e)
{
	int64_t began = now_ms();

	if (began < h->again_ms) {
		*e = h->failure;
		return NULL;
	}
	if (store_open(h->store_url, STORE_READ, &h->store, e) >= 0)
		return h->store;
	h->store = NULL;
	h->failure = *e;
	if (now_ms() - began > SLOW_MS)
		h->again_ms = now_ms() + AGAIN_MS;
	return NULL;
}

/* Sees what others wrote since; what was kept is then of no use. NULL with e: it cannot be read. */
static struct store *reader(struct http *h, struct error *e)
{
	int changed = h->store ? store_changed(h->store) : -1;

	if (changed)
		http_cache_clear(&h->cache);
	if (changed >= 0)
		return h->store;
	store_close(h->store);
	h->store = NULL;
	return store_again(h, e);
}

struct tag_search {
	const char *tag;
	bool found;
};

static enum MHD_Result tag_look(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct tag_search *search = context;

	(void)kind;
	search->found = search->found || (!strcasecmp(name, "If-None-Match") && http_tag_matches(value, search->tag));
	return MHD_YES;
}

/* Several headers of a name are one list. */
static bool not_modified(struct MHD_Connection *connection, const struct http_reply *reply)
{
	struct tag_search search = { .tag = reply->tag };

	if (*reply->tag)
		MHD_get_connection_values(connection, MHD_HEADER_KIND, tag_look, &search);
	return search.found;
}

static enum MHD_Result send_reply(struct http *h, struct MHD_Connection *connection, struct http_client *client, struct http_reply *reply)
{
	bool packed = http_wants_gzip(header(connection, "Accept-Encoding"));
	unsigned status = not_modified(connection, reply) ? MHD_HTTP_NOT_MODIFIED : reply->status;
	struct MHD_Response *response;

	if (packed)
		http_reply_pack(&h->cache, reply);
	packed = packed && reply->packed;
	response = packed ? reply->packed : reply->plain;
	http_client_sent(&h->clients, client, response, packed ? reply->packed_bytes : reply->bytes);
	return MHD_queue_response(connection, status, response);
}

static enum MHD_Result send_new(struct http *h, struct MHD_Connection *connection, struct http_client *client, const struct http_route *route,
				const struct http_target *t, const struct http_source *source, const char *key)
{
	struct http_answer answer = HTTP_ANSWER_INIT;
	struct http_reply made = { 0 }, *reply = &made;
	enum MHD_Result done;
	int err;

	err = http_route_answer(route, source, t, header(connection, "Accept"), &answer);
	if (err >= 0)
		err = http_reply_make(&h->cache, &answer, &made);
	buffer_release(&answer.body);
	if (err < 0)
		return send_error(h, connection, MHD_HTTP_SERVICE_UNAVAILABLE,
				  err == -ENOBUFS ? "clients that read slowly hold all memory that there is for answers; try again" : "out of memory",
				  MORE("Retry-After", "10"));
	if (key && made.status == MHD_HTTP_OK)
		reply = http_cache_put(&h->cache, key, now_ms() + route->keep_ms, &made);
	if (!reply)
		reply = &made;
	done = send_reply(h, connection, client, reply);
	http_reply_release(&made);
	return done;
}

/* Texts hold any byte: their lengths tell where they end. */
static void key_add(struct buffer *key, char kind, const char *text)
{
	buffer_printf(key, "%c%zu:%s", kind, strlen(text), text);
}

/* However it was written: who varies that must not have everything reckoned anew. */
static char *key_make(const struct http_route *route, const struct http_target *t, const char *accept)
{
	struct buffer key = BUFFER_INIT;

	buffer_printf(&key, "%u", http_route_variant(route, accept));
	for (size_t i = 0; i < t->part_count; i++)
		key_add(&key, '/', t->parts[i]);
	for (size_t i = 0; i < t->arg_count; i++) {
		key_add(&key, '?', t->args[i].name);
		key_add(&key, '=', t->args[i].value);
	}
	return buffer_take(&key, NULL);
}

/* Alerts and what is ready go before more answers that have to be put together; these come in the order of their requests. */
static bool hold_back(struct http *h, struct MHD_Connection *connection, struct http_client *client)
{
	if (client->doomed)
		return true;
	if (client->resumed || (h->spent_ms < HTTP_TURN_MS && !http_clients_held_back(&h->clients)))
		return false;
	MHD_suspend_connection(connection);
	client->held_back = connection;
	return true;
}

static enum MHD_Result send_route(struct http *h, struct MHD_Connection *connection, struct http_client *client, const struct http_route *route,
				  const struct http_target *t)
{
	struct http_source source = { .now = clock_ns(CLOCK_REALTIME) };
	char *key = route->keep_ms ? key_make(route, t, header(connection, "Accept")) : NULL;
	struct error e = ERROR_INIT;
	struct http_reply *kept = NULL;
	enum MHD_Result done;

	source.store = route->bare ? NULL : reader(h, &e);
	source.why = e.text;
	source.rules = (struct api_rules){ .suppress = h->rules, .at = source.now };
	if (key && (source.store || route->bare))
		kept = http_cache_get(&h->cache, key, now_ms());
	if (!kept && !route->bare && hold_back(h, connection, client)) {
		free(key);
		return client->doomed ? MHD_NO : MHD_YES;
	}
	done = kept ? send_reply(h, connection, client, kept) : send_new(h, connection, client, route, t, &source, key);
	free(key);
	return done;
}

static enum MHD_Result send_target(struct http *h, struct MHD_Connection *connection, struct http_client *client, const char *target)
{
	struct http_target t = { 0 };
	const struct http_route *route;
	enum MHD_Result done;

	if (http_target_parse(target, &t) < 0)
		return send_error(h, connection, MHD_HTTP_BAD_REQUEST, "the request target is no path that could be asked for", NULL);
	route = http_route_find(&t);
	done = route ? send_route(h, connection, client, route, &t)
		     : send_error(h, connection, MHD_HTTP_NOT_FOUND, "there is nothing at this path (docs/interface.md lists what there is)", NULL);
	http_target_release(&t);
	return done;
}

enum MHD_Result http_request_answer(struct http *h, struct MHD_Connection *connection, struct http_client *client, const char *method)
{
	if (!method_good(method))
		return refuse_method(h, connection);
	if (host_twice(connection))
		return send_error(h, connection, MHD_HTTP_BAD_REQUEST, "there are two Host headers", NULL);
	if (!host_good(h, connection, client))
		return send_error(h, connection, MHD_HTTP_MISDIRECTED_REQUEST, "this is not served under that name (serve.host names those that it is)", NULL);
	if (from_elsewhere(connection, client))
		return send_error(h, connection, MHD_HTTP_FORBIDDEN, "a page of another site asked for this; open it by its address, or go there from /", NULL);
	if (!certificate_good(h, connection, client))
		return send_error(h, connection, MHD_HTTP_FORBIDDEN, "a client certificate is needed (serve.tls_client_ca)", NULL);
	if (h->secrets.token_count && !http_secrets_allow(&h->secrets, header(connection, "Authorization")))
		return send_error(h, connection, MHD_HTTP_UNAUTHORIZED,
				  "a token is needed: Authorization: Bearer TOKEN, or as the password of any user (serve.token_file)",
				  MORE("WWW-Authenticate", "Bearer realm=\"abidrift\"", "WWW-Authenticate", "Basic realm=\"abidrift\", charset=\"UTF-8\""));
	if (client->target_too_long)
		return send_error(h, connection, MHD_HTTP_URI_TOO_LONG, "the request target is too long", NULL);
	return send_target(h, connection, client, client->target ? client->target : "");
}

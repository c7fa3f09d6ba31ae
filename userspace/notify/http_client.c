/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl's multi interface says which sockets and which time it waits for; the loop does the waiting. Nothing here blocks: names
 * are resolved in a thread of libcurl's, which is left alone where it does not end in time (CURLOPT_QUICK_EXIT).
 */
#include "userspace/notify/http_client.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "userspace/base/config.h"
#include "userspace/base/error.h"
#include "userspace/notify/kept_file.h"

/* Nobody who answers an alert has more to say in headers; libcurl itself keeps each of them for as long as they come. */
#define HEADERS_MAX (64 << 10)
/* Idle connections that are kept for the next request. */
#define CONNECTIONS_KEPT 8
#define USER_AGENT "abidrift/" ABIDRIFT_VERSION

struct http_tls {
	struct kept_file *ca, *cert, *key;
};

struct http_client {
	sd_event *loop;
	sd_event_source *timer;
	CURLM *multi;
	struct http_call *calls;
};

struct http_call {
	struct http_client *client;
	struct http_call *next, **link; /* in the client's list */
	CURL *easy;
	struct curl_slist *headers;
	void (*done)(void *context, const struct http_reply *reply);
	void *context;
	char error[CURL_ERROR_SIZE];
	char body[HTTP_BODY_MAX + 1];
	size_t bytes, header_bytes;
	bool cut; /* the answer was longer than anybody wants: we ended it */
	bool headers_cut; /* so were its headers: it is none */
	int unheard;      /* -errno: its socket cannot be waited for */
};

/* ---- files */

static int file_load(const struct config *c, const char *section, const char *name, struct kept_file **ret, struct error *e)
{
	struct error why = ERROR_INIT;
	const char *path;
	char key[64];

	snprintf(key, sizeof key, "%s.%s", section, name);
	path = config_get(c, key);
	if (!path || !*path)
		return 0;
	return kept_file_load(path, ret, &why) < 0 ? error_set(e, EINVAL, "%s: %s", key, why.text) : 0;
}

int http_tls_load(const struct config *c, const char *section, struct http_tls **ret, struct error *e)
{
	struct http_tls *tls = calloc(1, sizeof *tls);
	int err = tls ? 0 : error_set(e, ENOMEM, "out of memory");

	if (err >= 0)
		err = file_load(c, section, "ca_file", &tls->ca, e);
	if (err >= 0)
		err = file_load(c, section, "cert_file", &tls->cert, e);
	if (err >= 0)
		err = file_load(c, section, "key_file", &tls->key, e);
	if (err >= 0 && tls->key && !tls->cert)
		err = error_set(e, EINVAL, "%s.key_file is set, and %s.cert_file is not", section, section);
	if (err < 0) {
		http_tls_free(tls);
		return err;
	}
	*ret = tls;
	return 0;
}

void http_tls_free(struct http_tls *tls)
{
	if (!tls)
		return;
	kept_file_free(tls->ca);
	kept_file_free(tls->cert);
	kept_file_free(tls->key);
	free(tls);
}

static CURLcode blob_set(CURL *easy, CURLoption option, struct kept_file *file)
{
	size_t size = 0;
	const char *text = kept_file_text(file, &size, NULL);
	struct curl_blob blob = { .data = (void *)text, .len = size, .flags = CURL_BLOB_COPY };

	return curl_easy_setopt(easy, option, &blob);
}

static CURLcode tls_set(CURL *easy, const struct http_tls *tls)
{
	CURLcode err = curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);

	if (!err && tls && tls->ca)
		err = blob_set(easy, CURLOPT_CAINFO_BLOB, tls->ca);
	if (!err && tls && tls->cert)
		err = blob_set(easy, CURLOPT_SSLCERT_BLOB, tls->cert);
	/* Certificate and key may be in one file. */
	if (!err && tls && tls->cert)
		err = blob_set(easy, CURLOPT_SSLKEY_BLOB, tls->key ? tls->key : tls->cert);
	return err;
}

/* ---- URLs */

/* As libcurl writes it, with brackets. A name is another host's, whatever it begins with, and its address is not known yet. */
static bool this_host(const char *host)
{
	struct in_addr v4;
	struct in6_addr v6;
	char inner[INET6_ADDRSTRLEN] = "";

	if (!strcasecmp(host, "localhost"))
		return true;
	if (inet_pton(AF_INET, host, &v4) == 1)
		return ntohl(v4.s_addr) >> IN_CLASSA_NSHIFT == IN_LOOPBACKNET;
	if (*host == '[')
		snprintf(inner, sizeof inner, "%.*s", (int)strcspn(host + 1, "]"), host + 1);
	return inet_pton(AF_INET6, inner, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static bool url_local(const char *url)
{
	CURLU *u = curl_url();
	char *host = NULL;
	bool local = u && !curl_url_set(u, CURLUPART_URL, url, 0) && !curl_url_get(u, CURLUPART_HOST, &host, 0) && this_host(host);

	curl_free(host);
	curl_url_cleanup(u);
	return local;
}

int http_url_name(const char *url, char *room, size_t size)
{
	CURLU *u = curl_url();
	char *name = NULL;
	static const CURLUPart hidden[] = { CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_OPTIONS, CURLUPART_PATH, CURLUPART_QUERY, CURLUPART_FRAGMENT };
	bool good = u && !curl_url_set(u, CURLUPART_URL, url, 0);

	for (size_t i = 0; good && i < sizeof hidden / sizeof *hidden; i++)
		good = !curl_url_set(u, hidden[i], NULL, 0);
	good = good && !curl_url_get(u, CURLUPART_URL, &name, 0);
	if (good && *name && name[strlen(name) - 1] == '/')
		name[strlen(name) - 1] = 0;
	snprintf(room, size, "%s", good ? name : "its URL");
	curl_free(name);
	curl_url_cleanup(u);
	return good ? 0 : -EINVAL;
}

bool http_url_secretless(const char *url)
{
	static const CURLUPart parts[] = { CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_OPTIONS, CURLUPART_QUERY, CURLUPART_FRAGMENT };
	CURLU *u = curl_url();
	char *text = NULL;
	bool good = u && !curl_url_set(u, CURLUPART_URL, url, 0) && !curl_url_get(u, CURLUPART_PATH, &text, 0) && !strcmp(text, "/");

	curl_free(text);
	for (size_t i = 0; good && i < sizeof parts / sizeof *parts; i++) {
		text = NULL;
		good = curl_url_get(u, parts[i], &text, 0) && !text;
		curl_free(text);
	}
	curl_url_cleanup(u);
	return good;
}

/* ---- one request */

static void call_free(struct http_call *call)
{
	if (call->link) {
		*call->link = call->next;
		if (call->next)
			call->next->link = call->link;
	}
	if (call->easy && call->client->multi)
		curl_multi_remove_handle(call->client->multi, call->easy);
	curl_easy_cleanup(call->easy);
	curl_slist_free_all(call->headers);
	free(call);
}

static size_t body_came(char *data, size_t size, size_t count, void *context)
{
	struct http_call *call = context;
	size_t came = size * count, room = HTTP_BODY_MAX - call->bytes, taken = came < room ? came : room;

	memcpy(call->body + call->bytes, data, taken);
	call->bytes += taken;
	call->cut = taken < came;
	return taken;
}

/* Those of 1xx answers count too: they may be without number. */
static size_t header_came(char *data, size_t size, size_t count, void *context)
{
	struct http_call *call = context;

	(void)data;
	call->header_bytes += size * count;
	call->headers_cut = call->header_bytes > HEADERS_MAX;
	return call->headers_cut ? 0 : size * count;
}

static int headers_set(struct http_call *call, const struct http_request *request)
{
	/* Nobody is asked whether the body is welcome: that costs a round trip, or a second where nobody answers. */
	static const char *const none[] = { NULL };
	struct curl_slist *list = curl_slist_append(NULL, "Expect:"), *more = list;

	for (const char *const *h = request->headers ? request->headers : none; list && *h; h++) {
		more = curl_slist_append(list, *h);
		if (!more)
			break;
		list = more;
	}
	call->headers = list;
	return list && more ? 0 : -ENOMEM;
}

#define SET(option, value)                                          \
	do {                                                        \
		if (!err)                                           \
			err = curl_easy_setopt(easy, option, value); \
	} while (0)

static CURLcode options_set(struct http_call *call, const struct http_request *request)
{
	CURL *easy = call->easy;
	CURLcode err = tls_set(easy, request->tls);

	SET(CURLOPT_URL, request->url);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	/* One alert in a request gains nothing by HTTP/2. */
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_QUICK_EXIT, 1L);
	SET(CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)request->timeout_ms);
	SET(CURLOPT_USERAGENT, USER_AGENT);
	SET(CURLOPT_ERRORBUFFER, call->error);
	SET(CURLOPT_WRITEFUNCTION, body_came);
	SET(CURLOPT_WRITEDATA, call);
	/* Chunks come as they are sent, so that their extensions and trailers count as the body does: libcurl bounds neither. */
	SET(CURLOPT_HTTP_TRANSFER_DECODING, 0L);
	SET(CURLOPT_HEADERFUNCTION, header_came);
	SET(CURLOPT_HEADERDATA, call);
	SET(CURLOPT_PRIVATE, call);
	SET(CURLOPT_HTTPHEADER, call->headers);
	if (url_local(request->url))
		SET(CURLOPT_PROXY, "");
	if (request->body) {
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->bytes);
		SET(CURLOPT_COPYPOSTFIELDS, (const char *)request->body);
	}
	if (strcmp(request->method, request->body ? "POST" : "GET"))
		SET(CURLOPT_CUSTOMREQUEST, request->method);
	return err;
}

int http_client_send(struct http_client *c, const struct http_request *request, void (*done)(void *context, const struct http_reply *reply), void *context,
		     struct http_call **ret, struct error *e)
{
	struct http_call *call = calloc(1, sizeof *call);
	CURLcode err;

	if (!call)
		return error_set(e, ENOMEM, "out of memory");
	call->client = c;
	call->done = done;
	call->context = context;
	call->easy = curl_easy_init();
	if (!call->easy || headers_set(call, request) < 0) {
		call_free(call);
		return error_set(e, ENOMEM, "out of memory");
	}
	err = options_set(call, request);
	if (err || curl_multi_add_handle(c->multi, call->easy)) {
		call_free(call);
		return error_set(e, EINVAL, "the request cannot be made: %s", err ? curl_easy_strerror(err) : "libcurl does not take it");
	}
	call->next = c->calls;
	call->link = &c->calls;
	if (call->next)
		call->next->link = &call->next;
	c->calls = call;
	if (ret)
		*ret = call;
	return 0;
}

void http_call_cancel(struct http_call *call)
{
	if (call)
		call_free(call);
}

/* ---- what became of them */

/* The body without its chunks: what the first one holds is enough for people. */
static void first_chunk(struct http_call *call, struct http_reply *reply)
{
	struct curl_header *header;
	const char *data;
	size_t size;

	if (curl_easy_header(call->easy, "Transfer-Encoding", 0, CURLH_HEADER, -1, &header) || !strcasestr(header->value, "chunked"))
		return;
	data = strstr(call->body, "\r\n");
	size = strtoul(call->body, NULL, 16);
	reply->body = data ? data + 2 : "";
	reply->bytes = data ? call->bytes - (size_t)(reply->body - call->body) : 0;
	if (size < reply->bytes) {
		reply->bytes = size;
		call->body[(size_t)(reply->body - call->body) + size] = 0;
	}
}

static void call_done(struct http_call *call, CURLcode result)
{
	struct http_reply reply = { .retry_after_s = -1, .body = call->body, .bytes = call->bytes };
	curl_off_t after = 0;

	first_chunk(call, &reply);
	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &reply.status);
	curl_easy_getinfo(call->easy, CURLINFO_RETRY_AFTER, &after);
	if (after > 0)
		reply.retry_after_s = after;
	/* What came whole counts, and what we ended ourselves. */
	if (result && !call->cut) {
		reply.status = 0;
		reply.error = call->headers_cut ? "the headers of its answer have no end" :
			      call->unheard	? strerror(-call->unheard) :
			      *call->error	? call->error :
						  curl_easy_strerror(result);
	}
	/* Gone for libcurl before its owner hears of it, who may send the next one. */
	curl_multi_remove_handle(call->client->multi, call->easy);
	call->done(call->context, &reply);
	call_free(call);
}

static void calls_done(struct http_client *c)
{
	struct CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(c->multi, &left))) {
		struct http_call *call = NULL;
		CURLcode result = message->data.result;

		if (message->msg == CURLMSG_DONE && !curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call) && call)
			call_done(call, result);
	}
}

/* Those whose sockets nobody waits for: each may bring another one. */
static void calls_unheard(struct http_client *c)
{
	struct http_call *call = c->calls;

	while (call) {
		struct http_call *next = call->next;

		if (!call->unheard) {
			call = next;
			continue;
		}
		call_done(call, CURLE_ABORTED_BY_CALLBACK);
		call = c->calls;
	}
}

static void act(struct http_client *c, curl_socket_t fd, int what)
{
	int running;

	curl_multi_socket_action(c->multi, fd, what, &running);
	calls_done(c);
	calls_unheard(c);
}

/* ---- sockets and time */

static int socket_ready(sd_event_source *source, int fd, uint32_t events, void *context)
{
	int what = (events & EPOLLIN ? CURL_CSELECT_IN : 0) | (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
			    (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);

	(void)source;
	act(context, fd, what);
	return 0;
}

/* An error returned to libcurl would end all requests, and every one that comes after them. */
static int unheard(CURL *easy, int err)
{
	struct http_call *call = NULL;

	if (err < 0 && !curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&call) && call)
		call->unheard = err;
	return 0;
}

static int socket_wanted(CURL *easy, curl_socket_t fd, int what, void *context, void *known)
{
	struct http_client *c = context;
	sd_event_source *source = known;
	uint32_t events = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
	int err;

	if (what == CURL_POLL_REMOVE) {
		curl_multi_assign(c->multi, fd, NULL);
		sd_event_source_disable_unref(source);
		return 0;
	}
	if (source)
		return unheard(easy, sd_event_source_set_io_events(source, events));
	err = sd_event_add_io(c->loop, &source, fd, events, socket_ready, c);
	if (err >= 0)
		curl_multi_assign(c->multi, fd, source);
	return unheard(easy, err);
}

static int time_over(sd_event_source *source, uint64_t usec, void *context)
{
	(void)source, (void)usec;
	act(context, CURL_SOCKET_TIMEOUT, 0);
	return 0;
}

static int time_wanted(CURLM *multi, long ms, void *context)
{
	struct http_client *c = context;

	(void)multi;
	if (ms < 0)
		return sd_event_source_set_enabled(c->timer, SD_EVENT_OFF) < 0 ? -1 : 0;
	if (sd_event_source_set_time_relative(c->timer, (uint64_t)ms * 1000) < 0)
		return -1;
	return sd_event_source_set_enabled(c->timer, SD_EVENT_ONESHOT) < 0 ? -1 : 0;
}

int http_client_new(sd_event *loop, struct http_client **ret, struct error *e)
{
	struct http_client *c = calloc(1, sizeof *c);
	int err;

	if (!c)
		return error_set(e, ENOMEM, "out of memory");
	if (curl_global_init(CURL_GLOBAL_DEFAULT)) {
		free(c);
		return error_set(e, EIO, "libcurl cannot begin");
	}
	c->loop = sd_event_ref(loop);
	c->multi = curl_multi_init();
	/* Accuracy 1: the default adds up to a quarter of a second to each step. */
	err = c->multi ? sd_event_add_time_relative(loop, &c->timer, CLOCK_MONOTONIC, 0, 1, time_over, c) : -ENOMEM;
	if (err >= 0)
		err = sd_event_source_set_enabled(c->timer, SD_EVENT_OFF);
	if (err < 0) {
		http_client_free(c);
		return error_set(e, -err, "HTTP client: %s", strerror(-err));
	}
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, socket_wanted);
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, time_wanted);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
	curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT);
	*ret = c;
	return 0;
}

void http_client_free(struct http_client *c)
{
	if (!c)
		return;
	for (struct http_call *call = c->calls, *next; call; call = next) {
		next = call->next;
		call->link = NULL; /* the list goes as a whole */
		call_free(call);
	}
	curl_multi_cleanup(c->multi);
	sd_event_source_disable_unref(c->timer);
	sd_event_unref(c->loop);
	curl_global_cleanup();
	free(c);
}

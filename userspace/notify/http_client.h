/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP requests by libcurl within an sd-event loop. TLS is verified always. Redirects are not followed. Proxies of the environment
 * (https_proxy, http_proxy, no_proxy) apply, but never to this host itself.
 */
#ifndef ABIDRIFT_NOTIFY_HTTP_CLIENT_H
#define ABIDRIFT_NOTIFY_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

struct config;
struct error;
struct http_call;
struct http_client;
struct http_tls;

/* Of SECTION.ca_file, .cert_file and .key_file: read now, while they can be. -errno with e: a mistake in them. */
int http_tls_load(const struct config *c, const char *section, struct http_tls **ret, struct error *e);
/* NULL: nothing. */
void http_tls_free(struct http_tls *tls);

struct http_request {
	const char *method; /* "POST", "GET" */
	const char *url;
	const char *const *headers; /* "Name: value", NULL-terminated; NULL: none */
	const void *body;           /* NULL: none */
	size_t bytes;
	uint64_t timeout_ms;        /* for all of it */
	struct http_tls *tls;       /* NULL: the system's authorities, no certificate */
};

struct http_reply {
	long status;           /* 0: there was none, error says why */
	const char *error;     /* NULL: there was an answer */
	int64_t retry_after_s; /* of Retry-After, a number or a date; -1: none */
	const char *body;      /* the beginning, at most HTTP_BODY_MAX bytes, NUL behind them; hostile */
	size_t bytes;
};
#define HTTP_BODY_MAX 4096

int http_client_new(sd_event *loop, struct http_client **ret, struct error *e);
/* Ends all calls without telling. */
void http_client_free(struct http_client *c);
/*
 * Where a URL leads, for people: without user, password, path and query, which may be secrets. -EINVAL: it is none; room has a word for it.
 */
int http_url_name(const char *url, char *room, size_t size);
/*
 * It has a host, and nothing that could be a secret. Of any other, and where a request carries a secret elsewhere, nothing of an
 * answer's body is passed on: many receivers repeat what they were asked, as it stands or otherwise written.
 */
bool http_url_secretless(const char *url);

/* Everything is copied. done is called once, from the loop, never from within this call; after it the call is gone. -errno with e. */
int http_client_send(struct http_client *c, const struct http_request *request, void (*done)(void *context, const struct http_reply *reply), void *context,
		     struct http_call **ret, struct error *e);
/* It is of no interest any more: done is not called. NULL: nothing. */
void http_call_cancel(struct http_call *call);

#endif

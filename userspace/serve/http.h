/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The read-only HTTP server (docs/http.md): libmicrohttpd within an sd-event loop. It reads the store by a connection of its own,
 * answers one request after the other, and is bounded in connections, sizes, times and memory, whatever clients do.
 */
#ifndef ABIDRIFT_SERVE_HTTP_H
#define ABIDRIFT_SERVE_HTTP_H

#include <systemd/sd-event.h>

struct config;
struct error;
struct http;
struct http_listener;
struct suppressions;

/* What the configuration says, with the files that it names: while they can still be read. The listener stays the caller's. */
int http_load(const struct config *c, const struct http_listener *listener, struct http **ret, struct error *e);
/* Serves from now on. Borrows rules (NULL: none) and loop. */
int http_begin(struct http *h, const char *store_url, const struct suppressions *rules, sd_event *loop, struct error *e);
/* Ends all connections, and serves no more. NULL: nothing. */
void http_end(struct http *h);
void http_free(struct http *h);

#endif

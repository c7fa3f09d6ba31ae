/* SPDX-License-Identifier: Apache-2.0 */
/* Between the server and who answers one request. */
#ifndef ABIDRIFT_SERVE_HTTP_INTERNAL_H
#define ABIDRIFT_SERVE_HTTP_INTERNAL_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "userspace/base/error.h"
#include "userspace/serve/http_cache.h"
#include "userspace/serve/http_clients.h"
#include "userspace/serve/http_secrets.h"

struct store;
struct suppressions;

struct http {
	bool tcp;
	char *names; /* serve.host */
	struct http_secrets secrets;
	int listen_fd; /* borrowed */
	char *store_url;
	struct store *store; /* NULL: not open, or it failed */
	int64_t again_ms;    /* it failed slowly: not tried before */
	struct error failure; /* then */
	const struct suppressions *rules;
	struct MHD_Daemon *daemon;
	struct http_clients clients;
	struct http_cache cache;
	int64_t spent_ms; /* on answers, in this turn of the loop */
	sd_event_source *listening, *working, *timer;
};

/* What answers may take in one turn of the loop before alerts get theirs; the one that exceeds it is the last one. */
#define HTTP_TURN_MS 20

/* Of a whole request without a body; queues the answer. */
enum MHD_Result http_request_answer(struct http *h, struct MHD_Connection *connection, struct http_client *client, const char *method);
/* It brings a body, which nobody wants. */
enum MHD_Result http_request_refuse_body(struct http *h, struct MHD_Connection *connection, const char *method);

#endif

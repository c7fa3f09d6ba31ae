/* SPDX-License-Identifier: Apache-2.0 */
/* What is served where: from a request target and a store to a status and a body. No sockets. */
#ifndef ABIDRIFT_SERVE_HTTP_ROUTES_H
#define ABIDRIFT_SERVE_HTTP_ROUTES_H

#include <stdbool.h>
#include <stdint.h>

#include "userspace/base/buffer.h"
#include "userspace/serve/api.h"

struct http_target;
struct store;

struct http_source {
	struct store *store;     /* NULL: it cannot be read */
	const char *why;         /* then */
	struct api_rules rules;
	int64_t now;             /* CLOCK_REALTIME ns */
};

#define HTTP_FILE_BYTES 128

struct http_answer {
	unsigned status;
	const char *type;        /* Content-Type */
	char file[HTTP_FILE_BYTES]; /* it is a file to keep, of this name: letters, digits, "-", "." and "_"; "": it is none */
	struct buffer body;
	const void *packed;      /* the body by gzip, which stays; NULL: it is yet to be made */
	size_t packed_bytes;
};
#define HTTP_ANSWER_INIT { 0 }

struct http_route {
	const char *path;        /* "*" stands for any one part */
	const char *args[5];     /* that it takes */
	bool bare;               /* needs no store */
	int64_t keep_ms;         /* its answer holds so long while the store does not change; 0: not at all */
	/* An answer of 200 if nothing else is set; -errno with e becomes one. */
	int (*answer)(const struct http_source *source, const struct http_target *t, const char *accept, struct http_answer *ret, struct error *e);
};

/* NULL: there is nothing there. */
const struct http_route *http_route_find(const struct http_target *t);
/* Answers to one target are alike for Accept headers of one variant. */
unsigned http_route_variant(const struct http_route *route, const char *accept);
/* accept: the Accept header or NULL. Always gives an answer, unless memory ran out (-ENOMEM). Release its body. */
int http_route_answer(const struct http_route *route, const struct http_source *source, const struct http_target *t, const char *accept,
		      struct http_answer *ret);
/* {"error":TEXT} with that status. */
void http_answer_error(struct http_answer *ret, unsigned status, const char *text);

#endif

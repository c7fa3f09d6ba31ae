/* SPDX-License-Identifier: Apache-2.0 */
/* What a client of the HTTP server wrote, taken apart: request targets and header values (RFC 9110, 9112). All of it is hostile. */
#ifndef ABIDRIFT_BASE_HTTP_TEXT_H
#define ABIDRIFT_BASE_HTTP_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#define HTTP_TARGET_MAX 4096
#define HTTP_PARTS_MAX 8
#define HTTP_ARGS_MAX 8

/* A request target, "/a/b%20c?name=value": decoded. Its parts and values may hold any byte but zero. */
struct http_target {
	char *room; /* holds all that follows */
	const char *parts[HTTP_PARTS_MAX]; /* of the path, between its slashes; "/" has none */
	size_t part_count;
	struct http_arg {
		const char *name, *value;
	} args[HTTP_ARGS_MAX];
	size_t arg_count;
};

/* -EINVAL: it is no path, or a byte of it must not be there; -E2BIG: more than HTTP_TARGET_MAX bytes, or more parts than there is room for. */
int http_target_parse(const char *text, struct http_target *ret);
void http_target_release(struct http_target *t);
/* NULL: it has none such. */
const char *http_target_arg(const struct http_target *t, const char *name);

/* A Host header without its port; of an IPv6 address without its brackets. -EINVAL: it is none, or does not fit. */
int http_host_name(const char *header, char *ret, size_t size);
/* Does an Accept-Encoding header want gzip? NULL: no. */
bool http_wants_gzip(const char *header);
/* Does an If-None-Match header hold this tag (its bytes between the quotes)? Weak and strong are alike here. NULL: no. */
bool http_tag_matches(const char *header, const char *tag);
/* What follows "Bearer" in an Authorization header; NULL: it is none such. Borrowed. */
const char *http_bearer(const char *header);
/* The password of a "Basic" Authorization header (RFC 7617), which is the caller's to clear and free; NULL: it is none such, or out of memory. */
char *http_basic(const char *header);

#endif

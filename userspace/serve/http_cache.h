/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers that are ready to be sent, by request target. One body in memory serves all who read it, however slowly; it goes when
 * the last of them has it and the cache has let it go. What all bodies take together is bounded.
 */
#ifndef ABIDRIFT_SERVE_HTTP_CACHE_H
#define ABIDRIFT_SERVE_HTTP_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct MHD_Response;
struct http_answer;

#define HTTP_TAG_SIZE 65

struct http_reply {
	unsigned status;
	char tag[HTTP_TAG_SIZE]; /* SHA-256 of the body; "" unless the status is 200 */
	const char *data; /* the body, plain's */
	size_t bytes;
	struct MHD_Response *plain, *packed; /* packed: by gzip; NULL: not worth it, or nobody asked yet */
	size_t packed_bytes;
	const void *built; /* what packed is made of, as long as packed_bytes; NULL: of data */
};

#define HTTP_CACHE_ENTRIES 32

struct http_cache {
	size_t live; /* bytes of all large bodies that somebody still holds */
	uint64_t clock;
	struct http_cached {
		char *key;
		uint64_t used; /* of clock */
		int64_t end_ms;
		struct http_reply reply;
	} entries[HTTP_CACHE_ENTRIES];
};

/* Takes over the body. -ENOMEM; -ENOBUFS: too much is held already for a large one. */
int http_reply_make(struct http_cache *c, struct http_answer *answer, struct http_reply *ret);
void http_reply_release(struct http_reply *r);
/* Makes the packed form, where that is worth it. */
void http_reply_pack(struct http_cache *c, struct http_reply *r);

/* NULL: there is none that still holds. Borrowed until the next call. */
struct http_reply *http_cache_get(struct http_cache *c, const char *key, int64_t now_ms);
/* Takes over *r; returns it in its place, or NULL where there was no memory (then *r stays the caller's). */
struct http_reply *http_cache_put(struct http_cache *c, const char *key, int64_t end_ms, struct http_reply *r);
/* Forgets all. */
void http_cache_clear(struct http_cache *c);

#endif

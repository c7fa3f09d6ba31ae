/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/serve/http_cache.h"

#include <errno.h>
#include <microhttpd.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "userspace/serve/http_clients.h"
#include "userspace/serve/http_routes.h"

#define PACK_MIN 1024
/* The fastest: JSON shrinks tenfold at any level, and others wait meanwhile. */
#define PACK_LEVEL 1
/* zlib: 15 bits of window, and 16 for a gzip header. */
#define PACK_WINDOW (15 + 16)
/* Far more than clients may hold and what is kept: those that were told to go are not gone at once. */
#define LIVE_MAX (256u << 20)
/* What is kept without anybody reading it. */
#define KEPT_MAX (48u << 20)
#define SHA256_BYTES 32

/* Of every answer, errors too. */
static const char *const headers[][2] = {
	{ "Cache-Control", "no-cache" },
	{ "Vary", "Accept, Accept-Encoding" },
	{ "X-Content-Type-Options", "nosniff" },
	{ "X-Frame-Options", "DENY" },
	{ "Referrer-Policy", "no-referrer" },
	{ "Cross-Origin-Resource-Policy", "same-origin" },
	{ "Cross-Origin-Opener-Policy", "same-origin" },
	{ "Permissions-Policy", "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()" },
	{ "Content-Security-Policy", "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'" },
};

struct body {
	size_t *live;
	size_t bytes;
	char *data;
};

/* Errors and other small ones are always sent: there are no more of them than connections. */
static size_t counted(size_t bytes)
{
	return bytes < HTTP_BODY_COUNTED ? 0 : bytes;
}

static void body_free(void *context)
{
	struct body *b = context;

	*b->live -= counted(b->bytes);
	free(b->data);
	free(b);
}

/* Takes over data. */
static struct MHD_Response *response_make(struct http_cache *c, char *data, size_t bytes, const char *type)
{
	struct body *b = malloc(sizeof *b);
	struct MHD_Response *response;
	bool good;

	if (!b) {
		free(data);
		return NULL;
	}
	*b = (struct body){ &c->live, bytes, data };
	c->live += counted(bytes);
	response = MHD_create_response_from_buffer_with_free_callback_cls(bytes, data, body_free, b);
	if (!response) {
		body_free(b);
		return NULL;
	}
	good = MHD_add_response_header(response, "Content-Type", type) == MHD_YES;
	for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
		good = good && MHD_add_response_header(response, headers[i][0], headers[i][1]) == MHD_YES;
	if (good)
		return response;
	MHD_destroy_response(response);
	return NULL;
}

static int tag_make(const char *data, size_t bytes, char *ret)
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned size = 0;

	if (EVP_Digest(data, bytes, sum, &size, EVP_sha256(), NULL) != 1 || size != SHA256_BYTES)
		return -ENOMEM;
	for (unsigned i = 0; i < size; i++)
		snprintf(ret + 2 * i, 3, "%02x", sum[i]);
	return 0;
}

static bool tag_put(struct MHD_Response *response, const char *start, const char *tag)
{
	char value[HTTP_TAG_SIZE + 5];

	snprintf(value, sizeof value, "%s\"%s\"", start, tag);
	return MHD_add_response_header(response, "ETag", value) == MHD_YES;
}

static bool file_put(struct MHD_Response *response, const char *file)
{
	char value[HTTP_FILE_BYTES + 32];

	snprintf(value, sizeof value, "attachment; filename=\"%s\"", file);
	return !*file || MHD_add_response_header(response, "Content-Disposition", value) == MHD_YES;
}

int http_reply_make(struct http_cache *c, struct http_answer *answer, struct http_reply *ret)
{
	struct http_reply r = { .status = answer->status, .bytes = answer->body.size, .built = answer->packed, .packed_bytes = answer->packed_bytes };
	char *data;
	int err = 0;

	if (counted(r.bytes) && c->live + r.bytes > LIVE_MAX)
		return -ENOBUFS;
	data = buffer_take(&answer->body, NULL);
	if (!data)
		return -ENOMEM;
	if (r.status == MHD_HTTP_OK)
		err = tag_make(data, r.bytes, r.tag);
	r.data = data;
	r.plain = response_make(c, data, r.bytes, answer->type);
	if (err < 0 || !r.plain || !file_put(r.plain, answer->file) || (*r.tag && !tag_put(r.plain, "", r.tag))) {
		http_reply_release(&r);
		return -ENOMEM;
	}
	*ret = r;
	return 0;
}

void http_reply_release(struct http_reply *r)
{
	if (r->plain)
		MHD_destroy_response(r->plain);
	if (r->packed)
		MHD_destroy_response(r->packed);
	*r = (struct http_reply){ 0 };
}

static char *pack(const void *data, size_t bytes, size_t *ret_bytes)
{
	z_stream z = { 0 };
	size_t room;
	char *packed;
	int end;

	if (bytes > UINT32_MAX / 2 || deflateInit2(&z, PACK_LEVEL, Z_DEFLATED, PACK_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return NULL;
	room = deflateBound(&z, bytes);
	packed = malloc(room);
	z.next_in = (z_const Bytef *)data;
	z.avail_in = (uInt)bytes;
	z.next_out = (Bytef *)packed;
	z.avail_out = (uInt)room;
	end = packed ? deflate(&z, Z_FINISH) : Z_MEM_ERROR;
	*ret_bytes = z.total_out;
	deflateEnd(&z);
	if (end == Z_STREAM_END)
		return packed;
	free(packed);
	return NULL;
}

static char *copy(const void *data, size_t bytes)
{
	char *ret = malloc(bytes);

	if (ret)
		memcpy(ret, data, bytes);
	return ret;
}

void http_reply_pack(struct http_cache *c, struct http_reply *r)
{
	const char *type = MHD_get_response_header(r->plain, "Content-Type");
	size_t bytes = r->packed_bytes;
	char *packed, *smaller;

	if (r->packed || r->bytes <= PACK_MIN || r->status != MHD_HTTP_OK || MHD_get_response_header(r->plain, "Content-Disposition"))
		return;
	packed = r->built ? copy(r->built, bytes) : pack(r->data, r->bytes, &bytes);
	if (!packed)
		return;
	smaller = realloc(packed, bytes);
	r->packed = response_make(c, smaller ? smaller : packed, bytes, type);
	r->packed_bytes = bytes;
	if (r->packed && MHD_add_response_header(r->packed, "Content-Encoding", "gzip") == MHD_YES && tag_put(r->packed, "W/", r->tag))
		return;
	if (r->packed)
		MHD_destroy_response(r->packed);
	r->packed = NULL;
}

/* ---- by request target */

static void forget(struct http_cached *entry)
{
	http_reply_release(&entry->reply);
	free(entry->key);
	*entry = (struct http_cached){ 0 };
}

struct http_reply *http_cache_get(struct http_cache *c, const char *key, int64_t now_ms)
{
	for (size_t i = 0; i < HTTP_CACHE_ENTRIES; i++) {
		struct http_cached *entry = &c->entries[i];

		if (!entry->key || strcmp(entry->key, key))
			continue;
		if (entry->end_ms <= now_ms) {
			forget(entry);
			return NULL;
		}
		entry->used = ++c->clock;
		return &entry->reply;
	}
	return NULL;
}

static struct http_cached *oldest(struct http_cache *c)
{
	struct http_cached *found = NULL;

	for (size_t i = 0; i < HTTP_CACHE_ENTRIES; i++)
		if (c->entries[i].key && (!found || c->entries[i].used < found->used))
			found = &c->entries[i];
	return found;
}

static size_t kept(const struct http_cache *c)
{
	size_t bytes = 0;

	for (size_t i = 0; i < HTTP_CACHE_ENTRIES; i++)
		bytes += c->entries[i].key ? c->entries[i].reply.bytes : 0;
	return bytes;
}

struct http_reply *http_cache_put(struct http_cache *c, const char *key, int64_t end_ms, struct http_reply *r)
{
	struct http_cached *entry = NULL;
	char *copy = strdup(key);

	if (!copy)
		return NULL;
	while (oldest(c) && kept(c) + r->bytes > KEPT_MAX)
		forget(oldest(c));
	for (size_t i = 0; i < HTTP_CACHE_ENTRIES && !entry; i++)
		if (!c->entries[i].key)
			entry = &c->entries[i];
	if (!entry) {
		entry = oldest(c);
		forget(entry);
	}
	*entry = (struct http_cached){ .key = copy, .used = ++c->clock, .end_ms = end_ms, .reply = *r };
	*r = (struct http_reply){ 0 };
	return &entry->reply;
}

void http_cache_clear(struct http_cache *c)
{
	for (size_t i = 0; i < HTTP_CACHE_ENTRIES; i++)
		if (c->entries[i].key)
			forget(&c->entries[i]);
}

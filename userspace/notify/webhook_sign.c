/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/notify/webhook_sign.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/buffer.h"
#include "userspace/base/error.h"

#define PREFIX "whsec_"
#define DIGEST_BYTES 32
#define BASE64_BYTES(n) (((n) + 2) / 3 * 4)

struct webhook_secrets {
	size_t count;
	struct {
		unsigned char bytes[WEBHOOK_SECRET_MAX];
		size_t size;
	} secret[WEBHOOK_SECRETS_MAX];
};

/* Groups of four with their padding. EVP_DecodeBlock counts what padding stands for, and would take spaces around it. */
static int secret_decode(const char *text, size_t length, unsigned char *ret, size_t *ret_size)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned char room[BASE64_BYTES(WEBHOOK_SECRET_MAX)];
	size_t padding = 0;
	int got;

	while (padding < 2 && length > padding && text[length - 1 - padding] == '=')
		padding++;
	if (!length || length % 4 || length > BASE64_BYTES(WEBHOOK_SECRET_MAX) || strspn(text, letters) < length - padding)
		return -EINVAL;
	got = EVP_DecodeBlock(room, (const unsigned char *)text, (int)length) - (int)padding;
	if (got >= WEBHOOK_SECRET_MIN && got <= WEBHOOK_SECRET_MAX) {
		memcpy(ret, room, (size_t)got);
		*ret_size = (size_t)got;
	}
	explicit_bzero(room, sizeof room);
	return got < WEBHOOK_SECRET_MIN || got > WEBHOOK_SECRET_MAX ? -EINVAL : 0;
}

static int line_take(struct webhook_secrets *s, const char *line, size_t length, size_t number, struct error *e)
{
	size_t prefix = strlen(PREFIX);

	while (length && (line[length - 1] == '\r' || line[length - 1] == ' ' || line[length - 1] == '\t'))
		length--;
	if (!length || *line == '#')
		return 0;
	if (s->count == WEBHOOK_SECRETS_MAX)
		return error_set(e, EINVAL, "line %zu: there are more than %d secrets", number, WEBHOOK_SECRETS_MAX);
	if (length <= prefix || strncmp(line, PREFIX, prefix) ||
	    secret_decode(line + prefix, length - prefix, s->secret[s->count].bytes, &s->secret[s->count].size) < 0)
		return error_set(e, EINVAL, "line %zu is not " PREFIX " and %d to %d bytes in base64 (echo " PREFIX "$(openssl rand -base64 32))", number,
				 WEBHOOK_SECRET_MIN, WEBHOOK_SECRET_MAX);
	s->count++;
	return 0;
}

int webhook_secrets_parse(const char *text, size_t size, struct webhook_secrets **ret, struct error *e)
{
	struct webhook_secrets *s = calloc(1, sizeof *s);
	size_t number = 0;
	int err = s ? 0 : error_set(e, ENOMEM, "out of memory");

	for (size_t at = 0; err >= 0 && at < size;) {
		const char *end = memchr(text + at, '\n', size - at);
		size_t length = end ? (size_t)(end - (text + at)) : size - at;

		err = line_take(s, text + at, length, ++number, e);
		at += length + 1;
	}
	if (err >= 0 && !s->count)
		err = error_set(e, EINVAL, "there is no secret in it (echo " PREFIX "$(openssl rand -base64 32))");
	if (err < 0) {
		webhook_secrets_free(s);
		return err;
	}
	*ret = s;
	return 0;
}

void webhook_secrets_free(struct webhook_secrets *s)
{
	if (s)
		explicit_bzero(s, sizeof *s);
	free(s);
}

int webhook_sign(const struct webhook_secrets *s, const char *id, int64_t timestamp, const void *body, size_t bytes, struct buffer *out)
{
	struct buffer content = BUFFER_INIT;
	int err = 0;

	buffer_printf(&content, "%s.%lld.", id, (long long)timestamp);
	buffer_append(&content, body, bytes);
	if (buffer_failed(&content))
		err = -ENOMEM;
	for (size_t i = 0; err >= 0 && i < s->count; i++) {
		unsigned char digest[DIGEST_BYTES], text[BASE64_BYTES(DIGEST_BYTES) + 1];
		unsigned size = 0;

		if (!HMAC(EVP_sha256(), s->secret[i].bytes, (int)s->secret[i].size, (const unsigned char *)content.data, content.size, digest, &size) ||
		    size != DIGEST_BYTES) {
			err = -EIO;
			break;
		}
		EVP_EncodeBlock(text, digest, DIGEST_BYTES);
		buffer_printf(out, "%sv1,%s", i ? " " : "", (const char *)text);
	}
	buffer_release(&content);
	return err < 0 ? err : buffer_failed(out) ? -ENOMEM : 0;
}

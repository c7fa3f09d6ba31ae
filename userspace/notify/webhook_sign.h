/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signatures of Standard Webhooks (github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md): HMAC-SHA256 over
 * "ID.TIMESTAMP.BODY", one for each secret, so that a receiver that knows either the old or the new one is content.
 */
#ifndef ABIDRIFT_NOTIFY_WEBHOOK_SIGN_H
#define ABIDRIFT_NOTIFY_WEBHOOK_SIGN_H

#include <stddef.h>
#include <stdint.h>

struct buffer;
struct error;
struct webhook_secrets;

/* The specification's: 24 to 64 bytes. */
#define WEBHOOK_SECRET_MIN 24
#define WEBHOOK_SECRET_MAX 64
#define WEBHOOK_SECRETS_MAX 8

/* Lines "whsec_BASE64"; empty ones and those that begin with # do not count. -EINVAL with e, which never holds a secret. */
int webhook_secrets_parse(const char *text, size_t size, struct webhook_secrets **ret, struct error *e);
/* Overwrites them. NULL: nothing. */
void webhook_secrets_free(struct webhook_secrets *s);
/* Appends "v1,BASE64 v1,BASE64". -EIO. */
int webhook_sign(const struct webhook_secrets *s, const char *id, int64_t timestamp, const void *body, size_t bytes, struct buffer *out);

#endif

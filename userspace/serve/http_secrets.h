/* SPDX-License-Identifier: Apache-2.0 */
/* Who may ask: tokens, and certificates of either side. Read from files that only root may read. */
#ifndef ABIDRIFT_SERVE_HTTP_SECRETS_H
#define ABIDRIFT_SERVE_HTTP_SECRETS_H

#include <stdbool.h>
#include <stddef.h>

struct config;
struct error;

#define HTTP_TOKENS_MAX 64

struct http_secrets {
	char *cert, *key, *client_ca; /* PEM; NULL: not set */
	unsigned char tokens[HTTP_TOKENS_MAX][32]; /* SHA-256 of each */
	size_t token_count; /* 0: none is asked for */
};

/* tls: is it of use at all? (Not on a Unix socket.) -errno with e: a file cannot be read, or is not what it should be. */
int http_secrets_load(const struct config *c, bool tls, struct http_secrets *ret, struct error *e);
void http_secrets_release(struct http_secrets *s);
/* Does an Authorization header show a token: after "Bearer", or as the password of "Basic"? NULL: there is none. Takes as long for a wrong
 * token as for a right one. */
bool http_secrets_allow(const struct http_secrets *s, const char *authorization);
/* Did client_ca sign what the client of this GnuTLS session showed, for a client? */
bool http_secrets_certificate(void *session);

#endif

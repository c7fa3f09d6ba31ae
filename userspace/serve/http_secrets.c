/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/serve/http_secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "userspace/base/config.h"
#include "userspace/base/error.h"
#include "userspace/base/http_text.h"

#define FILE_MAX (1 << 20)
/* What can be guessed is no secret. */
#define TOKEN_MIN 16
#define TOKEN_LINE_SPACES " \t\r"

/* *ret NULL: the key is not set. */
static int file_read(const struct config *c, const char *key, char **ret, struct error *e)
{
	const char *path = config_get(c, key);
	size_t size = 0;
	ssize_t got = 1;
	char *text;
	int fd;

	if (!path || !*path)
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_set(e, errno, "%s: cannot read %s: %s", key, path, strerror(errno));
	text = malloc(FILE_MAX + 1);
	while (text && size < FILE_MAX && (got = read(fd, text + size, FILE_MAX - size)) > 0)
		size += (size_t)got;
	close(fd);
	if (!text || got < 0 || size == FILE_MAX) {
		free(text);
		return error_set(e, text ? EIO : ENOMEM, "%s: cannot read %s: %s", key, path, !text ? "out of memory" : got < 0 ? strerror(errno) : "it is too large");
	}
	text[size] = 0;
	*ret = text;
	return 0;
}

static bool digest(const char *data, size_t size, unsigned char ret[32])
{
	return EVP_Digest(data, size, ret, NULL, EVP_sha256(), NULL) == 1;
}

static int tokens_parse(const char *path, char *text, struct http_secrets *s, struct error *e)
{
	for (char *line = text, *next; line; line = next) {
		size_t length;

		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		line += strspn(line, TOKEN_LINE_SPACES);
		length = strcspn(line, TOKEN_LINE_SPACES);
		if (!length || *line == '#')
			continue;
		if (length < TOKEN_MIN)
			return error_set(e, EINVAL, "serve.token_file: a token of %s is shorter than %d characters", path, TOKEN_MIN);
		if (line[length + strspn(line + length, TOKEN_LINE_SPACES)])
			return error_set(e, EINVAL, "serve.token_file: a token of %s holds a space", path);
		if (s->token_count == HTTP_TOKENS_MAX)
			return error_set(e, EINVAL, "serve.token_file: %s holds more than %d tokens", path, HTTP_TOKENS_MAX);
		if (!digest(line, length, s->tokens[s->token_count++]))
			return error_set(e, ENOMEM, "out of memory");
	}
	return s->token_count ? 0 : error_set(e, EINVAL, "serve.token_file: %s holds no token", path);
}

static int tokens_load(const struct config *c, struct http_secrets *s, struct error *e)
{
	char *text = NULL;
	int err = file_read(c, "serve.token_file", &text, e);

	if (err >= 0 && text)
		err = tokens_parse(config_get(c, "serve.token_file"), text, s, e);
	if (text)
		OPENSSL_cleanse(text, strlen(text));
	free(text);
	return err;
}

/* GnuTLS's own words, before anybody depends on it. */
static int material_check(const struct config *c, const struct http_secrets *s, struct error *e)
{
	gnutls_certificate_credentials_t credentials = NULL;
	gnutls_datum_t cert = { (unsigned char *)s->cert, (unsigned)strlen(s->cert) }, key = { (unsigned char *)s->key, (unsigned)strlen(s->key) };
	int rc = gnutls_certificate_allocate_credentials(&credentials), err = 0;

	if (rc < 0)
		return error_set(e, ENOMEM, "TLS: %s", gnutls_strerror(rc));
	rc = gnutls_certificate_set_x509_key_mem(credentials, &cert, &key, GNUTLS_X509_FMT_PEM);
	if (rc < 0)
		err = error_set(e, EINVAL, "serve.tls_cert %s and serve.tls_key %s do not go together: %s", config_get(c, "serve.tls_cert"),
				config_get(c, "serve.tls_key"), gnutls_strerror(rc));
	if (err >= 0 && s->client_ca) {
		gnutls_datum_t ca = { (unsigned char *)s->client_ca, (unsigned)strlen(s->client_ca) };

		rc = gnutls_certificate_set_x509_trust_mem(credentials, &ca, GNUTLS_X509_FMT_PEM);
		if (rc <= 0)
			err = error_set(e, EINVAL, "serve.tls_client_ca %s: %s", config_get(c, "serve.tls_client_ca"),
					rc ? gnutls_strerror(rc) : "there is no certificate in it");
	}
	gnutls_certificate_free_credentials(credentials);
	return err;
}

int http_secrets_load(const struct config *c, bool tls, struct http_secrets *ret, struct error *e)
{
	struct http_secrets s = { 0 };
	int err = tokens_load(c, &s, e);

	if (err >= 0 && tls)
		err = file_read(c, "serve.tls_cert", &s.cert, e);
	if (err >= 0 && tls)
		err = file_read(c, "serve.tls_key", &s.key, e);
	if (err >= 0 && tls)
		err = file_read(c, "serve.tls_client_ca", &s.client_ca, e);
	if (err >= 0 && !s.cert != !s.key)
		err = error_set(e, EINVAL, "serve.tls_cert and serve.tls_key belong together, and one of them is not set");
	if (err >= 0 && s.client_ca && !s.cert)
		err = error_set(e, EINVAL, "serve.tls_client_ca asks for certificates, which takes serve.tls_cert and serve.tls_key");
	if (err >= 0 && s.cert)
		err = material_check(c, &s, e);
	if (err < 0) {
		http_secrets_release(&s);
		return err;
	}
	*ret = s;
	return 0;
}

void http_secrets_release(struct http_secrets *s)
{
	if (s->key)
		OPENSSL_cleanse(s->key, strlen(s->key));
	free(s->cert);
	free(s->key);
	free(s->client_ca);
	*s = (struct http_secrets){ 0 };
}

static bool token_good(const struct http_secrets *s, const char *token)
{
	unsigned char shown[32];
	bool right = false;

	if (!token || !digest(token, strlen(token), shown))
		return false;
	for (size_t i = 0; i < s->token_count; i++)
		right |= !CRYPTO_memcmp(s->tokens[i], shown, sizeof shown);
	return right;
}

bool http_secrets_allow(const struct http_secrets *s, const char *authorization)
{
	char *password = http_basic(authorization);
	bool right = token_good(s, password ? password : http_bearer(authorization));

	if (password)
		OPENSSL_cleanse(password, strlen(password));
	free(password);
	return right;
}

bool http_secrets_certificate(void *session)
{
	gnutls_typed_vdata_st purpose = { .type = GNUTLS_DT_KEY_PURPOSE_OID, .data = (unsigned char *)GNUTLS_KP_TLS_WWW_CLIENT };
	unsigned status = 0;

	return session && gnutls_certificate_verify_peers(session, &purpose, 1, &status) == 0 && !status;
}

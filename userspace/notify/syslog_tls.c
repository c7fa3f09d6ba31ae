/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/notify/syslog_tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "userspace/base/error.h"

struct syslog_tls {
	SSL_CTX *context;
	SSL *ssl; /* of the present connection */
	char *host;
};

/* The library's last word on what went wrong, and none left behind for the next. */
static const char *reason(void)
{
	unsigned long code = ERR_peek_last_error();
	const char *text = code ? ERR_reason_error_string(code) : NULL;

	ERR_clear_error();
	return text ? text : "unknown error";
}

/* Nobody is there to be asked for a key's password. */
static int no_password(char *text, int size, int rwflag, void *context)
{
	(void)text, (void)size, (void)rwflag, (void)context;
	return -1;
}

static int files_read(struct syslog_tls *t, const char *ca_file, const char *cert_file, const char *key_file, struct error *e)
{
	SSL_CTX *c = t->context;

	if (*ca_file ? SSL_CTX_load_verify_file(c, ca_file) != 1 : SSL_CTX_set_default_verify_paths(c) != 1)
		return error_set(e, EINVAL, "syslog.ca_file %s: %s", ca_file, reason());
	if (!*cert_file != !*key_file)
		return error_set(e, EINVAL, "syslog.cert_file and syslog.key_file belong together: set both or none");
	if (!*cert_file)
		return 0;
	if (SSL_CTX_use_certificate_chain_file(c, cert_file) != 1)
		return error_set(e, EINVAL, "syslog.cert_file %s: %s", cert_file, reason());
	if (SSL_CTX_use_PrivateKey_file(c, key_file, SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(c) != 1)
		return error_set(e, EINVAL, "syslog.key_file %s: %s", key_file, reason());
	return 0;
}

int syslog_tls_new(const char *host, const char *ca_file, const char *cert_file, const char *key_file, struct syslog_tls **ret, struct error *e)
{
	struct syslog_tls *t = calloc(1, sizeof *t);
	int err;

	if (!t)
		return error_set(e, ENOMEM, "out of memory");
	ERR_clear_error();
	t->host = strdup(host);
	t->context = SSL_CTX_new(TLS_client_method());
	if (!t->host || !t->context) {
		syslog_tls_free(t);
		return error_set(e, ENOMEM, "out of memory");
	}
	SSL_CTX_set_min_proto_version(t->context, TLS1_2_VERSION);
	SSL_CTX_set_verify(t->context, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_default_passwd_cb(t->context, no_password);
	/* What a receiver says is not read, so it cannot be cut short: an end without goodbye is an end. */
	SSL_CTX_set_options(t->context, SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(t->context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	err = files_read(t, ca_file, cert_file, key_file, e);
	if (err < 0) {
		syslog_tls_free(t);
		return err;
	}
	*ret = t;
	return 0;
}

void syslog_tls_free(struct syslog_tls *t)
{
	if (!t)
		return;
	syslog_tls_end(t);
	SSL_CTX_free(t->context);
	free(t->host);
	free(t);
}

/* A name, which the server is told too (SNI), or an address: each is another field of a certificate. */
static int expect_host(struct syslog_tls *t)
{
	unsigned char address[sizeof(struct in6_addr)];

	if (inet_pton(AF_INET, t->host, address) == 1 || inet_pton(AF_INET6, t->host, address) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(t->ssl), t->host) == 1 ? 0 : -EINVAL;
	return SSL_set1_host(t->ssl, t->host) == 1 && SSL_set_tlsext_host_name(t->ssl, t->host) == 1 ? 0 : -EINVAL;
}

int syslog_tls_begin(struct syslog_tls *t, int fd, char *why, size_t room)
{
	ERR_clear_error();
	t->ssl = SSL_new(t->context);
	if (t->ssl && expect_host(t) >= 0 && SSL_set_fd(t->ssl, fd) == 1)
		return 0;
	snprintf(why, room, "TLS: %s", reason());
	return -EIO;
}

void syslog_tls_end(struct syslog_tls *t)
{
	if (!t)
		return;
	/* Says goodbye if that can be said at once; what the other end thinks of it is of no interest. */
	if (t->ssl && SSL_is_init_finished(t->ssl))
		SSL_shutdown(t->ssl);
	SSL_free(t->ssl);
	t->ssl = NULL;
	ERR_clear_error();
}

/* Of a call that did not succeed; errno is its own. */
static int answer_of(struct syslog_tls *t, int got, uint32_t *ret_want, char *why, size_t room)
{
	int saved = errno, is = SSL_get_error(t->ssl, got);
	long verified = SSL_get_verify_result(t->ssl);

	if (is == SSL_ERROR_WANT_READ || is == SSL_ERROR_WANT_WRITE) {
		*ret_want = is == SSL_ERROR_WANT_READ ? EPOLLIN : EPOLLOUT;
		return -EAGAIN;
	}
	if (is == SSL_ERROR_ZERO_RETURN)
		snprintf(why, room, "it closed the connection");
	else if (is == SSL_ERROR_SYSCALL)
		snprintf(why, room, "%s", saved ? strerror(saved) : "it closed the connection");
	else if (verified != X509_V_OK)
		snprintf(why, room, "its certificate is not accepted: %s", X509_verify_cert_error_string(verified));
	else
		snprintf(why, room, "TLS: %s", reason());
	ERR_clear_error();
	return -EIO;
}

int syslog_tls_handshake(struct syslog_tls *t, uint32_t *ret_want, char *why, size_t room)
{
	int got;

	ERR_clear_error();
	errno = 0;
	got = SSL_connect(t->ssl);
	return got == 1 ? 0 : answer_of(t, got, ret_want, why, room);
}

ssize_t syslog_tls_write(struct syslog_tls *t, const void *data, size_t size, uint32_t *ret_want, char *why, size_t room)
{
	int got;

	ERR_clear_error();
	errno = 0;
	got = SSL_write(t->ssl, data, size > INT_MAX ? INT_MAX : (int)size);
	return got > 0 ? got : answer_of(t, got, ret_want, why, room);
}

int syslog_tls_hear(struct syslog_tls *t, char *why, size_t room)
{
	char rest[512];
	uint32_t want;
	int got;

	ERR_clear_error();
	errno = 0;
	got = SSL_read(t->ssl, rest, sizeof rest);
	return got > 0 ? 0 : answer_of(t, got, &want, why, room);
}

uint64_t syslog_tls_sent(const struct syslog_tls *t)
{
	return t->ssl ? BIO_number_written(SSL_get_wbio(t->ssl)) : 0;
}

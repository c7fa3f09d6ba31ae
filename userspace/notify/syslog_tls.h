/* SPDX-License-Identifier: Apache-2.0 */
/* TLS by OpenSSL over a socket that does not block (RFC 5425). The peer's certificate and name are verified always. */
#ifndef ABIDRIFT_NOTIFY_SYSLOG_TLS_H
#define ABIDRIFT_NOTIFY_SYSLOG_TLS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct error;
struct syslog_tls;

/* Reads the files. "": the system's authorities, no certificate of our own. -errno with e. */
int syslog_tls_new(const char *host, const char *ca_file, const char *cert_file, const char *key_file, struct syslog_tls **ret, struct error *e);
void syslog_tls_free(struct syslog_tls *t);

/* On a connected socket, which stays the caller's. why is filled where the answer is neither 0 nor -EAGAIN. */
int syslog_tls_begin(struct syslog_tls *t, int fd, char *why, size_t room);
/* Forgets the connection. NULL: nothing. */
void syslog_tls_end(struct syslog_tls *t);
/* 0: done. -EAGAIN: not yet, *ret_want is what to wait for (EPOLLIN, EPOLLOUT). */
int syslog_tls_handshake(struct syslog_tls *t, uint32_t *ret_want, char *why, size_t room);
/* Bytes taken, or as above. */
ssize_t syslog_tls_write(struct syslog_tls *t, const void *data, size_t size, uint32_t *ret_want, char *why, size_t room);
/* Reads and forgets. -EAGAIN: nothing more, and it is open. */
int syslog_tls_hear(struct syslog_tls *t, char *why, size_t room);
/* Bytes that went into the socket. */
uint64_t syslog_tls_sent(const struct syslog_tls *t);

#endif

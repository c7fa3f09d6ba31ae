/* SPDX-License-Identifier: Apache-2.0 */
/* The socket that HTTP is served on: made while there are rights for it, kept over restarts of who serves. */
#ifndef ABIDRIFT_SERVE_HTTP_LISTEN_H
#define ABIDRIFT_SERVE_HTTP_LISTEN_H

#include <stdbool.h>
#include <sys/types.h>

struct config;
struct error;

struct http_listener {
	int fd;          /* -1: there is none */
	bool tcp;        /* else a Unix socket */
	bool tls;
	char text[160];  /* where it is, for people: http://127.0.0.1:10917/ */
	char path[108];  /* of a Unix socket */
	dev_t device;
	ino_t inode;
};
#define HTTP_LISTENER_INIT { .fd = -1 }

/*
 * where: "unix:PATH", "ADDRESS:PORT" or "none". Refused with e: what reaches beyond this host without TLS and a token or client
 * certificates, what somebody else listens on.
 */
int http_listen(const struct config *c, const char *where, struct http_listener *ret, struct error *e);
/* The Unix socket goes too, if it is still this one. */
void http_listener_close(struct http_listener *l);

#endif

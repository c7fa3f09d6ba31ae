/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `run` as processes: what they share (made once, by prepare.c), and how each is begun. All of them are children of one supervisor,
 * which is us.
 */
#ifndef ABIDRIFT_COMMANDS_SERVICE_H
#define ABIDRIFT_COMMANDS_SERVICE_H

#include <sys/socket.h>
#include <sys/un.h>

#include "userspace/commands/privilege.h"
#include "userspace/commands/supervise.h"
#include "userspace/serve/http_listen.h"

struct config;
struct error;
struct options;

/* What follows it in a store's URL is a path. */
#define URL_SCHEME "sqlite:"

struct run {
	const struct options *options;
	struct config *config;
	const char **pairs;
	struct privilege_user user;
	char *url; /* with an absolute path: the processes do not depend on a working directory */
	char *pin; /* folder of the kernel side that outlives us; NULL = it does not */
	int lock_fd; /* on the store's file: one monitor per store */
	int listen_fd; /* the collector's */
	int bell_fd; /* analyst rings, messenger hears */
	int ready_fd; /* analyst tells, we hear */
	struct http_listener http;
	struct sockaddr_un address; /* of listen_fd, abstract */
	socklen_t address_size;
};

/* Checks what watching takes, and makes all of the above but options and config. -errno with e. */
int prepare(struct run *r, struct error *e);

extern const struct service services[];
extern const size_t services_count;

#endif

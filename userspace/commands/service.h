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

struct collector_options;
struct config;
struct error;
struct options;

/* What follows it in a store's URL is a path. */
#define URL_SCHEME "sqlite:"

/* Where the two services meet, unless COLLECTOR_VARIABLE names another socket. */
#define COLLECTOR_SOCKET "/run/abidrift-collector.sock"
#define COLLECTOR_VARIABLE "ABIDRIFT_COLLECTOR"

/* What of it this process and its children are. */
enum part { PART_ALL, PART_COLLECTOR, PART_ANALYST, PART_NONE };

struct run {
	enum part part;
	const struct options *options;
	struct config *config;
	const char **pairs;
	struct privilege_user user;
	char *url; /* with an absolute path: the processes do not depend on a working directory */
	char *pin; /* folder of the kernel side that outlives us; NULL = it does not */
	int pin_fd; /* holds it while a collector is started again; -1: there is nothing to hold */
	int lock_fd; /* on a file beside the store: one monitor per store */
	int listen_fd; /* the collector's; -1: it is another service's */
	int reload_fd; /* who judges or collects hears that there are other settings: the collector reads them again, the analyst is given them */
	int settings_fd; /* where the analyst is given them, once all of its side took them: a file in memory. -1: they come with the stream */
	int alive_fd; /* in each of the processes: it rings there while it makes progress */
	int bell_fd; /* analyst rings, messenger hears */
	int ready_fd; /* analyst tells, we hear */
	struct http_listener http;
	bool reloaded; /* the configuration is not the one of the start */
	bool notified; /* systemd was told that we are ready */
	struct sockaddr_un address; /* where the collector listens */
	socklen_t address_size;
};

/* Checks what watching takes, and makes all of the above but options and config. -errno with e. */
int prepare(struct run *r, struct error *e);

/* The processes of a part, in the order in which they start and end. */
const struct service *services_of(enum part part, size_t *ret_count);
/* The collector as the configuration wants it; the descriptors are -1 and to be filled in. */
void service_collector_options(const struct run *r, struct collector_options *ret);
/* Gives up what a collector does not need, and is one until it is told to stop. The exit code. */
int service_collect(const struct run *r, const struct collector_options *options);

/*
 * The configuration as it is in its files now. Settings that are taken at the start alone keep their values in it; one line is said of
 * each that differs and is the business of `tell`. -errno with e, which names file and line.
 */
int service_reread(const struct run *r, enum part tell, struct config **ret, struct error *e);
/* Are its secrets and rules what a messenger can work with? In a process of its own. -errno with e. */
int service_try(const struct run *r, const struct config *config, struct error *e);
/* It is the one from now on. */
int service_take(struct run *r, struct config *config, struct error *e);
/* To the analyst of a part of its own, whose collector may have taken what its side refuses. */
int service_hand_on(const struct run *r, struct error *e);

/* Runs act in a process of its own, as it may change what it likes there. What it says in e is said here; what it returns (-errno) too. */
int service_apart(int (*act)(const void *context, struct error *e), const void *context, struct error *e);

/* `--part collector`: one process, on the socket that it was given. The exit code. */
int part_collector(struct run *r);

#endif

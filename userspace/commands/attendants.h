/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes that the messenger needs and must not be itself: the keeper, who writes the store, and the runner, who runs the command
 * sink's program. Each is a child of who starts it, knows nothing but its end of a socket, and does not outlive it. They are started
 * before secrets are read, so that they have none.
 */
#ifndef ABIDRIFT_COMMANDS_ATTENDANTS_H
#define ABIDRIFT_COMMANDS_ATTENDANTS_H

#include <stdbool.h>
#include <sys/types.h>

struct config;
struct error;
struct privilege_user;

struct attendant {
	pid_t pid;  /* 0: none */
	int fd;     /* our end of its socket */
	int pid_fd; /* readable once it has ended */
};
#define ATTENDANT_INIT { 0, -1, -1 }

/* user: whom they become; NULL: nobody else. -errno with e. */
int attendant_keeper(struct config *c, const char *store_url, int patience_ms, const struct privilege_user *user, struct attendant *ret, struct error *e);
/* Only if the configuration has a command to run; else *ret stays. */
int attendant_runner(struct config *c, const struct privilege_user *user, struct attendant *ret, struct error *e);
/* Hangs up and waits for its end; one that hangs ends when this process does. Could it not do its work? Not: was it killed. */
bool attendant_end(struct attendant *a);

#endif

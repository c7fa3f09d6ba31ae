/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes that are kept alive: started in order, started again when they die (after 100 ms, doubling to 5 s), ended in order
 * on SIGINT, SIGTERM, or when the terminal is gone. A second signal ends all at once. None outlives this process. SIGHUP from
 * somebody reads the configuration again.
 *
 * Each rings while it makes progress. One that does not for 30 s (half of systemd's WatchdogSec, if that is less) is ended by force
 * and started again. systemd's watchdog is fed only while all of them ring that run: one that dies again and again is started again
 * and does not end the others.
 */
#ifndef ABIDRIFT_COMMANDS_SUPERVISE_H
#define ABIDRIFT_COMMANDS_SUPERVISE_H

#include <stdbool.h>
#include <stddef.h>

struct error;
struct options;

#define SERVICE_KEEP_MAX 4

/* The descriptors of one start. */
struct service_start {
	int stop_fd;                /* hangs up when the process is to finish */
	int alive_fd;               /* an eventfd: supervise_alive() at each step */
	int own_fd;                 /* from prepare: closed here once the process has it; -1 = none */
	int keep[SERVICE_KEEP_MAX]; /* others that it may use; -1 ends the list */
};

struct service {
	const char *name;
	bool follows;       /* ends by itself once the one before it has ended; told to stop only if it does not */
	bool keeps_stdout;  /* else it has /dev/null there */
	bool renews;        /* ended in order and started again when the configuration was read anew */
	/* Here, before each start; own_fd and keep are -1 so far. NULL: nothing to do. -errno with e: tried again later. */
	int (*prepare)(void *context, struct service_start *start, struct error *e);
	/* There. The exit code: EXIT_FAILED before anything was ready ends all. Errors were said. */
	int (*main)(void *context, const struct service_start *start);
};

struct supervision {
	const struct options *options;
	void *context;
	int ready_fd;                 /* readable once all are at work */
	void (*ready)(void *context); /* then, once */
	/* SIGHUP came. False: nothing is to be renewed. */
	bool (*reload)(void *context);
	void (*reloaded)(void *context); /* and all that renew have begun again; also after a reload that was false */
	void (*stopping)(void *context);
};

/* Until a signal: 0; EXIT_FAILED if one could not begin its work. */
int supervise(const struct service *services, size_t count, const struct supervision *s);
/* In a service's process, after it changed its user: ends when the one that supervises ends. */
void supervise_bind(void);

/* Rings. */
void supervise_alive(int alive_fd);

#endif

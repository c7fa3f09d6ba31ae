/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the store's outbox to the sinks. Each sink acknowledges for itself; an alert leaves a sink's queue only then. In the same
 * loop, after that, HTTP.
 */
#ifndef ABIDRIFT_MESSENGER_H
#define ABIDRIFT_MESSENGER_H

#include <stdint.h>

struct error;
struct http;
struct notify;
struct store;
struct suppressions;

/* A process that works for this one: without it this one cannot go on. */
struct messenger_attendant {
	const char *name;
	int pid_fd; /* readable once it has ended; -1: there is none */
};
#define MESSENGER_ATTENDANTS 2

struct messenger_options {
	struct notify *notify; /* loaded; stays the caller's */
	struct http *http; /* loaded; stays the caller's. NULL: nothing is served */
	const char *store_url; /* of http, which reads by a connection of its own */
	const struct suppressions *rules; /* of http; NULL: none */
	int bell_fd; /* readable: there may be news in the outbox; -1: none (it looks every 500 ms anyway) */
	struct messenger_attendant attendants[MESSENGER_ATTENDANTS];
	uint64_t blind_after_ns; /* without a heartbeat of this host's monitor for so long, that is told */
	void (*alive)(void *context); /* after each look; NULL */
	void *context;
	const char *mark; /* begins each line that is said: warnings, all of them. NULL: nothing */
	int stop_fd; /* readable or hung up: deliver what is there, return */
};

/* The store is one that may be written, or forwards (store/forward.h). 0 or -errno with e. */
int messenger_run(struct store *store, const struct messenger_options *options, struct error *e);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where alerts go. A sink is a row of functions: notify.c hands it alerts of its queue and hears, now or later, what became of each.
 * Alerts of one guest come one after the other: the next only once the one before was answered. A new kind is one file and one
 * row in notify.c. Nothing here blocks; what has to wait waits in the loop.
 */
#ifndef ABIDRIFT_NOTIFY_SINK_H
#define ABIDRIFT_NOTIFY_SINK_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

struct config;
struct error;
struct http_client;

struct sink_alert {
	int64_t row;        /* names it in the answer */
	const char *id;     /* stable: of a second delivery it is the same */
	const char *line;   /* the JSON, one line without newline */
	const json_t *json; /* the same, parsed; NULL if it cannot be */
};

enum sink_result {
	SINK_DELIVERED, /* acknowledged: it leaves the queue */
	SINK_LATER,     /* the sink takes nothing now (away, full, busy): tried again with growing pauses; all of its alerts wait */
	SINK_REFUSED,   /* it does not want this one: tried again with growing pauses while others pass; given up after SINK_REFUSALS_MAX */
	SINK_FAILED,    /* it fails on this one, its own fault perhaps: as SINK_REFUSED, but only its age (alerts.give_up) ends it */
	SINK_STOPPED,   /* it will never take anything again in this process; what waits stays in the store */
};
#define SINK_REFUSALS_MAX 5

struct sink_answer {
	enum sink_result result;
	uint64_t after_ms; /* of SINK_LATER: what the sink asked for; 0: no wish */
	const char *text;  /* what came back, for people, one line; of SINK_LATER NULL: nothing worth telling (a slow reader) */
};

/* What a sink works with. Outlives it. */
struct sink_host {
	sd_event *loop;
	struct http_client *http;
	int runner_fd; /* who runs programs (runner.h); -1: nobody does */
	void *context;
	/* Of an alert that deliver was given; exactly once for each, from within deliver or later. */
	void (*answered)(void *context, const char *sink, int64_t row, const struct sink_answer *answer);
	void (*runner_hangs)(void *context); /* another is needed */
};

struct sink_kind {
	const char *name; /* of its queue in the store, its config section and its metrics: never change it */
	unsigned window;  /* alerts of different guests that may be on their way at once, at least 1 */
	/* Does the configuration want it? (NAME.enable is looked at before.) NULL: always. */
	bool (*wanted)(const struct config *c);
	/* Reads the configuration, and files that only root may read: before rights are given up. *ret_state is handed to the others. */
	int (*load)(const struct config *c, void **ret_state, struct error *e);
	/* Is there anybody to deliver to? Its queue begins with the first yes; from then on alerts wait for it, across restarts. NULL: always. */
	bool (*present)(void *state);
	/* Before the first delivery, in the process and with the rights that it will have. */
	int (*begin)(void *state, const struct sink_host *host, struct error *e);
	/* alert is borrowed until the call returns. */
	void (*deliver)(void *state, const struct sink_alert *alert);
	/* Drops what is on its way, unanswered. state NULL: nothing. */
	void (*release)(void *state);
};

extern const struct sink_kind sink_stdout, sink_journal, sink_webhook, sink_syslog, sink_command;

#endif

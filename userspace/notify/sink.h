/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where alerts go. A sink is a row of functions; notify.c hands it the alerts of its queue in order, one at a time, and the next
 * only once it acknowledged this one. A new kind is one file and one row in notify.c.
 */
#ifndef ABIDRIFT_NOTIFY_SINK_H
#define ABIDRIFT_NOTIFY_SINK_H

#include <jansson.h>
#include <stdbool.h>

struct error;

struct sink_alert {
	const char *id;
	const char *line;   /* the JSON, one line without newline */
	const json_t *json; /* the same, parsed; NULL if it cannot be */
};

struct sink_kind {
	const char *name; /* of its queue in the store: never change it */
	/*
	 * Is there anybody to deliver to? Its queue begins with the first yes; from then on alerts wait for it, across restarts,
	 * whether it answers or not. NULL: always.
	 */
	bool (*present)(void);
	/* *ret_state is handed to the other two. -errno with e. */
	int (*begin)(void **ret_state, struct error *e);
	/*
	 * 0: delivered, acknowledged for good. -EAGAIN: not now, try again with the same alert. Any other error: this sink is broken
	 * for as long as the process lives; its alerts stay in its queue. Never blocks.
	 */
	int (*deliver)(void *state, const struct sink_alert *alert, struct error *e);
	void (*release)(void *state);
};

extern const struct sink_kind sink_stdout;
extern const struct sink_kind sink_journal;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outbox of the store to all sinks. Each has a queue of its own: a slow or absent one holds up no other. An alert leaves a
 * queue when its sink acknowledged it, or when it was given up (alerts.give_up, SINK_REFUSALS_MAX), which is counted and told.
 */
#ifndef ABIDRIFT_NOTIFY_NOTIFY_H
#define ABIDRIFT_NOTIFY_NOTIFY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

struct config;
struct error;
struct notify;
struct sink_answer;
struct store;

/* What the configuration wants, with the files that it names: while they can still be read. -errno with e: a mistake in it. */
int notify_load(const struct config *c, struct notify **ret, struct error *e);
void notify_free(struct notify *n);
/* Names of all that have a queue, whether wanted or not; NULL-terminated. */
const char *const *notify_sinks(void);
/* Does the configuration want programs to be run? Then somebody has to be there who does (runner.h), over this socket. */
bool notify_runs(const struct config *c);
void notify_runner(struct notify *n, int fd);
/* Does it hang? Then only another process with another runner can go on. */
bool notify_runner_hangs(const struct notify *n);
/* What waits for a sink that is not wanted goes on waiting, as long as for any other; without it is forgotten. */
void notify_keep(struct notify *n);
/* Borrows store and loop. say: a line for the operator, whenever there is one. */
int notify_begin(struct notify *n, struct store *store, sd_event *loop, void (*say)(void *context, const char *line), void *context, struct error *e);
/* Hands out what can go now: to be called when the store changed, at first, and when notify_due says so. -errno with e: the store failed. */
int notify_deliver(struct notify *n, struct error *e);
/* When something is due by itself (a retry, a repetition), CLOCK_MONOTONIC ms; INT64_MAX: nothing is. */
int64_t notify_due(const struct notify *n);
/* Something is on its way or could go at once: worth waiting for at the end. */
bool notify_busy(const struct notify *n);

/*
 * One alert of the type "test" through one sink, or through all that are wanted (sink NULL), without any store. heard is called for each
 * with what came back. -ENOENT with e: no such sink, or it is not configured. Runs its own loop until all answered, 30 s at most.
 */
int notify_test(struct notify *n, const char *sink, const json_t *alert, void (*heard)(void *context, const char *sink, const struct sink_answer *answer),
		void *context, struct error *e);

#endif

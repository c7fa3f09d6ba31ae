/* SPDX-License-Identifier: Apache-2.0 */
/* The outbox of the store to all sinks. Each has a queue of its own: a slow or absent one holds up no other. */
#ifndef ABIDRIFT_NOTIFY_NOTIFY_H
#define ABIDRIFT_NOTIFY_NOTIFY_H

#include <stdbool.h>

struct error;
struct notify;
struct store;

/* Borrows the store. Sinks begin as they become present. -errno with e. */
int notify_new(struct store *store, struct notify **ret, struct error *e);
void notify_free(struct notify *n);
/*
 * Delivers what can be delivered now. *ret_left: alerts wait for a sink that said "not now". A sink that breaks, or that waits for a reason
 * that a person can mend, is told of once in e (0 is returned then, and e->text is not empty). -errno with e: the store failed.
 */
int notify_deliver(struct notify *n, bool *ret_left, struct error *e);

#endif

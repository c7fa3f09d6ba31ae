/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices of a guest that its VMM does not make itself: passed through from the host, or served by another process. Private to this
 * folder and its tests.
 */
#ifndef ABIDRIFT_DRIFT_PASSED_H
#define ABIDRIFT_DRIFT_PASSED_H

#include <stdbool.h>

#include "userspace/drift/drift.h"

enum passed_kind {
	PASSED_HOST,    /* vfio: the host's hardware */
	PASSED_PROCESS, /* vhost-user, vfio-user */
	PASSED_KINDS,
};

/* What a context says of them, read once: a command line may be long, and so may be the list of changes. */
struct passed;

int passed_prepare(const struct context *c, struct passed **ret); /* -ENOMEM. Borrows nothing. */
void passed_free(struct passed *p);

/* Does the VMM's command line name one? */
bool passed_any(const struct context *c, enum passed_kind kind);
/*
 * Is the change, one of d->changes, about such a device? By its address where the command line gives one; else a function of a kind
 * that the VMM does not emulate (its id is looked up in `now`, and in `d` where it is gone; both may be NULL).
 */
bool passed_function(const struct passed *p, enum passed_kind kind, const struct drift *d, const struct drift_change *change,
		     const struct abi_entries *now);

#endif

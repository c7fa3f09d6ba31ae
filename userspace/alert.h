/* SPDX-License-Identifier: Apache-2.0 */
/* The one form of an alert: what goes into the outbox, whoever raises it. docs/alerts.md describes it. */
#ifndef ABIDRIFT_ALERT_H
#define ABIDRIFT_ALERT_H

#include <jansson.h>
#include <stdint.h>

#include "userspace/drift/drift.h"

struct store;
struct store_guest;

struct alert {
	const char *type;                /* drift resolved loss blind store twin test */
	const char *host;
	const struct store_guest *guest; /* NULL: about the host */
	enum severity severity;
	const char *verdict;             /* NULL */
	const char *summary;             /* the guest's name is put before it */
	const json_t *changes;           /* NULL: none; only the first are listed */
	const json_t *context;           /* NULL: nothing */
	const char *change_set;          /* NULL */
	const json_t *change_sets;       /* of a maintenance window; NULL: it has no such member */
	const char *about;               /* the same makes the same id, which is told once; NULL: guest, time and summary do */
	int64_t now;                     /* CLOCK_REALTIME ns */
};

/* What others chose, as JSON text: bytes that are no UTF-8 become what stands for them. text NULL: null. NULL: out of memory. */
json_t *alert_text(const char *text);
/* The object; NULL: out of memory. */
json_t *alert_json(const struct alert *a);
/* Into the outbox, within the caller's transaction: 0, -ENOMEM, or what the store said. */
int alert_add(struct store *s, const struct alert *a);

#endif

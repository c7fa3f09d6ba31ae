/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Alertmanager, API v2. It wants states, not events: what lasts is sent to every peer, again and again (alertmanager.resend), and its
 * end once to each, from when it is no more. What lasts: drift that is open, one notice per change set where several guests drift
 * alike, and where somebody no longer sees. Kept in the store (store_notice_*), so that no restart forgets an end.
 */
#ifndef ABIDRIFT_NOTIFY_ALERTMANAGER_H
#define ABIDRIFT_NOTIFY_ALERTMANAGER_H

#include <stdbool.h>
#include <stdint.h>

struct alertmanager;
struct config;
struct error;
struct sink_answer;
struct sink_host;
struct store;

/* *ret NULL: the configuration does not want it. */
int alertmanager_load(const struct config *c, struct alertmanager **ret, struct error *e);
void alertmanager_free(struct alertmanager *a);
/* host: its loop and HTTP client are used. store NULL: only for alertmanager_test. */
int alertmanager_begin(struct alertmanager *a, const struct sink_host *host, struct store *store, void (*say)(void *context, const char *line), void *context,
		       struct error *e);
/* When the store changed, and when due. now: CLOCK_REALTIME ns. */
int alertmanager_follow(struct alertmanager *a, int64_t now, struct error *e);
/* CLOCK_MONOTONIC ms; INT64_MAX: nothing. */
int64_t alertmanager_due(const struct alertmanager *a);
bool alertmanager_busy(const struct alertmanager *a);
/* A notice that ends by itself after a minute, to every peer; heard once, when all answered. */
int alertmanager_test(struct alertmanager *a, const char *id, void (*heard)(void *context, const char *sink, const struct sink_answer *answer), void *context,
		      struct error *e);

#endif

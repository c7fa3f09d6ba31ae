/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lasts, as Alertmanager wants it: notices, each from when it began until it ends, made of the open drift and the blinds of the
 * store. The list here is what counts; the store follows it as soon as it can, and is where the next process begins.
 */
#ifndef ABIDRIFT_NOTIFY_NOTICES_H
#define ABIDRIFT_NOTIFY_NOTICES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct store;

struct notice {
	char *key;         /* of the list, in its order; the same key is the same notice */
	json_t *json;      /* {"labels":{},"annotations":{},"guests":[…rows of the store]} */
	int64_t starts_at; /* CLOCK_REALTIME ns */
	int64_t ends_at;   /* 0: it lasts */
	uint32_t took;     /* peers that know of its end: 1u << their number */
	uint32_t written;  /* those of them that the store knows of */
	bool unsaved;      /* the store has it otherwise */
	bool dropped;      /* nobody needs it any more: gone, once the store forgot it */
	bool wanted;       /* while they are compared */
};

/* How long drift of a boot that has not settled is kept back: its changes still grow, and each step would be another alert. */
#define NOTICES_SETTLE_NS (120 * INT64_C(1000000000))

struct notices {
	struct notice *items; /* by key */
	size_t count;
	struct notices_held *held; /* guests whose drift is kept back, and since when */
	size_t held_count;
	int64_t again_at; /* time alone changes something then: CLOCK_REALTIME ns; INT64_MAX: never */
	char seen[72];    /* digest of what the store said */
};

#define NOTICES_INIT { .again_at = INT64_MAX }

void notices_release(struct notices *n);
/* As the process before left them. peers: their names in the store, at most 32. */
int notices_load(struct notices *n, struct store *s, const char *const *peers, size_t peer_count, struct error *e);
/* Compares with what the store says now. *ret_changed: somebody has to be told. -errno with e; nothing changed then. */
int notices_follow(struct notices *n, struct store *s, int64_t now, bool *ret_changed, struct error *e);
/* Within a transaction of the caller; notices_saved after its commit. */
int notices_save(const struct notices *n, struct store *s, const char *const *peers, size_t peer_count);
void notices_saved(struct notices *n);
bool notices_unsaved(const struct notices *n);
/* The first behind this key; NULL key: the first. NULL: there is none. */
struct notice *notices_after(struct notices *n, const char *key);
struct notice *notices_find(struct notices *n, const char *key);

#endif

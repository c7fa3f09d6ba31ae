/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store that is read here and written elsewhere: who works with the network has no right to write, and asks the keeper
 * (keeper.h) for each change over a stream socket. Only what is listed here can be asked for: the outbox and what belongs to it. The
 * functions of store.h do it by themselves for a store that was opened so; any other that writes fails with -EROFS.
 *
 * A question waits for its answer. A transaction is the keeper's, and so are the locks: what was written in it cannot be read
 * here before its commit.
 */
#ifndef ABIDRIFT_STORE_FORWARD_H
#define ABIDRIFT_STORE_FORWARD_H

#include <stdbool.h>
#include <stdint.h>

#include "userspace/base/message.h"

struct error;
struct store;

/* What is asked, and with which fields (message_is). */
enum store_forward {
	FORWARD_BEGIN,
	FORWARD_COMMIT,
	FORWARD_ROLLBACK,
	FORWARD_CHANGED,      /* result: as store_changed */
	FORWARD_SINK_BEGIN,   /* t sink */
	FORWARD_SINK_DROP,    /* t sink */
	FORWARD_ALERT_DONE,   /* t sink, i row, i given up */
	FORWARD_ALERT_FAILED, /* t sink, i row, i refused, i next at, t why */
	FORWARD_COUNTER_ADD,  /* t name, t labels, i count */
	FORWARD_NOTICE_PUT,   /* t key, t json, i starts at, i ends at */
	FORWARD_NOTICE_TOOK,  /* t key, t peer */
	FORWARD_NOTICE_DROP,  /* t key */
	FORWARD_MONITOR,      /* t host, T reason, i now: as blind_monitor; result: it was told */
	FORWARD_COUNT
};
/* The answer: i 0 or -errno, i result, t the error's line. So is the keeper's first message, before it was asked anything. */
#define FORWARD_ANSWER "iit"
const char *store_forward_kinds(enum store_forward what);

/*
 * Waits for the keeper to have its store open, then opens it here: files are opened to read only, also SQLite's -shm. fd stays
 * the caller's. -errno with e, of the keeper too.
 */
int store_open_forwarding(const char *url, int fd, struct store **ret, struct error *e);
bool store_forwards(const struct store *s);
/* Asks; ret_result may be NULL. -EPIPE: the keeper is gone, or was hung up on since it could not be understood. */
int store_forward(struct store *s, const struct message *m, int64_t *ret_result);

#endif

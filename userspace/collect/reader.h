/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads guests' memory in a process of its own, which is given up when it does not answer: a page that is taken away while it is
 * read may hold its reader for ever. One request at a time; nothing here waits.
 */
#ifndef ABIDRIFT_COLLECT_READER_H
#define ABIDRIFT_COLLECT_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/stream/record.h"

#define READER_PATIENCE_NS 1000000000ull /* for each area */
#define READER_WORKED_NS 5000000ull      /* of a processor: who had so much meanwhile does not hang */
#define READER_BUSY_NS 30000000000ull    /* for all that was asked for, however busy the host is */
#define READER_STUCK_MAX 8               /* processes that do not even end when they are killed: then nothing is read any more */
#define READER_SLOTS_MAX 2048u           /* of one guest; of more, those at the lowest addresses */

struct reader;

struct reader_request {
	uint64_t vm; /* handed back with the answers, as is boot */
	uint32_t boot;
	unsigned areas; /* bit n = enum record_area n */
	int pid;
	uint64_t start; /* of that process: no other one is read */
	const struct record_slot *slots; /* by gpa */
	size_t count;
	bool cut; /* it may have more */
};

/*
 * One for each area asked for. err 0: body is that of a RECORD_MEMORY. -ETIMEDOUT: the reader hung; -ESRCH: the process is gone;
 * else it could not be read.
 */
typedef void (*reader_fn)(void *context, uint64_t vm, uint32_t boot, enum record_area area, int err, const void *body, size_t bytes);

/*
 * The process begins here: call it before anything is open that it should not have. confine: what it calls, there, to give up what it
 * does not need, -errno; or NULL. The descriptor to watch changes with it; epoll_fd gets it with `event`.
 */
int reader_new(int (*confine)(void), struct reader **ret);
int reader_watch(struct reader *r, int epoll_fd, uint64_t event);
void reader_free(struct reader *r);

/* Does it take a request? Not while it works on one, nor once it was given up. */
bool reader_idle(const struct reader *r);
/* Why nothing is read any more, or NULL. */
const char *reader_blind(const struct reader *r);
int reader_ask(struct reader *r, const struct reader_request *request, uint64_t now_ns);
/* Takes what has been answered, and gives up what takes too long. */
void reader_work(struct reader *r, uint64_t now_ns, reader_fn fn, void *context);
/* When reader_work is due at the latest; 0 = nothing is under way. */
uint64_t reader_due(const struct reader *r);

#endif

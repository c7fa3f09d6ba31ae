/* SPDX-License-Identifier: Apache-2.0 */
/* What /proc tells of a VMM: who it is, when it began, what it runs. Nothing is executed; all of it is bounded. */
#ifndef ABIDRIFT_COLLECT_PROCESS_H
#define ABIDRIFT_COLLECT_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

struct buffer;
struct contents;
struct foreign;

struct process {
	int pidfd;      /* readable once it has ended */
	int pid;
	uint64_t start; /* ticks since boot: with the pid, one process for ever */
};

#define PROCESS_INIT { .pidfd = -1 }

/* -ESRCH: it is gone (or its pid has been taken over meanwhile). */
int process_open(int pid, struct process *ret);
void process_release(struct process *p);
bool process_alive(const struct process *p);
/* When a process began, in ticks since boot. -ESRCH. */
int process_start(int pid, uint64_t *ret);

/* Has the file that the process runs been replaced on disk? False where that cannot be told. */
bool process_replaced(const struct process *p);
/*
 * Appends its command line as it lies in its memory; empty where it hides that. *reading (NULL at first) stays for the next call
 * while it takes long: -EAGAIN, also when too many others do. -ESRCH: it is ending.
 */
int process_arguments(const struct process *p, struct contents *contents, int wait_ms, struct foreign **reading, struct buffer *out);
/*
 * Appends the VM pairs of record.h that belong to the process (all but "fd" and "replaced"). `matches` is set where `guest`
 * (may be NULL) is named on the command line, or is the unit.
 */
int process_describe(const struct process *p, struct contents *contents, const char *guest, const struct buffer *arguments,
		     struct buffer *pairs, bool *ret_matches);
/* Is `tid` a thread of the process? */
bool process_has_thread(const struct process *p, uint32_t tid);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest's memory, read in its VMM's process through the memory slots. Only pages that /proc/PID/pagemap calls present right
 * before: one that userfaultfd is missing would hold the reader for as long as the VMM likes. A VMM that takes a page away
 * in between can still do that, so whoever calls this must be a process that can be given up (reader.h).
 */
#ifndef ABIDRIFT_COLLECT_GUEST_MEMORY_H
#define ABIDRIFT_COLLECT_GUEST_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "userspace/stream/record.h"

struct guest_memory {
	int pid;
	int pagemap_fd;
	int pid_fd;
	const struct record_slot *slots; /* borrowed, by gpa */
	size_t count;
};

/* -ESRCH: it is not that process any more. */
int guest_memory_open(int pid, uint64_t start, const struct record_slot *slots, size_t count, struct guest_memory *ret);
void guest_memory_close(struct guest_memory *m);
/* Is it still that process? Only then belongs what was read to it. 0 or -ESRCH. */
int guest_memory_check(const struct guest_memory *m);
/* A tables_read_fn. */
int guest_memory_read(void *context, uint64_t gpa, void *to, size_t bytes, uint32_t *ret_present);

#endif

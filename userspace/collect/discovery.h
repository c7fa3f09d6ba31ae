/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds VMs, follows their boots, tables and slots, and notices their end. New ones are found by their first news and one
 * inventory of that process, others by sweeps. Between sweeps nothing is read of a VM that has no news.
 */
#ifndef ABIDRIFT_COLLECT_DISCOVERY_H
#define ABIDRIFT_COLLECT_DISCOVERY_H

#include <stdbool.h>
#include <stdint.h>

#include "userspace/collect/vms.h"

struct contents;
struct kernel;
struct output;

struct discovery {
	struct kernel *kernel; /* all borrowed but vms */
	struct output *output;
	struct contents *contents;
	const char *guest;     /* only this one is told of; NULL = all */
	int epoll_fd;          /* gets the processes' pidfds, data = their pid */
	struct vms vms;
	bool ending;           /* there is no time to wait any more */
	bool compare;          /* the kernel's map of VMs may know more: discovery_compare soon */
	bool missed;           /* a process could not be looked at for want of descriptors or memory: a sweep soon */
};

/* All VMs of this host. -errno: the inventory does not work here. */
int discovery_sweep(struct discovery *d);
/* Facts of a VM that is not known, or of a boot that is not: the map of VMs knows better. */
void discovery_compare(struct discovery *d);
/*
 * News: takes in what they tell of VMs and boots. Returns the VM that a fact belongs to, or NULL: not (yet) known, or the
 * fact is of a former boot.
 */
struct vm *discovery_news(struct discovery *d, const struct observe_news *news);
/* Readings that are due. */
void discovery_work(struct discovery *d, uint64_t now_ns);
/* The process's pidfd became readable. */
void discovery_ended(struct discovery *d, int pid);
/* Tells sinks of the VMs that they do not know yet, as far as there is room. True: nothing is left to be told. */
bool discovery_announce(struct discovery *d);
/* Arguments of a process are read that nobody can be told of before. */
bool discovery_waits(const struct discovery *d);
void discovery_release(struct discovery *d);

/* Is it the guest that was asked for (all are where none was)? */
bool discovery_wanted(const struct discovery *d, const struct vm *vm);

#endif

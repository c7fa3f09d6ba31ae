/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel side as the collector uses it: loads and attaches the BPF programs, each alone, so that what this host refuses
 * costs only its own facets; reads the news ring, the maps and the iterators. libbpf is known to kernel*.c alone.
 */
#ifndef ABIDRIFT_COLLECT_KERNEL_H
#define ABIDRIFT_COLLECT_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/observe.h"

struct error;
struct kernel;

struct kernel_options {
	uint32_t facts;      /* capacity of the facts map; 0 = a fair share for the guests that this host's memory can hold */
	uint32_t ring_bytes; /* power of two, at least a page; 0 = default */
	uint32_t quota;      /* facts per guest and class (PCI headers get twice as many); 0 = by capacity */
	bool turns;          /* programs take turns where tracepoints are not preempted, too, if they can: for tests */
	const char *pin;     /* folder below a folder of a BPF filesystem where maps and links outlive us; NULL = they do not */
};

/* -errno with e: nothing could be loaded (what is missing, what to do). Parts that could not be attached are no error: kernel_blind. */
int kernel_new(const struct kernel_options *options, struct kernel **ret, struct error *e);
void kernel_free(struct kernel *k);

/* What people should know about the pins, and about what this host refused that no facet's coverage tells: lines, "" = nothing. Valid as long as k. */
const char *kernel_notes(const struct kernel *k);
/*
 * Whoever starts collectors again holds their set, too: it is nobody's while one of them is being replaced, and must not be taken for
 * one that was left behind. A descriptor to keep open, or -1: there is nothing to hold.
 */
int kernel_pins_hold(const char *folder);
/* How long it took, from opening the object until all was attached and (where it is) pinned: milliseconds of wall clock. */
double kernel_load_ms(const struct kernel *k);
/* The kernel side goes on without us. */
bool kernel_pinned(const struct kernel *k);

/* Why facts of this kind are not seen on this host, or NULL: they are. OBSERVE_PCI follows ports and MMIO. Valid as long as k. */
const char *kernel_blind(const struct kernel *k, enum observe_kind kind);
/* The same for the iterators over VMs, vCPU tables and slots, and for the detection of resets. */
const char *kernel_blind_inventory(const struct kernel *k);
const char *kernel_blind_resets(const struct kernel *k);

/*
 * Is what was attached still attached? What is not, or had to wait for KVM, is attached (again), if that can be. True: kernel_blind may say
 * another thing now.
 */
bool kernel_check(struct kernel *k);

/* Readable when the ring wants to be drained at once; drain it every 100 ms besides. */
int kernel_fd(const struct kernel *k);
typedef int (*kernel_news_fn)(void *context, const struct observe_news *news);
/* Number of news, or -errno. A negative return of fn ends it; what was not handed on stays in the ring. At most `max` (0 = all that is there). */
int kernel_drain(struct kernel *k, kernel_news_fn fn, void *context, size_t max);

typedef int (*kernel_fact_fn)(void *context, const struct observe_key *key, const struct observe_value *value);
/* All facts of the map (vm 0), or of one VM. A negative return of fn ends it and is returned. */
int kernel_facts(struct kernel *k, uint64_t vm, kernel_fact_fn fn, void *context);
typedef int (*kernel_vm_fn)(void *context, const struct observe_vm *vm);
int kernel_vms(struct kernel *k, kernel_vm_fn fn, void *context);
int kernel_vm_get(struct kernel *k, uint64_t kvm, struct observe_vm *ret); /* -ENOENT */
/* A VM that the inventory found and no fact did: makes its entry unless it is there by now. *ret is what is there then. */
int kernel_vm_add(struct kernel *k, uint64_t kvm, uint32_t tgid, struct observe_vm *ret);
/*
 * Where the VM's ECAM window is, learnt elsewhere (MCFG in guest memory, or the VMM is known for it); bytes 0: nowhere. What the
 * guest itself programs (PCIEXBAR of q35) counts instead where it does. Forgotten with the VM.
 */
int kernel_ecam_set(struct kernel *k, uint64_t vm, uint64_t base, uint32_t bytes);
/* The VM is gone: removes its `vms` entry if that still is this vm; its facts are litter for the next kernel_facts(). */
int kernel_forget(struct kernel *k, uint64_t kvm, uint64_t vm);
/* A boot began: where facts of those before use up a good part of its quota, they are litter. */
void kernel_booted(struct kernel *k, const struct observe_vm *seen);
/* There is litter: kernel_facts() should be called before long, if only with fn NULL. */
bool kernel_litter(const struct kernel *k);

/* What the inventory found, in any order; body points to the struct of header.type, entries behind it. */
typedef int (*kernel_inventory_fn)(void *context, const struct inventory_header *header, const void *body);
enum kernel_want { KERNEL_WANT_VMS = 1, KERNEL_WANT_VCPUS = 2, KERNEL_WANT_CPUID = 4, KERNEL_WANT_SLOTS = 8, KERNEL_WANT_ALL = 15 };
/* One process (tgid) or all (0). A VM is reported once per descriptor that refers to it. Slots come with their VM's header; they are whole if their number is inventory_vm.slots and every generation is the VM's. */
int kernel_inventory(struct kernel *k, uint32_t tgid, unsigned want, kernel_inventory_fn fn, void *context);

/* Sums over all CPUs; of what was taken over, facts and full rings of the time before do not count. */
int kernel_counters(struct kernel *k, uint64_t ret[OBSERVE_COUNTERS]);
/* Program runs that the kernel skipped because the program was running already on that CPU, since the maps are there. */
struct kernel_missed {
	uint64_t all;
	uint64_t decoded; /* of these: of programs that make facts of several events, and take the wrong neighbour for one where one is missing */
};
int kernel_missed(struct kernel *k, struct kernel_missed *ret);
int kernel_capacity(struct kernel *k, uint64_t *ret_entries);

/* How full the maps are that can fill up. Names are static. */
struct kernel_map {
	const char *name;
	uint64_t entries, capacity;
};
#define KERNEL_MAPS 2
int kernel_maps(struct kernel *k, struct kernel_map ret[KERNEL_MAPS]);

/* How often each program ran and how long that took, as far as the operator switched the kernel's BPF statistics on; those it never counted are left out. */
struct kernel_runs {
	const char *program;
	uint64_t runs, ns;
};
#define KERNEL_RUNS_MAX 16
/* How many there are. */
size_t kernel_runs(struct kernel *k, struct kernel_runs ret[KERNEL_RUNS_MAX]);

#endif

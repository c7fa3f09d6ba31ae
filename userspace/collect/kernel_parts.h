/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the kernel side share. Nobody else includes it: libbpf's types end here. */
#ifndef ABIDRIFT_COLLECT_KERNEL_PARTS_H
#define ABIDRIFT_COLLECT_KERNEL_PARTS_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "userspace/base/buffer.h"
#include "userspace/collect/kernel.h"

#include "bpf/private.h" /* the skeleton names its types */
#include "bpf/abidrift.skel.h"

#define KERNEL_REASON_BYTES 320

enum program {
	PROGRAM_CPUID,
	PROGRAM_PORTS,
	PROGRAM_MMIO,
	PROGRAM_FAST_MMIO,
	PROGRAM_MSR,
	PROGRAM_RESETS,
	PROGRAM_SHUTDOWNS,
	PROGRAM_INVENTORY,
	PROGRAM_FORGET,
	PROGRAMS,
};

#define KERNEL_TURNS 3 /* programs that one tracepoint's events fall to in turn, where it is preempted */

struct btf;

/* Events that no program on a tracepoint took. */
struct turns_missed {
	uint64_t last, told; /* as counted last, and as told */
	uint64_t excess;     /* more was taken than `first` was skipped for: that hides nothing that comes later */
};

struct kernel {
	struct abidrift_bpf *skel;
	struct ring_buffer *ring;
	bool turns; /* programs take turns */
	struct turns_missed missed[PROGRAMS]; /* of those */
	struct bpf_link *links[PROGRAMS][KERNEL_TURNS]; /* of those that take no turns the first */
	char reasons[PROGRAMS][KERNEL_REASON_BYTES];
	bool refused[PROGRAMS]; /* by this kernel, for good */
	bool kvm_there;         /* when it was last attached to */
	double load_ms;
	uint32_t ring_bytes;
	uint32_t facts_most; /* the map of facts has room for no more; 0: nobody made it yet */
	bool iterates_one; /* the kernel restricts an iterator to one process (6.1+) */

	/* drain: libbpf drops the record whose callback failed, so it is kept here. */
	struct observe_news stash;
	bool stashed;
	kernel_news_fn fn;
	void *context;
	size_t left;
	size_t handed;
	int result;

	uint32_t quota[OBSERVE_CLASSES];
	bool litter; /* the map holds facts that are to be removed: one walk removes those of many VMs */
	bool no_batch;

	struct pins *pins;                /* NULL: it ends with us */
	struct buffer notes;              /* about them */
	uint64_t before[OBSERVE_COUNTERS]; /* what an earlier abidrift has told of, or nobody was there to be told */
};

/* libbpf's first warning since it was emptied, in the thread's own room; a libbpf_print_fn_t. */
int kernel_keep_message(enum libbpf_print_level level, const char *format, va_list args);
const char *kernel_program_name(enum program p);
struct bpf_program *kernel_program(const struct abidrift_bpf *skel, enum program p);
/* What hangs on the tracepoint as its `turn`th, 0 to KERNEL_TURNS - 1; NULL: nothing does. */
struct bpf_program *kernel_turn(const struct kernel *k, enum program p, unsigned turn);

/* Types of a kernel, all in one walk: it has a hundred thousand. From `first` on: those of a module alone. id 0: there is none. */
struct type_wanted {
	const char *name;
	uint32_t kind, id;
};
void types_find(const struct btf *btf, uint32_t first, struct type_wanted *wanted, size_t count);

struct turns {
	bool wanted;      /* this kernel preempts programs on tracepoints */
	bool possible;    /* they can take turns on it */
	int functions[2]; /* BTF of bpf_preempt_disable(), _enable() */
};
void turns_look(const struct btf *vmlinux, struct turns *ret);
/* Between opening and loading: those of the programs in `mask` that hang on a tracepoint are loaded as such that take turns. */
int turns_prepare(struct abidrift_bpf *skel, const struct turns *turns, unsigned mask);
/* The same: whether there are maps for it. */
int turns_autocreate(struct abidrift_bpf *skel, bool turns);
/* Events that the first of those on this program's tracepoint was skipped for, and another took; less what it left to them. */
int64_t turns_made(const struct abidrift_bpf *skel, enum program p);
/* After a look: `made` was read before what the first was `skipped` for. Returns how many are to be told. */
uint64_t turns_count(struct turns_missed *m, int64_t made, uint64_t skipped);
/* After loading. */
int turns_loaded(const struct abidrift_bpf *skel, unsigned mask);
struct bpf_program *turns_program(const struct abidrift_bpf *skel, enum program p, unsigned turn);
struct bpf_program *turns_steady(const struct abidrift_bpf *skel, enum program p);
int kernel_take_news(void *context, void *data, size_t size); /* for ring_buffer__new; context = struct kernel */

#endif

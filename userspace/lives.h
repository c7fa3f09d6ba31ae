/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a VM came to what it shows in its present boot: it was started, reset, migrated in or restored. The last two begin no boot: the
 * guest goes on where another VM left it.
 */
#ifndef ABIDRIFT_LIVES_H
#define ABIDRIFT_LIVES_H

#include <stdbool.h>
#include <stdint.h>

#include "userspace/store/store.h"

struct abi_entries;
struct buffer;
struct context;
struct error;
struct guest_facts;

enum life {
	LIFE_UNKNOWN, /* it ran before anyone looked */
	LIFE_STARTED,
	LIFE_RESET,
	LIFE_MIGRATED,
	LIFE_RESTORED,
};

/* By why the boot began (enum observe_reason) and, of a VM that was just made, its VMM's command line. */
enum life life_of(const struct guest_facts *facts, uint32_t reason);
const char *life_name(enum life life); /* as the store keeps it; NULL: not known */
enum life life_parse(const char *name); /* NULL: LIFE_UNKNOWN */
/* Does a boot of another VM go on in it? */
bool life_goes_on(enum life life);
/* For people: why the boot began, or went on. */
const char *life_reason(enum life life, const struct guest_facts *facts, uint32_t reason);

/* Where a guest that came with its memory was last. */
enum origin {
	ORIGIN_OPEN,      /* its tables may tell, once they are read */
	ORIGIN_STORE,     /* in the VM that life_source finds */
	ORIGIN_ELSEWHERE, /* in one that the store does not know */
};

/*
 * A VM that the store knows is where it was if that one still ran when this one was made. One that had ended may have been started and
 * reset elsewhere meanwhile: it was the last if the guest has the tables that it had there. tables: what is known of them now; NULL: nothing
 * yet. Where the store knows none, or they differ, or one side lacks them, it was elsewhere.
 */
int life_origin(struct store *s, const struct store_instance *row, const struct abi_entries *tables, enum origin *ret, struct error *e);
/* What life_origin compares: bits 1u << enum facet_id. */
unsigned life_tables(void);

/*
 * Where the guest of `row` was before it came into this VM: its newest other life. *ret_boot is its boot (0: there is none),
 * *ret_began the revision that this boot showed first (0: it was never judged as a whole).
 */
int life_before(struct store *s, const struct store_instance *row, uint32_t *ret_boot, uint32_t *ret_began);

/* The context of the VM that the guest of `row` came from: of its newest life that began before this one. -ENOENT: the store knows none. */
int life_source(struct store *s, const struct store_instance *row, struct context *ret);
/*
 * Where the guest came with its memory: which version of its VMM its tables and firmware are of, if that is another one than it runs in
 * now (vmm.tables, vmm.firmware); where the store does not know that VM, that nobody knows (vmm.before). reset: it was, in this VM.
 */
int life_context(struct store *s, const struct store_instance *row, enum origin origin, bool reset, struct context *context);
/* Does such a context say that it came from elsewhere? */
bool life_elsewhere(const struct store_instance *row);
/* "migrated in: QEMU 7.2.22 → 10.0.13": what life_reason says, and where its VMM is another version; as far as `origin` is sure of it. */
int life_moved(struct store *s, const struct store_instance *row, enum origin origin, const char *reason, struct buffer *ret);

#endif

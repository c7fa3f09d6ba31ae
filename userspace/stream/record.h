/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The observation stream: what flows from the collector to the analyst, and,
 * byte for byte, what a trace file holds after its header. Little-endian,
 * length-prefixed. A reader skips record types that it does not know.
 *
 * Sizes are bounded by RECORD_MAX_BYTES; a reader refuses anything larger, a
 * writer never makes it (lists that may grow are split).
 */
#ifndef ABIDRIFT_STREAM_RECORD_H
#define ABIDRIFT_STREAM_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/observe.h"

struct buffer;
struct error;

#define RECORD_FORMAT 1
#define RECORD_MAX_BYTES (1u << 20)

enum record_type {
	RECORD_HELLO = 1,    /* record_hello: first in every stream; again when the analyst is new */
	RECORD_HOST = 2,     /* pairs: host facts, see below */
	RECORD_CONFIG = 3,   /* pairs: settings that the analyst needs, key "monitor.settle" … */
	RECORD_COVERAGE = 4, /* pairs: facet name → reason, for facets of which this host shows nothing */
	RECORD_VM = 5,       /* pairs: a VM that is there, see below. Again when something of it is learnt later: replaces */
	RECORD_BOOT = 6,     /* record_boot: header.boot begins */
	RECORD_FACT = 7,     /* record_fact */
	RECORD_CPUID = 8,    /* record_cpuid + entries: the whole table of one vCPU, replaces that vCPU's last */
	RECORD_SLOTS = 9,    /* record_slots + slots: all memory slots of address space 0, replaces */
	RECORD_GONE = 10,    /* pairs: the VM is no more; "reason" */
	RECORD_LOSS = 11,    /* record_loss: cumulative */
	RECORD_TICK = 12,    /* record_hello: at least every RECORD_TICK_NS; carries the clocks on */
	RECORD_SYNCED = 13,  /* the snapshot that a stream begins with is complete */
	RECORD_MEMORY = 14,  /* record_memory + parts: what was read of the guest's memory for one area, replaces that area's last of this boot */
	RECORD_STATS = 15,   /* pairs: what the collector counts, see below; every RECORD_STATS_NS. Replaces */
};

#define RECORD_TICK_NS 250000000ull
#define RECORD_STATS_NS 5000000000ull
#define RECORD_LOOK_NS 500000000ull /* between two looks at what was lost */

struct record_header {
	uint32_t bytes;   /* whole record, this header included */
	uint16_t type;
	uint16_t zero;
	uint64_t vm;      /* observe_vm.vm, 0 = about the host */
	uint64_t seq;     /* rises by 1 in one stream, from 1 */
	uint64_t at_ns;   /* CLOCK_MONOTONIC of the host */
	uint32_t boot;    /* 0 = about no boot */
	uint32_t zero2;
};

struct record_hello {
	uint32_t format;      /* RECORD_FORMAT */
	uint32_t zero;
	int64_t realtime_ns;  /* CLOCK_REALTIME at header.at_ns */
};

struct record_boot {
	uint32_t reason;      /* enum observe_reason */
	uint32_t from_reset;  /* 1: seen from its first instruction on */
	uint64_t began_ns;
	uint64_t token;       /* when the VMM last wrote a TSC: the same value, the same boot. 0 = not known */
};

struct record_fact {
	struct observe_key key;
	struct observe_value value;
};

struct record_cpuid {
	uint32_t vcpu_id;
	uint32_t ran;         /* 1: its thread has run it */
	uint32_t count;
	uint32_t zero;
	/* struct inventory_cpuid_entry [count] */
};

struct record_slot {
	uint64_t gpa, bytes, hva;
	uint32_t flags;
	uint32_t id;
};

struct record_slots {
	uint32_t count;
	uint32_t complete;    /* 0: the list was cut or changed while it was read */
	/* struct record_slot [count], by gpa */
};

/* What is read of a guest's memory, each as a whole. */
enum record_area {
	RECORD_AREA_ACPI = 1,
	RECORD_AREA_SMBIOS = 2,
	RECORD_AREA_FIRMWARE = 3,
	RECORD_AREA_LAST = RECORD_AREA_FIRMWARE,
};

enum record_part_kind {
	RECORD_PART_REASON = 1,       /* text, no NUL: why the area is not whole, or what was refused. At most one */
	RECORD_PART_RSDP = 2,         /* 20 or 36 bytes; first of its area */
	RECORD_PART_TABLE = 3,        /* an ACPI table as it lies in memory, in the order in which they were reached: RSDT, XSDT, what they point to, DSDT and FACS behind their FADT */
	RECORD_PART_SMBIOS_ENTRY = 4, /* `_SM_` (31 bytes) or `_SM3_` (24) entry point */
	RECORD_PART_SMBIOS_TABLE = 5, /* the structure table, as long as the entry point says or until type 127 */
	RECORD_PART_ROM = 6,          /* record_rom + its version's text (no NUL; may be empty); gpa = of the slot */
};

/* The area's parts; whole: all of it was read and every checksum is right. Without any but a reason: there is none, and why. */
struct record_memory {
	uint32_t area;        /* enum record_area */
	uint32_t whole;
	uint32_t count;       /* parts */
	uint32_t zero;
	/* record_part and its bytes, padded to 8, [count] */
};

struct record_part {
	uint64_t gpa;         /* 0 where it has none */
	uint32_t kind;        /* enum record_part_kind */
	uint32_t bytes;       /* of what follows, without the padding (zeros) */
};

struct record_rom {
	uint64_t bytes;       /* size of what was digested */
	uint8_t sha256[32];
};

/* Where facts were lost. */
enum record_loss_stage {
	RECORD_LOSS_RING,     /* news dropped: found again by a sweep; told, loses nothing */
	RECORD_LOSS_MAP,      /* facts map full */
	RECORD_LOSS_QUOTA,    /* a guest's quota: header.vm and `class` say whose */
	RECORD_LOSS_MISSED,   /* BPF program runs that the kernel skipped, of no VM. In stored facts `class` says what they made doubtful: PCI_HEADER or REGISTER */
	RECORD_LOSS_VCPU,     /* events that belong to no vCPU */
	RECORD_LOSS_DECODED,  /* those of MISSED whose programs make facts of several events: told before them, and also where there were none */
	RECORD_LOSS_STAGES,
};

struct record_loss {
	uint32_t stage;
	uint32_t class;       /* of RECORD_LOSS_QUOTA: enum observe_class; of other stages OBSERVE_CLASSES, not of one class */
	uint64_t count;       /* since the kernel side was loaded */
};

/*
 * Pairs: NUL-terminated key, NUL-terminated value, repeated; a key may repeat
 * (in order). Values are as the host gave them, hostile, at most
 * RECORD_VALUE_MAX bytes each (cut there).
 *
 * HOST keys: hostname, machine_id, boot_id, arch, kernel.release, kernel.version, kernel.installed, cpu.model,
 *   cpu.vendor, cpu.signature (family-model-stepping), cpu.microcode,
 *   kvm.PARAM (one per /sys/module/kvm*: MODULE/parameters/PARAM as
 *   "kvm.MODULE.PARAM"), abidrift (version).
 * VM keys: pid, fd, start (process start, ticks since boot, /proc/PID/stat 22), started_ns (CLOCK_REALTIME),
 *   exe, replaced (0|1), build_id, kind (qemu firecracker cloud-hypervisor
 *   crosvm kvmtool other), version, arg (repeated, argv in order, secrets
 *   removed), comm, cgroup, unit, uid, firmware (repeated, "PATH SIZE SHA256"; SHA256 "-" = unreadable), unread ("arguments": they
 *   could not be read so far; another VM record follows once they can).
 * STATS keys, values decimal: facts.FACET (facts told since the collector began), lost.STAGE (ring map quota missed vcpu), skipped.decoded (as
 *   RECORD_LOSS_DECODED), overflow (facts that
 *   guests' quotas refused), map.NAME.entries, map.NAME.capacity; only where the kernel's BPF statistics are on: program.NAME.runs,
 *   program.NAME.ns.
 */
#define RECORD_VALUE_MAX 65535u

/* Appends one whole record to `out`. -EMSGSIZE if it would exceed RECORD_MAX_BYTES. */
int record_put(struct buffer *out, const struct record_header *header, const void *body, size_t bytes, const void *more, size_t more_bytes);

/* Appends a pair to a body under construction; a NUL in neither; cuts the value at RECORD_VALUE_MAX. */
void record_pair_put(struct buffer *body, const char *key, const char *value);
/* Next pair of a body; *cursor starts at 0. 1 = got one, 0 = end, -EBADMSG = not pairs. Strings are borrowed from body. */
int record_pair_next(const void *body, size_t bytes, size_t *cursor, const char **ret_key, const char **ret_value);
/* Value of the first pair with that key, or NULL. */
const char *record_pair_get(const void *body, size_t bytes, const char *key);

/* Appends a part to a RECORD_MEMORY body under construction that begins with its record_memory; the caller counts. */
void record_part_put(struct buffer *body, enum record_part_kind kind, uint64_t gpa, const void *data, size_t bytes);
/* Next part of a RECORD_MEMORY body (record_memory included); *cursor starts at 0. 1 = got one (bytes borrowed, not aligned), 0 = end, -EBADMSG. */
int record_part_next(const void *body, size_t bytes, size_t *cursor, struct record_part *ret, const void **ret_bytes);

/*
 * One record out of bytes that may end anywhere: 1 = got one (*ret_size is its length; *ret_header a copy, *ret_body
 * borrowed and not aligned), 0 = more bytes are needed, -EBADMSG = not a record (e says what). Checks sizes and, for each
 * known type, that the body is as long as its counts say.
 */
int record_parse(const void *data, size_t size, struct record_header *ret_header, const void **ret_body, size_t *ret_body_bytes, size_t *ret_size, struct error *e);

#endif

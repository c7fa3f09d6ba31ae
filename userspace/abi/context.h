/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's side of a fingerprint: factors, each a name and a value. Names: vmm.kind vmm.version vmm.build_id vmm.path
 * vmm.replaced vmm.before vmm.tables vmm.firmware machine cpu option.NAME backend.NAME kernel kernel.version kernel.installed
 * kvm.MODULE.PARAM host_cpu host_cpu.signature
 * microcode firmware.PATH host abidrift. Sorted by name; a name occurs once (repeated options are joined with "; " in order).
 * `machine` and `cpu` are as given on the command line, absent where it does not say. vmm.tables and vmm.firmware: the version that these
 * came along from in the guest's memory, where it is not vmm.version.
 */
#ifndef ABIDRIFT_ABI_CONTEXT_H
#define ABIDRIFT_ABI_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>

struct buffer;
struct guest_facts;

struct context_factor {
	char *factor;
	char *value; /* as it was; hostile */
};

struct context {
	struct context_factor *items;
	size_t count;
	size_t room;
};

#define CONTEXT_INIT { 0 }

void context_release(struct context *c);
/* Replaces or adds; keeps the order. -ENOMEM. */
int context_set(struct context *c, const char *factor, const char *value);
const char *context_get(const struct context *c, const char *factor); /* NULL */
/* Host pairs (RECORD_HOST body) and the guest's VM pairs into factors. -ENOMEM, -EBADMSG. */
int context_derive(const void *host_pairs, size_t host_bytes, const struct guest_facts *facts, struct context *ret);
/* "FACTOR VALUE\n" lines, escaped as fingerprint text; and back. -ENOMEM, -EBADMSG. */
int context_write(const struct context *c, struct buffer *out);
int context_parse(const char *text, size_t size, struct context *ret);

/*
 * Does a VMM option shape what the guest sees (-device, -cpu, -smp, -m, -numa, -smbios, …), or only what backs it
 * (-object, -chardev, -blockdev, -netdev, …)? Unknown options count as visible: nothing is excused by mistake.
 */
bool context_option_visible(const char *option);

#endif

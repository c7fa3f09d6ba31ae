/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of a Guest ABI. A new facet is one file in this folder and one row in facet.c.
 */
#ifndef ABIDRIFT_ABI_FACET_H
#define ABIDRIFT_ABI_FACET_H

#include <stdbool.h>
#include <stddef.h>

struct abi_entries;
struct buffer;
struct guest_facts;

/* Order of presentation. */
enum facet_id {
	FACET_CPUID,
	FACET_MSR,
	FACET_PORTS,
	FACET_MMIO,
	FACET_MEMORY,
	FACET_PCI,
	FACET_PLACEMENT,
	FACET_ACPI,
	FACET_SMBIOS,
	FACET_NUMA,
	FACET_FIRMWARE,
	FACET_IDENTITY,
	FACETS,
};

enum coverage {
	COVERAGE_NONE,
	COVERAGE_WITNESSED,
	COVERAGE_COMPLETE,
};

#define FIELD_WHOLE "value"

/* One named bit or bit-field that differs between two values of a key. Strings are owned by the list. */
struct abi_field {
	char *name;  /* "rtm", "physical_address_bits"; FIELD_WHOLE where no part of the value has a name */
	char *bits;  /* "ebx[11]", "eax[7:0]" */
	char *from;  /* unsigned decimal; NULL = the key was not there */
	char *to;
};

struct abi_fields {
	struct abi_field *items;
	size_t count;
};
void abi_fields_release(struct abi_fields *fields);
/* Adds copies; from and to may be NULL. 0 or -ENOMEM. */
int abi_fields_add(struct abi_fields *fields, const char *name, const char *bits, const char *from, const char *to);

/* An entry as it is shown; strings are escaped text, never NULL. */
struct facet_line {
	const char *key, *value, *meaning;
};

struct facet {
	enum facet_id id;
	const char *name;
	/* Adds this facet's entries and says its coverage, with the reason. 0 or -ENOMEM. */
	int (*derive)(const struct guest_facts *facts, struct abi_entries *out);
	/* Is this one of the keys that a complete coverage means? NULL: all of them. */
	bool (*complete_key)(const char *key);
	/* What an entry means, in words, for a person: "Intel 82540EM Gigabit Ethernet", "sse4_2, x2apic, …". Leaves out empty where nothing is to be said. NULL: never. */
	void (*meaning)(const char *key, const char *value, struct buffer *out);
	/* The named fields in which two values differ; from or to may be NULL. NULL: never. 0 or -ENOMEM. */
	int (*fields)(const char *key, const char *from, const char *to, struct abi_fields *out);
	/* What people see the entry in (a CPUID leaf, a PCI function, an ACPI table), as an id; leaves out empty where it is of none. NULL: never. */
	void (*group)(const char *key, struct buffer *out);
	/* What such a group is called, from its lines in the order of their keys; leaves out empty where it has no name. NULL: never. */
	void (*title)(const struct facet_line *lines, size_t count, struct buffer *out);
	/* The order of groups by their ids. NULL: strcmp's. */
	int (*order)(const char *a, const char *b);
	/* The facet as people read it (a tree, a map, a tool's form), from its sorted entries; every line ends with a newline and is indented by two spaces. NULL: a table of keys, values and meanings. */
	void (*present)(const struct facet_line *lines, size_t count, struct buffer *out);
};

/*
 * The named fields of a value that are not 0, each as `to`; out is empty before. *ret_register: it is one that has such fields, though all of them may be 0.
 * 0 or -ENOMEM.
 */
int facet_values(const struct facet *facet, const char *key, const char *value, struct abi_fields *out, bool *ret_register);

const struct facet *facet_get(enum facet_id id);
/* NULL: no such facet. */
const struct facet *facet_find(const char *name);
/* Every reason that tells of refused facts ends with this, so that a text alone still says that facts were lost. */
#define COVERAGE_LOSS_MARK " were refused"
bool coverage_tells_loss(const char *reason); /* NULL: no */
/* Every reason that tells of events that the kernel skipped holds this. */
#define COVERAGE_SKIP_MARK "(recursion_misses)"
bool coverage_tells_skips(const char *reason); /* NULL: no */
const char *coverage_name(enum coverage c);
/* -EINVAL. */
int coverage_parse(const char *name, enum coverage *ret);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of the factors that differ between two contexts explain a change: one readable table of rules (causes.c), and for what a
 * -device names the comparison of that device with the PCI function. Private to this folder and its tests.
 */
#ifndef ABIDRIFT_DRIFT_CAUSES_H
#define ABIDRIFT_DRIFT_CAUSES_H

#include <stdbool.h>
#include <stddef.h>

#include "userspace/drift/drift.h"

/* What a factor is to the rule of what may affect a Guest ABI. */
enum factor_class {
	FACTOR_NONE,     /* says where or who, moves nothing: vmm.path, kernel.installed, vmm.replaced … */
	FACTOR_VISIBLE,  /* machine, cpu, option.*: may */
	FACTOR_BACKEND,  /* backend.*: must not */
	FACTOR_VMM,      /* vmm.kind, vmm.version, vmm.build_id: must not */
	FACTOR_FIRMWARE, /* firmware.PATH: must not, unless an option names other firmware */
	FACTOR_HOST,     /* kernel*, kvm.*, host_cpu*, microcode, host: must not */
	FACTOR_OBSERVER, /* abidrift: the machine did not change, the look at it did */
};

/* What more must be so for a rule to fit. */
enum cause_when {
	CAUSE_ALWAYS,
	CAUSE_NAMED,   /* the element names this very thing: the PCI function by its address or kind, the SMBIOS type */
	/* The function came, went or is another one now, the latter two not by an element that was only added and has an address of
	 * its own; or the element is a device that has none. */
	CAUSE_MOVABLE,
	CAUSE_STAYS,   /* the thing is on both sides: it changed, and did not come or go */
};

/*
 * For each factor that differs (of a list of options: for each element that differs) the first row that fits counts; one that
 * says CAUSE_NONE keeps later ones away.
 */
struct cause_rule {
	const char *facet;  /* glob over facet names, "a|b" for either */
	/* Glob over the key, "a|b" for either; "KEY#FIELD": over the key and the names of the change's fields (where they are not the
	 * only ones that differ, the cause is at best likely). */
	const char *key;
	const char *factor; /* glob over the factor's name; "NAME=ELEMENT": and one element of its list that differs */
	enum cause_strength strength;
	const char *why;    /* a sentence without a full stop; told to people. NULL with CAUSE_NONE */
	const char *unless; /* glob: another factor that differs, and tells more; NULL */
	enum cause_when when;
};

extern const struct cause_rule cause_rules[];
extern const size_t cause_rule_count;

enum factor_class factor_class_of(const char *factor);

/* The factors of a drift, taken apart once for all of its changes. Borrows the drift. */
struct causes;
int causes_prepare(const struct drift *d, struct causes **ret); /* -ENOMEM */
void causes_free(struct causes *c);
/* Firmware that the guest's memory shows to be the old one has done nothing: a guest keeps its image over migrations and resets. `now`: its entries; NULL: not known. */
void causes_firmware_stays(struct causes *c, const struct abi_entries *now);
/* Fills change->causes, best first. Of causes beside a CERTAIN one only certain ones stay, and never more than eight. `change` is one of the drift's. -ENOMEM. */
int causes_fill(const struct causes *c, struct drift_change *change);
/* The three together, for one change. */
int causes_find(const struct drift *d, struct drift_change *change);

#endif

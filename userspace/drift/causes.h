/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of the factors that differ between two contexts explain a change: one readable table of rules (causes.c), and for what a
 * -device names the comparison of that device with the PCI function. Private to this folder and its tests.
 */
#ifndef ABIDRIFT_DRIFT_CAUSES_H
#define ABIDRIFT_DRIFT_CAUSES_H

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

struct cause_rule {
	const char *facet;  /* glob over facet names, "a|b" for either */
	const char *key;    /* glob over the key, "a|b" for either; "*" */
	const char *factor; /* glob over the factor's name */
	enum cause_strength strength;
	const char *why;    /* a sentence without a full stop; told to people */
};

extern const struct cause_rule cause_rules[];
extern const size_t cause_rule_count;

enum factor_class factor_class_of(const char *factor);
/* Fills change->causes from d->context, best first. Of causes beside a CERTAIN one only certain ones stay. -ENOMEM. */
int causes_find(const struct drift *d, struct drift_change *change);

#endif

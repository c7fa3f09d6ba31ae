/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a guest has no stable Guest ABI: the known exceptions, read from its context. They excuse drift (`exempt`), and they are
 * named before they bite. Pure.
 */
#ifndef ABIDRIFT_DRIFT_STABILITY_H
#define ABIDRIFT_DRIFT_STABILITY_H

#include <stdbool.h>
#include <stddef.h>

#include "userspace/abi/context.h"
#include "userspace/drift/drift.h"

struct drift_circumstances;

struct stability_reason {
	const char *code; /* static: machine-alias machine-unversioned cpu-host cpu-unsafe host-phys-bits vfio vhost-user; vmm-replaced vmm-moved kernel-installed */
	char *text;       /* a sentence for people, hostile text in it escaped by whoever prints it */
	bool next_boot;   /* not unstable by itself: its next cold boot meets another host side */
};

struct stability {
	struct stability_reason *items;
	size_t count;
};

#define STABILITY_INIT { 0 }

/* -ENOMEM. */
int stability_derive(const struct context *c, struct stability *ret);
void stability_release(struct stability *s);

/* Is it a machine type with a version in its name, and no alias? pc-q35-5.2, pc-q35-rhel9.4.0, pc-q35-jammy. */
bool machine_has_version(const char *name);
/*
 * Does a known exception excuse this change of `d`, given its best cause (NULL: no factor explains it)? The phrase (static), or NULL.
 * "Another CPU vendor" is one of them, though it makes no guest unstable by itself.
 */
const char *stability_excuse(const struct drift *d, const struct drift_change *change, const struct drift_cause *cause,
			     const struct drift_circumstances *c);

#endif

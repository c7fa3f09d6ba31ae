/* SPDX-License-Identifier: Apache-2.0 */
/* Capabilities of the calling process (capabilities(7)), without libcap. Numbers are those of linux/capability.h, below 64. */
#ifndef ABIDRIFT_BASE_CAPABILITY_H
#define ABIDRIFT_BASE_CAPABILITY_H

#include <stdbool.h>
#include <stdint.h>

#define CAPABILITY(number) (UINT64_C(1) << (number))

/* All that are effective, as a set of CAPABILITY(). */
uint64_t capability_effective(void);
/*
 * No program that it executes has others than those of `keep`. For whom becomes another user: before that, which loses CAP_SETPCAP. Not
 * having it, or fewer capabilities than there are numbers, is no failure: capability_keep holds without.
 */
void capability_bound(uint64_t keep);
/*
 * Keeps those of `keep` that it has, effective and permitted, and loses all others for good: none is inheritable or ambient, and no
 * program that it executes gains any (no_new_privs). -errno: it has more than that.
 */
int capability_keep(uint64_t keep);

#endif

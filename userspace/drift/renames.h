/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ACPI devices that went under one path and came, the same in all that they say of themselves, under another of the same table:
 * a VMM that names its objects otherwise takes no device away. Private to this folder and its tests.
 */
#ifndef ABIDRIFT_DRIFT_RENAMES_H
#define ABIDRIFT_DRIFT_RENAMES_H

#include <stdbool.h>
#include <stddef.h>

struct drift;
struct drift_change;
struct renames;

int renames_find(const struct drift *d, struct renames **ret); /* -ENOMEM. Borrows the drift's keys */
void renames_free(struct renames *r);
/* Is it a line of such a device, on either side? NULL: no. */
bool renames_have(const struct renames *r, const struct drift_change *change);
/* Is it what a device says of itself that came or went as a whole? NULL: no. */
bool renames_follow(const struct renames *r, const struct drift_change *change);
/* "DSDT/_SB.PCI0.S18" of "DSDT/_SB.PCI0.S18._ADR"; the whole key where it is no line of an object; 0: of no namespace. */
size_t renames_device(const char *key);

#endif

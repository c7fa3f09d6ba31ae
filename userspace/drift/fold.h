/* SPDX-License-Identifier: Apache-2.0 */
/* Placement: what moved, each under the change that moved it. */
#ifndef ABIDRIFT_DRIFT_FOLD_H
#define ABIDRIFT_DRIFT_FOLD_H

struct abi_entries;
struct drift;

/* The changes must be there already, in their order. 0 or -ENOMEM. */
int fold_placement(const struct abi_entries *from, const struct abi_entries *to, struct drift *d);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of a change that was found before the guest was reset, or moved, and is still there. */
#ifndef ABIDRIFT_DRIFT_CARRY_H
#define ABIDRIFT_DRIFT_CARRY_H

#include <jansson.h>
#include <stdbool.h>

/*
 * A change of `diff` that `open`, an earlier diff of the same VMM process, found under the running guest keeps the verdict, severity,
 * cause and impact that it has there. A reset takes the evidence away (what the guest ejected, what it saw before), not the reason.
 * moved: the guest came with its memory from another VM, and `open` may be of that one. What lies in that memory was not made here: it keeps
 * its reason too, though the VMMs at both ends of the diff may be of one version again. Says whether any change did.
 */
bool drift_carry(json_t *diff, const json_t *open, bool moved);

#endif

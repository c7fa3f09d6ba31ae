/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of a change that was found while the guest ran, and is still there after it was reset. */
#ifndef ABIDRIFT_DRIFT_CARRY_H
#define ABIDRIFT_DRIFT_CARRY_H

#include <jansson.h>
#include <stdbool.h>

/*
 * A change of `diff` that `open`, an earlier diff of the same VMM process, found under the running guest keeps the verdict, severity,
 * cause and impact that it has there. A reset takes the evidence away (what the guest ejected, what it saw before), not the reason.
 * Says whether any did.
 */
bool drift_carry(json_t *diff, const json_t *open);

#endif

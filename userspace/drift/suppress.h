/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Suppression rules: changes that an operator knows and does not want to hear of. A suppressed change stays in every view, marked
 * with its rule; it counts for nothing. Pure.
 *
 * A rule is a section of the configuration, [suppress NAME], with any of: facet, key (globs), change (changed, lost, gained),
 * cause (glob over factors), machine, guest (globs), until (a date), at_most (changes of one guest that it may hide; more, and it
 * hides none of them), reason (required). All that is given must fit.
 */
#ifndef ABIDRIFT_DRIFT_SUPPRESS_H
#define ABIDRIFT_DRIFT_SUPPRESS_H

#include <stddef.h>
#include <stdint.h>

#include "userspace/drift/verdict.h"

struct error;
struct suppressions;

struct suppressions *suppressions_new(void); /* NULL: out of memory */
void suppressions_free(struct suppressions *s);
/* One key of one rule, as the configuration says it: order of rules is order of their first key. -EINVAL with e; -ENOMEM. */
int suppressions_set(struct suppressions *s, const char *rule, const char *key, const char *value, struct error *e);
/* After the last key: does every rule say what it needs? -EINVAL with e. */
int suppressions_check(const struct suppressions *s, struct error *e);

/* Sets suppressed_by where a rule fits; the first one counts. -ENOMEM. */
int suppress(struct drift *d, const struct drift_circumstances *c);

#endif

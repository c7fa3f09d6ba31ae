/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Suppression rules: changes that an operator knows and does not want to hear of. A suppressed change stays in every view, marked
 * with its rule; it counts for nothing. Pure.
 *
 * A rule is a section of the configuration, [suppress NAME], with any of: facet, key (globs), change (changed, lost, gained, with
 * `|` between), cause (glob over factors: of the best causes one must fit), machine, guest (globs; guest: name or id), until (a
 * date), at_most (changes of one guest that it may hide; more, and it hides none of them), reason (required). All that is given
 * must fit.
 */
#ifndef ABIDRIFT_DRIFT_SUPPRESS_H
#define ABIDRIFT_DRIFT_SUPPRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/drift/verdict.h"

struct error;
struct suppressions;

struct suppressions *suppressions_new(void); /* NULL: out of memory */
void suppressions_free(struct suppressions *s);
/*
 * One key of one rule, as the configuration says it: order of rules is order of their first key. key NULL: the rule is there, and
 * no more is known yet. -EINVAL with e; -ENOMEM.
 */
int suppressions_set(struct suppressions *s, const char *rule, const char *key, const char *value, struct error *e);
/* After the last key: does every rule say what it needs? -EINVAL with e, and the rule (borrowed; may be NULL). */
int suppressions_check(const struct suppressions *s, const char **ret_rule, struct error *e);

/* What a rule says of itself. Borrowed. */
struct suppression {
	const char *name, *reason;
	int64_t until;    /* CLOCK_REALTIME ns; 0: no end */
	uint64_t at_most; /* 0: any number */
};
/* s may be NULL: no rules. */
size_t suppressions_count(const struct suppressions *s);
struct suppression suppressions_get(const struct suppressions *s, size_t index);
/* Is there such a rule that has not ended? */
bool suppressions_stand(const struct suppressions *s, const char *rule, int64_t at);
/* When the next rule ends after `after`; INT64_MAX: none. */
int64_t suppressions_next_end(const struct suppressions *s, int64_t after);

/* Sets suppressed_by where a rule fits, the first one that does and may; and d->suppressions. -ENOMEM. */
int suppress(struct drift *d, const struct drift_circumstances *c);

#endif

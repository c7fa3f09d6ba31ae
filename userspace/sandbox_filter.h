/* SPDX-License-Identifier: Apache-2.0 */
/* A seccomp filter for this architecture's system calls, made without any memory: who has none left must not go on unconfined, nor crash. */
#ifndef ABIDRIFT_SANDBOX_FILTER_H
#define ABIDRIFT_SANDBOX_FILTER_H

#include <stddef.h>
#include <stdint.h>

#define FILTER_CONDITIONS 2

struct filter_condition {
	unsigned argument;    /* 0 to 5 */
	uint64_t mask, value; /* (argument & mask) == value; mask 0: there is no condition */
};
struct filter_rule {
	int number;
	uint32_t action; /* SECCOMP_RET_ */
	struct filter_condition conditions[FILTER_CONDITIONS]; /* all of them */
};

/*
 * For good, for all threads and children. Of several rules for one call the first that holds counts; where none does, and for calls
 * without a rule, `otherwise`. Calls of another architecture (x32 too) fail with EPERM. Sorts the rules. 0; -errno; -E2BIG: too many rules.
 */
int filter_load(struct filter_rule *rules, size_t count, uint32_t otherwise);

#endif

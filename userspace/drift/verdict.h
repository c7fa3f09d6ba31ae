/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why it changed, and whether it may: causes, verdict, severity, impact and suppression for each change of a drift. Pure.
 *
 * The rule. May change the Guest ABI: the machine type and the options that the guest sees (`intended`). Must not: what backs it,
 * kernel, KVM, CPU and other hardware of the host, the VMM's version (`violation`). Known exceptions: `exempt` (stability.h). What
 * no factor explains: `unexplained`.
 */
#ifndef ABIDRIFT_DRIFT_VERDICT_H
#define ABIDRIFT_DRIFT_VERDICT_H

#include "userspace/drift/drift.h"

struct guest_facts;
struct passed;
struct suppressions;

/* All of it borrowed. */
struct drift_circumstances {
	const struct context *from, *to; /* NULL: not known */
	/*
	 * What the present boot showed when it was first judged as a whole; NULL: nothing before `to`, so nothing changed while the
	 * guest ran. After a migration or a restore: what the guest saw before it.
	 */
	const struct abi_entries *boot_began;
	const struct abi_entries *now;   /* the side `to`; NULL: not at hand */
	const struct guest_facts *facts; /* of `to`, for evidence of hot-plug; NULL: not at hand */
	const struct suppressions *suppress; /* NULL: none */
	const char *guest, *name;        /* id and name, for suppression; NULL */
	int64_t at;                      /* CLOCK_REALTIME ns, for rules that end */
	const struct passed *passed_from, *passed_to; /* drift_judge reads them off the contexts (passed.h); the caller leaves them NULL */
};

/* Sets all that drift_change says is drift_judge's. May be called again. -ENOMEM. */
int drift_judge(struct drift *d, const struct drift_circumstances *c);

#endif

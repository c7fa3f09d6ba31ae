/* SPDX-License-Identifier: Apache-2.0 */
/* What the comparing verbs, diff and replay, have in common. */
#ifndef ABIDRIFT_COMMANDS_COMPARE_H
#define ABIDRIFT_COMMANDS_COMPARE_H

#include "userspace/drift/drift.h"

struct error;
struct options;

/* --min-severity; SEVERITY_NONE where it is not given. -EINVAL with e. */
int compare_severity(const struct options *o, enum severity *ret, struct error *e);
/* The exit code that a result has. */
int compare_code(enum drift_result result);

#endif

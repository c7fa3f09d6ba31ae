/* SPDX-License-Identifier: Apache-2.0 */
/* --since: a time, a duration before now, or the newest change of the host. */
#ifndef ABIDRIFT_COMMANDS_SINCE_H
#define ABIDRIFT_COMMANDS_SINCE_H

#include <stdint.h>

struct error;
struct options;
struct store;

/* Is it one of these? Asked for before there is a store. -EINVAL with e. */
int since_check(const struct options *o, struct error *e);
/* *ret_since in CLOCK_REALTIME ns; 0: not given. -errno with e. */
int since_read(const struct options *o, struct store *s, int64_t *ret_since, struct error *e);

#endif

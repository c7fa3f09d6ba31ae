/* SPDX-License-Identifier: Apache-2.0 */
/* What the collector counts, as a RECORD_STATS tells it. */
#ifndef ABIDRIFT_COLLECT_STATS_H
#define ABIDRIFT_COLLECT_STATS_H

#include <stdint.h>

#include "bpf/observe.h"

struct buffer;
struct kernel;
struct kernel_missed;

/* Appends the pairs of a RECORD_STATS. counters and missed: as kernel_counters and kernel_missed told them last. */
int stats_describe(struct kernel *k, const uint64_t counters[OBSERVE_COUNTERS], const struct kernel_missed *missed, struct buffer *pairs);

#endif

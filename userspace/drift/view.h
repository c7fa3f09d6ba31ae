/* SPDX-License-Identifier: Apache-2.0 */
/* One model for every view: a drift as JSON (docs/interface.md), and that JSON as text for a terminal. */
#ifndef ABIDRIFT_DRIFT_VIEW_H
#define ABIDRIFT_DRIFT_VIEW_H

#include <jansson.h>
#include <stdbool.h>

struct buffer;
struct drift;

/*
 * {"result","vmm","machine","context":[…],"changes":[…],"moved":[…],"unknown":[…],
 * "suppressed":[{"rule","reason","changes","at_most","applied"}]}; caller adds "from" and "to". NULL: out of memory.
 */
json_t *drift_json(const struct drift *d, int min_severity);
/* Text of that object (with from and to where they are there), for a person; `color` allows SGR sequences. */
void drift_text(const json_t *diff, bool color, struct buffer *out);
/* One line: "drift: cpuid cx16 lost; pci 0000:00:03.0 → 0000:00:04.0 …", bounded to `width` columns. */
void drift_summary(const json_t *diff, size_t width, struct buffer *out);

#endif

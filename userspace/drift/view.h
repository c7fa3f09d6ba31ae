/* SPDX-License-Identifier: Apache-2.0 */
/* One model for every view: a drift as JSON (docs/interface.md), and that JSON as text for a terminal. */
#ifndef ABIDRIFT_DRIFT_VIEW_H
#define ABIDRIFT_DRIFT_VIEW_H

#include <jansson.h>
#include <stdbool.h>

struct buffer;
struct drift;

/*
 * {"result","verdict","severity","vmm","machine","context":[…],"changes":[…],"moved":[…],"unknown":[…],
 * "suppressed":[{"rule","reason","changes","at_most","applied"}]}; caller adds "from" and "to". NULL: out of memory.
 */
json_t *drift_json(const struct drift *d, int min_severity);
struct drift_text_options {
	bool color;  /* SGR sequences */
	bool more;   /* suppressed changes too */
	bool advice; /* say how what is now is accepted, where the diff has "accept" */
};

/*
 * Text of that object (with from and to where they are there), for a person: the result, then the changes by what is to blame for
 * them, worst first, each with why and what it breaks.
 */
void drift_text(const json_t *diff, const struct drift_text_options *options, struct buffer *out);
/*
 * One line, bounded to `width` columns: "drift, violation, warning. QEMU 5.2.0 → 7.2.22 under pc-q35-5.2 changed ACPI: …. Impact: …".
 * Without who it is about. What is suppressed is not in it.
 */
void drift_summary(const json_t *diff, size_t width, struct buffer *out);

#endif

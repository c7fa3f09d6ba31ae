/* SPDX-License-Identifier: Apache-2.0 */
/* The review page (dashboards/review), which the program has in it, compressed. */
#ifndef ABIDRIFT_SERVE_REVIEW_H
#define ABIDRIFT_SERVE_REVIEW_H

#include <stdbool.h>
#include <stddef.h>

struct buffer;

enum review_part { REVIEW_HTML, REVIEW_SCRIPT, REVIEW_STYLE, REVIEW_ICON };

/* false: the program was built without it (there was no npm, or PAGE=no). */
bool review_built(void);
/* The part as it was built, by gzip; it stays. No bytes: it was not built. */
const void *review_packed(enum review_part part, size_t *ret_bytes);
/* Adds the part's text to out. -ENOENT: it was not built; -ENOMEM. */
int review_text(enum review_part part, struct buffer *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Guests as lines of a table, from the model of `ls`. */
#ifndef ABIDRIFT_SERVE_LISTING_H
#define ABIDRIFT_SERVE_LISTING_H

#include <jansson.h>
#include <stdbool.h>

struct buffer;

/* guests: the array. `more` adds what identifies each one. */
void listing_text(const json_t *guests, bool more, struct buffer *out);
/* "qemu 7.2.19"; package: with what the distribution adds to its version. */
void listing_vmm(const json_t *guest, bool package, struct buffer *out);
/* Its name, else its id. */
void listing_name(const json_t *guest, struct buffer *out);

#endif

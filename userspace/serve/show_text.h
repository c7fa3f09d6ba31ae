/* SPDX-License-Identifier: Apache-2.0 */
/* One fingerprint as text for a person, from the model of `show`. */
#ifndef ABIDRIFT_SERVE_SHOW_TEXT_H
#define ABIDRIFT_SERVE_SHOW_TEXT_H

#include <jansson.h>
#include <stdbool.h>

struct buffer;

struct show_text_options {
	bool every; /* facets of which nothing is known, too */
	bool raw;   /* all facets as keys and values */
	bool color; /* SGR sequences */
};

void show_text(const json_t *model, const struct show_text_options *o, struct buffer *out);

#endif

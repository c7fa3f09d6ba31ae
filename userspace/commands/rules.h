/* SPDX-License-Identifier: Apache-2.0 */
/* The part of `doctor` that tells of the configuration's rules: of each, whether it does what it says. */
#ifndef ABIDRIFT_COMMANDS_RULES_H
#define ABIDRIFT_COMMANDS_RULES_H

#include <jansson.h>

struct buffer;
struct options;

/*
 * {"suppressions":[…as api_suppressions…],"suppressions_error":TEXT or null}: without a store that can be read rules are listed all
 * the same; a configuration with an error in it has none.
 */
json_t *rules_json(const struct options *o);
/* Of that object; nothing where there is no rule and no error. */
void rules_text(const json_t *model, struct buffer *out);

#endif

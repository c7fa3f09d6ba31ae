/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns for keys and names: `*` any bytes, `?` one byte, `|` between alternatives; all else stands for itself. */
#ifndef ABIDRIFT_BASE_GLOB_H
#define ABIDRIFT_BASE_GLOB_H

#include <stdbool.h>

/* Does one of the alternatives fit the whole text? At most length of pattern times length of text steps. */
bool glob_match(const char *pattern, const char *text);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* One UTF-8 sequence at a time (RFC 3629). Private to base/. */
#ifndef ABIDRIFT_BASE_UTF8_H
#define ABIDRIFT_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Length of the valid sequence at the start of `data`, 1 to 4, or 0: none begins here (stray continuation, overlong,
 * surrogate, beyond U+10FFFF, cut off, or size 0). *ret_code is its code point.
 */
size_t utf8_next(const char *data, size_t size, uint32_t *ret_code);

/*
 * May be sent to a terminal, and is seen there: no control, no line or paragraph separator, nothing that marks or turns the writing
 * direction, has no width, or is a space other than U+0020. In a name these are somebody's trick or mistake.
 */
bool utf8_printable(uint32_t code);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Escaping, numbers, times and durations as text. All that comes from a guest or a VMM command line is hostile. */
#ifndef ABIDRIFT_BASE_TEXT_H
#define ABIDRIFT_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer;

/* Fingerprint escaping: backslash, control and non-ASCII bytes become \xHH; with `key` also a space. */
void text_escape(struct buffer *out, const char *data, size_t size, bool key);
/* Undoes text_escape. -EINVAL on a malformed escape. */
int text_unescape(struct buffer *out, const char *data, size_t size);
/* For a terminal: what is no UTF-8, and what would not be seen there (utf8.h), becomes \xHH; other UTF-8 stays. */
void text_terminal(struct buffer *out, const char *data, size_t size);
/* The same in so many columns at most (what is no ASCII is taken for two wide): what is longer ends with an ellipsis. */
void text_terminal_brief(struct buffer *out, const char *data, size_t size, size_t columns);
/* Valid UTF-8 for JSON: bytes that are not become U+FFFD. */
void text_utf8(struct buffer *out, const char *data, size_t size);
/* Valid UTF-8 that tells apart what it is made of: bytes that are not become \xHH. */
void text_utf8_escape(struct buffer *out, const char *data, size_t size);

/* Duration: a decimal number with ms, s, m, h or d ("1.5s" is refused). -EINVAL, -ERANGE. */
int text_duration(const char *text, uint64_t *ret_ns);
void text_duration_put(struct buffer *out, uint64_t ns);
/* RFC 3339 UTC, `2026-01-31T12:00:00.000Z`: milliseconds. */
void text_time(struct buffer *out, int64_t realtime_ns);
/* Accepts what text_time writes, without milliseconds, and a plain date (its midnight UTC). -EINVAL. */
int text_time_parse(const char *text, int64_t *ret_realtime_ns);
/* The same, or a duration: so long before `now`, at the earliest 1970. -EINVAL. */
int text_since_parse(const char *text, int64_t now, int64_t *ret_realtime_ns);
/* Whole unsigned number, decimal or 0x hex, no sign, no rest. -EINVAL, -ERANGE. */
int text_u64(const char *text, uint64_t *ret);
/* Canonical lower-case UUID into out[37]; accepts it with and without dashes and braces. -EINVAL. */
int text_uuid(const char *text, char out[37]);
/* * and ? only, no classes. */
bool text_glob(const char *pattern, const char *text);

#endif

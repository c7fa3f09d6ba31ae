/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Growable byte buffer. Empty value: BUFFER_INIT. Once an allocation fails the
 * buffer is `failed`, further appends do nothing, and the caller asks once at
 * the end (buffer_failed) instead of after every append. The text is always
 * NUL-terminated when `data` is not NULL; `size` does not count the NUL.
 */
#ifndef ABIDRIFT_BASE_BUFFER_H
#define ABIDRIFT_BASE_BUFFER_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct buffer {
	char *data;
	size_t size;
	size_t room;
	bool failed;
};

#define BUFFER_INIT { 0 }

void buffer_release(struct buffer *b);
void buffer_clear(struct buffer *b); /* keeps the memory */
void buffer_append(struct buffer *b, const void *data, size_t size);
void buffer_string(struct buffer *b, const char *text);
void buffer_printf(struct buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buffer_vprintf(struct buffer *b, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
/* Removes the first `size` bytes. */
void buffer_consume(struct buffer *b, size_t size);
static inline bool buffer_failed(const struct buffer *b) { return b->failed; }
/* Takes the memory out (free() it); NULL if failed. An empty buffer gives "". */
char *buffer_take(struct buffer *b, size_t *ret_size);

#endif

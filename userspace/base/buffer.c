// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/buffer.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/memory.h"

#define FIRST_ROOM_BYTES 64

/* Makes room for `more` bytes and the NUL after them. */
static bool reserve(struct buffer *b, size_t more)
{
	if (b->failed)
		return false;
	/* Half the address space: doubling below cannot wrap. */
	if (more >= SIZE_MAX / 2 - b->size) {
		b->failed = true;
		return false;
	}
	size_t needed = b->size + more + 1;
	if (needed <= b->room)
		return true;
	size_t room = b->room > 0 ? b->room : FIRST_ROOM_BYTES;
	while (room < needed)
		room *= 2;
	char *data = realloc(b->data, room);
	if (data == NULL) {
		memory_short();
		b->failed = true;
		return false;
	}
	b->data = data;
	b->room = room;
	return true;
}

void buffer_release(struct buffer *b)
{
	free(b->data);
	*b = (struct buffer)BUFFER_INIT;
}

void buffer_clear(struct buffer *b)
{
	b->size = 0;
	b->failed = false;
	if (b->data != NULL)
		b->data[0] = '\0';
}

void buffer_append(struct buffer *b, const void *data, size_t size)
{
	if (!reserve(b, size))
		return;
	if (size > 0)
		memcpy(b->data + b->size, data, size);
	b->size += size;
	b->data[b->size] = '\0';
}

void buffer_string(struct buffer *b, const char *text)
{
	buffer_append(b, text, strlen(text));
}

void buffer_vprintf(struct buffer *b, const char *format, va_list args)
{
	va_list again;

	if (!reserve(b, 0))
		return;
	va_copy(again, args);
	size_t free_bytes = b->room - b->size;
	int length = vsnprintf(b->data + b->size, free_bytes, format, args);
	if (length < 0) {
		b->failed = true;
		b->data[b->size] = '\0';
	} else if ((size_t)length < free_bytes) {
		b->size += (size_t)length;
	} else {
		b->data[b->size] = '\0';
		if (reserve(b, (size_t)length)) {
			vsnprintf(b->data + b->size, (size_t)length + 1, format, again);
			b->size += (size_t)length;
		}
	}
	va_end(again);
}

void buffer_printf(struct buffer *b, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	buffer_vprintf(b, format, args);
	va_end(args);
}

void buffer_consume(struct buffer *b, size_t size)
{
	if (b->data == NULL || size == 0)
		return;
	if (size > b->size)
		size = b->size;
	memmove(b->data, b->data + size, b->size - size);
	b->size -= size;
	b->data[b->size] = '\0';
}

char *buffer_take(struct buffer *b, size_t *ret_size)
{
	if (!reserve(b, 0)) {
		buffer_release(b);
		return NULL;
	}
	char *data = b->data;
	data[b->size] = '\0';
	if (ret_size != NULL)
		*ret_size = b->size;
	*b = (struct buffer)BUFFER_INIT;
	return data;
}

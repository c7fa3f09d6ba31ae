/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/base/message.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "userspace/base/buffer.h"

void message_text(struct message *m, const char *text)
{
	if (m->count < MESSAGE_FIELDS)
		m->fields[m->count] = (struct message_field){ .kind = text ? 't' : 'n', .text = text };
	m->count++;
}

void message_number(struct message *m, int64_t number)
{
	if (m->count < MESSAGE_FIELDS)
		m->fields[m->count] = (struct message_field){ .kind = 'i', .number = number };
	m->count++;
}

bool message_is(const struct message *m, const char *kinds)
{
	unsigned i = 0;

	for (; i < m->count && kinds[i]; i++)
		if (m->fields[i].kind != kinds[i] && !(kinds[i] == 'T' && m->fields[i].kind != 'i'))
			return false;
	return i == m->count && !kinds[i];
}

/* ---- as bytes */

static void field_put(const struct message_field *field, struct buffer *out)
{
	uint32_t size = field->text ? (uint32_t)strlen(field->text) + 1 : 0;

	buffer_append(out, &field->kind, 1);
	if (field->kind == 'i')
		buffer_append(out, &field->number, sizeof field->number);
	if (field->kind != 't')
		return;
	/* With its NUL, so that the reader need not copy it. */
	buffer_append(out, &size, sizeof size);
	buffer_append(out, field->text, size);
}

static size_t bytes_of(const struct message *m)
{
	size_t bytes = sizeof m->what;

	for (unsigned i = 0; i < m->count; i++)
		bytes += 1 + sizeof(uint64_t) + (m->fields[i].text ? strlen(m->fields[i].text) + 1 : 0);
	return bytes;
}

int message_put(const struct message *m, struct buffer *out)
{
	size_t began = out->size, at;
	uint32_t size = 0;

	if (m->count > MESSAGE_FIELDS || bytes_of(m) > MESSAGE_BYTES_MAX)
		return -EMSGSIZE;
	buffer_append(out, &size, sizeof size);
	at = out->size;
	buffer_append(out, &m->what, sizeof m->what);
	for (unsigned i = 0; i < m->count; i++)
		field_put(&m->fields[i], out);
	if (buffer_failed(out))
		return -ENOMEM;
	size = (uint32_t)(out->size - at);
	memcpy(out->data + began, &size, sizeof size);
	return 0;
}

/* The bytes that are left to read. */
struct rest {
	const char *at;
	size_t bytes;
};

static bool rest_copy(struct rest *r, void *ret, size_t bytes)
{
	if (r->bytes < bytes)
		return false;
	memcpy(ret, r->at, bytes);
	r->at += bytes;
	r->bytes -= bytes;
	return true;
}

static bool field_take(struct rest *r, struct message_field *ret)
{
	uint32_t size;

	*ret = (struct message_field){ 0 };
	if (!rest_copy(r, &ret->kind, 1))
		return false;
	if (ret->kind == 'i')
		return rest_copy(r, &ret->number, sizeof ret->number);
	if (ret->kind != 't')
		return ret->kind == 'n';
	/* One text, with one NUL at its end. */
	if (!rest_copy(r, &size, sizeof size) || !size || size > r->bytes || memchr(r->at, 0, size) != r->at + size - 1)
		return false;
	ret->text = r->at;
	r->at += size;
	r->bytes -= size;
	return true;
}

int message_take(const struct buffer *in, struct message *ret, size_t *ret_bytes)
{
	struct rest rest = { in->data, in->size };
	struct message m = { 0 };
	uint32_t size;

	if (!rest_copy(&rest, &size, sizeof size))
		return 0;
	if (size < sizeof m.what || size > MESSAGE_BYTES_MAX)
		return -EBADMSG;
	if (rest.bytes < size)
		return 0;
	rest.bytes = size;
	rest_copy(&rest, &m.what, sizeof m.what);
	while (rest.bytes) {
		if (m.count == MESSAGE_FIELDS || !field_take(&rest, &m.fields[m.count]))
			return -EBADMSG;
		m.count++;
	}
	*ret = m;
	*ret_bytes = sizeof size + size;
	return 1;
}

/* ---- over a descriptor */

int message_send(int fd, const struct message *m)
{
	struct buffer out = BUFFER_INIT;
	int err = message_put(m, &out);
	size_t sent = 0;

	while (err >= 0 && sent < out.size) {
		ssize_t put = write(fd, out.data + sent, out.size - sent);

		if (put >= 0)
			sent += (size_t)put;
		else if (errno != EINTR)
			err = -errno;
	}
	buffer_release(&out);
	return err;
}

/* The next `bytes` of what comes. 0: there is no more. */
static int read_more(int fd, struct buffer *room, size_t bytes)
{
	char part[16384];

	while (bytes) {
		ssize_t got = read(fd, part, bytes < sizeof part ? bytes : sizeof part);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : 0;
		buffer_append(room, part, (size_t)got);
		bytes -= (size_t)got;
	}
	return buffer_failed(room) ? -ENOMEM : 1;
}

int message_receive(int fd, struct buffer *room, struct message *ret)
{
	uint32_t size;
	size_t bytes;
	int err;

	buffer_clear(room);
	err = read_more(fd, room, sizeof size);
	if (err <= 0)
		return err;
	memcpy(&size, room->data, sizeof size);
	if (size > MESSAGE_BYTES_MAX)
		return -EBADMSG;
	err = read_more(fd, room, size);
	if (err <= 0)
		return err;
	err = message_take(room, ret, &bytes);
	return err ? err : -EBADMSG;
}

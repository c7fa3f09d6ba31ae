/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Short messages between two processes of abidrift that do not trust each other, over a stream socket: what is asked, and a few
 * texts and numbers. On the wire: the size of all that follows (u32), `what` (u32), then each field: a letter and its value. Both ends
 * are one program on one machine, so numbers are as it has them.
 */
#ifndef ABIDRIFT_BASE_MESSAGE_H
#define ABIDRIFT_BASE_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer;

#define MESSAGE_FIELDS 6
#define MESSAGE_BYTES_MAX (16u << 20)

struct message_field {
	char kind;        /* 't' text, 'n' a text that is not there, 'i' number */
	const char *text; /* borrowed */
	int64_t number;
};
struct message {
	uint32_t what;
	unsigned count;
	struct message_field fields[MESSAGE_FIELDS];
};

/* More than MESSAGE_FIELDS of them are a mistake of the caller: the message is refused when it is sent. */
void message_text(struct message *m, const char *text); /* NULL: not there */
void message_number(struct message *m, int64_t number);
/* Are its fields of these kinds? One letter each; 'T' is a text that may be missing. */
bool message_is(const struct message *m, const char *kinds);

/* Appends it as it is sent. -EMSGSIZE; -ENOMEM. */
int message_put(const struct message *m, struct buffer *out);
/* What is complete at the head of `in`: 1 and how many bytes it has; 0: more is to come; -EBADMSG: it is none. Texts are those in `in`. */
int message_take(const struct buffer *in, struct message *ret, size_t *ret_bytes);

/* Waits until it is sent as a whole. */
int message_send(int fd, const struct message *m);
/* Waits for the next one; room holds its texts until the next call. 1; 0: the other side is gone; -errno. */
int message_receive(int fd, struct buffer *room, struct message *ret);

#endif

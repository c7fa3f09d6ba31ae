// SPDX-License-Identifier: Apache-2.0
/* What keeper and runner are asked by a messenger that somebody may have taken over. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/buffer.h"
#include "userspace/base/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

/* There is one way to write a message: what was understood is what came. */
static void same(const struct buffer *in, const struct message *m, size_t bytes)
{
	struct buffer again = BUFFER_INIT;

	require(bytes <= in->size && m->count <= MESSAGE_FIELDS);
	for (unsigned i = 0; i < m->count; i++)
		require((m->fields[i].kind == 't') == (m->fields[i].text != NULL));
	require(message_put(m, &again) == 0);
	require(again.size == bytes && !memcmp(again.data, in->data, bytes));
	buffer_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buffer in = BUFFER_INIT;
	struct message m;
	size_t bytes = 0;

	buffer_append(&in, data, size);
	while (message_take(&in, &m, &bytes) > 0) {
		same(&in, &m, bytes);
		buffer_consume(&in, bytes);
	}
	buffer_release(&in);
	return 0;
}

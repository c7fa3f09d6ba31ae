/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/drift/listed.h"

#include "userspace/base/buffer.h"

/* What the change says, as one text. Each part comes after its length: no value can pass for the end of itself and the next one. */
static const char *saying(const json_t *change, struct buffer *b)
{
	static const char *const parts[] = { "facet", "key", "change", "from", "to" };

	buffer_clear(b);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		const json_t *part = json_object_get(change, parts[i]);

		if (json_is_string(part))
			buffer_printf(b, "%zu:%s", json_string_length(part), json_string_value(part));
		else
			buffer_string(b, "-");
	}
	return buffer_failed(b) ? NULL : b->data;
}

json_t *changes_index(const json_t *changes, bool (*of)(const json_t *change))
{
	struct buffer b = BUFFER_INIT;
	json_t *index = json_object(), *change;
	bool failed = !index;
	size_t i;

	json_array_foreach(changes, i, change) {
		const char *said;

		if (failed || !of(change))
			continue;
		said = saying(change, &b);
		failed = !said || (!json_object_get(index, said) && json_object_set_nocheck(index, said, change) < 0);
	}
	buffer_release(&b);
	if (failed) {
		json_decref(index);
		return NULL;
	}
	return index;
}

json_t *changes_find(const json_t *index, const json_t *change)
{
	struct buffer b = BUFFER_INIT;
	const char *said = saying(change, &b);
	json_t *found = said ? json_object_get(index, said) : NULL;

	buffer_release(&b);
	return found;
}

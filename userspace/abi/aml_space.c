/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/abi/aml_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/aml.h"
#include "userspace/base/buffer.h"

#define HEADS 4096u /* power of two */

/* Bytes of a segment as a number, whatever this machine's order is. */
static uint32_t segment_of(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static bool grow(struct aml_space *s)
{
	uint32_t room = s->room ? 2 * s->room : 1024;
	struct aml_node *nodes = reallocarray(s->nodes, room, sizeof(*nodes));

	s->failed |= !nodes;
	if (!nodes)
		return false;
	s->nodes = nodes;
	s->room = room;
	return true;
}


void aml_space_release(struct aml_space *s)
{
	free(s->nodes);
	free(s->heads);
	s->nodes = NULL;
	s->heads = NULL;
}

bool aml_space_step(struct aml_space *s)
{
	if (s->steps >= AML_STEPS_MAX)
		return false;
	s->steps++;
	return true;
}

static uint32_t segment_at(const struct aml_name *name, unsigned n)
{
	return segment_of(name->segments + 4 * n);
}

static uint32_t *head_of(struct aml_space *s, uint32_t parent, uint32_t segment)
{
	return &s->heads[((segment ^ parent * 0x9e3779b1u) * 0x85ebca6bu >> 16) % HEADS];
}

static uint32_t child_of(struct aml_space *s, uint32_t parent, uint32_t segment)
{
	for (uint32_t n = *head_of(s, parent, segment); n != AML_ROOT && aml_space_step(s); n = s->nodes[n].chain)
		if (s->nodes[n].parent == parent && s->nodes[n].segment == segment)
			return n;
	return AML_NONE;
}

static uint32_t child_made(struct aml_space *s, uint32_t parent, uint32_t segment)
{
	uint32_t *head = head_of(s, parent, segment), n = child_of(s, parent, segment);

	if (n != AML_NONE)
		return n;
	if (s->count >= AML_NODES_MAX || s->nodes[parent].depth >= AML_DEPTH_MAX || s->steps >= AML_STEPS_MAX)
		return AML_NONE;
	if (s->count == s->room && !grow(s))
		return AML_NONE;
	n = s->count++;
	s->nodes[n] = (struct aml_node){ .parent = parent, .segment = segment, .chain = *head, .depth = (uint8_t)(s->nodes[parent].depth + 1) };
	*head = n;
	return n;
}

int aml_space_init(struct aml_space *s)
{
	/* ACPI 6.5, 5.3.1: there before any block is read. */
	static const char predefined[][5] = { "_GPE", "_PR_", "_SB_", "_SI_", "_TZ_" };

	*s = (struct aml_space){ .heads = calloc(HEADS, sizeof(*s->heads)) };
	if (!s->heads || !grow(s)) {
		aml_space_release(s);
		return -ENOMEM;
	}
	s->nodes[s->count++] = (struct aml_node){ .declared = true };
	for (size_t i = 0; i < sizeof(predefined) / sizeof(*predefined); i++)
		s->nodes[child_made(s, AML_ROOT, segment_of((const uint8_t *)predefined[i]))].declared = true;
	return 0;
}

static uint32_t base_of(const struct aml_space *s, uint32_t scope, const struct aml_name *name)
{
	if (name->root)
		return AML_ROOT;
	for (unsigned i = 0; i < name->parents; i++) {
		if (scope == AML_ROOT)
			return AML_NONE;
		scope = s->nodes[scope].parent;
	}
	return scope;
}

static bool searched(const struct aml_name *name)
{
	return !name->root && name->parents == 0 && name->count == 1;
}

uint32_t aml_space_find(struct aml_space *s, uint32_t scope, const struct aml_name *name)
{
	uint32_t at = base_of(s, scope, name);

	if (searched(name)) {
		for (;; at = s->nodes[at].parent) {
			uint32_t n = child_of(s, at, segment_at(name, 0));
			if ((n != AML_NONE && s->nodes[n].declared) || at == AML_ROOT)
				return n;
		}
	}
	for (unsigned i = 0; i < name->count && at != AML_NONE; i++)
		at = child_of(s, at, segment_at(name, i));
	return at;
}

uint32_t aml_space_enter(struct aml_space *s, uint32_t scope, const struct aml_name *name)
{
	uint32_t at = base_of(s, scope, name);

	for (unsigned i = 0; i < name->count && at != AML_NONE; i++)
		at = child_made(s, at, segment_at(name, i));
	return at;
}

/* Segments are padded with underscores to four characters; nobody writes them. */
static unsigned segment_length(uint32_t segment)
{
	unsigned n = 4;

	while (n > 1 && (segment >> 8 * (n - 1) & 0xff) == '_')
		n--;
	return n;
}

void aml_space_path(const struct aml_space *s, uint32_t node, struct buffer *out)
{
	uint32_t way[AML_DEPTH_MAX];
	unsigned n = 0;

	for (; node != AML_ROOT && n < AML_DEPTH_MAX; node = s->nodes[node].parent)
		way[n++] = s->nodes[node].segment;
	while (n > 0) {
		uint32_t segment = way[--n];
		char text[4];
		for (unsigned i = 0; i < 4; i++)
			text[i] = (char)(segment >> 8 * i & 0xff);
		buffer_append(out, text, segment_length(segment));
		if (n > 0)
			buffer_append(out, ".", 1);
	}
}

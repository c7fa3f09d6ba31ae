/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/collect/shadow.h"

#include <stdlib.h>
#include <string.h>

#include "bpf/observe.h"

#define ROOM_FIRST 64u

/* MurmurHash3's 64-bit finaliser: mixes each word in. */
static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash ^= word;
	hash ^= hash >> 33;
	hash *= 0xff51afd7ed558ccdull;
	hash ^= hash >> 33;
	hash *= 0xc4ceb9fe1a85ec53ull;
	return hash ^ hash >> 33;
}

static uint64_t digest(uint64_t seed, const void *data, size_t bytes)
{
	uint64_t word, hash = mix(seed, bytes);

	for (size_t at = 0; at + sizeof(word) <= bytes; at += sizeof(word)) {
		memcpy(&word, (const char *)data + at, sizeof(word));
		hash = mix(hash + seed, word);
	}
	return hash ? hash : 1;
}

static struct shadow_slot *place(struct shadow_slot *slots, size_t room, uint64_t key)
{
	size_t at = (key >> 32) * room >> 32;

	while (slots[at].key && slots[at].key != key)
		at = at + 1 < room ? at + 1 : 0;
	return &slots[at];
}

static bool grow(struct shadow *s)
{
	size_t room = s->room ? s->room + s->room / 4 : ROOM_FIRST; /* by little: most guests' facts come at once, then no more */
	struct shadow_slot *slots = calloc(room, sizeof(*slots));

	if (!slots)
		return false;
	for (size_t i = 0; i < s->room; i++)
		if (s->slots[i].key)
			*place(slots, room, s->slots[i].key) = s->slots[i];
	free(s->slots);
	s->slots = slots;
	s->room = room;
	return true;
}

bool shadow_note(struct shadow *s, const struct observe_key *key, const struct observe_value *value)
{
	uint64_t key_digest = digest(s->seed, key, sizeof(*key)), value_digest;
	struct observe_value state = { .boot = value->boot, .flags = OBSERVE_VOLATILE };
	struct shadow_slot *slot;

	value_digest = digest(s->seed, value->flags & OBSERVE_VOLATILE ? &state : value, sizeof(*value));
	/* Seven eighths full at most. */
	if (s->used * 8 >= s->room * 7 && !grow(s) && s->used + 1 >= s->room)
		return true;
	slot = place(s->slots, s->room, key_digest);
	if (slot->key && slot->value == value_digest)
		return false;
	s->used += !slot->key;
	*slot = (struct shadow_slot){ key_digest, value_digest };
	return true;
}

void shadow_release(struct shadow *s)
{
	free(s->slots);
	*s = (struct shadow){ .seed = s->seed };
}

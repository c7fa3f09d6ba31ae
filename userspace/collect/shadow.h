/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was last sent of each fact of one guest, as digests: 16 bytes a fact. So that a sweep of the facts map sends only
 * what the news did not bring. Pure. Empty value: SHADOW_INIT.
 */
#ifndef ABIDRIFT_COLLECT_SHADOW_H
#define ABIDRIFT_COLLECT_SHADOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct observe_key;
struct observe_value;

struct shadow_slot {
	uint64_t key;   /* digest, 0 = free */
	uint64_t value; /* digest */
};

struct shadow {
	struct shadow_slot *slots;
	size_t room; /* below 2^32 */
	size_t used;
	uint64_t seed; /* chosen by the caller and not told: a guest that knew it could make two values look the same */
};

#define SHADOW_INIT { 0 }

/*
 * Notes that this is sent now. True: it differs from what was sent last (or memory ran out: then everything is sent again).
 * Of a fact that turned out to be state (OBSERVE_VOLATILE) only its boot counts.
 */
bool shadow_note(struct shadow *s, const struct observe_key *key, const struct observe_value *value);
void shadow_release(struct shadow *s); /* keeps the seed */

#endif

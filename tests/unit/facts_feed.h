/* SPDX-License-Identifier: Apache-2.0 */
/* A built stream into the facts of a guest: in order, or shuffled and repeated by a PRNG of fixed seed. */
#ifndef ABIDRIFT_TESTS_FACTS_FEED_H
#define ABIDRIFT_TESTS_FACTS_FEED_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/records.h"
#include "userspace/abi/entries.h"
#include "userspace/abi/facts.h"

struct feed_record {
	struct record_header header;
	const void *body;
	size_t bytes;
};

/* Caller frees. */
static inline struct feed_record *feed_split(const struct records *s, size_t *ret_count)
{
	struct feed_record *list = calloc(s->count + 1, sizeof(*list));
	size_t at = 0, size;

	assert_non_null(list);
	*ret_count = 0;
	while (at < s->out.size) {
		struct feed_record *next = &list[(*ret_count)++];

		assert_int_equal(record_parse(s->out.data + at, s->out.size - at, &next->header, &next->body, &next->bytes, &size, NULL), 1);
		at += size;
	}
	return list;
}

static inline unsigned feed_into(struct guest_facts *f, const struct records *s)
{
	size_t count;
	struct feed_record *list = feed_split(s, &count);
	unsigned all = 0;

	for (size_t i = 0; i < count; i++) {
		unsigned news = 0;

		assert_int_equal(facts_add(f, &list[i].header, list[i].body, list[i].bytes, &news), 0);
		all |= news;
	}
	free(list);
	return all;
}

static inline struct guest_facts *feed(const struct records *s)
{
	struct guest_facts *f = facts_new();

	assert_non_null(f);
	(void)feed_into(f, s);
	return f;
}

static inline uint32_t feed_random(uint64_t *state)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(*state >> 33);
}

static inline struct guest_facts *feed_shuffled(const struct records *s, uint64_t seed)
{
	struct guest_facts *f = facts_new();
	size_t count;
	struct feed_record *list = feed_split(s, &count);

	assert_non_null(f);
	for (size_t i = count; i > 1; i--) {
		size_t other = feed_random(&seed) % i;
		struct feed_record held = list[i - 1];

		list[i - 1] = list[other];
		list[other] = held;
	}
	for (size_t i = 0; i < count; i++) {
		const struct feed_record *again = &list[feed_random(&seed) % (i + 1)];

		assert_int_equal(facts_add(f, &list[i].header, list[i].body, list[i].bytes, NULL), 0);
		assert_int_equal(facts_add(f, &again->header, again->body, again->bytes, NULL), 0);
	}
	free(list);
	return f;
}

/* Serialized facts as a string that cmocka can compare; caller frees. */
static inline char *feed_bytes(const struct guest_facts *f, size_t *ret_size)
{
	struct buffer b = BUFFER_INIT;
	char *taken;

	assert_int_equal(facts_serialize(f, &b), 0);
	*ret_size = b.size;
	taken = buffer_take(&b, NULL);
	assert_non_null(taken);
	return taken;
}

static inline void assert_same_facts(const struct guest_facts *a, const struct guest_facts *b)
{
	size_t a_size, b_size;
	char *x = feed_bytes(a, &a_size), *y = feed_bytes(b, &b_size);

	assert_int_equal(a_size, b_size);
	assert_memory_equal(x, y, a_size);
	free(x);
	free(y);
}

/* Value of a key, or NULL. */
static inline const char *value_of(const struct abi_entries *e, enum facet_id facet, const char *key)
{
	const struct abi_entry *entry = entries_find(e, facet, key);

	return entry ? entry->value : NULL;
}

static inline size_t entries_of(const struct abi_entries *e, enum facet_id facet)
{
	size_t n = 0;

	for (size_t i = 0; i < e->count; i++)
		n += e->items[i].facet == facet;
	return n;
}

static inline struct abi_entries derive(const struct guest_facts *f)
{
	struct abi_entries e = ABI_ENTRIES_INIT;

	assert_int_equal(abi_derive(f, &e), 0);
	return e;
}

static inline struct abi_entries derive_stream(const struct records *s)
{
	struct guest_facts *f = feed(s);
	struct abi_entries e = derive(f);

	facts_free(f);
	return e;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What targets share: a property that does not hold is a crash, and so a finding. */
#ifndef ABIDRIFT_TESTS_FUZZ_H
#define ABIDRIFT_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "userspace/abi/entries.h"
#include "userspace/abi/facet.h"
#include "userspace/abi/facts.h"
#include "userspace/base/buffer.h"
#include "userspace/base/error.h"
#include "userspace/fingerprint/fingerprint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Which one it was is all that a finding says of itself. */
#define require(good) ((good) ? (void)0 : broken(__FILE__, __LINE__, #good))

static inline void broken(const char *file, int line, const char *what)
{
	fprintf(stderr, "ERROR: %s:%d: does not hold: %s\n", file, line, what);
	abort();
}

static inline bool same_bytes(const struct buffer *a, const struct buffer *b)
{
	return a->size == b->size && (!a->size || !memcmp(a->data, b->data, a->size));
}

/* A file with these bytes, at its beginning. */
static inline int file_of(const void *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	require(fd >= 0);
	require(write(fd, data, size) == (ssize_t)size && lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

/* A string of the next bytes up to `end`, which is passed; the rest where there is none. */
static inline char *take_until(const uint8_t **data, size_t *size, int end)
{
	const uint8_t *stop = *size ? memchr(*data, end, *size) : NULL;
	size_t used = stop ? (size_t)(stop - *data) : *size;
	char *text = strndup((const char *)*data, used);

	require(text);
	*data += used + (stop != NULL);
	*size -= used + (stop != NULL);
	return text;
}

/* Bytes into an object; zeros where there are no more. */
static inline void take(const uint8_t **data, size_t *size, void *ret, size_t bytes)
{
	size_t n = bytes < *size ? bytes : *size;

	memset(ret, 0, bytes);
	if (n)
		memcpy(ret, *data, n);
	*data += n;
	*size -= n;
}

/* Words for every entry, and each facet as people read it. */
static inline void say_entries(const struct abi_entries *e)
{
	struct buffer words = BUFFER_INIT;

	for (size_t i = 0; i < e->count; i++) {
		const struct facet *facet = facet_get(e->items[i].facet);
		struct abi_fields fields = { 0 };

		buffer_clear(&words);
		if (facet->meaning)
			facet->meaning(e->items[i].key, e->items[i].value, &words);
		if (facet->group)
			facet->group(e->items[i].key, &words);
		if (facet->order && i)
			facet->order(e->items[i - 1].key, e->items[i].key);
		if (facet->fields) {
			facet->fields(e->items[i].key, e->items[i].value, e->items[i ? i - 1 : 0].value, &fields);
			abi_fields_release(&fields);
		}
		require(!buffer_failed(&words));
	}
	buffer_release(&words);
}

/*
 * What is made of facts: a fingerprint that its own reader takes and writes alike, one line an entry, the same from facts that were kept
 * and read back.
 */
static inline void derive_and_check(const struct guest_facts *f)
{
	struct abi_entries first = ABI_ENTRIES_INIT, kept = ABI_ENTRIES_INIT, parsed = ABI_ENTRIES_INIT;
	struct buffer text = BUFFER_INIT, second = BUFFER_INIT, facts = BUFFER_INIT;
	struct guest_facts *back = NULL;
	struct error e = ERROR_INIT;

	require(abi_derive(f, &first) == 0 && fingerprint_write(&first, &text) == 0);
	require(fingerprint_parse(text.data, text.size, &parsed, &e) == 0);
	require(fingerprint_write(&parsed, &second) == 0 && same_bytes(&text, &second));
	require(facts_serialize(f, &facts) == 0 && facts_parse(facts.data, facts.size, &back, &e) == 0);
	buffer_clear(&second);
	require(facts_serialize(back, &second) == 0 && same_bytes(&facts, &second));
	buffer_clear(&second);
	require(abi_derive(back, &kept) == 0 && fingerprint_write(&kept, &second) == 0 && same_bytes(&text, &second));
	say_entries(&first);
	entries_release(&first);
	entries_release(&kept);
	entries_release(&parsed);
	buffer_release(&text);
	buffer_release(&second);
	buffer_release(&facts);
	facts_free(back);
}

static inline void fact_put(struct guest_facts *f, const struct record_fact *fact)
{
	struct record_header header = { .type = RECORD_FACT, .vm = 1, .boot = 1 };

	require(facts_add(f, &header, fact, sizeof(*fact), NULL) == 0);
}

/* A boot that was seen from its beginning, so that facets may be complete. */
static inline struct guest_facts *facts_of_boot(void)
{
	struct record_header header = { .type = RECORD_BOOT, .vm = 1, .boot = 1 };
	struct record_boot boot = { .reason = OBSERVE_REASON_CREATED, .from_reset = 1, .began_ns = 1 };
	struct guest_facts *f = facts_new();

	require(f && facts_add(f, &header, &boot, sizeof(boot), NULL) == 0);
	return f;
}

#endif

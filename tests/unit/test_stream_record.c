// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/records.h"
#include "userspace/base/error.h"

#define MUTATIONS 5000

/* One record of each type. */
static void make_sample(struct records *s)
{
	static const struct inventory_cpuid_entry cpuid[] = {
		{ .function = 0, .regs = { 0xd, 0x756e6547, 0x6c65746e, 0x49656e69 } },
		{ .function = 7, .index = 0, .flags = 1, .regs = { 0, 0x219c07ab, 0, 0 } },
	};
	static const struct record_slot slots[] = { { .gpa = 0, .bytes = 0x80000000, .hva = 0x7f0000000000 },
						    { .gpa = 0xfffc0000, .bytes = 0x40000, .hva = 0x7f1000000000, .flags = 2, .id = 3 } };

	records_hello(s);
	records_host(s, RECORD_HOST, "hostname", "host-a", "kernel.release", "6.1.0", "cpu.model", "", NULL);
	records_host(s, RECORD_CONFIG, "monitor.settle", "10s", NULL);
	records_host(s, RECORD_COVERAGE, "msr", "this kernel has no tracepoint kvm_msr", NULL);
	records_vm(s, "pid", "4711", "kind", "qemu", "arg", "-M", "arg", "q35", NULL);
	records_boot(s, OBSERVE_REASON_CREATED, true);
	records_cpuid(s, 0, true, cpuid, 2);
	records_slots(s, true, slots, 2);
	records_port(s, 0x510, 1, OBSERVE_ANSWERED, 0);
	records_pci(s, RECORDS_BDF(0, 3, 0), 0, 0x100e8086, 0xf);
	records_loss(s, RECORD_LOSS_QUOTA, OBSERVE_CLASS_PORT, 3);
	records_synced(s);
	s->at_ns += RECORD_TICK_NS;
	records_tick(s);
	records_gone(s, "process ended");
}

static int parse(const void *data, size_t size, struct record_header *ret_header, size_t *ret_size)
{
	const void *body;
	size_t bytes;

	return record_parse(data, size, ret_header, &body, &bytes, ret_size, NULL);
}

static void what_the_collector_sends_is_what_the_analyst_gets(void **state)
{
	struct records s = RECORDS_INIT;
	size_t at = 0;
	uint64_t seq = 0;
	(void)state;

	s.vm = 0x1122334455667788;
	s.boot = 3;
	make_sample(&s);
	while (at < s.out.size) {
		struct record_header header;
		const void *body;
		size_t bytes, size;
		assert_int_equal(record_parse(s.out.data + at, s.out.size - at, &header, &body, &bytes, &size, NULL), 1);
		assert_int_equal(header.seq, ++seq);
		assert_int_equal(header.bytes, size);
		assert_int_equal(bytes, size - sizeof(header));
		assert_ptr_equal(body, s.out.data + at + sizeof(header));
		if (header.type == RECORD_FACT || header.type == RECORD_CPUID || header.type == RECORD_SLOTS) {
			assert_int_equal(header.vm, s.vm);
			assert_int_equal(header.boot, 3);
		}
		if (header.type == RECORD_FACT && header.seq == 9) {
			struct record_fact fact;
			memcpy(&fact, body, sizeof(fact));
			assert_int_equal(fact.key.selector, 0x510);
			assert_int_equal(fact.key.vm, s.vm);
			assert_int_equal(fact.value.flags, OBSERVE_ANSWERED);
			assert_int_equal(fact.value.boot, 3);
		}
		at += size;
	}
	assert_int_equal(at, s.out.size);
	assert_int_equal(seq, s.count);
	records_release(&s);
}

static void a_record_cut_anywhere_waits_for_its_rest(void **state)
{
	struct records s = RECORDS_INIT;
	size_t at = 0;
	(void)state;

	make_sample(&s);
	while (at < s.out.size) {
		struct record_header header = { .seq = 77 };
		uint32_t whole;
		size_t size = 99;
		memcpy(&whole, s.out.data + at, sizeof(whole));
		for (size_t cut = 0; cut < whole; cut++) {
			/* A copy of just that size, so that a sanitizer sees a look behind its end. */
			char *copy = malloc(cut > 0 ? cut : 1);
			memcpy(copy, s.out.data + at, cut);
			assert_int_equal(parse(copy, cut, &header, &size), 0);
			free(copy);
		}
		assert_int_equal(header.seq, 77);
		assert_int_equal(size, 99);
		at += whole;
	}
	records_release(&s);
}

static void refused(uint16_t type, const void *body, size_t bytes, bool expected)
{
	struct buffer b = BUFFER_INIT;
	struct record_header header = { .type = type, .seq = 5 }, got;
	struct error e = ERROR_INIT;
	const void *got_body;
	size_t got_bytes, size;

	assert_int_equal(record_put(&b, &header, body, bytes, NULL, 0), 0);
	int r = record_parse(b.data, b.size, &got, &got_body, &got_bytes, &size, &e);
	assert_int_equal(r, expected ? -EBADMSG : 1);
	assert_int_equal(e.text[0] != '\0', expected);
	buffer_release(&b);
}

static void a_body_of_another_length_than_it_says_is_refused(void **state)
{
	static const struct {
		uint16_t type;
		size_t bytes;
	} fixed[] = {
		{ RECORD_HELLO, sizeof(struct record_hello) }, { RECORD_TICK, sizeof(struct record_hello) },
		{ RECORD_BOOT, sizeof(struct record_boot) },   { RECORD_FACT, sizeof(struct record_fact) },
		{ RECORD_LOSS, sizeof(struct record_loss) },   { RECORD_SYNCED, 0 },
	};
	char zeros[128] = { 0 };
	(void)state;

	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		for (size_t bytes = 0; bytes < sizeof(zeros); bytes++)
			refused(fixed[i].type, zeros, bytes, bytes != fixed[i].bytes);
	}
}

static void a_count_that_disagrees_with_its_list_is_refused(void **state)
{
	static const uint32_t counts[] = { 0, 1, 2, 3, 255, 256, 257, 0x04924925, 0x08000000, 0x08000002, 0x80000000, 0xffffffff };
	struct inventory_cpuid_entry entries[OBSERVE_CPUID_MAX + 1] = { 0 };
	struct record_slot slots[3] = { 0 };
	(void)state;

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct buffer body = BUFFER_INIT;
		records_cpuid_body(&body, 0, true, entries, 2);
		memcpy(body.data + offsetof(struct record_cpuid, count), &counts[i], sizeof(counts[i]));
		refused(RECORD_CPUID, body.data, body.size, counts[i] != 2);
		buffer_clear(&body);
		records_slots_body(&body, true, slots, 2);
		memcpy(body.data + offsetof(struct record_slots, count), &counts[i], sizeof(counts[i]));
		refused(RECORD_SLOTS, body.data, body.size, counts[i] != 2);
		refused(RECORD_SLOTS, body.data, body.size - 1, true);
		refused(RECORD_SLOTS, body.data, 7, true);
		buffer_release(&body);
	}
	for (uint32_t count = OBSERVE_CPUID_MAX; count <= OBSERVE_CPUID_MAX + 1; count++) {
		struct buffer body = BUFFER_INIT;
		records_cpuid_body(&body, 0, true, entries, count);
		refused(RECORD_CPUID, body.data, body.size, count > OBSERVE_CPUID_MAX);
		refused(RECORD_CPUID, body.data, 15, true);
		buffer_release(&body);
	}
}

static void pairs_that_do_not_pair_are_refused(void **state)
{
	static const uint16_t types[] = { RECORD_HOST, RECORD_CONFIG, RECORD_COVERAGE, RECORD_VM, RECORD_GONE, RECORD_STATS };
	(void)state;

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		refused(types[i], "", 0, false);
		refused(types[i], "k\0v", 4, false);
		refused(types[i], "k\0", 3, false); /* empty value */
		refused(types[i], "k\0v\0l\0w", 8, false);
		refused(types[i], "k", 1, true);
		refused(types[i], "k", 2, true);
		refused(types[i], "k\0v", 3, true);
		refused(types[i], "k\0v\0l", 6, true);
	}
}

static void a_type_from_the_future_is_passed_on(void **state)
{
	(void)state;
	refused(99, "anything", 8, false);
	refused(0xffff, NULL, 0, false);
	refused(0, "x", 1, false);
}

static void a_newer_stream_is_named_as_such(void **state)
{
	struct record_hello hello = { .format = RECORD_FORMAT + 1 };
	struct record_header header = { .type = RECORD_HELLO }, got;
	struct buffer b = BUFFER_INIT;
	struct error e = ERROR_INIT;
	const void *body;
	size_t bytes, size;
	(void)state;

	/* Longer as well, as a newer one may be: the version is the message, not the length. */
	record_put(&b, &header, &hello, sizeof(hello), "more", 4);
	assert_int_equal(record_parse(b.data, b.size, &got, &body, &bytes, &size, &e), -EBADMSG);
	assert_non_null(strstr(e.text, "newer"));
	buffer_release(&b);
}

static void a_nonsense_length_is_refused_at_once(void **state)
{
	static const uint32_t lengths[] = { 0, 1, 39, RECORD_MAX_BYTES + 1, 0xffffffff };
	struct record_header header;
	size_t size;
	(void)state;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		assert_int_equal(parse(&lengths[i], sizeof(lengths[i]), &header, &size), -EBADMSG);
	uint32_t most = RECORD_MAX_BYTES;
	assert_int_equal(parse(&most, sizeof(most), &header, &size), 0);
}

static void a_record_too_large_to_read_is_never_written(void **state)
{
	const size_t most = RECORD_MAX_BYTES - sizeof(struct record_header);
	struct record_header header = { .type = 99, .zero = 1, .zero2 = 1 }, got;
	struct buffer b = BUFFER_INIT;
	char *body = calloc(1, most + 1);
	size_t size;
	(void)state;

	assert_int_equal(record_put(&b, &header, body, most + 1, NULL, 0), -EMSGSIZE);
	assert_int_equal(record_put(&b, &header, body, most, body, 1), -EMSGSIZE);
	assert_int_equal(record_put(&b, &header, body, 1, body, SIZE_MAX), -EMSGSIZE);
	assert_int_equal(b.size, 0);
	assert_int_equal(record_put(&b, &header, body, most - 8, body, 8), 0);
	assert_int_equal(b.size, RECORD_MAX_BYTES);
	assert_int_equal(parse(b.data, b.size, &got, &size), 1);
	assert_int_equal(got.zero, 0);
	assert_int_equal(got.zero2, 0);
	buffer_append(&b, "", SIZE_MAX / 2);
	assert_int_equal(record_put(&b, &header, NULL, 0, NULL, 0), -ENOMEM);
	buffer_release(&b);
	free(body);
}

static void repeated_keys_keep_their_order(void **state)
{
	static const char *const expected[] = { "-M", "q35", "" };
	struct buffer body = BUFFER_INIT;
	const char *key, *value;
	size_t cursor = 0, args = 0;
	int r;
	(void)state;

	records_pairs_body(&body, "arg", "-M", "pid", "1", "arg", "q35", "arg", "", NULL);
	while ((r = record_pair_next(body.data, body.size, &cursor, &key, &value)) > 0) {
		if (strcmp(key, "arg") == 0)
			assert_string_equal(value, expected[args++]);
	}
	assert_int_equal(r, 0);
	assert_int_equal(args, 3);
	assert_string_equal(record_pair_get(body.data, body.size, "arg"), "-M");
	assert_string_equal(record_pair_get(body.data, body.size, "pid"), "1");
	assert_null(record_pair_get(body.data, body.size, "q35"));
	assert_null(record_pair_get(NULL, 0, "pid"));
	cursor = body.size + 1;
	assert_int_equal(record_pair_next(body.data, body.size, &cursor, &key, &value), -EBADMSG);
	buffer_release(&body);
}

static void an_endless_argument_is_cut_and_the_rest_stays_readable(void **state)
{
	struct buffer body = BUFFER_INIT;
	char *longest = malloc(RECORD_VALUE_MAX + 100);
	(void)state;

	memset(longest, 'x', RECORD_VALUE_MAX + 99);
	longest[RECORD_VALUE_MAX + 99] = '\0';
	records_pairs_body(&body, "arg", longest, "pid", "1", NULL);
	assert_int_equal(strlen(record_pair_get(body.data, body.size, "arg")), RECORD_VALUE_MAX);
	assert_string_equal(record_pair_get(body.data, body.size, "pid"), "1");
	buffer_clear(&body);
	/* One who did not cut it. */
	buffer_append(&body, "arg", 4);
	buffer_append(&body, longest, RECORD_VALUE_MAX + 100);
	refused(RECORD_VM, body.data, body.size, true);
	buffer_release(&body);
	free(longest);
}

static void a_damaged_stream_ends_in_an_error_and_not_in_a_crash(void **state)
{
	struct records s = RECORDS_INIT;
	uint64_t seed = 10917;
	(void)state;

	make_sample(&s);
	char *copy = malloc(s.out.size);
	for (int round = 0; round < MUTATIONS; round++) {
		size_t at = 0, size = s.out.size;
		memcpy(copy, s.out.data, size);
		for (unsigned int flips = 1 + (unsigned int)round % 8; flips > 0; flips--) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			copy[seed % size] = (char)(copy[seed % size] ^ (1 << (seed >> 40 & 7)));
		}
		for (int r = 1; r > 0 && at < size;) {
			struct record_header header;
			const void *body;
			size_t bytes, got = 0;
			r = record_parse(copy + at, size - at, &header, &body, &bytes, &got, NULL);
			assert_true(r == 1 || r == 0 || r == -EBADMSG);
			if (r == 1) {
				assert_true(got >= sizeof(header) && got <= size - at && bytes == got - sizeof(header));
				at += got;
			}
		}
	}
	free(copy);
	records_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_collector_sends_is_what_the_analyst_gets),
		cmocka_unit_test(a_record_cut_anywhere_waits_for_its_rest),
		cmocka_unit_test(a_body_of_another_length_than_it_says_is_refused),
		cmocka_unit_test(a_count_that_disagrees_with_its_list_is_refused),
		cmocka_unit_test(pairs_that_do_not_pair_are_refused),
		cmocka_unit_test(a_type_from_the_future_is_passed_on),
		cmocka_unit_test(a_newer_stream_is_named_as_such),
		cmocka_unit_test(a_nonsense_length_is_refused_at_once),
		cmocka_unit_test(a_record_too_large_to_read_is_never_written),
		cmocka_unit_test(repeated_keys_keep_their_order),
		cmocka_unit_test(an_endless_argument_is_cut_and_the_rest_stays_readable),
		cmocka_unit_test(a_damaged_stream_ends_in_an_error_and_not_in_a_crash),
	};

	return cmocka_run_group_tests_name("stream: record", tests, NULL, NULL);
}

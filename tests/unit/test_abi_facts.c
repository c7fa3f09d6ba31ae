// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/facts_feed.h"
#include "userspace/base/error.h"

#define ROUNDS 60
#define NIC RECORDS_BDF(0, 3, 0)
#define BRIDGE RECORDS_BDF(0, 4, 0)

/* Everything a guest may tell, with changes on the way. */
static void build_guest(struct records *s)
{
	static const uint32_t regs[4] = { 0xd, 0x756e6547, 0x6c65746e, 0x49656e69 };
	struct inventory_cpuid_entry table[2] = { { .function = 0, .regs = { 0xd, 1, 2, 3 } }, { .function = 1, .regs = { 4, 5, 6, 7 } } };
	const struct record_slot early[] = { { .bytes = 0x8000000, .hva = 0x7f0000000000, .id = 1 } };
	const struct record_slot late[] = { { .bytes = 0xa0000, .hva = 0x7f0000000000 }, { .gpa = 0xc0000, .bytes = 0x40000, .flags = 2 } };

	records_vm(s, "pid", "4711", "fd", "9", "kind", "qemu", "arg", "qemu", NULL);
	records_boot(s, OBSERVE_REASON_CREATED, true);
	records_vm(s, "pid", "4711", "fd", "9", "kind", "qemu", "arg", "qemu", "arg", "-name", "arg", "web", NULL);
	records_cpuid(s, 0, false, table, 1);
	s->at_ns += RECORDS_SECOND;
	records_cpuid(s, 0, true, table, 2);
	records_cpuid(s, 3, true, table, 2);
	records_cpuid(s, 1, false, table, 2);
	records_slots(s, true, early, 1);
	records_slots(s, true, late, 2);
	records_cpuid_answer(s, 0, 0, OBSERVE_FOUND, regs);
	records_port(s, 0x510, 1, 0, 1);
	records_port(s, 0x510, 1, 0, 2);
	records_port(s, 0x510, 1, OBSERVE_ANSWERED, 2);
	for (unsigned n = 0; n < 40; n++)
		records_port(s, (uint16_t)(0x300 + n), 1 << (n % 3), n % 4 ? 0 : OBSERVE_ANSWERED, n % 4);
	records_mmio(s, 0xfed00000, 4, OBSERVE_ANSWERED, 0);
	records_pci(s, NIC, 0, 0x00008086, 0x3);
	records_pci(s, NIC, 0, 0x100e8086, 0xf);
	records_pci(s, NIC, 0x0c, 0, 0x4);
	records_pci_size(s, NIC, 0x10, 0xfffe0000);
	records_pci_placed(s, NIC, 0x10, 0xfebc0000);
	s->at_ns += RECORDS_SECOND;
	records_pci_placed(s, NIC, 0x10, 0xfeb80000);
	s->at_ns += RECORDS_SECOND;
	records_pci_placed(s, NIC, 0x10, 0xfebc0000);
	records_loss(s, RECORD_LOSS_QUOTA, OBSERVE_CLASS_PORT, 7);
	records_loss(s, RECORD_LOSS_QUOTA, OBSERVE_CLASS_PORT, 9);
	records_host(s, RECORD_COVERAGE, "mmio", "this kernel has no kvm_mmio event", NULL);
}

/* A trace of a writer that knew fewer classes has another number for "no class": "same" must not be claimed of its guest. */
static void a_full_map_casts_doubt_on_every_facet_whatever_class_it_is_told_with(void **state)
{
	(void)state;
	for (uint32_t class = 0; class <= OBSERVE_CLASSES + 1; class++) {
		struct records s = RECORDS_INIT;
		struct guest_facts *f;

		records_loss(&s, RECORD_LOSS_MAP, class, 3);
		f = feed(&s);
		for (enum observe_class of = 0; of < OBSERVE_CLASSES; of++)
			assert_int_equal(facts_lost(f, of), 3);
		facts_free(f);
		records_release(&s);
	}
}

static void no_order_of_delivery_and_no_repetition_changes_what_is_remembered(void **state)
{
	struct records s = RECORDS_INIT;
	struct guest_facts *straight;
	struct abi_entries expected;

	(void)state;
	build_guest(&s);
	straight = feed(&s);
	expected = derive(straight);
	for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
		struct guest_facts *f = feed_shuffled(&s, seed);
		struct abi_entries e = derive(f);

		assert_same_facts(straight, f);
		assert_int_equal(e.count, expected.count);
		for (size_t i = 0; i < e.count; i++) {
			assert_int_equal(e.items[i].facet, expected.items[i].facet);
			assert_string_equal(e.items[i].key, expected.items[i].key);
			assert_string_equal(e.items[i].value, expected.items[i].value);
		}
		entries_release(&e);
		facts_free(f);
	}
	entries_release(&expected);
	facts_free(straight);
	records_release(&s);
}

/* A guest at rest is packed: if it lost anything by that, its next news would be judged against something that it never showed. */
static void packing_at_any_moment_changes_nothing(void **state)
{
	struct records s = RECORDS_INIT;
	const struct record_memory unread = { .area = RECORD_AREA_ACPI };
	struct guest_facts *straight, *f = facts_new();
	struct feed_record *list;
	struct abi_entries e;
	size_t count;

	(void)state;
	build_guest(&s);
	records_add(&s, RECORD_MEMORY, s.vm, s.boot, &unread, sizeof(unread), NULL, 0);
	straight = feed(&s);
	list = feed_split(&s, &count);
	for (size_t i = 0; i < count; i++) {
		unsigned news = 0, again = 0;

		assert_int_equal(facts_add(f, &list[i].header, list[i].body, list[i].bytes, &news), 0);
		assert_int_equal(facts_pack(f), 0);
		assert_int_equal(facts_add(f, &list[i].header, list[i].body, list[i].bytes, &again), 0);
		assert_int_equal(again, 0);
		assert_int_equal(facts_pack(f), 0);
		assert_int_equal(facts_pack(f), 0);
	}
	assert_true(facts_packed(f));
	assert_true(facts_ran(f));
	assert_string_equal(facts_vm(f, "pid"), "4711");
	assert_int_equal(facts_unpack(f), 0);
	assert_false(facts_packed(f));
	assert_same_facts(straight, f);
	e = derive(f);
	assert_int_not_equal(entries_of(&e, FACET_PCI), 0);
	entries_release(&e);
	/* What is packed goes with its boot. */
	assert_int_equal(facts_pack(f), 0);
	buffer_clear(&s.out);
	s.count = 0;
	s.boot++;
	records_boot(&s, OBSERVE_REASON_VMM, true);
	(void)feed_into(f, &s);
	assert_false(facts_packed(f));
	assert_false(facts_ran(f));
	free(list);
	facts_free(f);
	facts_free(straight);
	records_release(&s);
}

/* What was decoded while the kernel skipped events is doubtful, whether it came before that was known or after. */
static void no_order_of_delivery_makes_what_is_doubtful_known(void **state)
{
	struct records s = RECORDS_INIT;
	struct guest_facts *straight, *back;
	struct abi_entries entries;
	size_t size;
	char *bytes;

	(void)state;
	build_guest(&s);
	records_loss(&s, RECORD_LOSS_MISSED, OBSERVE_CLASS_PCI_HEADER, 5);
	records_loss(&s, RECORD_LOSS_MISSED, OBSERVE_CLASS_REGISTER, 2);
	records_loss(&s, RECORD_LOSS_MISSED, OBSERVE_CLASSES, 1000); /* of no guest: which are concerned is not known here */
	records_pci(&s, NIC, 0x08, 0x0100ff00, 0xf);
	straight = feed(&s);
	for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
		struct guest_facts *f = feed_shuffled(&s, seed);

		assert_same_facts(straight, f);
		facts_free(f);
	}
	bytes = feed_bytes(straight, &size);
	assert_int_equal(facts_parse(bytes, size, &back, NULL), 0);
	assert_same_facts(straight, back);
	assert_int_equal(facts_skipped(back, FACTS_OF_PCI), 5);
	assert_int_equal(facts_skipped(back, FACTS_OF_REGISTERS), 2);
	assert_null(facts_find(back, OBSERVE_PCI, NIC, 0, 0));
	assert_non_null(facts_find(back, OBSERVE_PORT, 0x510, 0, 1));
	entries = derive(back);
	assert_int_equal(entries.coverage[FACET_PCI].level, COVERAGE_NONE);
	assert_true(coverage_tells_skips(entries.coverage[FACET_PCI].reason));
	assert_int_equal(entries_of(&entries, FACET_PCI), 0);
	assert_int_equal(entries.coverage[FACET_CPUID].level, COVERAGE_COMPLETE);
	entries_release(&entries);
	free(bytes);
	facts_free(back);
	facts_free(straight);
	records_release(&s);
}

/* Else a baseline made on a bad day stays without what its guest's later boots show as a whole; or takes over what was doubtful in one of them. */
static void a_baseline_learns_what_was_doubtful_and_nothing_that_is(void **state)
{
	struct records good = RECORDS_INIT, bad = RECORDS_INIT;
	struct guest_facts *known, *now, *again;

	(void)state;
	build_guest(&good);
	build_guest(&bad);
	records_loss(&bad, RECORD_LOSS_MISSED, OBSERVE_CLASS_PCI_HEADER, 5);
	known = feed(&bad);
	now = feed(&good);
	assert_int_equal(facts_merge(known, now), 0);
	assert_int_equal(facts_skipped(known, FACTS_OF_PCI), 0);
	assert_int_equal(facts_find(known, OBSERVE_PCI, NIC, 0, 0)->value.data[0], 0x100e8086);
	again = feed(&bad);
	assert_int_equal(facts_merge(known, again), 0);
	assert_int_equal(facts_skipped(known, FACTS_OF_PCI), 0);
	assert_non_null(facts_find(known, OBSERVE_PCI, NIC, 0, 0));
	facts_free(again);
	facts_free(now);
	facts_free(known);
	records_release(&good);
	records_release(&bad);
}

/* The mark is the boot's. */
static void the_next_boot_is_doubtful_of_itself_alone(void **state)
{
	struct records s = RECORDS_INIT;
	struct guest_facts *f;

	(void)state;
	build_guest(&s);
	records_loss(&s, RECORD_LOSS_MISSED, OBSERVE_CLASS_PCI_HEADER, 5);
	s.boot = 2;
	build_guest(&s);
	f = feed(&s);
	assert_int_equal(facts_skipped(f, FACTS_OF_PCI), 0);
	assert_non_null(facts_find(f, OBSERVE_PCI, NIC, 0, 0));
	facts_free(f);
	records_release(&s);
}

static void a_stored_baseline_reads_back_the_same(void **state)
{
	struct records s = RECORDS_INIT;
	struct guest_facts *f, *back, *copy;
	size_t size;
	char *bytes;

	(void)state;
	build_guest(&s);
	f = feed(&s);
	bytes = feed_bytes(f, &size);
	assert_int_equal(facts_parse(bytes, size, &back, NULL), 0);
	assert_same_facts(f, back);
	copy = facts_clone(f);
	assert_non_null(copy);
	assert_same_facts(f, copy);
	assert_int_equal(facts_lost(back, OBSERVE_CLASS_PORT), 9);
	assert_true(facts_from_reset(back));
	assert_string_equal(facts_arg(copy, 2), "web");
	assert_string_equal(facts_blind(copy, "mmio"), "this kernel has no kvm_mmio event");
	free(bytes);
	facts_free(copy);
	facts_free(back);
	facts_free(f);
	records_release(&s);
}

static void a_damaged_baseline_is_refused_and_not_half_read(void **state)
{
	struct records s = RECORDS_INIT;
	struct guest_facts *f, *back = NULL;
	struct error e = ERROR_INIT;
	size_t size;
	char *bytes;

	(void)state;
	build_guest(&s);
	f = feed(&s);
	bytes = feed_bytes(f, &size);
	assert_true(facts_parse(bytes, size - 3, &back, &e) < 0);
	assert_null(back);
	assert_true(strlen(e.text) > 0);
	bytes[0] = 1;
	assert_true(facts_parse(bytes, size, &back, &e) < 0);
	assert_null(back);
	free(bytes);
	facts_free(f);
	records_release(&s);
}

static void two_boots_of_one_guest_are_kept_as_the_same_bytes(void **state)
{
	struct records a = RECORDS_INIT, b = RECORDS_INIT;
	struct guest_facts *x, *y;

	(void)state;
	build_guest(&a);
	b.vm = 99;
	b.boot = 12;
	b.at_ns = 5000 * RECORDS_SECOND;
	build_guest(&b);
	x = feed(&a);
	y = feed(&b);
	assert_int_equal(facts_boot(y), 12);
	assert_same_facts(x, y);
	facts_free(x);
	facts_free(y);
	records_release(&a);
	records_release(&b);
}

static void a_reset_forgets_the_boot_before_and_keeps_who_it_is(void **state)
{
	struct records s = RECORDS_INIT;
	struct guest_facts *f;
	size_t count;
	bool complete;

	(void)state;
	build_guest(&s);
	f = feed(&s);
	records_release(&s);
	s = (struct records)RECORDS_INIT;
	s.boot = 2;
	records_boot(&s, OBSERVE_REASON_VMM, true);
	s.boot = 1;
	records_port(&s, 0x70, 1, OBSERVE_ANSWERED, 0);
	s.boot = 2;
	records_port(&s, 0x71, 1, OBSERVE_ANSWERED, 0);
	assert_int_equal(feed_into(f, &s), (1u << FACETS) - 1);
	assert_null(facts_find(f, OBSERVE_PORT, 0x510, 0, 1));
	assert_null(facts_find(f, OBSERVE_PORT, 0x70, 0, 1));
	assert_non_null(facts_find(f, OBSERVE_PORT, 0x71, 0, 1));
	assert_null(facts_slots(f, &count, &complete));
	assert_int_equal(facts_cpuid_count(f), 0);
	assert_int_equal(facts_lost(f, OBSERVE_CLASS_PORT), 0);
	assert_string_equal(facts_vm(f, "pid"), "4711");
	facts_free(f);
	records_release(&s);
}

static void a_late_old_value_does_not_undo_a_change(void **state)
{
	struct record_fact fact = {
		.key = { .kind = OBSERVE_PCI, .selector = NIC, .address = 8 },
		.value = { .known = 0xf, .changes = 1, .data = { 2 } },
	};
	struct records s = RECORDS_INIT;
	struct guest_facts *f;

	(void)state;
	records_boot(&s, OBSERVE_REASON_CREATED, true);
	records_fact(&s, &fact);
	s.at_ns += RECORDS_SECOND;
	fact.value.changes = 0;
	fact.value.data[0] = 1;
	records_fact(&s, &fact);
	f = feed(&s);
	assert_int_equal(facts_find(f, OBSERVE_PCI, NIC, 8, 0)->value.data[0], 2);
	facts_free(f);
	records_release(&s);
}

static unsigned news_of(struct guest_facts *f, struct records *s)
{
	unsigned news = feed_into(f, s);

	buffer_clear(&s->out);
	s->count = 0;
	return news;
}

static void repetition_is_no_news_so_that_facets_settle(void **state)
{
	struct records s = RECORDS_INIT;
	struct guest_facts *f;

	(void)state;
	build_guest(&s);
	f = feed(&s);
	/* All of it once again: the values in between are old, the last ones are known. */
	assert_int_equal(feed_into(f, &s), 0);
	buffer_clear(&s.out);
	s.count = 0;
	records_port(&s, 0x900, 1, 0, 1);
	assert_int_equal(news_of(f, &s), 0);
	records_port(&s, 0x900, 1, 0, OBSERVE_ABSENT_READS);
	assert_int_equal(news_of(f, &s), 1u << FACET_PORTS);
	records_port(&s, 0x900, 1, OBSERVE_ANSWERED, 0);
	assert_int_equal(news_of(f, &s), 1u << FACET_PORTS);
	/* Back to where it was before: a place that is known, and yet it moved. */
	s.at_ns += RECORDS_SECOND;
	records_pci_placed(&s, NIC, 0x10, 0xfebc0000);
	assert_int_equal(news_of(f, &s), 0);
	s.at_ns += RECORDS_SECOND;
	records_pci_placed(&s, NIC, 0x10, 0xfeb80000);
	assert_int_not_equal(news_of(f, &s) & 1u << FACET_PLACEMENT, 0);
	facts_free(f);
	records_release(&s);
}

static void facts_of_another_kind_or_a_newer_collector_are_passed_over(void **state)
{
	struct record_fact fact = { .key = { .kind = 200, .selector = 1 } };
	struct record_header h = { .type = RECORD_FACT };
	struct guest_facts *f = facts_new();

	(void)state;
	assert_int_equal(facts_add(f, &h, &fact, sizeof(fact), NULL), 0);
	assert_int_equal(facts_add(f, &h, &fact, sizeof(fact) - 1, NULL), -EBADMSG);
	h.type = RECORD_CPUID;
	assert_int_equal(facts_add(f, &h, &fact, 5, NULL), -EBADMSG);
	h.type = RECORD_SLOTS;
	assert_int_equal(facts_add(f, &h, &fact, 5, NULL), -EBADMSG);
	h.type = RECORD_VM;
	assert_int_equal(facts_add(f, &h, "key", 3, NULL), -EBADMSG);
	assert_false(facts_ran(f));
	facts_free(f);
}

static void facts_come_sorted_and_by_kind(void **state)
{
	struct records s = RECORDS_INIT;
	const struct record_fact *fact, *last = NULL;
	struct guest_facts *f;
	size_t cursor = 0, count = 0;
	uint32_t highest;

	(void)state;
	for (unsigned n = 0; n < 3000; n++)
		records_port(&s, (uint16_t)(n * 7919), 1, OBSERVE_ANSWERED, 0);
	records_mmio(&s, 0xfee00000, 4, OBSERVE_ANSWERED, 0);
	f = feed(&s);
	for (; (fact = facts_next(f, OBSERVE_PORT, &cursor)); last = fact, count++)
		assert_true(!last || last->key.selector < fact->key.selector);
	assert_int_equal(count, 3000);
	cursor = 0;
	assert_non_null(facts_next(f, OBSERVE_MMIO, &cursor));
	assert_null(facts_next(f, OBSERVE_MMIO, &cursor));
	cursor = 0;
	assert_null(facts_next(f, OBSERVE_CPUID, &cursor));
	/* One selector's: also the first of all facts, the last, and one that is not there. */
	highest = last->key.selector;
	records_port(&s, 0, 2, OBSERVE_ANSWERED, 0);
	(void)feed_into(f, &s);
	cursor = 0;
	assert_non_null(fact = facts_next_of(f, OBSERVE_PORT, 0, &cursor));
	assert_int_equal(fact->key.width, 1);
	assert_non_null(fact = facts_next_of(f, OBSERVE_PORT, 0, &cursor));
	assert_int_equal(fact->key.width, 2);
	assert_null(facts_next_of(f, OBSERVE_PORT, 0, &cursor));
	cursor = 0;
	assert_non_null(facts_next_of(f, OBSERVE_PORT, highest, &cursor));
	assert_null(facts_next_of(f, OBSERVE_PORT, highest, &cursor));
	cursor = 0;
	assert_null(facts_next_of(f, OBSERVE_PORT, 1, &cursor));
	facts_free(f);
	records_release(&s);
}

/* ---- merge */

static struct guest_facts *merged(const struct records *known, const struct records *now)
{
	struct guest_facts *a = feed(known), *b = feed(now);

	assert_int_equal(facts_merge(a, b), 0);
	facts_free(b);
	return a;
}

static void a_baseline_learns_what_was_not_touched_before(void **state)
{
	struct records known = RECORDS_INIT, now = RECORDS_INIT;
	struct guest_facts *f;
	struct abi_entries e;

	(void)state;
	now.vm = 2;
	now.boot = 5;
	records_port(&known, 0x70, 1, OBSERVE_ANSWERED, 0);
	records_port(&known, 0x80, 1, 0, 1);
	records_pci(&known, NIC, 0, 0x00008086, 0x3);
	records_port(&now, 0x71, 1, OBSERVE_ANSWERED, 0);
	records_port(&now, 0x80, 1, 0, 3);
	records_pci(&now, NIC, 0, 0x100e8086, 0xf);
	records_pci(&now, NIC, 8, 0x02000003, 0xf);
	f = merged(&known, &now);
	e = derive(f);
	assert_string_equal(value_of(&e, FACET_PORTS, "0x0070/r8"), "answered");
	assert_string_equal(value_of(&e, FACET_PORTS, "0x0071/r8"), "answered");
	assert_string_equal(value_of(&e, FACET_PORTS, "0x0080/r8"), "absent");
	assert_int_equal(facts_find(f, OBSERVE_PCI, NIC, 0, 0)->value.data[0], 0x100e8086);
	assert_non_null(facts_find(f, OBSERVE_PCI, NIC, 8, 0));
	entries_release(&e);
	facts_free(f);
	records_release(&known);
	records_release(&now);
}

static void a_drift_never_slips_into_the_baseline(void **state)
{
	struct records known = RECORDS_INIT, now = RECORDS_INIT;
	struct guest_facts *f, *before;

	(void)state;
	now.boot = 2;
	records_port(&known, 0x70, 1, 0, 3);
	records_port(&known, 0x71, 1, OBSERVE_ANSWERED, 0);
	records_pci(&known, NIC, 0, 0xffffffff, 0xf);
	records_pci(&known, BRIDGE, 0, 0x00011b36, 0xf);
	records_pci(&known, BRIDGE, 0x0c, 0x00010000, 0x4);
	records_pci_placed(&known, BRIDGE, 0x18, 0x00020200);
	/* Contradictions, and what hangs on them: a function that was not there, one that is behind another bridge now. */
	records_port(&now, 0x70, 1, OBSERVE_ANSWERED, 0);
	records_port(&now, 0x71, 1, 0, 3);
	records_pci(&now, NIC, 0, 0x100e8086, 0xf);
	records_pci(&now, NIC, 8, 0x02000003, 0xf);
	records_pci(&now, NIC, 0x0c, 0, 0x4);
	records_pci_size(&now, NIC, 0x14, 0xffffffc1);
	records_pci_placed(&now, NIC, 0x14, 0xc040);
	records_pci(&now, BRIDGE, 0x0c, 0x00010000, 0x4);
	records_pci_placed(&now, BRIDGE, 0x18, 0x00030300);
	records_pci(&now, RECORDS_BDF(3, 0, 0), 0, 0x10411af4, 0xf);
	records_port(&now, 0xc044, 2, OBSERVE_ANSWERED, 0);
	before = feed(&known);
	f = merged(&known, &now);
	assert_same_facts(before, f);
	facts_free(before);
	facts_free(f);
	records_release(&known);
	records_release(&now);
}

/* The same where 32 devices are one fact: who was not there does not join, whoever was not asked for does. */
static void an_absent_device_does_not_join_the_baseline(void **state)
{
	struct records known = RECORDS_INIT, now = RECORDS_INIT;
	struct guest_facts *f;

	(void)state;
	now.boot = 2;
	records_pci_absent(&known, 0, 0, 1u << 3);
	records_pci_absent(&now, 0, 0, 1u << 6);
	records_pci_absent(&now, 0, 1, 1u << 6);
	records_pci(&now, RECORDS_BDF(0, 3, 0), 0, 0x100e8086, 0xf);
	records_pci(&now, RECORDS_BDF(0, 3, 0), 8, 0x02000003, 0xf);
	records_pci(&now, RECORDS_BDF(0, 5, 0), 0, 0x100e8086, 0xf);
	f = merged(&known, &now);
	assert_null(facts_find(f, OBSERVE_PCI, RECORDS_BDF(0, 3, 0), 0, 0));
	assert_null(facts_find(f, OBSERVE_PCI, RECORDS_BDF(0, 3, 0), 8, 0));
	assert_non_null(facts_find(f, OBSERVE_PCI, RECORDS_BDF(0, 5, 0), 0, 0));
	assert_int_equal(facts_find(f, OBSERVE_PCI_ABSENT, 0, 0, 0)->value.data[0], 1u << 3 | 1u << 6);
	assert_non_null(facts_find(f, OBSERVE_PCI_ABSENT, 0, 1, 0));
	facts_free(f);
	records_release(&known);
	records_release(&now);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_order_of_delivery_and_no_repetition_changes_what_is_remembered),
		cmocka_unit_test(packing_at_any_moment_changes_nothing),
		cmocka_unit_test(no_order_of_delivery_makes_what_is_doubtful_known),
		cmocka_unit_test(a_baseline_learns_what_was_doubtful_and_nothing_that_is),
		cmocka_unit_test(the_next_boot_is_doubtful_of_itself_alone),
		cmocka_unit_test(a_stored_baseline_reads_back_the_same),
		cmocka_unit_test(a_damaged_baseline_is_refused_and_not_half_read),
		cmocka_unit_test(two_boots_of_one_guest_are_kept_as_the_same_bytes),
		cmocka_unit_test(a_reset_forgets_the_boot_before_and_keeps_who_it_is),
		cmocka_unit_test(a_late_old_value_does_not_undo_a_change),
		cmocka_unit_test(repetition_is_no_news_so_that_facets_settle),
		cmocka_unit_test(facts_of_another_kind_or_a_newer_collector_are_passed_over),
		cmocka_unit_test(facts_come_sorted_and_by_kind),
		cmocka_unit_test(a_full_map_casts_doubt_on_every_facet_whatever_class_it_is_told_with),
		cmocka_unit_test(a_baseline_learns_what_was_not_touched_before),
		cmocka_unit_test(a_drift_never_slips_into_the_baseline),
		cmocka_unit_test(an_absent_device_does_not_join_the_baseline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

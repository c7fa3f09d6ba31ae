/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/sides.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define LEAF0 \
	"cpuid 0x00000000.0.eax 0x0000000d\n" \
	"cpuid 0x00000000.0.ebx 0x756e6547\n" \
	"cpuid 0x00000000.0.ecx 0x6c65746e\n" \
	"cpuid 0x00000000.0.edx 0x49656e69\n"
#define LEAF0_DIGEST "sha256:05c9d4df0f4f03050f4671165b19ddc07dceb33cab1981ffc76b81d0cbdba3c4"
#define WHOLE_DIGEST "sha256:2c29fd214604b9019918366a70df7259bcda0fbb8097acbd23a1a3f325d7deb4"

static void whole(const char *lines, struct digest *ret)
{
	struct abi_entries entries = ABI_ENTRIES_INIT;

	side_make(lines, &entries);
	fingerprint_digest(&entries, ret);
	entries_release(&entries);
}

static void digests_are_those_that_the_interface_promises(void **state)
{
	struct abi_entries entries = ABI_ENTRIES_INIT;
	struct digest digest;

	(void)state;
	side_make("# coverage cpuid complete\n" LEAF0, &entries);
	fingerprint_facet_digest(&entries, FACET_CPUID, &digest);
	assert_string_equal(digest.text, LEAF0_DIGEST);
	fingerprint_digest(&entries, &digest);
	assert_string_equal(digest.text, WHOLE_DIGEST);
	fingerprint_facet_digest(&entries, FACET_PORTS, &digest);
	assert_string_equal(digest.text, "");
	entries_release(&entries);
}

static void a_guest_of_which_nothing_is_complete_has_no_digest(void **state)
{
	struct digest digest;

	(void)state;
	whole("# coverage ports witnessed\nports 0x0510/r8 answered\n# coverage memory complete\n", &digest);
	assert_string_equal(digest.text, "");
}

static void what_is_no_promise_to_the_guest_moves_no_digest(void **state)
{
	static const char *const more[] = {
		"# coverage identity complete\nidentity uuid 6f1d3c3a-0000-4000-8000-000000000001\n",
		"# coverage placement complete\nplacement 0000:00:03.0/bar0 0xfebc0000\n",
		"# coverage ports witnessed\nports 0x0510/r8 answered\n",
		"# coverage memory complete\n",
		"# coverage pci witnessed attached late\npci 0000:00:03.0/id 8086:100e\n",
		"# coverage pci complete\npci 0000:00:03.0/subsystem 1af4:1100\npci 0000:00:03.0/cap.11@0xa0 x\n",
	};
	struct digest digest;

	(void)state;
	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
		char lines[1024];

		snprintf(lines, sizeof(lines), "# coverage cpuid complete\n" LEAF0 "%s", more[i]);
		whole(lines, &digest);
		assert_string_equal(digest.text, WHOLE_DIGEST);
	}
}

static void evidence_of_a_pci_function_leaves_the_whole_digest_alone(void **state)
{
	struct digest before, after;

	(void)state;
	whole("# coverage pci complete\npci 0000:00:03.0/id 8086:100e\n", &before);
	whole("# coverage pci complete\npci 0000:00:03.0/id 8086:100e\npci 0000:00:03.0/subsystem 1af4:1100\n", &after);
	assert_string_not_equal(before.text, "");
	assert_string_equal(before.text, after.text);
	whole("# coverage pci complete\npci 0000:00:03.0/id 8086:100f\n", &after);
	assert_string_not_equal(before.text, after.text);
}

static void the_order_of_arrival_changes_no_byte(void **state)
{
	static const struct {
		enum facet_id facet;
		const char *key, *value;
	} lines[] = {
		{ FACET_PORTS, "0x0510/r8", "answered" },
		{ FACET_CPUID, "0x00000000.0.ecx", "0x6c65746e" },
		{ FACET_PCI, "0000:00:03.0/id", "8086:100e" },
		{ FACET_CPUID, "0x00000000.0.eax", "0x0000000d" },
		{ FACET_ACPI, "FACP/revision", "3" },
		{ FACET_PCI, "0000:00:03.0/bar0", "mem32 size=0x20000" },
		{ FACET_IDENTITY, "uuid", "u" },
	};
	const size_t count = sizeof(lines) / sizeof(lines[0]);
	char *first = NULL;

	(void)state;
	for (size_t turn = 0; turn < count; turn++) {
		struct abi_entries entries = ABI_ENTRIES_INIT;
		char *text;

		for (int i = 0; i < FACETS; i++)
			assert_int_equal(entries_cover(&entries, i, COVERAGE_WITNESSED, "as %s", "seen"), 0);
		for (size_t i = 0; i < count; i++) {
			size_t n = (i * 3 + turn) % count;

			assert_int_equal(entries_add_escaped(&entries, lines[n].facet, lines[n].key, lines[n].value), 0);
		}
		entries_sort(&entries);
		text = side_text(&entries);
		if (!first)
			first = strdup(text);
		assert_string_equal(text, first);
		free(text);
		entries_release(&entries);
	}
	assert_non_null(strstr(first, "# coverage cpuid witnessed as seen\n"));
	assert_non_null(strstr(first, "\nacpi FACP/revision 3\ncpuid 0x00000000.0.eax 0x0000000d\n"));
	free(first);
}

static void a_text_that_was_written_reads_back_the_same(void **state)
{
	struct abi_entries entries = ABI_ENTRIES_INIT, again = ABI_ENTRIES_INIT;
	struct error e = ERROR_INIT;
	char *text, *second;

	(void)state;
	assert_int_equal(entries_add(&entries, FACET_SMBIOS, "type1.0/odd key", "back\\slash, b\xc3\xbcro, \033[31m, end "), 0);
	assert_int_equal(entries_add(&entries, FACET_SMBIOS, "type1.0/version", ""), 0);
	for (int i = 0; i < FACETS; i++)
		assert_int_equal(entries_cover(&entries, i, i % 3, "%s", i % 2 ? "caf\xc3\xa9\n\\" : ""), 0);
	entries_sort(&entries);
	text = side_text(&entries);
	assert_non_null(strstr(text, "\nsmbios type1.0/odd\\x20key back\\x5cslash, b\\xc3\\xbcro, \\x1b[31m, end \n"));
	assert_non_null(strstr(text, "\nsmbios type1.0/version \n"));
	assert_int_equal(fingerprint_parse(text, strlen(text), &again, &e), 0);
	for (int i = 0; i < FACETS; i++) {
		assert_int_equal(again.coverage[i].level, entries.coverage[i].level);
		assert_string_equal(again.coverage[i].reason, entries.coverage[i].reason);
	}
	second = side_text(&again);
	assert_string_equal(second, text);
	free(text);
	free(second);
	entries_release(&entries);
	entries_release(&again);
}

static void a_text_that_was_sorted_otherwise_is_understood(void **state)
{
	struct digest digest;

	(void)state;
	whole("cpuid 0x00000000.0.edx 0x49656e69\n"
	      "cpuid 0x00000000.0.ebx 0x756e6547\n"
	      "cpuid 0x00000000.0.ebx 0x756e6547\n"
	      "# a remark\n"
	      "cpuid 0x00000000.0.ecx 0x6c65746e\n"
	      "# coverage cpuid complete\n"
	      "cpuid 0x00000000.0.eax 0x0000000d\n", &digest);
	assert_string_equal(digest.text, WHOLE_DIGEST);
}

static void a_bad_text_is_refused_with_its_line(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "", "it is empty" },
		{ "hello\n", "line 1: this is not a fingerprint text" },
		{ "abidrift-fingerprint 1", "line 1: it does not end in a newline" },
		{ "abidrift-fingerprint 2\n", "format 2 is newer than this abidrift understands (1)" },
		{ "abidrift-fingerprint 99999999999999999999999\n", "format 99999999999999999999 is newer than" },
		{ "abidrift-fingerprint 0\n", "line 1: the format is no number" },
		{ "abidrift-fingerprint one\n", "line 1: the format is no number" },
		{ "abidrift-fingerprint 1\ncpuid 0x1.0.eax 0x1\nwarp 9 engaged\n", "line 3: there is no facet \"warp\"" },
		{ "abidrift-fingerprint 1\n# coverage warp none\n", "line 2: there is no facet \"warp\"" },
		{ "abidrift-fingerprint 1\n# coverage cpuid total\n", "line 2: coverage is complete, witnessed or none, not \"total\"" },
		{ "abidrift-fingerprint 1\n# coverage cpuid\n", "line 2: a coverage line is" },
		{ "abidrift-fingerprint 1\n# coverage cpuid none x\n# coverage cpuid complete\n",
			"line 3: another coverage was said before for \"cpuid\"" },
		{ "abidrift-fingerprint 1\ncpuid k 1\nports p absent\ncpuid k 2\n", "line 4: another value was given before for \"k\"" },
		{ "abidrift-fingerprint 1\ncpuid k\n", "line 2: an entry is" },
		{ "abidrift-fingerprint 1\ncpuid  k\n", "line 2: an entry is" },
		{ "abidrift-fingerprint 1\n\n", "line 2: an entry is" },
		{ "abidrift-fingerprint 1\ncpuid k v\r\n", "line 2: a control or non-ASCII byte" },
		{ "abidrift-fingerprint 1\ncpuid k \xc3\xbc\n", "line 2: a control or non-ASCII byte" },
		{ "abidrift-fingerprint 1\ncpuid k \\q\n", "line 2: malformed escape" },
		{ "abidrift-fingerprint 1\ncpuid k \\x41\n", "line 2: an escape that the format does not use" },
		{ "abidrift-fingerprint 1\n# coverage cpuid none \\x00\n", "line 2: a NUL byte" },
		{ "abidrift-fingerprint 1\ncpuid k v", "line 2: it does not end in a newline" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct abi_entries entries = ABI_ENTRIES_INIT;
		struct error e = ERROR_INIT;

		assert_int_equal(fingerprint_parse(cases[i].text, strlen(cases[i].text), &entries, &e), -EBADMSG);
		if (!strstr(e.text, cases[i].says))
			fail_msg("\"%s\" does not say \"%s\"", e.text, cases[i].says);
		assert_null(entries.items);
		assert_int_equal(fingerprint_parse(cases[i].text, strlen(cases[i].text), &entries, NULL), -EBADMSG);
	}
}

static void a_digest_prefix_is_known_from_a_name(void **state)
{
	(void)state;
	assert_true(digest_prefix_valid("sha256:0"));
	assert_true(digest_prefix_valid(LEAF0_DIGEST));
	assert_false(digest_prefix_valid("sha256:"));
	assert_false(digest_prefix_valid("sha256:0G"));
	assert_false(digest_prefix_valid("sha256:AB"));
	assert_false(digest_prefix_valid(LEAF0_DIGEST "0"));
	assert_false(digest_prefix_valid("web01"));
}

static const char sample[] =
	"abidrift-fingerprint 1\n"
	"# coverage cpuid complete\n"
	"# coverage ports witnessed seen only what the guest touched\n"
	"# coverage pci witnessed attached late \\x5c\n"
	LEAF0
	"pci 0000:00:03.0/id 8086:100e\n"
	"pci 0000:00:04.0/00.0/id absent\n"
	"ports 0x0510/r8 answered\n"
	"smbios type1.0/odd\\x20key b\\xc3\\xbcro\n";

/* What is accepted must be written in one form only. */
static void try_text(const char *text, size_t size)
{
	char *exact = malloc(size ? size : 1); /* so that a sanitizer sees one byte too far */
	struct abi_entries entries = ABI_ENTRIES_INIT, again = ABI_ENTRIES_INIT;
	struct error e = ERROR_INIT;

	assert_non_null(exact);
	memcpy(exact, text, size);
	if (fingerprint_parse(exact, size, &entries, &e) == 0) {
		char *first = side_text(&entries), *second;

		assert_int_equal(fingerprint_parse(first, strlen(first), &again, &e), 0);
		second = side_text(&again);
		assert_string_equal(first, second);
		free(first);
		free(second);
		entries_release(&again);
		entries_release(&entries);
	} else {
		assert_true(e.text[0] != '\0');
	}
	free(exact);
}

static void hostile_text_is_survived(void **state)
{
	static const char seeds[] = "\\x \n#/.:0af\xff";
	uint32_t random = 20261122;

	(void)state;
	for (size_t i = 0; i < sizeof(sample); i++)
		try_text(sample, i);
	for (int turn = 0; turn < 5000; turn++) {
		char text[sizeof(sample)];

		memcpy(text, sample, sizeof(sample));
		for (int changes = 1 + turn % 4; changes > 0; changes--) {
			random = random * 1664525 + 1013904223;
			text[(random >> 8) % (sizeof(sample) - 1)] = (turn & 1) ? (char)(random >> 24) : seeds[(random >> 24) % sizeof(seeds)];
		}
		try_text(text, sizeof(sample) - 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests_are_those_that_the_interface_promises),
		cmocka_unit_test(a_guest_of_which_nothing_is_complete_has_no_digest),
		cmocka_unit_test(what_is_no_promise_to_the_guest_moves_no_digest),
		cmocka_unit_test(evidence_of_a_pci_function_leaves_the_whole_digest_alone),
		cmocka_unit_test(the_order_of_arrival_changes_no_byte),
		cmocka_unit_test(a_text_that_was_written_reads_back_the_same),
		cmocka_unit_test(a_text_that_was_sorted_otherwise_is_understood),
		cmocka_unit_test(a_bad_text_is_refused_with_its_line),
		cmocka_unit_test(a_digest_prefix_is_known_from_a_name),
		cmocka_unit_test(hostile_text_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

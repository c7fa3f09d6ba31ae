/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/sides.h"

#include <stdio.h>
#include <stdlib.h>

#include "userspace/drift/drift.h"
#include "userspace/drift/told.h"
#include "userspace/drift/view.h"

#define COLUMNS 80

static json_t *diff_of(const char *from, const char *to)
{
	struct abi_entries a = ABI_ENTRIES_INIT, b = ABI_ENTRIES_INIT;
	const struct drift_options options = { .facets = DRIFT_ALL_FACETS, .same_guest = true };
	struct drift d = DRIFT_INIT;
	json_t *diff;

	side_make(from, &a);
	side_make(to, &b);
	assert_int_equal(drift_compare(&a, NULL, &b, NULL, &options, &d), 0);
	diff = drift_json(&d, SEVERITY_NONE);
	assert_non_null(diff);
	drift_release(&d);
	entries_release(&a);
	entries_release(&b);
	return diff;
}

static json_t *diff_read(const char *text)
{
	json_error_t e;
	json_t *diff = json_loads(text, 0, &e);

	if (!diff)
		fail_msg("%s at %d in %s", e.text, e.position, text);
	return diff;
}

static char *text_of(const json_t *diff, bool color)
{
	struct buffer out = BUFFER_INIT;

	drift_text(diff, &(struct drift_text_options){ .color = color, .advice = json_object_get(diff, "change_set") != NULL }, &out);
	return buffer_take(&out, NULL);
}

static char *summary_of(const json_t *diff, size_t width)
{
	struct buffer out = BUFFER_INIT;

	drift_summary(diff, width, &out);
	return buffer_take(&out, NULL);
}

static void expect_text(const char *json, const char *expected)
{
	json_t *diff = diff_read(json);
	char *text = text_of(diff, false);

	assert_string_equal(text, expected);
	free(text);
	json_decref(diff);
}

static void a_script_finds_every_promised_field(void **state)
{
	json_t *diff = diff_of("# coverage pci complete\n# coverage placement complete\n# coverage ports witnessed\n"
		"pci 0000:00:03.0/id 8086:100e\n"
			       "placement 0000:00:03.0/bar0 0xc000\nplacement window/0x80000000 1\nports 0x0510/r8 answered\n",
			       "# coverage pci complete\n# coverage placement complete\n# coverage ports witnessed\n");
	char *text;
	const json_t *change = json_array_get(json_object_get(diff, "changes"), 0);

	(void)state;
	assert_int_equal(json_object_size(change), 17);
	text = json_dumps(json_object_get(change, "moved"), JSON_COMPACT);
	assert_string_equal(text, "[{\"key\":\"0000:00:03.0/bar0\",\"from\":\"0xc000\",\"to\":null},{\"key\":\"window/0x80000000\","
		"\"from\":\"1\",\"to\":null}]");
	free(text);
	assert_string_equal(json_string_value(json_object_get(change, "facet")), "pci");
	assert_string_equal(json_string_value(json_object_get(change, "change")), "lost");
	assert_string_equal(json_string_value(json_object_get(change, "severity")), "warning");
	assert_true(json_is_null(json_object_get(change, "to")));
	assert_true(json_is_array(json_object_get(change, "fields")));
	assert_true(json_is_null(json_object_get(change, "verdict")));
	assert_true(json_is_null(json_object_get(change, "cause")));
	assert_true(json_is_null(json_object_get(change, "impact")));
	assert_true(json_is_null(json_object_get(change, "suppressed_by")));
	assert_non_null(json_object_get(change, "meaning"));
	text = json_dumps(json_object_get(diff, "unknown"), JSON_COMPACT);
	assert_string_equal(text, "[{\"facet\":\"ports\",\"key\":\"0x0510/r8\",\"reason\":\"not seen since\"}]");
	free(text);
	assert_string_equal(json_string_value(json_object_get(diff, "result")), "drift");
	assert_string_equal(json_string_value(json_object_get(diff, "severity")), "warning");
	assert_true(json_is_null(json_object_get(diff, "verdict")));
	assert_int_equal(json_array_size(json_object_get(diff, "context")), 0);
	assert_int_equal(json_array_size(json_object_get(diff, "moved")), 0);
	json_decref(diff);
}

static void bytes_that_are_no_text_make_json_all_the_same(void **state)
{
	struct drift_factor factor = { .factor = (char *)"option.name", .from = (char *)"web\xff\xc3", .to = NULL };
	struct drift d = { .context = &factor, .context_count = 1 };
	json_t *diff = drift_json(&d, SEVERITY_NONE);
	char *text = json_dumps(json_object_get(diff, "context"), JSON_COMPACT);

	(void)state;
	assert_string_equal(text, "[{\"factor\":\"option.name\",\"from\":\"web\xef\xbf\xbd\xef\xbf\xbd\",\"to\":null}]");
	free(text);
	json_decref(diff);
}

#define CHANGE(facet, key, change, from, to, fields, meaning, moved) \
	"{\"facet\":\"" facet "\",\"key\":\"" key "\",\"change\":\"" change "\",\"from\":" from ",\"to\":" to ",\"fields\":[" fields "]," \
	"\"meaning\":" meaning ",\"severity\":\"warning\",\"moved\":[" moved "]}"
#define MOVED "{\"key\":\"0000:00:03.0/bar0\",\"from\":\"0xc000\",\"to\":null}"

#define STORY_CPUID \
	CHANGE("cpuid", "0x00000001.0.ecx", "changed", "\"0x00002000\"", "\"0x00000000\"", \
	       "{\"name\":\"cx16\",\"bits\":\"ecx[13]\",\"from\":\"1\",\"to\":\"0\"}", "null", "")
#define STORY_PCI \
	CHANGE("pci", "0000:00:03.0/class", "lost", "\"020000\"", "null", "", "null", "") "," \
	CHANGE("pci", "0000:00:03.0/id", "lost", "\"8086:100e\"", "null", "", "\"Intel 82540EM\"", MOVED "," MOVED) "," \
	CHANGE("pci", "0000:00:04.0/class", "gained", "null", "\"020000\"", "", "null", "") "," \
	CHANGE("pci", "0000:00:04.0/id", "gained", "null", "\"8086:100e\"", "", "\"Intel 82540EM\"", MOVED)
#define STORY "{\"result\":\"drift\",\"changes\":[" STORY_CPUID "," STORY_PCI "],\"moved\":[],\"unknown\":[],\"context\":[]}"

static void a_person_reads_which_feature_and_which_slots(void **state)
{
	(void)state;
	expect_text(STORY,
		    "drift: 5 changes (1 changed, 2 lost, 2 gained), 3 moved\n"
		    "  cpuid  0x00000001.0  changed  cx16 1 → 0 (ecx[13])\n"
		    "  pci    0000:00:03.0  lost     8086:100e Intel 82540EM\n"
		    "                                class 020000\n"
		    "                                (2 placement changes folded)\n"
		    "  pci    0000:00:04.0  gained   8086:100e Intel 82540EM\n"
		    "                                class 020000\n"
		    "                                (1 placement change folded)\n");
}

static void a_bit_without_a_name_is_not_hidden_behind_one_with_a_name(void **state)
{
	(void)state;
	expect_text("{\"result\":\"drift\",\"changes\":["
		    CHANGE("cpuid", "0x00000001.0.ecx", "changed", "\"0x00002001\"", "\"0x00000000\"",
			   "{\"name\":\"cx16\",\"bits\":\"ecx[13]\",\"from\":\"1\",\"to\":\"0\"}", "null", "") ","
		    CHANGE("cpuid", "0x80000008.0.eax", "changed", "\"0x00003028\"", "\"0x00003027\"",
			   "{\"name\":\"physical_address_bits\",\"bits\":\"eax[7:0]\",\"from\":\"40\",\"to\":\"39\"}", "null", "") "]}",
		    "drift: 2 changes (2 changed)\n"
		    "  cpuid  0x00000001.0  changed  cx16 1 → 0 (ecx[13])\n"
		    "                                ecx 0x00002001 → 0x00000000\n"
		    "  cpuid  0x80000008.0  changed  physical_address_bits 40 → 39 (eax[7:0])\n");
}

static void the_two_sides_the_host_and_the_unknown_are_told(void **state)
{
	(void)state;
	expect_text("{\"from\":{\"guest\":\"web01\",\"revision\":1,\"digest\":\"sha256:05c9d4df0f4f03050f46\",\"at\":null},"
		    "\"to\":{\"guest\":{\"id\":\"x\",\"name\":\"web01\"},\"revision\":2},\"result\":\"unknown\",\"changes\":[],"
		    "\"moved\":[{\"key\":\"0000:00:02.0/bar0\",\"from\":\"0xf0000000\",\"to\":\"0xe0000000\"}],"
		    "\"context\":[{\"factor\":\"kernel\",\"from\":\"6.1\",\"to\":\"6.12\"},"
		    "{\"factor\":\"option.device\",\"from\":\"a; b\",\"to\":\"b; c\"},{\"factor\":\"vmm.path\",\"from\":null,\"to\":\"/q\"}],"
		    "\"unknown\":[{\"facet\":\"ports\",\"key\":\"p1\",\"reason\":\"not seen since\"},{\"facet\":\"pci\",\"key\":null,"
		    "\"reason\":\"attached late\"},"
		    "{\"facet\":\"ports\",\"key\":\"p2\",\"reason\":\"not seen since\"},{\"facet\":null,\"key\":null,\"reason\":\"no baseline yet\"}]}",
		    "web01 revision 1 → web01 revision 2\n"
		    "unknown: no change, 1 moved, 4 unknown\n"
		    "  moved 0000:00:02.0/bar0 0xf0000000 → 0xe0000000\n"
		    "changed on the host side:\n"
		    "  kernel         6.1 → 6.12\n"
		    "  option.device\n"
		    "    - a\n"
		    "    + c\n"
		    "  vmm.path       (none) → /q\n"
		    "unknown, so not compared:\n"
		    "  ports  2 not seen since: p1, p2\n"
		    "  pci    attached late\n"
		    "         no baseline yet\n");
}

/* No arrow to nothing, while what the guest is now has no revision yet. */
static void a_side_that_is_still_learned_is_told(void **state)
{
	(void)state;
	expect_text("{\"from\":{\"guest\":{\"id\":\"x\",\"name\":\"web01\"},\"revision\":1,\"at\":null},"
		    "\"to\":{\"guest\":{\"id\":\"x\",\"name\":\"web01\"},\"revision\":null,\"digest\":null,\"at\":null},"
		    "\"result\":\"unknown\",\"changes\":[],\"moved\":[],\"context\":[],"
		    "\"unknown\":[{\"facet\":null,\"key\":null,\"reason\":\"too early\"}]}",
		    "web01 revision 1 → now\nunknown: no change, 1 unknown\nunknown, so not compared:\n    too early\n");
}

static void same_is_one_short_line(void **state)
{
	json_t *diff = diff_of("# coverage cpuid complete\ncpuid k 1\n", "# coverage cpuid complete\ncpuid k 1\n");
	char *text = text_of(diff, true), *summary = summary_of(diff, COLUMNS);

	(void)state;
	assert_string_equal(text, "\033[32msame\033[0m: no change\n");
	assert_string_equal(summary, "same");
	free(text);
	free(summary);
	json_decref(diff);
}

/* Who is not sure where a name ends types the wrong one. */
static void a_name_of_two_letters_stands_apart(void **state)
{
	(void)state;
	expect_text("{\"from\":{\"name\":\"db\",\"revision\":1},\"to\":{\"name\":\"b\",\"revision\":2},\"result\":\"same\"}",
		    "db revision 1 \xe2\x86\x92 b revision 2\nsame: no change\n");
}

#define HALF "0123456789abcdef0123456789abcdef"

/* Two lines of digits would push what matters off the screen; what only looks like a digest is a guest's text and stays. */
static void digests_are_cut_within_a_value_too(void **state)
{
	(void)state;
	expect_text("{\"result\":\"drift\",\"changes\":[{\"facet\":\"firmware\",\"key\":\"rom/0x1\",\"change\":\"changed\",\"from\":\"size=0x40000"
		    " sha256=" HALF HALF "\",\"to\":\"size=0x80000 sha256=1" HALF HALF "\",\"meaning\":\"firmware, 512 KiB\"}]}",
		    "drift: 1 change (1 changed)\n"
		    "  firmware  rom/0x1  changed  size=0x40000 sha256=0123456789ab \xe2\x86\x92 size=0x80000\n"
		    "                              sha256=1" HALF HALF "\n"
		    "                              (firmware, 512 KiB)\n");
}

static void colour_comes_only_when_asked(void **state)
{
	json_t *diff = diff_read(STORY);
	char *plain = text_of(diff, false), *color = text_of(diff, true);

	(void)state;
	assert_null(strchr(plain, '\033'));
	assert_non_null(strstr(color, "\033[31mlost\033[0m"));
	assert_non_null(strstr(color, "\033[32mgained\033[0m"));
	assert_non_null(strstr(color, "\033[33mchanged\033[0m"));
	free(plain);
	free(color);
	json_decref(diff);
}

static void an_alert_says_it_in_one_line(void **state)
{
	json_t *diff = diff_read(STORY);
	char *line = summary_of(diff, 100);

	(void)state;
	assert_string_equal(line, "drift. CPUID: lost cx16; PCI: 0000:00:03.0 → 0000:00:04.0.");
	free(line);
	json_decref(diff);
	diff = diff_of("# coverage pci complete\npci 0000:00:03.0/id 8086:100e\n# coverage memory complete\nmemory 0x0 a\n",
		       "# coverage pci complete\npci 0000:00:04.0/id 1af4:1000\n# coverage memory complete\nmemory 0x0 b\n");
	line = summary_of(diff, 100);
	assert_string_equal(line, "drift. memory: 0x0 a → b; PCI: lost 0000:00:03.0 (8086:100e), gained 0000:00:04.0 (1af4:1000).");
	free(line);
	json_decref(diff);
	diff = diff_of("# coverage pci complete\n", "# coverage pci none no BPF\n");
	line = summary_of(diff, 100);
	assert_string_equal(line, "unknown: PCI no BPF");
	free(line);
	json_decref(diff);
}

/* A change as drift_judge leaves it. rest: members with a comma before each. */
#define JUDGED(facet, key, change, from, to, fields, verdict, severity, causes, rest) \
	"{\"facet\":\"" facet "\",\"key\":\"" key "\",\"change\":\"" change "\",\"from\":" from ",\"to\":" to ",\"fields\":[" fields "]," \
	"\"verdict\":\"" verdict "\",\"severity\":\"" severity "\",\"cause\":[" causes "]" rest "}"
#define CAUSE(factor, from, to, why) "{\"factor\":\"" factor "\",\"from\":" from ",\"to\":" to ",\"why\":\"" why "\"}"
#define BIT(name, bits, from, to) "{\"name\":\"" name "\",\"bits\":\"" bits "\",\"from\":\"" from "\",\"to\":\"" to "\"}"
#define BY_VMM \
	CAUSE("vmm.version", "\"5.2.0 (Debian 1:5.2)\"", "\"7.2.22 (Debian 1:7.2)\"", "the VMM writes the ACPI tables") "," \
	CAUSE("vmm.build_id", "\"aa\"", "\"bb\"", "the VMM writes the ACPI tables")
#define BY_CPU CAUSE("cpu", "\"EPYC\"", "\"EPYC,-cx16\"", "it says which features the guest gets")
#define BY_BIOS CAUSE("firmware./usr/share/seabios/bios-256k.bin", "\"262144 aa\"", "\"262144 bb\"", "it is this file")
#define LICENCE ",\"impact\":\"Windows may ask for its licence again.\""
#define KEYBOARD ",\"impact\":\"The keyboard may be found another way.\""
#define TABLE_ID(table) \
	JUDGED("acpi", table "/oem_table_id", "changed", "\"BXPC" table "\"", "\"BXPC\"", "", "violation", "warning", BY_VMM, LICENCE)
#define UPGRADE_ACPI \
	JUDGED("acpi", "APIC/body", "changed", "\"sha256:1\"", "\"sha256:2\"", "", "violation", "info", BY_VMM, "") "," \
	TABLE_ID("APIC") "," \
	JUDGED("acpi", "APIC/revision", "changed", "\"1\"", "\"3\"", "", "violation", "info", BY_VMM, "") "," \
	JUDGED("acpi", "FACP/boot_arch", "changed", "\"0x0000\"", "\"0x0002\"", BIT("8042", "boot_arch[1]", "0", "1"), "violation", "warning", \
	       BY_VMM, KEYBOARD) "," \
	TABLE_ID("FACP") "," TABLE_ID("HPET")
#define DIFF_OF(changes) "{\"result\":\"drift\",\"vmm\":\"qemu\",\"machine\":\"pc-q35-5.2\",\"changes\":[" changes "]}"

static void expect_summary(const char *json, size_t width, const char *expected)
{
	json_t *diff = diff_read(json);
	char *line = summary_of(diff, width);

	assert_string_equal(line, expected);
	free(line);
	json_decref(diff);
}

/* Who is woken by it must see what happened, why, and what to fear, before anything is opened. */
static void an_alert_says_why_and_what_it_breaks(void **state)
{
	(void)state;
	expect_summary(DIFF_OF(UPGRADE_ACPI), 400,
		       "drift, violation, warning. QEMU 5.2.0 → 7.2.22 under pc-q35-5.2 changed ACPI: OEM table ids BXPCAPIC → BXPC … (3 tables), "
		       "FADT boot_arch gained 8042, MADT revision 1 → 3, MADT contents. Impact: Windows may ask for its licence again. "
		       "The keyboard may be found another way.");
	/* On a short line, what changed goes before what it means. */
	expect_summary(DIFF_OF(UPGRADE_ACPI), 130,
		       "drift, violation, warning. QEMU 5.2.0 → 7.2.22 changed ACPI: OEM table ids BXPCAPIC → BXPC … (3 tables) … and 3 more.");
}

/* Another CPU differs in much that says the same twice. */
static void another_cpu_is_told_once(void **state)
{
#define OTHER(key, name, bits, from, to) JUDGED("cpuid", key, "changed", "\"0x1\"", "\"0x2\"", BIT(name, bits, from, to), "exempt", "info", \
						CAUSE("host_cpu", "\"A\"", "\"B\"", "x"), "")
#define SPELT(key) JUDGED("cpuid", key, "changed", "\"0x1\"", "\"0x2\"", BIT("value", "r[31:0]", "\\\"o Pr\\\"", "\\\"-Rom\\\""), "exempt", "info", \
			  CAUSE("host_cpu", "\"A\"", "\"B\"", "x"), \
			  ",\"string\":{\"name\":\"brand\",\"from\":\"EPYC Processor\",\"to\":\"EPYC-Rome Processor\"}")
	(void)state;
	expect_summary(DIFF_OF(OTHER("0x00000001.0.eax", "model", "eax[7:4]", "1", "49") "," OTHER("0x80000001.0.eax", "model", "eax[7:4]", "1", "49") ","
			       SPELT("0x80000002.0.ecx") "," SPELT("0x80000003.0.eax")),
		       400, "drift, exempt, info. host CPU A → B changed CPUID: model 1 → 49, brand \"EPYC Processor\" → \"EPYC-Rome Processor\".");
}

#define LEAF(leaf, eax, ebx, ecx, edx) \
	"cpuid 0x" leaf ".0.eax 0x" eax "\ncpuid 0x" leaf ".0.ebx 0x" ebx "\ncpuid 0x" leaf ".0.ecx 0x" ecx "\ncpuid 0x" leaf ".0.edx 0x" edx "\n"

/* Four characters of a name, one register after the other, are read by nobody; nor is what both sides have of it told by what differs. */
static void names_that_cpuid_spells_are_told_whole(void **state)
{
	/* "AMD EPYC Processor", "GenuineIntel"; and "AMD EPYC-Rome Processor", "AuthenticAMD". */
	json_t *diff = diff_of("# coverage cpuid complete\n" LEAF("00000000", "0000000d", "756e6547", "6c65746e", "49656e69")
			       LEAF("80000002", "20444d41", "43595045", "6f725020", "73736563") LEAF("80000003", "0000726f", "00000000", "00000000", "00000000"),
			       "# coverage cpuid complete\n" LEAF("00000000", "00000010", "68747541", "444d4163", "69746e65")
			       LEAF("40000000", "40000001", "4b4d564b", "564b4d56", "0000004d")
			       LEAF("80000002", "20444d41", "43595045", "6d6f522d", "72502065") LEAF("80000003", "7365636f", "00726f73", "00000000", "00000000"));
	char *text = text_of(diff, false), *line = summary_of(diff, 400);

	(void)state;
	assert_non_null(strstr(text, "cpuid  0x00000000.0  changed  max_basic_leaf 13 → 16 (eax[31:0])\n"
				     "                                vendor \"GenuineIntel\" → \"AuthenticAMD\"\n"));
	assert_non_null(strstr(text, "hypervisor\n                                \"KVMKVMKVM\"\n"));
	assert_non_null(strstr(text, "cpuid  0x80000002-4  changed  brand \"AMD EPYC Processor\"\n"
				     "                                → \"AMD EPYC-Rome Processor\"\n"));
	assert_null(strstr(text, "0x80000003"));
	assert_non_null(strstr(text, "max_hypervisor_leaf=0x40000001"));
	assert_string_equal(line, "drift. CPUID: max_basic_leaf 13 → 16, vendor \"GenuineIntel\" → \"AuthenticAMD\", gained 0x40000000.0, "
				  "brand \"AMD EPYC Processor\" → \"AMD EPYC-Rome Processor\".");
	free(text);
	free(line);
	json_decref(diff);
	/* A leaf that is all zeros has no entries: what was spelt there has gone, and so has the whole name. */
	diff = diff_of("# coverage cpuid complete\n" LEAF("80000002", "20444d41", "43595045", "00000000", "00000000"), "# coverage cpuid complete\n");
	text = text_of(diff, false);
	line = summary_of(diff, 400);
	assert_non_null(strstr(text, "cpuid  0x80000002-4  lost     brand \"AMD EPYC\"\n"));
	assert_string_equal(line, "drift. CPUID: lost brand.");
	free(text);
	free(line);
	json_decref(diff);
	/* Another brand, which begins with the same registers and has more of them. */
	diff = diff_of("# coverage cpuid complete\n" LEAF("80000002", "20444d41", "43595045", "00000000", "00000000"),
		       "# coverage cpuid complete\n" LEAF("80000002", "20444d41", "43595045", "6f725020", "73736563") LEAF("80000003", "0000726f", "00000000", "00000000", "00000000"));
	text = text_of(diff, false);
	line = summary_of(diff, 400);
	assert_non_null(strstr(text, "cpuid  0x80000002-4  changed  brand \"AMD EPYC\" → \"AMD EPYC Processor\"\n"));
	assert_null(strstr(strstr(text, "0x80000002-4") + 1, "0x8000000"));
	assert_string_equal(line, "drift. CPUID: brand \"AMD EPYC\" → \"AMD EPYC Processor\".");
	free(text);
	free(line);
	json_decref(diff);
}

/* "reserved_5, reserved_5" and "value 1 → 2" are two registers' and nobody's: who is woken by them looks for a bit that he cannot find. */
static void what_has_no_name_is_told_by_its_register(void **state)
{
	(void)state;
	expect_summary(DIFF_OF(OTHER("0x00000007.0.edx", "reserved_5", "edx[5]", "1", "0") "," OTHER("0x00000007.1.edx", "reserved_5", "edx[5]", "1", "0") ","
			       OTHER("0x0000000d.1.ebx", "value", "ebx[31:0]", "576", "832") "," OTHER("0x00000010.0.ebx", "value", "ebx[31:0]", "576", "832") ","
			       OTHER("0x00000014.0.ecx", "reserved_9_5", "ecx[9:5]", "1", "3")),
		       400, "drift, exempt, info. host CPU A → B changed CPUID: lost 0x00000007.0.edx[5], 0x00000007.1.edx[5], "
		       "0x0000000d.1.ebx 576 → 832, 0x00000010.0.ebx 576 → 832, 0x00000014.0.ecx[9:5] 1 → 3.");
}

/* Who compares an alert with `diff` must find the number again. */
static void an_alert_writes_numbers_as_diff_does(void **state)
{
#define HIGHEST DIFF_OF(OTHER("0x80000000.0.eax", "max_extended_leaf", "eax[31:0]", "2147483656", "2147483679") "," \
			OTHER("0x00000000.0.eax", "max_basic_leaf", "eax[31:0]", "13", "16"))
	json_t *diff = diff_read(HIGHEST);
	char *text = text_of(diff, false);

	(void)state;
	assert_non_null(strstr(text, "max_extended_leaf 0x80000008 → 0x8000001f"));
	assert_non_null(strstr(text, "max_basic_leaf 13 → 16"));
	expect_summary(HIGHEST, 400, "drift, exempt, info. host CPU A → B changed CPUID: max_extended_leaf 0x80000008 → 0x8000001f, max_basic_leaf 13 → 16.");
	free(text);
	json_decref(diff);
}

/* A guest may be given any bytes: a terminal gets none of them, and two names that differ never read alike. */
static void what_is_no_character_of_a_name_is_escaped(void **state)
{
	json_t *diff = diff_of("# coverage cpuid complete\n" LEAF("80000002", "41005b1b", "00000000", "00000000", "00000000"),
			       "# coverage cpuid complete\n" LEAF("80000002", "41ff5b1b", "00000000", "00000000", "00000000"));
	const json_t *string = json_object_get(json_array_get(json_object_get(diff, "changes"), 0), "string");
	char *text = text_of(diff, false);

	(void)state;
	assert_string_equal(json_string_value(json_object_get(string, "name")), "brand");
	assert_string_equal(json_string_value(json_object_get(string, "from")), "\\x1b[\\x00A");
	assert_string_equal(json_string_value(json_object_get(string, "to")), "\\x1b[\\xffA");
	assert_null(strchr(text, '\033'));
	assert_non_null(strstr(text, "x00A"));
	free(text);
	json_decref(diff);
}

/* An upgrade moves devices by the dozen: the first say which, and leave room for the rest. */
static void what_came_or_went_with_something_else_is_counted(void **state)
{
#define OBJECT(key, change, from, to) JUDGED("acpi", "DSDT/_SB.PCI0." key, change, from, to, "", "violation", "warning", BY_VMM, "")
	(void)state;
	expect_summary(DIFF_OF(OBJECT("ISA", "lost", "\"Device\"", "null") "," OBJECT("ISA._ADR", "lost", "\"1\"", "null") ","
			       OBJECT("ISA.KBD", "lost", "\"Device\"", "null") "," OBJECT("ISA.RTC", "lost", "\"Device\"", "null") ","
			       OBJECT("SMB0", "lost", "\"Device\"", "null") "," OBJECT("SMB1", "lost", "\"Device\"", "null") ","
			       OBJECT("XX", "gained", "null", "\"Device\"")),
		       200, "drift, violation, warning. QEMU 5.2.0 → 7.2.22 under pc-q35-5.2 changed ACPI: DSDT lost _SB.PCI0.ISA, _SB.PCI0.SMB0 and 3 more, "
		       "DSDT gained _SB.PCI0.XX.");
}

static void the_worst_cause_is_told_first_and_others_by_their_own_verdict(void **state)
{
	(void)state;
	expect_summary(DIFF_OF(JUDGED("cpuid", "0x00000001.0.ecx", "changed", "\"0x2000\"", "\"0x0\"", BIT("cx16", "ecx[13]", "1", "0"), "intended",
				      "info", BY_CPU, "") ","
			       JUDGED("memory", "0x0000000000100000", "changed", "\"size=0x10 ram\"", "\"size=0x20 ram\"", "", "unexplained",
				      "warning", "", "") ","
			       JUDGED("smbios", "type0.0/version", "changed", "\"1.14\"", "\"1.16\"", "", "violation", "info", BY_BIOS,
				      ",\"firmware\":true")),
		       400,
		       "drift, violation, warning. Unexplained: memory: 0x100000 size=0x10 → size=0x20. firmware bios-256k.bin changed SMBIOS: "
		       "BIOS version 1.14 → 1.16. Intended: -cpu EPYC → EPYC,-cx16 changed CPUID: lost cx16.");
}

/* Twenty changes that are the new QEMU's must not read as if nobody knew whose they are, because firmware comes first. */
static void causes_without_room_for_a_sentence_are_named(void **state)
{
#define LONG_REASON ",\"reason\":\"q35 is an alias: it promises nothing over versions of the VMM, so that it may differ\""
#define SHAPE(key) JUDGED("acpi", key, "changed", "\"a value that is long\"", "\"another value that is long\"", "", "exempt", "info", BY_VMM, LONG_REASON)
#define ALIAS DIFF_OF(JUDGED("smbios", "type0.0/version", "changed", "\"1.16.2-debian-1.16.2-1\"", "\"1.16.3-debian-1.16.3-2\"", "", \
			     "violation", "info", BY_BIOS, ",\"firmware\":true") "," \
		      JUDGED("firmware", "rom/0x00000000fffc0000.version", "changed", "\"1.16.2-debian-1.16.2-1\"", \
			     "\"1.16.3-debian-1.16.3-2\"", "", "violation", "info", BY_BIOS, ",\"firmware\":true") "," \
		      SHAPE("APIC/revision") "," SHAPE("FACP/boot_arch") "," SHAPE("HPET/id"))
	(void)state;
	expect_summary(ALIAS, 300,
		       "drift, violation, info. firmware bios-256k.bin changed SMBIOS: BIOS version 1.16.2-debian-1.16.2-1 → 1.16.3-debian-1.16.3-2 "
		       "… and 1 more. And 3 more changes: QEMU 5.2.0 → 7.2.22 under pc-q35-5.2 (3 exempt).");
	/* A line of the history: cut within a sentence, with the rest counted all the same. */
	expect_summary(ALIAS, 139,
		       "drift, violation, info. firmware bios-256k.bin changed SMBIOS: BIOS version 1.16.2-debian-1.16.2-1 → 1.16.3-debian-1… "
		       "And 3 more changes.");
}

static void only_what_changed_under_a_running_guest_is_said_to_have(void **state)
{
	(void)state;
	expect_summary(DIFF_OF(JUDGED("cpuid", "0x00000001.0.ecx", "changed", "\"0x2000\"", "\"0x0\"", BIT("cx16", "ecx[13]", "1", "0"), "violation",
				      "critical", CAUSE("kvm.kvm_intel.nested", "\"Y\"", "\"N\"", ""), ",\"running\":true") ","
			       JUDGED("cpuid", "0x00000001.0.edx", "changed", "\"0x1\"", "\"0x0\"", BIT("fpu", "edx[0]", "1", "0"), "violation",
				      "warning", CAUSE("kvm.kvm_intel.nested", "\"Y\"", "\"N\"", ""), "")),
		       200,
		       "drift, violation, critical. While it ran, kvm_intel.nested Y → N changed CPUID: lost cx16. kvm_intel.nested Y → N changed CPUID: "
		       "lost fpu.");
	expect_summary(DIFF_OF(JUDGED("pci", "0000:00:05.0/id", "gained", "null", "\"1af4:1000\"", "", "intended", "info",
				      CAUSE("hotplug", "null", "\"the guest read its id\"", "the guest found it while it ran"), ",\"running\":true")),
		       200, "drift, intended, info. While it ran, hot-plug changed PCI: gained 0000:00:05.0 (1af4:1000).");
}

/* What differs of a long option line is one word of it. */
static void of_options_only_what_differs_is_told(void **state)
{
	(void)state;
	expect_summary(DIFF_OF(JUDGED("pci", "0000:00:03.0/id", "lost", "\"8086:100e\"", "null", "", "intended", "info",
				      CAUSE("option.device", "\"e1000,addr=3,romfile=,mac=52:54:00:12:34:56\"", "null", ""), "") ","
			       JUDGED("pci", "0000:00:05.0/id", "gained", "null", "\"8086:100e\"", "", "intended", "info",
				      CAUSE("option.device", "null", "\"e1000,addr=5,romfile=,mac=52:54:00:12:34:56\"", ""), "")),
		       200, "drift, intended, info. -device e1000,addr=3 → e1000,addr=5 changed PCI: 0000:00:03.0 → 0000:00:05.0.");
	expect_summary(DIFF_OF(JUDGED("pci", "0000:00:05.0/id", "gained", "null", "\"8086:100e\"", "", "intended", "info",
				      CAUSE("option.device", "null", "\"e1000,addr=5\"", ""), "")),
		       200, "drift, intended, info. adding -device e1000,addr=5 changed PCI: gained 0000:00:05.0 (8086:100e).");
}

/* Of these only is known that they are there: "adding -serial present" is no word of theirs. */
static void an_option_that_only_counts_is_told_by_its_name(void **state)
{
	(void)state;
	expect_summary(DIFF_OF(JUDGED("ports", "0x03f8/r8", "changed", "\"absent\"", "\"answered\"", "", "intended", "info",
				      CAUSE("option.serial", "null", "\"present\"", ""), "")),
		       200, "drift, intended, info. adding -serial changed I/O ports: 0x03f8 r8 absent → answered.");
	expect_summary(DIFF_OF(JUDGED("ports", "0x03f8/r8", "changed", "\"answered\"", "\"absent\"", "", "intended", "info",
				      CAUSE("option.serial", "\"present\"", "null", ""), "")),
		       200, "drift, intended, info. removing -serial changed I/O ports: 0x03f8 r8 answered → absent.");
	expect_summary(DIFF_OF(JUDGED("ports", "0x03f8/r8", "changed", "\"absent\"", "\"answered\"", "", "intended", "info",
				      CAUSE("option.serial", "\"none\"", "\"present\"", ""), "")),
		       200, "drift, intended, info. -serial none → present changed I/O ports: 0x03f8 r8 absent → answered.");
}

/* What a rule hides must not make the line that wakes people. */
static void what_is_suppressed_is_in_no_alert(void **state)
{
	(void)state;
	expect_summary(DIFF_OF(JUDGED("cpuid", "0x1.0.ecx", "changed", "\"0x2000\"", "\"0x0\"", BIT("cx16", "ecx[13]", "1", "0"), "violation", "critical",
				      BY_VMM, ",\"suppressed_by\":\"known\"") ","
			       JUDGED("cpuid", "0x1.0.edx", "changed", "\"0x1\"", "\"0x0\"", BIT("fpu", "edx[0]", "1", "0"), "exempt", "info",
				      CAUSE("host_cpu", "\"A\"", "\"B\"", ""), ",\"reason\":\"-cpu host follows the host\"")),
		       200, "drift, exempt, info. host CPU A → B (-cpu host follows the host) changed CPUID: lost fpu.");
}

/* An upgrade of 100 changes must fit on a screen, sorted by what to do about it. */
static void a_report_goes_by_cause_with_what_it_means(void **state)
{
	(void)state;
	expect_text("{\"result\":\"drift\",\"vmm\":\"qemu\",\"machine\":\"pc-q35-5.2\",\"context\":["
		    "{\"factor\":\"vmm.version\",\"from\":\"5.2.0\",\"to\":\"7.2.22\"},"
		    "{\"factor\":\"vmm.path\",\"from\":\"/a\",\"to\":\"/b\"},"
		    "{\"factor\":\"microcode\",\"from\":\"0x1\",\"to\":\"0x2\"}],\"suppressed\":["
		    "{\"rule\":\"bios\",\"reason\":\"its date is known\",\"changes\":1,\"at_most\":null,\"applied\":true},"
		    "{\"rule\":\"wide\",\"reason\":\"x\",\"changes\":7,\"at_most\":3,\"applied\":false}],\"changes\":["
		    JUDGED("cpuid", "0x00000001.0.ecx", "changed", "\"0x2000\"", "\"0x0000\"", BIT("cx16", "ecx[13]", "1", "0"), "intended", "info", BY_CPU,
			   "") ","
		    UPGRADE_ACPI ","
		    JUDGED("smbios", "type0.0/release_date", "changed", "\"a\"", "\"b\"", "", "violation", "info", BY_BIOS,
			   ",\"firmware\":true,\"suppressed_by\":\"bios\"") ","
		    JUDGED("smbios", "type0.0/version", "changed", "\"1.14\"", "\"1.16\"", "", "violation", "info", BY_BIOS, ",\"firmware\":true") "]}",
		    "drift, violation, warning: 8 changes (7 violation, 1 intended), 1 suppressed\n"
		    "\n"
		    "violation, warning (!): QEMU 5.2.0 → 7.2.22 under pc-q35-5.2\n"
		    "  because  the VMM writes the ACPI tables\n"
		    "  impact   Windows may ask for its licence again.\n"
		    "           The keyboard may be found another way.\n"
		    "  acpi  APIC/body          changed  sha256:1 → sha256:2\n"
		    "! acpi  */oem_table_id     changed  BXPCAPIC, BXPCFACP, BXPCHPET → BXPC in APIC,\n"
		    "                                    FACP, HPET\n"
		    "  acpi  APIC/revision      changed  1 → 3\n"
		    "! acpi  FACP/boot_arch     changed  0x0000 → 0x0002\n"
		    "                                    8042 0 → 1 (boot_arch[1])\n"
		    "\n"
		    "violation, info: firmware bios-256k.bin\n"
		    "  because  it is this file\n"
		    "  note     it arrived with firmware: the machine itself is the same\n"
		    "  smbios  type0.0/version  changed  1.14 → 1.16\n"
		    "\n"
		    "intended, info: -cpu EPYC → EPYC,-cx16\n"
		    "  because  it says which features the guest gets\n"
		    "  cpuid  0x00000001.0  changed  cx16 1 → 0 (ecx[13])\n"
		    "\n"
		    "suppression rule wide is not applied: it says at most 3, and 7 fit\n"
		    "\n"
		    "suppressed, so not counted (-v lists them):\n"
		    "  1 change by bios: its date is known\n"
		    "\n"
		    "also changed on the host side:\n"
		    "  microcode  0x1 → 0x2\n");
}

static void running_exempt_and_unexplained_are_told_apart(void **state)
{
	(void)state;
	expect_text(DIFF_OF(JUDGED("cpuid", "0x00000001.0.ecx", "changed", "\"0x2000\"", "\"0x0000\"", BIT("cx16", "ecx[13]", "1", "0"), "exempt", "critical",
				   CAUSE("host_cpu", "\"A\"", "\"B\"", "KVM passes it on") "," CAUSE("microcode", "\"0x1\"", "\"0x2\"", "x"),
				   ",\"running\":true,\"reason\":\"-cpu host follows the host\",\"impact\":\"It crashes.\"") ","
			    JUDGED("memory", "0x0", "lost", "\"a\"", "null", "", "unexplained", "warning", "", ",\"impact\":\"It crashes.\"")),
		    "drift, unexplained, critical: 2 changes (1 unexplained, 1 exempt)\n"
		    "\n"
		    "exempt, critical, while the guest ran: host CPU A → B\n"
		    "  because  KVM passes it on\n"
		    "  or by    microcode 0x1 → 0x2\n"
		    "  exempt   -cpu host follows the host\n"
		    "  impact   It crashes.\n"
		    "  cpuid  0x00000001.0  changed  cx16 1 → 0 (ecx[13])\n"
		    "\n"
		    "unexplained, warning: no factor that abidrift knows changed\n"
		    "  memory  0x0  lost     a\n");
}

/* Without it: an operator would look for who set a parameter that nobody set. */
static void parameters_that_came_with_the_kernel_say_so(void **state)
{
	(void)state;
	expect_text("{\"result\":\"same\",\"changes\":[],\"context\":[{\"factor\":\"kernel\",\"from\":\"6.1\",\"to\":\"6.12\"},"
		    "{\"factor\":\"kvm.kvm.lapic\",\"from\":\"-1\",\"to\":null},{\"factor\":\"kvm.kvm_amd.nested\",\"from\":\"1\",\"to\":\"0\"},"
		    "{\"factor\":\"kvm.kvm_amd.vnmi\",\"from\":null,\"to\":\"N\"}]}",
		    "same: no change\n"
		    "changed on the host side:\n"
		    "  kernel              6.1 → 6.12\n"
		    "  kvm.kvm.lapic       -1 → (none) (went with the kernel)\n"
		    "  kvm.kvm_amd.nested  1 → 0\n"
		    "  kvm.kvm_amd.vnmi    (none) → N (came with the kernel)\n");
	expect_text("{\"result\":\"same\",\"changes\":[],\"context\":[{\"factor\":\"kvm.kvm_amd.vnmi\",\"from\":null,\"to\":\"N\"}]}",
		    "same: no change\n"
		    "changed on the host side:\n"
		    "  kvm.kvm_amd.vnmi  (none) → N\n");
}

/* Without it: the highest leaf would be told as a number of ten digits. */
static void large_numbers_are_told_as_they_are_written(void **state)
{
	char *text = NULL;
	json_t *diff = diff_of("# coverage cpuid complete\ncpuid 0x80000000.0.eax 0x80000021\n", "# coverage cpuid complete\ncpuid 0x80000000.0.eax 0x8000000a\n");
	struct buffer out = BUFFER_INIT;

	(void)state;
	drift_text(diff, &(struct drift_text_options){ 0 }, &out);
	text = buffer_take(&out, NULL);
	if (!text || !strstr(text, "max_extended_leaf 0x80000021 → 0x8000000a"))
		fail_msg("%s", text);
	free(text);
	json_decref(diff);
}

static void expect_advice(const char *accept, const char *expected)
{
	struct buffer json = BUFFER_INIT, out = BUFFER_INIT;
	json_t *diff;

	buffer_printf(&json, "{\"result\":\"drift\",\"accept\":%s,\"changes\":[{\"facet\":\"msr\",\"key\":\"k\"}]}", accept);
	diff = diff_read(json.data);
	drift_text(diff, &(struct drift_text_options){ .advice = true }, &out);
	if (expected ? !strstr(out.data, expected) : strstr(out.data, "baseline") != NULL)
		fail_msg("%s", out.data);
	json_decref(diff);
	buffer_release(&json);
	buffer_release(&out);
}

static void advice_is_printed_as_it_was_made(void **state)
{
	(void)state;
	expect_advice("{\"guest\":\"accept 'a  b'\",\"change_set\":null}", "to make what is now the baseline: accept 'a  b'\n");
	expect_advice("{\"guest\":\"accept a\",\"change_set\":\"accept --all\"}", "\nfor all guests with these changes: accept --all\n");
	expect_advice("{\"guest\":null,\"change_set\":null}", NULL);
	expect_advice("null", NULL);
}

/* The page has only this, and must not say more or less than the text does. */
static void parts_are_told_in_the_words_of_the_text(void **state)
{
	static const char expected[] =
		"[{\"verdict\":\"violation\",\"severity\":\"critical\",\"title\":\"while the guest ran: host CPU A \u2192 B\",\"because\":[\"it is so\"],"
		"\"or_by\":\"microcode 0x1 \u2192 0x2\",\"reason\":\"it ran\",\"note\":null,\"impact\":[\"It crashes.\"],\"changes\":[2]},"
		"{\"verdict\":\"unexplained\",\"severity\":\"warning\",\"title\":\"nothing that changed on the host side explains it\",\"because\":[],"
		"\"or_by\":null,\"reason\":null,\"note\":\"it arrived with firmware: the machine itself is the same\",\"impact\":[],\"changes\":[0,3]}]";
	json_t *diff = diff_read("{\"context\":[{\"factor\":\"host_cpu\",\"from\":\"A\",\"to\":\"B\"}],\"changes\":["
		JUDGED("memory", "0x0", "lost", "\"a\"", "null", "", "unexplained", "warning", "", ",\"firmware\":true") ","
		JUDGED("memory", "0x1", "lost", "\"a\"", "null", "", "violation", "critical", "", ",\"suppressed_by\":\"mine\"") ","
		JUDGED("msr", "0x3a", "changed", "\"0x1\"", "\"0x0\"", "", "violation", "critical",
		       CAUSE("host_cpu", "\"A\"", "\"B\"", "it is so") "," CAUSE("microcode", "\"0x1\"", "\"0x2\"", "x"),
		       ",\"running\":true,\"reason\":\"it ran\",\"impact\":\"It crashes.\"") ","
		JUDGED("numa", "node0", "lost", "\"a\"", "null", "", "unexplained", "warning", "", ",\"firmware\":true") "]}");
	json_t *told = told_json(diff), *wanted = diff_read(expected);

	(void)state;
	if (!json_equal(told, wanted))
		fail_msg("%s", json_dumps(told, JSON_COMPACT));
	json_decref(told);
	json_decref(wanted);
	json_decref(diff);
}

static size_t columns(const char *line)
{
	size_t count = 0;

	for (; *line && *line != '\n'; line++)
		count += ((unsigned char)*line & 0xc0) != 0x80;
	return count;
}

static void a_summary_stays_within_its_width(void **state)
{
	struct buffer from = BUFFER_INIT;
	json_t *diff;

	(void)state;
	buffer_string(&from, "# coverage pci complete\n# coverage cpuid complete\n");
	for (int i = 0; i < 700; i++)
		buffer_printf(&from, "cpuid k%d 1\npci 0000:%02x:%02x.0/id 1234:%04x\n", i, i >> 5, i & 31, i);
	diff = diff_of(from.data, "# coverage pci complete\n# coverage cpuid complete\n");
	for (size_t width = 0; width < 300; width++) {
		char *line = summary_of(diff, width);

		assert_true(columns(line) <= width);
		assert_null(strchr(line, '\n'));
		if (width >= 60)
			assert_non_null(strstr(line, " more"));
		free(line);
	}
	json_decref(diff);
	buffer_release(&from);
}

static void a_report_fits_its_columns(void **state)
{
	json_t *diff = diff_of("# coverage pci complete\npci 0000:00:03.0/bar0 mem64-pref size=0x20000\npci 0000:00:03.0/bar1 io size=0x40\n"
			       "pci 0000:00:03.0/bar2 mem64-pref size=0x20000\npci 0000:00:03.0/bar4 mem64-pref size=0x20000\npci 0000:00:03.0/id 1:2\n"
			       "# coverage acpi complete\nacpi DSDT/body sha256:05c9d4df0f4f03050f4671165b19ddc07dceb33cab1981ffc76b81d0cbdba3c4\n",
			       "# coverage pci complete\n# coverage acpi complete\nacpi DSDT/body "
			       "sha256:35c9d4df0f4f03050f4671165b19ddc07dceb33cab1981ffc76b81d0cbdba3c4\n");
	char *text = text_of(diff, false);

	(void)state;
	for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
		if (columns(line) > COLUMNS + 10) /* a digest is one word */
			fail_msg("too long: %s", line);
	assert_non_null(strstr(text, " sha256:05c9d4df0f4f → sha256:35c9d4df0f4f\n"));
	free(text);
	json_decref(diff);
}

/* A table, a device or a structure that came or went is one thing; one that lost a key is not lost. */
static void what_came_or_went_as_a_whole_is_one_row(void **state)
{
	json_t *diff = diff_of("# coverage acpi complete\nacpi DSDT/_SB.A Device\nacpi DSDT/_SB.A.B Device\nacpi DSDT/_SB.A._ADR 0x1\n"
			       "acpi DSDT/_SB.D Device\nacpi DSDT/_SB.D._ADR 0x2\nacpi HPET/id 0x1\nacpi HPET/length 56\nacpi WAET/flags 0x2\n"
			       "# coverage smbios complete\nsmbios type4.1/handle 0x0401\nsmbios type4.1/socket CPU 1\nsmbios type4.2/asset x\n",
			       "# coverage acpi complete\n# coverage smbios complete\nacpi DSDT/_SB.C Device\nacpi DSDT/_SB.C._UID 7\n"
			       "acpi DSDT/_SB.D Device\n");
	char *text = text_of(diff, false);

	(void)state;
	assert_non_null(strstr(text, "acpi    DSDT/_SB.A       lost     Device · _ADR 0x1\n"));
	assert_non_null(strstr(text, "acpi    DSDT/_SB.A.B     lost     Device\n"));
	/* A device that is still there has not gone because its _ADR has. */
	assert_non_null(strstr(text, "acpi    DSDT/_SB.D._ADR  lost     0x2\n"));
	assert_null(strstr(text, "DSDT/_SB.D  "));
	assert_non_null(strstr(text, "acpi    DSDT/_SB.C       gained   Device · _UID 7\n"));
	assert_non_null(strstr(text, "acpi    HPET             lost     id 0x1 · length 56\n"));
	assert_non_null(strstr(text, "acpi    WAET/flags       lost     0x2\n"));
	assert_non_null(strstr(text, "smbios  type4.1          lost     handle 0x0401 · socket CPU 1\n"));
	assert_non_null(strstr(text, "smbios  type4.2/asset    lost     x\n"));
	free(text);
	json_decref(diff);
}

static const char hostile[] =
	"{\"from\":\"a\\u001b[31m\",\"to\":{\"guest\":{\"name\":\"\\u202e\\u0007\"}},\"result\":\"drift\\u001b\",\"context\":"
	"[{\"factor\":\"\\u001b]0;x\\u0007\",\"from\":\"\\u0085; \\n\",\"to\":3}],\"changes\":[{\"facet\":\"cpuid\\n\","
	"\"key\":\"/\\u001b\",\"change\":"
	"\"lost\",\"from\":\"\\u009b31m\",\"meaning\":\"\\u001bc\",\"fields\":[{\"bits\":\"ecx[99:\",\"name\":\"\\r\"},7]},3,null,"
	"{\"facet\":\"cpuid\",\"change\":\"changed\",\"key\":\"a.b.c\",\"fields\":[{\"bits\":\"[\",\"from\":\"\\n\"}]},"
	"{\"facet\":\"pci\",\"key\":\"/id\","
	"\"change\":\"gained\"},{\"facet\":\"pci\",\"key\":\"x/id\",\"change\":\"gained\",\"to\":\"\\u001b\",\"moved\":[1,2]}],"
	"\"moved\":[{\"key\":\"\\u001b\"}],"
	"\"unknown\":[{\"facet\":\"\\u001b\",\"reason\":\"\\n\"},5,{\"key\":\"\\u001b\"}]}";

#define EVIL "\\u001b[31m\\n\\u202e\\u009b"
static const char hostile_judged[] =
	"{\"result\":\"drift\",\"vmm\":\"" EVIL "\",\"machine\":\"" EVIL "\",\"change_set\":\"" EVIL "\",\"accept\":{\"guest\":\"" EVIL "\",\"change_set\":\"" EVIL "\"},\"to\":{\"guest\":{\"name\":\"" EVIL "\","
	"\"id\":\"" EVIL "\"}},\"context\":[{\"factor\":\"" EVIL "\",\"from\":\"" EVIL "; x\",\"to\":null}],\"suppressed\":[{\"rule\":\"" EVIL
	"\",\"reason\":\"" EVIL "\",\"at_most\":1,\"changes\":2,\"applied\":false}],\"changes\":["
	JUDGED("acpi", EVIL "/oem_table_id", "changed", "\"" EVIL "\"", "\"" EVIL "\"", "", "violation", "critical",
	       CAUSE("option." EVIL, "\"" EVIL ",a\"", "\"" EVIL ",b\"", EVIL) "," CAUSE("firmware.", "null", "null", EVIL) ","
	       CAUSE("vmm.version", "\"" EVIL " x\"", "\"" EVIL "\"", EVIL), ",\"impact\":\"" EVIL "\",\"reason\":\"" EVIL "\"") ","
	JUDGED("smbios", "type17." EVIL "/x", "changed", "\"a " EVIL "\"", "\"a\"", BIT(EVIL, EVIL, "1", "0"), "exempt", "info",
	       CAUSE("firmware./" EVIL, "\"" EVIL "\"", "null", EVIL) "," CAUSE("firmware./b", "null", "\"x\"", ""), "") ","
	JUDGED("memory", "0x" EVIL, "gained", "null", "\"" EVIL "\"", "", "unexplained", "info", CAUSE("cpu", "null", "null", EVIL), "") ","
	JUDGED("smbios", "type1." EVIL "/x", "changed", "\"a\"", "\"b\"", "", "exempt", "info", "7", ",\"suppressed_by\":\"" EVIL "\"") "]}";

static void nothing_hostile(const char *hostile_json)
{
	json_t *diff = diff_read(hostile_json);
	char *text = text_of(diff, false), *line = summary_of(diff, 480);

	for (const char *c = text; *c; c++)
		assert_true(*c == '\n' || (unsigned char)*c >= 0x20);
	assert_null(strstr(text, "\xc2\x9b"));
	assert_null(strstr(text, "\xe2\x80\xae"));
	for (const char *c = line; *c; c++)
		assert_true((unsigned char)*c >= 0x20);
	assert_null(strstr(line, "\xc2\x9b"));
	assert_null(strstr(line, "\xe2\x80\xae"));
	free(text);
	free(line);
	json_decref(diff);
}

static void what_a_guest_wrote_does_nothing_to_the_terminal(void **state)
{
	(void)state;
	nothing_hostile(hostile);
	nothing_hostile(hostile_judged);
}

static void any_json_is_survived(void **state)
{
	uint32_t random = 7;
	size_t read = 0;

	(void)state;
	for (int turn = 0; turn < 5000; turn++) {
		const char *const bases[] = { STORY, hostile, DIFF_OF(UPGRADE_ACPI), hostile_judged };
		const char *base = bases[turn % 4];
		char *text = strdup(base);
		json_t *diff;

		for (int changes = 1 + turn % 3; changes > 0; changes--) {
			random = random * 1664525 + 1013904223;
			text[(random >> 8) % strlen(base)] = "0\"x{}[]:,/.nt"[(random >> 24) % 13];
		}
		diff = json_loads(text, JSON_DECODE_ANY, NULL);
		if (diff) {
			char *out = text_of(diff, turn & 2), *line = summary_of(diff, (size_t)turn % 320);
			json_t *told = told_json(diff);

			assert_non_null(out);
			assert_non_null(line);
			free(out);
			assert_non_null(told);
			free(line);
			json_decref(told);
			json_decref(diff);
			read++;
		}
		free(text);
	}
	assert_true(read > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_script_finds_every_promised_field),
		cmocka_unit_test(bytes_that_are_no_text_make_json_all_the_same),
		cmocka_unit_test(a_person_reads_which_feature_and_which_slots),
		cmocka_unit_test(a_bit_without_a_name_is_not_hidden_behind_one_with_a_name),
		cmocka_unit_test(the_two_sides_the_host_and_the_unknown_are_told),
		cmocka_unit_test(a_side_that_is_still_learned_is_told),
		cmocka_unit_test(same_is_one_short_line),
		cmocka_unit_test(a_name_of_two_letters_stands_apart),
		cmocka_unit_test(digests_are_cut_within_a_value_too),
		cmocka_unit_test(colour_comes_only_when_asked),
		cmocka_unit_test(an_alert_says_it_in_one_line),
		cmocka_unit_test(an_alert_says_why_and_what_it_breaks),
		cmocka_unit_test(another_cpu_is_told_once),
		cmocka_unit_test(what_has_no_name_is_told_by_its_register),
		cmocka_unit_test(an_alert_writes_numbers_as_diff_does),
		cmocka_unit_test(names_that_cpuid_spells_are_told_whole),
		cmocka_unit_test(what_is_no_character_of_a_name_is_escaped),
		cmocka_unit_test(what_came_or_went_with_something_else_is_counted),
		cmocka_unit_test(the_worst_cause_is_told_first_and_others_by_their_own_verdict),
		cmocka_unit_test(causes_without_room_for_a_sentence_are_named),
		cmocka_unit_test(only_what_changed_under_a_running_guest_is_said_to_have),
		cmocka_unit_test(of_options_only_what_differs_is_told),
		cmocka_unit_test(an_option_that_only_counts_is_told_by_its_name),
		cmocka_unit_test(what_is_suppressed_is_in_no_alert),
		cmocka_unit_test(a_report_goes_by_cause_with_what_it_means),
		cmocka_unit_test(running_exempt_and_unexplained_are_told_apart),
		cmocka_unit_test(parameters_that_came_with_the_kernel_say_so),
		cmocka_unit_test(large_numbers_are_told_as_they_are_written),
		cmocka_unit_test(advice_is_printed_as_it_was_made),
		cmocka_unit_test(parts_are_told_in_the_words_of_the_text),
		cmocka_unit_test(a_summary_stays_within_its_width),
		cmocka_unit_test(a_report_fits_its_columns),
		cmocka_unit_test(what_came_or_went_as_a_whole_is_one_row),
		cmocka_unit_test(what_a_guest_wrote_does_nothing_to_the_terminal),
		cmocka_unit_test(any_json_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
/* What a user would lose: 500 guests that drift alike are one line; or two different drifts are accepted as one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "userspace/drift/change_set.h"

#define VMM "{\"factor\":\"vmm.version\",\"from\":\"5.2\",\"to\":\"7.2\"}"
#define NIC(mac) "{\"factor\":\"option.device\",\"from\":null,\"to\":\"e1000,mac=" mac "\"}"
#define CHANGE(facet, key, from, to, verdict, causes)                                                                       \
	"{\"facet\":\"" facet "\",\"key\":\"" key "\",\"change\":\"changed\",\"from\":\"" from "\",\"to\":\"" to                \
	"\",\"verdict\":\"" verdict "\",\"severity\":\"warning\",\"cause\":[" causes "],\"suppressed_by\":null}"
#define OEM CHANGE("acpi", "FACP/oem_table_id", "BXPCFACP", "BXPC", "violation", VMM)
#define OEM_APIC CHANGE("acpi", "APIC/oem_table_id", "BXPCAPIC", "BXPC", "violation", VMM)

static char ids[8][CHANGE_SET_DIGITS + 1];
static int next_id;

static const char *id_of(const char *changes)
{
	char *ret = ids[next_id++ % 8], text[4096];
	json_error_t e;
	snprintf(text, sizeof(text), "{\"changes\":[%s]}", changes);
	json_t *diff = json_loads(text, 0, &e);
	if (!diff)
		fail_msg("%s in %s", e.text, text);
	assert_int_equal(change_set_id(diff, ret), 0);
	json_decref(diff);
	return ret;
}

static void an_id_is_sixteen_digits_and_the_same_tomorrow(void **state)
{
	(void)state;
	const char *id = id_of(OEM);
	assert_int_equal(strlen(id), CHANGE_SET_DIGITS);
	assert_int_equal(strspn(id, "0123456789abcdef"), CHANGE_SET_DIGITS);
	/* People keep it in tickets. printf '["change","acpi",…]\n["cause",…]\n' sorted | sha256sum */
	assert_string_equal(id, "6af41e94fbf1f952");
}

static void the_order_of_changes_and_causes_does_not_matter(void **state)
{
	(void)state;
	assert_string_equal(id_of(OEM "," OEM_APIC), id_of(OEM_APIC "," OEM));
	assert_string_equal(id_of(CHANGE("acpi", "k", "1", "2", "intended", VMM "," NIC("1"))), id_of(CHANGE("acpi", "k", "1", "2", "intended", NIC("1") "," VMM)));
}

static void another_change_is_another_set(void **state)
{
	(void)state;
	const char *one = id_of(OEM);
	assert_string_not_equal(one, id_of(OEM "," OEM_APIC));
	assert_string_not_equal(one, id_of(CHANGE("acpi", "FACP/oem_table_id", "BXPCFACP", "BOCHS", "violation", VMM)));
	assert_string_not_equal(one, id_of(CHANGE("acpi", "FACP/oem_table_id", "BXPCFAC", "BXPC", "violation", VMM)));
	assert_string_not_equal(one, id_of(CHANGE("acpi", "FACP/oem_id", "BXPCFACP", "BXPC", "violation", VMM)));
	assert_string_not_equal(one, id_of(CHANGE("smbios", "FACP/oem_table_id", "BXPCFACP", "BXPC", "violation", VMM)));
	assert_string_not_equal(one, id_of(CHANGE("acpi", "FACP/oem_table_id", "BXPCFACP", "BXPC", "exempt", VMM)));
}

static void another_upgrade_of_the_host_is_another_set(void **state)
{
	(void)state;
	static const char *const host_side[] = { "vmm.version", "vmm.build_id", "kernel", "kernel.cmdline", "kvm.ignore_msrs", "host_cpu", "host_cpu.vendor",
						 "microcode", "firmware./usr/share/seabios/bios-256k.bin" };
	for (size_t i = 0; i < sizeof(host_side) / sizeof(*host_side); i++) {
		char one[1024], two[1024];
		snprintf(one, sizeof(one), CHANGE("acpi", "k", "1", "2", "violation", "{\"factor\":\"%s\",\"from\":\"a\",\"to\":\"b\"}"), host_side[i]);
		snprintf(two, sizeof(two), CHANGE("acpi", "k", "1", "2", "violation", "{\"factor\":\"%s\",\"from\":\"a\",\"to\":\"c\"}"), host_side[i]);
		assert_string_not_equal(id_of(one), id_of(two));
	}
}

static void what_is_the_guests_own_parts_no_set(void **state)
{
	(void)state;
	assert_string_equal(id_of(CHANGE("pci", "k", "1", "2", "intended", NIC("52:54:00:00:00:01"))),
			    id_of(CHANGE("pci", "k", "1", "2", "intended", NIC("52:54:00:00:00:02"))));
	assert_string_equal(id_of(CHANGE("identity", "mac/0000:00:03.0", "52:01", "52:02", "intended", NIC("1"))),
			    id_of(CHANGE("identity", "mac/0000:00:03.0", "52:03", "52:04", "intended", NIC("2"))));
	/* But that it changed does. */
	assert_string_not_equal(id_of(OEM), id_of(OEM "," CHANGE("identity", "uuid", "a", "b", "violation", VMM)));
	/* And which option it was. */
	assert_string_not_equal(id_of(CHANGE("pci", "k", "1", "2", "intended", "{\"factor\":\"option.device\",\"from\":\"x\",\"to\":\"y\"}")),
				id_of(CHANGE("pci", "k", "1", "2", "intended", "{\"factor\":\"option.smbios\",\"from\":\"x\",\"to\":\"y\"}")));
}

static void what_is_suppressed_counts_for_nothing(void **state)
{
	(void)state;
	static const char hidden[] = "{\"facet\":\"acpi\",\"key\":\"h\",\"change\":\"lost\",\"from\":\"1\",\"to\":null,\"verdict\":\"violation\",\"severity\":"
				     "\"critical\",\"cause\":[" VMM "],\"suppressed_by\":\"rule\"}";
	char both[2048];
	snprintf(both, sizeof(both), "%s,%s", hidden, OEM);
	assert_string_equal(id_of(both), id_of(OEM));
	assert_string_equal(id_of(hidden), "");
	assert_string_equal(id_of(""), "");
	snprintf(both, sizeof(both), "[%s,%s]", hidden, OEM);
	json_t *changes = json_loads(both, 0, NULL);
	assert_int_equal(changes_count(changes), 1);
	assert_int_equal(changes_severity(changes), SEVERITY_WARNING);
	assert_int_equal(changes_verdict(changes), VERDICT_VIOLATION);
	json_decref(changes);
}

/* Values come from a guest: none of them may look like two. */
static void no_value_passes_for_another(void **state)
{
	(void)state;
	assert_string_not_equal(id_of(CHANGE("smbios", "k", "a\\\",\\\"b", "c", "violation", VMM)), id_of(CHANGE("smbios", "k", "a", "b\\\",\\\"c", "violation", VMM)));
	assert_string_not_equal(id_of(CHANGE("smbios", "k", "a\\nb", "c", "violation", VMM)), id_of(CHANGE("smbios", "k", "a", "b\\nc", "violation", VMM)));
}

static void what_people_write_is_checked(void **state)
{
	(void)state;
	assert_true(change_set_prefix_valid("1a2b"));
	assert_true(change_set_prefix_valid("1a2b3c4d5e6f7a8b"));
	assert_false(change_set_prefix_valid("1a2"));
	assert_false(change_set_prefix_valid("1a2b3c4d5e6f7a8b9"));
	assert_false(change_set_prefix_valid("1a2G"));
	assert_false(change_set_prefix_valid(""));
}

#define CAUSE(factor, from, to) "{\"factor\":\"" factor "\",\"from\":" from ",\"to\":" to "}"
#define BY(key, verdict, causes) CHANGE("acpi", key, "1", "2", verdict, causes)
#define KERNEL CAUSE("kernel", "\"6.1.0-18\"", "\"6.12.9\"")
#define SMP CAUSE("option.smp", "\"1\"", "\"2\"")

static json_t *diff_of(const char *changes)
{
	char text[8192];
	json_error_t e;
	snprintf(text, sizeof(text), "{\"vmm\":\"qemu\",\"machine\":\"pc-q35-7.2\",\"changes\":[%s]}", changes);
	json_t *diff = json_loads(text, 0, &e);
	if (!diff)
		fail_msg("%s in %s", e.text, text);
	return diff;
}

static void headline_is(size_t guests, const char *changes, const char *wanted)
{
	json_t *diff = diff_of(changes), *line = change_set_headline(diff, guests);

	assert_string_equal(json_string_value(line), wanted);
	json_decref(line);
	json_decref(diff);
}

/* At 3 a.m. this line is what is read of 412 guests. */
static void a_headline_says_how_many_and_since_when(void **state)
{
	(void)state;
	headline_is(412, BY("a", "violation", KERNEL) "," BY("b", "violation", KERNEL) "," BY("c", "violation", KERNEL),
		    "412 guests, the same 3 changes, since the kernel went from 6.1.0-18 to 6.12.9");
	headline_is(2, BY("a", "violation", VMM), "2 guests, the same change, since QEMU went from 5.2 to 7.2");
	headline_is(1, BY("a", "intended", SMP), "1 guest, 1 change, since -smp went from 1 to 2");
	headline_is(1, BY("a", "intended", NIC("1")) "," BY("b", "intended", NIC("1")), "1 guest, 2 changes, since -device e1000,mac=1 was added");
	headline_is(1, BY("a", "intended", CAUSE("option.serial", "\"present\"", "null")), "1 guest, 1 change, since -serial was removed");
	headline_is(1, BY("a", "violation", CAUSE("vmm.build_id", "\"a\"", "\"b\"")), "1 guest, 1 change, since there is another build of QEMU");
	headline_is(1, BY("a", "violation", CAUSE("firmware./usr/share/bios.bin", "\"a\"", "\"b\"")), "1 guest, 1 change, since firmware bios.bin changed");
	headline_is(1, BY("a", "violation", CAUSE("kvm.kvm_intel.nested", "\"Y\"", "null")), "1 guest, 1 change, since kvm_intel.nested went from Y to none");
	headline_is(1, BY("a", "exempt", CAUSE("hotplug", "null", "\"1\"")), "1 guest, 1 change, since something was hot-plugged");
	headline_is(1, BY("a", "violation", CAUSE("host", "\"node1\"", "\"node2\"")), "1 guest, 1 change, since the host went from node1 to node2");
}

/* What the page tells of a set: what it breaks, and whole parts of what changed. */
static void a_set_says_what_it_breaks(void **state)
{
	(void)state;
	json_t *diff = diff_of(OEM "," OEM_APIC "," BY("a", "violation", KERNEL)), *set;
	const char *summary;

	assert_int_equal(json_object_set_new(diff, "result", json_string("drift")), 0);
	assert_int_equal(json_object_set_new(json_array_get(json_object_get(diff, "changes"), 0), "impact", json_string("Windows may ask for its licence again.")), 0);
	set = change_set_json(diff, "feed", CHANGE_SET_COLUMNS);
	summary = json_string_value(json_object_get(set, "summary"));
	assert_non_null(summary);
	assert_non_null(strstr(summary, " Impact: "));
	assert_int_equal(summary[strlen(summary) - 1], '.');
	json_decref(set);
	json_decref(diff);
}

/* Nobody may think that a known cause explains all. */
static void a_headline_blames_nothing_for_what_has_no_known_cause(void **state)
{
	(void)state;
	headline_is(3, BY("a", "unexplained", ""), "3 guests, the same change, with no known cause");
	headline_is(3, BY("a", "unexplained", "") "," BY("b", "intended", SMP), "3 guests, the same 2 changes, 1 with no known cause, the other since -smp went from 1 to 2");
	headline_is(1, BY("a", "unexplained", "") "," BY("b", "intended", SMP) "," BY("c", "violation", KERNEL) "," BY("d", "exempt", KERNEL),
		    "1 guest, 4 changes, 1 with no known cause, the others since the kernel went from 6.1.0-18 to 6.12.9, and 1 more cause");
	headline_is(1, BY("a", "violation", CAUSE("option.x", "\"\\u001b[2J\"", "\"2\"")), "1 guest, 1 change, since -x went from \\x1b[2J to 2");
}

static void causes_are_those_of_the_worst_changes_each_once(void **state)
{
	(void)state;
	json_t *diff = diff_of(BY("a", "intended", SMP "," VMM) "," BY("b", "violation", KERNEL "," SMP) "," BY("c", "violation", KERNEL) "," BY("d", "unexplained", ""));
	json_t *causes = change_set_causes(diff), *wanted = json_loads("[" KERNEL "," SMP "]", 0, NULL);

	assert_true(json_equal(causes, wanted));
	json_decref(wanted);
	json_decref(causes);
	json_decref(diff);
	diff = diff_of(BY("a", "intended", CAUSE("option.a", "null", "\"1\"")) "," BY("b", "intended", CAUSE("option.b", "null", "\"1\"")) ","
		       BY("c", "intended", CAUSE("option.c", "null", "\"1\"")) "," BY("d", "intended", CAUSE("option.d", "null", "\"1\"")) ","
		       BY("e", "intended", CAUSE("option.e", "null", "\"1\"")) "," BY("f", "intended", CAUSE("option.f", "null", "\"1\"")));
	causes = change_set_causes(diff);
	assert_int_equal(json_array_size(causes), CHANGE_SET_CAUSES_MAX);
	json_decref(causes);
	json_decref(diff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_id_is_sixteen_digits_and_the_same_tomorrow),
		cmocka_unit_test(the_order_of_changes_and_causes_does_not_matter),
		cmocka_unit_test(another_change_is_another_set),
		cmocka_unit_test(another_upgrade_of_the_host_is_another_set),
		cmocka_unit_test(what_is_the_guests_own_parts_no_set),
		cmocka_unit_test(what_is_suppressed_counts_for_nothing),
		cmocka_unit_test(no_value_passes_for_another),
		cmocka_unit_test(what_people_write_is_checked),
		cmocka_unit_test(a_set_says_what_it_breaks),
		cmocka_unit_test(a_headline_says_how_many_and_since_when),
		cmocka_unit_test(a_headline_blames_nothing_for_what_has_no_known_cause),
		cmocka_unit_test(causes_are_those_of_the_worst_changes_each_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

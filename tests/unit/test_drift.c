/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/sides.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "userspace/drift/drift.h"

static void compare(const char *from, const char *to, bool same_guest, struct drift *ret)
{
	struct abi_entries a = ABI_ENTRIES_INIT, b = ABI_ENTRIES_INIT;
	const struct drift_options options = { .facets = DRIFT_ALL_FACETS, .same_guest = same_guest };

	side_make(from, &a);
	side_make(to, &b);
	assert_int_equal(drift_compare(&a, NULL, &b, NULL, &options, ret), 0);
	entries_release(&a);
	entries_release(&b);
}

/* The drift in a line a change: "pci KEY lost FROM; …". */
static char *changes_text(const struct drift *d)
{
	struct buffer text = BUFFER_INIT;

	for (size_t i = 0; i < d->change_count; i++) {
		const struct drift_change *c = &d->changes[i];

		buffer_printf(&text, "%s %s %s %s>%s\n", facet_get(c->facet)->name, c->key, change_kind_name(c->kind), c->from ? c->from : "",
			      c->to ? c->to : "");
	}
	return buffer_take(&text, NULL);
}

static char *unknown_text(const struct drift *d)
{
	struct buffer text = BUFFER_INIT;

	for (size_t i = 0; i < d->unknown_count; i++)
		buffer_printf(&text, "%s %s%s%s\n", facet_get(d->unknown[i].facet)->name, d->unknown[i].key ? d->unknown[i].key : "-",
			      d->unknown[i].fell ? " fell: " : ": ", d->unknown[i].reason);
	return buffer_take(&text, NULL);
}

static void expect(const char *from, const char *to, const char *changes, const char *unknown)
{
	struct drift d = DRIFT_INIT;
	char *text;

	compare(from, to, true, &d);
	text = changes_text(&d);
	assert_string_equal(text, changes);
	free(text);
	text = unknown_text(&d);
	assert_string_equal(text, unknown);
	free(text);
	drift_release(&d);
}

/* ---- presence */

static const char *const levels[] = { "none", "witnessed", "complete" };

enum knowledge { UNKNOWN, ABSENT, PRESENT };

static enum knowledge knows(int level, const char *value)
{
	if (value && strcmp(value, "absent") == 0)
		return ABSENT;
	return value ? PRESENT : level == COVERAGE_COMPLETE ? ABSENT : UNKNOWN;
}

/* One key, said or not on either side, under every pair of coverages: what must come of it, from the words of the design. */
static void check_presence(const char *key, int from_level, const char *from, int to_level, const char *to)
{
	enum knowledge a = knows(from_level, from), b = knows(to_level, to);
	char left[256], right[256], changes[256] = "", unknown[256] = "";
	bool fell = from_level == COVERAGE_COMPLETE && to_level < COVERAGE_COMPLETE;

	snprintf(left, sizeof(left), "# coverage pci %s why\n%s%s%s%s%s", levels[from_level], from ? "pci " : "", from ? key : "", from ? " " : "",
		 from ? from : "", from ? "\n" : "");
	snprintf(right, sizeof(right), "# coverage pci %s why\n%s%s%s%s%s", levels[to_level], to ? "pci " : "", to ? key : "", to ? " " : "",
		 to ? to : "", to ? "\n" : "");
	if (a == PRESENT && b == PRESENT && strcmp(from, to) != 0)
		snprintf(changes, sizeof(changes), "pci %s changed %s>%s\n", key, from, to);
	else if (a == PRESENT && b == ABSENT)
		snprintf(changes, sizeof(changes), "pci %s lost %s>\n", key, from);
	else if (a == ABSENT && b == PRESENT)
		snprintf(changes, sizeof(changes), "pci %s gained >%s\n", key, to);
	if (fell)
		snprintf(unknown, sizeof(unknown), "pci - fell: why\n");
	else if (from_level == COVERAGE_WITNESSED && to_level == COVERAGE_NONE)
		snprintf(unknown, sizeof(unknown), "pci -: why\n");
	else if (from && b == UNKNOWN)
		snprintf(unknown, sizeof(unknown), "pci %s: not seen since\n", key);
	else if (to && a == UNKNOWN && from_level >= to_level)
		snprintf(unknown, sizeof(unknown), "pci %s: not seen then\n", key);
	expect(left, right, changes, unknown);
}

static void only_evidence_against_evidence_is_drift(void **state)
{
	static const char *const values[] = { NULL, "8086:100e", "1af4:1000", "absent" };

	(void)state;
	for (int from_level = COVERAGE_NONE; from_level <= COVERAGE_COMPLETE; from_level++)
		for (int to_level = COVERAGE_NONE; to_level <= COVERAGE_COMPLETE; to_level++)
			for (size_t from = 0; from < 4; from++)
				for (size_t to = 0; to < 4; to++) {
					check_presence("0000:00:03.0/id", from_level, values[from], to_level, values[to]);
					if (from < 3 && to < 3 && from_level && to_level)
						check_presence("0000:00:03.0/bar0", from_level, values[from], to_level, values[to]);
				}
}

static void a_port_that_answers_nobody_any_more_has_changed(void **state)
{
	(void)state;
	expect("# coverage ports witnessed\nports 0x0510/r8 answered\nports 0x0511/r8 answered\n",
	       "# coverage ports witnessed\nports 0x0510/r8 absent\nports 0x0510/r16 absent\n",
	       "ports 0x0510/r8 changed answered>absent\n", "ports 0x0510/r16: not seen then\nports 0x0511/r8: not seen since\n");
}

static void a_key_that_only_one_side_met_is_unknown_but_no_drift(void **state)
{
	struct drift d = DRIFT_INIT;

	(void)state;
	compare("# coverage ports witnessed\nports 0x0510/r8 answered\n", "# coverage ports witnessed\n", true, &d);
	assert_int_equal(d.unknown_count, 1);
	assert_int_equal(drift_result(&d, SEVERITY_NONE), DRIFT_SAME);
	drift_release(&d);
}

static void a_facet_that_fell_from_complete_is_said_and_makes_the_result_unknown(void **state)
{
	struct drift d = DRIFT_INIT;

	(void)state;
	compare("# coverage pci complete\npci 0000:00:03.0/id 8086:100e\npci 0000:00:03.0/subsystem 1af4:1100\n",
		"# coverage pci witnessed attached late\npci 0000:00:03.0/id 8086:100e\n", true, &d);
	assert_int_equal(d.change_count, 0);
	assert_int_equal(d.unknown_count, 1);
	assert_null(d.unknown[0].key);
	assert_string_equal(d.unknown[0].reason, "attached late");
	assert_int_equal(drift_result(&d, SEVERITY_WARNING), DRIFT_UNKNOWN);
	drift_release(&d);
	expect("# coverage pci complete\npci 0000:00:03.0/id 8086:100e\n",
	       "# coverage pci witnessed attached late\npci 0000:00:03.0/id 1af4:1000\npci 0000:00:04.0/id 1234:1111\n",
	       "pci 0000:00:03.0/id changed 8086:100e>1af4:1000\npci 0000:00:04.0/id gained >1234:1111\n", "pci - fell: attached late\n");
}

static void drift_wins_over_unknown(void **state)
{
	struct drift d = DRIFT_INIT;

	(void)state;
	compare("# coverage pci complete\n# coverage cpuid complete\ncpuid k 1\n", "# coverage pci none\n"
		"# coverage cpuid complete\ncpuid k 2\n", true, &d);
	assert_int_equal(drift_result(&d, SEVERITY_WARNING), DRIFT_DRIFT);
	assert_int_equal(drift_result(&d, SEVERITY_CRITICAL), DRIFT_UNKNOWN);
	drift_release(&d);
}

/* ---- PCI functions */

static void what_was_only_witnessed_of_a_function_follows_it(void **state)
{
	static const char with[] = "# coverage pci complete\npci 0000:00:02.0/id 1234:1111\npci 0000:00:03.0/bar0 io size=0x40\n"
				   "pci 0000:00:03.0/cap.11@0xa0 x\npci 0000:00:03.0/id 8086:100e\npci 0000:00:03.0/subsystem 1af4:1100\n";
	static const char without[] = "# coverage pci complete\npci 0000:00:02.0/id 1234:1111\n";

	(void)state;
	expect(with, without, "pci 0000:00:03.0/bar0 lost io size=0x40>\npci 0000:00:03.0/id lost 8086:100e>\n", "");
	expect(without, with, "pci 0000:00:03.0/bar0 gained >io size=0x40\npci 0000:00:03.0/id gained >8086:100e\n", "");
}

static void a_function_that_answers_nobody_is_lost_with_all_its_keys(void **state)
{
	(void)state;
	expect("# coverage pci witnessed\npci 0000:00:03.0/class 020000\npci 0000:00:03.0/id 8086:100e\npci 0000:00:03.0/subsystem 1af4:1100\n",
	       "# coverage pci witnessed\npci 0000:00:03.0/id absent\n",
	       "pci 0000:00:03.0/class lost 020000>\npci 0000:00:03.0/id lost 8086:100e>\n", "");
	expect("# coverage pci complete\n", "# coverage pci witnessed late\npci 0000:00:03.0/id absent\n", "", "pci - fell: late\n");
}

static void functions_go_with_their_device_and_their_bridge(void **state)
{
	(void)state;
	expect("# coverage pci witnessed\npci 0000:00:04.0/00.0/id 8086:100e\npci 0000:00:04.0/00.0/bar0 io size=0x40\n"
		"pci 0000:00:04.0/id 1b36:000c\n",
	       "# coverage pci witnessed\npci 0000:00:04.0/id absent\n",
	       "pci 0000:00:04.0/00.0/bar0 lost io size=0x40>\npci 0000:00:04.0/00.0/id lost 8086:100e>\n"
	       "pci 0000:00:04.0/id lost 1b36:000c>\n", "");
	expect("# coverage pci witnessed\npci 0000:00:1f.2/id 8086:2922\n", "# coverage pci witnessed\npci 0000:00:1f.0/id absent\n",
	       "pci 0000:00:1f.2/id lost 8086:2922>\n", "pci 0000:00:1f.0/id: not seen then\n");
	expect("# coverage pci witnessed\npci 0000:00:1f.2/id 8086:2922\n",
	       "# coverage pci witnessed\npci 0000:00:1f.0/header 00\npci 0000:00:1f.0/id 8086:2918\n", "pci 0000:00:1f.2/id lost 8086:2922>\n",
	       "pci 0000:00:1f.0/header: not seen then\npci 0000:00:1f.0/id: not seen then\n");
	expect("# coverage pci witnessed\npci 0000:00:1f.2/id 8086:2922\n",
	       "# coverage pci witnessed\npci 0000:00:1f.0/header 00\npci 0000:00:1f.0/multifunction yes\n", "",
	       "pci 0000:00:1f.0/header: not seen then\npci 0000:00:1f.0/multifunction: not seen then\npci 0000:00:1f.2/id: not seen since\n");
	/* A bridge that is there says nothing of what is behind it. */
	expect("# coverage pci witnessed\npci 0000:00:04.0/00.0/id 8086:100e\npci 0000:00:04.0/id 1b36:000c\n",
	       "# coverage pci witnessed\npci 0000:00:04.0/id 1b36:000c\n", "", "pci 0000:00:04.0/00.0/id: not seen since\n");
}

static void changes_come_by_facet_and_key(void **state)
{
	(void)state;
	expect("# coverage cpuid complete\n# coverage acpi complete\n# coverage memory complete\nacpi FACP/revision 1\ncpuid b 1\n"
		"cpuid a 1\nmemory m 1\n",
	       "# coverage cpuid complete\n# coverage acpi complete\n# coverage memory complete\nacpi FACP/revision 2\ncpuid b 2\n"
	       "cpuid a 2\nmemory m 2\n",
	       "cpuid a changed 1>2\ncpuid b changed 1>2\nmemory m changed 1>2\nacpi FACP/revision changed 1>2\n", "");
}

static void what_names_one_guest_is_not_compared_between_two(void **state)
{
	struct drift d = DRIFT_INIT;
	static const char one[] = "# coverage identity complete\nidentity uuid 1\n", other[] = "# coverage identity complete\nidentity uuid 2\n";

	(void)state;
	compare(one, other, false, &d);
	assert_int_equal(d.change_count, 0);
	drift_release(&d);
	compare(one, other, true, &d);
	assert_int_equal(d.change_count, 1);
	drift_release(&d);
}

static void another_name_of_a_guest_is_no_drift(void **state)
{
	struct drift d = DRIFT_INIT;

	(void)state;
	compare("# coverage identity witnessed\nidentity name a\nidentity uuid 1\n", "# coverage identity witnessed\nidentity name b\nidentity uuid 1\n", true, &d);
	assert_int_equal(d.change_count, 0);
	drift_release(&d);
}

static bool answers(const char *now, enum facet_id facet, const char *key)
{
	struct abi_entries e = ABI_ENTRIES_INIT;
	bool result;

	side_make(now, &e);
	result = drift_answers(&e, facet, key);
	entries_release(&e);
	return result;
}

/* A drift that is open closes by evidence, not because less is seen. */
static void what_is_not_seen_answers_nothing(void **state)
{
	(void)state;
	assert_false(answers("# coverage pci none late\n", FACET_PCI, "0000:00:03.0/id"));
	assert_false(answers("# coverage pci witnessed late\npci 0000:00:04.0/id 1\n", FACET_PCI, "0000:00:03.0/id"));
	assert_true(answers("# coverage pci witnessed late\npci 0000:00:03.0/id absent\n", FACET_PCI, "0000:00:03.0/class"));
	assert_true(answers("# coverage pci complete\n", FACET_PCI, "0000:00:03.0/id"));
	assert_false(answers("# coverage pci complete\npci 0000:00:03.0/id 1\n", FACET_PCI, "0000:00:03.0/subsystem"));
	assert_true(answers("# coverage cpuid complete\n", FACET_CPUID, "0x00000001.0.ecx"));
	assert_false(answers("# coverage ports witnessed\n", FACET_PORTS, "0x0060/r8"));
}

static void a_facet_that_has_not_settled_is_left_out(void **state)
{
	struct abi_entries a = ABI_ENTRIES_INIT, b = ABI_ENTRIES_INIT;
	const struct drift_options options = { .facets = 1u << FACET_CPUID, .same_guest = true };
	struct drift d = DRIFT_INIT;

	(void)state;
	side_make("# coverage pci complete\n# coverage cpuid complete\ncpuid k 1\nplacement p 1\nmemory m 1\n", &a);
	side_make("# coverage cpuid complete\ncpuid k 2\nplacement p 2\nmemory m 2\n", &b);
	assert_int_equal(drift_compare(&a, NULL, &b, NULL, &options, &d), 0);
	assert_int_equal(d.change_count, 1);
	assert_int_equal(d.moved_count, 0);
	assert_int_equal(d.unknown_count, 0);
	drift_release(&d);
	entries_release(&a);
	entries_release(&b);
}

/* ---- placement */

/* Where the placement change of `key` went: the key of the change above it, "" = the top, NULL = nowhere. */
static const char *mover(const struct drift *d, const char *key)
{
	for (size_t i = 0; i < d->moved_count; i++)
		if (strcmp(d->moved[i].key, key) == 0)
			return "";
	for (size_t i = 0; i < d->change_count; i++)
		for (size_t j = 0; j < d->changes[i].moved_count; j++)
			if (strcmp(d->changes[i].moved[j].key, key) == 0)
				return d->changes[i].key;
	return NULL;
}

#define COMPLETE "# coverage pci complete\n# coverage placement complete\n# coverage memory complete\n"

static void expect_mover(const char *from, const char *to, const char *key, const char *above)
{
	char left[1024], right[1024];
	struct drift d = DRIFT_INIT;

	snprintf(left, sizeof(left), COMPLETE "%s", from);
	snprintf(right, sizeof(right), COMPLETE "%s", to);
	compare(left, right, true, &d);
	assert_non_null(mover(&d, key));
	assert_string_equal(mover(&d, key), above);
	drift_release(&d);
}

static void an_address_that_moved_is_shown_under_what_moved_it(void **state)
{
	static const char moved[] = "placement 0000:00:02.0/bar0 0xf0000000\n", there[] = "placement 0000:00:02.0/bar0 0xe0000000\n";
	char from[512], to[512];

	(void)state;
	expect_mover(moved, there, "0000:00:02.0/bar0", "");
	/* Of the same function, its id before its other keys. */
	snprintf(from, sizeof(from), "%spci 0000:00:02.0/class 1\npci 0000:00:02.0/pin A\npci 0000:00:01.0/id 1\n", moved);
	snprintf(to, sizeof(to), "%spci 0000:00:02.0/class 2\npci 0000:00:02.0/pin B\n", there);
	expect_mover(from, to, "0000:00:02.0/bar0", "0000:00:02.0/class");
	snprintf(from, sizeof(from), "%spci 0000:00:02.0/class 1\npci 0000:00:02.0/id 1\n", moved);
	snprintf(to, sizeof(to), "%spci 0000:00:02.0/class 2\npci 0000:00:02.0/id 2\n", there);
	expect_mover(from, to, "0000:00:02.0/bar0", "0000:00:02.0/id");
	/* A function came elsewhere; a BAR grew elsewhere; memory grew. */
	snprintf(to, sizeof(to), "%spci 0000:00:09.0/bar0 x\npci 0000:00:09.0/id 1\n", there);
	expect_mover(moved, to, "0000:00:02.0/bar0", "0000:00:09.0/id");
	snprintf(from, sizeof(from), "%spci 0000:00:09.0/rom size=1\nmemory m 1\n", moved);
	snprintf(to, sizeof(to), "%spci 0000:00:09.0/rom size=2\nmemory m 2\n", there);
	expect_mover(from, to, "0000:00:02.0/bar0", "0000:00:09.0/rom");
	snprintf(from, sizeof(from), "%smemory m 1\npci 0000:00:09.0/class 1\n", moved);
	snprintf(to, sizeof(to), "%smemory m 2\npci 0000:00:09.0/class 2\n", there);
	expect_mover(from, to, "0000:00:02.0/bar0", "m");
	snprintf(from, sizeof(from), "%spci 0000:00:09.0/class 1\n", moved);
	snprintf(to, sizeof(to), "%spci 0000:00:09.0/class 2\n", there);
	expect_mover(from, to, "0000:00:02.0/bar0", "");
}

static void what_moved_behind_a_bridge_is_shown_under_the_bridge(void **state)
{
	expect_mover("pci 0000:00:04.0/00.0/id 1\npci 0000:00:04.0/class 1\npci 0000:00:04.0/id 2\nplacement 0000:00:04.0/00.0/bar0 1\n",
		     "pci 0000:00:04.0/00.0/id 1\npci 0000:00:04.0/class 2\npci 0000:00:04.0/id 2\npci 0000:00:05.0/id 2\n"
		     "placement 0000:00:04.0/00.0/bar0 2\n",
		     "0000:00:04.0/00.0/bar0", "0000:00:04.0/class");
	/* A change behind a bridge does not move the bridge itself. */
	expect_mover("pci 0000:00:04.0/00.0/class 1\nplacement 0000:00:04.0/bus 1\n", "pci 0000:00:04.0/00.0/class 2\n"
		"placement 0000:00:04.0/bus 2\n",
		     "0000:00:04.0/bus", "");
	(void)state;
}

static void placement_alone_is_no_drift(void **state)
{
	struct drift d = DRIFT_INIT;

	(void)state;
	compare(COMPLETE "placement window/0x80000000 1\n", "# coverage placement witnessed\n# coverage pci complete\n"
		"# coverage memory complete\n", true, &d);
	assert_int_equal(drift_result(&d, SEVERITY_NONE), DRIFT_SAME);
	assert_int_equal(d.moved_count, 0); /* the other side looked less */
	assert_int_equal(d.unknown_count, 0);
	drift_release(&d);
	/* A guest that came here while it ran: nobody saw where its functions are, so none of them moved from "not placed". */
	compare("# coverage placement witnessed\n# coverage pci witnessed\n# coverage memory complete\n",
		"# coverage placement witnessed\n# coverage pci complete\n# coverage memory complete\npci 0000:00:04.0/id 1\n"
		"placement 0000:00:04.0/bar0 0xfe200000\n", true, &d);
	assert_int_equal(d.moved_count, 0);
	drift_release(&d);
	compare(COMPLETE "placement window/0x80000000 1\n", COMPLETE, true, &d);
	assert_int_equal(drift_result(&d, SEVERITY_NONE), DRIFT_SAME);
	assert_int_equal(d.moved_count, 1);
	assert_null(d.moved[0].to);
	drift_release(&d);
}

/* ---- context */

static void contexts(const char *const (*from)[2], const char *const (*to)[2], struct drift *ret)
{
	struct abi_entries none = ABI_ENTRIES_INIT;
	struct context a = CONTEXT_INIT, b = CONTEXT_INIT;
	const struct drift_options options = { .facets = 0 };

	for (; (*from)[0]; from++)
		assert_int_equal(context_set(&a, (*from)[0], (*from)[1]), 0);
	for (; (*to)[0]; to++)
		assert_int_equal(context_set(&b, (*to)[0], (*to)[1]), 0);
	assert_int_equal(drift_compare(&none, &a, &none, &b, &options, ret), 0);
	context_release(&a);
	context_release(&b);
}

static void the_host_side_is_told_without_the_noise_of_a_start(void **state)
{
	static const char *const from[][2] = {
		{ "backend.add-fd", "set=1,fd=23" },
		{ "backend.chardev", "socket,path=/var/lib/libvirt/qemu/domain-7-web/monitor.sock" },
		{ "backend.incoming", "defer" },
		{ "backend.netdev", "tap,fds=25:26,vhost=on,vhostfds=27:28" },
		{ "kernel", "6.1" },
		{ "machine", "pc-q35-7.2" },
		{ "option.device", "e1000" },
		{ NULL, NULL },
	};
	static const char *const to[][2] = {
		{ "backend.add-fd", "set=1,fd=8" },
		{ "backend.chardev", "socket,path=/var/lib/libvirt/qemu/domain-12-web/monitor.sock" },
		{ "backend.netdev", "tap,fds=30:31,vhost=on,vhostfds=32:33" },
		{ "kernel", "6.12" },
		{ "machine", "pc-q35-7.2" },
		{ "vmm.path", "/usr/bin/qemu" },
		{ NULL, NULL },
	};
	struct drift d = DRIFT_INIT;

	(void)state;
	contexts(from, to, &d);
	assert_int_equal(d.context_count, 3);
	assert_string_equal(d.context[0].factor, "kernel");
	assert_string_equal(d.context[0].from, "6.1");
	assert_string_equal(d.context[0].to, "6.12");
	assert_string_equal(d.context[1].factor, "option.device");
	assert_null(d.context[1].to);
	assert_string_equal(d.context[2].factor, "vmm.path");
	assert_null(d.context[2].from);
	drift_release(&d);
}

/* Without it: npt 1 → Y would be told, and blamed, wherever a kernel calls a switch by another type. */
static void a_switch_is_the_same_as_number_and_as_word(void **state)
{
	static const char *const from[][2] = { { "kvm.kvm_amd.avic", "0" }, { "kvm.kvm_amd.nested", "1" }, { "kvm.kvm_amd.npt", "1" }, { "kvm.kvm_amd.vgif", "N" },
					       { "option.x", "1" }, { NULL, NULL } };
	static const char *const to[][2] = { { "kvm.kvm_amd.avic", "N" }, { "kvm.kvm_amd.nested", "N" }, { "kvm.kvm_amd.npt", "Y" }, { "kvm.kvm_amd.vgif", "0" },
					     { "option.x", "Y" }, { NULL, NULL } };
	struct drift d = DRIFT_INIT;

	(void)state;
	contexts(from, to, &d);
	assert_int_equal(d.context_count, 2);
	assert_string_equal(d.context[0].factor, "kvm.kvm_amd.nested");
	assert_string_equal(d.context[1].factor, "option.x");
	drift_release(&d);
}

/* ---- growth and revisions */

static size_t grow(const char *known, const char *now, const char *expected)
{
	struct abi_entries a = ABI_ENTRIES_INIT, b = ABI_ENTRIES_INIT, e = ABI_ENTRIES_INIT;
	size_t joined = 77, again = 77;
	char *text, *wanted;

	side_make(known, &a);
	side_make(now, &b);
	side_make(expected, &e);
	assert_int_equal(drift_grow(&a, &b, &joined), 0);
	text = side_text(&a);
	wanted = side_text(&e);
	assert_string_equal(text, wanted);
	free(text);
	free(wanted);
	assert_int_equal(drift_grow(&a, &b, &again), 0);
	assert_int_equal(again, 0);
	entries_release(&a);
	entries_release(&b);
	entries_release(&e);
	return joined;
}

/* "Not read yet" would send an operator looking in the wrong place. */
static void why_nothing_is_seen_is_learnt_later(void **state)
{
	(void)state;
	assert_int_equal(grow("# coverage acpi none not read yet\n", "# coverage acpi none no RSDP was found\n", "# coverage acpi none no RSDP was found\n"), 1);
	assert_int_equal(grow("# coverage acpi complete\n", "# coverage acpi none not read yet\n", "# coverage acpi complete\n"), 0);
}

static void evidence_that_is_only_new_joins(void **state)
{
	(void)state;
	assert_int_equal(grow("# coverage ports witnessed a\nports 0x10/r8 answered\n",
			      "# coverage ports witnessed b\nports 0x10/r8 absent\nports 0x11/r8 answered\n",
			      "# coverage ports witnessed a\nports 0x10/r8 answered\nports 0x11/r8 answered\n"), 1);
	assert_int_equal(grow("# coverage pci complete\npci 0000:00:03.0/id 1\n",
			      "# coverage pci witnessed\npci 0000:00:03.0/id 1\npci 0000:00:03.0/subsystem 2\n",
			      "# coverage pci complete\npci 0000:00:03.0/id 1\npci 0000:00:03.0/subsystem 2\n"), 1);
}

static void nothing_of_another_device_joins(void **state)
{
	(void)state;
	assert_int_equal(grow("# coverage pci complete\npci 0000:00:03.0/id 1\n",
			      "# coverage pci complete\npci 0000:00:03.0/id 2\npci 0000:00:03.0/subsystem 2\npci 0000:00:04.0/id 1\n"
			      "pci 0000:00:04.0/subsystem 2\n",
			      "# coverage pci complete\npci 0000:00:03.0/id 1\n"), 0);
	assert_int_equal(grow("# coverage pci witnessed\npci 0000:00:03.0/id 1\npci 0000:00:04.0/id absent\n",
			      "# coverage pci complete\npci 0000:00:03.0/id 2\npci 0000:00:03.0/bar0 2\npci 0000:00:04.0/id 1\npci 0000:00:05.0/id 1\n",
			      "# coverage pci witnessed\npci 0000:00:03.0/id 1\npci 0000:00:04.0/id absent\npci 0000:00:05.0/id 1\n"), 1);
}

static void a_facet_becomes_complete_where_all_that_was_known_agrees(void **state)
{
	(void)state;
	assert_int_equal(grow("# coverage pci witnessed late\npci 0000:00:03.0/id 1\npci 0000:00:03.0/subsystem 2\npci 0000:00:04.0/id absent\n",
			      "# coverage pci complete\npci 0000:00:03.0/class 3\npci 0000:00:03.0/id 1\npci 0000:00:05.0/id 1\n",
			      "# coverage pci complete\npci 0000:00:03.0/class 3\npci 0000:00:03.0/id 1\npci 0000:00:03.0/subsystem 2\n"
			      "pci 0000:00:05.0/id 1\n"), 3);
	assert_int_equal(grow("# coverage pci witnessed late\npci 0000:00:03.0/id 1\npci 0000:00:06.0/id 1\n",
			      "# coverage pci complete\npci 0000:00:03.0/id 1\n",
			      "# coverage pci witnessed late\npci 0000:00:03.0/id 1\npci 0000:00:06.0/id 1\n"), 0);
	assert_int_equal(grow("# coverage cpuid none blind\n", "# coverage cpuid complete\ncpuid k 1\n",
		"# coverage cpuid complete\ncpuid k 1\n"), 2);
	assert_int_equal(grow("# coverage cpuid complete\ncpuid k 1\n", "# coverage cpuid none blind\n",
		"# coverage cpuid complete\ncpuid k 1\n"), 0);
}

static bool revision(const char *last, const char *now)
{
	struct abi_entries a = ABI_ENTRIES_INIT, b = ABI_ENTRIES_INIT;
	bool result;

	side_make(last, &a);
	side_make(now, &b);
	result = drift_is_revision(&a, &b);
	assert_int_equal(drift_is_revision(&b, &a), result);
	entries_release(&a);
	entries_release(&b);
	return result;
}

static void a_revision_is_new_only_when_something_contradicts(void **state)
{
	(void)state;
	assert_false(revision("# coverage ports witnessed\nports a answered\n", "# coverage ports witnessed\nports b answered\n"));
	assert_true(revision("# coverage ports witnessed\nports a answered\n", "# coverage ports witnessed\nports a absent\n"));
	assert_true(revision("# coverage cpuid complete\ncpuid k 1\n", "# coverage cpuid complete\n"));
	assert_false(revision("# coverage cpuid complete\ncpuid k 1\n", "# coverage cpuid none\n"));
	assert_true(revision("# coverage placement complete\nplacement p 1\n", "# coverage placement complete\nplacement p 2\n"));
	assert_true(revision("# coverage identity complete\nidentity name a\n", "# coverage identity complete\nidentity name b\n"));
	assert_true(revision("# coverage pci complete\npci 0000:00:03.0/id 1\npci 0000:00:03.0/subsystem 1\n",
			     "# coverage pci complete\npci 0000:00:03.0/id 1\npci 0000:00:03.0/subsystem 2\n"));
}

/* ---- properties, over made-up fingerprints of a small world, so that keys meet often */

static uint32_t random_state;

static uint32_t random_below(uint32_t bound)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 10) % bound;
}

static void random_side(struct abi_entries *ret)
{
	static const struct {
		enum facet_id facet;
		const char *key;
		const char *values[3];
	} world[] = {
		{ FACET_CPUID, "0x00000001.0.ecx", { "0x00000000", "0x00002000", "0x00002000" } },
		{ FACET_PORTS, "0x0510/r8", { "answered", "absent", "answered" } },
		{ FACET_PORTS, "0x0511/r8", { "answered", "absent", "answered" } },
		{ FACET_PCI, "0000:00:03.0/id", { "8086:100e", "1af4:1000", "absent" } },
		{ FACET_PCI, "0000:00:03.0/bar0", { "x", "x", "y" } },
		{ FACET_PCI, "0000:00:03.0/subsystem", { "x", "x", "y" } },
		{ FACET_PCI, "0000:00:03.1/id", { "8086:100e", "1af4:1000", "absent" } },
		{ FACET_PCI, "0000:00:03.0/00.0/id", { "8086:100e", "1af4:1000", "absent" } },
		{ FACET_PCI, "0000:00:03.0/00.0/cap.11@0xa0", { "x", "x", "y" } },
		{ FACET_PLACEMENT, "0000:00:03.0/bar0", { "1", "1", "2" } },
		{ FACET_MEMORY, "0x0000000000000000", { "1", "1", "2" } },
	};
	*ret = (struct abi_entries)ABI_ENTRIES_INIT;
	for (int i = 0; i < FACETS; i++)
		assert_int_equal(entries_cover(ret, i, random_below(3), "because %u", random_below(3)), 0);
	for (size_t i = 0; i < sizeof(world) / sizeof(world[0]); i++) {
		const char *value = world[i].values[random_below(3)];

		/* As derived: only a witnessed facet says what is absent. */
		if (ret->coverage[world[i].facet].level == COVERAGE_NONE || random_below(2) ||
		    (strcmp(value, "absent") == 0 && ret->coverage[world[i].facet].level == COVERAGE_COMPLETE))
			continue;
		assert_int_equal(entries_add_escaped(ret, world[i].facet, world[i].key, value), 0);
	}
	entries_sort(ret);
}

static char *mirrored(const struct drift *d)
{
	struct buffer text = BUFFER_INIT;

	for (size_t i = 0; i < d->change_count; i++) {
		const struct drift_change *c = &d->changes[i];
		enum change_kind kind = c->kind == CHANGE_LOST ? CHANGE_GAINED : c->kind == CHANGE_GAINED ? CHANGE_LOST : CHANGE_CHANGED;

		buffer_printf(&text, "%s %s %s %s>%s\n", facet_get(c->facet)->name, c->key, change_kind_name(kind), c->to ? c->to : "",
			      c->from ? c->from : "");
	}
	return buffer_take(&text, NULL);
}

static void there_and_back_are_the_same_drift(void **state)
{
	const struct drift_options options = { .facets = DRIFT_ALL_FACETS, .same_guest = true };

	(void)state;
	random_state = 1;
	for (int turn = 0; turn < 3000; turn++) {
		struct abi_entries a, b;
		struct drift there = DRIFT_INIT, back = DRIFT_INIT, self = DRIFT_INIT;
		char *one, *other;

		random_side(&a);
		random_side(&b);
		assert_int_equal(drift_compare(&a, NULL, &b, NULL, &options, &there), 0);
		assert_int_equal(drift_compare(&b, NULL, &a, NULL, &options, &back), 0);
		assert_int_equal(drift_compare(&a, NULL, &a, NULL, &options, &self), 0);
		one = changes_text(&there);
		other = mirrored(&back);
		assert_string_equal(one, other);
		assert_int_equal(self.change_count + self.moved_count + self.unknown_count, 0);
		assert_int_equal(drift_is_revision(&a, &b), drift_is_revision(&b, &a));
		if (!drift_is_revision(&a, &b))
			assert_int_equal(there.change_count, 0);
		free(one);
		free(other);
		drift_release(&there);
		drift_release(&back);
		drift_release(&self);
		entries_release(&a);
		entries_release(&b);
	}
}

static void growing_never_makes_or_hides_a_drift(void **state)
{
	const struct drift_options options = { .facets = DRIFT_ALL_FACETS, .same_guest = true };

	(void)state;
	random_state = 2;
	for (int turn = 0; turn < 3000; turn++) {
		struct abi_entries known, now, grown;
		struct drift before = DRIFT_INIT, after = DRIFT_INIT;
		struct digest whole_before, whole_after;
		size_t joined = 0, again = 0;
		char *one, *other;
		bool rose = false;

		random_side(&known);
		random_side(&now);
		assert_int_equal(entries_copy(&known, &grown), 0);
		assert_int_equal(drift_grow(&grown, &now, &joined), 0);
		assert_int_equal(drift_compare(&known, NULL, &now, NULL, &options, &before), 0);
		assert_int_equal(drift_compare(&grown, NULL, &now, NULL, &options, &after), 0);
		one = changes_text(&before);
		other = changes_text(&after);
		assert_string_equal(one, other);
		assert_false(drift_is_revision(&known, &grown));
		assert_int_equal(drift_is_revision(&known, &now), drift_is_revision(&grown, &now));
		for (int i = 0; i < FACETS; i++)
			rose = rose || known.coverage[i].level != grown.coverage[i].level;
		fingerprint_digest(&known, &whole_before);
		fingerprint_digest(&grown, &whole_after);
		if (!rose)
			assert_string_equal(whole_before.text, whole_after.text);
		assert_int_equal(drift_grow(&grown, &now, &again), 0);
		assert_int_equal(again, 0);
		free(one);
		free(other);
		drift_release(&before);
		drift_release(&after);
		entries_release(&known);
		entries_release(&now);
		entries_release(&grown);
	}
}

static void two_drifts_are_one_when_their_changes_are(void **state)
{
	static const char from[] = "# coverage cpuid complete\ncpuid a 1\ncpuid b 1\n";
	struct drift one = DRIFT_INIT, other = DRIFT_INIT;
	struct digest first, second;

	(void)state;
	compare(from, "# coverage cpuid complete\ncpuid a 2\ncpuid b 1\n", true, &one);
	compare("# coverage cpuid complete\n# coverage ports witnessed\nports p absent\ncpuid a 1\n", "# coverage cpuid complete\n"
		"cpuid a 2\n", true, &other);
	drift_digest(&one, &first);
	drift_digest(&other, &second);
	assert_true(digest_prefix_valid(first.text));
	assert_string_equal(first.text, second.text);
	drift_release(&other);
	compare(from, "# coverage cpuid complete\ncpuid a 1\ncpuid b 2\n", true, &other);
	drift_digest(&other, &second);
	assert_string_not_equal(first.text, second.text);
	drift_release(&one);
	drift_release(&other);
	drift_digest(&one, &first);
	assert_string_equal(first.text, "");
}

static void names_of_severities_are_read_back(void **state)
{
	enum severity severity;

	(void)state;
	for (int i = SEVERITY_NONE; i <= SEVERITY_CRITICAL; i++) {
		assert_int_equal(severity_parse(severity_name(i), &severity), 0);
		assert_int_equal(severity, i);
	}
	assert_int_equal(severity_parse("fatal", &severity), -EINVAL);
}

/* A guest chooses none of this, but a file does: paths without end, keys that are no paths. */
static void made_up_keys_are_survived(void **state)
{
	struct buffer deep = BUFFER_INIT, from = BUFFER_INIT;
	struct drift d = DRIFT_INIT;

	(void)state;
	for (int i = 0; i < 20000; i++)
		buffer_string(&deep, "0/");
	buffer_printf(&from, "# coverage pci witnessed\npci %sid 1\npci /id 1\npci / 1\npci id 1\npci .7/id 1\npci 7/id 1\n"
		"pci //7/id 1\nplacement %s 1\n"
		      "placement / 1\n", deep.data, deep.data);
	compare(from.data, "# coverage pci witnessed\npci 0/id absent\npci / 2\n# coverage placement complete\n", true, &d);
	assert_int_equal(d.change_count, 1);
	drift_release(&d);
	compare("# coverage pci complete\n", from.data, true, &d);
	assert_true(d.change_count > 4);
	drift_release(&d);
	buffer_release(&deep);
	buffer_release(&from);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_evidence_against_evidence_is_drift),
		cmocka_unit_test(a_port_that_answers_nobody_any_more_has_changed),
		cmocka_unit_test(a_key_that_only_one_side_met_is_unknown_but_no_drift),
		cmocka_unit_test(a_facet_that_fell_from_complete_is_said_and_makes_the_result_unknown),
		cmocka_unit_test(drift_wins_over_unknown),
		cmocka_unit_test(what_was_only_witnessed_of_a_function_follows_it),
		cmocka_unit_test(a_function_that_answers_nobody_is_lost_with_all_its_keys),
		cmocka_unit_test(functions_go_with_their_device_and_their_bridge),
		cmocka_unit_test(changes_come_by_facet_and_key),
		cmocka_unit_test(what_names_one_guest_is_not_compared_between_two),
		cmocka_unit_test(another_name_of_a_guest_is_no_drift),
		cmocka_unit_test(what_is_not_seen_answers_nothing),
		cmocka_unit_test(a_facet_that_has_not_settled_is_left_out),
		cmocka_unit_test(an_address_that_moved_is_shown_under_what_moved_it),
		cmocka_unit_test(what_moved_behind_a_bridge_is_shown_under_the_bridge),
		cmocka_unit_test(placement_alone_is_no_drift),
		cmocka_unit_test(the_host_side_is_told_without_the_noise_of_a_start),
		cmocka_unit_test(a_switch_is_the_same_as_number_and_as_word),
		cmocka_unit_test(evidence_that_is_only_new_joins),
		cmocka_unit_test(nothing_of_another_device_joins),
		cmocka_unit_test(a_facet_becomes_complete_where_all_that_was_known_agrees),
		cmocka_unit_test(a_revision_is_new_only_when_something_contradicts),
		cmocka_unit_test(there_and_back_are_the_same_drift),
		cmocka_unit_test(why_nothing_is_seen_is_learnt_later),
		cmocka_unit_test(growing_never_makes_or_hides_a_drift),
		cmocka_unit_test(two_drifts_are_one_when_their_changes_are),
		cmocka_unit_test(names_of_severities_are_read_back),
		cmocka_unit_test(made_up_keys_are_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

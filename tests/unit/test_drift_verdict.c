/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rule of what may change a guest, and how bad it is: by cause, by known exception, by whether the guest ran. Which cause
 * explains a change, what excuses it and what shows hot-plug are asked of stand-ins here; they have tests of their own.
 */
#include "tests/unit/sides.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "userspace/abi/hotplug.h"
#include "userspace/drift/causes.h"
#include "userspace/drift/stability.h"
#include "userspace/drift/verdict.h"

/* ---- stand-ins */

struct given_cause {
	const char *factor; /* NULL: end */
	enum cause_strength strength;
};

static const struct given_cause *given_causes;
static const char *given_excused; /* this factor is */
static bool given_hotplug;
static const char excuse_text[] = "the guest has it from the host";

int causes_prepare(const struct drift *d, struct causes **ret)
{
	(void)d;
	*ret = NULL;
	return 0;
}

void causes_free(struct causes *c) { (void)c; }

void causes_firmware_stays(struct causes *c, const struct abi_entries *now) { (void)c, (void)now; }

int causes_fill(const struct causes *causes, struct drift_change *change)
{
	size_t count = 0;

	(void)causes;
	while (given_causes && given_causes[count].factor)
		count++;
	if (count == 0)
		return 0;
	change->causes = calloc(count, sizeof(*change->causes));
	if (!change->causes)
		return -ENOMEM;
	for (change->cause_count = 0; change->cause_count < count; change->cause_count++)
		change->causes[change->cause_count] = (struct drift_cause){
			.factor = strdup(given_causes[change->cause_count].factor),
			.strength = given_causes[change->cause_count].strength,
		};
	return 0;
}

const char *stability_excuse(const struct drift *d, const struct drift_change *change, const struct drift_cause *cause,
			     const struct drift_circumstances *circumstances)
{
	(void)d, (void)change, (void)circumstances;
	return given_excused && cause && strcmp(cause->factor, given_excused) == 0 ? excuse_text : NULL;
}

bool hotplug_evidence(const struct guest_facts *facts, enum facet_id facet, const char *key, bool came, struct buffer *out)
{
	(void)facts, (void)facet, (void)key, (void)came;
	buffer_string(out, "eject port 0xae08");
	return given_hotplug;
}

/* ---- judging */

enum life { REBOOTED, RUNNING };

static void judge(const char *from, const char *to, enum life life, bool contexts, struct drift *ret)
{
	struct abi_entries a = ABI_ENTRIES_INIT, b = ABI_ENTRIES_INIT;
	struct context empty = CONTEXT_INIT;
	const struct drift_options options = { .facets = DRIFT_ALL_FACETS, .same_guest = true };
	const struct drift_circumstances circumstances = {
		.from = contexts ? &empty : NULL, .to = contexts ? &empty : NULL, .now = &b,
		/* It began as the baseline has it, or as it is now. */
		.boot_began = life == RUNNING ? &a : &b,
		.facts = (const struct guest_facts *)(const void *)&a,
	};

	side_make(from, &a);
	side_make(to, &b);
	*ret = (struct drift)DRIFT_INIT;
	assert_int_equal(drift_compare(&a, NULL, &b, NULL, &options, ret), 0);
	assert_int_equal(drift_judge(ret, &circumstances), 0);
	/* Whoever asks twice gets the same answer, and leaks nothing. */
	assert_int_equal(drift_judge(ret, &circumstances), 0);
	entries_release(&a);
	entries_release(&b);
}

static const struct drift_change *change_of(const struct drift *d, const char *key)
{
	for (size_t i = 0; i < d->change_count; i++)
		if (strcmp(d->changes[i].key, key) == 0)
			return &d->changes[i];
	fail_msg("no change of %s", key);
	return NULL;
}

/* ---- the rule */

enum { DISASTER, HARM, COSMETIC, UNKNOWN_HARM, CLOCK, SAMPLES };

/* One change of each kind: what it breaks, and whether a running guest trips over it. */
static const struct sample {
	const char *from, *to;
	bool loss;
} samples[SAMPLES] = {
	[DISASTER] = { "# coverage cpuid complete\ncpuid 0x80000001.0.edx 0x20100800\n", "# coverage cpuid complete\ncpuid 0x80000001.0.edx 0x00100800\n", true },
	[HARM] = { "# coverage memory complete\nmemory 0x00000000fffc0000 size=0x40000 rom\n", "# coverage memory complete\nmemory 0x00000000fffc0000 size=0x20000 rom\n", true },
	[COSMETIC] = { "# coverage acpi complete\nacpi RSDT/revision 1\n", "# coverage acpi complete\nacpi RSDT/revision 2\n", false },
	[UNKNOWN_HARM] = { "# coverage acpi complete\nacpi FACP/century 0x32\n", "# coverage acpi complete\nacpi FACP/century 0x00\n", false },
	[CLOCK] = { "# coverage cpuid complete\ncpuid 0x40000010.0.eax 0x001e8480\n", "# coverage cpuid complete\ncpuid 0x40000010.0.eax 0x002dc6c0\n", false },
};

#define I SEVERITY_INFO
#define W SEVERITY_WARNING
#define C SEVERITY_CRITICAL

static const struct rule {
	const char *factor; /* NULL: nothing explains it */
	bool excused;
	enum verdict verdict;
	enum severity rebooted[SAMPLES], running[SAMPLES];
} rules[] = {
	/*                                                       disaster harm cosmetic unknown clock */
	{ NULL,                         false, VERDICT_UNEXPLAINED, { C, W, W, W, W }, { C, C, W, W, C } },
	{ "option.device",              false, VERDICT_INTENDED,    { I, I, I, I, I }, { C, C, I, I, C } },
	{ "machine",                    false, VERDICT_INTENDED,    { I, I, I, I, I }, { C, C, I, I, C } },
	{ "cpu",                        false, VERDICT_INTENDED,    { I, I, I, I, I }, { C, C, I, I, C } },
	{ "backend.drive",              false, VERDICT_VIOLATION,   { C, W, I, W, W }, { C, C, I, W, C } },
	{ "backend.drive",              true,  VERDICT_EXEMPT,      { W, I, I, I, I }, { C, C, I, I, C } },
	{ "vmm.version",                false, VERDICT_VIOLATION,   { C, W, I, W, W }, { C, C, I, W, C } },
	{ "vmm.version",                true,  VERDICT_EXEMPT,      { W, I, I, I, I }, { C, C, I, I, C } },
	{ "firmware./usr/share/bios",   false, VERDICT_VIOLATION,   { C, W, I, I, W }, { C, C, I, I, C } },
	{ "firmware./usr/share/bios",   true,  VERDICT_EXEMPT,      { W, I, I, I, I }, { C, C, I, I, C } },
	{ "kernel",                     false, VERDICT_VIOLATION,   { C, W, I, W, W }, { C, C, I, W, C } },
	{ "kvm.kvm_intel.nested",       false, VERDICT_VIOLATION,   { C, W, I, W, W }, { C, C, I, W, C } },
	{ "host_cpu",                   false, VERDICT_VIOLATION,   { C, W, I, W, W }, { C, C, I, W, C } },
	{ "host_cpu",                   true,  VERDICT_EXEMPT,      { W, I, I, I, I }, { C, C, I, I, C } },
	{ "microcode",                  false, VERDICT_VIOLATION,   { C, W, I, W, W }, { C, C, I, W, C } },
	{ "abidrift",                   false, VERDICT_EXEMPT,      { W, I, I, I, I }, { C, C, I, I, C } },
	/* Says where something is, and moves nothing. */
	{ "vmm.path",                   false, VERDICT_UNEXPLAINED, { C, W, W, W, W }, { C, C, W, W, C } },
};

static void rule_check(const struct rule *rule, size_t sample, enum life life)
{
	const struct given_cause causes[] = { { rule->factor, CAUSE_LIKELY }, { NULL, CAUSE_NONE } };
	enum severity expected = life == RUNNING ? rule->running[sample] : rule->rebooted[sample];
	const char *factor = rule->factor ? rule->factor : "nothing";
	const struct drift_change *c;
	struct drift d;

	given_causes = causes;
	given_excused = rule->excused ? rule->factor : NULL;
	judge(samples[sample].from, samples[sample].to, life, true, &d);
	assert_int_equal(d.change_count, 1);
	c = &d.changes[0];
	if (c->verdict != rule->verdict)
		fail_msg("by %s%s: %s, not %s", factor, rule->excused ? " (excused)" : "", verdict_name(c->verdict), verdict_name(rule->verdict));
	if (c->severity != expected)
		fail_msg("by %s%s, sample %zu, %s: %s, not %s", factor, rule->excused ? " (excused)" : "", sample,
			 life == RUNNING ? "running" : "rebooted", severity_name(c->severity), severity_name(expected));
	assert_int_equal(c->while_running, life == RUNNING);
	assert_int_equal(c->firmware, strncmp(factor, "firmware.", 9) == 0);
	assert_int_equal(c->why != NULL, rule->verdict == VERDICT_EXEMPT);
	/* Of a table's revision nobody needs to hear what it breaks. */
	assert_int_equal(c->impact != NULL, sample != UNKNOWN_HARM && sample != COSMETIC);
	drift_release(&d);
	given_causes = NULL;
	given_excused = NULL;
}

static void who_may_change_a_guest_and_how_bad_it_is(void **state)
{
	(void)state;
	for (size_t r = 0; r < sizeof(rules) / sizeof(rules[0]); r++)
		for (size_t sample = 0; sample < SAMPLES; sample++) {
			rule_check(&rules[r], sample, REBOOTED);
			rule_check(&rules[r], sample, RUNNING);
		}
}

/* Two files are compared: that nothing around the guest changed is not known, so what is cosmetic stays so. */
static void without_contexts_nothing_is_suspicious_by_itself(void **state)
{
	struct drift d;

	(void)state;
	judge(samples[COSMETIC].from, samples[COSMETIC].to, REBOOTED, false, &d);
	assert_int_equal(d.changes[0].verdict, VERDICT_UNEXPLAINED);
	assert_int_equal(d.changes[0].severity, I);
	drift_release(&d);
}

/* A body that differs alone says less than anything beside it: no alarm of its own, whatever the cause. */
static void a_digest_alone_alarms_nobody(void **state)
{
	struct drift d;

	(void)state;
	judge("# coverage acpi complete\nacpi DSDT/_SB.PCI0._UID 1\nacpi DSDT/body sha256:00\nacpi DSDT/length 8409\n",
	      "# coverage acpi complete\nacpi DSDT/_SB.PCI0._UID 0\nacpi DSDT/body sha256:01\nacpi DSDT/length 8410\n", REBOOTED, true, &d);
	assert_int_equal(change_of(&d, "DSDT/_SB.PCI0._UID")->severity, W);
	assert_int_equal(change_of(&d, "DSDT/body")->severity, I);
	assert_int_equal(change_of(&d, "DSDT/length")->severity, I);
	drift_release(&d);
}

static void of_causes_equally_good_the_mildest_decides(void **state)
{
	static const struct {
		struct given_cause causes[4];
		const char *excused;
		enum verdict verdict;
	} cases[] = {
		{ { { "vmm.version", CAUSE_LIKELY }, { "machine", CAUSE_LIKELY } }, NULL, VERDICT_INTENDED },
		{ { { "vmm.version", CAUSE_LIKELY }, { "machine", CAUSE_LIKELY } }, "vmm.version", VERDICT_INTENDED },
		{ { { "kernel", CAUSE_LIKELY }, { "host_cpu", CAUSE_LIKELY } }, "host_cpu", VERDICT_EXEMPT },
		{ { { "kernel", CAUSE_LIKELY }, { "host_cpu", CAUSE_LIKELY } }, NULL, VERDICT_VIOLATION },
		/* What explains it worse does not wash it clean. */
		{ { { "vmm.version", CAUSE_LIKELY }, { "option.device", CAUSE_POSSIBLE } }, NULL, VERDICT_VIOLATION },
		{ { { "kernel", CAUSE_LIKELY }, { "host_cpu", CAUSE_POSSIBLE } }, "host_cpu", VERDICT_VIOLATION },
		{ { { "vmm.path", CAUSE_CERTAIN }, { "machine", CAUSE_LIKELY } }, NULL, VERDICT_INTENDED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct drift d;

		given_causes = cases[i].causes;
		given_excused = cases[i].excused;
		judge(samples[HARM].from, samples[HARM].to, REBOOTED, true, &d);
		if (d.changes[0].verdict != cases[i].verdict)
			fail_msg("case %zu: %s, not %s", i, verdict_name(d.changes[0].verdict), verdict_name(cases[i].verdict));
		assert_int_equal(d.changes[0].why != NULL, cases[i].verdict == VERDICT_EXEMPT);
		drift_release(&d);
	}
	given_causes = NULL;
	given_excused = NULL;
}

/* ---- while it ran */

#define NIC "pci 0000:00:03.0/id 1af4:1000\npci 0000:00:03.0/class 020000\npci 0000:00:03.0/bar0 io size=0x20\npci 0000:00:03.0/header 00\n"
#define PCI "# coverage pci complete\n"

static void what_the_guest_ejected_itself_is_intended(void **state)
{
	static const struct given_cause upgrade[] = { { "vmm.version", CAUSE_POSSIBLE }, { NULL, CAUSE_NONE } };

	(void)state;
	given_causes = upgrade;
	for (int hotplug = 0; hotplug < 2; hotplug++)
		for (enum life life = REBOOTED; life <= RUNNING; life++) {
			bool ejected = hotplug && life == RUNNING;
			const struct drift_change *id;
			struct drift d;

			given_hotplug = hotplug;
			judge(PCI NIC, PCI, life, true, &d);
			id = change_of(&d, "0000:00:03.0/id");
			assert_int_equal(id->verdict, ejected ? VERDICT_INTENDED : VERDICT_VIOLATION);
			assert_int_equal(id->severity, ejected ? I : life == RUNNING ? C : W);
			assert_string_equal(id->causes[0].factor, ejected ? "hotplug" : "vmm.version");
			if (ejected)
				assert_string_equal(id->causes[0].to, "eject port 0xae08");
			drift_release(&d);
		}
	given_causes = NULL;
	given_hotplug = false;
}

static void only_a_loss_is_critical_under_a_running_guest(void **state)
{
	static const struct {
		const char *facet, *key, *from, *to;
		bool loss;
	} cases[] = {
		{ "pci", "0000:00:03.0/bar0", "mem32 size=0x20000", "mem32 size=0x10000", true },
		{ "pci", "0000:00:03.0/bar0", "mem32 size=0x20000", "io size=0x20000", true },
		{ "pci", "0000:00:03.0/bar0", "mem32 size=0x20000", "mem32 size=0x40000", false },
		{ "pci", "0000:00:03.0/bar2", "mem32 size=0x20000", NULL, true },
		{ "pci", "0000:00:03.0/bar2", NULL, "mem32 size=0x20000", false },
		{ "pci", "0000:00:03.0/class", "020000", "010000", true },
		{ "pci", "0000:00:03.0/cap.11@0x98.vectors", "9", "3", true },
		{ "pci", "0000:00:03.0/cap.11@0x98.vectors", "3", "9", false },
		{ "cpuid", "0x00000007.0.ebx", "0x00000020", "0x00000000", true },
		{ "cpuid", "0x00000007.0.ebx", "0x00000000", "0x00000020", false },
		{ "cpuid", "0x00000001.0.eax", "0x00050654", "0x000806f8", false },
		/* How a cache is built promises nothing. */
		{ "cpuid", "0x00000004.3.edx", "0x00000002", "0x00000000", false },
		/* The vCPUs agree again. */
		{ "cpuid", "0x00000007.0.ebx/vcpu.1", "0x00000020", NULL, false },
		{ "msr", "0x000000ce", "answered", "#GP", true },
		{ "msr", "0x0000008b", "0x0000000100000000", "0x0000000200000000", false },
		{ "ports", "0x0064/r8", "answered", "absent", true },
		{ "ports", "0x0064/r8", "absent", "answered", false },
		{ "memory", "0x0000000100000000", "size=0x40000000 ram", NULL, true },
		{ "memory", "0x0000000100000000", NULL, "size=0x40000000 ram", false },
		{ "smbios", "type1.0/manufacturer", "QEMU", "Red Hat", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buffer from = BUFFER_INIT, to = BUFFER_INIT;
		const struct drift_change *c;
		struct drift d;

		for (int side = 0; side < 2; side++) {
			struct buffer *out = side ? &to : &from;
			const char *value = side ? cases[i].to : cases[i].from;

			buffer_printf(out, "# coverage %s complete\n", cases[i].facet);
			if (strcmp(cases[i].facet, "pci") == 0)
				buffer_string(out, "pci 0000:00:03.0/id 8086:100e\n");
			if (value)
				buffer_printf(out, "%s %s %s\n", cases[i].facet, cases[i].key, value);
		}
		judge(from.data, to.data, RUNNING, true, &d);
		c = change_of(&d, cases[i].key);
		assert_true(c->while_running);
		if ((c->severity == SEVERITY_CRITICAL) != cases[i].loss)
			fail_msg("%s %s %s>%s: %s", cases[i].facet, cases[i].key, cases[i].from ? cases[i].from : "",
				 cases[i].to ? cases[i].to : "", severity_name(c->severity));
		drift_release(&d);
		buffer_release(&from);
		buffer_release(&to);
	}
}

/* ---- what belongs together */

/* Otherwise a disk that is gone is six alarms, five of them about registers. */
static void a_device_that_went_is_one_alarm(void **state)
{
	static const char disk[] =
		PCI "pci 0000:00:05.0/bar0 mem64 size=0x4000\npci 0000:00:05.0/class 010802\npci 0000:00:05.0/header 00\n"
		    "pci 0000:00:05.0/id 1b36:0010\npci 0000:00:05.0/pin A\npci 0000:00:05.0/revision 02\n";
	static const char *const parts[] = { "bar0", "header", "pin", "revision" };
	const struct drift_change *id, *class;
	struct drift d;

	(void)state;
	judge(disk, PCI, REBOOTED, true, &d);
	id = change_of(&d, "0000:00:05.0/id");
	class = change_of(&d, "0000:00:05.0/class");
	assert_int_equal(id->severity, C);
	assert_int_equal(class->severity, C);
	assert_non_null(strstr(id->impact, "disk controller"));
	assert_ptr_equal(id->impact, class->impact);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		char key[64];

		snprintf(key, sizeof(key), "0000:00:05.0/%s", parts[i]);
		assert_int_equal(change_of(&d, key)->severity, I);
		assert_null(change_of(&d, key)->impact);
	}
	drift_release(&d);
}

static void what_stood_behind_a_bridge_is_told_by_itself(void **state)
{
	static const char bridge[] =
		PCI "pci 0000:00:04.0/00.0/bar0 mem64 size=0x4000\npci 0000:00:04.0/00.0/class 010802\npci 0000:00:04.0/00.0/id 1b36:0010\n"
		    "pci 0000:00:04.0/bar0 mem32 size=0x1000\npci 0000:00:04.0/class 060400\npci 0000:00:04.0/id 1b36:000c\n";
	struct drift d;

	(void)state;
	judge(bridge, PCI, REBOOTED, true, &d);
	assert_non_null(strstr(change_of(&d, "0000:00:04.0/id")->impact, "bridge"));
	assert_int_equal(change_of(&d, "0000:00:04.0/id")->severity, W);
	assert_int_equal(change_of(&d, "0000:00:04.0/bar0")->severity, I);
	assert_non_null(strstr(change_of(&d, "0000:00:04.0/00.0/id")->impact, "disk"));
	assert_int_equal(change_of(&d, "0000:00:04.0/00.0/class")->severity, C);
	assert_int_equal(change_of(&d, "0000:00:04.0/00.0/bar0")->severity, I);
	drift_release(&d);
}

static void what_an_acpi_device_said_of_itself_goes_with_it(void **state)
{
	struct drift d;

	(void)state;
	judge("# coverage acpi complete\nacpi DSDT/_SB.PCI0.S18 Device\nacpi DSDT/_SB.PCI0.S18._ADR 0x00030000\nacpi DSDT/_SB.PCI0.S18._SUN 3\n"
	      "acpi DSDT/_SB.LNKA._HID PNP0C0F\nacpi DSDT/_SB.LNKA Device\n",
	      "# coverage acpi complete\nacpi DSDT/_SB.LNKA Device\n", REBOOTED, true, &d);
	assert_int_equal(change_of(&d, "DSDT/_SB.PCI0.S18")->severity, W);
	assert_int_equal(change_of(&d, "DSDT/_SB.PCI0.S18._ADR")->severity, I);
	assert_null(change_of(&d, "DSDT/_SB.PCI0.S18._ADR")->impact);
	/* Interfaces are named by it. */
	assert_int_equal(change_of(&d, "DSDT/_SB.PCI0.S18._SUN")->severity, W);
	/* A device that stays and says less. */
	assert_int_equal(change_of(&d, "DSDT/_SB.LNKA._HID")->severity, W);
	assert_non_null(change_of(&d, "DSDT/_SB.LNKA._HID")->impact);
	drift_release(&d);
}

static void a_bar_that_a_device_lost_is_an_alarm_of_its_own(void **state)
{
	struct drift d;

	(void)state;
	judge(PCI NIC, PCI "pci 0000:00:03.0/id 1af4:1000\npci 0000:00:03.0/class 020000\npci 0000:00:03.0/header 00\n", REBOOTED, true, &d);
	assert_int_equal(d.change_count, 1);
	assert_int_equal(d.changes[0].severity, W);
	assert_non_null(d.changes[0].impact);
	drift_release(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_may_change_a_guest_and_how_bad_it_is),
		cmocka_unit_test(without_contexts_nothing_is_suspicious_by_itself),
		cmocka_unit_test(a_digest_alone_alarms_nobody),
		cmocka_unit_test(of_causes_equally_good_the_mildest_decides),
		cmocka_unit_test(what_the_guest_ejected_itself_is_intended),
		cmocka_unit_test(only_a_loss_is_critical_under_a_running_guest),
		cmocka_unit_test(a_device_that_went_is_one_alarm),
		cmocka_unit_test(what_stood_behind_a_bridge_is_told_by_itself),
		cmocka_unit_test(what_an_acpi_device_said_of_itself_goes_with_it),
		cmocka_unit_test(a_bar_that_a_device_lost_is_an_alarm_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/sides.h"

#include <errno.h>
#include <stdlib.h>

#include "userspace/drift/suppress.h"

#define SECOND_NS INT64_C(1000000000)
#define MIDNIGHT_2026 (INT64_C(1767225600) * SECOND_NS)

static struct suppressions *rules_make(const char *const *lines)
{
	struct suppressions *s = suppressions_new();
	struct error e = ERROR_INIT;

	assert_non_null(s);
	for (; *lines; lines += 3)
		if (suppressions_set(s, lines[0], lines[1], lines[2], &e) < 0)
			fail_msg("%s", e.text);
	if (suppressions_check(s, NULL, &e) < 0)
		fail_msg("%s", e.text);
	return s;
}

static struct drift_change *change_add(struct drift *d, enum facet_id facet, const char *key, enum change_kind kind)
{
	struct drift_change *c;

	d->changes = realloc(d->changes, (d->change_count + 1) * sizeof(*d->changes));
	c = &d->changes[d->change_count++];
	*c = (struct drift_change){ .facet = facet, .key = strdup(key), .kind = kind };
	return c;
}

static void cause_add(struct drift_change *c, const char *factor, enum cause_strength strength)
{
	c->causes = realloc(c->causes, (c->cause_count + 1) * sizeof(*c->causes));
	c->causes[c->cause_count++] = (struct drift_cause){ .factor = strdup(factor), .strength = strength };
}

/* Five changes, as an upgrade of the VMM brings them. */
static void upgrade_make(struct drift *d)
{
	*d = (struct drift)DRIFT_INIT;
	cause_add(change_add(d, FACET_CPUID, "0x00000001.0.ecx", CHANGE_CHANGED), "microcode", CAUSE_LIKELY);
	cause_add(change_add(d, FACET_ACPI, "FACP/oem_table_id", CHANGE_CHANGED), "vmm.version", CAUSE_LIKELY);
	cause_add(&d->changes[1], "vmm.build_id", CAUSE_LIKELY);
	cause_add(&d->changes[1], "kernel", CAUSE_POSSIBLE);
	cause_add(change_add(d, FACET_ACPI, "APIC/lapic.1", CHANGE_GAINED), "option.smp", CAUSE_CERTAIN);
	cause_add(change_add(d, FACET_ACPI, "DSDT/body", CHANGE_CHANGED), "vmm.version", CAUSE_LIKELY);
	change_add(d, FACET_PCI, "0000:00:03.0/id", CHANGE_LOST);
}

/* Which of the five are hidden, a letter each: the first of its rule's name, or '-'. */
static void expect(const char *const *lines, const char *machine, const char *guest, const char *name, int64_t at, const char *hidden)
{
	struct suppressions *s = rules_make(lines);
	struct context to = CONTEXT_INIT;
	struct drift_circumstances c = { .to = &to, .suppress = s, .guest = guest, .name = name, .at = at };
	char found[8] = "";
	struct drift d;

	upgrade_make(&d);
	if (machine)
		assert_int_equal(context_set(&to, "machine", machine), 0);
	assert_int_equal(suppress(&d, &c), 0);
	for (size_t i = 0; i < d.change_count; i++)
		found[i] = d.changes[i].suppressed_by ? d.changes[i].suppressed_by[0] : '-';
	assert_string_equal(found, hidden);
	assert_int_equal(drift_result(&d, SEVERITY_NONE), strchr(hidden, '-') ? DRIFT_DRIFT : DRIFT_SAME);
	drift_release(&d);
	context_release(&to);
	suppressions_free(s);
}

#define RULE(...) (const char *const[]){ __VA_ARGS__, "r", "reason", "why", NULL }
#define HIDES(hidden, ...) expect(RULE(__VA_ARGS__), "pc-q35-7.2,accel=kvm", "id-1", "web-01", 1, hidden)

static void each_condition_narrows_a_rule(void **state)
{
	(void)state;
	HIDES("rrrrr", "r", "key", "*");
	HIDES("-rrr-", "r", "facet", "acpi");
	HIDES("-rrrr", "r", "facet", "acpi|pci");
	HIDES("-r---", "r", "key", "*/oem_table_id");
	HIDES("----r", "r", "change", "lost");
	HIDES("--r-r", "r", "change", "lost|gained");
	HIDES("r----", "r", "cause", "microcode");
	HIDES("rrrrr", "r", "machine", "pc-q35-*");
	HIDES("-----", "r", "machine", "pc-q35");
	HIDES("rrrrr", "r", "guest", "web-*");
	HIDES("rrrrr", "r", "guest", "id-1");
	HIDES("-----", "r", "guest", "web");
	HIDES("---r-", "r", "facet", "acpi", "r", "key", "*body", "r", "change", "changed", "r", "cause", "vmm.*", "r", "machine", "*", "r", "guest", "*");
	HIDES("-----", "r", "facet", "acpi", "r", "change", "lost");
}

static void a_cause_fits_only_among_the_best(void **state)
{
	(void)state;
	HIDES("-r-r-", "r", "cause", "vmm.version");
	HIDES("-r---", "r", "cause", "vmm.build_id");
	HIDES("-----", "r", "cause", "kernel");
	HIDES("rrrr-", "r", "cause", "*");
}

static void a_machine_is_its_type_however_the_command_line_says_it(void **state)
{
	const char *const *rule = RULE("r", "machine", "pc-q35-7.2");

	(void)state;
	expect(rule, "pc-q35-7.2", "g", NULL, 1, "rrrrr");
	expect(rule, "accel=kvm,type=pc-q35-7.2", "g", NULL, 1, "rrrrr");
	expect(rule, "pc-q35-7.20", "g", NULL, 1, "-----");
	expect(rule, NULL, "g", NULL, 1, "-----");
}

static void a_rule_that_has_ended_hides_nothing(void **state)
{
	const char *const *rule = RULE("r", "key", "*", "r", "until", "2026-01-01");

	(void)state;
	expect(rule, NULL, "g", NULL, MIDNIGHT_2026 - 1, "rrrrr");
	expect(rule, NULL, "g", NULL, MIDNIGHT_2026, "-----");
}

static void a_rule_that_fits_more_than_it_says_hides_none(void **state)
{
	(void)state;
	HIDES("-rrr-", "r", "facet", "acpi", "r", "at_most", "3");
	HIDES("-----", "r", "facet", "acpi", "r", "at_most", "2");
}

/* The one that may not is no reason for the next one not to; and what the first one hides the second one does not count. */
static void the_first_rule_that_fits_and_may_counts(void **state)
{
	(void)state;
	HIDES("-rbr-", "b", "key", "APIC/*", "b", "reason", "x", "r", "facet", "acpi", "r", "at_most", "2");
	HIDES("-ccc-", "b", "facet", "acpi", "b", "at_most", "1", "b", "reason", "x", "c", "facet", "acpi", "c", "reason", "x", "r", "key", "none");
}

static void what_rules_did_is_told(void **state)
{
	struct suppressions *s = rules_make(RULE("a", "facet", "acpi", "a", "at_most", "2", "a", "reason", "too much", "b", "key", "DSDT/*", "b", "reason", "x",
						 "r", "key", "nothing"));
	struct drift_circumstances c = { .suppress = s, .at = 1 };
	struct drift d;

	(void)state;
	upgrade_make(&d);
	assert_int_equal(suppress(&d, &c), 0);
	assert_int_equal(d.suppression_count, 2);
	assert_string_equal(d.suppressions[0].rule, "a");
	assert_string_equal(d.suppressions[0].reason, "too much");
	assert_int_equal(d.suppressions[0].changes, 3);
	assert_int_equal(d.suppressions[0].at_most, 2);
	assert_false(d.suppressions[0].applied);
	assert_string_equal(d.suppressions[1].rule, "b");
	assert_int_equal(d.suppressions[1].changes, 1);
	assert_true(d.suppressions[1].applied);
	drift_release(&d);
	suppressions_free(s);
}

static void judging_again_by_other_rules_starts_anew(void **state)
{
	struct suppressions *s = rules_make(RULE("r", "key", "*"));
	struct drift_circumstances c = { .suppress = s, .at = 1 };
	struct drift d;

	(void)state;
	upgrade_make(&d);
	assert_int_equal(drift_judge(&d, &c), 0);
	assert_int_equal(drift_result(&d, SEVERITY_NONE), DRIFT_SAME);
	c.suppress = NULL;
	assert_int_equal(drift_judge(&d, &c), 0);
	assert_int_equal(drift_result(&d, SEVERITY_NONE), DRIFT_DRIFT);
	assert_int_equal(d.suppression_count, 0);
	drift_release(&d);
	suppressions_free(s);
}

static void the_next_end_is_found(void **state)
{
	struct suppressions *s = rules_make(RULE("a", "key", "*", "a", "until", "2026-01-02", "a", "reason", "x", "b", "key", "*", "b", "until", "2026-01-01",
						 "b", "reason", "x", "r", "key", "*"));

	(void)state;
	assert_int_equal(suppressions_next_end(s, 0), MIDNIGHT_2026);
	assert_int_equal(suppressions_next_end(s, MIDNIGHT_2026), MIDNIGHT_2026 + 86400 * SECOND_NS);
	assert_true(suppressions_next_end(s, MIDNIGHT_2026 + 86400 * SECOND_NS) == INT64_MAX);
	assert_true(suppressions_next_end(NULL, 0) == INT64_MAX);
	assert_true(suppressions_stand(s, "b", MIDNIGHT_2026 - 1));
	assert_false(suppressions_stand(s, "b", MIDNIGHT_2026));
	assert_true(suppressions_stand(s, "r", INT64_MAX));
	assert_false(suppressions_stand(s, "taken out", 0));
	assert_false(suppressions_stand(NULL, "r", 0));
	suppressions_free(s);
}

static void refuses(const char *key, const char *value, const char *what)
{
	struct suppressions *s = suppressions_new();
	struct error e = ERROR_INIT;

	assert_int_equal(suppressions_set(s, "r", key, value, &e), -EINVAL);
	if (!strstr(e.text, what))
		fail_msg("\"%s\" does not say \"%s\"", e.text, what);
	suppressions_free(s);
}

static void a_mistake_in_a_rule_is_told(void **state)
{
	(void)state;
	refuses("keys", "*", "no key keys");
	refuses("key", "", "no value");
	refuses("facet", "acip", "no facet");
	refuses("change", "removed", "changed, lost or gained");
	refuses("change", "lost|", "changed, lost or gained");
	refuses("until", "tomorrow", "date");
	refuses("until", "2026-02-30", "date");
	refuses("at_most", "0", "number from 1");
	refuses("at_most", "many", "number from 1");
}

static void incomplete(const char *key, const char *value, const char *what)
{
	struct suppressions *s = suppressions_new();
	struct error e = ERROR_INIT;
	const char *rule = NULL;

	assert_int_equal(suppressions_set(s, "half", key, value, &e), 0);
	assert_int_equal(suppressions_check(s, &rule, &e), -EINVAL);
	assert_string_equal(rule, "half");
	if (!strstr(e.text, what))
		fail_msg("\"%s\" does not say \"%s\"", e.text, what);
	suppressions_free(s);
}

/* A rule without a reason is one that nobody dares to take out; one without a condition hides all there will ever be. */
static void a_rule_needs_a_reason_and_a_condition(void **state)
{
	(void)state;
	incomplete(NULL, NULL, "no reason");
	incomplete("key", "*", "no reason");
	incomplete("reason", "because", "what it hides");
}

/* A guest chooses keys: a rule that tried every way to fit a long one would not come to an end. */
static void a_hostile_key_stops_nobody(void **state)
{
	struct suppressions *s = rules_make(RULE("r", "key", "*a*a*a*a*a*a*a*a*b"));
	struct drift_circumstances c = { .suppress = s, .at = 1 };
	struct drift d = DRIFT_INIT;
	char key[60001];

	(void)state;
	memset(key, 'a', sizeof(key) - 1);
	key[sizeof(key) - 1] = '\0';
	change_add(&d, FACET_ACPI, key, CHANGE_CHANGED);
	assert_int_equal(suppress(&d, &c), 0);
	assert_null(d.changes[0].suppressed_by);
	drift_release(&d);
	suppressions_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_condition_narrows_a_rule),
		cmocka_unit_test(a_cause_fits_only_among_the_best),
		cmocka_unit_test(a_machine_is_its_type_however_the_command_line_says_it),
		cmocka_unit_test(a_rule_that_has_ended_hides_nothing),
		cmocka_unit_test(a_rule_that_fits_more_than_it_says_hides_none),
		cmocka_unit_test(the_first_rule_that_fits_and_may_counts),
		cmocka_unit_test(what_rules_did_is_told),
		cmocka_unit_test(judging_again_by_other_rules_starts_anew),
		cmocka_unit_test(the_next_end_is_found),
		cmocka_unit_test(a_mistake_in_a_rule_is_told),
		cmocka_unit_test(a_rule_needs_a_reason_and_a_condition),
		cmocka_unit_test(a_hostile_key_stops_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

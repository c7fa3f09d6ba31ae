// SPDX-License-Identifier: Apache-2.0
/* What a user would lose: numbers on dashboards that are not those of `ls`, or a metrics page that grows without bound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/stores.h"
#include "userspace/base/buffer.h"
#include "userspace/store/store.h"

static void put_life(struct store *s, int64_t guest, bool running, int64_t began_at, const char *state, enum coverage level)
{
	struct store_instance i = { .guest = guest, .host = (char *)"h", .running = running, .began_at = began_at, .state = (char *)state, .boot = 1 };
	for (int f = 0; f < FACETS; f++)
		i.coverage[f].level = f == FACET_CPUID ? level : COVERAGE_NONE;
	assert_int_equal(store_instance_put(s, &i), 0);
}

static int64_t put_uuid(struct store *s, const char *uuid, bool anonymous)
{
	struct store_guest g;
	assert_int_equal(store_guest_put(s, uuid, anonymous ? NULL : uuid, NULL, anonymous, &g), 0);
	int64_t row = g.row;
	store_guest_release(&g);
	return row;
}

static void drift(struct store *s, int64_t guest, const char *changes)
{
	struct buffer json = BUFFER_INIT;
	struct digest digest;
	if (changes)
		buffer_printf(&json, "{\"changes\":[%s]}", changes);
	digest_bytes(json.data, json.size, &digest);
	assert_int_equal(store_drift_set(s, guest, json.data, changes ? &digest : NULL, NULL, 5), 0);
	buffer_release(&json);
}

/* "name kind count; …" */
static char *told(struct store *s, int (*tally)(struct store *, struct store_tally **, size_t *))
{
	struct buffer out = BUFFER_INIT;
	struct store_tally *items = NULL;
	size_t count = 0;
	assert_int_equal(tally(s, &items, &count), 0);
	for (size_t i = 0; i < count; i++)
		buffer_printf(&out, "%s %s %zu; ", items[i].name, items[i].kind, items[i].count);
	store_tallies_free(items, count);
	buffer_string(&out, "");
	return buffer_take(&out, NULL);
}

static void assert_told(struct store *s, int (*tally)(struct store *, struct store_tally **, size_t *), const char *wanted)
{
	char *is = told(s, tally);
	assert_string_equal(is, wanted);
	free(is);
}

static void a_guest_counts_once_by_the_life_that_ls_shows(void **state)
{
	struct sandbox *box = *state;
	struct store *s = open_store(box->url, STORE_CREATE);
	int64_t a = put_guest(s, "a"), b = put_guest(s, "b"), c = put_guest(s, "c");
	put_guest(s, "never-seen-to-run");
	put_life(s, a, false, 10, "drift", COVERAGE_COMPLETE);
	put_life(s, a, true, 20, "same", COVERAGE_COMPLETE);
	put_life(s, b, false, 10, "same", COVERAGE_COMPLETE);
	put_life(s, b, false, 20, "drift", COVERAGE_COMPLETE);
	/* Two at once: a migration, or two guests with one UUID. */
	put_life(s, c, true, 10, "same", COVERAGE_WITNESSED);
	put_life(s, c, true, 20, "learning", COVERAGE_COMPLETE);
	assert_told(s, store_tally_states, "drift ended 1; learning running 1; same running 2; unknown ended 1; ");
	char *coverage = told(s, store_tally_coverage);
	assert_non_null(strstr(coverage, "cpuid complete 2; cpuid witnessed 1; "));
	assert_non_null(strstr(coverage, "pci none 3; "));
	free(coverage);
	store_close(s);
}

#define CHANGE(facet, severity) "{\"facet\":\"" facet "\",\"severity\":\"" severity "\",\"suppressed_by\":null}"
#define HIDDEN(facet, severity) "{\"facet\":\"" facet "\",\"severity\":\"" severity "\",\"suppressed_by\":\"rule\"}"

static void drift_counts_by_facet_with_its_worst_severity_and_only_while_it_is_open(void **state)
{
	struct sandbox *box = *state;
	struct store *s = open_store(box->url, STORE_CREATE);
	int64_t a = put_uuid(s, "u-a", false), b = put_uuid(s, "u-b", false), c = put_uuid(s, "anon-1-2", true), d = put_uuid(s, "u-d", false);
	drift(s, a, CHANGE("cpuid", "info") "," CHANGE("cpuid", "critical") "," CHANGE("pci", "warning"));
	drift(s, b, CHANGE("cpuid", "warning") "," HIDDEN("pci", "critical"));
	/* Nobody will see this guest again. */
	drift(s, c, CHANGE("cpuid", "critical"));
	drift(s, d, HIDDEN("cpuid", "critical"));
	assert_told(s, store_tally_drifted, "cpuid critical 1; cpuid warning 1; pci warning 1; ");

	assert_told(s, store_tally_worst, "critical  1; warning  1; ");

	struct store_drifting *items = NULL;
	size_t count = 0;
	assert_int_equal(store_drifting(s, 9, &items, &count), 0);
	assert_int_equal(count, 2);
	assert_string_equal(items[0].uuid, "u-a");
	assert_int_equal(items[0].severity, SEVERITY_CRITICAL);
	assert_int_equal(items[0].changes, 3);
	assert_int_equal(items[1].severity, SEVERITY_WARNING);
	store_drifting_free(items, count);
	assert_int_equal(store_drifting(s, 1, &items, &count), 0);
	assert_int_equal(count, 1);
	assert_string_equal(items[0].uuid, "u-a");
	store_drifting_free(items, count);

	drift(s, a, CHANGE("acpi", "info"));
	drift(s, b, NULL);
	assert_told(s, store_tally_drifted, "acpi info 1; ");
	put_life(s, c, true, 1, "drift", COVERAGE_NONE);
	assert_told(s, store_tally_drifted, "acpi info 1; cpuid critical 1; ");
	drift(s, a, NULL);
	drift(s, c, NULL);
	assert_told(s, store_tally_drifted, "");
	assert_int_equal(ask(box->path, "SELECT count(*) FROM drifted"), 0);
	store_close(s);
}

static void what_drifted_before_an_upgrade_counts_after_it(void **state)
{
	struct sandbox *box = *state;
	const char *const steps[] = { STORE_SETUP.steps[0], STORE_SETUP.steps[1], NULL };
	struct store_setup two = { .busy_ms = TEST_BUSY_MS, .steps = steps, .format = 2 };
	struct error e = ERROR_INIT;
	struct store *s = NULL;
	assert_int_equal(store_open_with(box->url, STORE_CREATE, &two, &s, &e), 0);
	store_close(s);
	tell(box->path, "INSERT INTO guests VALUES (4, 'u-1', 'u-1', 'web', 0, 3, 2), (5, 'u-2', 'u-2', NULL, 0, 1, 1);"
			"INSERT INTO drifts VALUES (4, 210, 'sha256:bb', '{\"changes\":[" CHANGE("smbios", "warning") "," HIDDEN("acpi", "info") "]}', NULL),"
			" (5, 210, 'sha256:cc', 'no JSON', NULL);");
	s = open_store(box->url, STORE_WRITE);
	assert_told(s, store_tally_drifted, "smbios warning 1; ");
	store_close(s);
}

static void combinations_beyond_the_bound_are_counted_together(void **state)
{
	struct sandbox *box = *state;
	struct store *s = open_store(box->url, STORE_CREATE);
	assert_int_equal(store_counter_add(s, "alerts", "x,y", 1), 0);
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 6; i++) {
			char labels[16];
			snprintf(labels, sizeof labels, "f%d,s", i);
			assert_int_equal(store_counter_add_bounded(s, "drift_events", labels, 3, "other,s", 1), 0);
		}
	struct store_counter *items = NULL;
	size_t count = 0;
	assert_int_equal(store_counters(s, &items, &count), 0);
	assert_int_equal(count, 5);
	assert_string_equal(items[1].labels, "f0,s");
	assert_int_equal(items[1].count, 2);
	assert_string_equal(items[4].labels, "other,s");
	assert_int_equal(items[4].count, 6);
	store_counters_free(items, count);
	store_close(s);
}

static void the_size_is_that_of_the_files(void **state)
{
	struct sandbox *box = *state;
	struct store *s = open_store(box->url, STORE_CREATE);
	uint64_t empty = 0, full = 0;
	assert_int_equal(store_size(s, &empty), 0);
	char *text = calloc(1, 1 << 20);
	memset(text, 'x', (1 << 20) - 1);
	put_revision(s, put_guest(s, "a"), text, 1);
	free(text);
	assert_int_equal(store_size(s, &full), 0);
	assert_true(empty > 0 && full >= empty + (1 << 20));
	store_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_guest_counts_once_by_the_life_that_ls_shows, sandbox_setup, sandbox_teardown),
		cmocka_unit_test_setup_teardown(drift_counts_by_facet_with_its_worst_severity_and_only_while_it_is_open, sandbox_setup, sandbox_teardown),
		cmocka_unit_test_setup_teardown(what_drifted_before_an_upgrade_counts_after_it, sandbox_setup, sandbox_teardown),
		cmocka_unit_test_setup_teardown(combinations_beyond_the_bound_are_counted_together, sandbox_setup, sandbox_teardown),
		cmocka_unit_test_setup_teardown(the_size_is_that_of_the_files, sandbox_setup, sandbox_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

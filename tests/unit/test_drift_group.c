/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/sides.h"

#include <jansson.h>
#include <stdio.h>

#include "userspace/drift/drift.h"
#include "userspace/drift/group.h"
#include "userspace/drift/view.h"

/* Each looked for among all that follow would be two thousand million looks: more than a test has time for. */
#define OBJECTS 60000

static void change_add(json_t *changes, const char *facet, const char *key, const char *change)
{
	const char *lost = strcmp(change, "lost") == 0 ? "1" : NULL, *gained = lost ? NULL : "1";

	assert_int_equal(json_array_append_new(changes, json_pack("{s:s, s:s, s:s, s:s?, s:s?, s:[], s:n, s:s, s:[]}", "facet", facet, "key", key, "change",
								  change, "from", lost, "to", gained, "fields", "meaning", "severity", "warning", "moved")),
			 0);
}

/* "whole DSDT lost 3": of each group whether it is a block, its subject, its kind and how many changes it has. */
static char *groups_of(const json_t *changes)
{
	struct group_cursor cursor = GROUP_CURSOR_INIT;
	struct buffer out = BUFFER_INIT;
	struct group g;

	while (group_next(changes, &cursor, &g))
		buffer_printf(&out, "%s%.*s %s %zu\n", g.block ? "whole " : "", (int)g.subject, g.key, g.kind, g.end - g.begin);
	return buffer_take(&out, NULL);
}

static void expect_groups(const char *const (*list)[3], size_t count, const char *expected)
{
	json_t *changes = json_array(), *ordered;
	char *text;

	for (size_t i = 0; i < count; i++)
		change_add(changes, list[i][0], list[i][1], list[i][2]);
	ordered = group_order(changes);
	text = groups_of(ordered);
	assert_string_equal(text, expected);
	free(text);
	json_decref(ordered);
	json_decref(changes);
}

static void a_table_is_whole_by_its_own_length_only(void **state)
{
	static const char *const list[][3] = {
		{ "acpi", "APIC/length", "gained" },     { "acpi", "APIC/revision", "gained" }, { "acpi", "DSDT/_SB.PCI0.S10", "lost" },
		{ "acpi", "DSDT/_SB.PCI0.S10._ADR", "lost" }, { "acpi", "DSDT/length", "changed" },  { "acpi", "SSDT/_SB.X", "lost" },
		{ "acpi", "SSDT/length", "lost" },       { "acpi", "SSDT/revision", "gained" }, { "acpi", "SSDTX/_SB.Y", "lost" },
		{ "smbios", "type1.1/handle", "lost" },  { "smbios", "type1.1/uuid", "lost" },  { "smbios", "type1.10/family", "lost" },
		{ "smbios", "type4.0/family", "lost" },  { "smbios", "type4.0/length", "lost" },
	};

	(void)state;
	expect_groups(list, sizeof list / sizeof *list,
		      "whole APIC gained 2\n"
		      "whole DSDT/_SB.PCI0.S10 lost 2\n"
		      "DSDT/length changed 1\n"
		      "whole SSDT lost 2\n"
		      "whole SSDT/revision gained 1\n"
		      "whole SSDTX/_SB.Y lost 1\n"
		      "whole type1.1 lost 2\n"
		      "type1.10/family lost 1\n"
		      "type4.0/family lost 1\n"
		      "type4.0/length lost 1\n");
}

/* A guest has as many objects as it likes: `diff`, the page and an archive of it must come all the same, and alerts of others too. */
static void a_table_with_very_many_objects_is_read_once(void **state)
{
	json_t *changes = json_array(), *diff;
	struct buffer out = BUFFER_INIT;
	char key[64];

	(void)state;
	for (unsigned i = 0; i < OBJECTS; i++) {
		snprintf(key, sizeof key, "DSDT/_SB.X%05u", i);
		change_add(changes, "acpi", key, i % 2 ? "lost" : "gained");
	}
	diff = json_pack("{s:s, s:o, s:[], s:[], s:[]}", "result", "drift", "changes", changes, "moved", "unknown", "context");
	drift_text(diff, &(struct drift_text_options){ .color = false }, &out);
	assert_false(buffer_failed(&out));
	assert_non_null(strstr(out.data, "drift: 60000 changes (30000 lost, 30000 gained)"));
	assert_non_null(strstr(out.data, "DSDT/_SB.X59999"));
	buffer_clear(&out);
	drift_summary(diff, 200, &out);
	assert_false(buffer_failed(&out));
	buffer_release(&out);
	json_decref(diff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_table_is_whole_by_its_own_length_only),
		cmocka_unit_test(a_table_with_very_many_objects_is_read_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

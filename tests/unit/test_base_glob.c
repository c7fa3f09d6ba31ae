/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "userspace/base/glob.h"

static void patterns_mean_what_people_expect(void **state)
{
	static const struct { const char *pattern, *text; bool fits; } cases[] = {
		{ "acpi", "acpi", true }, { "acpi", "acpi2", false }, { "", "", true }, { "", "x", false },
		{ "*", "", true }, { "*", "FACP/revision", true }, { "*/oem_table_id", "SSDT.1/oem_table_id", true },
		{ "*/oem_table_id", "SSDT.1/oem_id", false }, { "0x00000001.?.e?x", "0x00000001.0.ecx", true },
		{ "a*b*c", "aXbYbZc", true }, { "a*b*c", "aXbYbZ", false }, { "a|b*|c", "bcd", true }, { "a|b*|c", "cd", false },
		{ "a|", "", true }, { "[a]", "a", false }, { "type1.0/*|type2.*", "type2.1/serial", true }, { "**", "x", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(glob_match(cases[i].pattern, cases[i].text), cases[i].fits);
}

static void hostile_text_costs_no_more_than_its_length(void **state)
{
	char *text = malloc(1 << 20);

	(void)state;
	assert_non_null(text);
	memset(text, 'a', (1 << 20) - 1);
	text[(1 << 20) - 1] = '\0';
	/* With a search that tried every star again this would not end. */
	assert_false(glob_match("*a*a*a*a*a*a*a*a*b", text));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_mean_what_people_expect),
		cmocka_unit_test(hostile_text_costs_no_more_than_its_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What is said of a value must not lack a part because memory ran short, unless whoever shows it is told. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "userspace/abi/facet.h"
#include "userspace/base/memory.h"

static int copies = -1; /* that there is memory for; less than 0: any number */

char *strdup(const char *text)
{
	size_t bytes = strlen(text) + 1;
	char *copy = copies ? malloc(bytes) : NULL;

	copies -= copies > 0;
	return copy ? memcpy(copy, text, bytes) : NULL;
}

static void a_field_that_lacks_memory_is_not_there_and_counts_as_a_shortage(void **state)
{
	struct abi_fields fields = { 0 };

	(void)state;
	assert_int_equal(abi_fields_add(&fields, "vendor", "31:0", "1", "2"), 0);
	for (int enough = 0; enough < 4; enough++) {
		unsigned before = memory_shortages();

		copies = enough;
		assert_int_equal(abi_fields_add(&fields, "device", "63:32", "3", "4"), -ENOMEM);
		copies = -1;
		assert_int_equal(fields.count, 1);
		assert_int_equal(memory_shortages(), before + 1);
	}
	assert_int_equal(abi_fields_add(&fields, "device", "63:32", NULL, "4"), 0);
	assert_int_equal(fields.count, 2);
	assert_string_equal(fields.items[1].to, "4");
	assert_null(fields.items[1].from);
	abi_fields_release(&fields);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_field_that_lacks_memory_is_not_there_and_counts_as_a_shortage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "userspace/base/buffer.h"
#include "userspace/base/error.h"

static void text_grows_without_losing_a_byte(void **state)
{
	struct buffer b = BUFFER_INIT;
	(void)state;

	for (int i = 0; i < 10000; i++) {
		buffer_printf(&b, "%d,", i);
		assert_int_equal(b.data[b.size], '\0');
	}
	const char *p = b.data;
	for (int i = 0; i < 10000; i++) {
		char *end;
		assert_int_equal(strtol(p, &end, 10), i);
		assert_int_equal(*end, ',');
		p = end + 1;
	}
	assert_int_equal(p - b.data, b.size);
	buffer_release(&b);
	assert_null(b.data);
}

static void a_formatted_line_of_any_length_is_whole(void **state)
{
	char word[301];
	(void)state;

	memset(word, 'w', sizeof(word));
	for (size_t length = 0; length < sizeof(word); length++) {
		struct buffer b = BUFFER_INIT;
		buffer_string(&b, "begin ");
		buffer_printf(&b, "%.*s %s", (int)length, word, "end");
		assert_int_equal(b.size, 6 + length + 4);
		assert_string_equal(b.data + 6 + length, " end");
		buffer_release(&b);
	}
}

static void consumed_bytes_leave_the_rest(void **state)
{
	struct buffer b = BUFFER_INIT;
	(void)state;

	buffer_consume(&b, 1);
	buffer_append(&b, "ab\0cd", 5);
	buffer_consume(&b, 0);
	assert_int_equal(b.size, 5);
	buffer_consume(&b, 3);
	assert_string_equal(b.data, "cd");
	buffer_consume(&b, 7);
	assert_int_equal(b.size, 0);
	assert_string_equal(b.data, "");
	buffer_string(&b, "again");
	assert_string_equal(b.data, "again");
	buffer_release(&b);
}

static void taken_text_belongs_to_the_taker(void **state)
{
	struct buffer b = BUFFER_INIT;
	size_t size = 99;
	(void)state;

	char *text = buffer_take(&b, &size);
	assert_string_equal(text, "");
	assert_int_equal(size, 0);
	free(text);

	buffer_append(&b, "x\0y", 4);
	text = buffer_take(&b, &size);
	assert_int_equal(size, 4);
	assert_memory_equal(text, "x\0y", 4);
	free(text);
	assert_null(b.data);
	assert_int_equal(b.size, 0);
	text = buffer_take(&b, NULL);
	assert_string_equal(text, "");
	free(text);
}

static void memory_that_ran_out_is_told_and_not_taken_for_a_short_text(void **state)
{
	struct buffer b = BUFFER_INIT;
	(void)state;

	buffer_string(&b, "half");
	buffer_append(&b, "?", SIZE_MAX - 2);
	assert_true(buffer_failed(&b));
	buffer_string(&b, "more");
	buffer_printf(&b, "%d", 1);
	assert_string_equal(b.data, "half");
	assert_null(buffer_take(&b, NULL));
	assert_false(buffer_failed(&b));
	assert_null(b.data);
}

static void a_cleared_buffer_begins_anew(void **state)
{
	struct buffer b = BUFFER_INIT;
	(void)state;

	buffer_clear(&b);
	buffer_string(&b, "old");
	buffer_clear(&b);
	assert_int_equal(b.size, 0);
	assert_string_equal(b.data, "");
	buffer_append(&b, "?", SIZE_MAX / 2);
	assert_true(buffer_failed(&b));
	buffer_clear(&b);
	buffer_string(&b, "new");
	assert_false(buffer_failed(&b));
	assert_string_equal(b.data, "new");
	buffer_release(&b);
}

static void an_error_names_its_code_and_its_text(void **state)
{
	struct error e = ERROR_INIT;
	(void)state;

	assert_int_equal(error_set(&e, ENOENT, "cannot open %s", "a.conf"), -ENOENT);
	assert_string_equal(e.text, "cannot open a.conf");
	assert_int_equal(error_set(NULL, EIO, "nobody %s", "asks"), -EIO);
	/* A caller that passes on what it got must not return success by a wrong sign. */
	assert_int_equal(error_set(&e, -EIO, "x"), -EIO);
}

static void an_error_may_say_more_about_an_error(void **state)
{
	struct error e = ERROR_INIT;
	(void)state;

	error_set(&e, EINVAL, "bad duration");
	error_set(&e, EINVAL, "line %d: %s", 7, e.text);
	assert_string_equal(e.text, "line 7: bad duration");
}

static void an_error_never_drives_the_terminal(void **state)
{
	struct error e = ERROR_INIT;
	char longest[2000];
	(void)state;

	error_set(&e, EINVAL, "%s", "a\x1b[2Jb\nc\x7f \xc2\x9b \xe2\x80\xae z \xff gr\xc3\xbc\xc3\x9f");
	assert_string_equal(e.text, "a?[2Jb?c? ?? ??? z ? gr\xc3\xbc\xc3\x9f");
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	memcpy(longest + sizeof(e.text) - 2, "\xc3\xbc", 2);
	error_set(&e, EINVAL, "%s", longest);
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
	assert_int_equal(e.text[sizeof(e.text) - 2], '?');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_grows_without_losing_a_byte),
		cmocka_unit_test(a_formatted_line_of_any_length_is_whole),
		cmocka_unit_test(consumed_bytes_leave_the_rest),
		cmocka_unit_test(taken_text_belongs_to_the_taker),
		cmocka_unit_test(memory_that_ran_out_is_told_and_not_taken_for_a_short_text),
		cmocka_unit_test(a_cleared_buffer_begins_anew),
		cmocka_unit_test(an_error_names_its_code_and_its_text),
		cmocka_unit_test(an_error_may_say_more_about_an_error),
		cmocka_unit_test(an_error_never_drives_the_terminal),
	};

	return cmocka_run_group_tests_name("base: buffer and error", tests, NULL, NULL);
}

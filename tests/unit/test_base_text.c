// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "userspace/base/buffer.h"
#include "userspace/base/text.h"
#include "userspace/base/visible_json.h"

#define SECOND 1000000000ll
#define MUTATIONS 4000

/* xorshift64: the same sequence everywhere. */
static uint64_t random_next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

typedef void (*encoder)(struct buffer *out, const char *data, size_t size);

static void escape_key(struct buffer *out, const char *data, size_t size)
{
	text_escape(out, data, size, true);
}

static void escape_value(struct buffer *out, const char *data, size_t size)
{
	text_escape(out, data, size, false);
}

static void expect(encoder encode, const char *data, size_t size, const char *expected)
{
	struct buffer b = BUFFER_INIT;

	buffer_string(&b, "");
	encode(&b, data, size);
	assert_string_equal(b.data, expected);
	assert_int_equal(b.size, strlen(expected));
	buffer_release(&b);
}

#define EXPECT(encode, literal, expected) expect(encode, literal, sizeof(literal) - 1, expected)

/* ---- escaping */

static void fingerprint_lines_keep_their_form_whatever_a_guest_says(void **state)
{
	(void)state;
	EXPECT(escape_value, "Standard PC (Q35 + ICH9, 2009)", "Standard PC (Q35 + ICH9, 2009)");
	EXPECT(escape_key, "a b", "a\\x20b");
	EXPECT(escape_value, "a\nfirmware rom fake", "a\\x0afirmware rom fake");
	EXPECT(escape_value, "nul\0tab\tdel\x7f", "nul\\x00tab\\x09del\\x7f");
	EXPECT(escape_value, "C:\\x41", "C:\\x5cx41");
	EXPECT(escape_key, "gr\xc3\xbc\xff~", "gr\\xc3\\xbc\\xff~");
	EXPECT(escape_key, "", "");
}

static void escaping_loses_no_byte(void **state)
{
	uint64_t seed = 10917;
	(void)state;

	for (int round = 0; round < 500; round++) {
		struct buffer escaped = BUFFER_INIT, back = BUFFER_INIT;
		char bytes[64];
		size_t size = random_next(&seed) % sizeof(bytes);
		for (size_t i = 0; i < size; i++)
			bytes[i] = (char)random_next(&seed);
		text_escape(&escaped, bytes, size, round % 2);
		for (size_t i = 0; i < escaped.size; i++)
			assert_true(escaped.data[i] >= (round % 2 ? '!' : ' ') && escaped.data[i] <= '~');
		assert_int_equal(text_unescape(&back, escaped.data, escaped.size), 0);
		assert_int_equal(back.size, size);
		if (size > 0)
			assert_memory_equal(back.data, bytes, size);
		buffer_release(&escaped);
		buffer_release(&back);
	}
}

static void a_broken_escape_is_refused_and_adds_nothing(void **state)
{
	static const char *const broken[] = { "ok\\", "ok\\x", "ok\\x4", "ok\\xg1", "ok\\x1g", "ok\\n", "\\\\", "\\X41" };
	struct buffer b = BUFFER_INIT;
	(void)state;

	buffer_string(&b, "before");
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
		assert_int_equal(text_unescape(&b, broken[i], strlen(broken[i])), -EINVAL);
	assert_string_equal(b.data, "before");
	assert_int_equal(text_unescape(&b, "\\x41\\x7E", 8), 0);
	assert_string_equal(b.data, "beforeA~");
	/* Cut within the escape: the byte behind the end must not be looked at. */
	assert_int_equal(text_unescape(&b, "\\x41", 3), -EINVAL);
	buffer_release(&b);
}

static void in_columns(const char *text, size_t columns, const char *expected)
{
	struct buffer out = BUFFER_INIT;

	text_terminal_brief(&out, text, strlen(text), columns);
	assert_string_equal(out.data ? out.data : "", expected);
	buffer_release(&out);
}

/* A list of guests is of no use where one of them takes all of its width. */
static void a_long_name_is_cut_at_a_whole_character(void **state)
{
	(void)state;
	in_columns("", 4, "");
	in_columns("abcd", 4, "abcd");
	in_columns("abcde", 4, "abc\xe2\x80\xa6");
	in_columns("\xe6\x97\xa5\xe6\x97\xa5", 4, "\xe6\x97\xa5\xe6\x97\xa5");
	in_columns("\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5", 4, "\xe6\x97\xa5\xe2\x80\xa6");
	in_columns("a\x1b[31m", 5, "a\xe2\x80\xa6");
	in_columns("a\x1b[31m", 6, "a\\x1b\xe2\x80\xa6");
	in_columns("a\x1b[31m", 9, "a\\x1b[31m");
}

static void a_guest_cannot_drive_the_terminal(void **state)
{
	(void)state;
	EXPECT(text_terminal, "plain \xc3\xa9\xe6\x97\xa5\xf0\x9f\x98\x80", "plain \xc3\xa9\xe6\x97\xa5\xf0\x9f\x98\x80");
	EXPECT(text_terminal, "\x1b[31m\a\b\r\n\t\0\x7f", "\\x1b[31m\\x07\\x08\\x0d\\x0a\\x09\\x00\\x7f");
	EXPECT(text_terminal, "\xc2\x80\xc2\x9b\xc2\x9f\xc2\xa0", "\\xc2\\x80\\xc2\\x9b\\xc2\\x9f\\xc2\\xa0"); /* C1, and a space that is none */
	EXPECT(text_terminal, "\x9b" "31m", "\\x9b31m");
	/* What turns, parts or is not seen: two names must not look alike. Their neighbours stay. */
	EXPECT(text_terminal, "\xe2\x80\xaa\xe2\x80\xae", "\\xe2\\x80\\xaa\\xe2\\x80\\xae");
	EXPECT(text_terminal, "\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaf", "\\xe2\\x80\\xa8\\xe2\\x80\\xa9\\xe2\\x80\\xaf");
	EXPECT(text_terminal, "\xe2\x80\x8d\xe2\x80\x8e\xe2\x80\x8f\xd8\x9c\xd8\x9b", "\\xe2\\x80\\x8d\\xe2\\x80\\x8e\\xe2\\x80\\x8f\\xd8\\x9c\xd8\x9b");
	EXPECT(text_terminal, "web\xe2\x80\x8b\xef\xbb\xbf\xe3\x85\xa4\xe1\x85\x9f\xc2\xad\xef\xb8\x8f\xf3\xa0\x80\xa1\xe2\x80\xa6",
	       "web\\xe2\\x80\\x8b\\xef\\xbb\\xbf\\xe3\\x85\\xa4\\xe1\\x85\\x9f\\xc2\\xad\\xef\\xb8\\x8f\\xf3\\xa0\\x80\\xa1\xe2\x80\xa6");
	EXPECT(text_terminal, "\xe2\x81\xa6\xe2\x81\xa9", "\\xe2\\x81\\xa6\\xe2\\x81\\xa9");
	EXPECT(text_terminal, "\xe2\x81\xa5\xe2\x81\xaa", "\xe2\x81\xa5\\xe2\\x81\\xaa");
}

static void json_is_visible_ascii_alone(void **state)
{
	json_t *model = json_pack("{s:s}", "\x7fkey\x7f", "\x7f\x7f\x1b[31m\n\xc2\x9b\xe2\x80\xae\"<");
	char *text = visible_json(model, JSON_COMPACT);
	json_t *back = json_loads(text, 0, NULL);
	(void)state;

	assert_string_equal(text, "{\"\\u007fkey\\u007f\":\"\\u007f\\u007f\\u001B[31m\\n\\u009B\\u202E\\\"<\"}");
	assert_true(json_equal(model, back));
	assert_null(visible_json(NULL, JSON_COMPACT));
	json_decref(back);
	json_decref(model);
	free(text);
}

static void forms_that_are_not_utf8_do_not_pass_for_it(void **state)
{
	static const struct {
		const char *bytes, *terminal, *utf8;
	} cases[] = {
		{ "\xc0\xaf", "\\xc0\\xaf", "\xef\xbf\xbd\xef\xbf\xbd" },                                    /* overlong '/' */
		{ "\xe0\x80\xaf", "\\xe0\\x80\\xaf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xf0\x8f\xbf\xbf", "\\xf0\\x8f\\xbf\\xbf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },              /* surrogate */
		{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" }, /* > U+10FFFF */
		{ "\xf5", "\\xf5", "\xef\xbf\xbd" },
		{ "\x80z", "\\x80z", "\xef\xbf\xbdz" },                                                     /* stray continuation */
		{ "\xe6\x97", "\\xe6\\x97", "\xef\xbf\xbd\xef\xbf\xbd" },                                    /* cut off */
		{ "\xe6z\xc3", "\\xe6z\\xc3", "\xef\xbf\xbdz\xef\xbf\xbd" },
		{ "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf" },                              /* U+10FFFF is fine */
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		expect(text_terminal, cases[i].bytes, strlen(cases[i].bytes), cases[i].terminal);
		expect(text_utf8, cases[i].bytes, strlen(cases[i].bytes), cases[i].utf8);
	}
	EXPECT(text_utf8, "\x1b is JSON's to escape", "\x1b is JSON's to escape");
}

/* ---- durations and numbers */

static void durations_mean_what_the_config_says(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} good[] = {
		{ "0s", 0 }, { "1ms", 1000000 }, { "10s", 10000000000 }, { "60s", 60000000000 }, { "2m", 120000000000 },
		{ "3h", 10800000000000 }, { "400d", 34560000000000000 }, { "007s", 7000000000 }, { "18446744073s", 18446744073000000000u },
	};
	static const char *const bad[] = { "", "s", "10", "1.5s", "-1s", "+1s", " 1s", "1 s", "1s ", "1S", "1us", "1ns", "1min", "1sm", "0x1s" };
	static const char *const big[] = { "18446744074s", "213504d", "18446744073709551615ms", "18446744073709551616s",
					   "99999999999999999999999999d" };
	uint64_t ns;
	(void)state;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(text_duration(good[i].text, &ns), 0);
		assert_int_equal(ns, good[i].ns);
	}
	ns = 42;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(text_duration(bad[i], &ns), -EINVAL);
	for (size_t i = 0; i < sizeof(big) / sizeof(big[0]); i++)
		assert_int_equal(text_duration(big[i], &ns), -ERANGE);
	assert_int_equal(text_duration("99999999999999999999999999x", &ns), -EINVAL);
	assert_int_equal(ns, 42);
}

static void a_printed_duration_can_be_put_into_a_config(void **state)
{
	static const char *const texts[] = { "0s", "1ms", "999ms", "1500ms", "10s", "90s", "1m", "2h", "36h", "400d" };
	(void)state;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct buffer b = BUFFER_INIT;
		uint64_t ns = 0;
		assert_int_equal(text_duration(texts[i], &ns), 0);
		text_duration_put(&b, ns);
		assert_string_equal(b.data, texts[i]);
		buffer_release(&b);
	}
	struct buffer b = BUFFER_INIT;
	text_duration_put(&b, 1234567890);
	assert_string_equal(b.data, "1234ms");
	buffer_release(&b);
}

static void numbers_are_whole_or_refused(void **state)
{
	static const char *const bad[] = { "", " 1", "1 ", "-1", "+1", "0x", "x1", "1x", "0xg", "12a", "1e3", "0b1" };
	uint64_t n = 42;
	(void)state;

	assert_int_equal(text_u64("0", &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(text_u64("18446744073709551615", &n), 0);
	assert_int_equal(n, UINT64_MAX);
	assert_int_equal(text_u64("0xFFFFffffFFFFffff", &n), 0);
	assert_int_equal(n, UINT64_MAX);
	assert_int_equal(text_u64("010", &n), 0);
	assert_int_equal(n, 10);
	n = 42;
	assert_int_equal(text_u64("18446744073709551616", &n), -ERANGE);
	assert_int_equal(text_u64("0x10000000000000000", &n), -ERANGE);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(text_u64(bad[i], &n), -EINVAL);
	assert_int_equal(n, 42);
}

/* ---- times */

static void expect_time(int64_t ns, const char *expected)
{
	struct buffer b = BUFFER_INIT;

	text_time(&b, ns);
	assert_string_equal(b.data, expected);
	buffer_release(&b);
}

static void times_are_right_in_leap_years_and_before_1970(void **state)
{
	(void)state;
	expect_time(0, "1970-01-01T00:00:00.000Z");
	expect_time(-1, "1969-12-31T23:59:59.999Z");
	expect_time(-SECOND, "1969-12-31T23:59:59.000Z");
	expect_time(951782399 * SECOND, "2000-02-28T23:59:59.000Z");
	expect_time(951782400 * SECOND, "2000-02-29T00:00:00.000Z");
	expect_time(1709164800 * SECOND + 7999999, "2024-02-29T00:00:00.007Z");
	expect_time(1767225600 * SECOND, "2026-01-01T00:00:00.000Z");
	expect_time(-2208988800 * SECOND, "1900-01-01T00:00:00.000Z");
	expect_time(INT64_MAX, "2262-04-11T23:47:16.854Z");
	expect_time(INT64_MIN, "1677-09-21T00:12:43.145Z");
}

static void times_agree_with_the_c_library(void **state)
{
	uint64_t seed = 2026;
	(void)state;

	for (int i = 0; i < MUTATIONS; i++) {
		/* Years 1678 to 2261, milliseconds. */
		int64_t ms = (int64_t)(random_next(&seed) % 18400000000000u) - 9200000000000;
		int64_t ns = ms * 1000000, back = 0;
		time_t seconds = (time_t)(ms >= 0 ? ms / 1000 : -((-ms + 999) / 1000));
		char expected[64];
		struct tm tm;
		struct buffer b = BUFFER_INIT;

		size_t n = strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &tm));
		text_time(&b, ns);
		assert_memory_equal(b.data, expected, n);
		assert_int_equal(text_time_parse(b.data, &back), 0);
		assert_int_equal(back, ns);
		buffer_release(&b);
	}
}

static void since_takes_a_date_or_a_time_and_no_nonsense(void **state)
{
	static const char *const bad[] = {
		"", "2026", "2026-01", "2026-1-1", "2026-13-01", "2026-00-01", "2026-01-00", "2026-01-32", "2026-02-29", "1900-02-29",
		"2026-01-01T", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-01-01T00:00:60Z", "2026-01-01T00:00:00",
		"2026-01-01T00:00:00.00Z", "2026-01-01T00:00:00.0000Z", "2026-01-01T00:00:00Zx", "2026-01-01 00:00:00Z",
		"2026-01-01T00:00:00+01:00", "2026-01-01x", "0000-01-01", "9999-12-31", "-026-01-01", "2026-01-01T00:00Z",
	};
	int64_t ns;
	(void)state;

	assert_int_equal(text_time_parse("2026-01-31T12:00:00.250Z", &ns), 0);
	assert_int_equal(ns, 1769860800 * SECOND + 250000000);
	assert_int_equal(text_time_parse("2026-01-31T12:00:00Z", &ns), 0);
	assert_int_equal(ns, 1769860800 * SECOND);
	assert_int_equal(text_since_parse("2026-01-31", 1, &ns), 0);
	assert_int_equal(ns, 1769817600 * SECOND);
	assert_int_equal(text_since_parse("5m", 1769817600 * SECOND, &ns), 0);
	assert_int_equal(ns, 1769817600 * SECOND - 300 * SECOND);
	assert_int_equal(text_since_parse("100000d", 1769817600 * SECOND, &ns), 0);
	assert_int_equal(ns, 0);
	assert_int_equal(text_since_parse("0s", 1769817600 * SECOND, &ns), 0);
	assert_int_equal(ns, 1769817600 * SECOND);
	assert_int_equal(text_since_parse("5", 1769817600 * SECOND, &ns), -EINVAL);
	assert_int_equal(text_since_parse("-5m", 1769817600 * SECOND, &ns), -EINVAL);
	assert_int_equal(text_time_parse("2026-01-31", &ns), 0);
	assert_int_equal(ns, 1769817600 * SECOND);
	assert_int_equal(text_time_parse("2000-02-29", &ns), 0);
	assert_int_equal(ns, 951782400 * SECOND);
	assert_int_equal(text_time_parse("1969-12-31T23:59:59.999Z", &ns), 0);
	assert_int_equal(ns, -1000000);
	ns = 42;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(text_time_parse(bad[i], &ns), -EINVAL);
	assert_int_equal(ns, 42);
}

/* ---- names */

static void one_guest_has_one_uuid_however_it_is_written(void **state)
{
	static const char canonical[] = "0123abcd-ef01-4567-89ab-cdef01234567";
	static const char *const good[] = { "0123abcd-ef01-4567-89ab-cdef01234567", "0123ABCD-EF01-4567-89AB-CDEF01234567",
					    "0123abcdef01456789abcdef01234567", "{0123abcd-ef01-4567-89ab-cdef01234567}",
					    "{0123ABCDEF01456789ABCDEF01234567}" };
	static const char *const bad[] = { "", "{}", "0123abcd-ef01-4567-89ab-cdef0123456", "0123abcd-ef01-4567-89ab-cdef012345678",
					   "0123abcd-ef01-4567-89ab-cdef0123456g", "{0123abcd-ef01-4567-89ab-cdef01234567",
					   "0123abcd-ef01-4567-89ab-cdef01234567}", "0123abcde-f01-4567-89ab-cdef01234567",
					   "0123abcd-ef014-567-89ab-cdef01234567", "------------------------------------",
					   "0123abcd-ef01456789abcdef01234567", " 123abcd-ef01-4567-89ab-cdef01234567" };
	char out[37];
	(void)state;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		memset(out, 'x', sizeof(out));
		assert_int_equal(text_uuid(good[i], out), 0);
		assert_string_equal(out, canonical);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(text_uuid(bad[i], out), -EINVAL);
	assert_string_equal(out, canonical);
}

static void globs_match_what_a_shell_user_expects(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool match;
	} cases[] = {
		{ "", "", true }, { "", "a", false }, { "*", "", true }, { "*", "anything", true }, { "?", "", false }, { "?", "a", true },
		{ "cap.*", "cap.11@0xa0", true }, { "cap.*", "ext.0001", false }, { "*/bar?", "0000:00:03.0/bar0", true },
		{ "*/bar?", "0000:00:03.0/bar10", false }, { "a*b*c", "aXbYbZc", true }, { "a*b*c", "aXbYbZ", false },
		{ "*.1", "1.1.1", true }, { "**a**", "bab", true }, { "[ab]", "a", false }, { "[ab]", "[ab]", true }, { "\\*", "\\x", true },
		{ "abc", "ab", false }, { "ab", "abc", false }, { "*?", "", false }, { "*?", "x", true },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(text_glob(cases[i].pattern, cases[i].text), cases[i].match);
}

static void a_hostile_pattern_ends_soon(void **state)
{
	enum { LENGTH = 4000 };
	char *text = malloc(LENGTH + 1), *pattern = malloc(2 * 200 + 2);
	(void)state;

	memset(text, 'a', LENGTH);
	text[LENGTH] = '\0';
	for (size_t i = 0; i < 200; i++)
		memcpy(pattern + 2 * i, "*a", 2);
	memcpy(pattern + 400, "b", 2);
	/* One that tries every split would not come back. */
	assert_false(text_glob(pattern, text));
	free(text);
	free(pattern);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fingerprint_lines_keep_their_form_whatever_a_guest_says),
		cmocka_unit_test(escaping_loses_no_byte),
		cmocka_unit_test(a_broken_escape_is_refused_and_adds_nothing),
		cmocka_unit_test(a_guest_cannot_drive_the_terminal),
		cmocka_unit_test(a_long_name_is_cut_at_a_whole_character),
		cmocka_unit_test(json_is_visible_ascii_alone),
		cmocka_unit_test(forms_that_are_not_utf8_do_not_pass_for_it),
		cmocka_unit_test(durations_mean_what_the_config_says),
		cmocka_unit_test(a_printed_duration_can_be_put_into_a_config),
		cmocka_unit_test(numbers_are_whole_or_refused),
		cmocka_unit_test(times_are_right_in_leap_years_and_before_1970),
		cmocka_unit_test(times_agree_with_the_c_library),
		cmocka_unit_test(since_takes_a_date_or_a_time_and_no_nonsense),
		cmocka_unit_test(one_guest_has_one_uuid_however_it_is_written),
		cmocka_unit_test(globs_match_what_a_shell_user_expects),
		cmocka_unit_test(a_hostile_pattern_ends_soon),
	};

	return cmocka_run_group_tests_name("base: text", tests, NULL, NULL);
}

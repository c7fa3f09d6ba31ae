/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of RFC 5424: what a receiver relies on when it parses them, whatever a guest is called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include <cmocka.h>

#include "userspace/base/buffer.h"
#include "userspace/base/utf8.h"
#include "userspace/notify/sink.h"
#include "userspace/notify/syslog_message.h"

#define BOM "\xef\xbb\xbf"

/* json is taken. */
static char *message(json_t *json, int facility)
{
	struct buffer out = BUFFER_INIT;
	char *line = json_dumps(json, JSON_COMPACT);
	const struct sink_alert alert = { .id = "0a1b", .line = line, .json = json };

	assert_non_null(line);
	syslog_message(&out, &alert, facility, 42);
	free(line);
	json_decref(json);
	return buffer_take(&out, NULL);
}

static json_t *alert_of(const char *name, const char *severity, const char *summary)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:{s:n, s:s}, s:s, s:n, s:s}", "id", "0a1b", "at", "2026-01-31T12:00:00.000Z", "type", "drift", "host", "host-7",
			 "guest", "uuid", "name", name, "severity", severity, "verdict", "summary", summary);
}

static void expect_begin(json_t *json, int facility, const char *begin)
{
	char *got = message(json, facility);

	got[strlen(begin)] = 0;
	assert_string_equal(got, begin);
	free(got);
}

/* Without it: routes by facility and severity send alerts elsewhere. */
static void the_header_says_how_bad_it_is_and_when_and_where(void **state)
{
	(void)state;
	expect_begin(alert_of("a", "critical", "s"), LOG_DAEMON, "<26>1 2026-01-31T12:00:00.000Z host-7 abidrift 42 drift [abidrift@32473 id=\"0a1b\" guest=\"a\" severity=");
	expect_begin(alert_of("a", "warning", "s"), LOG_LOCAL7, "<188>1 ");
	expect_begin(alert_of("a", "info", "s"), LOG_USER, "<14>1 ");
	expect_begin(alert_of("a", "none", "s"), LOG_USER, "<14>1 ");
	expect_begin(alert_of("a", "of tomorrow", "s"), LOG_USER, "<12>1 ");
}

static void what_is_not_known_or_does_not_fit_a_field_keeps_its_place(void **state)
{
	char host[400];

	(void)state;
	memset(host, 'h', sizeof host - 1);
	host[sizeof host - 1] = 0;
	expect_begin(json_object(), LOG_USER, "<12>1 - - abidrift 42 - [abidrift@32473 id=\"0a1b\" alert=\"{}\"] " BOM);
	expect_begin(json_pack("{s:s, s:s, s:s}", "at", "now ] 1", "host", "a b\n\xc3\xbc", "type", "t t"), LOG_USER, "<12>1 - a?b??? abidrift 42 t?t [");
	host[255] = ' ';
	char *begin = NULL, *got = message(json_pack("{s:s}", "host", host), LOG_USER);

	host[255] = 0;
	begin = strstr(got, host);
	assert_non_null(begin);
	assert_memory_equal(begin + 255, " abidrift", 9);
	free(got);
}

/* The end of the element's value that begins at `value`, as a receiver finds it. */
static const char *value_end(const char *value)
{
	for (; *value && *value != '"'; value++) {
		assert_true(*value != ']');
		if (*value == '\\') {
			value++;
			assert_true(*value == '"' || *value == '\\' || *value == ']');
		}
	}
	return value;
}

/* Walks all parameters; returns the text behind the element. */
static const char *element_end(const char *element)
{
	const char *at = strchr(element, ' ');

	while (at && *at == ' ') {
		at = strchr(at, '=');
		assert_non_null(at);
		assert_int_equal(at[1], '"');
		at = value_end(at + 2);
		assert_int_equal(*at, '"');
		at++;
	}
	assert_non_null(at);
	assert_memory_equal(at, "] " BOM, 5);
	return at + 5;
}

static void assert_clean(const char *text)
{
	size_t left = strlen(text), length;
	unsigned marks = 0; /* the byte order mark that RFC 5424 wants before the text */

	assert_true(left <= SYSLOG_MESSAGE_MAX);
	for (uint32_t code; left; text += length, left -= length) {
		length = utf8_next(text, left, &code);
		assert_true(length > 0);
		marks += code == 0xfeff;
		assert_true(utf8_printable(code) || code == 0xfeff);
	}
	assert_true(marks <= 1);
}

/* Without it: a tenant writes log lines of its own, or cuts alerts about it short. */
static void no_name_leaves_its_place(void **state)
{
	static const char *const names[] = {
		"\"", "]", "\\", "\\\"", "a\\", "\"] evil", "a\nb", "\x1b[31m", "\x7f", "\xc2\x9b", "\xe2\x80\xae", "\xc3\xbc", " ", "=", "x=\"y\"",
	};

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char *got = message(alert_of(names[i], "info", names[i]), LOG_USER);

		assert_clean(got);
		assert_string_equal(element_end(strchr(got, '[')), strstr(got, BOM) + 3);
		assert_non_null(strstr(got, " alert=\""));
		free(got);
	}
}

/* Without it: a receiver cuts the message, and with it its structured data. */
static void no_length_of_anything_is_too_long(void **state)
{
	static const char *const fills[] = { "a", "\"", "\xc3\xbc", "\xe2\x82\xac", "\n", "]" };

	(void)state;
	for (size_t f = 0; f < sizeof fills / sizeof *fills; f++) {
		for (size_t count = 100; count < 5000; count += 97) {
			struct buffer text = BUFFER_INIT;
			char *got;

			for (size_t i = 0; i < count; i++)
				buffer_string(&text, fills[f]);
			got = message(alert_of(text.data, "info", text.data), LOG_USER);
			assert_clean(got);
			element_end(strchr(got, '['));
			assert_true(!strstr(got, " alert=\"") == !!strstr(got, " alert_left_out=\""));
			free(got);
			buffer_release(&text);
		}
	}
}

static void facilities_are_those_that_are_not_the_kernels(void **state)
{
	(void)state;
	assert_int_equal(syslog_facility("daemon"), LOG_DAEMON);
	assert_int_equal(syslog_facility("local0"), LOG_LOCAL0);
	assert_int_equal(syslog_facility("local7"), LOG_LOCAL7);
	assert_true(syslog_facility("kern") < 0);
	assert_true(syslog_facility("local8") < 0);
	assert_true(syslog_facility("") < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_header_says_how_bad_it_is_and_when_and_where),
		cmocka_unit_test(what_is_not_known_or_does_not_fit_a_field_keeps_its_place),
		cmocka_unit_test(no_name_leaves_its_place),
		cmocka_unit_test(no_length_of_anything_is_too_long),
		cmocka_unit_test(facilities_are_those_that_are_not_the_kernels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

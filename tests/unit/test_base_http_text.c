// SPDX-License-Identifier: Apache-2.0
/* What a hostile client writes is read as the standards say, or refused; nothing of it is misread as something else. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "userspace/base/http_text.h"

static void target_is(const char *text, const char *parts, const char *args)
{
	struct http_target t = { 0 };
	char seen[512] = "";

	assert_int_equal(http_target_parse(text, &t), 0);
	for (size_t i = 0; i < t.part_count; i++) {
		strncat(seen, "|", sizeof seen - strlen(seen) - 1);
		strncat(seen, t.parts[i], sizeof seen - strlen(seen) - 1);
	}
	assert_string_equal(seen, parts);
	*seen = 0;
	for (size_t i = 0; i < t.arg_count; i++) {
		strncat(seen, t.args[i].name, sizeof seen - strlen(seen) - 1);
		strncat(seen, "=", sizeof seen - strlen(seen) - 1);
		strncat(seen, t.args[i].value, sizeof seen - strlen(seen) - 1);
		strncat(seen, ";", sizeof seen - strlen(seen) - 1);
	}
	assert_string_equal(seen, args);
	http_target_release(&t);
}

static void target_fails(const char *text, int code)
{
	struct http_target t = { 0 };

	assert_int_equal(http_target_parse(text, &t), -code);
	assert_null(t.room);
}

static void test_targets(void **state)
{
	(void)state;
	target_is("/", "", "");
	target_is("/api/v1/guests/web%2D1", "|api|v1|guests|web-1", "");
	/* A slash that was encoded is part of a name, and never of the path. */
	target_is("/guests/a%2Fb%2f..", "|guests|a/b/..", "");
	target_is("/../etc//passwd", "|..|etc||passwd", "");
	target_is("/a/", "|a|", "");
	target_is("/a%252fb", "|a%2fb", "");
	/* A plus sign is a space in a query only. */
	target_is("/a+b?from=x+y%2Bz&to=", "|a+b", "from=x y+z;to=;");
	target_is("/?&&a&b=1=2&", "", "a=;b=1=2;");
	target_is("/%c3%a9", "|\xc3\xa9", "");
	target_is("/?a?b=%3f", "", "a?b=?;");
	/* A guest may be called so. */
	target_is("/guests/a%0Ab%01?from=%7f", "|guests|a\nb\1", "from=\x7f;");
}

static void test_targets_that_are_refused(void **state)
{
	char *longest = malloc(HTTP_TARGET_MAX + 2);

	(void)state;
	target_fails("", EINVAL);
	target_fails("*", EINVAL);
	target_fails("http://evil.example/", EINVAL);
	target_fails("?a=b", EINVAL);
	target_fails("/a%", EINVAL);
	target_fails("/a%4", EINVAL);
	target_fails("/a%4g", EINVAL);
	target_fails("/a%00b", EINVAL);
	target_fails("/a\tb", EINVAL);
	target_fails("/?a=%00", EINVAL);
	target_fails("/?a=\x7f", EINVAL);
	target_fails("/1/2/3/4/5/6/7/8/9", E2BIG);
	target_fails("/?1&2&3&4&5&6&7&8&9", E2BIG);
	assert_non_null(longest);
	memset(longest, 'a', HTTP_TARGET_MAX + 1);
	longest[0] = '/';
	longest[HTTP_TARGET_MAX + 1] = 0;
	target_fails(longest, E2BIG);
	longest[HTTP_TARGET_MAX] = 0;
	target_is("/", "", "");
	free(longest);
}

static void host_is(const char *header, const char *expected)
{
	char name[32] = "untouched";
	int err = http_host_name(header, name, sizeof name);

	if (expected) {
		assert_int_equal(err, 0);
		assert_string_equal(name, expected);
	} else {
		assert_int_equal(err, -EINVAL);
		assert_string_equal(name, "untouched");
	}
}

static void test_hosts(void **state)
{
	(void)state;
	host_is("localhost", "localhost");
	host_is("localhost:10917", "localhost");
	host_is("127.0.0.1:", "127.0.0.1");
	host_is("[::1]:80", "::1");
	host_is("[::1]", "::1");
	host_is("", NULL);
	host_is(":80", NULL);
	host_is("[]", NULL);
	host_is("[::1", NULL);
	host_is("[::1]x", NULL);
	host_is("localhost:80x", NULL);
	host_is("localhost:80:90", NULL);
	/* Exactly what fits, and one more. */
	host_is("0123456789012345678901234567890", "0123456789012345678901234567890");
	host_is("01234567890123456789012345678901", NULL);
}

static void test_encodings(void **state)
{
	static const struct {
		const char *header;
		bool wants;
	} cases[] = {
		{ NULL, false },		{ "", false },			   { "gzip", true },
		{ "br, GZIP;q=0.5", true },	{ "gzip;q=0", false },		   { "gzip; q=0.000, *", false },
		{ "gzip;q=0.001", true },	{ "*", true },			   { "*;q=0", false },
		{ "identity", false },		{ "gzipped, xgzip", false },	   { " \t x-gzip", true },
		{ ",,,gzip", true },		{ "*;q=0,gzip", true },		   { "deflate;q=1.0, identity; q=0", false },
		{ "gzip;", true },		{ ";;;,;", false },		   { "gzip;q=", true },
		{ "gzip;x=1;q=0", false },	{ "gzip;x=1; q=0.0 ,br", false },  { "gzip;x=q=0", true },
		{ "gzip;x=1, br;q=0", true },	{ "gzip;q=0;x=1", false },	   { "gzip;;;q=0.5;", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		if (http_wants_gzip(cases[i].header) != cases[i].wants)
			fail_msg("%s", cases[i].header);
}

static void test_tags(void **state)
{
	(void)state;
	assert_true(http_tag_matches("\"abc\"", "abc"));
	assert_true(http_tag_matches("W/\"abc\"", "abc"));
	assert_true(http_tag_matches("\"x\", W/\"y\" ,\"abc\"", "abc"));
	assert_true(http_tag_matches("*", "abc"));
	assert_true(http_tag_matches(" * ", "abc"));
	assert_false(http_tag_matches("*x", "abc"));
	assert_false(http_tag_matches("*, \"x\"", "abc"));
	assert_false(http_tag_matches("\"x\", *", "abc"));
	assert_false(http_tag_matches(NULL, "abc"));
	assert_false(http_tag_matches("", "abc"));
	assert_false(http_tag_matches("abc", "abc"));
	assert_false(http_tag_matches("\"abcd\"", "abc"));
	assert_false(http_tag_matches("\"ab\"", "abc"));
	assert_false(http_tag_matches("\"abc", "abc"));
	assert_false(http_tag_matches("\"x\"; \"abc\"", "abc"));
}

static void test_bearers(void **state)
{
	(void)state;
	assert_string_equal(http_bearer("Bearer abc"), "abc");
	assert_string_equal(http_bearer("bearer \t abc"), "abc");
	assert_string_equal(http_bearer("Bearer "), "");
	assert_null(http_bearer(NULL));
	assert_null(http_bearer("Bearer"));
	assert_null(http_bearer("Basic abc"));
	assert_null(http_bearer("Bearerabc"));
}

static void basic_is(const char *header, const char *password)
{
	char *got = http_basic(header);

	if (password)
		assert_string_equal(got, password);
	else
		assert_null(got);
	free(got);
}

/* A browser cannot be told to send a token; it asks its user for a password. */
static void test_basic(void **state)
{
	(void)state;
	basic_is("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "open sesame"); /* RFC 7617, 2 */
	basic_is("Basic dGVzdDoxMjPCow==", "123\xc2\xa3");              /* 2.1 */
	basic_is("basic \t Onh5eg==", "xyz");
	basic_is("Basic dTphOmI=", "a:b");
	basic_is("Basic dTo=", "");
	basic_is("Basic dTph", "a");
	basic_is("Basic dXNlcg==", NULL);  /* no colon */
	basic_is("Basic dTphAGI=", NULL);  /* a zero byte */
	basic_is("Basic dTphOmI", NULL);   /* cut */
	basic_is("Basic dTphOmI==", NULL);
	basic_is("Basic dTphO", NULL);
	basic_is("Basic dTph dTph", NULL);
	basic_is("Basic dTph!", NULL);
	basic_is("Basic ", NULL);
	basic_is("Basic", NULL);
	basic_is("Bearer dTph", NULL);
	basic_is(NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_targets),	  cmocka_unit_test(test_targets_that_are_refused),
		cmocka_unit_test(test_hosts),	  cmocka_unit_test(test_encodings),
		cmocka_unit_test(test_tags),	  cmocka_unit_test(test_bearers),
		cmocka_unit_test(test_basic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

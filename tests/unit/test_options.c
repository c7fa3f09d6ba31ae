/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "userspace/base/buffer.h"
#include "userspace/base/error.h"
#include "userspace/commands/options.h"

static const struct verb verb = {
	"try", "tries", "A [B]", OPTION_OUTPUT | OPTION_FOR | OPTION_SET | OPTION_UNDO, 1, 2, NULL,
};

#define WORDS(...) ((const char *const[]){ __VA_ARGS__ }), sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *)

static int parse(struct options *o, struct error *e, const char *const *words, size_t count)
{
	e->text[0] = 0;
	return options_parse(&verb, (int)count, words, o, e);
}

static void options_and_arguments_may_be_mixed(void **state)
{
	struct options o;
	struct error e;

	(void)state;
	assert_int_equal(parse(&o, &e, WORDS("a", "--store", "sqlite:x", "-o", "f", "b", "--for=5s", "-qv", "--json")), 0);
	assert_int_equal(o.argument_count, 2);
	assert_string_equal(o.arguments[0], "a");
	assert_string_equal(o.arguments[1], "b");
	assert_string_equal(o.store, "sqlite:x");
	assert_string_equal(o.output, "f");
	assert_string_equal(o.duration, "5s");
	assert_true(o.quiet && o.verbose && o.json && !o.undo);
	options_release(&o);
}

static void a_guest_may_begin_with_a_dash_after_two(void **state)
{
	struct options o;
	struct error e;

	(void)state;
	assert_int_equal(parse(&o, &e, WORDS("--", "--undo")), 0);
	assert_string_equal(o.arguments[0], "--undo");
	assert_false(o.undo);
	options_release(&o);
}

static void settings_keep_their_order(void **state)
{
	struct options o;
	struct error e;

	(void)state;
	assert_int_equal(parse(&o, &e, WORDS("a", "--set", "m.a=1", "--set=m.a=2")), 0);
	assert_int_equal(o.set_count, 2);
	assert_string_equal(o.sets[0], "m.a=1");
	assert_string_equal(o.sets[1], "m.a=2");
	options_release(&o);
}

static void refused(const char *says, const char *const *words, size_t count)
{
	struct options o;
	struct error e;

	assert_true(parse(&o, &e, words, count) < 0);
	if (!strstr(e.text, says))
		fail_msg("\"%s\" does not say \"%s\"", e.text, says);
	options_release(&o);
}

static void what_a_verb_does_not_take_is_refused(void **state)
{
	(void)state;
	refused("--facet", WORDS("a", "--facet", "pci"));
	refused("-x", WORDS("a", "-x"));
	refused("-qx", WORDS("a", "-qx"));
	refused("--stor", WORDS("a", "--stor", "x"));
}

static void values_are_wanted_where_they_belong(void **state)
{
	(void)state;
	refused("--store", WORDS("a", "--store"));
	refused("--store", WORDS("a", "--store="));
	refused("-o", WORDS("a", "-o"));
	refused("--json", WORDS("a", "--json=yes"));
	refused("--color", WORDS("a", "--color", "pink"));
}

static void too_few_and_too_many_arguments_are_usage(void **state)
{
	(void)state;
	refused("usage: abidrift try A [B]", WORDS("-q"));
	refused("\"c\"", WORDS("a", "b", "c"));
}

static void help_needs_no_arguments(void **state)
{
	struct options o;
	struct error e;

	(void)state;
	assert_int_equal(parse(&o, &e, WORDS("-h")), 0);
	assert_true(o.help);
	options_release(&o);
}

static void an_error_is_json_even_if_json_comes_later(void **state)
{
	struct options o;
	struct error e;

	(void)state;
	assert_true(parse(&o, &e, WORDS("--bad", "--json")) < 0);
	assert_true(o.json);
	options_release(&o);
}

static void help_lists_what_the_verb_takes_and_nothing_else(void **state)
{
	struct buffer text = BUFFER_INIT;

	(void)state;
	options_help(&verb, &text);
	assert_non_null(strstr(text.data, "Usage: abidrift try A [B]\n"));
	assert_non_null(strstr(text.data, "-o, --output FILE"));
	assert_non_null(strstr(text.data, "--store URL"));
	assert_null(strstr(text.data, "--facet"));
	buffer_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_and_arguments_may_be_mixed),
		cmocka_unit_test(a_guest_may_begin_with_a_dash_after_two),
		cmocka_unit_test(settings_keep_their_order),
		cmocka_unit_test(what_a_verb_does_not_take_is_refused),
		cmocka_unit_test(values_are_wanted_where_they_belong),
		cmocka_unit_test(too_few_and_too_many_arguments_are_usage),
		cmocka_unit_test(help_needs_no_arguments),
		cmocka_unit_test(an_error_is_json_even_if_json_comes_later),
		cmocka_unit_test(help_lists_what_the_verb_takes_and_nothing_else),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

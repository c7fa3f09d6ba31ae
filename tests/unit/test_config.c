/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "userspace/base/buffer.h"
#include "userspace/base/config.h"
#include "userspace/base/error.h"

/* A folder of its own for each test. */
struct place {
	char folder[64];
	char file[96];
	char dropins[112];
	struct config *config;
	struct error e;
};

static int set_up(void **state)
{
	struct place *p = calloc(1, sizeof *p);

	snprintf(p->folder, sizeof p->folder, "/tmp/abidrift-test-XXXXXX");
	if (!mkdtemp(p->folder))
		return -1;
	snprintf(p->file, sizeof p->file, "%s/a.conf", p->folder);
	snprintf(p->dropins, sizeof p->dropins, "%s.d", p->file);
	p->config = config_new();
	*state = p;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *place)
{
	(void)st;
	(void)type;
	(void)place;
	return remove(path);
}

static int tear_down(void **state)
{
	struct place *p = *state;
	int err = nftw(p->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);

	config_free(p->config);
	free(p);
	return err;
}

static void put(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void refuses(struct place *p, const char *text, const char *where, const char *what)
{
	char place[160];

	put(p->file, text);
	p->e.text[0] = 0;
	assert_true(config_read(p->config, p->file, &p->e) < 0);
	snprintf(place, sizeof place, "%s:%s: ", p->file, where);
	if (strncmp(p->e.text, place, strlen(place)) || !strstr(p->e.text, what))
		fail_msg("\"%s\" does not begin with \"%s\" or does not say \"%s\"", p->e.text, place, what);
}

static void a_setting_in_the_file_is_used(void **state)
{
	struct place *p = *state;

	put(p->file, "# a comment\n[monitor]\nsettle = 500ms\n\n; another\n[store]\n  keep=7d ; why not\n");
	assert_int_equal(config_read(p->config, p->file, &p->e), 0);
	assert_int_equal(config_ns(p->config, "monitor.settle"), 500000000);
	assert_int_equal(config_ns(p->config, "store.keep"), 7ull * 86400 * 1000000000);
	assert_string_equal(config_get(p->config, "monitor.baseline"), "auto");
	assert_true(config_is_set(p->config, "store.keep"));
	assert_false(config_is_set(p->config, "monitor.baseline"));
}

static void a_mistyped_key_is_not_ignored(void **state)
{
	struct place *p = *state;

	refuses(p, "[monitor]\nsettle = 1s\nsetle = 2s\n", "3", "monitor.setle");
	refuses(p, "[monitor]\n[monitr]\n", "2", "[monitr]");
	refuses(p, "[monitr]\nsettle = 1s\n", "1", "[monitr]");
	refuses(p, "settle = 1s\n", "1", "settle");
}

static void a_bad_value_is_named_with_file_and_line(void **state)
{
	struct place *p = *state;

	refuses(p, "[monitor]\nsettle = 1.5s\n", "2", "monitor.settle");
	refuses(p, "[monitor]\n\nbaseline = maybe\n", "3", "auto or manual");
	refuses(p, "[monitor]\nquota = 3\n", "2", "monitor.quota");
	refuses(p, "[monitor]\nring = 5000\n", "2", "power of two");
	refuses(p, "[monitor]\nring = 2048\n", "2", "monitor.ring");
	refuses(p, "[store]\nurl = /var/lib/x\n", "2", "sqlite:PATH");
	refuses(p, "[serve]\nlisten = here\n", "2", "serve.listen");
}

static void the_first_of_several_errors_is_told(void **state)
{
	struct place *p = *state;

	refuses(p, "[monitor]\nnonsense\nsettle = x\n", "2", "neither");
	refuses(p, "[monitor]\nsettle = x\nnonsense\n", "2", "monitor.settle");
}

static void a_long_line_is_not_cut_silently(void **state)
{
	struct place *p = *state;
	char text[400];

	snprintf(text, sizeof text, "[store]\nurl = sqlite:/%0300d\n", 0);
	refuses(p, text, "2", "too long");
}

static void an_indented_key_is_a_key(void **state)
{
	struct place *p = *state;

	put(p->file, "[monitor]\nquota = auto\n\tsettle = 3s\n");
	assert_int_equal(config_read(p->config, p->file, &p->e), 0);
	assert_int_equal(config_ns(p->config, "monitor.settle"), 3000000000);
}

static void drop_ins_win_in_the_order_of_their_names(void **state)
{
	struct place *p = *state;
	char path[160];

	put(p->file, "[monitor]\nsettle = 1s\nsettle_max = 9s\n");
	assert_int_equal(mkdir(p->dropins, 0700), 0);
	snprintf(path, sizeof path, "%s/20-b.conf", p->dropins);
	put(path, "[monitor]\nsettle = 3s\n");
	snprintf(path, sizeof path, "%s/10-a.conf", p->dropins);
	put(path, "[monitor]\nsettle = 2s\n");
	snprintf(path, sizeof path, "%s/30-c.conf.off", p->dropins);
	put(path, "[monitor]\nsettle = 4s\n");
	assert_int_equal(config_load(p->config, p->file, &p->e), 0);
	assert_int_equal(config_ns(p->config, "monitor.settle"), 3000000000);
	assert_int_equal(config_ns(p->config, "monitor.settle_max"), 9000000000);
}

static void a_named_file_that_is_missing_is_an_error(void **state)
{
	struct place *p = *state;

	assert_true(config_load(p->config, p->file, &p->e) < 0);
	assert_non_null(strstr(p->e.text, p->file));
}

static void assignments_win_and_are_checked(void **state)
{
	struct place *p = *state;

	assert_int_equal(config_assign(p->config, "monitor.quota=100", &p->e), 0);
	assert_int_equal(config_number(p->config, "monitor.quota"), 100);
	assert_int_equal(config_assign(p->config, "monitor.quota=auto", &p->e), 0);
	assert_int_equal(config_number(p->config, "monitor.quota"), 0);
	assert_int_equal(config_assign(p->config, "monitor.ring=16777216", &p->e), 0);
	assert_int_equal(config_number(p->config, "monitor.ring"), 16777216);
	assert_true(config_assign(p->config, "monitor.quota", &p->e) < 0);
	assert_true(config_assign(p->config, "quota=1", &p->e) < 0);
	assert_true(config_assign(p->config, "monitor.=1", &p->e) < 0);
	assert_true(config_assign(p->config, "monitor.settle=", &p->e) < 0);
	assert_true(config_assign(p->config, "monitor.settle=1", &p->e) < 0);
}

static char *rules_text(struct place *p)
{
	struct buffer text = BUFFER_INIT;
	size_t count;
	const struct config_rule *rules = config_rules(p->config, &count);

	for (size_t i = 0; i < count; i++) {
		const char *place = strrchr(rules[i].place, '/');

		buffer_printf(&text, "%s=%s@%s\n", rules[i].pair, rules[i].value ? rules[i].value : "", place ? place + 1 : rules[i].place);
	}
	return buffer_take(&text, NULL);
}

static void rules_are_kept_in_their_order_with_the_place_of_each_line(void **state)
{
	struct place *p = *state;
	char path[160], *text;

	put(p->file, "[suppress fw]\nkey = rom/*\n[monitor]\nsettle = 1s\n[suppress b.2]\n[suppress fw]\nreason = known: #42\n");
	assert_int_equal(mkdir(p->dropins, 0700), 0);
	snprintf(path, sizeof path, "%s/10.conf", p->dropins);
	put(path, "\n[suppress fw]\nkey = rom/0*\n");
	assert_int_equal(config_load(p->config, p->file, &p->e), 0);
	assert_int_equal(config_assign(p->config, "suppress.b.2.reason=a=b", &p->e), 0);
	text = rules_text(p);
	assert_string_equal(text, "suppress.fw=@a.conf:1\nsuppress.fw.key=rom/0*@10.conf:3\nsuppress.fw.reason=known: #42@a.conf:7\n"
				  "suppress.b.2=@a.conf:5\nsuppress.b.2.reason=a=b@--set\n");
	free(text);
}

/* Whoever is told of a rule that is not what the file says looks for the fault elsewhere. */
static void a_rule_that_could_not_be_kept_as_it_stands_is_refused(void **state)
{
	struct place *p = *state;
	char text[220];

	refuses(p, "[suppress]\nkey = *\n", "1", "[suppress]");
	refuses(p, "[suppress ]\nkey = *\n", "1", "name");
	refuses(p, "[suppress a b]\nkey = *\n", "1", "a b");
	refuses(p, "[suppress a]\nkey =\n", "2", "no value");
	snprintf(text, sizeof text, "[monitor]\n[suppress %041d]\nkey = *\n", 0);
	refuses(p, text, "2", "40");
	assert_true(config_assign(p->config, "suppress.a=x", &p->e) < 0);
	assert_true(config_assign(p->config, "suppress..key=x", &p->e) < 0);
	assert_true(config_assign(p->config, "suppress.a.reason=x ;y", &p->e) < 0);
	assert_true(config_assign(p->config, "suppress.a.reason=x\ny", &p->e) < 0);
	assert_true(config_assign(p->config, "suppress.a.reason= x", &p->e) < 0);
	snprintf(text, sizeof text, "suppress.a.reason=%0175d", 0);
	assert_int_equal(config_assign(p->config, text, &p->e), 0);
	snprintf(text, sizeof text, "suppress.a.reason=%0182d", 0);
	assert_true(config_assign(p->config, text, &p->e) < 0);
}

static void the_pairs_that_travel_hold_the_rules_behind_the_settings(void **state)
{
	struct place *p = *state;
	const char **pairs;
	size_t at = 0;

	assert_int_equal(config_assign(p->config, "suppress.a.key=*", &p->e), 0);
	pairs = config_pairs(p->config);
	while (pairs[at] && strncmp(pairs[at], CONFIG_RULE_PREFIX, strlen(CONFIG_RULE_PREFIX)))
		at += 2;
	assert_string_equal(pairs[at], "suppress.a.key");
	assert_string_equal(pairs[at + 1], "*");
	assert_null(pairs[at + 2]);
	free(pairs);
}

static void what_is_printed_can_be_read_back(void **state)
{
	struct place *p = *state;
	struct buffer before = BUFFER_INIT, after = BUFFER_INIT;
	struct config *again = config_new();

	assert_int_equal(config_assign(p->config, "monitor.settle=7s", &p->e), 0);
	assert_int_equal(config_assign(p->config, "suppress.a.key=0000:00:03.0/*|x#y", &p->e), 0);
	assert_int_equal(config_assign(p->config, "suppress.a.reason=\"so: it = is\"; really", &p->e), 0);
	assert_int_equal(config_assign(p->config, "suppress.b.key=[*", &p->e), 0);
	config_print(p->config, &before);
	put(p->file, before.data);
	if (config_read(again, p->file, &p->e) < 0)
		fail_msg("%s", p->e.text);
	config_print(again, &after);
	assert_string_equal(before.data, after.data);
	assert_non_null(strstr(before.data, "settle = 7s"));
	assert_non_null(strstr(before.data, "default: 10s"));
	buffer_release(&before);
	buffer_release(&after);
	config_free(again);
}

static const char *shown(const struct config *c, const char *key)
{
	const char **pairs = config_pairs(c), *value = NULL;

	for (size_t i = 0; pairs && pairs[i]; i += 2)
		if (!strcmp(pairs[i], key))
			value = pairs[i + 1];
	free(pairs);
	return value ? value : "";
}

/* What is printed is pasted into tickets. */
static void what_may_be_a_password_is_used_and_not_printed(void **state)
{
	struct place *p = *state;
	static const struct {
		const char *value, *shown;
	} urls[] = {
		{ "https://u:s3cret@h:1/path", "https://u:***@h:1/path" },
		{ "https://s3cret@h", "https://***@h" },
		{ "https://u:a@s3cret@h/@b", "https://u:***@h/@b" },
		{ "https://u:/s3cret?@h", "https://u:***@h" },
		{ "http:///u:s3cret@h", "http:///u:***@h" },
		{ "  http://a  http://u:s3cret@[::1]:9/x http://b", "  http://a  http://u:***@[::1]:9/x http://b" },
		{ "http://h:80/@x http://[::1]:80/@x", "http://h:80/@x http://[::1]:80/@x" },
		{ "http://h/?a:b@c", "http://h/?a:b@c" },
		{ "", "" },
	};

	for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
		struct buffer text = BUFFER_INIT, line = BUFFER_INIT;

		buffer_printf(&line, "alertmanager.url=%s", urls[i].value);
		assert_int_equal(config_assign(p->config, line.data, &p->e), 0);
		assert_string_equal(config_get(p->config, "alertmanager.url"), urls[i].value);
		assert_string_equal(shown(p->config, "alertmanager.url"), urls[i].shown);
		config_print(p->config, &text);
		assert_null(strstr(text.data, "s3cret"));
		assert_int_equal(!!strstr(text.data, "\n# *** stands for"), !!strcmp(urls[i].value, urls[i].shown));
		buffer_release(&text);
		buffer_release(&line);
	}
}

static void an_error_repeats_no_value_that_may_hold_a_password(void **state)
{
	struct place *p = *state;
	static const char *const wrong[] = {
		"webhook.url=htp://u:s3cret@h", "webhook.url=http://u:s3cret@h http://b", "alertmanager.url=http://u:s3cret@h b", "store.url=postgresql://u:s3cret@h",
		"command.run=page --token s3cret", "webhook.url:http://u:s3cret@h", "webhook.url:http://u:s3cret@h/?a=b", "webhook-url=http://u:s3cret@h", "url=s3cret",
	};

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		assert_true(config_assign(p->config, wrong[i], &p->e) < 0);
		assert_null(strstr(p->e.text, "s3cret"));
		assert_non_null(strstr(p->e.text, "url") ?: strstr(p->e.text, "command.run"));
	}
	put(p->file, "[webhook]\nurl = htp://u:s3cret@h\n");
	assert_true(config_read(p->config, p->file, &p->e) < 0);
	assert_null(strstr(p->e.text, "s3cret"));
	assert_non_null(strstr(p->e.text, ":2: webhook.url has to be"));
	put(p->file, "[webhook]\nurl http://u:s3cret@h/?a=b\n");
	assert_true(config_read(p->config, p->file, &p->e) < 0);
	assert_null(strstr(p->e.text, "s3cret"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_setting_in_the_file_is_used),
		TEST(a_mistyped_key_is_not_ignored),
		TEST(a_bad_value_is_named_with_file_and_line),
		TEST(the_first_of_several_errors_is_told),
		TEST(a_long_line_is_not_cut_silently),
		TEST(an_indented_key_is_a_key),
		TEST(drop_ins_win_in_the_order_of_their_names),
		TEST(a_named_file_that_is_missing_is_an_error),
		TEST(assignments_win_and_are_checked),
		TEST(rules_are_kept_in_their_order_with_the_place_of_each_line),
		TEST(a_rule_that_could_not_be_kept_as_it_stands_is_refused),
		TEST(the_pairs_that_travel_hold_the_rules_behind_the_settings),
		TEST(what_is_printed_can_be_read_back),
		TEST(what_may_be_a_password_is_used_and_not_printed),
		TEST(an_error_repeats_no_value_that_may_hold_a_password),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What is copied from a screen into a root shell must do what it says, whatever a guest is called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "userspace/base/buffer.h"
#include "userspace/drift/advice.h"

static void expect_word(const char *text, const char *expected)
{
	struct buffer word = BUFFER_INIT;

	advice_word(text, &word);
	assert_string_equal(word.data, expected);
	buffer_release(&word);
}

static void a_plain_word_stays_one(void **state)
{
	(void)state;
	assert_true(advice_is_plain("web-01.example_2+x"));
	for (const char *const *w = (const char *const[]){ "", "--undo", "a b", "$(reboot)", "a/b", "a@1", "sha256:12", "guest:x", "~", "*", "\xc3\xa4", NULL }; *w; w++)
		assert_false(advice_is_plain(*w));
	expect_word("web-01", "web-01");
}

static void anything_else_is_quoted(void **state)
{
	(void)state;
	expect_word("a  b", "'a  b'");
	expect_word("$(reboot)`x`\\", "'$(reboot)`x`\\'");
	expect_word("it's", "'it'\\''s'");
	expect_word("\xc3\xa4", "'\xc3\xa4'");
	/* What a terminal does not show is written out. */
	expect_word("a\n1'\\\xc3\xa4", "$'a\\0121\\'\\134\\303\\244'");
	expect_word("\xe2\x80\xae", "$'\\342\\200\\256'");
}

/* The shell is the judge: every byte that a name can have comes back from it. */
static void the_shell_reads_what_was_meant(void **state)
{
	char bytes[256], got[300];
	char *arguments[] = { (char[]){ "bash" }, (char[]){ "-c" }, (char[]){ "eval \"printf %s $1\"" }, (char[]){ "bash" }, NULL, NULL };
	struct buffer word = BUFFER_INIT;
	int ends[2], status;
	ssize_t size;
	pid_t pid;

	(void)state;
	for (int i = 1; i < 256; i++)
		bytes[i - 1] = (char)i;
	bytes[255] = '\0';
	advice_word(bytes, &word);
	arguments[4] = word.data;
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		execve("/bin/bash", arguments, (char *[]){ NULL });
		_exit(127);
	}
	close(ends[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	size = read(ends[0], got, sizeof(got));
	close(ends[0]);
	assert_int_equal(size, 255);
	assert_memory_equal(got, bytes, 255);
	buffer_release(&word);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_word_stays_one),
		cmocka_unit_test(anything_else_is_quoted),
		cmocka_unit_test(the_shell_reads_what_was_meant),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

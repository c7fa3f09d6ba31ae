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
	expect_word("$(reboot)`x`\\", "'$(reboot)`x`'\\\\''");
	expect_word("it's", "'it'\\''s'");
	expect_word("\xc3\xa4", "'\xc3\xa4'");
	/* What a terminal does not show is written out. */
	expect_word("a\n1'\\%\xc3\xa4", "\"$(printf 'a\\0121\\047\\134\\045\\303\\244')\"");
	expect_word("\xe2\x80\xae", "\"$(printf '\\342\\200\\256')\"");
}

static void a_line_end_at_the_end_is_no_word(void **state)
{
	struct buffer word = BUFFER_INIT;

	(void)state;
	assert_false(advice_word("web-1\n", &word));
	buffer_release(&word);
}

/* What this shell prints of the word. */
static void shell_expect(const char *const *shell, const char *text)
{
	struct buffer script = BUFFER_INIT;
	char got[600];
	char *arguments[5] = { NULL };
	int ends[2], status;
	size_t size = 0, i = 0;
	ssize_t more;
	pid_t pid;

	buffer_string(&script, "printf %s ");
	assert_true(advice_word(text, &script));
	for (; shell[i]; i++)
		arguments[i] = (char *)(uintptr_t)shell[i];
	arguments[i++] = (char[]){ "-c" };
	arguments[i] = script.data;
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		execve(arguments[0], arguments, (char *[]){ NULL });
		_exit(127);
	}
	close(ends[1]);
	while ((more = read(ends[0], got + size, sizeof(got) - size)) > 0)
		size += (size_t)more;
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(size, strlen(text));
	assert_memory_equal(got, text, size);
	buffer_release(&script);
}

/* The shells are the judges: every byte that a name can have comes back from them, and nothing of it runs. */
static void every_shell_reads_what_was_meant(void **state)
{
	static const char *const shells[][3] = { { "/bin/bash" }, { "/bin/dash" }, { "/bin/busybox", "sh" } };
	char bytes[257];

	(void)state;
	for (int i = 1; i < 256; i++)
		bytes[i - 1] = (char)i;
	bytes[255] = '\0';
	for (size_t i = 0; i < sizeof(shells) / sizeof(*shells); i++) {
		if (access(shells[i][0], X_OK) < 0)
			continue;
		shell_expect(shells[i], bytes);
		shell_expect(shells[i], "guest:x\033';echo PWNED #");
		shell_expect(shells[i], "guest:x\033\";echo PWNED #$(echo PWNED)`echo PWNED`%s\\");
		shell_expect(shells[i], "guest:it's \\'; echo PWNED #\\");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_word_stays_one),
		cmocka_unit_test(anything_else_is_quoted),
		cmocka_unit_test(a_line_end_at_the_end_is_no_word),
		cmocka_unit_test(every_shell_reads_what_was_meant),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

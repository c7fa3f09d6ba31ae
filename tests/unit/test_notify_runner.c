/* SPDX-License-Identifier: Apache-2.0 */
/* Who was taken over through the network may have the operator's program run with texts of its own, and nothing else. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "userspace/base/buffer.h"
#include "userspace/base/config.h"
#include "userspace/base/error.h"
#include "userspace/base/message.h"
#include "userspace/notify/runner.h"
#include "userspace/notify/sink.h"

#define ENDED 0
#define DISTRUSTED 3

struct running {
	pid_t pid;
	int fd;
};

static struct running start(const char *command)
{
	struct running r;
	struct error e = ERROR_INIT;
	struct config *c = config_new();
	char set[256];
	int ends[2];

	signal(SIGPIPE, SIG_IGN);
	snprintf(set, sizeof set, "command.run=%s", command);
	assert_non_null(c);
	assert_int_equal(config_assign(c, set, &e), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	r.pid = fork();
	if (!r.pid) {
		close(ends[0]);
		_exit(runner_run(c, ends[1], &e) < 0 ? DISTRUSTED : ENDED);
	}
	close(ends[1]);
	config_free(c);
	r.fd = ends[0];
	return r;
}

static int ended(struct running *r)
{
	int status;

	close(r->fd);
	assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static struct message ask(const char *id, const char *line)
{
	struct message m = { 0 };

	message_text(&m, id);
	message_text(&m, "drift");
	message_text(&m, "info");
	message_text(&m, line);
	return m;
}

static int answered(struct running *r, struct buffer *room, struct message *m)
{
	assert_int_equal(message_receive(r->fd, room, m), 1);
	assert_true(message_is(m, RUNNER_ANSWER));
	return (int)m->fields[0].number;
}

static void what_is_asked_for_is_run_with_it_one_after_the_other(void **state)
{
	struct running r = start("/bin/sh -c read\tline;echo\t$line\t$ABIDRIFT_ID>&2;exit\t3");
	struct message one = ask("first", "{1}"), two = ask("second", "{2}"), m;
	struct buffer room = BUFFER_INIT;

	(void)state;
	assert_int_equal(message_send(r.fd, &one), 0);
	assert_int_equal(answered(&r, &room, &m), SINK_FAILED);
	assert_non_null(strstr(m.fields[1].text, "status 3: {1} first"));
	assert_int_equal(message_send(r.fd, &two), 0);
	assert_int_equal(answered(&r, &room, &m), SINK_FAILED);
	assert_non_null(strstr(m.fields[1].text, "status 3: {2} second"));
	buffer_release(&room);
	assert_int_equal(ended(&r), ENDED);
}

/* They are handed over as they are, and make no other variables. */
static void texts_are_no_commands(void **state)
{
	static const char text[] = "a;exit 4 $(exit 4) `exit 4`\nLD_PRELOAD=/tmp/other.so";
	struct running r = start("/bin/sh -c test\t-z\t\"$LD_PRELOAD\"&&test\t\"$ABIDRIFT_ID\"\t=\t\"$(cat)\"");
	struct message one = ask(text, text), m;
	struct buffer room = BUFFER_INIT;

	(void)state;
	assert_int_equal(message_send(r.fd, &one), 0);
	assert_int_equal(answered(&r, &room, &m), SINK_DELIVERED);
	buffer_release(&room);
	assert_int_equal(ended(&r), ENDED);
}

static void a_program_that_is_not_there_is_said(void **state)
{
	struct running r = start("/nonexistent/program");
	struct message one = ask("a", "{}"), m;
	struct buffer room = BUFFER_INIT;

	(void)state;
	assert_int_equal(message_send(r.fd, &one), 0);
	assert_int_equal(answered(&r, &room, &m), SINK_LATER);
	assert_non_null(strstr(m.fields[1].text, "No such file or directory"));
	buffer_release(&room);
	assert_int_equal(ended(&r), ENDED);
}

static void what_is_no_alert_ends_it(void **state)
{
	struct message hostile[5] = { { 0 } };
	struct buffer room = BUFFER_INIT;

	(void)state;
	hostile[1] = ask(NULL, "{}");
	hostile[2] = ask("a", NULL);
	hostile[3] = ask("a", "{}");
	message_text(&hostile[3], "/bin/sh");
	message_number(&hostile[4], 1);
	for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
		struct running r = start("/bin/true");
		struct message m;

		assert_int_equal(message_send(r.fd, &hostile[i]), 0);
		assert_int_equal(message_receive(r.fd, &room, &m), 0);
		assert_int_equal(ended(&r), DISTRUSTED);
	}
	buffer_release(&room);
}

/* Else it could be made to run as many at once as the host can bear. */
static void a_second_one_while_the_first_runs_ends_both(void **state)
{
	struct running r = start("/bin/sleep 1000");
	struct message one = ask("a", "{}"), m;
	struct buffer room = BUFFER_INIT;

	(void)state;
	assert_int_equal(message_send(r.fd, &one), 0);
	assert_int_equal(message_send(r.fd, &one), 0);
	assert_true(message_receive(r.fd, &room, &m) <= 0);
	buffer_release(&room);
	assert_int_equal(ended(&r), ENDED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_asked_for_is_run_with_it_one_after_the_other),
		cmocka_unit_test(texts_are_no_commands),
		cmocka_unit_test(a_program_that_is_not_there_is_said),
		cmocka_unit_test(what_is_no_alert_ends_it),
		cmocka_unit_test(a_second_one_while_the_first_runs_ends_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Who was taken over through the network must not be able to change what abidrift remembers: all it has is this socket. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#include "tests/unit/stores.h"
#include "userspace/base/buffer.h"
#include "userspace/blind.h"
#include "userspace/keeper.h"
#include "userspace/store/forward.h"
#include "userspace/store/store.h"

/* The keeper's exit code: as it should end; when it found that the other side is not what it should be. */
#define ENDED 0
#define DISTRUSTED 3

static const char *const SINKS[] = { "journal", "webhook", NULL };

/* Seconds that go by between two looks at the clock. */
static int step_s;

int clock_gettime(clockid_t id, struct timespec *ret)
{
	static int64_t now_s = 1000;

	(void)id;
	*ret = (struct timespec){ .tv_sec = now_s += step_s };
	return 0;
}

/* Of which descriptor a read fails, after how many. */
static int unread_fd = -1, unread_after;

ssize_t read(int fd, void *data, size_t bytes)
{
	if (fd == unread_fd && !unread_after--) {
		errno = EIO;
		return -1;
	}
	return syscall(SYS_read, fd, data, bytes);
}

struct kept {
	pid_t pid;
	int fd;
	struct store *store; /* forwards */
};

static void keeper_child(const struct sandbox *box, int fd)
{
	struct error e = ERROR_INIT;
	struct store *s = NULL;
	struct store_setup setup = quick_setup();
	int err = store_open_with(box->url, STORE_WRITE, &setup, &s, &e);

	err = keeper_run(s, fd, SINKS, &e);
	store_close(s);
	_exit(err < 0 ? DISTRUSTED : ENDED);
}

static struct kept keeper_start(const struct sandbox *box)
{
	struct kept k = { 0 };
	int ends[2];

	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	k.pid = fork();
	if (!k.pid) {
		close(ends[0]);
		keeper_child(box, ends[1]);
	}
	close(ends[1]);
	k.fd = ends[0];
	return k;
}

static int keeper_ended(struct kept *k)
{
	int status;

	close(k->fd);
	assert_int_equal(waitpid(k->pid, &status, 0), k->pid);
	store_close(k->store);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* A store with a guest and two alerts, a keeper for it, and a store that forwards. */
static struct kept begin(struct sandbox *box, struct store **ret_analyst)
{
	struct error e = ERROR_INIT;
	struct store *s = open_store(box->url, STORE_CREATE);
	struct kept k;

	assert_int_equal(store_alert_add(s, "before", NULL, "{}", 1), 0);
	k = keeper_start(box);
	assert_int_equal(store_open_forwarding(box->url, k.fd, &k.store, &e), 0);
	assert_int_equal(store_sink_begin(k.store, "webhook"), 0);
	assert_int_equal(store_alert_add(s, "one", "g", "{}", 2), 0);
	assert_int_equal(store_alert_add(s, "two", "g", "{}", 3), 0);
	store_changed(s);
	*ret_analyst = s;
	return k;
}

static size_t waiting(struct store *s, const char *sink)
{
	struct store_alert *rows = NULL;
	size_t count = 0;

	assert_int_equal(store_alerts_for(s, sink, 10, &rows, &count), 0);
	store_alerts_free(rows, count);
	return count;
}

static uint64_t counted(struct store *s, const char *labels)
{
	struct store_counter *rows = NULL;
	size_t count = 0;
	uint64_t found = 0;

	assert_int_equal(store_counters(s, &rows, &count), 0);
	for (size_t i = 0; i < count; i++)
		found += strcmp(rows[i].labels, labels) ? 0 : rows[i].count;
	store_counters_free(rows, count);
	return found;
}

static size_t notices(struct store *s)
{
	struct store_notice *rows = NULL;
	size_t count = 0;

	assert_int_equal(store_notices(s, &rows, &count), 0);
	store_notices_free(rows, count);
	return count;
}

/* ---- what the messenger needs */

static void the_outbox_is_worked_off_through_the_keeper(void **state)
{
	struct store *s;
	struct kept k = begin(*state, &s);

	assert_int_equal(waiting(k.store, "webhook"), 2);
	assert_int_equal(store_alert_failed(k.store, "webhook", 2, true, 5, "no"), 0);
	assert_int_equal(store_alert_done(k.store, "webhook", 2, false), 0);
	assert_int_equal(waiting(k.store, "webhook"), 1);
	assert_int_equal(store_alert_done(k.store, "webhook", 3, true), 0);
	assert_int_equal(waiting(k.store, "webhook"), 0);
	assert_int_equal(counted(s, "webhook,delivered"), 1);
	assert_int_equal(counted(s, "webhook,given_up"), 1);
	assert_int_equal(counted(s, "webhook,failed"), 1);
	assert_int_equal(store_sink_drop(k.store, "webhook"), 0);
	assert_int_equal(keeper_ended(&k), ENDED);
	store_close(s);
}

static void a_transaction_is_kept_as_a_whole_or_not_at_all(void **state)
{
	const struct store_notice one = { (char *)"a", (char *)"{}", 1, 0 }, two = { (char *)"b", (char *)"{}", 1, 2 };
	struct store *s;
	struct kept k = begin(*state, &s);
	bool taken = false;

	assert_int_equal(store_begin(k.store), 0);
	assert_int_equal(store_begin(k.store), -EALREADY);
	assert_int_equal(store_notice_put(k.store, &one), 0);
	assert_int_equal(notices(s), 0);
	store_rollback(k.store);
	assert_int_equal(store_begin(k.store), 0);
	assert_int_equal(store_notice_put(k.store, &one), 0);
	assert_int_equal(store_notice_put(k.store, &two), 0);
	assert_int_equal(store_notice_took(k.store, "b", "http://p"), 0);
	assert_int_equal(store_counter_add(k.store, "alerts", "alertmanager,delivered", 3), 0);
	assert_int_equal(notices(s), 0);
	assert_int_equal(store_commit(k.store), 0);
	assert_int_equal(notices(k.store), 2);
	assert_int_equal(store_notice_taken(k.store, "b", "http://p", &taken), 0);
	assert_true(taken);
	assert_int_equal(counted(k.store, "alertmanager,delivered"), 3);
	/* One failed in it: nothing of it is kept. */
	assert_int_equal(store_begin(k.store), 0);
	assert_int_equal(store_notice_drop(k.store, "a"), 0);
	assert_int_equal(store_notice_took(k.store, "nothing of that name", "p"), -ENOENT);
	assert_int_equal(store_commit(k.store), -ENOENT);
	assert_int_equal(notices(k.store), 2);
	/* Nor of one whose asker is gone. */
	assert_int_equal(store_begin(k.store), 0);
	assert_int_equal(store_notice_drop(k.store, "a"), 0);
	assert_int_equal(shutdown(k.fd, SHUT_RDWR), 0);
	assert_int_equal(keeper_ended(&k), ENDED);
	assert_int_equal(notices(s), 2);
	store_close(s);
}

/* Its size, or the rest of it, would be taken for the answer to the next question. */
static void an_answer_that_cannot_be_read_ends_both_and_leaves_what_was_done(void **state)
{
	for (int after = 0; after < 2; after++) {
		struct store *s;
		struct kept k = begin(*state, &s);

		unread_fd = k.fd;
		unread_after = after;
		assert_int_equal(store_alert_done(k.store, "webhook", 2, false), -EPIPE);
		unread_fd = -1;
		assert_int_equal(store_changed(k.store), -EPIPE);
		assert_int_equal(keeper_ended(&k), ENDED);
		assert_int_equal(waiting(s, "webhook"), 1);
		assert_int_equal(store_sink_drop(s, "webhook"), 0);
		store_close(s);
		unlink(((struct sandbox *)*state)->path);
	}
}

static void what_the_keeper_wrote_is_no_news_and_what_others_wrote_is(void **state)
{
	struct store *s;
	struct kept k = begin(*state, &s);

	store_changed(k.store);
	assert_int_equal(store_changed(k.store), 0);
	assert_int_equal(store_alert_done(k.store, "webhook", 2, false), 0);
	assert_int_equal(store_changed(k.store), 0);
	assert_int_equal(store_alert_add(s, "three", NULL, "{}", 3), 0);
	assert_int_equal(store_changed(k.store), 1);
	assert_int_equal(store_changed(k.store), 0);
	assert_int_equal(waiting(k.store, "webhook"), 2);
	assert_int_equal(keeper_ended(&k), ENDED);
	store_close(s);
}

static void that_nobody_watches_is_told_once_and_so_is_its_end(void **state)
{
	struct store *s;
	struct kept k = begin(*state, &s);
	struct error e = ERROR_INIT;
	struct store_alert *rows = NULL;
	bool alerted = false;
	size_t count = 0;

	assert_int_equal(blind_monitor(k.store, "host", "it is silent", 7, &alerted, &e), 0);
	assert_true(alerted);
	alerted = false;
	assert_int_equal(blind_monitor(k.store, "host", "it is silent", 8, &alerted, &e), 0);
	assert_false(alerted);
	assert_int_equal(blind_monitor(k.store, "host", NULL, 9, &alerted, &e), 0);
	assert_true(alerted);
	assert_int_equal(store_alerts_for(k.store, "webhook", 10, &rows, &count), 0);
	assert_int_equal(count, 4);
	assert_non_null(strstr(rows[2].json, "\"type\":\"blind\""));
	assert_non_null(strstr(rows[2].json, "it is silent"));
	assert_non_null(strstr(rows[3].json, "\"type\":\"resolved\""));
	store_alerts_free(rows, count);
	assert_int_equal(keeper_ended(&k), ENDED);
	store_close(s);
}

/* It is tried again, as ever, only if it is known for what it is. */
static void a_store_that_is_locked_is_said_to_be(void **state)
{
	struct store *s;
	struct kept k = begin(*state, &s);

	assert_int_equal(store_begin(s), 0);
	assert_int_equal(store_alert_done(k.store, "webhook", 2, false), -EBUSY);
	assert_non_null(strstr(store_error(k.store), "keeps it locked"));
	assert_int_equal(store_begin(k.store), -EBUSY);
	assert_int_equal(store_commit(s), 0);
	assert_int_equal(store_alert_done(k.store, "webhook", 2, false), 0);
	assert_int_equal(keeper_ended(&k), ENDED);
	store_close(s);
}

static void a_keeper_that_cannot_open_its_store_says_why(void **state)
{
	struct sandbox *box = *state;
	struct error e = ERROR_INIT;
	struct store *s = NULL;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	error_set(&e, EIO, "the moon is in the way");
	assert_int_equal(keeper_run(NULL, ends[1], SINKS, &e), 0);
	e.text[0] = 0;
	assert_int_equal(store_open_forwarding(box->url, ends[0], &s, &e), -EIO);
	assert_string_equal(e.text, "the moon is in the way");
	close(ends[0]);
	close(ends[1]);
}

static void a_keeper_that_died_is_said_to_be_gone(void **state)
{
	struct store *s;
	struct kept k = begin(*state, &s);

	kill(k.pid, SIGKILL);
	assert_int_equal(store_alert_done(k.store, "webhook", 2, false), -EPIPE);
	assert_non_null(strstr(store_error(k.store), "keeper"));
	assert_int_equal(keeper_ended(&k), -1);
	assert_int_equal(waiting(s, "webhook"), 2);
	store_close(s);
}

/* ---- what it must not have */

static void whatever_else_is_written_fails(void **state)
{
	struct store *s;
	struct kept k = begin(*state, &s);
	struct store_event event = { .at = 1, .type = (char *)"accept" };
	struct store_blind blind = { (char *)"guest/g/cpuid", (char *)"h", NULL, 1, SEVERITY_CRITICAL, (char *)"r" };
	struct store_guest guest = { 0 };
	size_t rows = 0;
	bool b = false;

	assert_int_equal(store_alert_add(k.store, "mine", NULL, "{}", 1), -EROFS);
	assert_int_equal(store_guest_put(k.store, "h", NULL, "h", false, &guest), -EROFS);
	assert_int_equal(store_event_add(k.store, &event), -EROFS);
	assert_int_equal(store_blind_set(k.store, &blind, &b), -EROFS);
	assert_int_equal(store_blind_end(k.store, "guest/g/cpuid", &b), -EROFS);
	assert_int_equal(store_status_put(k.store, "h", 1, "{}"), -EROFS);
	assert_int_equal(store_host_put(k.store, "h", ""), -EROFS);
	assert_int_equal(store_suppression_hit(k.store, "r", 1, 1, 1), -EROFS);
	assert_int_equal(store_prune(k.store, INT64_MAX, &rows), -EROFS);
	assert_int_equal(store_changed(s), 0);
	assert_int_equal(keeper_ended(&k), ENDED);
	store_close(s);
}

static struct message asked(uint32_t what, const char *kinds, ...)
{
	struct message m = { .what = what };
	va_list args;

	va_start(args, kinds);
	for (; *kinds; kinds++)
		if (*kinds == 'i')
			message_number(&m, va_arg(args, int64_t));
		else
			message_text(&m, va_arg(args, const char *));
	va_end(args);
	return m;
}

#define N(number) ((int64_t)(number))

/* All that is asked for is refused, one by one, and the keeper works on. */
static void refused(struct sandbox *box, const struct message *hostile, size_t count)
{
	struct store *s;
	struct kept k = begin(box, &s);

	for (size_t i = 0; i < count; i++) {
		int err = store_forward(k.store, &hostile[i], NULL);

		if (err != -EPERM)
			print_error("number %zu: %d\n", i, err);
		assert_int_equal(err, -EPERM);
	}
	assert_int_equal(store_changed(s), 0);
	assert_int_equal(store_alert_done(k.store, "webhook", 2, false), 0);
	assert_int_equal(keeper_ended(&k), ENDED);
	store_close(s);
}

static char *text_of(size_t bytes)
{
	char *text = malloc(bytes + 1);

	assert_non_null(text);
	memset(text, 'x', bytes);
	text[bytes] = 0;
	return text;
}

static void what_no_messenger_says_is_refused(void **state)
{
	const struct message hostile[] = {
		asked(FORWARD_COUNT, ""),
		asked(UINT32_MAX, ""),
		asked(0x80000000u, "t", "webhook"),
		asked(FORWARD_BEGIN, "i", N(1)),
		asked(FORWARD_SINK_DROP, ""),
		asked(FORWARD_SINK_DROP, "i", N(1)),
		asked(FORWARD_SINK_DROP, "t", NULL),
		asked(FORWARD_SINK_DROP, "tt", "webhook", "journal"),
		asked(FORWARD_SINK_DROP, "t", "guests"),
		asked(FORWARD_SINK_DROP, "t", "webhook'; DELETE FROM baselines; --"),
		asked(FORWARD_SINK_BEGIN, "t", ""),
		asked(FORWARD_SINK_BEGIN, "t", "analyst"),
		asked(FORWARD_ALERT_DONE, "tii", "webhook", N(0), N(0)),
		asked(FORWARD_ALERT_DONE, "tii", "webhook", N(-1), N(0)),
		asked(FORWARD_ALERT_DONE, "tii", "webhook", N(2), N(2)),
		asked(FORWARD_ALERT_DONE, "tti", "webhook", "2", N(0)),
		asked(FORWARD_ALERT_DONE, "ti", "webhook", N(2)),
		asked(FORWARD_ALERT_FAILED, "tiiit", "webhook", N(2), N(1), N(-1), "why"),
		asked(FORWARD_ALERT_FAILED, "tiiit", "webhook", N(2), N(1), N(1), NULL),
		asked(FORWARD_COUNTER_ADD, "tti", "drift_events", "cpuid,critical,violation", N(1)),
		asked(FORWARD_COUNTER_ADD, "tti", "alerts", "webhook,delivered", N(1)),
		asked(FORWARD_COUNTER_ADD, "tti", "alerts", "alertmanager,delivered", N(0)),
		asked(FORWARD_COUNTER_ADD, "tti", "alerts", "alertmanager,delivered", N(-5)),
		asked(FORWARD_COUNTER_ADD, "tti", "alerts", "alertmanager,delivered", N(INT64_MAX)),
		asked(FORWARD_COUNTER_ADD, "tti", "alerts", "alertmanager,stolen", N(1)),
		asked(FORWARD_NOTICE_PUT, "ttii", "key", "{}", N(-1), N(0)),
		asked(FORWARD_MONITOR, "tti", "", "reason", N(1)),
		asked(FORWARD_MONITOR, "tti", "host", "two\nlines", N(1)),
		asked(FORWARD_MONITOR, "tti", "host", "\x1b]0;title\x07", N(1)),
		asked(FORWARD_MONITOR, "tti", "host", "reason", N(-1)),
		asked(FORWARD_MONITOR, "nti", NULL, "reason", N(1)),
	};

	refused(*state, hostile, sizeof hostile / sizeof *hostile);
}

static void what_is_too_long_is_refused(void **state)
{
	char *line = text_of(4097), *name = text_of(65), *json = text_of((8 << 20) + 1);
	const struct message hostile[] = {
		asked(FORWARD_SINK_BEGIN, "t", json),
		asked(FORWARD_ALERT_FAILED, "tiiit", "webhook", N(2), N(1), N(1), line),
		asked(FORWARD_NOTICE_PUT, "ttii", "key", json, N(1), N(0)),
		asked(FORWARD_NOTICE_PUT, "ttii", line, "{}", N(1), N(0)),
		asked(FORWARD_NOTICE_TOOK, "tt", "key", line),
		asked(FORWARD_NOTICE_TOOK, "tt", line, "peer"),
		asked(FORWARD_NOTICE_DROP, "t", line),
		asked(FORWARD_MONITOR, "tti", name, "reason", N(1)),
		asked(FORWARD_MONITOR, "tti", "host", line, N(1)),
	};

	refused(*state, hostile, sizeof hostile / sizeof *hostile);
	free(line);
	free(name);
	free(json);
}

/* ---- bytes that are no message */

struct bytes {
	const char *data;
	size_t size;
};
#define BYTES(text) { text, sizeof text - 1 }

static void bytes_that_are_no_message_end_it(void **state)
{
	static const struct bytes hostile[] = {
		BYTES("\0\0\0\0"),                                                   /* no question */
		BYTES("\3\0\0\0\0\0\0"),                                             /* too short for one */
		BYTES("\1\0\0\1"),                                                   /* larger than all */
		BYTES("\377\377\377\377"),
		BYTES("\5\0\0\0\5\0\0\0t"),                                         /* a text without a size */
		BYTES("\12\0\0\0\5\0\0\0t\2\0\0\0x"),                              /* longer than all that came */
		BYTES("\12\0\0\0\5\0\0\0t\377\377\377\377x"),
		BYTES("\11\0\0\0\5\0\0\0t\0\0\0\0"),                               /* without its end */
		BYTES("\13\0\0\0\5\0\0\0t\2\0\0\0xx"),
		BYTES("\14\0\0\0\5\0\0\0t\3\0\0\0x\0y"),                            /* with two */
		BYTES("\5\0\0\0\5\0\0\0x"),                                         /* of no kind */
		BYTES("\14\0\0\0\5\0\0\0i1234567"),                                 /* a part of a number */
		BYTES("\13\0\0\0\5\0\0\0nnnnnnn"),                                  /* too many */
	};
	struct sandbox *box = *state;
	struct store *s = open_store(box->url, STORE_CREATE);

	for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
		struct kept k = keeper_start(box);
		struct buffer room = BUFFER_INIT;
		struct message m;
		int code, got;

		assert_int_equal(message_receive(k.fd, &room, &m), 1);
		assert_int_equal(write(k.fd, hostile[i].data, hostile[i].size), hostile[i].size);
		got = message_receive(k.fd, &room, &m);
		buffer_release(&room);
		code = keeper_ended(&k);
		if (got || code != DISTRUSTED)
			print_error("number %zu: %d, ended with %d\n", i, got, code);
		assert_int_equal(got, 0);
		assert_int_equal(code, DISTRUSTED);
	}
	assert_int_equal(store_changed(s), 0);
	store_close(s);
}

static void a_message_that_comes_in_pieces_is_one(void **state)
{
	struct message m = asked(7, "titnit", "one", N(INT64_MIN), "", NULL, N(5), "x"), got;
	struct buffer whole = BUFFER_INIT, part = BUFFER_INIT;
	size_t bytes = 0;

	(void)state;
	assert_int_equal(message_put(&m, &whole), 0);
	for (size_t i = 0; i < whole.size; i++) {
		assert_int_equal(message_take(&part, &got, &bytes), 0);
		buffer_append(&part, whole.data + i, 1);
	}
	buffer_string(&part, "what comes next");
	assert_int_equal(message_take(&part, &got, &bytes), 1);
	assert_int_equal(bytes, whole.size);
	assert_int_equal(got.what, 7);
	assert_true(message_is(&got, "titnit"));
	assert_true(message_is(&got, "TiTTiT"));
	assert_false(message_is(&got, "titni"));
	assert_false(message_is(&got, "titnitt"));
	assert_string_equal(got.fields[0].text, "one");
	assert_true(got.fields[1].number == INT64_MIN);
	assert_string_equal(got.fields[2].text, "");
	assert_null(got.fields[3].text);
	message_text(&m, "one too many");
	assert_int_equal(message_put(&m, &whole), -EMSGSIZE);
	buffer_release(&whole);
	buffer_release(&part);
}

/* The analyst could not write for as long. */
static void a_transaction_that_never_ends_is_ended(void **state)
{
	struct sandbox *box = *state;
	struct store *s = open_store(box->url, STORE_CREATE);
	const struct message ask = { .what = FORWARD_BEGIN };
	struct buffer room = BUFFER_INIT;
	struct message m;
	struct kept k;

	step_s = 6;
	k = keeper_start(box);
	step_s = 0;
	assert_int_equal(message_receive(k.fd, &room, &m), 1);
	assert_int_equal(message_send(k.fd, &ask), 0);
	assert_int_equal(message_receive(k.fd, &room, &m), 1);
	assert_int_equal(m.fields[0].number, 0);
	assert_int_equal(message_receive(k.fd, &room, &m), 0);
	buffer_release(&room);
	assert_int_equal(keeper_ended(&k), DISTRUSTED);
	assert_int_equal(store_begin(s), 0);
	assert_int_equal(store_commit(s), 0);
	store_close(s);
}

/* It is not what the messenger said that is wrong. */
static void answers_that_nobody_takes_are_said_to_be_that(void **state)
{
	static const char *const none[] = { NULL };
	struct sandbox *box = *state;
	struct store *s = open_store(box->url, STORE_CREATE);
	struct error e = ERROR_INIT;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	while (send(ends[1], none, sizeof none, MSG_DONTWAIT) > 0)
		;
	assert_int_equal(keeper_run(s, ends[1], none, &e), -EAGAIN);
	assert_non_null(strstr(e.text, "does not take its answers"));
	close(ends[0]);
	close(ends[1]);
	store_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(function) cmocka_unit_test_setup_teardown(function, sandbox_setup, sandbox_teardown)
		TEST(the_outbox_is_worked_off_through_the_keeper),
		TEST(a_transaction_is_kept_as_a_whole_or_not_at_all),
		TEST(an_answer_that_cannot_be_read_ends_both_and_leaves_what_was_done),
		TEST(what_the_keeper_wrote_is_no_news_and_what_others_wrote_is),
		TEST(that_nobody_watches_is_told_once_and_so_is_its_end),
		TEST(a_store_that_is_locked_is_said_to_be),
		TEST(a_keeper_that_cannot_open_its_store_says_why),
		TEST(a_keeper_that_died_is_said_to_be_gone),
		TEST(whatever_else_is_written_fails),
		TEST(what_no_messenger_says_is_refused),
		TEST(what_is_too_long_is_refused),
		TEST(bytes_that_are_no_message_end_it),
		TEST(a_message_that_comes_in_pieces_is_one),
		TEST(a_transaction_that_never_ends_is_ended),
		TEST(answers_that_nobody_takes_are_said_to_be_that),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

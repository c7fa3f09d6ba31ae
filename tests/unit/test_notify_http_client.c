/* SPDX-License-Identifier: Apache-2.0 */
/* One request whose socket nobody can wait for must not stop those that come after it. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <unistd.h>

#include <cmocka.h>

#include "userspace/base/error.h"
#include "userspace/notify/http_client.h"

#define PATIENCE_S 20

static bool full; /* nothing more can be waited for, once */

int epoll_ctl(int epoll, int what, int fd, struct epoll_event *event)
{
	if (full && what == EPOLL_CTL_ADD) {
		full = false;
		errno = ENOSPC;
		return -1;
	}
	return (int)syscall(SYS_epoll_ctl, epoll, what, fd, event);
}

/* Answers whatever comes, one connection at a time. */
static pid_t server_start(int *ret_port)
{
	static const char answer[] = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t bytes = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	pid_t pid;

	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &bytes), 0);
	*ret_port = ntohs(at.sin_port);
	pid = fork();
	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!pid) {
		char room[4096];
		int client = accept(fd, NULL, NULL);

		if (read(client, room, sizeof room) > 0 && write(client, answer, sizeof answer - 1) < 0)
			_exit(1);
		close(client);
	}
	close(fd);
	return pid;
}

struct heard {
	unsigned times;
	long status;
	char error[128];
};

static void done(void *context, const struct http_reply *reply)
{
	struct heard *h = context;

	h->times++;
	h->status = reply->status;
	snprintf(h->error, sizeof h->error, "%s", reply->error ? reply->error : "");
}

static struct heard ask(sd_event *loop, struct http_client *c, int port)
{
	struct heard h = { 0 };
	struct error e = ERROR_INIT;
	char url[64];
	struct http_request request = { .method = "POST", .url = url, .body = "x", .bytes = 1, .timeout_ms = PATIENCE_S * 1000 };

	snprintf(url, sizeof url, "http://127.0.0.1:%d/", port);
	assert_int_equal(http_client_send(c, &request, done, &h, NULL, &e), 0);
	for (int i = 0; i < PATIENCE_S * 10 && !h.times; i++)
		assert_true(sd_event_run(loop, 100000) >= 0);
	assert_int_equal(h.times, 1);
	return h;
}

static void a_socket_that_cannot_be_waited_for_fails_its_own_request_alone(void **state)
{
	struct http_client *c = NULL;
	struct error e = ERROR_INIT;
	sd_event *loop = NULL;
	struct heard h;
	int port;
	pid_t pid = server_start(&port);

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_true(sd_event_new(&loop) >= 0);
	assert_int_equal(http_client_new(loop, &c, &e), 0);
	assert_int_equal(ask(loop, c, port).status, 204);
	full = true;
	h = ask(loop, c, port);
	assert_false(full);
	assert_int_equal(h.status, 0);
	assert_string_equal(h.error, "No space left on device");
	assert_int_equal(ask(loop, c, port).status, 204);
	http_client_free(c);
	sd_event_unref(loop);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_socket_that_cannot_be_waited_for_fails_its_own_request_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

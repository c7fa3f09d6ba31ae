/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/commands/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "userspace/base/error.h"
#include "userspace/commands/options.h"
#include "userspace/commands/output.h"

#define DELAY_FIRST_MS 100
#define DELAY_MAX_MS 5000
/* One that worked so long and then died did not die of how it was started. */
#define WORKED_MS 10000
/* How long the end of one process may take: to end by itself, then to end when told. */
#define PATIENCE_MS 4000

struct child {
	const struct service *service;
	pid_t pid; /* 0 = does not run */
	int stop_fd; /* our end; -1 = told already */
	int64_t began_ms, again_ms;
	int delay_ms;
};

struct supervisor {
	const struct supervision *s;
	struct child children[8];
	size_t count;
	int signal_fd;
	bool ready, stop, hurry;
	int code;
};

static pid_t supervisor_pid;

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void supervise_bind(void)
{
	/* The kernel forgets this when a process changes its user, so it comes after that. */
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != supervisor_pid)
		_exit(EXIT_FAILED);
}

/* ---- in the new process */

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void close_others(const struct service_start *start)
{
	int keep[SERVICE_KEEP_MAX + 3] = { STDERR_FILENO, start->stop_fd, start->own_fd };
	unsigned from = 0;
	size_t count = 3;

	for (size_t i = 0; i < SERVICE_KEEP_MAX && start->keep[i] >= 0; i++)
		keep[count++] = start->keep[i];
	qsort(keep, count, sizeof *keep, by_number);
	for (size_t i = 0; i < count; i++) {
		if (keep[i] <= STDERR_FILENO) {
			from = STDERR_FILENO + 1;
			continue;
		}
		if ((unsigned)keep[i] > from)
			close_range(from, (unsigned)keep[i] - 1, 0);
		from = (unsigned)keep[i] + 1;
	}
	close_range(from, UINT_MAX, 0);
}

static void child_descriptors(const struct service *service, const struct service_start *start)
{
	int nothing = open("/dev/null", O_RDWR);

	if (nothing >= 0) {
		dup2(nothing, STDIN_FILENO);
		if (!service->keeps_stdout)
			dup2(nothing, STDOUT_FILENO);
	}
	close_others(start);
}

/* A signal to the whole group is the supervisor's: it ends its processes in order. */
static void child_signals(void)
{
	sigset_t none;

	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void child_go(const struct supervisor *v, const struct service *service, const struct service_start *start)
{
	int code;

	child_signals();
	child_descriptors(service, start);
	prctl(PR_SET_NAME, service->name, 0, 0, 0);
	supervise_bind();
	code = service->main(v->s->context, start);
	fflush(NULL);
	_exit(code);
}

/* ---- in the supervisor */

static int64_t child_later(struct child *c)
{
	int64_t delay = c->delay_ms;

	c->again_ms = now_ms() + delay;
	c->delay_ms = c->delay_ms * 2 > DELAY_MAX_MS ? DELAY_MAX_MS : c->delay_ms * 2;
	return delay;
}

static int child_fork(struct supervisor *v, struct child *c, struct service_start *start, struct error *e)
{
	int stop[2];

	if (pipe2(stop, O_CLOEXEC) < 0)
		return error_set(e, errno, "%s: pipe: %s", c->service->name, strerror(errno));
	start->stop_fd = stop[0];
	fflush(NULL);
	c->pid = fork();
	if (c->pid == 0)
		child_go(v, c->service, start);
	close(stop[0]);
	if (c->pid < 0) {
		c->pid = 0;
		close(stop[1]);
		return error_set(e, errno, "%s: fork: %s", c->service->name, strerror(errno));
	}
	c->stop_fd = stop[1];
	c->began_ms = now_ms();
	return 0;
}

static void child_start(struct supervisor *v, struct child *c)
{
	struct service_start start = { -1, -1, { -1, -1, -1, -1 } };
	struct error e = ERROR_INIT;
	int err = c->service->prepare ? c->service->prepare(v->s->context, &start, &e) : 0;

	if (err >= 0)
		err = child_fork(v, c, &start, &e);
	if (start.own_fd >= 0)
		close(start.own_fd);
	if (err < 0) {
		int64_t delay = child_later(c);

		output_error(v->s->options, "%s; trying again in %lld ms", e.text, (long long)delay);
	}
}

static void how_it_ended(int status, char *room, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(room, size, "was ended by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status))
		snprintf(room, size, "failed");
	else
		snprintf(room, size, "ended");
}

static void child_ended(struct supervisor *v, struct child *c, int status)
{
	bool failed = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_FAILED;
	char how[96];

	c->pid = 0;
	if (c->stop_fd >= 0)
		close(c->stop_fd);
	c->stop_fd = -1;
	if (v->stop)
		return;
	if (failed && !v->ready) {
		v->code = EXIT_FAILED;
		v->stop = true;
		return;
	}
	if (now_ms() - c->began_ms >= WORKED_MS)
		c->delay_ms = DELAY_FIRST_MS;
	how_it_ended(status, how, sizeof how);
	output_note(v->s->options, "%s %s; starting it again in %lld ms", c->service->name, how, (long long)child_later(c));
}

static void reap(struct supervisor *v)
{
	int status;

	for (size_t i = 0; i < v->count; i++)
		if (v->children[i].pid > 0 && waitpid(v->children[i].pid, &status, WNOHANG) == v->children[i].pid)
			child_ended(v, &v->children[i], status);
}

static void take_signals(struct supervisor *v)
{
	struct signalfd_siginfo info;

	while (read(v->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
		if (info.ssi_signo == SIGCHLD)
			continue;
		v->hurry = v->stop;
		v->stop = true;
	}
	reap(v);
}

/* Until something happened, at most so long. */
static void wait_for(struct supervisor *v, int64_t ms)
{
	struct pollfd fds[] = { { .fd = v->signal_fd, .events = POLLIN },
				{ .fd = v->ready || v->stop ? -1 : v->s->ready_fd, .events = POLLIN } };

	if (poll(fds, 2, ms < 0 ? -1 : (int)ms) <= 0)
		return;
	if (fds[1].revents) {
		v->ready = true;
		v->s->ready(v->s->context);
	}
	if (fds[0].revents)
		take_signals(v);
}

static int64_t start_due(struct supervisor *v)
{
	int64_t next = -1;

	for (size_t i = 0; i < v->count; i++) {
		struct child *c = &v->children[i];
		int64_t left;

		if (c->pid)
			continue;
		left = c->again_ms - now_ms();
		if (left <= 0) {
			child_start(v, c);
			left = c->pid ? -1 : c->again_ms - now_ms();
		}
		if (left >= 0 && (next < 0 || left < next))
			next = left;
	}
	return next;
}

static void wait_for_end(struct supervisor *v, const struct child *c)
{
	int64_t end = now_ms() + PATIENCE_MS, left;

	while (c->pid && !v->hurry && (left = end - now_ms()) > 0)
		wait_for(v, left);
}

static void child_stop(struct supervisor *v, struct child *c)
{
	int status;

	if (c->pid && c->service->follows)
		wait_for_end(v, c);
	if (c->stop_fd >= 0)
		close(c->stop_fd);
	c->stop_fd = -1;
	wait_for_end(v, c);
	if (!c->pid)
		return;
	if (!v->hurry)
		output_error(v->s->options, "%s does not end; ending it by force", c->service->name);
	kill(c->pid, SIGKILL);
	waitpid(c->pid, &status, 0);
	c->pid = 0;
}

static int signals_take(struct supervisor *v)
{
	static const int ours[] = { SIGINT, SIGTERM, SIGHUP, SIGCHLD };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
		sigaddset(&set, ours[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	v->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return v->signal_fd < 0 ? -errno : 0;
}

int supervise(const struct service *services, size_t count, const struct supervision *s)
{
	struct supervisor v = { .s = s, .count = count };

	supervisor_pid = getpid();
	for (size_t i = 0; i < count; i++)
		v.children[i] = (struct child){ .service = &services[i], .stop_fd = -1, .delay_ms = DELAY_FIRST_MS };
	if (signals_take(&v) < 0)
		return output_error(s->options, "signalfd: %s", strerror(errno));
	while (!v.stop) {
		int64_t next = start_due(&v);

		wait_for(&v, next);
	}
	s->stopping(s->context);
	for (size_t i = 0; i < count; i++)
		child_stop(&v, &v.children[i]);
	close(v.signal_fd);
	return v.code;
}

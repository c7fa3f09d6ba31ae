/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/commands/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
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
/* Without progress for so long, a process hangs. Before its first step it may have a large store to migrate. */
#define HANGS_MS 30000
#define HANGS_FIRST 10
/* Looks at who rang, in that time. */
#define LOOKS 6

struct child {
	const struct service *service;
	pid_t pid; /* 0 = does not run */
	int stop_fd; /* our end; -1 = told already */
	int alive_fd; /* both ends */
	int64_t began_ms, again_ms, rang_ms;
	int64_t end_ms; /* is being renewed, and has to have ended by then; 0 = is not */
	int delay_ms;
	bool began; /* rang at least once */
	bool fed; /* rang since the watchdog was last fed */
	bool killed; /* by us: it hung */
	char said[256]; /* why it cannot be started */
};

struct supervisor {
	const struct supervision *s;
	struct child children[8];
	size_t count;
	int signal_fd;
	int64_t look_ms, hangs_ms;
	bool watchdog; /* systemd wants to be fed */
	bool ready, stop, hurry, reload, reloading;
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

void supervise_alive(int alive_fd)
{
	uint64_t one = 1;
	ssize_t put = write(alive_fd, &one, sizeof one);

	(void)put; /* full: it rings already */
}

/* ---- in the new process */

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void close_others(const struct service_start *start)
{
	int keep[SERVICE_KEEP_MAX + 4] = { STDERR_FILENO, start->stop_fd, start->alive_fd, start->own_fd };
	unsigned from = 0;
	size_t count = 4;

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
	signal(SIGTTOU, SIG_IGN); /* not in the terminal's foreground, and it writes there */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* At _exit nobody looks for leaks; and only one who may be traced can be looked at. */
static int child_leaks(int code)
{
#ifdef __SANITIZE_ADDRESS__
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	if (__lsan_do_recoverable_leak_check())
		return EXIT_FAILED;
#endif
	return code;
}

static void child_go(const struct supervisor *v, const struct service *service, const struct service_start *start)
{
	int code;

	setpgid(0, 0);
	child_signals();
	child_descriptors(service, start);
	prctl(PR_SET_NAME, service->name, 0, 0, 0);
	supervise_bind();
	code = service->main(v->s->context, start);
	fflush(NULL);
	_exit(child_leaks(code));
}

/* ---- in the supervisor */

/* Did it, since this was asked last? */
static bool rang(const struct child *c)
{
	uint64_t rung;

	return read(c->alive_fd, &rung, sizeof rung) == (ssize_t)sizeof rung;
}

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

	if (c->alive_fd < 0)
		c->alive_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->alive_fd < 0 || pipe2(stop, O_CLOEXEC) < 0)
		return error_set(e, errno, "%s: eventfd or pipe: %s", c->service->name, strerror(errno));
	rang(c); /* the one before did */
	start->stop_fd = stop[0];
	start->alive_fd = c->alive_fd;
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
	setpgid(c->pid, c->pid); /* both do: whoever is first */
	c->stop_fd = stop[1];
	c->began_ms = c->rang_ms = now_ms();
	c->began = c->killed = false;
	c->said[0] = 0;
	return 0;
}

static void child_start(struct supervisor *v, struct child *c)
{
	struct service_start start = { .stop_fd = -1, .alive_fd = -1, .own_fd = -1 };
	struct error e = ERROR_INIT;
	int err;

	for (size_t i = 0; i < SERVICE_KEEP_MAX; i++)
		start.keep[i] = -1;
	err = c->service->prepare ? c->service->prepare(v->s->context, &start, &e) : 0;
	if (err >= 0)
		err = child_fork(v, c, &start, &e);
	if (start.own_fd >= 0)
		close(start.own_fd);
	if (err < 0) {
		child_later(c);
		/* Once: what has to come first may take its time. */
		if (strncmp(c->said, e.text, sizeof c->said - 1))
			output_error(v->s->options, "%s; trying again until it works", e.text);
		snprintf(c->said, sizeof c->said, "%.*s", (int)sizeof c->said - 1, e.text);
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
	bool failed = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_FAILED, renewed = c->end_ms != 0;
	char how[96];

	c->pid = 0;
	c->end_ms = 0;
	if (c->stop_fd >= 0)
		close(c->stop_fd);
	c->stop_fd = -1;
	if (v->stop)
		return;
	if (renewed && !failed) {
		c->again_ms = 0;
		return;
	}
	if (failed && !v->ready) {
		v->code = EXIT_FAILED;
		v->stop = true;
		return;
	}
	if (now_ms() - c->began_ms >= WORKED_MS)
		c->delay_ms = DELAY_FIRST_MS;
	how_it_ended(status, how, sizeof how);
	output_warning(v->s->options, "%s %s; starting it again in %lld ms", c->service->name, how, (long long)child_later(c));
}

/* flags: WNOHANG, or 0. With all that it started and left: it may be shut in so far that its death cannot end them. */
static bool child_reap(pid_t pid, int flags, int *ret_status)
{
	siginfo_t info = { 0 };

	if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT | flags) < 0 || info.si_pid != pid)
		return false;
	kill(-pid, SIGKILL);
	return waitpid(pid, ret_status, 0) == pid;
}

static void reap(struct supervisor *v)
{
	int status;

	for (size_t i = 0; i < v->count; i++)
		if (v->children[i].pid > 0 && child_reap(v->children[i].pid, WNOHANG, &status))
			child_ended(v, &v->children[i], status);
}

static void take_signals(struct supervisor *v)
{
	struct signalfd_siginfo info;

	while (read(v->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
		if (info.ssi_signo == SIGCHLD)
			continue;
		/* The kernel's own means that the terminal is gone. */
		if (info.ssi_signo == SIGHUP && info.ssi_code != SI_KERNEL) {
			v->reload = true;
			continue;
		}
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
	child_reap(c->pid, 0, &status);
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

/* ---- who makes progress */

static void hangs(const struct supervisor *v, struct child *c, int64_t now)
{
	int64_t patience = c->began ? v->hangs_ms : HANGS_FIRST * v->hangs_ms;

	if (c->killed || now - c->rang_ms < patience)
		return;
	c->killed = true;
	output_error(v->s->options, "%s makes no progress since %lld s; ending it by force", c->service->name, (long long)(now - c->rang_ms) / 1000);
	kill(c->pid, SIGKILL);
}

/* Who rang since the last look; who did not for too long is ended. Returns when to look again. */
static int64_t look(struct supervisor *v)
{
	int64_t now = now_ms();
	bool all = true, away = now > v->look_ms + v->hangs_ms / 2;

	if (now < v->look_ms)
		return v->look_ms - now;
	v->look_ms = now + v->hangs_ms / LOOKS;
	for (size_t i = 0; i < v->count; i++) {
		struct child *c = &v->children[i];

		if (away)
			c->rang_ms = now; /* we did not run ourselves, so maybe nobody did: a frozen cgroup, a host that slept */
		if (c->pid && rang(c)) {
			c->rang_ms = now;
			c->began = c->fed = true;
		} else if (c->pid) {
			hangs(v, c, now);
		}
		/* In its pause, or not yet at its first step: no reason to end all. */
		all &= c->fed || !c->pid || (!c->began && !c->killed);
	}
	if (v->watchdog && all) {
		sd_notify(0, "WATCHDOG=1");
		for (size_t i = 0; i < v->count; i++)
			v->children[i].fed = false;
	}
	return v->look_ms - now;
}

static void look_begin(struct supervisor *v)
{
	uint64_t usec = 0;

	v->watchdog = sd_watchdog_enabled(0, &usec) > 0;
	v->look_ms = now_ms();
	v->hangs_ms = v->watchdog && usec / 2000 < HANGS_MS ? (int64_t)usec / 2000 : HANGS_MS;
}

/* ---- another configuration */

static void reload(struct supervisor *v)
{
	int64_t now = now_ms();

	v->reload = false;
	v->reloading = true;
	if (!v->s->reload(v->s->context))
		return;
	for (size_t i = 0; i < v->count; i++) {
		struct child *c = &v->children[i];

		if (!c->service->renews)
			continue;
		c->again_ms = 0; /* also one that could not work with what it had */
		c->delay_ms = DELAY_FIRST_MS;
		if (!c->pid || c->stop_fd < 0)
			continue;
		close(c->stop_fd);
		c->stop_fd = -1;
		c->end_ms = now + PATIENCE_MS;
	}
}

/* When to look again at those who are to end, -1 = there is none. */
static int64_t renew(struct supervisor *v)
{
	int64_t now = now_ms(), next = -1;

	for (size_t i = 0; i < v->count; i++) {
		struct child *c = &v->children[i];

		if (!c->end_ms || c->killed)
			continue;
		if (now >= c->end_ms) {
			c->killed = true;
			output_error(v->s->options, "%s does not end; ending it by force", c->service->name);
			kill(c->pid, SIGKILL);
		} else if (next < 0 || c->end_ms - now < next) {
			next = c->end_ms - now;
		}
	}
	return next;
}

static void reloaded(struct supervisor *v)
{
	for (size_t i = 0; i < v->count; i++)
		if (v->children[i].end_ms)
			return;
	v->reloading = false;
	v->s->reloaded(v->s->context);
}

static int64_t sooner(int64_t a, int64_t b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

int supervise(const struct service *services, size_t count, const struct supervision *s)
{
	struct supervisor v = { .s = s, .count = count };

	supervisor_pid = getpid();
	for (size_t i = 0; i < count; i++)
		v.children[i] = (struct child){ .service = &services[i], .stop_fd = -1, .alive_fd = -1, .delay_ms = DELAY_FIRST_MS };
	look_begin(&v);
	if (signals_take(&v) < 0)
		return output_error(s->options, "signalfd: %s", strerror(errno));
	while (!v.stop) {
		int64_t next;

		if (v.reload)
			reload(&v);
		next = sooner(start_due(&v), renew(&v));
		if (v.reloading)
			reloaded(&v);
		wait_for(&v, sooner(next, look(&v)));
	}
	s->stopping(s->context);
	for (size_t i = 0; i < count; i++) {
		child_stop(&v, &v.children[i]);
		if (v.children[i].alive_fd >= 0)
			close(v.children[i].alive_fd);
	}
	close(v.signal_fd);
	return v.code;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program for each alert, one at a time. It gets the alert on its standard input (a memory file: nobody waits for it to be read),
 * an environment of our making, and a process group of its own, which is killed as a whole when its time is over.
 */
#include "userspace/notify/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "userspace/base/buffer.h"
#include "userspace/base/config.h"
#include "userspace/base/error.h"
#include "userspace/base/message.h"
#include "userspace/notify/sink.h"

#define PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define LANG "LANG=C.UTF-8"
/* Of what it says on standard error the end is kept; the last line of that is told. */
#define SAID_BYTES 1024
#define SAID_SHOWN 160
/* As shells have it; and where even the reason could not be told. */
#define EXIT_NO_PROGRAM 127
#define EXIT_NO_REASON 126

struct runner {
	sd_event *loop;
	int fd;
	int err;            /* the other side says what it should not */
	struct buffer room; /* what was asked last */
	char *words;
	char **argv;
	uint64_t timeout_ms;
	/* of the one that runs; pid 0: none does */
	pid_t pid;
	bool late;
	int said_fd, failed_fd; /* its standard error; why it could not be started */
	sd_event_source *end, *said, *time;
	char text[SAID_BYTES];
	size_t bytes;
};

/* ---- before and after */

static void source_end(sd_event_source **source)
{
	*source = sd_event_source_disable_unref(*source);
}

static void descriptor_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void run_forget(struct runner *c)
{
	source_end(&c->end);
	source_end(&c->said);
	source_end(&c->time);
	descriptor_end(&c->said_fd);
	descriptor_end(&c->failed_fd);
	c->pid = 0;
}

/* What runs does not outlive this, nor what it started. */
static void run_kill(struct runner *c)
{
	source_end(&c->end);
	if (c->pid) {
		kill(-c->pid, SIGKILL);
		kill(c->pid, SIGKILL); /* before it had made its group */
		waitpid(c->pid, NULL, 0);
	}
	run_forget(c);
}

static int words_split(struct runner *c, const char *line)
{
	size_t count = 0;
	char *p;

	c->words = strdup(line);
	c->argv = calloc(strlen(line) / 2 + 2, sizeof *c->argv);
	if (!c->words || !c->argv)
		return -ENOMEM;
	for (p = c->words + strspn(c->words, " "); *p; p += strspn(p, " ")) {
		c->argv[count++] = p;
		p += strcspn(p, " ");
		if (*p)
			*p++ = 0;
	}
	return 0;
}

/* ---- in the child */

/* Only what is allowed after a fork of a process with threads. */
static void child_go(char *const *argv, char *const *environment, int in, int err, int failed, int nothing)
{
	struct sigaction standard = { .sa_handler = SIG_DFL };
	sigset_t none;
	int why;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int s = 1; s < NSIG; s++)
		sigaction(s, &standard, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* `failed` is beyond the others, and ends with a program that could be started. */
	if (dup2(in, STDIN_FILENO) >= 0 && dup2(nothing, STDOUT_FILENO) >= 0 && dup2(err, STDERR_FILENO) >= 0 && dup2(failed, STDERR_FILENO + 1) >= 0 &&
	    fcntl(STDERR_FILENO + 1, F_SETFD, FD_CLOEXEC) == 0 && chdir("/") == 0) {
		close_range(STDERR_FILENO + 2, UINT_MAX, 0);
		execve(argv[0], argv, environment);
		failed = STDERR_FILENO + 1;
	}
	why = errno;
	if (write(failed, &why, sizeof why) < 0)
		_exit(EXIT_NO_REASON);
	_exit(EXIT_NO_PROGRAM);
}

/* ---- what became of it */

static void answer(struct runner *c, enum sink_result result, const char *text)
{
	struct error line = ERROR_INIT;
	struct message m = { 0 };
	int err;

	error_set(&line, 0, "%s", text); /* makes it printable */
	message_number(&m, result);
	message_text(&m, line.text);
	err = message_send(c->fd, &m);
	if (err < 0)
		sd_event_exit(c->loop, 0);
}

static void said_take(struct runner *c)
{
	char room[4096];
	ssize_t got;

	/* Who never stops talking is heard again when the loop comes round. */
	for (int i = 0; i < 4 && (got = read(c->said_fd, room, sizeof room)) > 0; i++) {
		size_t fresh = (size_t)got < SAID_BYTES ? (size_t)got : SAID_BYTES, kept = c->bytes;

		if (kept + fresh > SAID_BYTES)
			kept = SAID_BYTES - fresh;
		memmove(c->text, c->text + c->bytes - kept, kept);
		memcpy(c->text + kept, room + (size_t)got - fresh, fresh);
		c->bytes = kept + fresh;
	}
}

static int said_came(sd_event_source *source, int fd, uint32_t events, void *context)
{
	struct runner *c = context;

	(void)fd;
	if (events & EPOLLIN)
		said_take(c);
	else
		sd_event_source_set_enabled(source, SD_EVENT_OFF); /* nobody writes there any more */
	return 0;
}

/* Its last line that is not empty. */
static void said_put(const struct runner *c, struct buffer *out)
{
	size_t end = c->bytes, from;

	while (end && strchr(" \t\r\n", c->text[end - 1]))
		end--;
	for (from = end; from && c->text[from - 1] != '\n' && c->text[from - 1] != '\r' && end - from < SAID_SHOWN;)
		from--;
	if (from == end)
		return;
	buffer_string(out, ": ");
	buffer_append(out, c->text + from, end - from);
}

static int why_not_started(const struct runner *c)
{
	int why = 0;

	return read(c->failed_fd, &why, sizeof why) == (ssize_t)sizeof why ? why : 0;
}

static void how(const struct runner *c, const siginfo_t *info, struct buffer *out)
{
	if (c->late)
		buffer_printf(out, "%s did not end within %llu ms and was killed", c->argv[0], (unsigned long long)c->timeout_ms);
	else if (info->si_code == CLD_EXITED)
		buffer_printf(out, "%s ended with status %d", c->argv[0], info->si_status);
	else
		buffer_printf(out, "%s was ended by signal %d (%s)", c->argv[0], info->si_status, strsignal(info->si_status));
	said_put(c, out);
}

static int ended(sd_event_source *source, const siginfo_t *info, void *context)
{
	struct runner *c = context;
	int failure = why_not_started(c);
	enum sink_result result = info->si_code == CLD_EXITED && !info->si_status && !c->late ? SINK_DELIVERED : SINK_FAILED;
	struct buffer text = BUFFER_INIT;

	(void)source;
	said_take(c);
	if (failure) {
		buffer_printf(&text, "%s cannot be started: %s", c->argv[0], strerror(failure));
		result = SINK_LATER;
	} else {
		how(c, info, &text);
	}
	run_forget(c);
	answer(c, result, buffer_failed(&text) ? "out of memory" : text.data);
	buffer_release(&text);
	return 0;
}

static int time_over(sd_event_source *source, uint64_t usec, void *context)
{
	struct runner *c = context;

	(void)source, (void)usec;
	c->late = true;
	kill(-c->pid, SIGKILL);
	kill(c->pid, SIGKILL); /* it may have gone to another group */
	return 0;
}

/* ---- starting it */

static int input_make(const char *line, int *ret)
{
	int fd = memfd_create("alert", MFD_CLOEXEC);
	struct {
		const char *at;
		size_t bytes;
	} parts[] = { { line, strlen(line) }, { "\n", 1 } };

	if (fd < 0)
		return -errno;
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		while (parts[i].bytes) {
			ssize_t put = write(fd, parts[i].at, parts[i].bytes);

			if (put <= 0) {
				int err = put < 0 ? -errno : -EIO;

				close(fd);
				return err;
			}
			parts[i].at += put;
			parts[i].bytes -= (size_t)put;
		}
	if (lseek(fd, 0, SEEK_SET) < 0) {
		close(fd);
		return -errno;
	}
	*ret = fd;
	return 0;
}

/* Beyond 0 to 3, which the child gives out anew. */
static int fd_above(int *fd)
{
	int above;

	if (*fd < 0 || *fd > STDERR_FILENO + 1)
		return *fd < 0 ? -EBADF : 0;
	above = fcntl(*fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 2);
	if (above < 0)
		return -errno;
	close(*fd);
	*fd = above;
	return 0;
}

struct starting {
	int in, nothing, said, failed; /* the child's ends */
};

static int ends_make(struct runner *c, const char *line, struct starting *s)
{
	int said[2], failed[2], err = input_make(line, &s->in);

	if (err < 0)
		return err;
	s->nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (s->nothing < 0)
		return -errno;
	if (pipe2(said, O_CLOEXEC) < 0)
		return -errno;
	c->said_fd = said[0];
	s->said = said[1];
	if (pipe2(failed, O_CLOEXEC) < 0)
		return -errno;
	c->failed_fd = failed[0];
	s->failed = failed[1];
	if (fcntl(c->said_fd, F_SETFL, O_NONBLOCK) < 0 || fcntl(c->failed_fd, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	err = fd_above(&s->in);
	if (err >= 0)
		err = fd_above(&s->nothing);
	if (err >= 0)
		err = fd_above(&s->said);
	return err < 0 ? err : fd_above(&s->failed);
}

static int watch(struct runner *c)
{
	int err = sd_event_add_child(c->loop, &c->end, c->pid, WEXITED, ended, c);

	if (err >= 0)
		err = sd_event_add_io(c->loop, &c->said, c->said_fd, EPOLLIN, said_came, c);
	if (err >= 0)
		err = sd_event_add_time_relative(c->loop, &c->time, CLOCK_MONOTONIC, c->timeout_ms * 1000, 0, time_over, c);
	return err;
}

static int run(struct runner *c, const char *line, char *const *environment)
{
	struct starting s = { -1, -1, -1, -1 };
	int err = ends_make(c, line, &s);

	c->bytes = 0;
	c->late = false;
	if (err >= 0) {
		c->pid = fork();
		if (c->pid == 0)
			child_go(c->argv, environment, s.in, s.said, s.failed, s.nothing);
		err = c->pid < 0 ? -errno : 0;
		if (c->pid < 0)
			c->pid = 0;
		else
			setpgid(c->pid, c->pid); /* both do: whoever is first */
	}
	descriptor_end(&s.in);
	descriptor_end(&s.nothing);
	descriptor_end(&s.said);
	descriptor_end(&s.failed);
	if (err >= 0)
		err = watch(c);
	if (err < 0 && c->pid) {
		source_end(&c->end);
		kill(-c->pid, SIGKILL);
		waitpid(c->pid, NULL, 0);
	}
	if (err < 0)
		run_forget(c);
	return err;
}

static void variable(struct buffer *out, const char *name, const struct message_field *value)
{
	buffer_printf(out, "%s=%s", name, value->text);
}

static void run_asked(struct runner *c, const struct message *m)
{
	struct buffer variables[3] = { BUFFER_INIT, BUFFER_INIT, BUFFER_INIT };
	struct error why = ERROR_INIT;
	int err;

	variable(&variables[0], "ABIDRIFT_ID", &m->fields[0]);
	variable(&variables[1], "ABIDRIFT_TYPE", &m->fields[1]);
	variable(&variables[2], "ABIDRIFT_SEVERITY", &m->fields[2]);
	err = buffer_failed(&variables[0]) || buffer_failed(&variables[1]) || buffer_failed(&variables[2]) ? -ENOMEM : 0;
	if (err >= 0) {
		char path[] = PATH, language[] = LANG;
		char *const environment[] = { path, language, variables[0].data, variables[1].data, variables[2].data, NULL };

		err = run(c, m->fields[3].text, environment);
	}
	for (size_t i = 0; i < 3; i++)
		buffer_release(&variables[i]);
	if (err < 0) {
		error_set(&why, -err, "%s cannot be started: %s", c->argv[0], strerror(-err));
		answer(c, SINK_LATER, why.text);
	}
}

/* ---- the process */

static int asked(sd_event_source *source, int fd, uint32_t events, void *context)
{
	struct runner *c = context;
	struct message m;
	/* While one runs there is nothing to ask: it hung up. */
	int err = c->pid ? 0 : message_receive(fd, &c->room, &m);

	(void)source, (void)events;
	if (err > 0 && !message_is(&m, RUNNER_ASK))
		err = -EBADMSG;
	if (err > 0)
		run_asked(c, &m);
	else
		sd_event_exit(c->loop, 0);
	c->err = err < 0 && err != -ECONNRESET ? err : 0;
	return 0;
}

static int loop_run(struct runner *c)
{
	sd_event_source *source = NULL;
	sigset_t child;
	int err = sd_event_new(&c->loop);

	/* The loop wants to be the only one that hears of children. */
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	if (err >= 0 && sigprocmask(SIG_BLOCK, &child, NULL) < 0)
		err = -errno;
	if (err >= 0)
		err = sd_event_add_io(c->loop, &source, c->fd, EPOLLIN, asked, c);
	if (err >= 0)
		err = sd_event_loop(c->loop);
	run_kill(c);
	sd_event_source_unref(source);
	sd_event_unref(c->loop);
	return err < 0 ? err : c->err;
}

int runner_run(const struct config *config, int fd, struct error *e)
{
	struct runner c = { .fd = fd, .said_fd = -1, .failed_fd = -1, .timeout_ms = config_ns(config, "command.timeout") / 1000000 };
	int err = words_split(&c, config_get(config, "command.run"));

	if (err >= 0)
		err = loop_run(&c);
	buffer_release(&c.room);
	free(c.argv);
	free(c.words);
	return err < 0 ? error_set(e, -err, "%s", strerror(-err)) : 0;
}

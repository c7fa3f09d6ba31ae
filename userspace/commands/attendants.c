/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/commands/attendants.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "userspace/base/config.h"
#include "userspace/base/error.h"
#include "userspace/commands/output.h"
#include "userspace/commands/privilege.h"
#include "userspace/keeper.h"
#include "userspace/notify/notify.h"
#include "userspace/notify/runner.h"
#include "userspace/sandbox.h"
#include "userspace/store/store.h"

/* Less than the supervisor has with us. */
#define PATIENCE_MS 3000
#define SOCKET_FD (STDERR_FILENO + 1)

struct duty {
	const char *name;
	int (*main)(const struct duty *duty, int fd, struct error *e); /* -errno with e */
	const struct privilege_user *user;
	const char *store_url;
	int patience_ms;
	struct config *config; /* its copy of it there loses what is secret */
};

/* ---- there */

/* Only standard error and the socket are left of what the parent has. */
static int descriptors(int fd)
{
	int nothing = open("/dev/null", O_RDWR);

	if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || dup2(nothing, STDOUT_FILENO) < 0)
		return -errno;
	if (fd != SOCKET_FD && dup2(fd, SOCKET_FD) < 0)
		return -errno;
	return fcntl(SOCKET_FD, F_SETFD, FD_CLOEXEC) < 0 || close_range(SOCKET_FD + 1, UINT_MAX, 0) < 0 ? -errno : 0;
}

static void go(const struct duty *duty, int fd, pid_t parent)
{
	struct error e = ERROR_INIT;
	int err = descriptors(fd);

	prctl(PR_SET_NAME, duty->name, 0, 0, 0);
	signal(SIGPIPE, SIG_IGN);
	config_forget_secrets(duty->config);
	if (err >= 0 && duty->user)
		err = privilege_drop(duty->user, &e);
	/* After the change of user, with which the kernel forgets it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != parent)
		_exit(EXIT_FAILED);
	/* The parent has the same user: it may not look in here, nor steer. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (err >= 0)
		err = duty->main(duty, SOCKET_FD, &e);
	if (err < 0)
		fprintf(stderr, "%sabidrift: %s: %s\n", output_priority(PRIORITY_ERROR), duty->name, *e.text ? e.text : strerror(-err));
	fflush(NULL);
	_exit(err < 0 ? EXIT_FAILED : 0);
}

static int keeper_main(const struct duty *duty, int fd, struct error *e)
{
	struct store *store = NULL;
	struct error why = ERROR_INIT;
	int err = sandbox_keeper(duty->store_url + strcspn(duty->store_url, ":") + 1, e);

	if (err < 0)
		return err;
	if (store_open(duty->store_url, STORE_WRITE, &store, &why) >= 0)
		store_patience(store, duty->patience_ms);
	else
		*e = why;
	err = keeper_run(store, fd, notify_sinks(), e);
	store_close(store);
	return err;
}

static int runner_main(const struct duty *duty, int fd, struct error *e)
{
	int err = sandbox_runner(e);

	return err < 0 ? err : runner_run(duty->config, fd, e);
}

/* ---- here */

static int start(const struct duty *duty, struct attendant *ret, struct error *e)
{
	struct attendant a = ATTENDANT_INIT;
	pid_t parent = getpid();
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return error_set(e, errno, "%s: socket: %s", duty->name, strerror(errno));
	fflush(NULL);
	a.pid = fork();
	if (a.pid == 0)
		go(duty, ends[1], parent);
	close(ends[1]);
	a.fd = ends[0];
	if (a.pid < 0) {
		close(a.fd);
		return error_set(e, errno, "%s: fork: %s", duty->name, strerror(errno));
	}
	a.pid_fd = pidfd_open(a.pid, 0);
	if (a.pid_fd < 0) {
		int err = error_set(e, errno, "%s: pidfd_open: %s", duty->name, strerror(errno));

		attendant_end(&a);
		return err;
	}
	*ret = a;
	return 0;
}

int attendant_keeper(struct config *c, const char *store_url, int patience_ms, const struct privilege_user *user, struct attendant *ret, struct error *e)
{
	const struct duty duty = { .name = "keeper", .main = keeper_main, .user = user, .config = c, .store_url = store_url, .patience_ms = patience_ms };

	return start(&duty, ret, e);
}

int attendant_runner(struct config *c, const struct privilege_user *user, struct attendant *ret, struct error *e)
{
	const struct duty duty = { .name = "runner", .main = runner_main, .user = user, .config = c };

	return notify_runs(c) ? start(&duty, ret, e) : 0;
}

bool attendant_end(struct attendant *a)
{
	struct pollfd end = { .fd = a->pid_fd, .events = POLLIN };
	int status = 0;

	if (!a->pid)
		return false;
	close(a->fd);
	if (a->pid_fd < 0)
		kill(a->pid, SIGKILL);
	else
		poll(&end, 1, PATIENCE_MS);
	while (waitpid(a->pid, &status, a->pid_fd < 0 ? 0 : WNOHANG) < 0 && errno == EINTR)
		;
	if (a->pid_fd >= 0)
		close(a->pid_fd);
	*a = (struct attendant)ATTENDANT_INIT;
	return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_FAILED;
}

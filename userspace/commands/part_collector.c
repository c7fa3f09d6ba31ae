/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "userspace/base/config.h"
#include "userspace/base/error.h"
#include "userspace/collector.h"
#include "userspace/commands/options.h"
#include "userspace/commands/output.h"
#include "userspace/commands/privilege.h"
#include "userspace/commands/service.h"
#include "userspace/commands/settings.h"

/* The watchdog is fed so often in its time. */
#define FEEDINGS 3

struct collecting {
	struct run *run;
	int notify_fd;     /* to systemd; -1: nobody is told */
	uint64_t feed_ns;  /* 0: nobody wants to be fed */
	uint64_t next_ns;
};

/*
 * sd_notify() opens a socket each time, which the sandbox forbids. This one is opened before. A path, or behind '@' an abstract name
 * (sd_notify(3)).
 */
static int notify_open(void)
{
	const char *name = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t length = name ? strlen(name) : 0;
	int fd;

	if (length < 2 || length >= sizeof address.sun_path || (*name != '/' && *name != '@'))
		return -1;
	memcpy(address.sun_path, name, length);
	if (*name == '@')
		address.sun_path[0] = 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static void tell(const struct collecting *p, const char *text)
{
	ssize_t put = p->notify_fd >= 0 ? send(p->notify_fd, text, strlen(text), MSG_NOSIGNAL) : 0;

	(void)put; /* systemd that does not listen learns it by its watchdog */
}

static void ready(void *context, size_t guests)
{
	const struct collecting *p = context;

	output_note(p->run->options, "ready: %zu guest%s now", guests, guests == 1 ? "" : "s");
	tell(p, "READY=1");
}

static void alive(void *context)
{
	struct collecting *p = context;
	uint64_t now;

	if (!p->feed_ns || (now = (uint64_t)settings_monotonic()) < p->next_ns)
		return;
	p->next_ns = now + p->feed_ns;
	tell(p, "WATCHDOG=1");
}

static const char *const *reload(void *context)
{
	struct collecting *p = context;
	struct signalfd_siginfo info;
	struct config *config = NULL;
	struct error e = ERROR_INIT;
	char text[80];
	int err;

	while (read(p->run->reload_fd, &info, sizeof info) == (ssize_t)sizeof info)
		;
	snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)settings_monotonic() / 1000);
	tell(p, text);
	err = service_reread(p->run, PART_COLLECTOR, &config, &e);
	if (err >= 0)
		config_forget_secrets(config);
	if (err >= 0)
		err = service_take(p->run, config, &e);
	if (err < 0)
		output_error(p->run->options, "%s; the settings stay as they were", e.text);
	else
		output_note(p->run->options, "settings read again");
	tell(p, "READY=1");
	return err < 0 ? NULL : p->run->pairs;
}

/* The one socket that we were given. Its owner is who is to connect. */
static int socket_take(struct collector_options *options, struct error *e)
{
	struct sockaddr_un address = { .sun_family = AF_UNSPEC };
	socklen_t size = sizeof address - 1; /* so that a path ends */
	struct stat st;
	int fd = SD_LISTEN_FDS_START;

	if (sd_listen_fds(1) != 1 || sd_is_socket_unix(fd, SOCK_STREAM, 1, NULL, 0) <= 0)
		return error_set(e, EINVAL,
				 "run --part collector is given its socket by abidrift-collector.socket; by hand: systemd-socket-activate -l %s "
				 "abidrift run --part collector, or abidrift run, which needs none",
				 COLLECTOR_SOCKET);
	if (getsockname(fd, (struct sockaddr *)&address, &size) == 0 && address.sun_path[0] == '/' && lstat(address.sun_path, &st) == 0)
		options->peer = st.st_uid;
	options->listen_fd = fd;
	return 0;
}

static int signal_fd(const int *signals, size_t count, struct error *e)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	for (size_t i = 0; i < count; i++)
		sigaddset(&set, signals[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? error_set(e, errno, "signalfd: %s", strerror(errno)) : fd;
}

/* SIGHUP is for the settings, or says that the terminal is gone where there is one. */
static int signals_take(struct run *r, struct collector_options *options, struct error *e)
{
	static const int all[] = { SIGINT, SIGTERM, SIGHUP }, again[] = { SIGHUP };
	bool terminal = isatty(STDERR_FILENO);

	signal(SIGPIPE, SIG_IGN);
	options->stop_fd = signal_fd(all, terminal ? 3 : 2, e);
	if (options->stop_fd < 0 || terminal)
		return options->stop_fd;
	r->reload_fd = options->reload_fd = signal_fd(again, 1, e);
	options->reload = reload;
	return options->reload_fd;
}

int part_collector(struct run *r)
{
	struct collecting p = { .run = r, .notify_fd = -1 };
	struct collector_options options;
	struct error e = ERROR_INIT;
	uint64_t usec = 0;
	int err = privilege_check("run --part collector", &e), code;

	config_forget_secrets(r->config);
	if (err >= 0 && !(r->pairs = config_stream_pairs(r->config)))
		err = error_set(&e, ENOMEM, "out of memory");
	if (err >= 0)
		err = settings_pin(r->config, NULL, &r->pin, &e);
	service_collector_options(r, &options);
	options.ready = ready;
	options.alive = alive;
	options.context = &p;
	if (err >= 0)
		err = socket_take(&options, &e);
	if (err >= 0)
		err = signals_take(r, &options, &e);
	if (err < 0)
		return output_error(r->options, "%s", *e.text ? e.text : strerror(-err));
	p.notify_fd = notify_open();
	if (sd_watchdog_enabled(0, &usec) > 0)
		p.feed_ns = usec * 1000 / FEEDINGS;
	code = service_collect(r, &options);
	tell(&p, "STOPPING=1");
	return code;
}

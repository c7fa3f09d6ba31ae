/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/notify/lookup.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* Shared by loop and thread: whoever is last frees it. */
struct lookup {
	pthread_mutex_t lock;
	bool ended, cancelled;
	char *host, *port;
	int event_fd, err;
	struct addrinfo *list;
	/* the loop's */
	sd_event_source *source;
	void (*done)(void *context, int err, struct addrinfo *list);
	void *context;
};

static void lookup_free(struct lookup *l)
{
	if (l->list)
		freeaddrinfo(l->list);
	if (l->event_fd >= 0)
		close(l->event_fd);
	pthread_mutex_destroy(&l->lock);
	free(l->host);
	free(l->port);
	free(l);
}

static void *look(void *argument)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct lookup *l = argument;
	struct addrinfo *list = NULL;
	int err = getaddrinfo(l->host, l->port, &hints, &list);
	bool last;

	pthread_mutex_lock(&l->lock);
	l->err = err;
	l->list = err ? NULL : list;
	l->ended = true;
	last = l->cancelled;
	if (!last)
		eventfd_write(l->event_fd, 1);
	pthread_mutex_unlock(&l->lock);
	if (last)
		lookup_free(l);
	return NULL;
}

void lookup_cancel(struct lookup *l)
{
	bool last;

	if (!l)
		return;
	sd_event_source_disable_unref(l->source);
	l->source = NULL;
	pthread_mutex_lock(&l->lock);
	l->cancelled = true;
	last = l->ended;
	pthread_mutex_unlock(&l->lock);
	if (last)
		lookup_free(l);
}

static int on_ended(sd_event_source *source, int fd, uint32_t events, void *context)
{
	struct lookup *l = context;
	void (*done)(void *context, int err, struct addrinfo *list) = l->done;
	void *whose = l->context;
	struct addrinfo *list;
	int err;

	(void)source, (void)fd, (void)events;
	pthread_mutex_lock(&l->lock);
	list = l->list;
	err = l->err;
	l->list = NULL;
	pthread_mutex_unlock(&l->lock);
	lookup_cancel(l);
	done(whose, err, list);
	return 0;
}

/* Signals are the loop's. */
static int thread_begin(struct lookup *l)
{
	pthread_attr_t detached;
	sigset_t all, before;
	pthread_t thread;
	int err;

	sigfillset(&all);
	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&thread, &detached, look, l);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&detached);
	return -err;
}

int lookup_begin(sd_event *loop, const char *host, const char *port, void (*done)(void *context, int err, struct addrinfo *list), void *context,
		 struct lookup **ret)
{
	struct lookup *l = calloc(1, sizeof *l);
	int err;

	if (!l)
		return -ENOMEM;
	pthread_mutex_init(&l->lock, NULL);
	l->done = done;
	l->context = context;
	l->host = strdup(host);
	l->port = strdup(port);
	l->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = !l->host || !l->port ? -ENOMEM : l->event_fd < 0 ? -errno : 0;
	if (err >= 0)
		err = sd_event_add_io(loop, &l->source, l->event_fd, EPOLLIN, on_ended, l);
	if (err >= 0)
		err = thread_begin(l);
	if (err < 0) {
		sd_event_source_disable_unref(l->source);
		lookup_free(l);
		return err;
	}
	*ret = l;
	return 0;
}

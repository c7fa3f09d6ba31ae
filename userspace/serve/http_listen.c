/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/serve/http_listen.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "userspace/base/config.h"
#include "userspace/base/error.h"
#include "userspace/base/text.h"

#define UNIX_SCHEME "unix:"
#define GROUP "abidrift"
#define LOCK_ENDING ".lock"
#define BACKLOG 128
#define SOCKET_MODE 0660
#define FOLDER_MODE 0755

static bool is_set(const struct config *c, const char *key)
{
	const char *value = config_get(c, key);

	return value && *value;
}

static int backlog_begin(const struct http_listener *l, const char *where, struct error *e)
{
	return listen(l->fd, BACKLOG) < 0 ? error_set(e, errno, "cannot listen on %s: %s; name another place with --listen, or none", where, strerror(errno)) : 0;
}

/* ---- Unix */

/* Only the last one, and only root's business: others name a folder that they have. */
static int folder_make(const char *path, struct error *e)
{
	char folder[108];
	char *slash;

	snprintf(folder, sizeof folder, "%s", path);
	slash = strrchr(folder, '/');
	if (!slash || slash == folder || geteuid() != 0)
		return 0;
	*slash = 0;
	if (mkdir(folder, FOLDER_MODE) == 0)
		return chmod(folder, FOLDER_MODE) < 0 ? error_set(e, errno, "cannot set the mode of the folder %s: %s", folder, strerror(errno)) : 0;
	/* Of a folder above it that is missing bind tells. */
	return errno == EEXIST || errno == ENOENT || errno == ENOTDIR ? 0 : error_set(e, errno, "cannot make the folder %s: %s", folder, strerror(errno));
}

static int taken(const char *path, struct error *e)
{
	return error_set(e, EADDRINUSE, "cannot listen on unix:%s: another abidrift serves there; name another place with --listen, or none", path);
}

/* One that nobody serves any more was left by a crash: only that one is refused. All else is somebody's. */
static int stale_remove(const struct sockaddr_un *address, struct error *e)
{
	int fd, answer;
	struct stat st;

	if (lstat(address->sun_path, &st) < 0)
		return 0; /* bind says what is wrong */
	if (!S_ISSOCK(st.st_mode))
		return error_set(e, EEXIST, "cannot listen on unix:%s: there is something else of that name", address->sun_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_set(e, errno, "socket: %s", strerror(errno));
	answer = connect(fd, (const struct sockaddr *)address, sizeof *address) < 0 ? errno : 0;
	close(fd);
	if (!answer || answer == EAGAIN)
		return taken(address->sun_path, e);
	if (answer != ECONNREFUSED)
		return error_set(e, answer, "cannot listen on unix:%s: the socket that is there is something else's: %s", address->sun_path, strerror(answer));
	if (unlink(address->sun_path) < 0)
		return error_set(e, errno, "cannot replace the old socket %s: %s", address->sun_path, strerror(errno));
	return 0;
}

static int group_give(const char *path, struct error *e)
{
	const struct group *group = geteuid() == 0 ? getgrnam(GROUP) : NULL;

	if (group && lchown(path, (uid_t)-1, group->gr_gid) < 0)
		return error_set(e, errno, "cannot give %s to the group " GROUP ": %s", path, strerror(errno));
	return 0;
}

static int unix_bind(struct http_listener *l, struct error *e)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct stat st;
	mode_t before;
	int bound, err;

	memcpy(address.sun_path, l->path, sizeof address.sun_path);
	err = stale_remove(&address, e);
	if (err < 0)
		return err;
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0)
		return error_set(e, errno, "socket: %s", strerror(errno));
	/* No moment in which anybody could connect who may not. */
	before = umask((mode_t)~SOCKET_MODE & 0777);
	bound = bind(l->fd, (const struct sockaddr *)&address, sizeof address);
	err = errno;
	umask(before);
	if (bound < 0)
		return error_set(e, err, "cannot listen on unix:%s: %s; name another place with --listen, or none", l->path, strerror(err));
	if (lstat(l->path, &st) == 0) {
		l->device = st.st_dev;
		l->inode = st.st_ino;
	}
	err = group_give(l->path, e);
	return err < 0 ? err : backlog_begin(l, l->text, e);
}

/* Held from the look at who serves there until this one does, so that of two that start at once one sees the other. */
static int lock_take(const struct http_listener *l, const char *lock, int *ret_fd, struct error *e)
{
	struct stat mine, there;
	int fd;

	for (;;) {
		fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
		if (fd < 0)
			return error_set(e, errno, "cannot listen on unix:%s: %s: %s; name another place with --listen, or none", l->path, lock, strerror(errno));
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			close(fd);
			return taken(l->path, e);
		}
		if (fstat(fd, &mine) == 0 && lstat(lock, &there) == 0 && mine.st_dev == there.st_dev && mine.st_ino == there.st_ino)
			break;
		close(fd); /* who held it has removed it since */
	}
	*ret_fd = fd;
	return 0;
}

static int unix_listen(const char *path, struct http_listener *l, struct error *e)
{
	char lock[sizeof l->path + sizeof LOCK_ENDING];
	int fd = -1, err;

	if (*path != '/' || strlen(path) >= sizeof l->path)
		return error_set(e, EINVAL, "cannot listen on unix:%.120s: has to be an absolute path of at most %zu bytes", path, sizeof l->path - 1);
	snprintf(l->path, sizeof l->path, "%s", path);
	snprintf(l->text, sizeof l->text, UNIX_SCHEME "%s", path);
	snprintf(lock, sizeof lock, "%s" LOCK_ENDING, l->path);
	err = folder_make(l->path, e);
	if (err >= 0)
		err = lock_take(l, lock, &fd, e);
	if (err < 0)
		return err;
	err = unix_bind(l, e);
	unlink(lock);
	close(fd);
	return err;
}

/* ---- TCP */

static bool loopback(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
}

/* "ADDRESS:PORT", "[V6]:PORT"; a name would be somebody else's answer. */
static int address_parse(const char *where, struct addrinfo **ret, struct error *e)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	const char *colon = strrchr(where, ':'), *name = where;
	size_t length = colon ? (size_t)(colon - where) : 0;
	uint64_t port = 0;
	char host[64];

	/* getaddrinfo takes larger ones, for some other port. */
	if (!colon || strspn(colon + 1, "0123456789") != strlen(colon + 1) || text_u64(colon + 1, &port) < 0 || port > UINT16_MAX)
		length = 0;
	if (length > 2 && *name == '[' && name[length - 1] == ']') {
		name++;
		length -= 2;
	} else if (colon && memchr(where, ':', length)) {
		length = 0; /* v6 without brackets: which part is the port? */
	}
	if (length && length < sizeof host) {
		snprintf(host, sizeof host, "%.*s", (int)length, name);
		/* getaddrinfo takes it for this host alone, and who writes it means all. */
		if (!strcmp(host, "*"))
			return error_set(e, EINVAL, "cannot listen on %.120s: all addresses are 0.0.0.0:PORT or [::]:PORT", where);
		if (!getaddrinfo(!strcmp(host, "localhost") ? "127.0.0.1" : host, colon + 1, &hints, ret))
			return 0;
	}
	return error_set(e, EINVAL, "cannot listen on %.120s: has to be unix:PATH, ADDRESS:PORT, [IPV6]:PORT or none", where);
}

/* The port that the kernel chose, where it was asked to. */
static void tcp_describe(struct http_listener *l)
{
	struct sockaddr_storage address = { 0 };
	socklen_t size = sizeof address;
	char host[64] = "", port[16] = "";

	if (getsockname(l->fd, (struct sockaddr *)&address, &size) == 0)
		getnameinfo((const struct sockaddr *)&address, size, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
	snprintf(l->text, sizeof l->text, address.ss_family == AF_INET6 ? "http%s://[%s]:%s/" : "http%s://%s:%s/", l->tls ? "s" : "", host, port);
}

static int tcp_bind(const char *where, const struct addrinfo *a, struct http_listener *l, struct error *e)
{
	int one = 1;

	l->fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd >= 0) {
		setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
		if (a->ai_family == AF_INET6)
			setsockopt(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
	}
	if (l->fd < 0 || bind(l->fd, a->ai_addr, a->ai_addrlen) < 0)
		return error_set(e, errno, "cannot listen on %s: %s; name another place with --listen, or none", where, strerror(errno));
	tcp_describe(l);
	return 0;
}

static int tcp_listen(const struct config *c, const char *where, struct http_listener *l, struct error *e)
{
	struct addrinfo *a = NULL;
	int err = address_parse(where, &a, e);

	if (err < 0)
		return err;
	l->tcp = true;
	l->tls = is_set(c, "serve.tls_cert");
	if (!loopback(a->ai_addr) && (!l->tls || (!is_set(c, "serve.token_file") && !is_set(c, "serve.tls_client_ca"))))
		err = error_set(e, EPERM,
				"will not listen on %s, which is beyond this host, without TLS (serve.tls_cert, serve.tls_key) and serve.token_file or "
				"serve.tls_client_ca",
				where);
	else
		err = tcp_bind(where, a, l, e);
	if (err >= 0)
		err = backlog_begin(l, where, e);
	freeaddrinfo(a);
	return err;
}

int http_listen(const struct config *c, const char *where, struct http_listener *ret, struct error *e)
{
	struct http_listener l = HTTP_LISTENER_INIT;
	int err = 0;

	if (!strcmp(where, "none")) {
		*ret = l;
		return 0;
	}
	err = !strncmp(where, UNIX_SCHEME, strlen(UNIX_SCHEME)) ? unix_listen(where + strlen(UNIX_SCHEME), &l, e) : tcp_listen(c, where, &l, e);
	if (err < 0) {
		http_listener_close(&l);
		return err;
	}
	*ret = l;
	return 0;
}

void http_listener_close(struct http_listener *l)
{
	struct stat st;

	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	if (l->inode && lstat(l->path, &st) == 0 && st.st_dev == l->device && st.st_ino == l->inode)
		unlink(l->path);
	l->inode = 0;
}

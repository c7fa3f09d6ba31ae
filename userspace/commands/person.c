/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/commands/person.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "userspace/base/error.h"
#include "userspace/base/text.h"

#define NAME_BYTES 64
#define LOGIN_UNSET UINT32_MAX /* of what no login began: a boot's services, containers */

/* errno of a look-up that gave nothing: 0 if there is none such (getpwnam(3) names how libraries say so). */
static int failed(void)
{
	return errno == ENOENT || errno == ESRCH || errno == EBADF || errno == EPERM ? 0 : -errno;
}

static int account_name(uid_t uid, char name[NAME_BYTES])
{
	const struct passwd *user;

	errno = 0;
	user = getpwuid(uid);
	if (user)
		snprintf(name, NAME_BYTES, "%s", user->pw_name);
	else
		snprintf(name, NAME_BYTES, "%u", (unsigned)uid);
	return user ? 0 : failed();
}

/* 0: nobody logged in, or the kernel does not say; 1: *name* did. */
static int login_name(char name[NAME_BYTES])
{
	char text[16] = "";
	uint64_t uid;
	int fd = open("/proc/self/loginuid", O_RDONLY | O_CLOEXEC), err = fd < 0 && errno != ENOENT && errno != EACCES ? -errno : 0;
	ssize_t got = 0, more = fd < 0 ? 0 : 1;

	/* To its end: half of a number is another account. */
	while (more > 0 && (size_t)got < sizeof text - 1) {
		more = read(fd, text + got, sizeof text - 1 - (size_t)got);
		got += more > 0 ? more : 0;
	}
	if (more < 0)
		err = -errno;
	if (fd >= 0)
		close(fd);
	if (err < 0 || got <= 0 || text_u64(text, &uid) < 0 || uid >= LOGIN_UNSET)
		return err;
	err = account_name((uid_t)uid, name);
	return err < 0 ? err : 1;
}

/* 1: there is such an account. */
static int account_exists(const char *name)
{
	errno = 0;
	return getpwnam(name) ? 1 : failed();
}

int person(char *room, size_t size, struct error *e)
{
	char own[NAME_BYTES], login[NAME_BYTES];
	const char *before = getenv("SUDO_USER");
	int logged_in = login_name(login), err = logged_in < 0 ? logged_in : account_name(getuid(), own);
	int known = err >= 0 && before && *before ? account_exists(before) : 0;

	if (err < 0 || known < 0)
		return error_set(e, err < 0 ? -err : -known, "who decides this cannot be looked up: %s", strerror(err < 0 ? -err : -known));
	if (known && (getuid() == 0 || (logged_in && !strcmp(before, login))))
		snprintf(own, sizeof own, "%s", before);
	if (logged_in && strcmp(own, login))
		snprintf(room, size, "%s (logged in as %s)", own, login);
	else
		snprintf(room, size, "%s", own);
	return 0;
}

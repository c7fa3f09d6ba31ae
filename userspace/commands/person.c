/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/commands/person.h"

#include <fcntl.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "userspace/base/text.h"

#define NAME_BYTES 64
#define LOGIN_UNSET UINT32_MAX /* of what no login began: a boot's services, containers */

static void account_name(uid_t uid, char name[NAME_BYTES])
{
	const struct passwd *user = getpwuid(uid);

	if (user)
		snprintf(name, NAME_BYTES, "%s", user->pw_name);
	else
		snprintf(name, NAME_BYTES, "%u", (unsigned)uid);
}

/* False: nobody logged in, or the kernel does not say. */
static bool login_name(char name[NAME_BYTES])
{
	char text[16] = "";
	uint64_t uid;
	int fd = open("/proc/self/loginuid", O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

	if (fd >= 0)
		close(fd);
	if (got <= 0 || text_u64(text, &uid) < 0 || uid >= LOGIN_UNSET)
		return false;
	account_name((uid_t)uid, name);
	return true;
}

const char *person(char *room, size_t size)
{
	char own[NAME_BYTES], login[NAME_BYTES];
	const char *before = getenv("SUDO_USER");
	bool logged_in = login_name(login);

	account_name(getuid(), own);
	if (before && *before && getpwnam(before) && (getuid() == 0 || (logged_in && !strcmp(before, login))))
		snprintf(own, sizeof own, "%s", before);
	if (logged_in && strcmp(own, login))
		snprintf(room, size, "%s (logged in as %s)", own, login);
	else
		snprintf(room, size, "%s", own);
	return room;
}

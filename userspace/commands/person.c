/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/commands/person.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const char *person(char *room, size_t size)
{
	const char *before = getuid() == 0 ? getenv("SUDO_USER") : NULL;
	const struct passwd *user = getpwuid(getuid());

	if (before && *before)
		return before;
	if (user)
		return user->pw_name;
	snprintf(room, size, "%u", (unsigned)getuid());
	return room;
}

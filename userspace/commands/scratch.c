/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/commands/scratch.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "userspace/base/error.h"

/* Written before the handler is set, and read by it: unlink and rmdir may be called from there, little else may. */
static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };
#define SUFFIXES (sizeof suffixes / sizeof *suffixes)
static char folder[PATH_MAX];
static char files[SUFFIXES][PATH_MAX + 32];

void scratch_remove(void)
{
	if (!folder[0])
		return;
	for (size_t i = 0; i < SUFFIXES; i++)
		unlink(files[i]);
	rmdir(folder);
	folder[0] = 0;
}

static void ended(int number)
{
	scratch_remove();
	signal(number, SIG_DFL);
	raise(number);
}

int scratch_make(char **ret_url, struct error *e)
{
	static const int deadly[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGXCPU, SIGXFSZ };
	const char *parent = getenv("TMPDIR");
	char made[PATH_MAX];
	struct sigaction action = { .sa_handler = ended };

	if (!parent || *parent != '/')
		parent = "/tmp";
	if (snprintf(made, sizeof made, "%s/abidrift-XXXXXX", parent) >= (int)sizeof made)
		return error_set(e, ENAMETOOLONG, "TMPDIR is too long");
	if (!mkdtemp(made))
		return error_set(e, errno, "cannot make a temporary folder in %s: %s", parent, strerror(errno));
	for (size_t i = 0; i < SUFFIXES; i++)
		snprintf(files[i], sizeof files[i], "%s/replay.db%s", made, suffixes[i]);
	if (asprintf(ret_url, "sqlite:%s", files[0]) < 0) {
		rmdir(made);
		return error_set(e, ENOMEM, "out of memory");
	}
	memcpy(folder, made, sizeof folder);
	for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++)
		sigaction(deadly[i], &action, NULL);
	return 0;
}

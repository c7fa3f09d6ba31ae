/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/error.h"
#include "userspace/sandbox_calls.h"
#include "userspace/sandbox_landlock.h"

/* More than a root folder has; what is beyond cannot be read. */
#define PLACES 64
/* Sanitizers write their reports where the tests look, and trace their own process to find what leaked. */
#ifdef __SANITIZE_ADDRESS__
#define CONFINED 0
#else
#define CONFINED 1
#endif

struct places {
	struct landlock_path list[PLACES];
	size_t count;
	char names[PLACES][NAME_MAX + 2];
	char folder[PATH_MAX];
};

static void place(struct places *p, const char *path, uint64_t rights)
{
	if (p->count < PLACES)
		p->list[p->count++] = (struct landlock_path){ path, rights };
}

/* Beside the file lie -wal and -shm; where it is a link, beside what that leads to. */
static void store_place(struct places *p, const char *store_path, uint64_t rights)
{
	char *slash;

	if (!realpath(store_path, p->folder))
		snprintf(p->folder, sizeof p->folder, "%s", store_path);
	slash = strrchr(p->folder, '/');
	if (slash)
		slash[slash == p->folder] = 0;
	place(p, slash ? p->folder : ".", rights);
}

/* What libraries look into when they first need it: settings, time zones, names. Nothing of other processes. */
static const struct landlock_path library_places[] = {
	{ "/etc", LANDLOCK_LOOK },           { "/usr", LANDLOCK_LOOK },
	{ "/lib", LANDLOCK_LOOK },           { "/lib64", LANDLOCK_LOOK },
	{ "/proc/sys", LANDLOCK_LOOK },      { "/proc/stat", LANDLOCK_LOOK },
	{ "/proc/meminfo", LANDLOCK_LOOK },  { "/sys/devices/system/cpu", LANDLOCK_LOOK },
	{ "/dev/null", LANDLOCK_LOOK | LANDLOCK_WRITE_FILE }, { "/dev/urandom", LANDLOCK_LOOK },
};

static void library(struct places *p)
{
	for (size_t i = 0; i < sizeof library_places / sizeof *library_places; i++)
		place(p, library_places[i].path, library_places[i].rights);
}

/* Certificates and secrets lie where the configuration says: all that its user may read, but what the kernel tells of others. */
static void whole_root(struct places *p)
{
	static const char *const without[] = { ".", "..", "proc", "sys", "dev" };
	const struct dirent *entry;
	DIR *root = opendir("/");

	while (root && p->count < PLACES && (entry = readdir(root))) {
		bool skip = false;

		for (size_t i = 0; i < sizeof without / sizeof *without; i++)
			skip |= !strcmp(entry->d_name, without[i]);
		if (skip)
			continue;
		snprintf(p->names[p->count], sizeof p->names[0], "/%s", entry->d_name);
		place(p, p->names[p->count], LANDLOCK_LOOK);
	}
	if (root)
		closedir(root);
}

static int confine(unsigned process, const char *store_path, struct error *e)
{
	struct places *p;
	int err;

	if (!CONFINED)
		return 0;
	p = calloc(1, sizeof *p);
	if (!p)
		return error_set(e, ENOMEM, "out of memory");
	store_place(p, store_path, process & (SANDBOX_ANALYST | SANDBOX_KEEPER) ? LANDLOCK_KEEP : LANDLOCK_LOOK);
	library(p);
	if (process & SANDBOX_MESSENGER)
		whole_root(p);
	err = landlock_confine(p->list, p->count, e);
	free(p);
	return err < 0 ? err : sandbox_calls(process, e);
}

int sandbox_collector(struct error *e)
{
	return CONFINED ? sandbox_calls(SANDBOX_COLLECTOR, e) : 0;
}

int sandbox_reader(void)
{
	return CONFINED ? sandbox_calls(SANDBOX_READER, NULL) : 0;
}

int sandbox_analyst(const char *store_path, struct error *e)
{
	return confine(SANDBOX_ANALYST, store_path, e);
}

int sandbox_messenger(const char *store_path, struct error *e)
{
	return confine(SANDBOX_MESSENGER, store_path, e);
}

int sandbox_keeper(const char *store_path, struct error *e)
{
	return confine(SANDBOX_KEEPER, store_path, e);
}

int sandbox_server(const char *store_path, struct error *e)
{
	return confine(SANDBOX_MESSENGER | SANDBOX_KEEPER, store_path, e);
}

int sandbox_runner(struct error *e)
{
	return CONFINED ? sandbox_calls(SANDBOX_RUNNER, e) : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/sandbox_landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "userspace/base/error.h"

/* The same numbers on every architecture since 5.13. */
#define CALL_CREATE_RULESET 444
#define CALL_ADD_RULE 445
#define CALL_RESTRICT_SELF 446
#define CREATE_RULESET_VERSION 1u
#define RULE_PATH_BENEATH 1
#define FILE_RIGHTS (LANDLOCK_EXECUTE | LANDLOCK_WRITE_FILE | LANDLOCK_READ_FILE | LANDLOCK_TRUNCATE | LANDLOCK_IOCTL_DEV)

/* struct landlock_path_beneath_attr */
struct beneath {
	uint64_t rights;
	int32_t folder;
} __attribute__((packed));

struct landlock_handled landlock_handled(int abi)
{
	struct landlock_handled h = { 0 };

	if (abi < 1)
		return h;
	h.files = LANDLOCK_ABI_1 | (abi >= 2 ? LANDLOCK_REFER : 0) | (abi >= 3 ? LANDLOCK_TRUNCATE : 0) | (abi >= 5 ? LANDLOCK_IOCTL_DEV : 0);
	h.net = abi >= 4 ? LANDLOCK_BIND_TCP : 0;
	h.scoped = abi >= 6 ? LANDLOCK_SCOPE_ABSTRACT_UNIX | LANDLOCK_SCOPE_SIGNAL : 0;
	h.bytes = abi >= 6 ? offsetof(struct landlock_handled, bytes) :
		  abi >= 4 ? offsetof(struct landlock_handled, scoped) :
			     offsetof(struct landlock_handled, net);
	return h;
}

uint64_t landlock_rights(const struct landlock_handled *h, uint64_t rights, int is_folder)
{
	return rights & h->files & (is_folder ? ~0ull : FILE_RIGHTS);
}

static int allow(int ruleset, const struct landlock_handled *h, const struct landlock_path *p, struct error *e)
{
	struct beneath rule = { .folder = open(p->path, O_PATH | O_CLOEXEC) };
	struct stat st;
	int err = 0;

	if (rule.folder < 0)
		return 0; /* nothing to allow */
	if (fstat(rule.folder, &st) < 0) {
		err = -errno;
	} else {
		rule.rights = landlock_rights(h, p->rights, S_ISDIR(st.st_mode));
		/* EINVAL: this kind of file knows no such rights. */
		if (rule.rights && syscall(CALL_ADD_RULE, ruleset, RULE_PATH_BENEATH, &rule, 0) < 0 && errno != EINVAL)
			err = -errno;
	}
	close(rule.folder);
	return err < 0 ? error_set(e, -err, "Landlock: %s: %s", p->path, strerror(-err)) : 0;
}

int landlock_confine(const struct landlock_path *paths, size_t count, struct error *e)
{
	/* ENOSYS: not built in; EOPNOTSUPP: not switched on at boot. */
	struct landlock_handled h = landlock_handled((int)syscall(CALL_CREATE_RULESET, NULL, 0, CREATE_RULESET_VERSION));
	int ruleset, err = 0;

	if (!h.files)
		return 0;
	ruleset = (int)syscall(CALL_CREATE_RULESET, &h, h.bytes, 0);
	if (ruleset < 0)
		return error_set(e, errno, "Landlock: %s", strerror(errno));
	for (size_t i = 0; err >= 0 && i < count; i++)
		err = allow(ruleset, &h, &paths[i], e);
	if (err >= 0 && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(CALL_RESTRICT_SELF, ruleset, 0) < 0))
		err = error_set(e, errno, "Landlock: %s", strerror(errno));
	close(ruleset);
	return err;
}

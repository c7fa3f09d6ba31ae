/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/commands/privilege.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "userspace/base/buffer.h"
#include "userspace/base/capability.h"
#include "userspace/base/error.h"

#define KVM_DEVICE "/dev/kvm"
#define KVM_CLASS "/sys/class/misc/kvm" /* the same device, also where /dev is private */
#define KERNEL_BTF "/sys/kernel/btf/vmlinux"
#define WITHOUT "abidrift replay FILE works without"
#define LOADING (CAPABILITY(CAP_BPF) | CAPABILITY(CAP_PERFMON))
#define READING (CAPABILITY(CAP_SYS_PTRACE) | CAPABILITY(CAP_DAC_READ_SEARCH))

static bool has(unsigned capability)
{
	return capability_effective() & CAPABILITY(capability);
}

static void lacks(struct buffer *missing, const char *text)
{
	buffer_printf(missing, "%s%s", missing->size ? "; " : "", text);
}

int privilege_check(const char *verb, struct error *e)
{
	struct buffer missing = BUFFER_INIT;
	int err = 0;

	if (!has(CAP_SYS_ADMIN) && (capability_effective() & LOADING) != LOADING)
		return error_set(e, EPERM, "%s needs %s%s%s to load BPF programs: start it as root, with sudo. " WITHOUT, verb,
				 has(CAP_BPF) ? "" : "CAP_BPF", has(CAP_BPF) || has(CAP_PERFMON) ? "" : " and ",
				 has(CAP_PERFMON) ? "" : "CAP_PERFMON");
	if (access(KVM_DEVICE, F_OK) < 0 && access(KVM_CLASS, F_OK) < 0)
		lacks(&missing, KVM_DEVICE
		      " is missing: this host has no KVM (modprobe kvm_intel or kvm_amd; in a virtual machine, nested virtualisation)");
	if (access(KERNEL_BTF, R_OK) < 0)
		lacks(&missing, KERNEL_BTF " is missing: this kernel does not describe its types to BPF (CONFIG_DEBUG_INFO_BTF)");
	if (missing.size)
		err = error_set(e, ENODEV, "%s: %s. " WITHOUT, verb, missing.data);
	buffer_release(&missing);
	return err;
}

/* By number where the user has no name: containers. */
static void oneself(struct privilege_user *ret)
{
	const struct passwd *user = getpwuid(geteuid());

	*ret = (struct privilege_user){ .uid = geteuid(), .gid = getegid() };
	snprintf(ret->name, sizeof ret->name, "%s", user ? user->pw_name : "itself");
}

int privilege_user(struct privilege_user *ret, struct error *e)
{
	static const char *const names[] = { "abidrift", "nobody" };

	if (geteuid() != 0) {
		oneself(ret);
		return 0;
	}
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const struct passwd *user = getpwnam(names[i]);

		if (!user || user->pw_uid == 0)
			continue;
		*ret = (struct privilege_user){ .uid = user->pw_uid, .gid = user->pw_gid };
		snprintf(ret->name, sizeof ret->name, "%s", names[i]);
		return 0;
	}
	return error_set(e, ENOENT,
			 "there is neither a user abidrift nor a user nobody to run analyst and messenger as: useradd --system abidrift");
}

const char *privilege_memory(void)
{
	FILE *yama = fopen("/proc/sys/kernel/yama/ptrace_scope", "re");
	int scope = yama ? fgetc(yama) : EOF;

	if (yama)
		fclose(yama);
	if (!has(CAP_SYS_PTRACE))
		return "CAP_SYS_PTRACE is missing: the memory of guests cannot be read";
	if (!has(CAP_DAC_READ_SEARCH))
		return "CAP_DAC_READ_SEARCH is missing: the memory of guests of other users cannot be read";
	if (scope == '3')
		return "kernel.yama.ptrace_scope is 3: no process may read another one's memory until this host reboots";
	return NULL;
}

int privilege_drop(const struct privilege_user *user, struct error *e)
{
	bool another = user->uid != geteuid() || user->uid == 0;

	capability_bound(0);
	/* Groups are root's to give up. Who stays who it is has those that somebody gave it. */
	if (another && (setgroups(0, NULL) < 0 || setresgid(user->gid, user->gid, user->gid) < 0 ||
			setresuid(user->uid, user->uid, user->uid) < 0))
		return error_set(e, errno, "cannot become user %s (%u): %s", user->name, (unsigned)user->uid, strerror(errno));
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || capability_keep(0) < 0)
		return error_set(e, errno, "cannot give up privileges: %s", strerror(errno));
	if (user->uid && setuid(0) == 0)
		return error_set(e, EPERM, "privileges were given up and are still there");
	return 0;
}

int privilege_collector(struct error *e)
{
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	uint64_t keep = LOADING | READING;

	if ((capability_effective() & LOADING) != LOADING)
		keep |= CAPABILITY(CAP_SYS_ADMIN);
	setrlimit(RLIMIT_MEMLOCK, &unlimited); /* where it is needed and was refused, loading says so */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || capability_keep(keep) < 0)
		return error_set(e, errno, "cannot give up privileges: %s", strerror(errno));
	return 0;
}

int privilege_supervisor(struct error *e)
{
	/* DAC_OVERRIDE: the HTTP socket lies in a folder that may be another user's, and is removed at the end. SYS_RESOURCE: above. */
	uint64_t keep = LOADING | READING | CAPABILITY(CAP_SYS_ADMIN) | CAPABILITY(CAP_SETUID) | CAPABILITY(CAP_SETGID) |
			CAPABILITY(CAP_SETPCAP) | CAPABILITY(CAP_KILL) | CAPABILITY(CAP_CHOWN) | CAPABILITY(CAP_DAC_OVERRIDE) |
			CAPABILITY(CAP_SYS_RESOURCE);

	if ((capability_effective() & LOADING) == LOADING)
		keep &= ~CAPABILITY(CAP_SYS_ADMIN);
	if (capability_keep(keep) < 0)
		return error_set(e, errno, "cannot give up privileges: %s", strerror(errno));
	return 0;
}

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
#include <sys/syscall.h>
#include <unistd.h>

#include "userspace/base/buffer.h"
#include "userspace/base/error.h"

#define KVM_DEVICE "/dev/kvm"
#define KERNEL_BTF "/sys/kernel/btf/vmlinux"
#define LAST_CAPABILITY 63
#define WITHOUT "abidrift replay FILE works without"

static void lacks(struct buffer *missing, const char *text)
{
	buffer_printf(missing, "%s%s", missing->size ? "; " : "", text);
}

int privilege_check(const char *verb, struct error *e)
{
	struct buffer missing = BUFFER_INIT;
	int err = 0;

	if (geteuid() != 0)
		return error_set(e, EPERM,
				 "%s needs root: it loads BPF programs (CAP_BPF, CAP_PERFMON) and reads guests (CAP_SYS_PTRACE); start it "
				 "with sudo. " WITHOUT,
				 verb);
	if (access(KVM_DEVICE, F_OK) < 0)
		lacks(&missing, KVM_DEVICE
		      " is missing: this host has no KVM (modprobe kvm_intel or kvm_amd; in a virtual machine, nested virtualisation)");
	if (access(KERNEL_BTF, R_OK) < 0)
		lacks(&missing, KERNEL_BTF " is missing: this kernel does not describe its types to BPF (CONFIG_DEBUG_INFO_BTF)");
	if (missing.size)
		err = error_set(e, ENODEV, "%s: %s. " WITHOUT, verb, missing.data);
	buffer_release(&missing);
	return err;
}

int privilege_user(struct privilege_user *ret, struct error *e)
{
	static const char *const names[] = { "abidrift", "nobody" };

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

static bool capable(unsigned capability)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct has[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

	return syscall(SYS_capget, &header, has) == 0 && has[capability / 32].effective >> capability % 32 & 1;
}

const char *privilege_memory(void)
{
	FILE *yama = fopen("/proc/sys/kernel/yama/ptrace_scope", "re");
	int scope = yama ? fgetc(yama) : EOF;

	if (yama)
		fclose(yama);
	if (!capable(CAP_SYS_PTRACE))
		return "CAP_SYS_PTRACE is missing: the memory of guests cannot be read";
	if (scope == '3')
		return "kernel.yama.ptrace_scope is 3: no process may read another one's memory until this host reboots";
	return NULL;
}

static int capabilities_clear(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

	return syscall(SYS_capset, &header, none) < 0 ? -errno : 0;
}

int privilege_drop(const struct privilege_user *user, struct error *e)
{
	/* Not having CAP_SETPCAP, or fewer capabilities than we know, is no failure: no_new_privs and the new user hold without. */
	for (unsigned long c = 0; c <= LAST_CAPABILITY; c++)
		prctl(PR_CAPBSET_DROP, c, 0, 0, 0);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (setgroups(0, NULL) < 0 || setresgid(user->gid, user->gid, user->gid) < 0 || setresuid(user->uid, user->uid, user->uid) < 0)
		return error_set(e, errno, "cannot become user %s (%u): %s", user->name, (unsigned)user->uid, strerror(errno));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || capabilities_clear() < 0)
		return error_set(e, errno, "cannot give up privileges: %s", strerror(errno));
	if (user->uid && setuid(0) == 0)
		return error_set(e, EPERM, "privileges were given up and are still there");
	return 0;
}

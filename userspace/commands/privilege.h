/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What watching a host takes, and how to do without it. Whatever the user is called: the capabilities count, not uid 0. Which one is
 * for what: docs/threat-model.md, "Capabilities".
 */
#ifndef ABIDRIFT_COMMANDS_PRIVILEGE_H
#define ABIDRIFT_COMMANDS_PRIVILEGE_H

#include <sys/types.h>

struct error;

/*
 * CAP_BPF and CAP_PERFMON (or CAP_SYS_ADMIN, which contains both), KVM, BPF with BTF: one line about all that is missing. `verb` is
 * what it stops. -EPERM, -ENODEV. Nothing of /dev is asked for: a unit may hide it.
 */
int privilege_check(const char *verb, struct error *e);

struct privilege_user {
	uid_t uid;
	gid_t gid;
	char name[64];
};

/* Who analyst and messenger run as: abidrift, else nobody; who is not root stays who it is. -ENOENT with e. */
int privilege_user(struct privilege_user *ret, struct error *e);
/* Becomes that user for good: no groups, no capabilities, none to be had, no core dump. Ends with the process that made this one. */
int privilege_drop(const struct privilege_user *user, struct error *e);

/*
 * The collector keeps CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH as far as it has them (CAP_SYS_ADMIN only where it
 * stands for the first two), and no way to others. Also allows it the locked memory that kernels before 5.11 want for BPF maps, where
 * it may. No core dump: guest memory is in it.
 */
int privilege_collector(struct error *e);
/* The supervisor keeps what its children need, and what starting and ending them as other users and tidying up take. */
int privilege_supervisor(struct error *e);

/* Why this process may not read the memory of other processes (those of other users, at least), or NULL: it may. */
const char *privilege_memory(void);

#endif

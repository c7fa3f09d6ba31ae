/* SPDX-License-Identifier: Apache-2.0 */
/* What watching a host takes, and how to do without it. */
#ifndef ABIDRIFT_COMMANDS_PRIVILEGE_H
#define ABIDRIFT_COMMANDS_PRIVILEGE_H

#include <sys/types.h>

struct error;

/* Root, /dev/kvm, BPF with BTF: one line about all that is missing. `verb` is what it stops. -EPERM, -ENODEV. */
int privilege_check(const char *verb, struct error *e);

struct privilege_user {
	uid_t uid;
	gid_t gid;
	char name[64];
};

/* Who analyst and messenger run as: abidrift, else nobody. -ENOENT with e. */
int privilege_user(struct privilege_user *ret, struct error *e);
/* Becomes that user for good: no groups, no capabilities, none to be had. Ends with the process that made this one. */
int privilege_drop(const struct privilege_user *user, struct error *e);

/* Why this process may not read the memory of other processes, or NULL: it may. */
const char *privilege_memory(void);

#endif

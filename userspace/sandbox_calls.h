/* SPDX-License-Identifier: Apache-2.0 */
/* seccomp: the table of the system calls that each process needs. Whatever is not in it fails with EPERM. */
#ifndef ABIDRIFT_SANDBOX_CALLS_H
#define ABIDRIFT_SANDBOX_CALLS_H

struct error;

enum sandbox_process {
	SANDBOX_COLLECTOR = 1 << 0,
	SANDBOX_READER = 1 << 1,
	SANDBOX_ANALYST = 1 << 2,
	SANDBOX_KEEPER = 1 << 3,
	SANDBOX_MESSENGER = 1 << 4,
	SANDBOX_RUNNER = 1 << 5, /* the other way round: it lacks some calls */
};

/* What any of these processes needs. For good, for all threads and children. 0; -errno with e. */
int sandbox_calls(unsigned processes, struct error *e);

#endif

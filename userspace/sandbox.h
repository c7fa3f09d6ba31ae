/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process may still do once it works, beside what its user and capabilities allow: seccomp filters, and Landlock where the
 * kernel has it (5.13; what a newer one adds is used where it is there). For good, and for all its children. Called by the process
 * itself, after privileges were given up and before it looks at anything that came from a guest or the network. What is refused
 * fails with EPERM or EACCES: nobody is killed for a system call that a newer libc makes.
 *
 * Landlock may be missing: no failure. seccomp may not: -errno with e.
 */
#ifndef ABIDRIFT_SANDBOX_H
#define ABIDRIFT_SANDBOX_H

struct error;

/*
 * BPF, memory of others (process_vm_readv), files to read; no sockets of its own, no file opened to write, no exec, no ptrace. No
 * Landlock: it would also forbid looking at other processes.
 */
int sandbox_collector(struct error *e);
/* Reads guests' memory for the collector: a child of it, with less. */
int sandbox_reader(void);
/* Store at store_path (its folder, for SQLite's -wal and -shm) and files to read. No sockets, no exec, no processes, no other's /proc. */
int sandbox_analyst(const char *store_path, struct error *e);
/* Network, files to read; writes nothing. No BPF, no memory of others, no exec. */
int sandbox_messenger(const char *store_path, struct error *e);
/* Writes the store for the messenger: as the analyst, which it is a small brother of. */
int sandbox_keeper(const char *store_path, struct error *e);
/* HTTP and a store of its own that nobody else may have open: SQLite makes files beside it, also to read. */
int sandbox_server(const char *store_path, struct error *e);
/* Runs the configured command, which may do what its user may, but for a few calls: others' memory, BPF, keys, modules. */
int sandbox_runner(struct error *e);

#endif

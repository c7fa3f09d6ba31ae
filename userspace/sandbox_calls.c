/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/sandbox_calls.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "userspace/base/error.h"
#include "userspace/sandbox_filter.h"

#define C SANDBOX_COLLECTOR
#define R SANDBOX_READER
#define A SANDBOX_ANALYST
#define K SANDBOX_KEEPER
#define M SANDBOX_MESSENGER
#define STORE (A | K | M)
#define EVERY (C | R | STORE)

#define OPEN_WRITES ((unsigned)(O_ACCMODE | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY)))
/* No bit of these: nothing to run, least of all as another user. The kernel looks at the last 12 only. */
#define NEW_FILE_LACKS 07111u
#define MODE_LACKS (07777u & ~0640u)
#define NAMESPACES ((unsigned)(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET))
#define THREAD ((unsigned)(CLONE_THREAD | CLONE_VM | CLONE_SIGHAND))
#define INT 0xffffffffu

/* Several rows of one call: any of them. */
struct call {
	int number;
	unsigned who;
	/* where mask is not 0: only with (argument & mask) == value */
	unsigned argument;
	uint64_t mask, value;
};

#define CALL(name, who) { SYS_##name, who, 0, 0, 0 }
#define ONLY(name, who, argument, mask, value) { SYS_##name, who, argument, mask, value }

static const struct call calls[] = {
	/* what is open: descriptors were given, or opened by the rules below */
	CALL(read, EVERY), CALL(readv, EVERY), CALL(pread64, EVERY), CALL(preadv, EVERY), CALL(write, EVERY), CALL(writev, EVERY),
	CALL(close, EVERY), CALL(close_range, EVERY), CALL(lseek, EVERY), CALL(fstat, EVERY), CALL(dup, EVERY), CALL(dup2, EVERY),
	CALL(dup3, EVERY), CALL(pipe, EVERY), CALL(pipe2, EVERY), CALL(poll, EVERY), CALL(ppoll, EVERY), CALL(select, C | STORE),
	CALL(pselect6, C | STORE), CALL(epoll_create1, C | STORE), CALL(epoll_ctl, C | STORE), CALL(epoll_wait, C | STORE),
	CALL(epoll_pwait, C | STORE), CALL(epoll_pwait2, C | STORE), CALL(eventfd2, C | STORE), CALL(timerfd_create, C | STORE),
	CALL(timerfd_settime, C | STORE), CALL(timerfd_gettime, C | STORE), CALL(signalfd4, C | STORE),
	/* not F_SETOWN and F_SETSIG, which have the kernel send any signal to anybody */
	ONLY(fcntl, EVERY, 1, INT, F_DUPFD), ONLY(fcntl, EVERY, 1, INT, F_DUPFD_CLOEXEC), ONLY(fcntl, EVERY, 1, INT, F_GETFD),
	ONLY(fcntl, EVERY, 1, INT, F_SETFD), ONLY(fcntl, EVERY, 1, INT, F_GETFL), ONLY(fcntl, EVERY, 1, INT, F_SETFL),
	ONLY(fcntl, EVERY, 1, INT, F_GETLK), ONLY(fcntl, EVERY, 1, INT, F_SETLK), ONLY(fcntl, EVERY, 1, INT, F_SETLKW),
	ONLY(fcntl, M, 1, INT, F_ADD_SEALS), ONLY(fcntl, M, 1, INT, F_GET_SEALS),
	/* is it a terminal, how much is there to read or still to send; nothing that changes a device (TIOCSTI types into a terminal) */
	ONLY(ioctl, EVERY, 1, INT, TCGETS), ONLY(ioctl, C | STORE, 1, INT, TIOCGWINSZ), ONLY(ioctl, C | STORE, 1, INT, FIONREAD),
	ONLY(ioctl, C | STORE, 1, INT, FIONBIO), ONLY(ioctl, M, 1, INT, SIOCOUTQ),

	/* memory of its own, never code that was not there; the messenger's resolver loads its modules (NSS) when it first needs them */
	CALL(brk, EVERY), CALL(munmap, EVERY), CALL(mremap, EVERY), CALL(madvise, EVERY), CALL(mincore, EVERY), CALL(membarrier, EVERY),
	ONLY(mmap, EVERY, 2, PROT_EXEC, 0), ONLY(mmap, M, 2, PROT_WRITE | PROT_EXEC, PROT_EXEC), ONLY(mprotect, EVERY, 2, PROT_EXEC, 0),

	/* time, locks, signals to itself, what it is and what it has */
	CALL(clock_gettime, EVERY), CALL(clock_getres, EVERY), CALL(clock_nanosleep, EVERY), CALL(nanosleep, EVERY), CALL(gettimeofday, EVERY),
	CALL(time, EVERY), CALL(times, EVERY), CALL(futex, EVERY), CALL(set_robust_list, EVERY), CALL(get_robust_list, EVERY), CALL(rseq, EVERY),
	CALL(set_tid_address, EVERY), CALL(sched_yield, EVERY), CALL(sched_getaffinity, EVERY), CALL(getcpu, EVERY), CALL(getrandom, EVERY),
	CALL(rt_sigaction, EVERY), CALL(rt_sigprocmask, EVERY), CALL(rt_sigreturn, EVERY), CALL(rt_sigpending, EVERY), CALL(rt_sigtimedwait, EVERY),
	CALL(sigaltstack, EVERY), CALL(restart_syscall, EVERY), CALL(exit, EVERY), CALL(exit_group, EVERY),
	CALL(getpid, EVERY), CALL(gettid, EVERY), CALL(getppid, EVERY), CALL(getuid, EVERY), CALL(geteuid, EVERY), CALL(getgid, EVERY),
	CALL(getegid, EVERY), CALL(getgroups, EVERY), CALL(getpgrp, EVERY), CALL(getresuid, EVERY), CALL(getresgid, EVERY), CALL(capget, EVERY),
	CALL(uname, EVERY), CALL(sysinfo, EVERY), CALL(getrusage, EVERY), CALL(getrlimit, EVERY), CALL(umask, EVERY),
	ONLY(prlimit64, EVERY, 0, INT, 0),
	/* fewer rights are always allowed */
	CALL(capset, C), CALL(setrlimit, C), CALL(seccomp, C), ONLY(prctl, C, 0, INT, PR_CAPBSET_DROP), ONLY(prctl, C, 0, INT, PR_CAP_AMBIENT),
	ONLY(prctl, EVERY, 0, INT, PR_SET_NO_NEW_PRIVS), ONLY(prctl, EVERY, 0, INT, PR_GET_NO_NEW_PRIVS),
	ONLY(prctl, EVERY, 0, INT, PR_SET_NAME), ONLY(prctl, EVERY, 0, INT, PR_GET_NAME), ONLY(prctl, EVERY, 0, INT, PR_SET_PDEATHSIG),
	ONLY(prctl, EVERY, 0, INT, PR_GET_DUMPABLE), ONLY(prctl, EVERY, 0, INT, PR_CAPBSET_READ),
#ifdef PR_SET_VMA
	ONLY(prctl, EVERY, 0, INT, PR_SET_VMA), /* newer libcs name their memory */
#endif

	/* files to look at. Who must not write opens none for it; of the others Landlock and the store's folder bound it */
	ONLY(open, C | R | M, 1, OPEN_WRITES, O_RDONLY), ONLY(openat, C | R | M, 2, OPEN_WRITES, O_RDONLY),
	ONLY(open, A | K, 2, NEW_FILE_LACKS, 0), ONLY(openat, A | K, 3, NEW_FILE_LACKS, 0),
	CALL(stat, EVERY), CALL(lstat, EVERY), CALL(newfstatat, EVERY), CALL(statx, EVERY), CALL(access, EVERY), CALL(faccessat, EVERY),
	CALL(faccessat2, EVERY), CALL(readlink, EVERY), CALL(readlinkat, EVERY), CALL(getcwd, EVERY), CALL(getdents64, EVERY),
	CALL(fstatfs, EVERY), CALL(statfs, EVERY), CALL(fadvise64, EVERY),

	/* SQLite's file, its log and index */
	CALL(pwrite64, C | A | K), CALL(fsync, C | A | K), CALL(fdatasync, A | K), CALL(ftruncate, A | K), CALL(fallocate, A | K),
	ONLY(fchmod, A | K, 1, MODE_LACKS, 0), CALL(unlink, A | K), CALL(unlinkat, A | K), CALL(flock, C | A | K),

	/* the collector: BPF, who the VMMs are, and its end of the stream */
	CALL(bpf, C), CALL(memfd_create, C), CALL(pidfd_open, C | R), CALL(accept4, C | M), CALL(accept, C | M),
	/* processes for what may hang: readers of guest memory and of files elsewhere; they are ended by force */
	ONLY(clone, C, 0, NAMESPACES, 0), CALL(fork, C), CALL(vfork, C), CALL(wait4, C | M), CALL(waitid, C | M), ONLY(kill, C, 1, INT, SIGKILL),
	ONLY(socketpair, C, 0, INT, AF_UNIX),
	/* guests' memory: to read */
	CALL(process_vm_readv, C | R),

	/* sockets that are there */
	CALL(sendto, EVERY), CALL(sendmsg, C | STORE), CALL(recvfrom, EVERY), CALL(recvmsg, C | STORE), CALL(shutdown, C | STORE),
	CALL(getsockopt, C | STORE), CALL(setsockopt, C | M), CALL(getsockname, C | STORE), CALL(getpeername, C | STORE),

	/* the messenger: sinks, the resolver and its threads, HTTP */
	ONLY(socket, M, 0, INT, AF_UNIX), ONLY(socket, M, 0, INT, AF_INET), ONLY(socket, M, 0, INT, AF_INET6),
	ONLY(socket, M, 0, INT, AF_NETLINK), /* which addresses this host has (getaddrinfo) */
	ONLY(socketpair, M, 0, INT, AF_UNIX), CALL(connect, M), CALL(bind, M), CALL(sendmmsg, M), CALL(recvmmsg, M), CALL(sendfile, M),
	ONLY(clone, M, 0, NAMESPACES | THREAD, THREAD), CALL(memfd_create, M), /* an alert beyond a datagram goes to the journal as one */
};

/* What no alert needs, from a program that somebody configured: others' memory, the kernel's own matters. The rest is the program's. */
static const int runner_lacks[] = {
	SYS_bpf, SYS_perf_event_open, SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev,
	SYS_process_madvise, SYS_pidfd_getfd, SYS_kcmp, SYS_userfaultfd, SYS_io_uring_setup, SYS_io_uring_enter,
	SYS_io_uring_register, SYS_open_by_handle_at, SYS_add_key, SYS_request_key, SYS_keyctl,
	SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_kexec_load, SYS_kexec_file_load,
	SYS_setns, SYS_pivot_root, SYS_swapon, SYS_swapoff, SYS_reboot, SYS_acct, SYS_quotactl,
};

/* libc falls back to clone, whose flags a filter can read. */
static const int unknown[] = { SYS_clone3 };

#define COUNT(list) (sizeof(list) / sizeof *(list))
#define FIXED 8 /* rules beside the tables */
#define ALLOW SECCOMP_RET_ALLOW
#define REFUSE(err) (SECCOMP_RET_ERRNO | (err))

static size_t fill_runner(struct filter_rule *rules)
{
	for (size_t i = 0; i < COUNT(runner_lacks); i++)
		rules[i] = (struct filter_rule){ .number = runner_lacks[i], .action = REFUSE(EPERM) };
	return COUNT(runner_lacks);
}

static size_t fill(struct filter_rule *rules, unsigned processes)
{
	size_t count = 0;

	for (size_t i = 0; i < COUNT(calls); i++)
		if (calls[i].who & processes)
			rules[count++] = (struct filter_rule){ calls[i].number, ALLOW, { { calls[i].argument, calls[i].mask, calls[i].value } } };
	for (size_t i = 0; i < COUNT(unknown); i++)
		rules[count++] = (struct filter_rule){ .number = unknown[i], .action = REFUSE(ENOSYS) };
	/* abort() and raise() */
	rules[count++] = (struct filter_rule){ SYS_tgkill, ALLOW, { { 0, INT, (uint32_t)getpid() } } };
	/* not to be looked into: can be asked for, and not be taken back */
	rules[count++] = (struct filter_rule){ SYS_prctl, ALLOW, { { 0, INT, PR_SET_DUMPABLE }, { 1, UINT64_MAX, 0 } } };
	return count;
}

int sandbox_calls(unsigned processes, struct error *e)
{
	struct filter_rule rules[COUNT(calls) + COUNT(runner_lacks) + FIXED];
	bool runner = processes == SANDBOX_RUNNER;
	size_t count = runner ? fill_runner(rules) : fill(rules, processes);
	int err = filter_load(rules, count, runner ? ALLOW : REFUSE(EPERM));

	return err < 0 ? error_set(e, -err, "cannot give up system calls (seccomp): %s", strerror(-err)) : 0;
}

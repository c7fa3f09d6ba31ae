/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An attacker inside a process: makes one that runs perform a system call, as code that a guest or the network had taken over would.
 *
 *	inject PID CALL [ARGUMENT ...]
 *
 * CALL and numbers are decimal or 0x...; "s:TEXT" is the address of that text in the process, "x:HEX" that of those bytes.
 * The process is stopped with ptrace, its registers are set, it makes the one call, and everything is put back. Prints what the
 * call returned: a number, or -errno.
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

/* Below what the interrupted function may use of its stack (System V ABI, red zone), and room for what is put there. */
#define BELOW 4096
#define ROOM 8192
#define STOPS 20

static const uint8_t syscall_code[2] = { 0x0f, 0x05 };

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "inject: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* The signal that it stopped for. */
static int stopped(pid_t pid, const char *what)
{
	int status;

	if (waitpid(pid, &status, __WALL) != pid)
		die(what);
	if (!WIFSTOPPED(status)) {
		fprintf(stderr, "inject: %s: the process ended (status %#x)\n", what, (unsigned)status);
		exit(3);
	}
	return WSTOPSIG(status);
}

static void copy(pid_t pid, int put, uint64_t there, void *here, size_t bytes)
{
	struct iovec local = { here, bytes }, remote = { (void *)(uintptr_t)there, bytes };
	ssize_t n = put ? process_vm_writev(pid, &local, 1, &remote, 1, 0) : process_vm_readv(pid, &local, 1, &remote, 1, 0);

	if (n != (ssize_t)bytes)
		die(put ? "writing its memory" : "reading its memory");
}

/* A number, or the address at which the thing lies there. */
static uint64_t argument(const char *text, uint64_t base, uint8_t *room, size_t *used)
{
	size_t bytes = strlen(text);
	uint64_t at = base + *used;

	if (text[0] == '-')
		return (uint64_t)strtoll(text, NULL, 0);
	if (!*text || text[1] != ':')
		return strtoull(text, NULL, 0);
	if (*used + bytes > ROOM) {
		fprintf(stderr, "inject: %s is too long\n", text);
		exit(2);
	}
	if (text[0] == 's')
		memcpy(room + *used, text + 2, bytes - 1);
	else
		for (size_t i = 0; i + 3 < bytes; i += 2)
			sscanf(text + 2 + i, "%2hhx", room + *used + i / 2);
	*used += (bytes + 15) / 16 * 16;
	return at;
}

/* What was on its way to the process when we stopped it comes first. Signals of ours end here, others wait: *ret_signal, 0 = none. */
static void step(pid_t pid, uint64_t from, int *ret_signal)
{
	for (int tries = 0; tries < STOPS; tries++) {
		struct user_regs_struct now;
		int signal;

		if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) < 0)
			die("stepping");
		signal = stopped(pid, "the call");
		if (ptrace(PTRACE_GETREGS, pid, NULL, &now) < 0)
			die("where it stopped");
		if (now.rip != from)
			return;
		if (signal != SIGTRAP)
			*ret_signal = signal;
	}
	fprintf(stderr, "inject: it does not come to make the call\n");
	exit(2);
}

/* Wherever it stopped: the next instruction that it executes is a system call. */
static void go(pid_t pid, const struct user_regs_struct *regs, int *ret_signal)
{
	long before = ptrace(PTRACE_PEEKTEXT, pid, (void *)regs->rip, NULL), code = before;

	memcpy(&code, syscall_code, sizeof syscall_code);
	if (ptrace(PTRACE_POKETEXT, pid, (void *)regs->rip, (void *)code) < 0)
		die("setting its code");
	if (ptrace(PTRACE_SETREGS, pid, NULL, regs) < 0)
		die("setting its registers");
	step(pid, regs->rip, ret_signal);
	if (ptrace(PTRACE_POKETEXT, pid, (void *)regs->rip, (void *)before) < 0)
		die("putting its code back");
}

int main(int argc, char **argv)
{
	pid_t pid = argc > 2 ? atoi(argv[1]) : 0;
	struct user_regs_struct old, regs;
	uint8_t room[ROOM] = { 0 }, kept[ROOM];
	unsigned long long *const places[] = { &regs.rdi, &regs.rsi, &regs.rdx, &regs.r10, &regs.r8, &regs.r9 };
	uint64_t base;
	size_t used = 0;
	int signal;

	if (pid <= 0 || argc > 9) {
		fprintf(stderr, "usage: inject PID CALL [ARGUMENT ...]\n");
		return 2;
	}
	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0 || ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) < 0)
		die("attaching");
	signal = stopped(pid, "stopping");
	if (signal == SIGTRAP)
		signal = 0;
	if (ptrace(PTRACE_GETREGS, pid, NULL, &old) < 0)
		die("its registers");
	regs = old;
	base = (old.rsp - BELOW - ROOM) & ~15ull;
	for (int i = 3; i < argc; i++)
		*places[i - 3] = argument(argv[i], base, room, &used);
	for (int i = argc; i < 9; i++)
		*places[i - 3] = 0;
	regs.rax = strtoull(argv[2], NULL, 0);
	regs.orig_rax = (unsigned long long)-1; /* or the kernel restarts the call that was interrupted */
	copy(pid, 0, base, kept, sizeof kept);
	copy(pid, 1, base, room, sizeof room);
	go(pid, &regs, &signal);
	if (ptrace(PTRACE_GETREGS, pid, NULL, &regs) < 0)
		die("the result");
	copy(pid, 1, base, kept, sizeof kept);
	if (ptrace(PTRACE_SETREGS, pid, NULL, &old) < 0 || ptrace(PTRACE_DETACH, pid, NULL, (void *)(intptr_t)signal) < 0)
		die("letting it go");
	printf("%lld\n", (long long)regs.rax);
	return 0;
}

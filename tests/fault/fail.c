// SPDX-License-Identifier: Apache-2.0
/*
 * Preloaded into abidrift: counts its calls of one kind, from main() on, and lets the k-th fail.
 *
 *   FAULT_KIND   alloc, map, read, write, sync, open, name, handle
 *   FAULT_AT     k; 0 only counts
 *   FAULT_HOW    an errno, or "short": half of what was asked is read or written
 *   FAULT_STICKS set: all from the k-th on, as a disk that is full stays full
 *   FAULT_ROLE   only in the process that gave itself this name (prctl), not in its children; else in the one that is started
 *   FAULT_STATE  a file of sizeof(struct state): how many calls there were, how many failed, and from where the first that did
 *
 * Allocations are functions put before libc's (or a sanitizer's). All else is found where it reaches the kernel, so that libraries and
 * libc's own calls count too: a filter sends the kind's system calls to a handler, which makes them itself, or does not.
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#define FRAMES 24
#define WHERE_BYTES 120

/* tests/fault/plans.py reads it. */
struct state {
	uint64_t calls, fired;
	char where[FRAMES][WHERE_BYTES];
	uint64_t crash; /* the signal that a process of FAULT_ROLE, or the one that was started, did not survive */
};

struct kind {
	const char *name;
	int calls[24]; /* up to the first 0 behind the first place; read(2) is 0 */
};

static const struct kind kinds[] = {
	{ "alloc", { -1 } },
	{ "map", { SYS_mmap, SYS_mremap, SYS_brk } },
	{ "read", { SYS_read, SYS_pread64, SYS_readv, SYS_preadv, SYS_getdents64, SYS_recvfrom, SYS_recvmsg } },
	{ "write", { SYS_write, SYS_pwrite64, SYS_writev, SYS_pwritev, SYS_sendto, SYS_sendmsg, SYS_sendmmsg } },
	{ "sync", { SYS_fsync, SYS_fdatasync, SYS_sync_file_range, SYS_syncfs } },
	{ "open", { SYS_open, SYS_openat, SYS_openat2, SYS_creat } },
	{ "name", { SYS_rename, SYS_renameat, SYS_renameat2, SYS_link, SYS_linkat, SYS_symlink, SYS_symlinkat, SYS_mkdir, SYS_mkdirat, SYS_unlink,
		    SYS_unlinkat, SYS_rmdir, SYS_ftruncate, SYS_truncate, SYS_fallocate, SYS_fchmod, SYS_fchown, SYS_chmod, SYS_chown, SYS_fchmodat,
		    SYS_fchownat } },
	{ "handle", { SYS_pipe, SYS_pipe2, SYS_socketpair, SYS_socket, SYS_epoll_create1, SYS_eventfd2, SYS_timerfd_create, SYS_signalfd4, SYS_memfd_create,
		      SYS_accept, SYS_accept4, SYS_epoll_ctl, SYS_dup, SYS_dup2, SYS_dup3, SYS_bind, SYS_listen, SYS_inotify_init1 } },
};

static struct {
	const struct kind *kind;
	uint64_t at;
	int code; /* an errno; 0: short */
	bool sticks;
	const char *role;
	struct state *state;
	int (*main)(int, char **, char **);
} plan;
static bool armed;
static __thread bool busy; /* what a failing call does to tell of itself does not count */

static void note(void)
{
	void *frames[FRAMES];
	int count = backtrace(frames, FRAMES);

	for (int i = 0; i < count; i++) {
		Dl_info info;
		if (dladdr(frames[i], &info) && info.dli_fname) {
			const char *base = strrchr(info.dli_fname, '/');
			snprintf(plan.state->where[i], WHERE_BYTES, "%s+%#lx %s", base ? base + 1 : info.dli_fname,
				 (unsigned long)((char *)frames[i] - (char *)info.dli_fbase), info.dli_sname ? info.dli_sname : "");
		}
	}
}

/* Whether this call is one that fails. */
static bool turn(void)
{
	uint64_t number, nobody = 0;

	if (!armed || busy)
		return false;
	number = __atomic_add_fetch(&plan.state->calls, 1, __ATOMIC_RELAXED);
	if (!plan.at || (number != plan.at && !(plan.sticks && number > plan.at)))
		return false;
	busy = true;
	if (__atomic_compare_exchange_n(&plan.state->fired, &nobody, 1, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		note();
	else
		__atomic_add_fetch(&plan.state->fired, 1, __ATOMIC_RELAXED);
	busy = false;
	return true;
}

/* ---- allocations */

#define REAL(name) \
	static __typeof__(name) *real; \
	if (!real) \
		*(void **)&real = dlsym(RTLD_NEXT, #name)

static bool no_memory(void)
{
	if (!armed || plan.kind != &kinds[0] || !turn())
		return false;
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size)
{
	REAL(malloc);
	return no_memory() ? NULL : real(size);
}

void *calloc(size_t count, size_t size)
{
	REAL(calloc);
	return no_memory() ? NULL : real(count, size);
}

void *realloc(void *old, size_t size)
{
	REAL(realloc);
	return no_memory() ? NULL : real(old, size);
}

void *reallocarray(void *old, size_t count, size_t size)
{
	REAL(reallocarray);
	return no_memory() ? NULL : real(old, count, size);
}

void *memalign(size_t alignment, size_t size);
void *memalign(size_t alignment, size_t size)
{
	REAL(memalign);
	return no_memory() ? NULL : real(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	REAL(aligned_alloc);
	return no_memory() ? NULL : real(alignment, size);
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
	REAL(posix_memalign);
	return no_memory() ? ENOMEM : real(ret, alignment, size);
}

/* ---- processes: a filter's handler cannot make them */

pid_t fork(void)
{
	REAL(fork);
	if (plan.kind && !strcmp(plan.kind->name, "handle") && turn()) {
		errno = EAGAIN;
		return -1;
	}
	return real();
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument)
{
	REAL(pthread_create);
	if (plan.kind && !strcmp(plan.kind->name, "handle") && turn())
		return EAGAIN;
	return real(thread, attributes, start, argument);
}

/* ---- system calls */

/* The only place from which the filter lets the kind's calls through. */
long fault_call(long number, long a, long b, long c, long d, long e, long f);
__asm__(".text\n.globl fault_call\n.type fault_call,@function\nfault_call:\n"
	"mov %rdi,%rax\nmov %rsi,%rdi\nmov %rdx,%rsi\nmov %rcx,%rdx\nmov %r8,%r10\nmov %r9,%r8\nmov 8(%rsp),%r9\nsyscall\n"
	".globl fault_back\nfault_back:\nret\n.size fault_call,.-fault_call\n");
extern const char fault_back[];

/* Standard error stays: who failed has to be able to say so. Of epoll only what is added takes anything that can run out. */
static bool spared(long number, long a, long b)
{
	return (a == STDERR_FILENO && (number == SYS_write || number == SYS_writev)) || (number == SYS_epoll_ctl && b != EPOLL_CTL_ADD);
}

/* Half of it, where the call takes one length; all of what is read as a whole or not at all (signalfd, eventfd), and of anything else. */
static long part(long number, long a, long b, long c, long d, long e, long f)
{
	bool cut = number == SYS_read || number == SYS_pread64 || number == SYS_write || number == SYS_pwrite64 || number == SYS_sendto ||
		   number == SYS_recvfrom;
	long done = fault_call(number, a, b, cut && c > 1 ? c / 2 : c, d, e, f);

	return done == -EINVAL && cut ? fault_call(number, a, b, c, d, e, f) : done;
}

static void on_call(int signal, siginfo_t *info, void *context)
{
	greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
	long n = info->si_syscall, a = r[REG_RDI], b = r[REG_RSI], c = r[REG_RDX], d = r[REG_R10], e = r[REG_R8], f = r[REG_R9];
	int saved = errno;

	(void)signal;
	if (spared(n, a, b) || !turn())
		r[REG_RAX] = fault_call(n, a, b, c, d, e, f);
	else if (n == SYS_brk)
		r[REG_RAX] = fault_call(n, 0, 0, 0, 0, 0, 0);
	else
		r[REG_RAX] = plan.code ? -plan.code : part(n, a, b, c, d, e, f);
	errno = saved;
}

#define LOAD(field, more) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field) + (more))
#define IS(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), yes, no)

static bool filter_calls(void)
{
	struct sock_filter code[64];
	struct sigaction action = { .sa_sigaction = on_call, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_RESTART };
	unsigned short count = 0, calls = 0;

	while (calls < 24 && (plan.kind->calls[calls] > 0 || !calls))
		calls++;
	code[count++] = (struct sock_filter)LOAD(nr, 0);
	for (unsigned short i = 0; i < calls; i++)
		code[count++] = (struct sock_filter)IS(plan.kind->calls[i], calls - i, 0);
	code[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	code[count++] = (struct sock_filter)LOAD(instruction_pointer, 0);
	code[count++] = (struct sock_filter)IS((uintptr_t)fault_back, 1, 0);
	code[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP);
	code[count++] = (struct sock_filter)LOAD(instruction_pointer, 4);
	code[count++] = (struct sock_filter)IS((uintptr_t)fault_back >> 32, 0, 1);
	code[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	code[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP);

	struct sock_fprog program = { .len = count, .filter = code };
	return sigaction(SIGSYS, &action, NULL) == 0 &&
	       (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 ||
		(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0));
}

/* ---- when counting begins */

static void give_up(const char *why)
{
	fprintf(stderr, "fail.so: %s\n", why);
	_exit(99);
}

static void on_crash(int number)
{
	plan.state->crash = (uint64_t)number;
	signal(number, SIG_DFL);
	raise(number);
}

static void crashes_catch(void)
{
	static const int crashes[] = { SIGSEGV, SIGABRT, SIGBUS, SIGILL, SIGFPE };
	struct sigaction action = { .sa_handler = on_crash };

	for (size_t i = 0; i < sizeof(crashes) / sizeof(*crashes); i++)
		sigaction(crashes[i], &action, NULL);
}

static void begin(void)
{
	crashes_catch();
	if (plan.kind != &kinds[0] && !filter_calls())
		give_up("no filter");
	armed = true;
}

static void in_child(void)
{
	armed = false;
}

int prctl(int option, ...)
{
	va_list args;
	unsigned long a, b, c, d;

	va_start(args, option);
	a = va_arg(args, unsigned long);
	b = va_arg(args, unsigned long);
	c = va_arg(args, unsigned long);
	d = va_arg(args, unsigned long);
	va_end(args);
	if (option == PR_SET_NAME && plan.state && plan.role && !armed && !strcmp((const char *)a, plan.role))
		begin();
	return (int)syscall(SYS_prctl, option, a, b, c, d);
}

static const char *must(const char *name)
{
	const char *value = getenv(name);

	if (!value)
		give_up(name);
	return value;
}

static int main_here(int argc, char **argv, char **environment)
{
	const char *how = must("FAULT_HOW"), *kind = must("FAULT_KIND");
	void *frame;
	int fd = open(must("FAULT_STATE"), O_RDWR | O_CLOEXEC);

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(kinds[i].name, kind))
			plan.kind = &kinds[i];
	plan.at = strtoull(must("FAULT_AT"), NULL, 10);
	plan.code = strcmp(how, "short") ? atoi(how) : 0;
	plan.sticks = getenv("FAULT_STICKS") != NULL;
	plan.role = getenv("FAULT_ROLE");
	plan.state = mmap(NULL, sizeof(*plan.state), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd < 0 || plan.state == MAP_FAILED || !plan.kind)
		give_up("no state, or no such kind");
	close(fd);
	/* What a program that abidrift starts does is not counted. */
	unsetenv("LD_PRELOAD");
	pthread_atfork(NULL, NULL, in_child);
	backtrace(&frame, 1); /* it loads a library the first time */
	if (!plan.role)
		begin();
	return plan.main(argc, argv, environment);
}

int __libc_start_main(int (*)(int, char **, char **), int, char **, void (*)(void), void (*)(void), void (*)(void), void *);
int __libc_start_main(int (*program)(int, char **, char **), int argc, char **argv, void (*init)(void), void (*fini)(void), void (*rtld_fini)(void), void *stack_end)
{
	REAL(__libc_start_main);
	plan.main = program;
	return real(main_here, argc, argv, init, fini, rtld_fini, stack_end);
}

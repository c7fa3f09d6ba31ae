/* SPDX-License-Identifier: Apache-2.0 */
/* What a process can still do in its sandbox, also as root, and what of it each kernel's Landlock knows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "userspace/base/error.h"
#include "userspace/sandbox.h"
#include "userspace/sandbox_filter.h"
#include "userspace/sandbox_landlock.h"

/* ---- what each ABI of Landlock knows */

static void test_without_landlock_nothing_is_asked_of_it(void **state)
{
	(void)state;
	for (int abi = -1; abi <= 0; abi++) {
		struct landlock_handled h = landlock_handled(abi);

		assert_int_equal(h.files | h.net | h.scoped | h.bytes, 0);
	}
}

/* A kernel refuses as a whole what it knows one bit of not: then the monitor would not start there. */
static void test_a_kernel_is_asked_for_what_its_abi_has(void **state)
{
	static const struct {
		int abi;
		uint64_t files, net, scoped;
		size_t bytes;
	} kernels[] = {
		{ 1, 0x1fff, 0, 0, 8 },  { 2, 0x3fff, 0, 0, 8 },   { 3, 0x7fff, 0, 0, 8 },   { 4, 0x7fff, 1, 0, 16 },
		{ 5, 0xffff, 1, 0, 16 }, { 6, 0xffff, 1, 3, 24 }, { 7, 0xffff, 1, 3, 24 }, { 99, 0xffff, 1, 3, 24 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++) {
		struct landlock_handled h = landlock_handled(kernels[i].abi);

		assert_int_equal(h.files, kernels[i].files);
		assert_int_equal(h.net, kernels[i].net);
		assert_int_equal(h.scoped, kernels[i].scoped);
		assert_int_equal(h.bytes, kernels[i].bytes);
		assert_int_equal(landlock_rights(&h, LANDLOCK_KEEP, 1), LANDLOCK_KEEP & kernels[i].files);
		/* On a file, a right about folders is an error. */
		assert_int_equal(landlock_rights(&h, LANDLOCK_KEEP, 0), (LANDLOCK_READ_FILE | LANDLOCK_WRITE_FILE | LANDLOCK_TRUNCATE) & kernels[i].files);
	}
}

/* ---- inside */

struct place {
	char folder[64], store[96], fresh[96], outside[96];
};

static void place_make(struct place *p)
{
	int fd;

	snprintf(p->folder, sizeof p->folder, "/tmp/abidrift-sandbox-XXXXXX");
	assert_non_null(mkdtemp(p->folder));
	snprintf(p->store, sizeof p->store, "%s/s.db", p->folder);
	snprintf(p->fresh, sizeof p->fresh, "%s/s.db-wal", p->folder);
	snprintf(p->outside, sizeof p->outside, "%s.outside", p->folder);
	fd = open(p->store, O_CREAT | O_RDWR, 0600);
	assert_true(fd >= 0);
	close(fd);
	fd = open(p->outside, O_CREAT | O_RDWR, 0600);
	assert_true(fd >= 0);
	close(fd);
}

static void place_remove(const struct place *p)
{
	unlink(p->store);
	unlink(p->fresh);
	unlink(p->outside);
	rmdir(p->folder);
}

/* A build with sanitizers has no sandbox (DEV=1), and valgrind makes memory that can be executed (make test-valgrind). */
static void need_confinement(void)
{
#ifdef __SANITIZE_ADDRESS__
	bool confined = false;
#else
	bool confined = !strstr(getenv("ABIDRIFT_CHECKED") ? getenv("ABIDRIFT_CHECKED") : "", "valgrind");
#endif

	if (!confined) {
		print_message("skip: a checked program is not confined\n");
		skip();
	}
}

/* In a process of its own, that never gets out again. Returns its exit status. */

static int within(const struct place *p, int (*confine)(const char *, struct error *), int (*act)(const struct place *))
{
	struct error e = ERROR_INIT;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (confine(p->store, &e) < 0) {
			fprintf(stderr, "%s\n", e.text);
			_exit(99);
		}
		_exit(act(p));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int collector_confine(const char *store_path, struct error *e)
{
	(void)store_path;
	return sandbox_collector(e);
}

static int runner_confine(const char *store_path, struct error *e)
{
	(void)store_path;
	return sandbox_runner(e);
}

/* Each a line of its own: the exit status says which one was not refused. */
#define REFUSED(call)                                                                          \
	do {                                                                                   \
		errno = 0;                                                                     \
		if ((long)(call) >= 0 || (errno != EPERM && errno != EACCES)) {                \
			fprintf(stderr, "line %d: %s: %s\n", __LINE__, #call, strerror(errno)); \
			return 1;                                                              \
		}                                                                              \
	} while (0)
#define ALLOWED(call)                                                                          \
	do {                                                                                   \
		errno = 0;                                                                     \
		if ((long)(call) < 0) {                                                        \
			fprintf(stderr, "line %d: %s: %s\n", __LINE__, #call, strerror(errno)); \
			return 1;                                                              \
		}                                                                              \
	} while (0)

static int nobody_may(const struct place *p)
{
	char text[8];

	(void)p;
	REFUSED(syscall(SYS_execve, "/bin/true", NULL, NULL));
	REFUSED(syscall(SYS_execveat, AT_FDCWD, "/bin/true", NULL, NULL, 0));
	REFUSED(syscall(SYS_ptrace, 0, 0, 0, 0));
	REFUSED(syscall(SYS_process_vm_writev, getppid(), NULL, 0, NULL, 0, 0));
	REFUSED(syscall(SYS_unshare, 0x10000000));
	REFUSED(syscall(SYS_setns, 0, 0));
	REFUSED(syscall(SYS_mount, "none", "/mnt", "tmpfs", 0, NULL));
	REFUSED(syscall(SYS_umount2, "/mnt", 0));
	REFUSED(syscall(SYS_pivot_root, "/", "/"));
	REFUSED(syscall(SYS_chroot, "/"));
	REFUSED(syscall(SYS_open_by_handle_at, 0, NULL, 0));
	REFUSED(syscall(SYS_io_uring_setup, 1, NULL));
	REFUSED(syscall(SYS_userfaultfd, 0));
	REFUSED(syscall(SYS_keyctl, 0, 0));
	REFUSED(syscall(SYS_init_module, NULL, 0, NULL));
	REFUSED(syscall(SYS_finit_module, 0, NULL, 0));
	REFUSED(syscall(SYS_kexec_load, 0, 0, NULL, 0));
	REFUSED(syscall(SYS_personality, 0x0400000));
	REFUSED(syscall(SYS_modify_ldt, 0, NULL, 0));
	REFUSED(syscall(SYS_setuid, 0));
	REFUSED(syscall(SYS_setgroups, 0, NULL));
	REFUSED(syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", NULL, 0));
	REFUSED(syscall(SYS_creat, "/tmp/abidrift-creat", 0600));
	REFUSED(syscall(SYS_rename, "/tmp/a", "/tmp/b"));
	REFUSED(syscall(SYS_symlink, "/tmp/a", "/tmp/b"));
	REFUSED(syscall(SYS_link, "/tmp/a", "/tmp/b"));
	REFUSED(syscall(SYS_chmod, "/tmp", 0777));
	REFUSED(syscall(SYS_pidfd_send_signal, 0, 0, NULL, 0));
	REFUSED(syscall(SYS_pidfd_getfd, 0, 0, 0));
	REFUSED(fcntl(0, F_SETOWN, getppid()));
	REFUSED(fcntl(0, F_SETSIG, SIGTERM));
	REFUSED(kill(getppid(), 0));
	REFUSED(kill(getppid(), SIGTERM));
	REFUSED(syscall(SYS_tgkill, getppid(), getppid(), 0));
	REFUSED(syscall(SYS_tkill, getppid(), 0));
	REFUSED(prctl(PR_SET_DUMPABLE, 1));
	REFUSED(prctl(PR_SET_MM, 1, 0, 0, 0));
	REFUSED(ioctl(0, 0x5412 /* TIOCSTI */, text));
	REFUSED(syscall(SYS_prlimit64, getppid(), 0, NULL, NULL));
	REFUSED(syscall(SYS_mprotect, 0, 4096, PROT_READ | PROT_EXEC));
	if (mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
		return 1;
	ALLOWED(syscall(SYS_tgkill, getpid(), getpid(), 0));
	return 0;
}

static int no_bpf_nor_memory(void)
{
	REFUSED(syscall(SYS_bpf, 0, NULL, 0));
	REFUSED(syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0));
	REFUSED(syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0));
	return 0;
}

static int no_sockets(void)
{
	for (int family = 0; family < 46; family++)
		REFUSED(socket(family, SOCK_STREAM, 0));
	REFUSED(connect(0, NULL, 0));
	REFUSED(bind(0, NULL, 0));
	REFUSED(listen(0, 1));
	return 0;
}

static int keeps_a_store(const struct place *p)
{
	int fd, ends[2];

	if (no_sockets() || no_bpf_nor_memory() || nobody_may(p))
		return 1;
	REFUSED(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	REFUSED(fork());
	REFUSED(open("/proc/1/environ", O_RDONLY));
	REFUSED(open("/proc/1/cmdline", O_RDONLY));
	REFUSED(open("/dev/kvm", O_RDWR));
	REFUSED(open(p->outside, O_RDONLY));
	REFUSED(open(p->outside, O_WRONLY));
	REFUSED(open(p->outside, O_WRONLY | O_TRUNC));
	REFUSED(open("/etc/abidrift-new", O_WRONLY | O_CREAT, 0600));
	REFUSED(unlink(p->outside));
	REFUSED(mkdir("/tmp/abidrift-new", 0700));
	ALLOWED(fd = open(p->fresh, O_RDWR | O_CREAT, 0600));
	ALLOWED(pwrite(fd, "x", 1, 0));
	ALLOWED(ftruncate(fd, 0));
	ALLOWED(unlink(p->fresh));
	ALLOWED(open(p->store, O_RDWR));
	ALLOWED(open("/etc/passwd", O_RDONLY));
	return 0;
}

static int collects(const struct place *p)
{
	int ends[2];

	if (no_sockets() || nobody_may(p))
		return 1;
	REFUSED(open(p->outside, O_WRONLY));
	REFUSED(open(p->outside, O_RDWR));
	REFUSED(open(p->outside, O_RDONLY | O_TRUNC));
	REFUSED(open(p->fresh, O_RDONLY | O_CREAT, 0600));
	REFUSED(unlink(p->outside));
	REFUSED(mkdir("/tmp/abidrift-new", 0700));
	REFUSED(open("/tmp", O_TMPFILE | O_RDWR, 0600));
	REFUSED(syscall(SYS_clone, CLONE_NEWNS | SIGCHLD, NULL, NULL, NULL, 0));
	REFUSED(socketpair(AF_INET, SOCK_STREAM, 0, ends));
	ALLOWED(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	ALLOWED(open("/proc/1/stat", O_RDONLY));
	ALLOWED(syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0));
	return 0;
}

/* As before 5.13. */
static int analyst_without_landlock(const char *store_path, struct error *e)
{
	struct filter_rule rules[3] = { { 0 } };
	int err;

	for (int i = 0; i < 3; i++)
		rules[i] = (struct filter_rule){ .number = 444 + i, .action = SECCOMP_RET_ERRNO | ENOSYS };
	err = filter_load(rules, 3, SECCOMP_RET_ALLOW);
	return err < 0 ? err : sandbox_analyst(store_path, e);
}

static int has_calls_refused_alone(const struct place *p)
{
	if (no_sockets() || no_bpf_nor_memory() || nobody_may(p))
		return 1;
	ALLOWED(open(p->store, O_RDWR));
	ALLOWED(open(p->outside, O_WRONLY));
	return 0;
}

static int runs_a_command(const struct place *p)
{
	if (no_bpf_nor_memory())
		return 1;
	ALLOWED(open(p->outside, O_WRONLY));
	execl("/bin/true", "true", (char *)NULL);
	return 1;
}

/* The first of a call's rules that holds counts, with both halves of each argument; what is between the numbers that have rules has none. */
static int keeps_to_its_rules(const struct place *p)
{
	struct filter_rule rules[64] = { { 0 } };
	size_t count = 0;

	(void)p;
	for (int i = 0; i < 60; i++)
		rules[count++] = (struct filter_rule){ .number = 2000 + 2 * i, .action = SECCOMP_RET_ERRNO | (100u + (unsigned)i) };
	rules[count++] = (struct filter_rule){ SYS_getpgid, SECCOMP_RET_ERRNO | 50, { { 0, 0xff, 5 }, { 1, UINT64_MAX, 7ull << 32 | 1 } } };
	rules[count++] = (struct filter_rule){ SYS_getpgid, SECCOMP_RET_ERRNO | 51, { { 0, 0xff, 5 } } };
	rules[count++] = (struct filter_rule){ .number = SYS_getpgid, .action = SECCOMP_RET_ALLOW };
	rules[count++] = (struct filter_rule){ .number = SYS_getpgid, .action = SECCOMP_RET_ERRNO | 52 };
	if (filter_load(rules, count, SECCOMP_RET_ALLOW) < 0)
		return 1;
	for (int i = 0; i < 120; i++)
		if (syscall(2000 + i) != -1 || errno != (i % 2 ? ENOSYS : 100 + i / 2))
			return 2;
	if (syscall(SYS_getpgid, 0x105, 7ull << 32 | 1) != -1 || errno != 50)
		return 3;
	if (syscall(SYS_getpgid, 0x105, 1) != -1 || errno != 51 || syscall(SYS_getpgid, 5, 7ull << 32) != -1 || errno != 51)
		return 4;
	if (syscall(SYS_getpgid, 0, 7ull << 32 | 1) < 0)
		return 5;
	return syscall(0x40000000 | SYS_getppid) != -1 || errno != EPERM ? 6 : 0;
}

static int unconfined(const char *store_path, struct error *e)
{
	(void)store_path, (void)e;
	return 0;
}

static void test_a_filter_keeps_to_its_rules(void **state)
{
	struct place p;
	int code;

	(void)state;
	need_confinement();
	place_make(&p);
	code = within(&p, unconfined, keeps_to_its_rules);
	place_remove(&p);
	assert_int_equal(code, 0);
}

static void test_more_rules_than_fit_are_refused(void **state)
{
	static struct filter_rule rules[600];

	(void)state;
	for (int i = 0; i < 600; i++)
		rules[i].number = i;
	assert_int_equal(filter_load(rules, 600, SECCOMP_RET_ALLOW), -E2BIG);
}

/* A guest that took the analyst over reaches nothing but the store. */
static void test_who_keeps_a_store_has_only_that(void **state)
{
	struct place p;
	int analyst, keeper;

	(void)state;
	need_confinement();
	if (landlock_handled((int)syscall(444, NULL, 0, 1)).bytes == 0) {
		print_message("skip: this kernel has no Landlock\n");
		skip();
	}
	place_make(&p);
	analyst = within(&p, sandbox_analyst, keeps_a_store);
	keeper = within(&p, sandbox_keeper, keeps_a_store);
	place_remove(&p);
	assert_int_equal(analyst, 0);
	assert_int_equal(keeper, 0);
}

/* An old kernel is no reason not to start, nor to do without what it has. */
static void test_without_landlock_calls_are_refused_all_the_same(void **state)
{
	struct place p;
	int status;

	(void)state;
	need_confinement();
	place_make(&p);
	status = within(&p, analyst_without_landlock, has_calls_refused_alone);
	place_remove(&p);
	assert_int_equal(status, 0);
}

/* Root, and still nothing that talks to the network, changes a file, or runs a program. */
static void test_the_collector_only_looks(void **state)
{
	struct place p;
	int status;

	(void)state;
	need_confinement();
	place_make(&p);
	status = within(&p, collector_confine, collects);
	place_remove(&p);
	assert_int_equal(status, 0);
}

static void test_a_command_may_what_its_user_may_but_for_others_memory(void **state)
{
	struct place p;
	int status;

	(void)state;
	need_confinement();
	place_make(&p);
	status = within(&p, runner_confine, runs_a_command);
	place_remove(&p);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_landlock_nothing_is_asked_of_it),
		cmocka_unit_test(test_a_kernel_is_asked_for_what_its_abi_has),
		cmocka_unit_test(test_a_filter_keeps_to_its_rules),
		cmocka_unit_test(test_more_rules_than_fit_are_refused),
		cmocka_unit_test(test_who_keeps_a_store_has_only_that),
		cmocka_unit_test(test_without_landlock_calls_are_refused_all_the_same),
		cmocka_unit_test(test_the_collector_only_looks),
		cmocka_unit_test(test_a_command_may_what_its_user_may_but_for_others_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Processes and files, on the test's own process; and where the stream goes. */
#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "userspace/base/buffer.h"
#include "userspace/base/error.h"
#include "userspace/collect/files.h"
#include "userspace/collect/output.h"
#include "userspace/collect/process.h"
#include "userspace/stream/record.h"

static void test_a_vmm_is_described_by_its_process(void **state)
{
	struct process p = PROCESS_INIT;
	struct contents *contents = contents_new();
	struct buffer pairs = BUFFER_INIT, arguments = BUFFER_INIT;
	struct foreign *reading = NULL;
	bool matches = true;
	char pid[16];

	(void)state;
	snprintf(pid, sizeof(pid), "%d", getpid());
	assert_int_equal(process_open(getpid(), &p), 0);
	assert_true(process_alive(&p));
	assert_true(process_has_thread(&p, (uint32_t)getpid()));
	assert_false(process_has_thread(&p, 1));
	assert_false(process_replaced(&p));
	assert_int_equal(process_arguments(&p, contents, 60000, &reading, &arguments), 0);
	assert_null(reading);
	assert_int_equal(process_describe(&p, contents, "no-such-guest", &arguments, &pairs, &matches), 0);
	assert_false(matches);
	assert_string_equal(record_pair_get(pairs.data, pairs.size, "pid"), pid);
	assert_string_equal(record_pair_get(pairs.data, pairs.size, "kind"), "other");
	assert_non_null(record_pair_get(pairs.data, pairs.size, "arg"));
	assert_non_null(record_pair_get(pairs.data, pairs.size, "exe"));
	assert_non_null(record_pair_get(pairs.data, pairs.size, "start"));
	buffer_release(&pairs);
	buffer_release(&arguments);
	contents_free(contents);
	process_release(&p);
}

static void test_a_file_that_cannot_be_read_is_an_error_and_keeps_no_reader(void **state)
{
	struct contents *contents = contents_new();
	struct buffer out = BUFFER_INIT;
	struct foreign *reading = NULL;

	(void)state;
	/* More than are allowed at once. */
	for (int i = 0; i < 100; i++) {
		assert_int_equal(foreign_begin(contents, "/proc/self/no-such-file", 4096, &reading), 0);
		assert_int_equal(foreign_take(&reading, 60000, &out), -ENOENT);
		assert_null(reading);
	}
	assert_int_equal(out.size, 0);
	contents_free(contents);
}

/* Its only one; 0: there is none. */
static pid_t own_child(void)
{
	FILE *f = fopen("/proc/thread-self/children", "r");
	int pid = 0;

	if (!f || fscanf(f, "%d", &pid) != 1)
		pid = 0;
	if (f)
		fclose(f);
	return pid;
}

static void read_all(struct contents *contents, const char *path, size_t max, struct buffer *out)
{
	struct foreign *reading = NULL;

	assert_int_equal(foreign_begin(contents, path, max, &reading), 0);
	assert_int_equal(foreign_take(&reading, 60000, out), 0);
}

static void test_one_reader_reads_one_file_after_the_other(void **state)
{
	struct contents *contents = contents_new();
	struct buffer first = BUFFER_INIT, second = BUFFER_INIT;
	pid_t reader;

	(void)state;
	/* Of several pieces, of which the last is cut. */
	read_all(contents, "/proc/self/exe", 10001, &first);
	assert_int_equal(first.size, 10001);
	assert_memory_equal(first.data, "\177ELF", 4);
	reader = own_child();
	assert_int_not_equal(reader, 0);
	read_all(contents, "/proc/self/exe", 4096, &second);
	assert_int_equal(second.size, 4096);
	assert_memory_equal(first.data, second.data, 4096);
	assert_int_equal(own_child(), reader);

	/* Asked since the last time; then not. */
	contents_rest(contents);
	assert_int_equal(own_child(), reader);
	contents_rest(contents);
	while (own_child())
		contents_rest(contents);
	buffer_release(&first);
	buffer_release(&second);
	contents_free(contents);
}

static void test_a_reader_that_was_killed_is_followed_by_another(void **state)
{
	struct contents *contents = contents_new();
	struct buffer out = BUFFER_INIT;
	siginfo_t ended;
	pid_t reader;

	(void)state;
	read_all(contents, "/proc/self/exe", 4, &out);
	reader = own_child();
	assert_int_equal(kill(reader, SIGKILL), 0);
	assert_int_equal(waitid(P_PID, reader, &ended, WEXITED | WNOWAIT), 0);
	read_all(contents, "/proc/self/exe", 4, &out);
	assert_int_equal(out.size, 8);
	contents_rest(contents);
	while (own_child())
		contents_rest(contents);
	buffer_release(&out);
	contents_free(contents);
}

static void test_a_process_that_has_ended_is_never_another_one(void **state)
{
	struct process p = PROCESS_INIT, again = PROCESS_INIT;
	pid_t child = fork();

	(void)state;
	if (!child) {
		pause();
		_exit(0);
	}
	assert_int_equal(process_open(child, &p), 0);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	assert_false(process_alive(&p));
	assert_int_equal(process_open(child, &again), -ESRCH);
	process_release(&p);
}

/* In /tmp/…: in/file, its mate outside, and links. `to` NULL: a folder. */
static void tree_make(const char *top)
{
	static const struct { const char *path, *to; } links[] = {
		{ "in", NULL }, { "in/usr", NULL }, { "in/usr/share", NULL }, { "in/plain", "usr/share/file" }, { "in/whole", "/usr/share/file" },
		{ "in/out", "../../../outside" }, { "in/out2", "/../outside" }, { "in/loop", "loop" }, { "in/usr/back", "../.././usr//share" },
		{ "in/long", "usr/share/../../usr/share/../../plain" },
	};
	static const char *const files[] = { "in/usr/share/file", "outside" };
	char path[256];

	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", top, links[i].path);
		assert_int_equal(links[i].to ? symlink(links[i].to, path) : mkdir(path, 0755), 0);
	}
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		FILE *f;

		snprintf(path, sizeof(path), "%s/%s", top, files[i]);
		f = fopen(path, "w");
		assert_non_null(f);
		fclose(f);
	}
}

static int unlinked(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

/* A VMM in a root of its own must not have us read and digest what lies outside, nor miss what lies in it. */
static void test_a_path_of_a_vmm_is_resolved_within_its_root(void **state)
{
	static const struct { const char *path; int expected; } rows[] = {
		{ "/usr/share/file", 0 }, { "usr/share/file", 0 }, { "//usr/./share//file", 0 }, { "/../../usr/share/file", 0 }, { "/plain", 0 },
		{ "/whole", 0 }, { "/usr/back/file", 0 }, { "/long", 0 }, { "/out", -ENOENT }, { "/out2", -ENOENT }, { "/../outside", -ENOENT },
		{ "/loop", -ELOOP }, { "/usr/share/file/x", -ENOTDIR }, { "/usr", -ENOEXEC }, { "", -ENOEXEC }, { "/none/../plain", -ENOENT },
	};
	char top[] = "/tmp/abidrift-test-XXXXXX", begun;
	int ready[2];
	pid_t child;

	(void)state;
	if (geteuid() != 0) {
		print_message("skip: needs root\n");
		skip();
	}
	assert_non_null(mkdtemp(top));
	tree_make(top);
	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		char in[64];

		snprintf(in, sizeof(in), "%s/in", top);
		if (chroot(in) < 0 || chdir("/") < 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &begun, 1), 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int fd = files_open_as(child, rows[i].path);

		if (fd < 0 ? fd != rows[i].expected : rows[i].expected != 0)
			fail_msg("%s: %d, not %d", rows[i].path, fd, rows[i].expected);
		if (fd >= 0)
			close(fd);
	}
	/* Links of /proc lead to any file of any process. */
	assert_int_equal(files_open_as(getpid(), "/proc/self/exe"), -ELOOP);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	close(ready[0]);
	assert_int_equal(nftw(top, unlinked, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void test_a_changed_firmware_file_gets_a_new_digest_and_a_pipe_none(void **state)
{
	static const char abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
	char path[] = "/tmp/abidrift-test-XXXXXX", digest[65];
	struct contents *contents = contents_new();
	int fd = mkstemp(path), pipes[2], other;

	(void)state;
	assert_int_equal(write(fd, "abc", 3), 3);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(contents_digest(contents, fd, digest), 0);
		assert_string_equal(digest, abc);
	}
	assert_int_equal(write(fd, "d", 1), 1);
	assert_int_equal(contents_digest(contents, fd, digest), 0);
	assert_string_not_equal(digest, abc);
	assert_int_equal(ftruncate(fd, (off_t)CONTENTS_MAX_BYTES + 1), 0);
	assert_int_equal(contents_digest(contents, fd, digest), -EFBIG);
	other = files_open_as(getpid(), path);
	assert_true(other >= 0);
	close(other);
	assert_int_equal(files_open_as(getpid(), "/dev/null"), -ENOEXEC);
	assert_int_equal(files_open_as(getpid(), "/no/such/file"), -ENOENT);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(files_open_as(getpid(), path), -ENOEXEC);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(contents_digest(contents, pipes[0], digest), -ENOEXEC);
	close(pipes[0]);
	close(pipes[1]);
	close(fd);
	unlink(path);
	contents_free(contents);
}

/* QEMU's version is found wherever it lies in the file, across the chunks that it is read in, too. */
static void test_the_version_of_qemu_is_found_without_running_it(void **state)
{
	/* Not as one literal, or this program would be taken for a QEMU. */
	static const char name[] = "QEMU emulator ", rest[] = "version 7.2.22 (Debian 1:7.2)\n";
	static const off_t places[] = { 0, 65000, 65530, 65536, 131072 - 10, 200000 };

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		char path[] = "/tmp/abidrift-test-XXXXXX";
		struct contents *contents = contents_new();
		struct executable x;
		int fd = mkstemp(path);

		unlink(path);
		assert_int_equal(pwrite(fd, name, strlen(name), places[i]), strlen(name));
		assert_int_equal(pwrite(fd, rest, strlen(rest), places[i] + (off_t)strlen(name)), strlen(rest));
		assert_int_equal(ftruncate(fd, 300000), 0);
		assert_int_equal(contents_executable(contents, fd, &x), 0);
		assert_string_equal(x.qemu_version, "7.2.22 (Debian 1:7.2)");
		assert_string_equal(x.build_id, "");
		close(fd);
		contents_free(contents);
	}
}

static int listener(struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(address->sun_path + 1, sizeof(address->sun_path) - 1, "abidrift-test-%d", getpid());
	assert_int_equal(bind(fd, (struct sockaddr *)address, sizeof(*address)), 0);
	assert_int_equal(listen(fd, 2), 0);
	return fd;
}

static int dial(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (const struct sockaddr *)address, sizeof(*address)), 0);
	return fd;
}

static void test_a_slow_analyst_never_stops_the_collector_and_a_new_one_begins_at_one(void **state)
{
	static const char body[1024];
	struct record_header h = { .type = RECORD_SYNCED, .at_ns = 9 }, got;
	struct sockaddr_un address;
	struct error e = ERROR_INIT;
	struct output *o;
	int listen_fd = listener(&address), first, second;

	(void)state;
	assert_int_equal(output_new(-1, listen_fd, 0, &o, &e), 0);
	assert_int_equal(output_accept(o), 0);
	assert_int_equal(output_room(o), (size_t)-1);
	first = dial(&address);
	assert_int_equal(output_accept(o), 1);
	for (int i = 0; i < 40000 && output_room(o); i++) {
		output_put(o, OUTPUT_ALL, &h, body, sizeof(body), NULL, 0);
		assert_int_equal(output_flush(o, &e), 0);
	}
	assert_int_equal(output_room(o), 0);
	assert_int_equal(output_sinks(o), OUTPUT_ANALYST);
	/* One too many is refused, and takes nothing from the first; once that one has gone, the next is welcome, also before it was heard of. */
	second = dial(&address);
	assert_int_equal(output_accept(o), 0);
	assert_int_equal(recv(second, &got, sizeof(got), 0), 0);
	assert_int_equal(output_room(o), 0);
	close(second);
	close(first);
	second = dial(&address);
	assert_int_equal(output_accept(o), 1);
	assert_int_equal(output_pending(o), 0);
	h.at_ns = 20;
	output_put(o, OUTPUT_ANALYST, &h, NULL, 0, NULL, 0);
	h.at_ns = 10; /* an older fact: time does not run backwards in a stream */
	output_put(o, OUTPUT_ANALYST, &h, NULL, 0, NULL, 0);
	assert_int_equal(output_flush(o, &e), 0);
	for (uint64_t seq = 1; seq <= 2; seq++) {
		assert_int_equal(recv(second, &got, sizeof(got), MSG_WAITALL), sizeof(got));
		assert_int_equal(got.seq, seq);
		assert_int_equal(got.at_ns, 20);
	}
	close(second);
	output_put(o, OUTPUT_ANALYST, &h, NULL, 0, NULL, 0);
	assert_int_equal(output_flush(o, &e), 0);
	assert_int_equal(output_sinks(o), 0);
	output_free(o);
	close(listen_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_vmm_is_described_by_its_process),
		cmocka_unit_test(test_a_file_that_cannot_be_read_is_an_error_and_keeps_no_reader),
		cmocka_unit_test(test_one_reader_reads_one_file_after_the_other),
		cmocka_unit_test(test_a_reader_that_was_killed_is_followed_by_another),
		cmocka_unit_test(test_a_process_that_has_ended_is_never_another_one),
		cmocka_unit_test(test_a_path_of_a_vmm_is_resolved_within_its_root),
		cmocka_unit_test(test_a_changed_firmware_file_gets_a_new_digest_and_a_pipe_none),
		cmocka_unit_test(test_the_version_of_qemu_is_found_without_running_it),
		cmocka_unit_test(test_a_slow_analyst_never_stops_the_collector_and_a_new_one_begins_at_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

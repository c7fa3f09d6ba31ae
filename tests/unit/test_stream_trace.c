// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/records.h"
#include "userspace/base/error.h"
#include "userspace/stream/trace.h"

#define MUTATIONS 3000
#define STATE_OFFSET 20
#define BYTES_OFFSET 24
#define RECORDS_OFFSET 32

/* ---- faults: the library's pwrite and fsync come here */

static struct {
	unsigned int calls;        /* of both, since the last reset */
	unsigned int fail_at;      /* the call that fails, 0 = none */
	bool once;                 /* those after it do not fail */
	int fail_with;
	size_t most;               /* bytes that one pwrite writes, 0 = all */
	unsigned int interrupt;    /* every n-th call ends with EINTR, 0 = none */
	bool unsynced;             /* records were written since the last fsync */
	bool complete_before_sync; /* the header said complete while records were not on the disk */
} fault;

static bool strikes(void)
{
	fault.calls++;
	if (fault.interrupt > 0 && fault.calls % fault.interrupt == 0) {
		errno = EINTR;
		return true;
	}
	if (fault.fail_at > 0 && (fault.once ? fault.calls == fault.fail_at : fault.calls >= fault.fail_at)) {
		errno = fault.fail_with;
		return true;
	}
	return false;
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t offset)
{
	if (strikes())
		return -1;
	if (fault.most > 0 && bytes > fault.most)
		bytes = fault.most;
	if (offset >= TRACE_HEADER_BYTES)
		fault.unsynced = true;
	else if (offset == 0 && bytes > STATE_OFFSET && ((const char *)data)[STATE_OFFSET] == 1 && fault.unsynced)
		fault.complete_before_sync = true;
	return syscall(SYS_pwrite64, fd, data, bytes, offset);
}

int fsync(int fd)
{
	if (strikes())
		return -1;
	fault.unsynced = false;
	return (int)syscall(SYS_fsync, fd);
}

static int reset_faults(void **state)
{
	(void)state;
	memset(&fault, 0, sizeof(fault));
	return 0;
}

/* ---- helpers */

static void make_sample(struct records *s)
{
	records_hello(s);
	records_vm(s, "pid", "4711", "arg", "x", NULL); /* lengths that are no multiple of 8 follow */
	records_boot(s, OBSERVE_REASON_CREATED, true);
	records_port(s, 0x510, 1, OBSERVE_ANSWERED, 0);
	records_gone(s, "ended");
	records_synced(s);
}

static int new_file(void)
{
	int fd = memfd_create("trace", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static int file_of(const void *data, size_t size)
{
	int fd = new_file();

	if (size > 0)
		assert_int_equal(write(fd, data, size), size);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/* The bytes of a whole trace of the sample; free() it. */
static char *sample_trace(bool complete, size_t *ret_size, size_t *ret_records)
{
	struct records s = RECORDS_INIT;
	struct trace_writer *w = NULL;
	struct stat st;
	int fd = new_file(), file = dup(fd);

	make_sample(&s);
	assert_int_equal(trace_writer_new(fd, &w, NULL), 0);
	assert_int_equal(trace_writer_append(w, s.out.data, s.out.size, s.count), 0);
	if (complete)
		assert_int_equal(trace_writer_finish(w, NULL), 0);
	trace_writer_free(w);
	assert_int_equal(fstat(file, &st), 0);
	char *data = malloc((size_t)st.st_size + 16);
	assert_int_equal(pread(file, data, (size_t)st.st_size, 0), st.st_size);
	close(file);
	*ret_size = (size_t)st.st_size;
	*ret_records = s.count;
	records_release(&s);
	return data;
}

/* Reads all. Number of records, or -errno; takes fd. */
static int read_all(int fd, bool *ret_incomplete, struct error *e)
{
	struct trace_reader *r = NULL;
	struct record_header header;
	const void *body;
	size_t bytes;
	int rc, count = 0;

	rc = trace_reader_new(fd, &r, e);
	if (rc < 0) {
		close(fd);
		return rc;
	}
	while ((rc = trace_reader_next(r, &header, &body, &bytes, e)) > 0) {
		assert_int_equal((uintptr_t)body % 8, 0);
		assert_int_equal(bytes, header.bytes - sizeof(header));
		count++;
	}
	/* What it said once it says again. */
	assert_int_equal(trace_reader_next(r, &header, &body, &bytes, NULL), rc);
	if (ret_incomplete != NULL)
		*ret_incomplete = trace_reader_incomplete(r);
	trace_reader_free(r);
	return rc < 0 ? rc : count;
}

static void expect_corrupt(const char *data, size_t size, const char *word)
{
	struct error e = ERROR_INIT;

	assert_int_equal(read_all(file_of(data, size), NULL, &e), -EBADMSG);
	if (strstr(e.text, word) == NULL)
		fail_msg("'%s' does not say '%s'", e.text, word);
}

/* ---- tests */

static void a_recorded_trace_replays_whole(void **state)
{
	size_t size, records;
	bool incomplete = true;
	char *data = sample_trace(true, &size, &records);
	uint64_t header_bytes, header_records;
	(void)state;

	assert_memory_equal(data, "abidrift-trace\0\0\1\0\0\0\1\0\0\0", 24);
	memcpy(&header_bytes, data + BYTES_OFFSET, sizeof(header_bytes));
	memcpy(&header_records, data + RECORDS_OFFSET, sizeof(header_records));
	assert_int_equal(header_bytes, size - TRACE_HEADER_BYTES);
	assert_int_equal(header_records, records);
	assert_int_equal(read_all(file_of(data, size), &incomplete, NULL), records);
	assert_false(incomplete);
	free(data);
}

static void a_trace_through_a_pipe_in_small_pieces_is_the_same(void **state)
{
	size_t size, records;
	char *data = sample_trace(true, &size, &records);
	(void)state;

	for (size_t piece = 5; piece <= 131; piece += 21) {
		bool incomplete = true;
		int fds[2];
		/* Packets: every read gets one piece and no more. */
		assert_int_equal(pipe2(fds, O_DIRECT | O_CLOEXEC), 0);
		assert_true(fcntl(fds[1], F_SETPIPE_SZ, 256 * 4096) > 0);
		for (size_t at = 0; at < size; at += piece) {
			size_t part = size - at < piece ? size - at : piece;
			assert_int_equal(write(fds[1], data + at, part), part);
		}
		close(fds[1]);
		assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
		assert_int_equal(read_all(fds[0], &incomplete, NULL), records);
		assert_false(incomplete);
	}
	free(data);
}

static void a_trace_larger_than_any_buffer_replays_whole(void **state)
{
	enum { RECORDS = 20, BODY_BYTES = (1 << 20) - 40 - 3 };
	struct trace_writer *w = NULL;
	struct buffer b = BUFFER_INIT;
	char *body = calloc(1, BODY_BYTES);
	int fd = new_file(), file = dup(fd);
	bool incomplete = true;
	(void)state;

	assert_int_equal(trace_writer_new(fd, &w, NULL), 0);
	for (int i = 0; i < RECORDS; i++) {
		struct record_header header = { .type = 1000, .seq = (uint64_t)i + 1 };
		buffer_clear(&b);
		assert_int_equal(record_put(&b, &header, body, i % 2 ? (size_t)i : BODY_BYTES, NULL, 0), 0);
		assert_int_equal(trace_writer_append(w, b.data, b.size, 1), 0);
	}
	assert_int_equal(trace_writer_finish(w, NULL), 0);
	trace_writer_free(w);
	assert_int_equal(lseek(file, 0, SEEK_SET), 0);
	assert_int_equal(read_all(file, &incomplete, NULL), RECORDS);
	assert_false(incomplete);
	buffer_release(&b);
	free(body);
}

static void a_trace_without_records_is_a_trace(void **state)
{
	struct trace_writer *w = NULL;
	int fd = new_file(), file = dup(fd);
	bool incomplete = true;
	(void)state;

	assert_int_equal(trace_writer_new(fd, &w, NULL), 0);
	assert_int_equal(trace_writer_finish(w, NULL), 0);
	assert_int_equal(trace_writer_finish(w, NULL), 0);
	assert_int_equal(trace_writer_append(w, "x", 1, 1), -EINVAL);
	trace_writer_free(w);
	trace_writer_free(NULL);
	trace_reader_free(NULL);
	assert_int_equal(lseek(file, 0, SEEK_SET), 0);
	assert_int_equal(read_all(file, &incomplete, NULL), 0);
	assert_false(incomplete);
}

static void a_recorder_that_died_leaves_what_it_had_marked_incomplete(void **state)
{
	size_t size, records;
	char *data = sample_trace(false, &size, &records);
	bool incomplete = false;
	(void)state;

	assert_int_equal(read_all(file_of(data, size), &incomplete, NULL), records);
	assert_true(incomplete);
	/* Cut anywhere: the whole records before the cut, and the word that it is not all. */
	for (size_t cut = TRACE_HEADER_BYTES; cut < size; cut++) {
		size_t whole = 0, at = TRACE_HEADER_BYTES;
		uint32_t bytes;
		for (memcpy(&bytes, data + at, 4); at + bytes <= cut && at < size; memcpy(&bytes, data + at, 4)) {
			at += bytes;
			whole++;
		}
		incomplete = false;
		assert_int_equal(read_all(file_of(data, cut), &incomplete, NULL), whole);
		assert_true(incomplete);
	}
	free(data);
}

static void a_complete_trace_that_was_cut_is_never_taken_for_whole(void **state)
{
	size_t size, records;
	char *data = sample_trace(true, &size, &records);
	(void)state;

	for (size_t cut = 0; cut < size; cut++)
		expect_corrupt(data, cut, cut < 16 ? "not an abidrift trace" : cut < TRACE_HEADER_BYTES ? "within its header" : "cut off");
	free(data);
}

static void bytes_that_follow_a_complete_trace_are_not_ignored(void **state)
{
	size_t size, records;
	char *data = sample_trace(true, &size, &records);
	uint64_t wrong;
	(void)state;

	data[size] = 'x';
	expect_corrupt(data, size + 1, "bytes follow");
	char *twice = malloc(2 * size);
	memcpy(twice, data, size);
	memcpy(twice + size, data + TRACE_HEADER_BYTES, size - TRACE_HEADER_BYTES);
	expect_corrupt(twice, 2 * size - TRACE_HEADER_BYTES, "bytes follow");
	free(twice);

	wrong = records + 1;
	memcpy(data + RECORDS_OFFSET, &wrong, sizeof(wrong));
	expect_corrupt(data, size, "fewer records");
	wrong = records - 1;
	memcpy(data + RECORDS_OFFSET, &wrong, sizeof(wrong));
	expect_corrupt(data, size, "more records");
	wrong = records;
	memcpy(data + RECORDS_OFFSET, &wrong, sizeof(wrong));
	wrong = size - TRACE_HEADER_BYTES - 1;
	memcpy(data + BYTES_OFFSET, &wrong, sizeof(wrong));
	expect_corrupt(data, size, "beyond the end");
	wrong = size - TRACE_HEADER_BYTES + 1;
	memcpy(data + BYTES_OFFSET, &wrong, sizeof(wrong));
	expect_corrupt(data, size, "cut off");
	free(data);
}

static void another_file_and_a_newer_trace_are_told_apart(void **state)
{
	size_t size, records;
	char *data = sample_trace(true, &size, &records);
	struct error e = ERROR_INIT;
	(void)state;

	expect_corrupt("", 0, "not an abidrift trace");
	expect_corrupt("#!/bin/sh\necho this is something else, and longer than the header of a trace\n", 78, "not an abidrift trace");
	assert_int_equal(read_all(open("/dev/zero", O_RDONLY | O_CLOEXEC), NULL, &e), -EBADMSG);
	assert_non_null(strstr(e.text, "not an abidrift trace"));
	assert_int_equal(read_all(open("/", O_RDONLY | O_CLOEXEC), NULL, &e), -EISDIR);
	data[16] = 2;
	expect_corrupt(data, size, "newer");
	data[16] = 0;
	expect_corrupt(data, size, "corrupt");
	data[16] = 1;
	data[STATE_OFFSET] = 2;
	expect_corrupt(data, size, "corrupt");
	data[STATE_OFFSET] = 1;
	memset(data + TRACE_HEADER_BYTES, 0xff, 4);
	expect_corrupt(data, size, "corrupt");
	memset(data + TRACE_HEADER_BYTES, 0, 4);
	data[STATE_OFFSET] = 0;
	expect_corrupt(data, size, "corrupt");
	free(data);
}

static void a_damaged_trace_ends_in_an_error_and_not_in_a_crash(void **state)
{
	size_t size, records;
	char *data = sample_trace(true, &size, &records), *copy = malloc(size);
	uint64_t seed = 10917;
	(void)state;

	for (int round = 0; round < MUTATIONS; round++) {
		memcpy(copy, data, size);
		if (round % 2)
			copy[STATE_OFFSET] = 0;
		for (unsigned int flips = 1 + (unsigned int)round % 5; flips > 0; flips--) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			copy[seed % size] = (char)(copy[seed % size] ^ (1 << (seed >> 40 & 7)));
		}
		int r = read_all(file_of(copy, size), NULL, NULL);
		assert_true(r == -EBADMSG || (r >= 0 && (size_t)r <= records));
	}
	free(copy);
	free(data);
}

static void a_full_disk_never_leaves_a_trace_that_looks_complete(void **state)
{
	static const int codes[] = { ENOSPC, EIO, EDQUOT };
	struct records s = RECORDS_INIT;
	bool succeeded = false;
	(void)state;

	make_sample(&s);
	/* The k-th write or sync fails, and all after it, for every k until nothing fails any more. */
	for (unsigned int k = 1; !succeeded; k++) {
		struct trace_writer *w = NULL;
		struct error e = ERROR_INIT;
		bool incomplete = true;
		int fd = new_file(), file = dup(fd);
		assert_true(k < 100);
		reset_faults(NULL);
		fault.fail_at = k;
		fault.fail_with = codes[k % 3];
		fault.most = 50;
		int r = trace_writer_new(fd, &w, &e);
		if (r >= 0) {
			assert_int_equal(trace_writer_append(w, s.out.data, s.out.size, s.count), 0);
			r = trace_writer_finish(w, &e);
			succeeded = r == 0;
			/* And if somebody asks again, or writes on. */
			assert_int_equal(trace_writer_finish(w, &e), r);
			assert_int_equal(trace_writer_append(w, s.out.data, s.out.size, s.count), succeeded ? -EINVAL : r);
			trace_writer_free(w);
		} else {
			close(fd);
		}
		assert_int_equal(r, succeeded ? 0 : -codes[k % 3]);
		assert_int_equal(e.text[0] != '\0', !succeeded);
		assert_int_equal(lseek(file, 0, SEEK_SET), 0);
		/* Where the header could not be taken back after the very last sync failed, all it speaks of is there. */
		int count = read_all(file, &incomplete, NULL);
		if (count >= 0 && !incomplete)
			assert_int_equal(count, s.count);
		assert_false(fault.complete_before_sync);
		assert_true(!succeeded || (count == (int)s.count && !incomplete));
	}
	records_release(&s);
}

static void one_failed_write_is_enough_to_stay_incomplete(void **state)
{
	struct records s = RECORDS_INIT;
	(void)state;

	make_sample(&s);
	for (unsigned int k = 2; k <= 5; k++) {
		struct trace_writer *w = NULL;
		bool incomplete = false;
		int fd = new_file(), file = dup(fd);
		reset_faults(NULL);
		assert_int_equal(trace_writer_new(fd, &w, NULL), 0);
		/* flush, sync, header, sync; the disk is well again at once, the trace is not. */
		fault.fail_at = k;
		fault.fail_with = EIO;
		fault.once = true;
		assert_int_equal(trace_writer_append(w, s.out.data, s.out.size, s.count), 0);
		assert_int_equal(trace_writer_finish(w, NULL), -EIO);
		assert_int_equal(trace_writer_finish(w, NULL), -EIO);
		trace_writer_free(w);
		assert_int_equal(lseek(file, 0, SEEK_SET), 0);
		int count = read_all(file, &incomplete, NULL);
		assert_true(count >= 0 && incomplete);
	}
	records_release(&s);
}

static void interrupted_and_short_writes_lose_nothing(void **state)
{
	struct records s = RECORDS_INIT;
	struct trace_writer *w = NULL;
	int fd = new_file(), file = dup(fd);
	bool incomplete = true;
	(void)state;

	make_sample(&s);
	fault.most = 7;
	fault.interrupt = 3;
	assert_int_equal(trace_writer_new(fd, &w, NULL), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(trace_writer_append(w, s.out.data, s.out.size, s.count), 0);
	assert_int_equal(trace_writer_finish(w, NULL), 0);
	trace_writer_free(w);
	assert_int_equal(lseek(file, 0, SEEK_SET), 0);
	assert_int_equal(read_all(file, &incomplete, NULL), 3 * s.count);
	assert_false(incomplete);
	records_release(&s);
}

static void complete_is_said_only_after_the_records_are_on_the_disk(void **state)
{
	size_t size, records;
	(void)state;

	free(sample_trace(true, &size, &records));
	assert_false(fault.complete_before_sync);
	assert_false(fault.unsynced);
}

static void the_file_size_limit_is_told_while_recording(void **state)
{
	enum { LIMIT = 1 << 20, CHUNK = 100000 };
	struct rlimit before, limit;
	struct trace_writer *w = NULL;
	struct error e = ERROR_INIT;
	struct buffer b = BUFFER_INIT;
	struct record_header header = { .type = 1000 };
	char *body = calloc(1, CHUNK);
	bool incomplete = false;
	(void)state;

	FILE *temporary = tmpfile();
	assert_non_null(temporary);
	int fd = dup(fileno(temporary)), r = 0;
	assert_int_equal(record_put(&b, &header, body, CHUNK, NULL, 0), 0);
	void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = LIMIT;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(trace_writer_new(fd, &w, NULL), 0);
	for (int i = 0; i < 30 && r == 0; i++)
		r = trace_writer_append(w, b.data, b.size, 1);
	int finished = trace_writer_finish(w, &e);
	trace_writer_free(w);
	setrlimit(RLIMIT_FSIZE, &before);
	signal(SIGXFSZ, handler);

	assert_int_equal(r, -EFBIG);
	assert_int_equal(finished, -EFBIG);
	assert_non_null(strstr(e.text, "INCOMPLETE"));
	assert_int_equal(lseek(fileno(temporary), 0, SEEK_SET), 0);
	assert_int_equal(read_all(dup(fileno(temporary)), &incomplete, NULL), (LIMIT - TRACE_HEADER_BYTES) / b.size);
	assert_true(incomplete);
	fclose(temporary);
	buffer_release(&b);
	free(body);
}

static void a_file_that_cannot_become_complete_is_refused_before_recording(void **state)
{
	struct trace_writer *w = NULL;
	struct error e = ERROR_INIT;
	int fds[2];
	(void)state;

	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		assert_int_equal(trace_writer_new(fd, &w, &e), -EINVAL);
		close(fd);
	}
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(trace_writer_new(fds[1], &w, &e), -EINVAL);
	close(fds[0]);
	close(fds[1]);
	fd = file_of("precious", 8);
	assert_int_equal(trace_writer_new(fd, &w, &e), -EEXIST);
	close(fd);
	fd = new_file();
	assert_int_equal(fcntl(fd, F_SETFL, O_APPEND), 0);
	assert_int_equal(trace_writer_new(fd, &w, &e), -EINVAL);
	close(fd);
	assert_int_equal(trace_writer_new(-1, &w, &e), -EBADF);
	assert_null(w);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, reset_faults)
	const struct CMUnitTest tests[] = {
		TEST(a_recorded_trace_replays_whole),
		TEST(a_trace_through_a_pipe_in_small_pieces_is_the_same),
		TEST(a_trace_larger_than_any_buffer_replays_whole),
		TEST(a_trace_without_records_is_a_trace),
		TEST(a_recorder_that_died_leaves_what_it_had_marked_incomplete),
		TEST(a_complete_trace_that_was_cut_is_never_taken_for_whole),
		TEST(bytes_that_follow_a_complete_trace_are_not_ignored),
		TEST(another_file_and_a_newer_trace_are_told_apart),
		TEST(a_damaged_trace_ends_in_an_error_and_not_in_a_crash),
		TEST(a_full_disk_never_leaves_a_trace_that_looks_complete),
		TEST(one_failed_write_is_enough_to_stay_incomplete),
		TEST(interrupted_and_short_writes_lose_nothing),
		TEST(complete_is_said_only_after_the_records_are_on_the_disk),
		TEST(the_file_size_limit_is_told_while_recording),
		TEST(a_file_that_cannot_become_complete_is_refused_before_recording),
	};

	return cmocka_run_group_tests_name("stream: trace", tests, NULL, NULL);
}

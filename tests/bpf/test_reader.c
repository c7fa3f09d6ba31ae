/* SPDX-License-Identifier: Apache-2.0 */
/* What a user would lose on a busy host: tables that take long to find, called withheld; or a reader that hangs for ever. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "userspace/collect/process.h"
#include "userspace/collect/reader.h"

#define MIB (1ull << 20)
#define MS 1000000ull
#define RAM_BYTES (64 * MIB)
#define ROM_BYTES (8 * MIB)
#define READ_ONLY (1u << 1)
#define MUCH_NS (2 * READER_WORKED_NS)
#define TRIES 100

/* A guest whose memory is ours: flash that may hold UEFI, and so much resident RAM that finding no tables in it takes a while. */
struct guest {
	uint8_t *memory;
	struct record_slot slots[2];
	struct reader_request request;
	struct reader *reader;
	unsigned answers;
	int error;
};

static void take(void *context, uint64_t vm, uint32_t boot, enum record_area area, int err, const void *body, size_t bytes)
{
	struct guest *g = context;

	(void)vm;
	(void)boot;
	(void)area;
	(void)body;
	(void)bytes;
	g->answers++;
	g->error = err;
}

static void guest_begin(struct guest *g)
{
	if (geteuid() != 0) {
		fprintf(stderr, "skip: needs root\n");
		skip();
	}
	*g = (struct guest){ .request = { .vm = 1, .areas = 1u << RECORD_AREA_ACPI, .pid = getpid(), .slots = g->slots, .count = 2 } };
	g->memory = mmap(NULL, RAM_BYTES + ROM_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(g->memory, MAP_FAILED);
	memset(g->memory, 0x5a, RAM_BYTES + ROM_BYTES);
	g->slots[0] = (struct record_slot){ .gpa = 0, .bytes = RAM_BYTES, .hva = (uintptr_t)g->memory };
	g->slots[1] = (struct record_slot){ .gpa = 4096 * MIB - ROM_BYTES, .bytes = ROM_BYTES, .hva = (uintptr_t)g->memory + RAM_BYTES, .flags = READ_ONLY };
	assert_int_equal(process_start(getpid(), &g->request.start), 0);
	assert_int_equal(reader_new(NULL, &g->reader), 0);
}

static void guest_end(struct guest *g)
{
	reader_free(g->reader);
	munmap(g->memory, RAM_BYTES + ROM_BYTES);
}

/* The process that reads: our only child. */
static pid_t worker(void)
{
	char path[64];
	int pid = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	f = fopen(path, "re");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &pid), 1);
	fclose(f);
	return pid;
}

static uint64_t used_ns(pid_t pid)
{
	struct timespec used;
	clockid_t clock;

	assert_int_equal(clock_getcpuclockid(pid, &clock), 0);
	assert_int_equal(clock_gettime(clock, &used), 0);
	return (uint64_t)used.tv_sec * 1000 * MS + (uint64_t)used.tv_nsec;
}

/* Asks, and stops the reader in the midst of its work. */
static pid_t stopped_at_work(struct guest *g)
{
	for (unsigned i = 0; i < TRIES; i++) {
		pid_t pid = worker();
		uint64_t begun = used_ns(pid);

		g->answers = 0;
		assert_int_equal(reader_ask(g->reader, &g->request, 0), 0);
		while (used_ns(pid) < begun + MUCH_NS && !g->answers)
			reader_work(g->reader, 0, take, g);
		kill(pid, SIGSTOP);
		assert_int_equal(waitpid(pid, NULL, WUNTRACED), pid);
		reader_work(g->reader, 0, take, g);
		if (!g->answers)
			return pid;
		/* We were not let go on before it was done. */
		kill(pid, SIGCONT);
	}
	fail_msg("the reader was never met at work");
	return 0;
}

static void who_works_is_waited_for_and_who_hangs_is_not(void **state)
{
	struct guest g;

	(void)state;
	guest_begin(&g);
	stopped_at_work(&g);
	/* A second is over, in which it had a processor. */
	reader_work(g.reader, READER_PATIENCE_NS, take, &g);
	assert_int_equal(g.answers, 0);
	assert_int_equal(reader_due(g.reader), 2 * READER_PATIENCE_NS);
	/* And another, in which it had none. */
	reader_work(g.reader, 2 * READER_PATIENCE_NS, take, &g);
	assert_int_equal(g.answers, 1);
	assert_int_equal(g.error, -ETIMEDOUT);
	guest_end(&g);
}

static void who_works_for_ever_is_given_up(void **state)
{
	struct guest g;

	(void)state;
	guest_begin(&g);
	stopped_at_work(&g);
	reader_work(g.reader, READER_BUSY_NS, take, &g);
	assert_int_equal(g.answers, 1);
	assert_int_equal(g.error, -ETIMEDOUT);
	guest_end(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_works_is_waited_for_and_who_hangs_is_not),
		cmocka_unit_test(who_works_for_ever_is_given_up),
	};

	return cmocka_run_group_tests_name("bpf/test_reader", tests, NULL, NULL);
}

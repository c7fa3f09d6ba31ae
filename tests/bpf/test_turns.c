/* SPDX-License-Identifier: Apache-2.0 */
/* What a user would lose where the kernel preempts programs: what guests do while another one's program is preempted; or it counts twice. */
#include "harness.h"

#include <linux/sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static int begin(void **state)
{
	(void)state;
	setenv("ABIDRIFT_TURNS", "1", 1);
	return 0;
}

/* A read of a port that nobody answers, of which these programs run: bit n = the nth. */
static void reads_absent(unsigned turns, uint32_t port)
{
	const uint64_t args[12] = { PORT_IN, port, 1, 1, 1 };

	memset(rig.skel->data->fake.data, 0xff, sizeof(rig.skel->data->fake.data));
	for (unsigned turn = 0; turn < KERNEL_TURNS; turn++)
		if (turns & 1u << turn)
			rig_run_one(turns_program(rig.skel, PROGRAM_PORTS, turn), args);
}

/* How often this port was seen to be all ones; -1: it was not seen. */
static int seen(uint32_t port)
{
	struct observe_key key = { .kind = OBSERVE_PORT, .width = 1, .selector = port };
	struct observe_value value;
	struct vm_state vm;
	uint64_t kvm = KVM_A;

	if (bpf_map_lookup_elem(bpf_map__fd(rig.skel->maps.vms), &kvm, &vm) < 0)
		return -1;
	key.vm = vm.seen.vm;
	return bpf_map_lookup_elem(bpf_map__fd(rig.skel->maps.facts), &key, &value) < 0 ? -1 : (int)value.all_ones;
}

/* Whichever of them were skipped, but all: the event is taken, and once. */
static void an_event_is_taken_once_by_whoever_is_free(void **state)
{
	(void)state;
	rig_begin();
	for (unsigned turns = 1; turns < 1u << KERNEL_TURNS; turns++) {
		reads_absent(turns, 0x300 + turns);
		/* All three take the notes of the ones before away. */
		reads_absent(7, 0x380 + turns);
		assert_int_equal(seen(0x300 + turns), 1);
		assert_int_equal(seen(0x380 + turns), 1);
	}
}

enum { F = 1 << 0, S = 1 << 1, L = 1 << 2, SETS = 1 << KERNEL_TURNS };

/*
 * The second of two equal events that is lost though one of them was free: last was busy for the first, first for the second, and the note
 * of the first is taken for the second's.
 */
static bool swallowed(unsigned before, unsigned then)
{
	if (!before || before & L || then & F)
		return false;
	return before == F ? then : then == L;
}

/* What the kernel would have counted. */
static uint64_t lost_of(uint64_t skipped)
{
	struct turns_missed m = { 0 };
	const int64_t made = turns_made(rig.skel, PROGRAM_PORTS);

	(void)turns_count(&m, made, skipped);
	return turns_count(&m, made, skipped);
}

/* Any two events in sequence, for which any of them are free: each is taken once or, where that cannot be, counted. */
static void pairs(bool equal, bool memory)
{
	uint64_t skipped = 0, lost = 0;

	rig_begin();
	rig.skel->data->fake.no_memory = !memory;
	for (unsigned before = 0; before < SETS; before++)
		for (unsigned then = 0; then < SETS; then++) {
			const uint32_t port = 0x300 + 2 * (before * SETS + then), next = equal ? port : port + 1;
			const int is_before = before ? 1 : -1, is_then = then ? 1 : -1;
			int expected = is_then;

			/* Nothing of the pair before: all three run. */
			reads_absent(F | S | L, 0x200);
			reads_absent(before, port);
			reads_absent(then, next);
			skipped += !(before & F) + !(then & F);
			lost += !before + !then;
			if (equal) {
				lost += swallowed(before, then);
				expected = !!before + (then && !swallowed(before, then));
				expected = expected ? expected : -1;
			} else if (seen(port) != is_before) {
				fail_msg("%u, %u: the first of two was taken %d times", before, then, seen(port));
			}
			if (seen(next) != expected)
				fail_msg("%u, %u: taken %d times, not %d", before, then, seen(next), expected);
			if (lost_of(skipped) != lost)
				fail_msg("%u, %u: %llu are told as lost, not %llu", before, then, (unsigned long long)lost_of(skipped), (unsigned long long)lost);
		}
}

static void what_was_noted_of_one_event_says_nothing_of_the_next(void **state)
{
	(void)state;
	pairs(false, true);
}

static void of_two_equal_events_what_is_lost_is_counted(void **state)
{
	(void)state;
	pairs(true, true);
}

/* Else on a CPU without cmpxchg16b all events fall to `last`, and most of them are lost. */
static void the_same_without_memory_for_notes(void **state)
{
	pairs(false, false);
	rig_close(state);
	pairs(true, false);
}

/* A thread whose number is equal in its lowest bits: it reads ports, each time it is told one. */
static pid_t far_thread(int *ret_tell, int *ret_done)
{
	int tell[2], done[2];

	assert_int_equal(pipe(tell), 0);
	assert_int_equal(pipe(done), 0);
	for (unsigned n = 1; n < 8; n++) {
		pid_t wanted = (pid_t)(((uint32_t)getpid() + n * 4096) % (1u << 15)), child;
		struct clone_args args = { .exit_signal = SIGCHLD, .set_tid = (uintptr_t)&wanted, .set_tid_size = 1 };
		uint32_t step[2];

		child = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
		if (child < 0)
			continue;
		if (child == 0) {
			close(tell[1]);
			while (read(tell[0], step, sizeof(step)) == (ssize_t)sizeof(step)) {
				reads_absent(step[0], step[1]);
				if (write(done[1], "", 1) != 1)
					break;
			}
			_exit(0);
		}
		close(tell[0]);
		close(done[1]);
		*ret_tell = tell[1];
		*ret_done = done[0];
		return child;
	}
	print_message("skipped: %s: this machine makes no thread of a number that is asked for\n", strerror(errno));
	skip();
	return -1;
}

/* Else what two guests do at once is taken twice: fw_cfg's files are shifted, and what is lost later is not counted. */
static void a_note_is_of_one_thread(void **state)
{
	int tell = -1, done = -1, status;
	pid_t other;

	(void)state;
	rig_begin();
	other = far_thread(&tell, &done);
	for (unsigned turn = 0; turn < KERNEL_TURNS; turn++) {
		const uint32_t step[2] = { 1u << turn, 0x311 };
		char c;

		reads_absent(1u << turn, 0x310);
		assert_int_equal(write(tell, step, sizeof(step)), sizeof(step));
		assert_int_equal(read(done, &c, 1), 1);
	}
	close(tell);
	assert_int_equal(waitpid(other, &status, 0), other);
	close(done);
	assert_int_equal(seen(0x310), 1);
	assert_int_equal(seen(0x311), 1);
	assert_int_equal(turns_made(rig.skel, PROGRAM_PORTS), 0);
}

/* Else each busy host is full of losses that were none; or one that was is hidden for ever. */
static void what_nobody_took_is_told_a_look_later(void **state)
{
	struct turns_missed m = { 0 };

	(void)state;
	assert_int_equal(turns_count(&m, 0, 1), 0);
	/* It was about to be taken. */
	assert_int_equal(turns_count(&m, 1, 1), 0);
	assert_int_equal(turns_count(&m, 7, 9), 0);
	assert_int_equal(turns_count(&m, 8, 10), 2);
	assert_int_equal(turns_count(&m, 8, 10), 2);
	/* More taken than skipped: whatever that was, it hides nothing. */
	assert_int_equal(turns_count(&m, 20, 12), 2);
	assert_int_equal(turns_count(&m, 20, 15), 2);
	assert_int_equal(turns_count(&m, 20, 15), 3);
	assert_int_equal(turns_count(&m, 20, 16), 3);
	assert_int_equal(turns_count(&m, 20, 16), 4);
	/* What first left to others, who had not taken it by then. */
	m = (struct turns_missed){ 0 };
	assert_int_equal(turns_count(&m, -1, 0), 0);
	assert_int_equal(turns_count(&m, 0, 0), 0);
	assert_int_equal(turns_count(&m, -1, 0), 0);
	assert_int_equal(turns_count(&m, -1, 0), 1);
}

/* A VM's exits alternate: what was noted of one program's event says nothing of another's. */
static void a_note_is_of_one_program(void **state)
{
	const uint64_t msr[12] = { 0, 0x1a0, 1, 0 };

	(void)state;
	rig_begin();
	reads_absent(1, 0x300);
	/* The note of `ports` is no note of `msr`. */
	rig_run_one(turns_program(rig.skel, PROGRAM_MSR, 1), msr);
	rig_run_one(turns_program(rig.skel, PROGRAM_MSR, 2), msr);
	reads_absent(6, 0x301);
	assert_int_equal(seen(0x300), 1);
	assert_int_equal(seen(0x301), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(an_event_is_taken_once_by_whoever_is_free, rig_close),
		cmocka_unit_test_teardown(what_was_noted_of_one_event_says_nothing_of_the_next, rig_close),
		cmocka_unit_test_teardown(of_two_equal_events_what_is_lost_is_counted, rig_close),
		cmocka_unit_test_teardown(the_same_without_memory_for_notes, rig_close),
		cmocka_unit_test_teardown(a_note_is_of_one_program, rig_close),
		cmocka_unit_test_teardown(a_note_is_of_one_thread, rig_close),
		cmocka_unit_test(what_nobody_took_is_told_a_look_later),
	};

	return cmocka_run_group_tests_name("turns", tests, begin, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a user would lose where the kernel preempts programs: what guests do while another one's program is preempted; or it counts twice. */
#include "harness.h"

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

/* Events of one thread, for which others of the programs are free each time. */
static void what_was_noted_of_one_event_says_nothing_of_the_next(void **state)
{
	static const unsigned free_ones[] = { 7, 6, 7, 4, 5, 4, 3, 7, 6, 2, 7, 1, 5, 6 };

	(void)state;
	rig_begin();
	for (size_t i = 0; i < sizeof(free_ones) / sizeof(*free_ones); i++) {
		reads_absent(free_ones[i], 0x300 + (uint32_t)i);
		assert_int_equal(seen(0x300 + (uint32_t)i), 1);
	}
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
		cmocka_unit_test_teardown(a_note_is_of_one_program, rig_close),
	};

	return cmocka_run_group_tests_name("turns", tests, begin, NULL);
}

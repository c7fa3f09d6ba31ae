/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How a program hangs on its tracepoint.
 *
 * Where tracepoints run with preemption off, NAME itself does. From Linux 7.0 on they are preempted, and a program that is preempted is
 * skipped for whatever else happens on its CPU meanwhile: for a whole time slice of another guest. There three small programs hang on each
 * tracepoint, and each event is the turn of the first of them that is free: first, spare, last. What is to be done stands once, in
 * NAME_steady, and is entered by a tail call. It holds off preemption: what the CPU's caches and counters hold is never of two events, and
 * never half written. Holding it off does not make the other programs superfluous: who was to be preempted is so at the end of that, still
 * inside of the program.
 *
 * Who deals with an event writes that down with its thread, where no other thread comes: between two of these programs the thread can be
 * preempted, too, or move to another CPU. The note names the event, and says whether `spare` has seen it: each program runs once per event, so
 * a note that `spare` finds seen is of an earlier event, and so is one of an event with other arguments. `last` takes the note away.
 *
 * Lost is an event for which all three are busy; and of two equal ones in sequence the second, where `last` was busy for the first one and
 * `first` for the second, and what `spare` did does not tell them apart (tests/bpf/test_turns.c has the list). Both are counted: `first` deals
 * with all that it runs for, so that lost is what the kernel skipped it for, less what others took.
 */
#ifndef ABIDRIFT_TURNS_BPF_H
#define ABIDRIFT_TURNS_BPF_H

#include "facts.bpf.h"

/*
 * bpf_preempt_disable() and _enable(): userspace writes their numbers in. As externs, libbpf would look for them in the types of all modules
 * of kernels that lack them.
 */
static void (*const preempt_disable)(void) = (void *)TURNS_PREEMPT_DISABLE;
static void (*const preempt_enable)(void) = (void *)TURNS_PREEMPT_ENABLE;

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, TURNS_PROGRAMS);
	__type(key, __u32);
	__type(value, __u32);
} turns SEC(".maps") __weak;

/* Which event was dealt with. */
struct turn_note {
	__u64 event;
	__u64 by; /* NOTE_* */
};
enum { NOTE_NONE, NOTE_FIRST, NOTE_SEEN };

/* A thread's memory is its own, and goes with it. Kernels that take turns have it; on others it is not made. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct turn_note);
} turns_taken SEC(".maps") __weak;

/* By thread, where the kernel has no memory to give here: since it allocates that without locks it never has on a CPU without cmpxchg16b. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct turn_note);
} turns_noted SEC(".maps") __weak;

/* Events that others than `first` took, less those that `first` left to them. Not by CPU: there are few, and this is done where it may be preempted. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TURNS_PROGRAMS);
	__type(key, __u32);
	__type(value, __u64);
} turns_made SEC(".maps") __weak;

static __always_inline void turn_made(__u32 program, __s64 count)
{
	__u64 *made = bpf_map_lookup_elem(&turns_made, &program);

	if (made)
		__sync_fetch_and_add(made, count);
}

/* Arguments of the tracepoint: a program that looks at more is not attached. */
static __always_inline __u32 turn_arguments(__u32 program)
{
	switch (program) {
	case TURNS_CPUID: return 8;
	case TURNS_PORTS: return 5;
	case TURNS_MMIO: case TURNS_MSR: return 4;
	case TURNS_RESETS: return 3;
	case TURNS_SHUTDOWNS: return 2;
	default: return 1;
	}
}

static __always_inline __u64 turn_event(const struct bpf_raw_tracepoint_args *ctx, __u32 program)
{
	__u64 event = program + 1;

#pragma unroll
	for (__u32 n = 0; n < turn_arguments(program); n++)
		event = (event ^ ctx->args[n]) * 0x9e3779b97f4a7c15ull;
	return event;
}

enum { TURN_FIRST, TURN_SPARE, TURN_LAST };

/*
 * Only `first` makes a thread's memory, and before anything of the event was noted: where there is none by then, all three go by the other
 * map.
 */
static __always_inline struct turn_note *turn_note_here(__u32 turn)
{
	struct turn_note fresh = { 0 }, *note = NULL;
	__u32 thread;

	if (!testing || !fake.no_memory)
		note = bpf_task_storage_get(&turns_taken, bpf_get_current_task_btf(), NULL, turn == TURN_FIRST ? BPF_LOCAL_STORAGE_GET_F_CREATE : 0);
	if (note)
		return note;
	thread = bpf_get_current_pid_tgid();
	note = bpf_map_lookup_elem(&turns_noted, &thread);
	if (note || turn == TURN_LAST)
		return note;
	bpf_map_update_elem(&turns_noted, &thread, &fresh, BPF_ANY);
	return bpf_map_lookup_elem(&turns_noted, &thread);
}

/* Whether it is to be done now. Without memory for a note it is left to the next: without one an event would be dealt with twice. */
static __always_inline bool turn_taken(const struct bpf_raw_tracepoint_args *ctx, __u32 program, __u32 turn)
{
	struct turn_note *note = turn_note_here(turn);
	__u64 event = turn_event(ctx, program);

	if (!note && turn != TURN_LAST) {
		if (turn == TURN_FIRST)
			turn_made(program, -1);
		return false;
	}
	if (turn == TURN_FIRST) {
		note->event = event;
		note->by = NOTE_FIRST;
		return true;
	}
	if (turn == TURN_SPARE) {
		bool taken = note->by == NOTE_FIRST && note->event == event;

		note->event = event;
		note->by = NOTE_SEEN;
		if (taken)
			return false;
	} else if (note) {
		bool taken = note->by != NOTE_NONE && note->event == event;

		note->by = NOTE_NONE;
		if (taken)
			return false;
	}
	turn_made(program, 1);
	return true;
}

#define TURN(tracepoint, program, turn, number)                                                                                         \
	SEC("?raw_tp/" tracepoint)                                                                                                      \
	int program(struct bpf_raw_tracepoint_args *ctx)                                                                                \
	{                                                                                                                               \
		if (turn_taken(ctx, number, turn))                                                                                      \
			bpf_tail_call(ctx, &turns, number);                                                                             \
		return 0;                                                                                                               \
	}

/* The program `name`, whose body follows. */
#define ON(tracepoint, name, number)                                                                                                    \
	static __always_inline int name##_event(struct bpf_raw_tracepoint_args *ctx);                                                   \
	SEC("raw_tp/" tracepoint)                                                                                                       \
	int name(struct bpf_raw_tracepoint_args *ctx)                                                                                   \
	{                                                                                                                               \
		return name##_event(ctx);                                                                                               \
	}                                                                                                                               \
	SEC("?raw_tp/" tracepoint)                                                                                                      \
	int name##_steady(struct bpf_raw_tracepoint_args *ctx)                                                                          \
	{                                                                                                                               \
		preempt_disable();                                                                                                      \
		name##_event(ctx);                                                                                                      \
		preempt_enable();                                                                                                       \
		return 0;                                                                                                               \
	}                                                                                                                               \
	TURN(tracepoint, name##_first, TURN_FIRST, number)                                                                              \
	TURN(tracepoint, name##_spare, TURN_SPARE, number)                                                                              \
	TURN(tracepoint, name##_last, TURN_LAST, number)                                                                                \
	static __always_inline int name##_event(struct bpf_raw_tracepoint_args *ctx)

#endif

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
 * That an event was dealt with is written down by thread, since between two of these programs the thread can be preempted, too, or move to
 * another CPU. `last` takes the note away. Where all three are busy the event is lost: of those that the kernel skipped `first` for, it is one
 * that nobody else took.
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

/* By thread: program and thread whose event was dealt with. Two threads that share an entry and run at once may have an event taken twice. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u64);
} turns_taken SEC(".maps") __weak;

/* Events that others than `first` took. Not by CPU: there are few, and this is done where it may be preempted. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TURNS_PROGRAMS);
	__type(key, __u32);
	__type(value, __u64);
} turns_made SEC(".maps") __weak;

static __always_inline void turn_made(__u32 program)
{
	__u64 *made = bpf_map_lookup_elem(&turns_made, &program);

	if (made)
		__sync_fetch_and_add(made, 1);
}

enum { TURN_FIRST, TURN_SPARE, TURN_LAST };

/* Whether it is to be done now. */
static __always_inline bool turn_taken(__u32 program, __u32 turn)
{
	__u32 thread = bpf_get_current_pid_tgid(), key = thread % 4096;
	__u64 *taken = bpf_map_lookup_elem(&turns_taken, &key), own = thread | (__u64)(program + 1) << 32;

	if (!taken)
		return false;
	if (turn != TURN_FIRST && *taken == own) {
		if (turn == TURN_LAST)
			*taken = 0;
		return false;
	}
	if (turn != TURN_LAST)
		*taken = own;
	if (turn != TURN_FIRST)
		turn_made(program);
	return true;
}

#define TURN(tracepoint, program, turn, number)                                                                                         \
	SEC("?raw_tp/" tracepoint)                                                                                                      \
	int program(struct bpf_raw_tracepoint_args *ctx)                                                                                \
	{                                                                                                                               \
		if (turn_taken(number, turn))                                                                                           \
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

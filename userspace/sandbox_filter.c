/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/sandbox_filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef __x86_64__
#error "name the architecture whose calls are meant (AUDIT_ARCH_), and where the halves of an argument lie"
#endif

/* The kernel takes 4096. */
#define ROOM 1024
#define REFUSED (SECCOMP_RET_ERRNO | EPERM)
/* Calls of x32 come as calls of x86-64 with this bit (arch/x86/include/uapi/asm/unistd.h). */
#define X32_BIT 0x40000000u
/* A half of an argument is loaded, masked and compared. */
#define HALF_LENGTH 3

struct code {
	struct sock_filter at[ROOM];
	unsigned count; /* beyond ROOM: it did not fit */
};

static void put(struct code *c, unsigned op, uint32_t k, unsigned yes, unsigned no)
{
	if (c->count < ROOM)
		c->at[c->count] = (struct sock_filter){ .code = (uint16_t)op, .jt = (uint8_t)yes, .jf = (uint8_t)no, .k = k };
	c->count++;
}

static void put_load(struct code *c, size_t offset)
{
	put(c, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void put_return(struct code *c, uint32_t action)
{
	put(c, BPF_RET | BPF_K, action, 0, 0);
}

/* ---- one rule */

static unsigned rule_length(const struct filter_rule *r)
{
	unsigned halves = 0;

	for (unsigned i = 0; i < FILTER_CONDITIONS; i++)
		halves += !!(uint32_t)r->conditions[i].mask + !!(r->conditions[i].mask >> 32);
	return halves * HALF_LENGTH + 1;
}

/* Falls through to what is behind it where it does not hold. */
static void rule_put(struct code *c, const struct filter_rule *r)
{
	unsigned left = rule_length(r);

	for (unsigned i = 0; i < FILTER_CONDITIONS; i++)
		for (unsigned half = 0; half < 2; half++) {
			const struct filter_condition *on = &r->conditions[i];
			uint32_t mask = (uint32_t)(on->mask >> 32 * half);

			if (!mask)
				continue;
			left -= HALF_LENGTH;
			put_load(c, offsetof(struct seccomp_data, args) + on->argument * sizeof(uint64_t) + half * sizeof(uint32_t));
			put(c, BPF_ALU | BPF_AND | BPF_K, mask, 0, 0);
			put(c, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(on->value >> 32 * half), 0, left);
		}
	put_return(c, r->action);
}

/* ---- all of them */

/* By number; those of one number stay in their order. */
static void sort(struct filter_rule *rules, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		struct filter_rule r = rules[i];
		size_t j = i;

		for (; j && rules[j - 1].number > r.number; j--)
			rules[j] = rules[j - 1];
		rules[j] = r;
	}
}

/* Where the second half begins; 0: all are of one number. */
static size_t middle(const struct filter_rule *rules, size_t count)
{
	size_t at = count / 2;

	while (at && rules[at].number == rules[at - 1].number)
		at--;
	if (!at)
		while (at < count && rules[at].number == rules[0].number)
			at++;
	return at < count ? at : 0;
}

/* Compares with the number in the middle, and so on: seven comparisons for a hundred calls. */
static void tree_put(struct code *c, const struct filter_rule *rules, size_t count, uint32_t otherwise)
{
	size_t half = middle(rules, count);
	unsigned jump;

	if (half) {
		put(c, BPF_JMP | BPF_JGE | BPF_K, (uint32_t)rules[half].number, 0, 1);
		jump = c->count;
		put(c, BPF_JMP | BPF_JA, 0, 0, 0);
		tree_put(c, rules, half, otherwise);
		if (jump < ROOM)
			c->at[jump].k = c->count - jump - 1;
		tree_put(c, rules + half, count - half, otherwise);
		return;
	}
	put(c, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)rules[0].number, 1, 0);
	put_return(c, otherwise);
	for (size_t i = 0; i < count; i++)
		rule_put(c, &rules[i]);
	put_return(c, otherwise);
}

int filter_load(struct filter_rule *rules, size_t count, uint32_t otherwise)
{
	struct code c = { .count = 0 };
	struct sock_fprog program = { .filter = c.at };
	long err;

	put_load(&c, offsetof(struct seccomp_data, arch));
	put(&c, BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
	put_return(&c, REFUSED);
	put_load(&c, offsetof(struct seccomp_data, nr));
	put(&c, BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1);
	put_return(&c, REFUSED);
	sort(rules, count);
	tree_put(&c, rules, count, otherwise);
	if (c.count > ROOM)
		return -E2BIG;
	program.len = (unsigned short)c.count;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	err = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
	/* A thread that has a filter of its own cannot be given this one. */
	return err < 0 ? -errno : err > 0 ? -ESRCH : 0;
}

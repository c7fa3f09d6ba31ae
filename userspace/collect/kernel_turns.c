/* SPDX-License-Identifier: Apache-2.0 */
/* Programs that take turns (bpf/turns.bpf.h): whether this kernel preempts them, what hangs on the tracepoints then, and how it is loaded. */
#include "userspace/collect/kernel_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/btf.h>

static const char *const suffixes[KERNEL_TURNS] = { "first", "spare", "last" };

_Static_assert((int)PROGRAM_CPUID == TURNS_CPUID && (int)PROGRAM_PORTS == TURNS_PORTS && (int)PROGRAM_MMIO == TURNS_MMIO &&
	       (int)PROGRAM_FAST_MMIO == TURNS_FAST_MMIO && (int)PROGRAM_MSR == TURNS_MSR && (int)PROGRAM_RESETS == TURNS_RESETS &&
	       (int)PROGRAM_SHUTDOWNS == TURNS_SHUTDOWNS, "turns are taken by program");

void types_find(const struct btf *btf, uint32_t first, struct type_wanted *wanted, size_t count)
{
	const uint32_t end = btf__type_cnt(btf);

	for (uint32_t id = first; id < end; id++) {
		const struct btf_type *t = btf__type_by_id(btf, id);
		const uint32_t kind = btf_kind(t);
		const char *name = NULL;

		for (size_t i = 0; i < count; i++) {
			if (wanted[i].kind != kind || wanted[i].id)
				continue;
			if (!name)
				name = btf__name_by_offset(btf, t->name_off);
			if (name && strcmp(name, wanted[i].name) == 0)
				wanted[i].id = id;
		}
	}
}

static bool has_member(const struct btf *btf, uint32_t type, const char *member)
{
	const struct btf_type *t = type ? btf__type_by_id(btf, type) : NULL;
	const struct btf_member *m = t ? btf_members(t) : NULL;

	for (uint32_t i = 0; t && i < btf_vlen(t); i++) {
		const char *name = btf__name_by_offset(btf, m[i].name_off);

		if (name && strcmp(name, member) == 0)
			return true;
	}
	return false;
}

/*
 * Tracepoints are preempted where they wait for readers by SRCU as well (Linux 7.0, commit a46023d5616e; before 6.13 that member was `srcu`, and
 * for other tracepoints). Programs may hold it off since 6.10, and call global functions meanwhile since 6.15, whose verifier knows of each
 * whether it might sleep.
 */
void turns_look(const struct btf *vmlinux, struct turns *ret)
{
	struct type_wanted types[] = {
		{ "tp_transition_snapshot", BTF_KIND_STRUCT, 0 },
		{ "bpf_subprog_info", BTF_KIND_STRUCT, 0 },
		{ "bpf_preempt_disable", BTF_KIND_FUNC, 0 },
		{ "bpf_preempt_enable", BTF_KIND_FUNC, 0 },
	};

	memset(ret, 0, sizeof(*ret));
	if (!vmlinux)
		return;
	types_find(vmlinux, 1, types, sizeof(types) / sizeof(*types));
	ret->functions[0] = (int)types[2].id;
	ret->functions[1] = (int)types[3].id;
	ret->wanted = has_member(vmlinux, types[0].id, "srcu_gp");
	ret->possible = types[2].id && types[3].id && has_member(vmlinux, types[1].id, "might_sleep");
}

static struct bpf_program *program_of(const struct abidrift_bpf *skel, enum program p, const char *suffix)
{
	char name[48];

	snprintf(name, sizeof(name), "%s_%s", kernel_program_name(p), suffix);
	return bpf_object__find_program_by_name(skel->obj, name);
}

struct bpf_program *turns_program(const struct abidrift_bpf *skel, enum program p, unsigned turn)
{
	return (unsigned)p < TURNS_PROGRAMS && turn < KERNEL_TURNS ? program_of(skel, p, suffixes[turn]) : NULL;
}

struct bpf_program *turns_steady(const struct abidrift_bpf *skel, enum program p)
{
	return (unsigned)p < TURNS_PROGRAMS ? program_of(skel, p, "steady") : NULL;
}

/* Puts the kernel's numbers of its functions in place of ours. */
static int functions_resolve(struct bpf_program *program, const int numbers[2])
{
	const struct bpf_insn *is = bpf_program__insns(program);
	const size_t count = bpf_program__insn_cnt(program);
	struct bpf_insn *insns = malloc(count * sizeof(*insns));
	int r;

	if (!insns)
		return -ENOMEM;
	memcpy(insns, is, count * sizeof(*insns));
	for (size_t i = 0; i < count; i++) {
		struct bpf_insn *insn = &insns[i];

		if (insn->code == (BPF_JMP | BPF_CALL) && !insn->src_reg && (insn->imm == TURNS_PREEMPT_DISABLE || insn->imm == TURNS_PREEMPT_ENABLE)) {
			insn->src_reg = BPF_PSEUDO_KFUNC_CALL;
			insn->imm = numbers[insn->imm == TURNS_PREEMPT_ENABLE];
		}
	}
	r = bpf_program__set_insns(program, insns, count);
	free(insns);
	return r;
}

int turns_prepare(struct abidrift_bpf *skel, const struct turns *turns, unsigned mask)
{
	int r = turns->possible ? 0 : -ENOTSUP;

	for (enum program p = 0; (unsigned)p < TURNS_PROGRAMS && r >= 0; p++) {
		if (!(mask & 1u << p))
			continue;
		bpf_program__set_autoload(kernel_program(skel, p), false);
		bpf_program__set_autoload(turns_steady(skel, p), true);
		for (unsigned turn = 0; turn < KERNEL_TURNS; turn++)
			bpf_program__set_autoload(turns_program(skel, p, turn), true);
		r = functions_resolve(turns_steady(skel, p), turns->functions);
	}
	return r;
}

int turns_loaded(const struct abidrift_bpf *skel, unsigned mask)
{
	for (uint32_t p = 0; (unsigned)p < TURNS_PROGRAMS; p++) {
		int fd = mask & 1u << p ? bpf_program__fd(turns_steady(skel, p)) : -1;

		if (fd >= 0 && bpf_map_update_elem(bpf_map__fd(skel->maps.turns), &p, &fd, BPF_ANY) < 0)
			return -errno;
	}
	return 0;
}

int turns_autocreate(struct abidrift_bpf *skel, bool turns)
{
	struct bpf_map *maps[] = { skel->maps.turns, skel->maps.turns_taken, skel->maps.turns_noted, skel->maps.turns_made };
	int r = 0;

	for (size_t i = 0; i < sizeof(maps) / sizeof(*maps) && r >= 0; i++)
		r = bpf_map__set_autocreate(maps[i], turns);
	return r;
}

int64_t turns_made(const struct abidrift_bpf *skel, enum program p)
{
	uint32_t key = p;
	int64_t made = 0;

	return (unsigned)p < TURNS_PROGRAMS && bpf_map_lookup_elem(bpf_map__fd(skel->maps.turns_made), &key, &made) == 0 ? made : 0;
}

/*
 * One event may be about to be taken: skipped already, and not made yet. So the lesser of two looks counts. Before and after it no event is
 * counted that was taken: none is taken twice, and what others took `first` was skipped for before.
 */
uint64_t turns_count(struct turns_missed *m, int64_t made, uint64_t skipped)
{
	uint64_t now;

	if (made - (int64_t)m->excess > (int64_t)skipped)
		m->excess = (uint64_t)(made - (int64_t)skipped);
	now = skipped + m->excess - (uint64_t)made;
	if (now > m->told && m->last > m->told)
		m->told = now < m->last ? now : m->last;
	m->last = now;
	return m->told;
}

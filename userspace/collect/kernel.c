/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/collect/kernel_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BATCH 1024u

/* ---- news */

int kernel_take_news(void *context, void *data, size_t size)
{
	struct kernel *k = context;

	if (size < sizeof(struct observe_news))
		return 0;
	k->result = k->fn(k->context, data);
	if (k->result < 0) {
		memcpy(&k->stash, data, sizeof(k->stash));
		k->stashed = true;
		return -ECANCELED;
	}
	k->handed++;
	return --k->left ? 0 : -ECANCELED;
}
int kernel_fd(const struct kernel *k)
{
	return ring_buffer__epoll_fd(k->ring);
}

int kernel_drain(struct kernel *k, kernel_news_fn fn, void *context, size_t max)
{
	int r;

	/* A ring that is filled while it is read would hold us for ever: what fits into it twice is enough for one time. */
	if (!max || max > INT32_MAX)
		max = 2 * (k->ring_bytes / sizeof(struct observe_news)) + 1;
	k->handed = 0;
	k->result = 0;
	if (k->stashed) {
		r = fn(context, &k->stash);
		if (r < 0)
			return r;
		k->stashed = false;
		k->handed = 1;
		if (--max == 0)
			return 1;
	}
	k->fn = fn;
	k->context = context;
	k->left = max;
	r = ring_buffer__consume(k->ring);
	if (k->result < 0)
		return k->result;
	return r < 0 && r != -ECANCELED ? r : (int)k->handed;
}

/* ---- facts */

typedef int (*walk_fn)(struct kernel *k, void *context, const struct observe_key *key, const struct observe_value *value);

static int walk_by_key(struct kernel *k, walk_fn fn, void *context)
{
	int fd = bpf_map__fd(k->skel->maps.facts), r = 0;
	struct observe_key key, next;
	struct observe_value value;
	bool more = bpf_map_get_next_key(fd, NULL, &next) == 0;

	while (more && r >= 0) {
		key = next;
		/* Before fn: it may remove the key. */
		more = bpf_map_get_next_key(fd, &key, &next) == 0;
		if (bpf_map_lookup_elem(fd, &key, &value) == 0)
			r = fn(k, context, &key, &value);
	}
	return r < 0 ? r : 0;
}

/* Every entry of the facts map. -ENOTSUP: this kernel has no batches. */
static int walk_by_batch(struct kernel *k, walk_fn fn, void *context)
{
	int fd = bpf_map__fd(k->skel->maps.facts), r = 0;
	uint32_t room = BATCH, in = 0, out = 0, count;
	struct observe_key *keys = calloc(room, sizeof(*keys));
	struct observe_value *values = calloc(room, sizeof(*values));
	bool first = true, last = false;

	while (!last && r >= 0) {
		if (!keys || !values) {
			r = -ENOMEM;
			break;
		}
		count = room;
		r = bpf_map_lookup_batch(fd, first ? NULL : &in, &out, keys, values, &count, NULL);
		if (r == -ENOSPC && room < 1u << 20) {
			/* One bucket holds more than that. */
			room *= 2;
			free(keys);
			free(values);
			keys = calloc(room, sizeof(*keys));
			values = calloc(room, sizeof(*values));
			r = 0;
			continue;
		}
		last = r == -ENOENT;
		if (r < 0 && !last) {
			r = first && r != -EFAULT ? -ENOTSUP : r;
			break;
		}
		r = 0;
		for (uint32_t i = 0; i < count && r >= 0; i++)
			r = fn(k, context, &keys[i], &values[i]);
		in = out;
		first = false;
	}
	free(keys);
	free(values);
	return r < 0 ? r : 0;
}

static int walk(struct kernel *k, walk_fn fn, void *context)
{
	int r = -ENOTSUP;

	if (!k->no_batch)
		r = walk_by_batch(k, fn, context);
	if (r == -ENOTSUP) {
		k->no_batch = true;
		r = walk_by_key(k, fn, context);
	}
	return r;
}

/* ---- removing facts: of VMs that are gone, and of earlier boots where they use up a guest's quota */

struct alive {
	uint64_t id;
	uint32_t boot;
	bool crowded; /* facts of its earlier boots are removed */
	struct vm_returned returned;
};

struct cleaning {
	struct alive *vms; /* by id */
	size_t count, room;
	uint64_t begun_ns;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* More than half of a quota is used; *ret_returned: what was given back. */
static bool is_crowded(const struct kernel *k, const struct observe_vm *seen, struct vm_returned *ret_returned)
{
	bool crowded = false;

	memset(ret_returned, 0, sizeof(*ret_returned));
	(void)bpf_map_lookup_elem(bpf_map__fd(k->skel->maps.returned), &seen->vm, ret_returned);
	for (size_t i = 0; i < OBSERVE_CLASSES; i++)
		crowded |= seen->facts[i] - ret_returned->facts[i] > k->quota[i] / 2;
	return crowded && seen->boot > 1;
}

static int alive_add(struct kernel *k, struct cleaning *c, const struct observe_vm *seen)
{
	if (c->count == c->room) {
		size_t room = c->room ? 2 * c->room : 64;
		struct alive *vms = reallocarray(c->vms, room, sizeof(*vms));

		if (!vms)
			return -ENOMEM;
		c->vms = vms;
		c->room = room;
	}
	c->vms[c->count] = (struct alive){ .id = seen->vm, .boot = seen->boot };
	c->vms[c->count].crowded = is_crowded(k, seen, &c->vms[c->count].returned);
	c->count++;
	return 0;
}

static int by_id(const void *a, const void *b)
{
	uint64_t x = ((const struct alive *)a)->id, y = ((const struct alive *)b)->id;

	return (x > y) - (x < y);
}

static int cleaning_begin(struct kernel *k, struct cleaning *ret)
{
	int fd = bpf_map__fd(k->skel->maps.vms), r = 0;
	struct cleaning c = { .begun_ns = now_ns() };
	uint64_t key, next;
	struct vm_state state;
	bool more = bpf_map_get_next_key(fd, NULL, &next) == 0;

	while (more && r >= 0) {
		key = next;
		more = bpf_map_get_next_key(fd, &key, &next) == 0;
		if (bpf_map_lookup_elem(fd, &key, &state) == 0)
			r = alive_add(k, &c, &state.seen);
	}
	if (r < 0) {
		free(c.vms);
		return r;
	}
	if (c.count)
		qsort(c.vms, c.count, sizeof(*c.vms), by_id);
	*ret = c;
	return 0;
}

static struct alive *alive_find(const struct cleaning *c, uint64_t id)
{
	const struct alive wanted = { .id = id };

	return c->count ? bsearch(&wanted, c->vms, c->count, sizeof(*c->vms), by_id) : NULL;
}

/* A fact of an earlier boot. The guest may just be making it one of this boot: then it stays. */
static void remove_old(struct kernel *k, struct alive *vm, const struct observe_key *key)
{
	int fd = bpf_map__fd(k->skel->maps.facts);
	struct observe_value value;

	/* Since 5.14; before, one that is renewed in the moment between is lost until it is news again. */
	if (bpf_map_lookup_and_delete_elem(fd, key, &value) < 0 &&
	    (errno == ENOENT || bpf_map_lookup_elem(fd, key, &value) < 0 || value.boot >= vm->boot || bpf_map_delete_elem(fd, key) < 0))
		return;
	if (value.boot >= vm->boot && bpf_map_update_elem(fd, key, &value, BPF_NOEXIST) == 0)
		return;
	if (value.zero < OBSERVE_CLASSES)
		vm->returned.facts[value.zero]++;
}

/* True: the fact is none that anyone should see. */
static bool clean(struct kernel *k, struct cleaning *c, const struct observe_key *key, const struct observe_value *value)
{
	struct alive *vm = alive_find(c, key->vm);

	if (!vm) {
		/* A VM that began meanwhile is not in the list. */
		if (value->changed_ns >= c->begun_ns)
			return false;
		bpf_map_delete_elem(bpf_map__fd(k->skel->maps.facts), key);
		return true;
	}
	if (!vm->crowded || value->boot >= vm->boot)
		return false;
	remove_old(k, vm, key);
	return true;
}

static void cleaning_end(struct kernel *k, struct cleaning *c)
{
	int fd = bpf_map__fd(k->skel->maps.returned);
	uint64_t key, next;
	bool more;

	for (size_t i = 0; i < c->count; i++)
		if (c->vms[i].crowded)
			bpf_map_update_elem(fd, &c->vms[i].id, &c->vms[i].returned, BPF_ANY);
	for (more = bpf_map_get_next_key(fd, NULL, &next) == 0; more;) {
		key = next;
		more = bpf_map_get_next_key(fd, &key, &next) == 0;
		if (!alive_find(c, key))
			bpf_map_delete_elem(fd, &key);
	}
	free(c->vms);
}

struct hand_on {
	uint64_t vm;
	kernel_fact_fn fn;
	void *context;
	struct cleaning *cleaning;
};

static int hand_on(struct kernel *k, void *context, const struct observe_key *key, const struct observe_value *value)
{
	struct observe_value told = *value;
	struct hand_on *h = context;

	if (h->cleaning && clean(k, h->cleaning, key, value))
		return 0;
	if ((h->vm && h->vm != key->vm) || key->kind >= OBSERVE_PCI_CURRENT || !h->fn)
		return 0;
	told.zero = 0;
	return h->fn(h->context, key, &told);
}

int kernel_facts(struct kernel *k, uint64_t vm, kernel_fact_fn fn, void *context)
{
	struct hand_on h = { .vm = vm, .fn = fn, .context = context };
	struct cleaning cleaning;
	int r;

	if (k->litter && cleaning_begin(k, &cleaning) >= 0)
		h.cleaning = &cleaning;
	r = walk(k, hand_on, &h);
	if (h.cleaning) {
		cleaning_end(k, h.cleaning);
		k->litter = r < 0;
	}
	return r;
}

bool kernel_litter(const struct kernel *k)
{
	return k->litter;
}

void kernel_booted(struct kernel *k, const struct observe_vm *seen)
{
	struct vm_returned unused;

	k->litter |= is_crowded(k, seen, &unused);
}

/* ---- VMs */

int kernel_vms(struct kernel *k, kernel_vm_fn fn, void *context)
{
	int fd = bpf_map__fd(k->skel->maps.vms), r = 0;
	uint64_t key, next;
	struct vm_state state;
	bool more = bpf_map_get_next_key(fd, NULL, &next) == 0;

	while (more && r >= 0) {
		key = next;
		more = bpf_map_get_next_key(fd, &key, &next) == 0;
		if (bpf_map_lookup_elem(fd, &key, &state) == 0)
			r = fn(context, &state.seen);
	}
	return r < 0 ? r : 0;
}

int kernel_vm_get(struct kernel *k, uint64_t kvm, struct observe_vm *ret)
{
	struct vm_state state;

	if (bpf_map_lookup_elem(bpf_map__fd(k->skel->maps.vms), &kvm, &state) < 0)
		return -errno;
	*ret = state.seen;
	return 0;
}

static uint64_t vm_id(uint64_t kvm, uint64_t now)
{
	uint64_t x = kvm ^ (now * 0x9e3779b97f4a7c15ull);

	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdull;
	x ^= x >> 33;
	return x ? x : 1;
}

int kernel_vm_add(struct kernel *k, uint64_t kvm, uint32_t tgid, struct observe_vm *ret)
{
	struct vm_state state = { 0 };
	state.seen.created_ns = now_ns();
	state.seen.boot_ns = state.seen.created_ns;
	state.seen.vm = vm_id(kvm, state.seen.created_ns);
	state.seen.kvm = kvm;
	state.seen.boot = 1;
	state.seen.reason = OBSERVE_REASON_FOUND;
	state.seen.tgid = tgid;
	if (bpf_map_update_elem(bpf_map__fd(k->skel->maps.vms), &kvm, &state, BPF_NOEXIST) < 0 && errno != EEXIST)
		return -errno;
	return kernel_vm_get(k, kvm, ret);
}

int kernel_ecam_set(struct kernel *k, uint64_t vm, uint64_t base, uint32_t bytes)
{
	const struct vm_ecam told = { .base = base, .bytes = bytes };
	int fd = bpf_map__fd(k->skel->maps.ecams);
	struct vm_ecam known = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, run);

	(void)bpf_map_lookup_elem(fd, &vm, &known);
	if (known.base == told.base && known.bytes == told.bytes)
		return 0;
	if (!bytes && bpf_map_delete_elem(fd, &vm) < 0)
		return -errno;
	if (bytes && bpf_map_update_elem(fd, &vm, &told, BPF_ANY) < 0)
		return -errno;
	/* The epoch is the programs' own count, so it is a program that moves it on. */
	return bpf_prog_test_run_opts(bpf_program__fd(k->skel->progs.forget), &run);
}

int kernel_forget(struct kernel *k, uint64_t kvm, uint64_t vm)
{
	int fd = bpf_map__fd(k->skel->maps.vms);
	struct vm_state state;

	(void)bpf_map_delete_elem(bpf_map__fd(k->skel->maps.ecams), &vm);

	if (bpf_map_lookup_elem(fd, &kvm, &state) == 0 && state.seen.vm == vm)
		bpf_map_delete_elem(fd, &kvm);
	k->litter = true;
	return 0;
}
/* ---- counters */

int kernel_counters(struct kernel *k, uint64_t ret[OBSERVE_COUNTERS])
{
	int n = libbpf_num_possible_cpus(), fd = bpf_map__fd(k->skel->maps.counters);
	uint64_t *values, sums[OBSERVE_COUNTERS] = { 0 };

	if (n < 0)
		return n;
	values = calloc((size_t)n, sizeof(*values));
	if (!values)
		return -ENOMEM;
	for (uint32_t i = 0; i < OBSERVE_COUNTERS; i++) {
		if (bpf_map_lookup_elem(fd, &i, values) < 0) {
			int r = -errno;

			free(values);
			return r;
		}
		for (int cpu = 0; cpu < n; cpu++)
			sums[i] += values[cpu];
		sums[i] -= k->before[i];
	}
	free(values);
	memcpy(ret, sums, sizeof(sums));
	return 0;
}
int kernel_capacity(struct kernel *k, uint64_t *ret_entries)
{
	*ret_entries = bpf_map__max_entries(k->skel->maps.facts);
	return 0;
}

struct filling {
	uint64_t vms, facts;
};

static int add_facts(void *context, const struct observe_vm *seen)
{
	struct filling *f = context;

	f->vms++;
	for (size_t i = 0; i < OBSERVE_CLASSES; i++)
		f->facts += seen->facts[i];
	return 0;
}

/* No kernel says how many entries a hash map has, and a walk over a million facts is not for every few seconds: the VMs' own counts say it. */
int kernel_maps(struct kernel *k, struct kernel_map ret[KERNEL_MAPS])
{
	int fd = bpf_map__fd(k->skel->maps.returned), r;
	struct filling filling = { 0 };
	struct vm_returned returned;
	uint64_t key, next, back = 0;

	r = kernel_vms(k, add_facts, &filling);
	if (r < 0)
		return r;
	for (bool more = bpf_map_get_next_key(fd, NULL, &next) == 0; more;) {
		key = next;
		more = bpf_map_get_next_key(fd, &key, &next) == 0;
		if (bpf_map_lookup_elem(fd, &key, &returned) < 0)
			continue;
		for (size_t i = 0; i < OBSERVE_CLASSES; i++)
			back += returned.facts[i];
	}
	/* What was given back by a VM that has just gone is not in the sum any more. */
	ret[0] = (struct kernel_map){ "facts", filling.facts > back ? filling.facts - back : 0, bpf_map__max_entries(k->skel->maps.facts) };
	ret[1] = (struct kernel_map){ "vms", filling.vms, bpf_map__max_entries(k->skel->maps.vms) };
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/collect/kernel_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SLOT_PASSES 400u               /* 32764 slots in pages of 256, three times over */
#define READ_BYTES (256u << 10)

/* A VM whose slots are being read, page by page. */
struct vm_pages {
	struct inventory_header header;
	struct inventory_vm vm;
	struct inventory_slot *slots;
	uint32_t n_slots;
	uint32_t room;
	uint32_t bucket;
	uint32_t skip;
	bool whole;
};

struct sweep {
	kernel_inventory_fn fn;
	void *context;
	bool wants_vms;
	bool wants_slots;
	struct vm_pages *now;     /* the VM whose slots come next */
	struct vm_pages first;    /* first page, while the sweep over all files goes on */
	struct vm_pages *rest;    /* VMs with more than a page */
	size_t n_rest;
};

static int slots_add(struct vm_pages *v, const struct inventory_slot *slot)
{
	if (v->n_slots == v->room) {
		uint32_t room = v->room ? 2 * v->room : 64;
		struct inventory_slot *slots = realloc(v->slots, room * sizeof(*slots));

		if (!slots)
			return -ENOMEM;
		v->slots = slots;
		v->room = room;
	}
	v->slots[v->n_slots++] = *slot;
	return 0;
}

/* VM, then its slots. */
static int vm_hand_on(struct sweep *s, struct vm_pages *v)
{
	struct inventory_header h = v->header;
	int r = 0;

	v->vm.slots = v->whole ? v->n_slots : 0xffffffff;
	if (s->wants_vms)
		r = s->fn(s->context, &h, &v->vm);
	h.type = INVENTORY_SLOT;
	h.bytes = sizeof(struct inventory_slot);
	for (uint32_t i = 0; i < v->n_slots && r >= 0; i++)
		r = s->fn(s->context, &h, &v->slots[i]);
	return r;
}

static int page_end(struct sweep *s, const struct inventory_page *page)
{
	struct vm_pages *v = s->now, *rest;

	v->bucket = page->bucket;
	v->skip = page->skip;
	/* An array that was changed under the walk is seen by its generations; only a walk that came to its end is whole. */
	v->whole = page->bucket == SLOT_PAGE_END && page->generation == v->vm.slots_generation;
	if (v != &s->first)
		return 0;
	if (page->bucket == SLOT_PAGE_END)
		return vm_hand_on(s, v);
	rest = realloc(s->rest, (s->n_rest + 1) * sizeof(*rest));
	if (!rest)
		return -ENOMEM;
	s->rest = rest;
	s->rest[s->n_rest++] = *v;
	v->slots = NULL;
	v->room = v->n_slots = 0;
	return 0;
}

static int inventory_record(struct sweep *s, const struct inventory_header *h, const void *body)
{
	if (h->type == INVENTORY_VCPU || h->type == INVENTORY_CPUID)
		return s->fn(s->context, h, body);
	if (h->type == INVENTORY_VM) {
		if (s->now != &s->first)
			return 0;
		s->first.header = *h;
		memcpy(&s->first.vm, body, sizeof(s->first.vm));
		s->first.n_slots = 0;
		s->first.whole = false;
		return s->wants_slots ? 0 : vm_hand_on(s, &s->first);
	}
	/* A descriptor may have become another VM between two passes. */
	if (h->kvm != s->now->header.kvm)
		return 0;
	if (h->type == INVENTORY_SLOT)
		return slots_add(s->now, body);
	return h->type == INVENTORY_PAGE ? page_end(s, body) : 0;
}

/* Least size of a record's body; 0 = not a record. */
static size_t body_least(uint32_t type)
{
	switch (type) {
	case INVENTORY_VM: return sizeof(struct inventory_vm);
	case INVENTORY_VCPU: return sizeof(struct inventory_vcpu);
	case INVENTORY_CPUID: return sizeof(struct inventory_cpuid);
	case INVENTORY_SLOT: return sizeof(struct inventory_slot);
	case INVENTORY_PAGE: return sizeof(struct inventory_page);
	default: return 0;
	}
}

/* Hands on the whole records in data; how many bytes they took in *ret_used. */
static int inventory_parse(struct sweep *s, const char *data, size_t size, size_t *ret_used)
{
	union {
		char bytes[sizeof(struct inventory_cpuid) + OBSERVE_CPUID_MAX * sizeof(struct inventory_cpuid_entry)];
		uint64_t align;
	} body;
	struct inventory_header h;
	size_t used = 0;
	int r = 0;

	while (r >= 0 && size - used >= sizeof(h)) {
		memcpy(&h, data + used, sizeof(h));
		if (!body_least(h.type) || h.bytes < body_least(h.type) || h.bytes > sizeof(body))
			return -EBADMSG;
		if (size - used - sizeof(h) < h.bytes)
			break;
		memcpy(body.bytes, data + used + sizeof(h), h.bytes);
		used += sizeof(h) + h.bytes;
		r = inventory_record(s, &h, body.bytes);
	}
	*ret_used = used;
	return r;
}

static int inventory_read(struct sweep *s, int fd)
{
	char *data = malloc(READ_BYTES);
	size_t size = 0, used;
	int r = 0;

	if (!data)
		return -ENOMEM;
	while (r >= 0) {
		ssize_t n = read(fd, data + size, READ_BYTES - size);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0) {
			r = n < 0 ? -errno : 0;
			break;
		}
		size += (size_t)n;
		r = inventory_parse(s, data, size, &used);
		if (r < 0)
			break;
		memmove(data, data + used, size - used);
		size -= used;
	}
	free(data);
	return r < 0 ? r : 0;
}

static struct bpf_link *inventory_link(struct kernel *k, uint32_t tgid)
{
	LIBBPF_OPTS(bpf_iter_attach_opts, opts);
	union bpf_iter_link_info info = { 0 };
	struct bpf_link *link = NULL;

	if (tgid && k->iterates_one) {
		info.task.pid = tgid;
		opts.link_info = &info;
		opts.link_info_len = sizeof(info);
		link = bpf_program__attach_iter(k->skel->progs.inventory, &opts);
		if (link || errno == ESRCH)
			return link;
		k->iterates_one = false;
	}
	return bpf_program__attach_iter(k->skel->progs.inventory, NULL);
}

/* One run of the iterator. A process that is gone has nothing: 0. */
static int inventory_pass(struct kernel *k, struct sweep *s, uint32_t tgid, int32_t fd, unsigned want, uint32_t bucket, uint32_t skip)
{
	libbpf_print_fn_t before = libbpf_set_print(kernel_keep_message);
	struct bpf_link *link = inventory_link(k, tgid);
	int r = link ? 0 : -errno, iterator;

	libbpf_set_print(before);
	if (!link)
		return r == -ESRCH ? 0 : r;
	k->skel->data->inventory_want = want;
	k->skel->data->inventory_tgid = tgid;
	k->skel->data->inventory_fd = fd;
	k->skel->data->inventory_bucket = bucket;
	k->skel->data->inventory_skip = skip;
	iterator = bpf_iter_create(bpf_link__fd(link));
	if (iterator < 0) {
		r = -errno;
	} else {
		r = inventory_read(s, iterator);
		close(iterator);
	}
	bpf_link__destroy(link);
	return r;
}

int kernel_inventory(struct kernel *k, uint32_t tgid, unsigned want, kernel_inventory_fn fn, void *context)
{
	struct sweep s = { .fn = fn, .context = context, .wants_vms = want & KERNEL_WANT_VMS, .wants_slots = want & KERNEL_WANT_SLOTS };
	int r;

	if (k->reasons[PROGRAM_INVENTORY][0])
		return -ENOTSUP;
	s.now = &s.first;
	r = inventory_pass(k, &s, tgid, -1, want, 0, 0);
	for (size_t i = 0; i < s.n_rest; i++) {
		struct vm_pages *v = s.now = &s.rest[i];

		for (unsigned pass = 0; r >= 0 && v->bucket != SLOT_PAGE_END && pass < SLOT_PASSES; pass++) {
			uint32_t bucket = v->bucket, skip = v->skip;

			r = inventory_pass(k, &s, v->header.tgid, v->header.fd, KERNEL_WANT_SLOTS, bucket, skip);
			if (v->bucket == bucket && v->skip == skip)
				break; /* the descriptor is gone */
		}
		if (r >= 0)
			r = vm_hand_on(&s, v);
		free(v->slots);
	}
	free(s.rest);
	free(s.first.slots);
	return r < 0 ? r : 0;
}

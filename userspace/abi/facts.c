/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Facts of one guest and boot, in any order and any number of times.
 *
 * Within a boot every fact has an order of its own, so that arrival means nothing. Ports and MMIO only grow: flags are joined,
 * counts take the greater. All others: an answer before a question that is still open (OBSERVE_SIZING), then the greater number
 * of changes, then the later change, then the one of which more bytes are known, at last the greater bytes.
 * CPUID tables, slots, VM and COVERAGE are replaced as a whole by the later record (header.at_ns, header.seq).
 * Boot numbers of a VM only rise: a BOOT with a lower number than the present one is late delivery and is ignored.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/facts_internal.h"

#define FACTS_ROOM_FIRST 64u
#define FACETS_ALL ((1u << FACETS) - 1)
#define KVM_SLOT_LOG_DIRTY 1u

static unsigned bit(enum facet_id facet) { return 1u << facet; }

struct guest_facts *facts_new(void) { return calloc(1, sizeof(struct guest_facts)); }

static void forget_boot(struct guest_facts *f)
{
	for (size_t i = 0; i < f->vcpu_count; i++)
		free(f->vcpus[i].entries);
	facts_packed_forget(f);
	free(f->vcpus);
	free(f->slots);
	facts_areas_forget(f);
	free(f->items);
	free(f->index);
	free(f->order);
	f->vcpus = NULL;
	f->slots = NULL;
	f->items = NULL;
	f->index = f->order = NULL;
	f->vcpu_count = f->slot_count = f->count = f->room = f->index_room = 0;
	f->slots_stamp = (struct stamp){ 0 };
	f->ordered = f->slots_known = f->slots_complete = f->boot_known = f->from_reset = false;
	memcpy(f->loss_before, f->loss, sizeof(f->loss));
	memset(f->skipped, 0, sizeof(f->skipped));
}

void facts_free(struct guest_facts *f)
{
	if (!f)
		return;
	forget_boot(f);
	free(f->vm.body);
	free(f->coverage.body);
	free(f->args);
	free(f);
}

/* ---- the table of facts */

static uint64_t mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ull;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

static uint64_t key_hash(const struct observe_key *key)
{
	return mix(mix(key->address) ^ ((uint64_t)key->selector << 16 | (uint64_t)key->kind << 8 | key->width));
}

static bool key_equal(const struct observe_key *a, const struct observe_key *b)
{
	return a->address == b->address && a->selector == b->selector && a->kind == b->kind && a->width == b->width;
}

static int key_compare(const struct observe_key *a, const struct observe_key *b)
{
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->selector != b->selector)
		return a->selector < b->selector ? -1 : 1;
	if (a->address != b->address)
		return a->address < b->address ? -1 : 1;
	return (a->width > b->width) - (a->width < b->width);
}

/* Where the key is, or the free place where it would be. */
static uint32_t *index_place(const struct guest_facts *f, const struct observe_key *key)
{
	size_t n = key_hash(key) & (f->index_room - 1);

	while (f->index[n] && !key_equal(&f->items[f->index[n] - 1].key, key))
		n = (n + 1) & (f->index_room - 1);
	return &f->index[n];
}

struct record_fact *facts_lookup(const struct guest_facts *f, const struct observe_key *key)
{
	const uint32_t *place;

	if (!f->count)
		return NULL;
	place = index_place(f, key);
	return *place ? &f->items[*place - 1] : NULL;
}

void facts_table_index(struct guest_facts *f)
{
	if (f->index_room)
		memset(f->index, 0, f->index_room * sizeof(*f->index));
	for (size_t i = 0; i < f->count; i++)
		*index_place(f, &f->items[i].key) = (uint32_t)i + 1;
}

int facts_table_make(struct guest_facts *f, size_t room)
{
	size_t index_room = FACTS_ROOM_FIRST * 2;
	struct record_fact *items = realloc(f->items, room * sizeof(*items));
	uint32_t *index, *order;

	if (!items)
		return -ENOMEM;
	f->items = items;
	/* Room for the order comes with the facts, so that reading them cannot fail. */
	order = realloc(f->order, room * sizeof(*order));
	if (!order)
		return -ENOMEM;
	f->order = order;
	while (index_room < room * 2)
		index_room *= 2;
	index = calloc(index_room, sizeof(*index));
	if (!index)
		return -ENOMEM;
	free(f->index);
	f->index = index;
	f->index_room = index_room;
	f->room = room;
	return 0;
}

static int table_grow(struct guest_facts *f)
{
	int r = facts_table_make(f, f->room ? f->room * 2 : FACTS_ROOM_FIRST);

	if (r >= 0)
		facts_table_index(f);
	return r;
}

bool fact_is_evidence(const struct record_fact *fact)
{
	return (fact->value.flags & OBSERVE_ANSWERED) || fact->value.all_ones >= OBSERVE_ABSENT_READS;
}

static bool kind_only_grows(const struct record_fact *fact)
{
	return fact->key.kind == OBSERVE_PORT || fact->key.kind == OBSERVE_MMIO;
}

bool fact_is_later(const struct record_fact *a, const struct record_fact *b)
{
	const struct observe_value *x = &a->value, *y = &b->value;
	bool x_open = x->flags & OBSERVE_SIZING, y_open = y->flags & OBSERVE_SIZING;

	if (x_open != y_open)
		return y_open;
	if (x->changes != y->changes)
		return x->changes > y->changes;
	if (x->changed_ns != y->changed_ns)
		return x->changed_ns > y->changed_ns;
	if (__builtin_popcount(x->known) != __builtin_popcount(y->known))
		return __builtin_popcount(x->known) > __builtin_popcount(y->known);
	if (x->known != y->known)
		return x->known > y->known;
	if (x->flags != y->flags)
		return x->flags > y->flags;
	return memcmp(x->data, y->data, sizeof(x->data)) > 0;
}

/* Facets whose entries a fact of this kind takes part in: where BARs are decides what ports, mmio and memory leave out. */
static unsigned facets_of(const struct record_fact *fact)
{
	switch (fact->key.kind) {
	case OBSERVE_CPUID:
		return bit(FACET_CPUID);
	case OBSERVE_PORT:
		return bit(FACET_PORTS);
	case OBSERVE_MMIO:
		return bit(FACET_MMIO);
	case OBSERVE_PCI:
	case OBSERVE_PCI_ABSENT:
		return bit(FACET_PCI) | bit(FACET_PLACEMENT);
	case OBSERVE_PCI_SIZE:
	case OBSERVE_PCI_PLACED:
		return bit(FACET_PCI) | bit(FACET_PLACEMENT) | bit(FACET_PORTS) | bit(FACET_MMIO) | bit(FACET_MEMORY) | bit(FACET_FIRMWARE);
	case OBSERVE_MSR:
		return bit(FACET_MSR);
	case OBSERVE_REGISTER:
		return bit(FACET_MMIO) | bit(FACET_PORTS) | bit(FACET_IDENTITY);
	case OBSERVE_FWCFG:
		return bit(FACET_PORTS);
	case OBSERVE_EJECT: /* why something came or went */
		return bit(FACET_PCI) | bit(FACET_MEMORY) | bit(FACET_NUMA);
	default:
		return 0;
	}
}

/* Does it say something that no entry could say before? */
static bool value_tells(const struct record_fact *before, const struct record_fact *after)
{
	const struct observe_value *x = &before->value, *y = &after->value;

	if (kind_only_grows(after))
		return (x->flags & OBSERVE_ANSWERED) != (y->flags & OBSERVE_ANSWERED) ||
		       fact_is_evidence(before) != fact_is_evidence(after);
	return x->flags != y->flags || x->known != y->known || memcmp(x->data, y->data, sizeof(x->data)) != 0;
}

static void value_grow(struct observe_value *held, const struct observe_value *v)
{
	held->flags |= v->flags;
	held->known |= v->known;
	if (v->all_ones > held->all_ones)
		held->all_ones = v->all_ones;
	if (v->changes > held->changes)
		held->changes = v->changes;
	if (v->changed_ns > held->changed_ns)
		held->changed_ns = v->changed_ns;
	if (memcmp(v->data, held->data, sizeof(v->data)) > 0)
		memcpy(held->data, v->data, sizeof(v->data));
}

/* Is it not the place that this register points to now? */
static bool placed_before(const struct guest_facts *f, const struct record_fact *fact)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->items[i].key.kind == OBSERVE_PCI_PLACED && f->items[i].key.selector == fact->key.selector &&
		    f->items[i].key.address != fact->key.address && f->items[i].value.changed_ns > fact->value.changed_ns)
			return true;
	return false;
}

static unsigned fact_join(struct guest_facts *f, struct record_fact *held, const struct record_fact *fact)
{
	const struct record_fact before = *held;
	bool tells;

	if (kind_only_grows(fact)) {
		value_grow(&held->value, &fact->value);
	} else if (fact_is_later(fact, held)) {
		held->value = fact->value;
		held->value.zero = 0;
	}
	tells = value_tells(&before, held);
	/* Moved back to an address that it had before: the same fact, but where it is now is news. */
	if (held->key.kind == OBSERVE_PCI_PLACED && held->value.changed_ns > before.value.changed_ns)
		tells = tells || placed_before(f, &before);
	return tells ? facets_of(held) : 0;
}

static int fact_insert(struct guest_facts *f, const struct record_fact *fact)
{
	struct record_fact *item;
	int r;

	if (!f->items || f->count == f->room) {
		r = table_grow(f);
		if (r < 0)
			return r;
	}
	item = &f->items[f->count++];
	*item = *fact;
	item->key.vm = 0;
	item->key.zero = 0;
	item->value.zero = 0;
	/* The place is looked for before the index knows the new item. */
	*index_place(f, &fact->key) = (uint32_t)f->count;
	f->ordered = false;
	return 0;
}

void facts_drop(struct guest_facts *f, bool (*gone)(const struct guest_facts *f, const struct record_fact *fact))
{
	size_t kept = 0;

	for (size_t i = 0; i < f->count; i++)
		if (!gone(f, &f->items[i]))
			f->items[kept++] = f->items[i];
	f->count = kept;
	facts_table_index(f);
	f->ordered = false;
}

int facts_put(struct guest_facts *f, const struct record_fact *fact, unsigned *ret_news)
{
	struct record_fact *held;
	unsigned news = 0;
	int r;

	if (fact_is_skipped(f, fact))
		return 0;
	held = facts_lookup(f, &fact->key);
	if (held) {
		news = fact_join(f, held, fact);
	} else if (f->count >= FACTS_MAX) {
		f->loss[OBSERVE_CLASSES]++;
	} else {
		r = fact_insert(f, fact);
		if (r < 0)
			return r;
		news = kind_only_grows(fact) && !fact_is_evidence(fact) ? 0 : facets_of(fact);
	}
	if (ret_news)
		*ret_news |= news;
	return 0;
}

/* ---- records */

/* A record's boot against the present one: false = of another boot. A later number is a new boot even before its BOOT comes. */
static bool boot_matches(struct guest_facts *f, uint32_t boot)
{
	if (boot == 0 || boot == f->boot)
		return true;
	if (f->boot_known || boot < f->boot)
		return false;
	if (f->boot)
		forget_boot(f);
	f->boot = boot;
	return true;
}

static bool stamp_equal(const struct stamp *a, const struct stamp *b) { return a->at_ns == b->at_ns && a->seq == b->seq; }

static int add_fact(struct guest_facts *f, const struct record_header *h, const void *body, size_t bytes, unsigned *news)
{
	struct record_fact fact;
	int r;

	if (bytes != sizeof(fact))
		return -EBADMSG;
	memcpy(&fact, body, sizeof(fact));
	/* A newer collector may know more kinds. */
	if (fact.key.kind == 0 || fact.key.kind > OBSERVE_KIND_LAST)
		return 0;
	if (!boot_matches(f, fact.value.boot ? fact.value.boot : h->boot))
		return 0;
	r = facts_unpack(f);
	return r < 0 ? r : facts_put(f, &fact, news);
}

static struct vcpu *vcpu_find(const struct guest_facts *f, uint32_t vcpu_id, size_t *ret_place)
{
	size_t low = 0, high = f->vcpu_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (f->vcpus[middle].vcpu_id < vcpu_id)
			low = middle + 1;
		else
			high = middle;
	}
	*ret_place = low;
	return low < f->vcpu_count && f->vcpus[low].vcpu_id == vcpu_id ? &f->vcpus[low] : NULL;
}

int facts_vcpu_set(struct guest_facts *f, uint32_t vcpu_id, bool ran, const void *entries, uint32_t count, struct stamp stamp)
{
	size_t place, bytes = (size_t)count * sizeof(struct inventory_cpuid_entry);
	struct vcpu *vcpu = vcpu_find(f, vcpu_id, &place), *vcpus;
	struct inventory_cpuid_entry *copy;

	if (!vcpu && f->vcpu_count >= FACTS_VCPUS_MAX)
		return 0;
	copy = malloc(bytes ? bytes : 1);
	if (!copy)
		return -ENOMEM;
	if (bytes)
		memcpy(copy, entries, bytes);
	if (!vcpu) {
		vcpus = realloc(f->vcpus, (f->vcpu_count + 1) * sizeof(*vcpus));
		if (!vcpus) {
			free(copy);
			return -ENOMEM;
		}
		f->vcpus = vcpus;
		vcpu = &vcpus[place];
		memmove(vcpu + 1, vcpu, (f->vcpu_count - place) * sizeof(*vcpu));
		memset(vcpu, 0, sizeof(*vcpu));
		f->vcpu_count++;
	}
	free(vcpu->entries);
	*vcpu = (struct vcpu){ .stamp = stamp, .entries = copy, .vcpu_id = vcpu_id, .count = count, .ran = ran || vcpu->ran };
	return 0;
}

/* -1, 0, 1: against the table held. */
static int cpuid_compare(const struct vcpu *held, const void *entries, uint32_t count)
{
	if (held->count != count)
		return held->count < count ? -1 : 1;
	return count ? memcmp(held->entries, entries, (size_t)count * sizeof(*held->entries)) : 0;
}

static int add_cpuid(struct guest_facts *f, const struct record_header *h, const void *body, size_t bytes, unsigned *news)
{
	struct stamp stamp = { h->at_ns, h->seq };
	const char *entries = (const char *)body + sizeof(struct record_cpuid);
	struct record_cpuid head;
	struct vcpu *held;
	size_t place;
	int order = -1, r;

	if (bytes < sizeof(head))
		return -EBADMSG;
	memcpy(&head, body, sizeof(head));
	if (bytes - sizeof(head) != (size_t)head.count * sizeof(struct inventory_cpuid_entry))
		return -EBADMSG;
	if (!boot_matches(f, h->boot))
		return 0;
	r = facts_unpack(f);
	if (r < 0)
		return r;
	held = vcpu_find(f, head.vcpu_id, &place);
	if (held) {
		order = cpuid_compare(held, entries, head.count);
		if (head.ran && !held->ran)
			*news |= bit(FACET_CPUID) | bit(FACET_NUMA);
		held->ran = held->ran || head.ran;
		if (stamp_later(&held->stamp, &stamp) || (stamp_equal(&held->stamp, &stamp) && order >= 0))
			return 0;
	}
	if (order != 0)
		*news |= bit(FACET_CPUID) | bit(FACET_NUMA);
	return facts_vcpu_set(f, head.vcpu_id, head.ran, entries, head.count, stamp);
}

static int by_gpa(const void *va, const void *vb)
{
	const struct record_slot *a = va, *b = vb;

	if (a->gpa != b->gpa)
		return a->gpa < b->gpa ? -1 : 1;
	return a->bytes != b->bytes ? (a->bytes < b->bytes ? -1 : 1) : (a->flags > b->flags) - (a->flags < b->flags);
}

int facts_slots_set(struct guest_facts *f, const void *slots, size_t count, bool complete)
{
	struct record_slot *copy = calloc(count ? count : 1, sizeof(*copy));

	if (!copy)
		return -ENOMEM;
	if (count) {
		memcpy(copy, slots, count * sizeof(*copy));
		qsort(copy, count, sizeof(*copy), by_gpa);
	}
	free(f->slots);
	f->slots = copy;
	f->slot_count = count;
	f->slots_known = true;
	f->slots_complete = complete;
	return 0;
}

/* Where guest memory lies in the VMM (hva), slot numbers and dirty logging (a migration) are not what a guest sees. */
static int slots_compare(const struct guest_facts *a, const struct guest_facts *b)
{
	if (a->slot_count != b->slot_count)
		return a->slot_count < b->slot_count ? -1 : 1;
	for (size_t i = 0; i < a->slot_count; i++) {
		const struct record_slot *x = &a->slots[i], *y = &b->slots[i];

		if (x->gpa != y->gpa)
			return x->gpa < y->gpa ? -1 : 1;
		if (x->bytes != y->bytes)
			return x->bytes < y->bytes ? -1 : 1;
		if ((x->flags | KVM_SLOT_LOG_DIRTY) != (y->flags | KVM_SLOT_LOG_DIRTY))
			return x->flags < y->flags ? -1 : 1;
	}
	return (int)a->slots_complete - (int)b->slots_complete;
}

static int add_slots(struct guest_facts *f, const struct record_header *h, const void *body, size_t bytes, unsigned *news)
{
	struct stamp stamp = { h->at_ns, h->seq };
	struct guest_facts other = { 0 };
	struct record_slots head;
	int order, r;

	if (bytes < sizeof(head))
		return -EBADMSG;
	memcpy(&head, body, sizeof(head));
	if (bytes - sizeof(head) != (size_t)head.count * sizeof(struct record_slot))
		return -EBADMSG;
	if (!boot_matches(f, h->boot))
		return 0;
	r = facts_unpack(f);
	if (r >= 0)
		r = facts_slots_set(&other, (const char *)body + sizeof(head), head.count, head.complete);
	if (r < 0)
		return r;
	order = f->slots_known ? slots_compare(f, &other) : -1;
	if (f->slots_known && (stamp_later(&f->slots_stamp, &stamp) || (stamp_equal(&f->slots_stamp, &stamp) && order >= 0))) {
		free(other.slots);
		return 0;
	}
	free(f->slots);
	f->slots = other.slots;
	f->slot_count = other.slot_count;
	f->slots_complete = other.slots_complete;
	f->slots_known = true;
	f->slots_stamp = stamp;
	if (order != 0)
		*news |= bit(FACET_MEMORY) | bit(FACET_PLACEMENT) | bit(FACET_FIRMWARE);
	return 0;
}

/* Facets that a reading takes part in. */
static unsigned facets_of_area(enum record_area area)
{
	switch (area) {
	case RECORD_AREA_ACPI:
		return bit(FACET_ACPI) | bit(FACET_NUMA);
	case RECORD_AREA_SMBIOS:
		return bit(FACET_SMBIOS) | bit(FACET_IDENTITY);
	case RECORD_AREA_FIRMWARE:
		return bit(FACET_FIRMWARE);
	}
	return 0;
}

static int add_memory(struct guest_facts *f, const struct record_header *h, const void *body, size_t bytes, unsigned *news)
{
	struct stamp stamp = { h->at_ns, h->seq };
	enum record_area area;
	int r;

	if (!boot_matches(f, h->boot))
		return 0;
	r = facts_unpack(f);
	if (r < 0)
		return r;
	r = facts_area_add(f, stamp, body, bytes, &area);
	*news |= facets_of_area(area);
	return r;
}

static int args_index(const void *body, size_t bytes, const char ***ret, size_t *ret_count)
{
	const char *key, *value, **args = NULL, **more;
	size_t cursor = 0, count = 0, room = 0;
	int r;

	while ((r = record_pair_next(body, bytes, &cursor, &key, &value)) > 0) {
		if (strcmp(key, "arg") != 0)
			continue;
		if (count == room) {
			room = room ? room * 2 : 32;
			more = realloc(args, room * sizeof(*args));
			if (!more) {
				free(args);
				return -ENOMEM;
			}
			args = more;
		}
		args[count++] = value;
	}
	if (r < 0) {
		free(args);
		return r;
	}
	*ret = args;
	*ret_count = count;
	return 0;
}

int facts_pairs_set(struct guest_facts *f, struct pairs *p, const void *body, size_t bytes)
{
	char *copy = malloc(bytes ? bytes : 1);
	const char **args;
	size_t count;
	int r;

	if (!copy)
		return -ENOMEM;
	if (bytes)
		memcpy(copy, body, bytes);
	r = args_index(copy, bytes, &args, &count);
	if (r < 0) {
		free(copy);
		return r;
	}
	if (p == &f->vm) {
		free(f->args);
		f->args = args;
		f->arg_count = count;
	} else {
		free(args);
	}
	free(p->body);
	p->body = copy;
	p->bytes = bytes;
	p->known = true;
	return 0;
}

/* *ret_news: it differs from what was held. */
static int add_pairs(struct guest_facts *f, struct pairs *p, const struct record_header *h, const void *body, size_t bytes, bool *ret_news)
{
	struct stamp stamp = { h->at_ns, h->seq };
	size_t shorter = p->bytes < bytes ? p->bytes : bytes;
	int order = p->known ? (shorter ? memcmp(p->body, body, shorter) : 0) : -1;
	int r;

	if (p->known && order == 0)
		order = (p->bytes > bytes) - (p->bytes < bytes);
	if (p->known && (stamp_later(&p->stamp, &stamp) || (stamp_equal(&p->stamp, &stamp) && order >= 0)))
		return 0;
	r = facts_pairs_set(f, p, body, bytes);
	if (r < 0)
		return r;
	p->stamp = stamp;
	*ret_news = order != 0;
	return 0;
}

static int add_boot(struct guest_facts *f, const struct record_header *h, const void *body, size_t bytes, unsigned *news)
{
	struct record_boot boot;

	if (bytes != sizeof(boot) || h->boot == 0)
		return -EBADMSG;
	memcpy(&boot, body, sizeof(boot));
	if (h->boot < f->boot)
		return 0;
	if (h->boot > f->boot) {
		/* Before any BOOT, facts without a number are taken for the first one's. */
		if (f->boot)
			forget_boot(f);
		*news |= FACETS_ALL;
	} else if (!f->boot_known || (boot.from_reset && !f->from_reset)) {
		*news |= bit(FACET_PCI);
	}
	f->boot = h->boot;
	/* A collector that was restarted finds a boot that an earlier one saw begin. */
	f->from_reset = f->from_reset || boot.from_reset;
	f->boot_known = true;
	return 0;
}

static int add_loss(struct guest_facts *f, const struct record_header *h, const void *body, size_t bytes, unsigned *news)
{
	struct record_loss loss;
	uint32_t class;
	int r;

	if (bytes != sizeof(loss))
		return -EBADMSG;
	memcpy(&loss, body, sizeof(loss));
	r = loss.stage == RECORD_LOSS_MISSED ? facts_unpack(f) : 0;
	if (r < 0)
		return r;
	for (int d = 0; loss.stage == RECORD_LOSS_MISSED && d < FACTS_DECODED; d++)
		if (loss.class == facts_decoded_class(d) && (!h->boot || h->boot == f->boot))
			facts_skip(f, d, loss.count, news);
	/* News that the ring dropped is found again in the map; the rest is not about facts of one guest. */
	if (loss.stage != RECORD_LOSS_QUOTA && loss.stage != RECORD_LOSS_MAP)
		return 0;
	/* The map is full for all of them, whatever number a writer has for "no class": that grows with the classes. */
	class = loss.stage == RECORD_LOSS_QUOTA && loss.class < OBSERVE_CLASSES ? loss.class : OBSERVE_CLASSES;
	if (h->boot && h->boot < f->boot && loss.count > f->loss_before[class])
		f->loss_before[class] = loss.count;
	if (loss.count > f->loss[class])
		f->loss[class] = loss.count;
	return 0;
}

int facts_add(struct guest_facts *f, const struct record_header *h, const void *body, size_t bytes, unsigned *ret_news)
{
	unsigned news = 0;
	bool changed = false;
	int r = 0;

	switch (h->type) {
	case RECORD_VM:
		r = add_pairs(f, &f->vm, h, body, bytes, &changed);
		news = changed ? bit(FACET_IDENTITY) : 0;
		break;
	case RECORD_COVERAGE:
		r = add_pairs(f, &f->coverage, h, body, bytes, &changed);
		news = changed ? FACETS_ALL : 0;
		break;
	case RECORD_BOOT:
		r = add_boot(f, h, body, bytes, &news);
		break;
	case RECORD_FACT:
		r = add_fact(f, h, body, bytes, &news);
		break;
	case RECORD_CPUID:
		r = add_cpuid(f, h, body, bytes, &news);
		break;
	case RECORD_SLOTS:
		r = add_slots(f, h, body, bytes, &news);
		break;
	case RECORD_MEMORY:
		r = add_memory(f, h, body, bytes, &news);
		break;
	case RECORD_LOSS:
		r = add_loss(f, h, body, bytes, &news);
		break;
	default:
		break;
	}
	if (r < 0)
		return r;
	if (ret_news)
		*ret_news = news;
	return 0;
}

/* ---- for the facets */

static int by_key(const void *va, const void *vb, void *items)
{
	const struct record_fact *facts = items;

	return key_compare(&facts[*(const uint32_t *)va].key, &facts[*(const uint32_t *)vb].key);
}

/* The order is a view that is made when it is first asked for: it changes nothing that a caller can see. */
static void order_make(const struct guest_facts *f)
{
	if (f->ordered)
		return;
	for (size_t i = 0; i < f->count; i++)
		f->order[i] = (uint32_t)i;
	if (f->count)
		qsort_r(f->order, f->count, sizeof(*f->order), by_key, f->items);
	((struct guest_facts *)f)->ordered = true;
}

static size_t order_first(const struct guest_facts *f, enum observe_kind kind, uint32_t selector)
{
	size_t low = 0, high = f->count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		const struct observe_key *key = &f->items[f->order[middle]].key;

		if (key->kind < kind || (key->kind == kind && key->selector < selector))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct record_fact *facts_next(const struct guest_facts *f, enum observe_kind kind, size_t *cursor)
{
	const struct record_fact *fact;
	size_t n;

	order_make(f);
	n = *cursor ? *cursor : order_first(f, kind, 0);
	if (n >= f->count)
		return NULL;
	fact = &f->items[f->order[n]];
	if (fact->key.kind != kind)
		return NULL;
	*cursor = n + 1;
	return fact;
}

const struct record_fact *facts_next_of(const struct guest_facts *f, enum observe_kind kind, uint32_t selector, size_t *cursor)
{
	const struct record_fact *fact;

	order_make(f);
	if (!*cursor)
		*cursor = order_first(f, kind, selector);
	/* The first of all facts is met by its place 0, as if not begun. */
	fact = facts_next(f, kind, cursor);
	return fact && fact->key.selector == selector ? fact : NULL;
}

const struct record_fact *facts_find(const struct guest_facts *f, enum observe_kind kind, uint32_t selector, uint64_t address,
				     uint8_t width)
{
	struct observe_key key = { .kind = kind, .selector = selector, .address = address, .width = width };

	return facts_lookup(f, &key);
}

size_t facts_cpuid_count(const struct guest_facts *f) { return f->vcpu_count; }

bool facts_cpuid_get(const struct guest_facts *f, size_t n, struct facts_cpuid *ret)
{
	if (n >= f->vcpu_count)
		return false;
	*ret = (struct facts_cpuid){
		.vcpu_id = f->vcpus[n].vcpu_id, .ran = f->vcpus[n].ran, .count = f->vcpus[n].count, .entries = f->vcpus[n].entries,
	};
	return true;
}

const struct record_slot *facts_slots(const struct guest_facts *f, size_t *ret_count, bool *ret_complete)
{
	*ret_count = f->slots_known ? f->slot_count : 0;
	*ret_complete = f->slots_known && f->slots_complete;
	return f->slots_known ? f->slots : NULL;
}

const char *facts_vm(const struct guest_facts *f, const char *key)
{
	return f->vm.known ? record_pair_get(f->vm.body, f->vm.bytes, key) : NULL;
}

bool facts_vm_next(const struct guest_facts *f, size_t *cursor, const char **ret_key, const char **ret_value)
{
	return f->vm.known && record_pair_next(f->vm.body, f->vm.bytes, cursor, ret_key, ret_value) > 0;
}

const char *facts_arg(const struct guest_facts *f, size_t n) { return n < f->arg_count ? f->args[n] : NULL; }

const char *facts_blind(const struct guest_facts *f, const char *facet_name)
{
	return f->coverage.known ? record_pair_get(f->coverage.body, f->coverage.bytes, facet_name) : NULL;
}

static uint64_t lost_of(const struct guest_facts *f, size_t class) { return f->loss[class] - f->loss_before[class]; }

uint64_t facts_lost(const struct guest_facts *f, enum observe_class class)
{
	return lost_of(f, OBSERVE_CLASSES) + (class < OBSERVE_CLASSES ? lost_of(f, class) : 0);
}

bool facts_from_reset(const struct guest_facts *f) { return f->boot_known && f->from_reset; }
uint32_t facts_boot(const struct guest_facts *f) { return f->boot; }

bool facts_ran(const struct guest_facts *f)
{
	for (size_t i = 0; i < f->vcpu_count; i++)
		if (f->vcpus[i].ran)
			return true;
	return f->count > 0 || f->skipped[FACTS_OF_PCI] || f->skipped[FACTS_OF_REGISTERS];
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Facet cpuid: what the CPUID instruction answers, leaf by leaf. Four lines a leaf, `0x00000007.0.ebx 0x219c07ab`; a leaf that
 * answers only zeros and one that is not there are the same answer to the guest, and have none. A register that another vCPU
 * answers differently is `…/vcpu.N`; one that the guest was seen to get otherwise than its table says is `…/seen`.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/cpuid_names.h"
#include "userspace/abi/entries.h"
#include "userspace/abi/facets_internal.h"
#include "userspace/abi/facts.h"
#include "userspace/base/buffer.h"

#define ANY CPUID_ANY_SUBLEAF
#define ALL_BITS 0xffffffffu

#define LEAF_FEATURES 0x1
#define LEAF_EXTENDED_FEATURES 0x7
#define LEAF_HYPERVISOR 0x40000000
#define LEAF_HYPERVISOR_STEP 0x100
#define LEAF_HYPERVISOR_END 0x40010000
#define LEAF_POWER 0x80000007
#define FEATURE_ECX_MONITOR (1u << 3)
#define EXTENDED_EBX_HLE_RTM (1u << 4 | 1u << 11)
#define POWER_EDX_INVTSC (1u << 8)
#define INDEX_SIGNIFICANT 1u /* KVM_CPUID_FLAG_SIGNIFCANT_INDEX */

/* Leaves of Xen's block, from its base on (xen/include/public/arch-x86/cpuid.h). */
#define XEN_LEAF_TIME 3
#define XEN_LEAF_VCPU 4

struct mask {
	uint32_t leaf;
	uint32_t subleaf;
	uint32_t clear[CPUID_REGISTERS];
};

/* Answers that move by themselves, or belong to one vCPU. */
static const struct mask masks[] = {
	/* initial APIC id; OSXSAVE mirrors CR4; APIC mirrors APICBASE's enable bit */
	{ 0x1, ANY, { 0, 0xff000000, 1u << 27, 1u << 9 } },
	/* OSPKE mirrors CR4 */
	{ 0x7, 0, { 0, 0, 1u << 4, 0 } },
	/* size of the area for what XCR0 (and XSS) enable at the moment */
	{ 0xd, 0, { 0, ALL_BITS, 0, 0 } },
	{ 0xd, 1, { 0, ALL_BITS, 0, 0 } },
	/* x2APIC id; ECX[7:0] echoes the question */
	{ 0xb, ANY, { 0, 0, 0xff, ALL_BITS } },
	{ 0x1f, ANY, { 0, 0, 0xff, ALL_BITS } },
	{ 0x80000026, ANY, { 0, 0, 0xff, ALL_BITS } },
	/* extended APIC id, core id, node id */
	{ 0x8000001e, ANY, { ALL_BITS, 0xff, 0xff, 0 } },
};

/* What of the guest decides how its answers are normalised. */
struct normaliser {
	uint32_t xen_base;     /* 0: no Xen leaves */
	bool monitor_mirrors;
	bool guest_controlled; /* answers, not a table: the bits that the guest itself can switch off are cleared too */
};

struct answer {
	uint32_t leaf;
	uint32_t subleaf;
	uint32_t regs[CPUID_REGISTERS];
};

/* Sorted by leaf and subleaf; without answers of only zeros. */
struct answers {
	struct answer *items;
	size_t count;
};

static const struct answer no_answer;

/* ---- normalising */
static void normalise(const struct normaliser *n, struct answer *a)
{
	for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++)
		if (masks[i].leaf == a->leaf && (masks[i].subleaf == ANY || masks[i].subleaf == a->subleaf))
			for (unsigned reg = 0; reg < CPUID_REGISTERS; reg++)
				a->regs[reg] &= ~masks[i].clear[reg];
	if (a->leaf == LEAF_FEATURES && n->monitor_mirrors)
		a->regs[CPUID_ECX] &= ~FEATURE_ECX_MONITOR;
	/* pvclock's multiplier and shift, which KVM computes; the vCPU's number */
	if (n->xen_base && a->leaf == n->xen_base + XEN_LEAF_TIME)
		memset(a->regs, 0, sizeof(a->regs));
	if (n->xen_base && a->leaf == n->xen_base + XEN_LEAF_VCPU)
		a->regs[CPUID_EBX] = 0;
	if (!n->guest_controlled)
		return;
	/* Off while the guest has set TSX_CTRL; off until the guest uses Hyper-V's invariant TSC control. */
	if (a->leaf == LEAF_EXTENDED_FEATURES && a->subleaf == 0)
		a->regs[CPUID_EBX] &= ~EXTENDED_EBX_HLE_RTM;
	if (a->leaf == LEAF_POWER)
		a->regs[CPUID_EDX] &= ~POWER_EDX_INVTSC;
}

static bool is_xen_base(uint32_t leaf, const uint32_t regs[CPUID_REGISTERS])
{
	char signature[12];

	if (leaf < LEAF_HYPERVISOR || leaf >= LEAF_HYPERVISOR_END || leaf % LEAF_HYPERVISOR_STEP != 0)
		return false;
	memcpy(signature, &regs[CPUID_EBX], sizeof(signature));
	return memcmp(signature, "XenVMMXenVMM", sizeof(signature)) == 0;
}

static int answer_compare(const void *a, const void *b)
{
	const struct answer *x = a, *y = b;

	if (x->leaf != y->leaf)
		return x->leaf < y->leaf ? -1 : 1;
	if (x->subleaf != y->subleaf)
		return x->subleaf < y->subleaf ? -1 : 1;
	return 0;
}

static bool answer_is_zero(const struct answer *a)
{
	return memcmp(a->regs, no_answer.regs, sizeof(a->regs)) == 0;
}

/* KVM answers with the first entry that fits, and one whose index is not significant fits every subleaf. */
static const struct inventory_cpuid_entry *table_find(const struct facts_cpuid *table, uint32_t leaf, uint32_t subleaf)
{
	for (uint32_t i = 0; i < table->count; i++) {
		const struct inventory_cpuid_entry *e = &table->entries[i];

		if (e->function == leaf && (!(e->flags & INDEX_SIGNIFICANT) || e->index == subleaf))
			return e;
	}
	return NULL;
}

static int answers_from_table(const struct facts_cpuid *table, const struct normaliser *n, struct answers *ret)
{
	struct answers answers = { .items = calloc(table->count ? table->count : 1, sizeof(struct answer)) };

	if (!answers.items)
		return -ENOMEM;
	for (uint32_t i = 0; i < table->count; i++) {
		const struct inventory_cpuid_entry *e = &table->entries[i];
		struct answer a = { .leaf = e->function, .subleaf = e->flags & INDEX_SIGNIFICANT ? e->index : 0 };

		if (table_find(table, a.leaf, a.subleaf) != e)
			continue;
		memcpy(a.regs, e->regs, sizeof(a.regs));
		normalise(n, &a);
		if (!answer_is_zero(&a))
			answers.items[answers.count++] = a;
	}
	qsort(answers.items, answers.count, sizeof(*answers.items), answer_compare);
	*ret = answers;
	return 0;
}

static void answers_release(struct answers *a)
{
	free(a->items);
	*a = (struct answers){ 0 };
}

/* ---- entries */
static int add_register(struct abi_entries *out, const struct answer *a, unsigned reg, const char *suffix)
{
	char key[64];

	snprintf(key, sizeof(key), "0x%08x.%u.%s%s", a->leaf, a->subleaf, cpuid_register_name(reg), suffix);
	return entries_addf(out, FACET_CPUID, key, "0x%08x", a->regs[reg]);
}

static int add_answer(struct abi_entries *out, const struct answer *a)
{
	int r = 0;

	for (unsigned reg = 0; r == 0 && reg < CPUID_REGISTERS; reg++)
		r = add_register(out, a, reg, "");
	return r;
}

/* The registers in which `other` answers differently from `first`, with a suffix that says whose answer it is. */
static int add_differing(struct abi_entries *out, const struct answer *first, const struct answer *other, const char *suffix)
{
	int r = 0;

	for (unsigned reg = 0; r == 0 && reg < CPUID_REGISTERS; reg++)
		if (first->regs[reg] != other->regs[reg])
			r = add_register(out, other, reg, suffix);
	return r;
}

static int add_vcpu(struct abi_entries *out, const struct answers *first, const struct answers *other, uint32_t vcpu_id)
{
	char suffix[24];
	size_t i = 0, k = 0;
	int r = 0;

	snprintf(suffix, sizeof(suffix), "/vcpu.%u", vcpu_id);
	while (r == 0 && (i < first->count || k < other->count)) {
		struct answer absent = no_answer;
		int order = i == first->count ? 1 : k == other->count ? -1 : answer_compare(&first->items[i], &other->items[k]);

		if (order < 0) {
			absent.leaf = first->items[i].leaf;
			absent.subleaf = first->items[i].subleaf;
			r = add_differing(out, &first->items[i++], &absent, suffix);
		} else if (order > 0) {
			r = add_differing(out, &absent, &other->items[k++], suffix);
		} else {
			r = add_differing(out, &first->items[i++], &other->items[k++], suffix);
		}
	}
	return r;
}

/* ---- witnessed answers */
static bool fact_answer(const struct record_fact *fact, struct answer *ret)
{
	/* Out of range: the answer belongs to the highest basic leaf (SDM vol. 2A, CPUID), and says nothing of this one. */
	if (!(fact->value.flags & OBSERVE_FOUND) || fact->value.flags & OBSERVE_MAX_BASIC || fact->key.address > UINT32_MAX)
		return false;
	ret->leaf = fact->key.selector;
	ret->subleaf = (uint32_t)fact->key.address;
	memcpy(ret->regs, fact->value.data, sizeof(ret->regs));
	return true;
}

static int derive_witnessed(const struct guest_facts *facts, struct abi_entries *out)
{
	struct normaliser n = { .guest_controlled = true };
	const struct record_fact *fact;
	struct answer a;
	size_t cursor = 0;
	int r = 0;

	while (!n.xen_base && (fact = facts_next(facts, OBSERVE_CPUID, &cursor)) != NULL)
		if (fact_answer(fact, &a) && is_xen_base(a.leaf, a.regs))
			n.xen_base = a.leaf;
	cursor = 0;
	while (r == 0 && (fact = facts_next(facts, OBSERVE_CPUID, &cursor)) != NULL) {
		if (!fact_answer(fact, &a))
			continue;
		normalise(&n, &a);
		if (!answer_is_zero(&a))
			r = add_answer(out, &a);
	}
	return r;
}

/* ---- tables */
struct tables {
	struct facts_cpuid *items; /* of vCPUs that have run or were given a table; by vCPU id */
	size_t count;
	bool ran;
};

static int tables_get(const struct guest_facts *facts, struct tables *ret)
{
	size_t count = facts_cpuid_count(facts);
	struct tables t = { .items = calloc(count ? count : 1, sizeof(struct facts_cpuid)), .ran = facts_ran(facts) };

	if (!t.items)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		struct facts_cpuid *one = &t.items[t.count];

		if (!facts_cpuid_get(facts, i, one))
			continue;
		/* Created, and not given its table yet: it tells nothing. One that runs without a table has that ABI. */
		if (!one->ran && one->count == 0)
			continue;
		t.ran = t.ran || one->ran;
		t.count++;
	}
	*ret = t;
	return 0;
}

/*
 * KVM makes MONITOR follow each vCPU's MISC_ENABLE[18] where the VMM disabled the quirk KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT, and
 * nothing in the table says whether it did. What shows it: vCPUs that disagree about the bit, or a guest that got another one
 * than its table has. Otherwise the bit is what the VMM chose, and is kept.
 */
static bool monitor_mirrors(const struct guest_facts *facts, const struct tables *tables)
{
	const struct record_fact *fact = facts_find(facts, OBSERVE_CPUID, LEAF_FEATURES, 0, 0);
	bool known = false;
	uint32_t first = 0;
	struct answer a;

	for (size_t i = 0; i < tables->count; i++) {
		const struct inventory_cpuid_entry *e = table_find(&tables->items[i], LEAF_FEATURES, 0);

		if (!e)
			continue;
		if (known && (e->regs[CPUID_ECX] & FEATURE_ECX_MONITOR) != first)
			return true;
		first = e->regs[CPUID_ECX] & FEATURE_ECX_MONITOR;
		known = true;
	}
	return known && fact && fact_answer(fact, &a) && (a.regs[CPUID_ECX] & FEATURE_ECX_MONITOR) != first;
}

static uint32_t xen_base(const struct tables *tables)
{
	for (size_t i = 0; i < tables->count; i++)
		for (uint32_t k = 0; k < tables->items[i].count; k++)
			if (is_xen_base(tables->items[i].entries[k].function, tables->items[i].entries[k].regs))
				return tables->items[i].entries[k].function;
	return 0;
}

/* The table's answer to what the guest asked, as the guest gets it. A fact's subleaf is 0 where the leaf has none. */
static struct answer table_answer(const struct facts_cpuid *table, uint32_t leaf, uint32_t subleaf, const struct normaliser *n)
{
	const struct inventory_cpuid_entry *e = table_find(table, leaf, subleaf);
	struct answer a = { .leaf = leaf, .subleaf = subleaf };

	if (e)
		memcpy(a.regs, e->regs, sizeof(a.regs));
	normalise(n, &a);
	return a;
}

/* Answers that no vCPU's table gives. An honest KVM makes none: what it edits on the way is masked on both sides. */
static int add_contradictions(const struct guest_facts *facts, const struct tables *tables, struct normaliser n, struct abi_entries *out)
{
	const struct record_fact *fact;
	size_t cursor = 0;
	int r = 0;

	n.guest_controlled = true;
	while (r == 0 && (fact = facts_next(facts, OBSERVE_CPUID, &cursor)) != NULL) {
		struct answer seen, first;
		bool agrees = false;

		if (!fact_answer(fact, &seen))
			continue;
		normalise(&n, &seen);
		for (size_t i = 0; !agrees && i < tables->count; i++) {
			struct answer expected = table_answer(&tables->items[i], seen.leaf, seen.subleaf, &n);

			agrees = memcmp(expected.regs, seen.regs, sizeof(seen.regs)) == 0;
		}
		if (agrees)
			continue;
		first = table_answer(&tables->items[0], seen.leaf, seen.subleaf, &n);
		r = add_differing(out, &first, &seen, "/seen");
	}
	return r;
}

static int derive_tables(const struct guest_facts *facts, const struct tables *tables, struct abi_entries *out)
{
	struct normaliser n = { .xen_base = xen_base(tables), .monitor_mirrors = monitor_mirrors(facts, tables) };
	struct answers first, other;
	int r;

	r = answers_from_table(&tables->items[0], &n, &first);
	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < first.count; i++)
		r = add_answer(out, &first.items[i]);
	for (size_t i = 1; r == 0 && i < tables->count; i++) {
		r = answers_from_table(&tables->items[i], &n, &other);
		if (r < 0)
			break;
		r = add_vcpu(out, &first, &other, tables->items[i].vcpu_id);
		answers_release(&other);
	}
	answers_release(&first);
	if (r == 0)
		r = add_contradictions(facts, tables, n, out);
	return r;
}

static int cover_without_tables(const struct guest_facts *facts, struct abi_entries *out)
{
	const char *blind = facts_blind(facts, "cpuid");
	uint64_t lost = facts_lost(facts, OBSERVE_CLASS_CPUID);
	size_t cursor = 0;

	if (facts_next(facts, OBSERVE_CPUID, &cursor)) {
		if (lost)
			return entries_cover(out, FACET_CPUID, COVERAGE_WITNESSED,
					     "no vCPU's CPUID table was read: only what the guest asked for; %llu answers were refused",
					     (unsigned long long)lost);
		return entries_cover(out, FACET_CPUID, COVERAGE_WITNESSED, "no vCPU's CPUID table was read: only what the guest asked for");
	}
	if (blind)
		return entries_cover(out, FACET_CPUID, COVERAGE_NONE, "%s", blind);
	if (facts_ran(facts))
		return entries_cover(out, FACET_CPUID, COVERAGE_NONE, "no vCPU's CPUID table was read, and the guest has asked for nothing");
	return entries_cover(out, FACET_CPUID, COVERAGE_NONE, "no vCPU has run yet");
}

int cpuid_derive(const struct guest_facts *facts, struct abi_entries *out)
{
	struct tables tables;
	int r;

	r = tables_get(facts, &tables);
	if (r < 0)
		return r;
	if (!tables.count) {
		r = derive_witnessed(facts, out);
		if (r == 0)
			r = cover_without_tables(facts, out);
	} else if (!tables.ran) {
		/* The VMM may still change it (KVM refuses that only after the first run). */
		r = entries_cover(out, FACET_CPUID, COVERAGE_NONE, "no vCPU has run yet");
	} else {
		r = derive_tables(facts, &tables, out);
		if (r == 0)
			r = entries_cover(out, FACET_CPUID, COVERAGE_COMPLETE, "%s", "");
	}
	free(tables.items);
	return r;
}

/* ---- for a person */
struct register_key {
	uint32_t leaf;
	uint32_t subleaf;
	enum cpuid_register reg;
};

static bool register_key_parse(const char *key, struct register_key *ret)
{
	char name[4] = "";
	int end = 0;

	/* %8x and %10u: a key may come from a file that anyone wrote. */
	if (sscanf(key, "0x%8x.%10u.%3[a-z]%n", &ret->leaf, &ret->subleaf, name, &end) != 3 || end == 0)
		return false;
	if (key[end] != '\0' && key[end] != '/')
		return false;
	for (unsigned reg = 0; reg < CPUID_REGISTERS; reg++)
		if (strcmp(name, cpuid_register_name(reg)) == 0) {
			ret->reg = reg;
			return true;
		}
	return false;
}

static bool register_value_parse(const char *text, uint32_t *ret)
{
	int end = 0;

	return sscanf(text, "0x%8x%n", ret, &end) == 1 && text[end] == '\0';
}

static void text_of_register(uint32_t value, struct buffer *out)
{
	buffer_string(out, "\"");
	for (unsigned i = 0; i < 4; i++) {
		unsigned char c = (unsigned char)(value >> (8 * i));

		if (c >= ' ' && c < 0x7f && c != '"' && c != '\\')
			buffer_printf(out, "%c", c);
		else if (c)
			buffer_string(out, ".");
	}
	buffer_string(out, "\"");
}

/* A number of this size is a leaf's. */
static void number_append(struct buffer *out, const char *separator, const char *name, uint32_t number)
{
	if (number >= LEAF_HYPERVISOR)
		buffer_printf(out, "%s%s=0x%x", separator, name, number);
	else
		buffer_printf(out, "%s%s=%u", separator, name, number);
}

void cpuid_meaning(const char *key, const char *value, struct buffer *out)
{
	const char *separator = "";
	struct cpuid_part part;
	struct register_key k;
	uint32_t bits, unnamed;

	if (!register_key_parse(key, &k) || !register_value_parse(value, &bits))
		return;
	if (cpuid_is_text(k.leaf, k.reg, bits)) {
		if (bits)
			text_of_register(bits, out);
		return;
	}
	unnamed = bits;
	for (size_t n = 0; cpuid_part_get(k.leaf, k.subleaf, k.reg, n, &part); n++) {
		unnamed &= ~part.mask;
		if (!(bits & part.mask))
			continue;
		if (cpuid_part_is_bit(&part))
			buffer_printf(out, "%s%s", separator, part.name);
		else
			number_append(out, separator, part.name, cpuid_part_number(&part, bits));
		separator = ", ";
	}
	/* A register of which nothing is known is its number; one bit among named ones is worth a word. */
	if (unnamed == bits)
		return;
	for (unsigned bit = 0; bit < 32; bit++)
		if (unnamed & 1u << bit)
			buffer_printf(out, "%sreserved_%u", separator, bit);
	if (cpuid_is_host_bound(k.leaf))
		buffer_string(out, " (from the host)");
}

struct two_values {
	const struct register_key *key;
	uint32_t from, to;
	bool has_from, has_to;
};

static int part_add(struct abi_fields *out, const struct two_values *v, const struct cpuid_part *part)
{
	const char *reg = cpuid_register_name(v->key->reg);
	char bits[32], from[12], to[12];

	if (part->bits)
		snprintf(bits, sizeof(bits), "%s[%s]", reg, part->bits);
	else
		snprintf(bits, sizeof(bits), "%s[%d]", reg, __builtin_ctz(part->mask));
	snprintf(from, sizeof(from), "%u", cpuid_part_number(part, v->from));
	snprintf(to, sizeof(to), "%u", cpuid_part_number(part, v->to));
	return abi_fields_add(out, part->name, bits, v->has_from ? from : NULL, v->has_to ? to : NULL);
}

/* Four characters of a name, as its meaning has them. */
static int text_add(struct abi_fields *out, const struct two_values *v)
{
	struct buffer from = BUFFER_INIT, to = BUFFER_INIT;
	char bits[32];
	int r = -ENOMEM;

	snprintf(bits, sizeof(bits), "%s[31:0]", cpuid_register_name(v->key->reg));
	text_of_register(v->from, &from);
	text_of_register(v->to, &to);
	if (!buffer_failed(&from) && !buffer_failed(&to))
		r = abi_fields_add(out, FIELD_WHOLE, bits, v->has_from ? from.data : NULL, v->has_to ? to.data : NULL);
	buffer_release(&from);
	buffer_release(&to);
	return r;
}

/* Differing bits that have no name: each run of neighbours is one field. */
static int reserved_add(struct abi_fields *out, const struct two_values *v, uint32_t differing)
{
	int r = 0;

	for (unsigned low = 0; r == 0 && low < 32; low++) {
		char name[32], bits[8];
		unsigned high = low;

		if (!(differing & 1u << low))
			continue;
		while (high < 31 && differing & 1u << (high + 1))
			high++;
		if (high == low)
			snprintf(name, sizeof(name), "reserved_%u", low);
		else
			snprintf(name, sizeof(name), "reserved_%u_%u", high, low);
		snprintf(bits, sizeof(bits), "%u:%u", high, low);
		r = part_add(out, v, &(struct cpuid_part){ .name = name, .bits = high == low ? NULL : bits,
							   .mask = (uint32_t)((1ull << (high + 1)) - (1ull << low)) });
		low = high;
	}
	return r;
}

static bool any_part(const struct register_key *k)
{
	struct cpuid_part part;

	return cpuid_part_get(k->leaf, k->subleaf, k->reg, 0, &part);
}

int cpuid_fields(const char *key, const char *from, const char *to, struct abi_fields *out)
{
	struct two_values v = { .has_from = from != NULL, .has_to = to != NULL };
	struct cpuid_part part;
	struct register_key k;
	uint32_t differing;
	int r = 0;

	if (!register_key_parse(key, &k) || (from && !register_value_parse(from, &v.from)) || (to && !register_value_parse(to, &v.to)))
		return 0;
	v.key = &k;
	differing = v.from ^ v.to;
	if (!differing)
		return 0;
	if (cpuid_is_text(k.leaf, k.reg, v.from) && cpuid_is_text(k.leaf, k.reg, v.to))
		return text_add(out, &v);
	if (cpuid_is_text(k.leaf, k.reg, v.from) || cpuid_is_text(k.leaf, k.reg, v.to) || !any_part(&k))
		return part_add(out, &v, &(struct cpuid_part){ .name = FIELD_WHOLE, .bits = "31:0", .mask = ALL_BITS });
	for (size_t n = 0; r == 0 && cpuid_part_get(k.leaf, k.subleaf, k.reg, n, &part); n++) {
		uint32_t mask = part.mask;

		if (!(differing & mask))
			continue;
		differing &= ~mask;
		/* An extended family that does not count (the base family is not 15) differs all the same: show it as it is. */
		if (part.number && cpuid_part_number(&part, v.from) == cpuid_part_number(&part, v.to))
			part.number = NULL;
		r = part_add(out, &v, &part);
	}
	return r == 0 ? reserved_add(out, &v, differing) : r;
}

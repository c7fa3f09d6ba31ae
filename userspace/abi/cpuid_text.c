/* SPDX-License-Identifier: Apache-2.0 */
/* The facet cpuid for a person: who made the processor, then leaf by leaf what its registers say. Registers that are 0 are left out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/facet.h"
#include "userspace/abi/facets_internal.h"
#include "userspace/abi/text_lines.h"
#include "userspace/base/buffer.h"

#define LEAF_CHARACTERS (sizeof("0x00000000") - 1)
#define COLUMN 24u

static const struct {
	uint32_t leaf;
	const char *title;
} titles[] = {
	{ 0x1, "processor and features" }, { 0x2, "caches and TLBs" }, { 0x3, "serial number" }, { 0x4, "caches" }, { 0x5, "MONITOR/MWAIT" },
	{ 0x6, "power and thermal management" }, { 0x7, "structured extended features" }, { 0xa, "performance monitoring" },
	{ 0xb, "topology" }, { 0xd, "extended states (XSAVE)" }, { 0xf, "resource monitoring" }, { 0x10, "resource allocation" },
	{ 0x12, "SGX" }, { 0x14, "processor trace" }, { 0x15, "TSC and crystal clock" }, { 0x16, "frequencies" }, { 0x18, "address translation" },
	{ 0x19, "key locker" }, { 0x1a, "hybrid" }, { 0x1d, "AMX tiles" }, { 0x1e, "AMX multiplication" }, { 0x1f, "topology (v2)" },
	{ 0x24, "AVX10" }, { 0x40000001, "paravirtual features" }, { 0x40000003, "Hyper-V features" }, { 0x40000004, "Hyper-V recommendations" },
	{ 0x40000010, "clocks" }, { 0x80000001, "extended processor and features" }, { 0x80000005, "L1 caches and TLBs" },
	{ 0x80000006, "L2, L3 caches and TLBs" }, { 0x80000007, "power management" }, { 0x80000008, "address sizes and features" },
	{ 0x8000000a, "SVM" }, { 0x8000001d, "caches" }, { 0x8000001e, "topology" }, { 0x8000001f, "memory encryption" },
	{ 0x80000021, "extended features 2" }, { 0x80000022, "performance monitoring" }, { 0x80000026, "topology (extended)" },
};

static const char *title_of(uint32_t leaf)
{
	for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++)
		if (titles[i].leaf == leaf)
			return titles[i].title;
	return "";
}

static uint32_t leaf_of(const struct facet_line *line) { return (uint32_t)strtoul(line->key, NULL, 16); }
static uint32_t value_of(const struct facet_line *line) { return (uint32_t)strtoul(line->value, NULL, 16); }
static const char *register_of(const struct facet_line *line)
{
	const char *dot = strrchr(line->key, '.'), *slash = strchr(line->key, '/');

	/* `/vcpu.N` follows the register. */
	return slash && dot > slash ? slash - 3 : dot ? dot + 1 : line->key;
}

/* Adds the register's four characters, as far as they are text. */
static void characters(struct buffer *out, uint32_t value)
{
	for (unsigned n = 0; n < 4; n++) {
		char c = (char)(value >> 8 * n);

		if (c >= ' ' && c <= '~')
			buffer_append(out, &c, 1);
	}
}

static bool is_register(const struct facet_line *line, const char *name) { return strcmp(register_of(line), name) == 0; }

/* Leaf 0, 0x80000000: ebx edx ecx; hypervisors: ebx ecx edx. */
static void vendor(struct buffer *out, const struct facet_line *lines, size_t count, const char *const order[3])
{
	for (size_t n = 0; n < 3; n++)
		for (size_t i = 0; i < count; i++)
			if (is_register(&lines[i], order[n]))
				characters(out, value_of(&lines[i]));
}

static void vendor_title(struct buffer *out, const struct facet_line *lines, size_t count)
{
	static const char *const cpu[] = { "ebx", "edx", "ecx" }, *const hypervisor[] = { "ebx", "ecx", "edx" };
	bool hyper = leaf_of(lines) >> 16 == 0x4000;
	size_t begin = out->size;

	vendor(out, lines, count, hyper ? hypervisor : cpu);
	for (size_t i = 0; i < count; i++)
		if (is_register(&lines[i], "eax"))
			buffer_printf(out, "%sleaves to %s", out->size > begin ? ", " : "", lines[i].value);
}

static void vendor_line(struct buffer *out, const struct facet_line *lines, size_t count)
{
	struct buffer text = BUFFER_INIT;
	char head[32];

	vendor_title(&text, lines, count);
	snprintf(head, sizeof(head), "  %.*s", (int)LEAF_CHARACTERS, lines[0].key);
	if (!buffer_failed(&text))
		lines_wrapped(out, head, 14, text.data ? text.data : "");
	buffer_release(&text);
}

#define BRAND_LEAF 0x80000002u

static bool is_brand_leaf(uint32_t leaf) { return leaf >= BRAND_LEAF && leaf <= BRAND_LEAF + 2; }

static void brand_title(struct buffer *out, const struct facet_line *lines, size_t count)
{
	buffer_string(out, "brand: ");
	for (size_t i = 0; i < count; i++)
		characters(out, value_of(&lines[i]));
}

/* Of the three leaves one line. Returns how many lines they have. */
static size_t brand_line(struct buffer *out, const struct facet_line *lines, size_t count)
{
	size_t n = 0;

	while (n < count && is_brand_leaf(leaf_of(&lines[n])))
		n++;
	buffer_printf(out, "  %.*s  ", (int)LEAF_CHARACTERS, lines[0].key);
	brand_title(out, lines, n);
	buffer_string(out, "\n");
	return n;
}

static bool is_vendor_leaf(uint32_t leaf) { return leaf == 0 || leaf == 0x80000000 || (leaf >> 16 == 0x4000 && (leaf & 0xff) == 0); }

static void register_line(struct buffer *out, const struct facet_line *line)
{
	char head[96];

	if (value_of(line) == 0 && !strchr(line->key, '/'))
		return;
	snprintf(head, sizeof(head), "    %s %s", register_of(line), line->value);
	lines_wrapped(out, head, COLUMN, line->meaning);
}

/* A fingerprint may have been written by hand. */
static bool is_leaf(const char *key)
{
	return strncmp(key, "0x", 2) == 0 && strspn(key + 2, "0123456789abcdef") == LEAF_CHARACTERS - 2;
}

/* Characters of the key that name leaf and subleaf. */
static size_t leaf_length(const char *key)
{
	size_t dot = key[LEAF_CHARACTERS] == '.';

	return LEAF_CHARACTERS + dot + strcspn(key + LEAF_CHARACTERS + dot, ".");
}

/* The three leaves of the brand are one. */
void cpuid_group(const char *key, struct buffer *out)
{
	if (!is_leaf(key))
		return;
	if (is_brand_leaf((uint32_t)strtoul(key, NULL, 16)))
		buffer_printf(out, "0x%08x.0", BRAND_LEAF);
	else
		buffer_append(out, key, leaf_length(key));
}

void cpuid_title(const struct facet_line *lines, size_t count, struct buffer *out)
{
	uint32_t leaf = leaf_of(lines);

	if (is_vendor_leaf(leaf))
		vendor_title(out, lines, count);
	else if (is_brand_leaf(leaf))
		brand_title(out, lines, count);
	else
		buffer_string(out, title_of(leaf));
}

void cpuid_present(const struct facet_line *lines, size_t count, struct buffer *out)
{
	for (size_t i = 0; i < count;) {
		if (!is_leaf(lines[i].key)) {
			lines_group(out, &lines[i++], 1, 0, 2);
			continue;
		}
		size_t prefix = leaf_length(lines[i].key), same = lines_same(&lines[i], count - i, prefix);
		uint32_t leaf = leaf_of(&lines[i]);

		if (is_vendor_leaf(leaf)) {
			vendor_line(out, &lines[i], same);
		} else if (is_brand_leaf(leaf)) {
			same = brand_line(out, &lines[i], count - i);
		} else {
			buffer_printf(out, "  %.*s%s%s\n", (int)prefix, lines[i].key, *title_of(leaf) ? "  " : "", title_of(leaf));
			for (size_t n = i; n < i + same; n++)
				register_line(out, &lines[n]);
		}
		i += same;
	}
}

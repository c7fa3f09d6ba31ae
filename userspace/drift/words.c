/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/drift/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/buffer.h"
#include "userspace/base/glob.h"
#include "userspace/base/text.h"
#include "userspace/drift/blame.h"
#include "userspace/drift/group.h"
#include "userspace/drift/page.h"

#define ARROW " \xe2\x86\x92 "
#define ELLIPSIS "\xe2\x80\xa6"
#define PAIRS_SHOWN 2
#define BESIDES_SHOWN 3
#define HEX_FROM 0x40000000u /* the first hypervisor leaf: no count or width is so large */
/* What is longer is no value to take apart, but one to cut. */
#define PARTS_BYTES 2048

/* ---- texts within a width */

void words_bound(const char *line, size_t columns, struct buffer *out)
{
	size_t count = 0, end = 0;

	if (page_width(line) <= columns) {
		buffer_string(out, line);
		return;
	}
	if (columns == 0)
		return;
	for (; line[end]; end++)
		if (((unsigned char)line[end] & 0xc0) != 0x80 && ++count == columns)
			break;
	/* Not "and 2 more.…": what is cut off begins another sentence. */
	while (end > 0 && (line[end - 1] == ' ' || line[end - 1] == '.'))
		end--;
	buffer_append(out, line, end);
	buffer_string(out, ELLIPSIS);
}

void words_cut(const char *text, size_t columns, struct buffer *out)
{
	struct buffer shown = BUFFER_INIT;

	text_terminal(&shown, text, strlen(text));
	if (buffer_failed(&shown))
		out->failed = true;
	else
		words_bound(shown.size ? shown.data : "", columns, out);
	buffer_release(&shown);
}

static void put(const char *text, struct buffer *out) { text_terminal(out, text, strlen(text)); }

/* ---- values, of which only what differs is told */

/* Is this part among those of the text? */
static bool has_part(const char *text, char separator, const char *part, size_t size)
{
	const char separators[] = { separator, '\0' };

	for (;; text++) {
		size_t length = strcspn(text, separators);

		if (length == size && memcmp(text, part, size) == 0)
			return true;
		text += length;
		if (!*text)
			return false;
	}
}

/* The parts that the other text lacks; with `head` the first in any case: it says what the rest belongs to. */
static void differing(const char *text, const char *other, char separator, bool head, struct buffer *out)
{
	const char separators[] = { separator, '\0' };
	bool first = true;

	for (const char *part = text;; part++) {
		size_t size = strcspn(part, separators);

		if ((head && part == text) || (size && !has_part(other, separator, part, size))) {
			if (!first)
				buffer_append(out, &separator, 1);
			first = false;
			buffer_append(out, part, size);
		}
		part += size;
		if (!*part)
			return;
	}
}

static void put_part(const char *text, const char *other, char separator, bool head, size_t columns, struct buffer *out)
{
	struct buffer part = BUFFER_INIT;

	if (other && strchr(text, separator) && strlen(text) + strlen(other) < PARTS_BYTES)
		differing(text, other, separator, head, &part);
	if (buffer_failed(&part))
		out->failed = true;
	else
		words_cut(part.size ? part.data : text, columns, out);
	buffer_release(&part);
}

static bool is_digest(const char *text) { return strstr(text, "sha256") != NULL; }

static void put_only(const char *word, const struct buffer *text, size_t columns, struct buffer *out)
{
	buffer_string(out, word);
	words_cut(text->size ? text->data : "", columns, out);
}

void words_values(const char *from, const char *to, size_t columns, struct buffer *out)
{
	struct buffer before = BUFFER_INIT, after = BUFFER_INIT;
	bool several = strchr(from, ' ') || strchr(to, ' ');

	if (is_digest(from) || is_digest(to))
		return;
	if (several && strlen(from) + strlen(to) < PARTS_BYTES) {
		differing(from, to, ' ', false, &before);
		differing(to, from, ' ', false, &after);
	} else {
		buffer_string(&before, from);
		buffer_string(&after, to);
	}
	if (buffer_failed(&before) || buffer_failed(&after)) {
		out->failed = true;
	} else if (several && !before.size && after.size) {
		put_only("gained ", &after, columns, out);
	} else if (several && !after.size && before.size) {
		put_only("lost ", &before, columns, out);
	} else {
		words_cut(before.size ? before.data : "none", columns, out);
		buffer_string(out, ARROW);
		words_cut(after.size ? after.data : "none", columns, out);
	}
	buffer_release(&before);
	buffer_release(&after);
}

const char *words_number(const char *value, char room[WORDS_NUMBER])
{
	char *end;
	unsigned long long number = strtoull(value, &end, 10);

	if (!*value)
		return "none";
	if (*end || *value < '0' || *value > '9' || number < HEX_FROM)
		return value;
	snprintf(room, WORDS_NUMBER, "0x%llx", number);
	return room;
}

/* ---- what is to blame */

enum phrase_form {
	PHRASE_VALUES,  /* from → to */
	PHRASE_VERSION, /* the same, of each the first word: the package's name follows */
	PHRASE_OPTION,  /* only what differs of lists of properties */
	PHRASE_WORD,    /* the word says it all */
};

/* NULL: the factor's own name, without its first part where the pattern has one. */
static const struct phrase {
	const char *factor, *word;
	enum phrase_form form;
} phrases[] = {
	{ "vmm.version", "%vmm", PHRASE_VERSION },
	{ "vmm.build_id", "another build of %vmm", PHRASE_WORD },
	{ "vmm.kind", "the VMM", PHRASE_VALUES },
	{ "vmm.before", "a move from an unknown VMM", PHRASE_WORD },
	{ "machine", "machine type", PHRASE_VALUES },
	{ "cpu", "%option", PHRASE_OPTION },
	{ "option.*", "%option", PHRASE_OPTION },
	{ "backend.*", "%option", PHRASE_OPTION },
	{ "kernel", "kernel", PHRASE_VALUES },
	{ "kernel.version", "another build of the kernel", PHRASE_WORD },
	{ "kvm.*", NULL, PHRASE_VALUES },
	{ "host_cpu", "host CPU", PHRASE_VALUES },
	{ "host_cpu.*", "host CPU", PHRASE_VALUES },
	{ "microcode", "microcode", PHRASE_VALUES },
	{ "host", "another host,", PHRASE_VALUES },
	{ "abidrift", "abidrift", PHRASE_VALUES },
	{ "hotplug", "hot-plug", PHRASE_WORD },
	{ "*", NULL, PHRASE_VALUES },
};

static const struct {
	const char *kind, *name;
} vmms[] = {
	{ "qemu", "QEMU" }, { "firecracker", "Firecracker" }, { "cloud-hypervisor", "Cloud Hypervisor" }, { "crosvm", "crosvm" }, { "kvmtool", "kvmtool" },
};

const char *words_vmm(const char *kind)
{
	for (size_t i = 0; i < sizeof(vmms) / sizeof(vmms[0]); i++)
		if (strcmp(kind, vmms[i].kind) == 0)
			return vmms[i].name;
	return "VMM";
}

static const struct phrase *phrase_of(const char *factor)
{
	for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]) - 1; i++)
		if (glob_match(phrases[i].factor, factor))
			return &phrases[i];
	return &phrases[sizeof(phrases) / sizeof(phrases[0]) - 1];
}

static const char *last_part(const char *factor, const struct phrase *p)
{
	const char *dot = strchr(p->factor, '*') && p->factor[0] != '*' ? strchr(factor, '.') : NULL;

	return dot ? dot + 1 : factor;
}

/* "QEMU", "-device", "kvm_intel.nested". */
static void put_word(const json_t *diff, const char *factor, const struct phrase *p, struct buffer *out)
{
	const char *special = p->word ? strchr(p->word, '%') : NULL;

	if (!p->word) {
		put(last_part(factor, p), out);
		return;
	}
	if (!special) {
		buffer_string(out, p->word);
		return;
	}
	buffer_append(out, p->word, (size_t)(special - p->word));
	if (strcmp(special, "%vmm") == 0) {
		buffer_string(out, words_vmm(member_text(diff, "vmm")));
		return;
	}
	buffer_string(out, "-");
	put(last_part(factor, p), out);
}

static void put_version(const char *text, const char *other, size_t columns, struct buffer *out)
{
	struct buffer first = BUFFER_INIT;
	size_t size = strcspn(text, " ");

	/* The same version of another package: only the package's name tells them apart. */
	buffer_append(&first, text, other && strncmp(text, other, size) == 0 && strcspn(other, " ") == size ? strlen(text) : size);
	words_cut(first.size ? first.data : "", columns, out);
	buffer_release(&first);
}

void words_version(const char *version, const char *other, struct buffer *out) { put_version(version, other, WORDS_PLENTY, out); }

static void put_value(const struct phrase *p, const char *text, const char *other, size_t columns, struct buffer *out)
{
	if (p->form == PHRASE_VERSION)
		put_version(text, other, columns, out);
	else if (p->form == PHRASE_OPTION && text[0] != '{')
		put_part(text, other, ',', true, columns, out);
	else
		words_cut(text, columns, out);
}

/* Of an option of which only counts that it is there (-serial null), its name says it all. */
static bool says_nothing(const struct phrase *p, const char *value)
{
	return p->form == PHRASE_OPTION && strcmp(value, "present") == 0;
}

static void put_pair(const struct phrase *p, const char *from, const char *to, size_t columns, struct buffer *out)
{
	bool option = p->form == PHRASE_OPTION;

	if (!(from && to) && says_nothing(p, from ? from : to ? to : "")) {
		buffer_string(out, to ? "added" : "removed");
		return;
	}
	if (from)
		put_value(p, from, to, columns, out);
	if (from && to)
		buffer_string(out, ARROW);
	else if (!from && !option)
		buffer_string(out, "none" ARROW);
	if (to)
		put_value(p, to, from, columns, out);
	if (!from && option)
		buffer_string(out, " added");
	if (!to)
		buffer_string(out, option ? " removed" : ARROW "none");
}

/* Pairs of the best factor. One that went and one that came are one that changed. */
static size_t pairs_of(const struct blame *b, struct blame_cause ret[BLAME_CAUSES_MAX])
{
	size_t count = 0, came = 0, went = 0;

	for (size_t i = 0; i < b->cause_count; i++)
		if (b->causes[i].best)
			ret[count++] = b->causes[i];
	for (size_t i = 0; i < count; i++) {
		came += !ret[i].from;
		went += !ret[i].to;
	}
	if (count != 2 || came != 1 || went != 1 || (!ret[0].from && !ret[0].to))
		return count;
	if (!ret[0].from)
		ret[0].from = ret[1].from;
	else
		ret[0].to = ret[1].to;
	return 1;
}

static void put_pairs(const json_t *diff, const struct phrase *p, const struct blame *b, size_t columns, struct buffer *out)
{
	struct blame_cause pairs[BLAME_CAUSES_MAX];
	size_t count = pairs_of(b, pairs);

	/* "adding -device e1000": with "-device e1000 added" no sentence can go on. */
	if (p->form == PHRASE_OPTION && count == 1 && !(pairs[0].from && pairs[0].to)) {
		const char *value = pairs[0].to ? pairs[0].to : pairs[0].from ? pairs[0].from : "";

		buffer_string(out, pairs[0].to ? "adding " : "removing ");
		put_word(diff, b->factor, p, out);
		if (!says_nothing(p, value)) {
			buffer_string(out, " ");
			put_value(p, value, NULL, columns, out);
		}
		return;
	}
	put_word(diff, b->factor, p, out);
	for (size_t i = 0; i < count && i < PAIRS_SHOWN; i++) {
		buffer_string(out, i ? ", " : " ");
		put_pair(p, pairs[i].from, pairs[i].to, columns, out);
	}
	if (count > PAIRS_SHOWN)
		buffer_printf(out, " and %zu more", count - PAIRS_SHOWN + b->causes_left_out);
}

static const char *file_name(const char *factor)
{
	const char *slash = strrchr(factor, '/');

	return slash && slash[1] ? slash + 1 : factor + strlen("firmware.");
}

/* Files by their names: "firmware bios-256k.bin", and of another file "firmware seabios.bin → bios-256k.bin". */
static void put_firmware(const struct blame *b, size_t columns, struct buffer *out)
{
	const char *names[BLAME_CAUSES_MAX];
	const char *gone = NULL, *come = NULL;
	size_t count = 0, shown;

	for (size_t i = 0; i < b->cause_count; i++) {
		const char *name = file_name(b->causes[i].factor);
		size_t known = 0;

		if (!b->causes[i].best)
			continue;
		while (known < count && strcmp(names[known], name) != 0)
			known++;
		if (known < count)
			continue;
		names[count++] = name;
		gone = b->causes[i].to ? gone : name;
		come = b->causes[i].from ? come : name;
	}
	buffer_string(out, "firmware ");
	if (count == 2 && gone && come && gone != come) {
		words_cut(gone, columns, out);
		buffer_string(out, ARROW);
		words_cut(come, columns, out);
		return;
	}
	for (shown = 0; shown < count && shown < PAIRS_SHOWN; shown++) {
		buffer_string(out, shown ? ", " : "");
		words_cut(names[shown], columns, out);
	}
	if (count > shown)
		buffer_printf(out, " and %zu more", count - shown);
}

void words_blame(const json_t *diff, const struct blame *b, size_t value, struct buffer *out)
{
	const struct phrase *p = phrase_of(b->factor);

	if (!b->factor[0])
		return;
	if (strcmp(b->factor, "firmware.") == 0) {
		put_firmware(b, value, out);
		return;
	}
	if (p->form == PHRASE_WORD)
		put_word(diff, b->factor, p, out);
	else
		put_pairs(diff, p, b, value, out);
	if (value >= WORDS_PLENTY && strncmp(b->factor, "vmm.", 4) == 0 && member_is_text(diff, "machine")) {
		buffer_string(out, " under ");
		words_cut(member_text(diff, "machine"), value, out);
	}
}

void words_heading(const json_t *diff, const struct blame *b, struct buffer *out)
{
	if (b->running)
		buffer_string(out, WORDS_RUNNING " ");
	if (b->factor[0])
		words_blame(diff, b, WORDS_VALUE, out);
	else if (json_array_size(json_object_get(diff, "context")))
		buffer_string(out, "nothing that changed on the host side explains it");
	else
		buffer_string(out, "no factor that abidrift knows changed");
}

const char *words_note(const struct blame *b)
{
	return b->firmware ? "it arrived with firmware: the machine itself is the same" : NULL;
}

/* The first comes along whenever the second changes: it is told by it. */
static const char *const followers[][2] = {
	{ "vmm.build_id|vmm.path", "vmm.version" },
	{ "kernel.version", "kernel" },
	{ "host_cpu.*", "host_cpu" },
};

/* What takes an article, or another word, where it is told what it went from. */
static const char *const since_words[][2] = {
	{ "machine", "the machine type" }, { "kernel", "the kernel" },	   { "host_cpu", "the host CPU" }, { "host_cpu.*", "the host CPU" },
	{ "microcode", "the microcode" },  { "host", "the host" },
};

static const char *since_word(const char *factor)
{
	for (size_t i = 0; i < sizeof(since_words) / sizeof(since_words[0]); i++)
		if (glob_match(since_words[i][0], factor))
			return since_words[i][1];
	return NULL;
}

static void put_went(const struct phrase *p, const char *from, const char *to, size_t columns, struct buffer *out)
{
	bool option = p->form == PHRASE_OPTION;

	if (option && !(from && to)) {
		const char *value = from ? from : to ? to : "";

		if (!says_nothing(p, value)) {
			buffer_string(out, " ");
			put_value(p, value, NULL, columns, out);
		}
		buffer_string(out, to ? " was added" : " was removed");
		return;
	}
	buffer_string(out, " went from ");
	put_value(p, from ? from : "none", to, columns, out);
	buffer_string(out, " to ");
	put_value(p, to ? to : "none", from, columns, out);
}

void words_since(const json_t *diff, const struct blame *b, size_t value, struct buffer *out)
{
	const struct phrase *p = phrase_of(b->factor);
	const char *word = since_word(b->factor);
	struct blame_cause pairs[BLAME_CAUSES_MAX];
	size_t count = pairs_of(b, pairs);

	if (!b->factor[0] || !count)
		return;
	if (strcmp(b->factor, "hotplug") == 0) {
		buffer_string(out, "something was hot-plugged");
		return;
	}
	if (strcmp(b->factor, "firmware.") == 0) {
		put_firmware(b, value, out);
		buffer_string(out, " changed");
		return;
	}
	if (p->form == PHRASE_WORD) {
		buffer_string(out, "there is ");
		put_word(diff, b->factor, p, out);
		return;
	}
	if (word)
		buffer_string(out, word);
	else
		put_word(diff, b->factor, p, out);
	put_went(p, pairs[0].from, pairs[0].to, value, out);
	if (count > 1)
		buffer_printf(out, " (and %zu more)", count - 1 + b->causes_left_out);
}

static bool has_cause(const struct blame *b, const char *factor)
{
	for (size_t i = 0; i < b->cause_count; i++)
		if (strcmp(b->causes[i].factor, factor) == 0)
			return true;
	return false;
}

bool words_follows(const struct blame *b, const char *factor)
{
	for (size_t i = 0; i < sizeof(followers) / sizeof(followers[0]); i++)
		if (glob_match(followers[i][0], factor) && has_cause(b, followers[i][1]))
			return true;
	return false;
}

void words_besides(const json_t *diff, const struct blame *b, size_t value, struct buffer *out)
{
	size_t count = 0, left_out = b->causes_left_out;

	for (size_t i = 0; i < b->cause_count; i++) {
		const struct blame_cause *c = &b->causes[i];
		const struct phrase *p = phrase_of(c->factor);

		if (c->best || words_follows(b, c->factor))
			continue;
		if (count++ >= BESIDES_SHOWN) {
			left_out++;
			continue;
		}
		buffer_string(out, count > 1 ? ", " : "");
		if (strncmp(c->factor, "firmware.", strlen("firmware.")) == 0) {
			buffer_string(out, "firmware ");
			words_cut(file_name(c->factor), value, out);
			continue;
		}
		put_word(diff, c->factor, p, out);
		if (p->form == PHRASE_WORD)
			continue;
		buffer_string(out, " ");
		put_pair(p, c->from, c->to, value, out);
	}
	if (count && left_out)
		buffer_printf(out, " and %zu more", left_out);
}

/* ---- what changed */

static const char *const facets[][2] = {
	{ "acpi", "ACPI" }, { "cpuid", "CPUID" },   { "mmio", "MMIO" }, { "msr", "MSRs" },
	{ "numa", "NUMA" }, { "pci", "PCI" },       { "ports", "I/O ports" }, { "smbios", "SMBIOS" },
};

const char *words_facet(const char *facet)
{
	for (size_t i = 0; i < sizeof(facets) / sizeof(facets[0]); i++)
		if (strcmp(facet, facets[i][0]) == 0)
			return facets[i][1];
	return facet;
}

/* What every ACPI table has, for one and for several. */
static const char *const headers[][3] = {
	{ "oem_table_id", "OEM table id", "OEM table ids" },
	{ "oem_id", "OEM id", "OEM ids" },
	{ "oem_revision", "OEM revision", "OEM revisions" },
	{ "creator_id", "creator id", "creator ids" },
	{ "creator_revision", "creator revision", "creator revisions" },
	{ "revision", "revision", "revisions" },
	{ "length", "length", "lengths" },
	{ "body", "contents", "contents" },
};

/* Signatures that people call otherwise. */
static const char *const tables[][2] = { { "FACP", "FADT" }, { "APIC", "MADT" } };

static const char *const structures[][2] = {
	{ "0", "BIOS" },      { "1", "system" },        { "2", "board" },           { "3", "chassis" },        { "4", "processor" },
	{ "7", "cache" },     { "11", "OEM strings" },  { "16", "memory array" },   { "17", "memory device" }, { "19", "memory mapping" },
	{ "32", "boot info" }, { "38", "IPMI" },        { "41", "onboard device" },
};

static const char *named(const char *const rows[][2], size_t count, const char *name, size_t size)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(rows[i][0]) == size && memcmp(rows[i][0], name, size) == 0)
			return rows[i][1];
	return NULL;
}

/* A part of a key, with spaces for what stands in for them there. */
static void put_part_of_key(const char *text, size_t size, const char *blanks, struct buffer *out)
{
	struct buffer part = BUFFER_INIT;

	for (size_t i = 0; i < size; i++)
		buffer_append(&part, strchr(blanks, text[i]) ? " " : &text[i], 1);
	text_terminal(out, part.size ? part.data : "", part.size);
	buffer_release(&part);
}

static size_t header_of(const char *key)
{
	const char *field = strchr(key, '/');
	size_t i;

	for (i = 0; field && i < sizeof(headers) / sizeof(headers[0]); i++)
		if (strcmp(field + 1, headers[i][0]) == 0)
			return i;
	return sizeof(headers) / sizeof(headers[0]);
}

static void put_acpi(const char *key, struct buffer *out)
{
	size_t size = strcspn(key, "/"), header = header_of(key);
	const char *name = named(tables, sizeof(tables) / sizeof(tables[0]), key, size);

	if (name)
		buffer_string(out, name);
	else
		text_terminal(out, key, size);
	if (!key[size])
		return;
	buffer_string(out, " ");
	if (header < sizeof(headers) / sizeof(headers[0]))
		buffer_string(out, headers[header][1]);
	else
		put(key + size + 1, out);
}

/* "processor" of "type4.1/socket"; NULL: not of this form, or a type without a name. */
static const char *structure_of(const char *key, const char **ret_field)
{
	const char *dot = strchr(key, '.'), *slash = strchr(key, '/');

	if (strncmp(key, "type", 4) != 0 || !dot || !slash || dot > slash)
		return NULL;
	*ret_field = slash + 1;
	return named(structures, sizeof(structures) / sizeof(structures[0]), key + 4, (size_t)(dot - key) - 4);
}

static void put_smbios(const char *name, const char *field, struct buffer *out)
{
	buffer_string(out, name);
	buffer_string(out, " ");
	put_part_of_key(field, strlen(field), "_", out);
}

/* "0x100000" of "0x0000000000100000". */
static void put_address(const char *text, struct buffer *out)
{
	size_t zeros = strncmp(text, "0x", 2) == 0 ? strspn(text + 2, "0") : 0;

	if (!zeros) {
		put(text, out);
		return;
	}
	buffer_string(out, "0x");
	put(text + 2 + zeros - (text[2 + zeros] ? 0 : 1), out);
}

/* "rom/0x00000000fffc0000", and with ".version" what that image says of itself. */
static void put_firmware_key(const char *key, struct buffer *out)
{
	const char *dot = strrchr(key, '.'), *slash = strchr(key, '/');

	if (dot && strcmp(dot, ".version") == 0) {
		buffer_string(out, "version");
		return;
	}
	buffer_string(out, "image at ");
	put_address(slash ? slash + 1 : key, out);
}

void words_subject(const char *facet, const char *key, struct buffer *out)
{
	const char *field = NULL, *structure = strcmp(facet, "smbios") == 0 || strcmp(facet, "identity") == 0 ? structure_of(key, &field) : NULL;

	if (strcmp(facet, "acpi") == 0) {
		put_acpi(key, out);
	} else if (structure) {
		put_smbios(structure, field, out);
	} else if (strcmp(facet, "memory") == 0) {
		put_address(key, out);
	} else if (strcmp(facet, "firmware") == 0) {
		put_firmware_key(key, out);
	} else {
		put_part_of_key(key, strlen(key), "/", out);
	}
}

bool words_shared(const char *facet, const char *key, struct buffer *name, const char **ret_unit)
{
	const char *field = NULL, *structure;
	size_t header = header_of(key);

	if (strcmp(facet, "acpi") == 0) {
		*ret_unit = "tables";
		if (header == sizeof(headers) / sizeof(headers[0]))
			return false;
		buffer_string(name, headers[header][2]);
		return true;
	}
	if (strcmp(facet, "smbios") == 0 && (structure = structure_of(key, &field))) {
		*ret_unit = "structures";
		put_smbios(structure, field, name);
		return true;
	}
	field = strrchr(key, '/');
	if (strcmp(facet, "pci") != 0 || !field || !field[1])
		return false;
	*ret_unit = "functions";
	put(field + 1, name);
	return true;
}

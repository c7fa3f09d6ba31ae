/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/abi/pci_names.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "userspace/base/buffer.h"

#define NAME_MAX_BYTES 200

/* Set once at start: what a name is looked up in is no part of any fingerprint. */
static const char *ids_text;
static size_t ids_size;

struct span {
	const char *text;
	size_t size;
};

/* A guest has a few vendors and classes, asked for again with every function of every fingerprint; the text is long. */
#define PREFIX_BYTES 16
#define LINES_KEPT 64
static struct kept_line {
	char prefix[PREFIX_BYTES]; /* "": none is kept here */
	bool found;
	struct span name, below;
} ids_kept[LINES_KEPT];

struct class_name {
	uint16_t class;
	const char *name;
};

static const struct class_name class_names[] = {
	{ 0x0000, "Non-VGA unclassified device" },
	{ 0x0001, "VGA compatible unclassified device" },
	{ 0x0100, "SCSI storage controller" },
	{ 0x0101, "IDE interface" },
	{ 0x0102, "Floppy disk controller" },
	{ 0x0104, "RAID bus controller" },
	{ 0x0105, "ATA controller" },
	{ 0x0106, "SATA controller" },
	{ 0x0107, "Serial Attached SCSI controller" },
	{ 0x0108, "Non-Volatile memory controller" },
	{ 0x0180, "Mass storage controller" },
	{ 0x0200, "Ethernet controller" },
	{ 0x0207, "Infiniband controller" },
	{ 0x0280, "Network controller" },
	{ 0x0300, "VGA compatible controller" },
	{ 0x0302, "3D controller" },
	{ 0x0380, "Display controller" },
	{ 0x0401, "Multimedia audio controller" },
	{ 0x0403, "Audio device" },
	{ 0x0500, "RAM memory" },
	{ 0x0501, "FLASH memory" },
	{ 0x0502, "CXL" },
	{ 0x0580, "Memory controller" },
	{ 0x0600, "Host bridge" },
	{ 0x0601, "ISA bridge" },
	{ 0x0604, "PCI bridge" },
	{ 0x0607, "CardBus bridge" },
	{ 0x0680, "Bridge" },
	{ 0x0700, "Serial controller" },
	{ 0x0703, "Modem" },
	{ 0x0780, "Communication controller" },
	{ 0x0800, "PIC" },
	{ 0x0804, "PCI Hot-plug controller" },
	{ 0x0805, "SD Host controller" },
	{ 0x0806, "IOMMU" },
	{ 0x0880, "System peripheral" },
	{ 0x0900, "Keyboard controller" },
	{ 0x0980, "Input device controller" },
	{ 0x0c00, "FireWire (IEEE 1394)" },
	{ 0x0c03, "USB controller" },
	{ 0x0c05, "SMBus" },
	{ 0x1000, "Network and computing encryption device" },
	{ 0x1080, "Encryption controller" },
	{ 0x1180, "Signal processing controller" },
	{ 0x1200, "Processing accelerators" },
	{ 0xff00, "Unassigned class" },
};

void pci_names_use(const char *text, size_t size)
{
	ids_text = text;
	ids_size = text ? size : 0;
	memset(ids_kept, 0, sizeof ids_kept);
}

static struct span whole(void)
{
	return (struct span){ ids_text, ids_size };
}

/* The line that begins with `prefix`: its rest is *ret_name, the more deeply indented lines below it are *ret_below. */
static bool find_line(struct span in, const char *prefix, struct span *ret_name, struct span *ret_below)
{
	size_t prefix_size = strlen(prefix), indent = strspn(prefix, "\t");
	const char *at = in.text, *end, *line;

	if (!in.text)
		return false;
	end = in.text + in.size;
	while (true) {
		at = memmem(at, (size_t)(end - at), prefix, prefix_size);
		if (!at)
			return false;
		if (at == in.text || at[-1] == '\n')
			break;
		at++;
	}
	at += prefix_size;
	line = memchr(at, '\n', (size_t)(end - at));
	*ret_name = (struct span){ at, (size_t)((line ? line : end) - at) };
	line = line ? line + 1 : end;
	ret_below->text = line;
	/* Comments and empty lines belong to whatever they stand in. */
	while (line < end) {
		const char *next = memchr(line, '\n', (size_t)(end - line));
		size_t size = (size_t)((next ? next : end) - line), tabs = 0;

		while (tabs < size && line[tabs] == '\t')
			tabs++;
		if (tabs <= indent && size > 0 && line[0] != '#')
			break;
		line = next ? next + 1 : end;
	}
	ret_below->size = (size_t)(line - ret_below->text);
	return true;
}

/* The same in the whole text. */
static bool find_top(const char *prefix, struct span *ret_name, struct span *ret_below)
{
	struct kept_line *line;
	size_t sum = 0;

	for (const char *p = prefix; *p; p++)
		sum = sum * 31 + (unsigned char)*p;
	line = &ids_kept[sum % LINES_KEPT];
	if (strcmp(line->prefix, prefix)) {
		snprintf(line->prefix, sizeof line->prefix, "%s", prefix);
		line->found = find_line(whole(), prefix, &line->name, &line->below);
	}
	if (line->found) {
		*ret_name = line->name;
		*ret_below = line->below;
	}
	return line->found;
}

static void append_name(struct span name, struct buffer *out)
{
	size_t size = name.size < NAME_MAX_BYTES ? name.size : NAME_MAX_BYTES;

	while (size > 0 && (name.text[size - 1] == ' ' || name.text[size - 1] == '\r'))
		size--;
	buffer_append(out, name.text, size);
}

static bool find_vendor(uint16_t vendor, struct span *ret_name, struct span *ret_below)
{
	char prefix[PREFIX_BYTES];

	snprintf(prefix, sizeof(prefix), "%04x  ", vendor);
	return find_top(prefix, ret_name, ret_below);
}

void pci_names_vendor(uint16_t vendor, struct buffer *out)
{
	struct span name, below;

	if (find_vendor(vendor, &name, &below))
		append_name(name, out);
}

void pci_names_function(uint16_t vendor, uint16_t device, struct buffer *out)
{
	struct span name, below;
	char prefix[PREFIX_BYTES];

	if (!find_vendor(vendor, &name, &below))
		return;
	append_name(name, out);
	snprintf(prefix, sizeof(prefix), "\t%04x  ", device);
	if (find_line(below, prefix, &name, &below)) {
		buffer_string(out, " ");
		append_name(name, out);
	}
}

static void builtin_class(uint16_t class, struct buffer *out)
{
	for (size_t i = 0; i < sizeof(class_names) / sizeof(class_names[0]); i++)
		if (class_names[i].class == class) {
			buffer_string(out, class_names[i].name);
			return;
		}
}

void pci_names_class(uint32_t class, struct buffer *out)
{
	struct span name, below;
	char prefix[PREFIX_BYTES];

	snprintf(prefix, sizeof(prefix), "C %02x  ", class >> 16 & 0xff);
	if (!find_top(prefix, &name, &below)) {
		builtin_class(class >> 8 & 0xffff, out);
		return;
	}
	snprintf(prefix, sizeof(prefix), "\t%02x  ", class >> 8 & 0xff);
	if (!find_line(below, prefix, &name, &below)) {
		append_name(name, out);
		return;
	}
	append_name(name, out);
	snprintf(prefix, sizeof(prefix), "\t\t%02x  ", class & 0xff);
	if (find_line(below, prefix, &name, &below)) {
		buffer_string(out, " (");
		append_name(name, out);
		buffer_string(out, ")");
	}
}

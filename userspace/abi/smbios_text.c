/* SPDX-License-Identifier: Apache-2.0 */
/* The facet smbios structure by structure, in the order of their types, as dmidecode's readers know it. Titles: DSP0134 3.7, chapter 7. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/facet.h"
#include "userspace/abi/facets_internal.h"
#include "userspace/abi/text_lines.h"
#include "userspace/base/buffer.h"

static const char *const titles[] = {
	[0] = "BIOS Information", [1] = "System Information", [2] = "Base Board Information", [3] = "Chassis Information",
	[4] = "Processor Information", [5] = "Memory Controller Information", [6] = "Memory Module Information", [7] = "Cache Information",
	[8] = "Port Connector Information", [9] = "System Slot Information", [10] = "On Board Device Information", [11] = "OEM Strings",
	[12] = "System Configuration Options", [13] = "BIOS Language Information", [14] = "Group Associations", [15] = "System Event Log",
	[16] = "Physical Memory Array", [17] = "Memory Device", [18] = "32-bit Memory Error Information", [19] = "Memory Array Mapped Address",
	[20] = "Memory Device Mapped Address", [21] = "Built-in Pointing Device", [22] = "Portable Battery", [23] = "System Reset",
	[24] = "Hardware Security", [25] = "System Power Controls", [26] = "Voltage Probe", [27] = "Cooling Device", [28] = "Temperature Probe",
	[29] = "Electrical Current Probe", [30] = "Out-of-band Remote Access", [31] = "Boot Integrity Services Entry Point",
	[32] = "System Boot Information", [33] = "64-bit Memory Error Information", [34] = "Management Device", [35] = "Management Device Component",
	[36] = "Management Device Threshold Data", [37] = "Memory Channel", [38] = "IPMI Device Information", [39] = "System Power Supply",
	[40] = "Additional Information", [41] = "Onboard Devices Extended Information", [42] = "Management Controller Host Interface",
	[43] = "TPM Device", [44] = "Processor Additional Information", [45] = "Firmware Inventory Information", [46] = "String Property",
	[126] = "Inactive", [127] = "End Of Table",
};

#define TYPE_WORD "type"

/* `type17.2/…`: false for any other key. */
static bool structure_of(const char *key, unsigned *ret_type, unsigned *ret_index)
{
	char slash;

	return sscanf(key, TYPE_WORD "%3u.%6u%c", ret_type, ret_index, &slash) == 3 && slash == '/';
}

static unsigned rank(const char *key)
{
	unsigned type, index;

	if (!structure_of(key, &type, &index))
		return strncmp(key, TYPE_WORD, strlen(TYPE_WORD)) == 0 ? ~0u : 0;
	return 1 + type * 100000u + index % 100000u;
}

static int by_structure(const void *va, const void *vb)
{
	const struct facet_line *a = va, *b = vb;
	unsigned x = rank(a->key), y = rank(b->key);

	return x != y ? (x < y ? -1 : 1) : strcmp(a->key, b->key);
}

static const char *title_of(unsigned type)
{
	return type < sizeof(titles) / sizeof(titles[0]) && titles[type] ? titles[type] : "";
}

void smbios_title(const struct facet_line *lines, size_t count, struct buffer *out)
{
	unsigned type, index;

	if (count && structure_of(lines[0].key, &type, &index))
		buffer_string(out, title_of(type));
}

/* Types and structures by their numbers: `type17.2` before `type17.10`. */
int smbios_order(const char *a, const char *b)
{
	return strverscmp(a, b);
}

static void head_line(struct buffer *out, const struct facet_line *line, unsigned type)
{
	buffer_printf(out, "  %.*s%s%s\n", (int)strcspn(line->key, "/"), line->key, *title_of(type) ? "  " : "", title_of(type));
}

void smbios_present(const struct facet_line *lines, size_t count, struct buffer *out)
{
	struct facet_line *sorted = malloc((count ? count : 1) * sizeof(*sorted));
	unsigned type, index;

	if (!sorted)
		return;
	memcpy(sorted, lines, count * sizeof(*sorted));
	qsort(sorted, count, sizeof(*sorted), by_structure);
	for (size_t i = 0; i < count;) {
		size_t prefix = strcspn(sorted[i].key, "/") + 1, same;

		if (!structure_of(sorted[i].key, &type, &index)) {
			lines_group(out, &sorted[i++], 1, 0, 2);
			continue;
		}
		same = lines_same(&sorted[i], count - i, prefix);
		head_line(out, &sorted[i], type);
		lines_group(out, &sorted[i], same, prefix, 4);
		i += same;
	}
	free(sorted);
}

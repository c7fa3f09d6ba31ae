/* SPDX-License-Identifier: Apache-2.0 */
/* The facet memory as a map: from where to where, how much, what. */
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/facet.h"
#include "userspace/abi/facets_internal.h"
#include "userspace/abi/text_lines.h"
#include "userspace/base/buffer.h"

void memory_present(const struct facet_line *lines, size_t count, struct buffer *out)
{
	for (size_t i = 0; i < count; i++) {
		const char *size = strstr(lines[i].value, "size="), *kind = strchr(lines[i].value, ' ');
		uint64_t base = strtoull(lines[i].key, NULL, 16), bytes = size ? strtoull(size + strlen("size="), NULL, 16) : 0;
		struct buffer text = BUFFER_INIT;

		lines_bytes(&text, bytes);
		buffer_printf(out, "  0x%016llx-0x%016llx  %10s  %s\n", (unsigned long long)base, (unsigned long long)(bytes ? base + bytes - 1 : base),
			      text.data ? text.data : "", kind ? kind + 1 : "RAM and ROM, as firmware and option ROMs cut it");
		buffer_release(&text);
	}
}

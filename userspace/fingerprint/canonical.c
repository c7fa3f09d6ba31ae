/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/fingerprint/fingerprint.h"

#include <errno.h>
#include <string.h>

#include "userspace/base/buffer.h"
#include "userspace/base/text.h"

int fingerprint_write(const struct abi_entries *entries, struct buffer *out)
{
	buffer_printf(out, "abidrift-fingerprint %d\n", FINGERPRINT_FORMAT);
	for (int i = 0; i < FACETS; i++) {
		const struct abi_coverage *coverage = &entries->coverage[i];

		buffer_printf(out, "# coverage %s %s", facet_get(i)->name, coverage_name(coverage->level));
		if (coverage->reason && coverage->reason[0]) {
			buffer_string(out, " ");
			text_escape(out, coverage->reason, strlen(coverage->reason), false);
		}
		buffer_string(out, "\n");
	}
	for (size_t i = 0; i < entries->count; i++) {
		const struct abi_entry *entry = &entries->items[i];

		buffer_printf(out, "%s %s %s\n", facet_get(entry->facet)->name, entry->key, entry->value);
	}
	return buffer_failed(out) ? -ENOMEM : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/drift/carry.h"

#include <string.h>

#include "userspace/drift/listed.h"

static bool found_running(const json_t *change)
{
	return json_is_true(json_object_get(change, "running"));
}

/* Tables and firmware lie in the guest's memory, which moves with it. All else the VMM makes anew where the guest arrives. */
static bool found_running_or_in_memory(const json_t *change)
{
	static const char *const facets[] = { "acpi", "smbios", "numa", "firmware" };
	const char *facet = json_string_value(json_object_get(change, "facet"));

	for (size_t i = 0; facet && i < sizeof(facets) / sizeof(facets[0]); i++)
		if (!strcmp(facet, facets[i]))
			return true;
	return found_running(change);
}

static void take_over(json_t *change, const json_t *before)
{
	static const char *const parts[] = { "verdict", "severity", "cause", "why", "impact", "running", "firmware" };

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		json_t *part = json_object_get(before, parts[i]);

		if (part)
			json_object_set(change, parts[i], part);
	}
}

bool drift_carry(json_t *diff, const json_t *open, bool moved)
{
	bool (*stays)(const json_t *change) = moved ? found_running_or_in_memory : found_running;
	json_t *index = changes_index(json_object_get(open, "changes"), stays), *change;
	bool any = false;
	size_t i;

	json_array_foreach(json_object_get(diff, "changes"), i, change) {
		const json_t *before = found_running(change) ? NULL : changes_find(index, change);

		if (before) {
			take_over(change, before);
			any = true;
		}
	}
	json_decref(index);
	return any;
}

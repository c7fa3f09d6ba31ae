/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/drift/carry.h"

#include "userspace/drift/listed.h"

static bool found_running(const json_t *change)
{
	return json_is_true(json_object_get(change, "running"));
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

bool drift_carry(json_t *diff, const json_t *open)
{
	json_t *index = changes_index(json_object_get(open, "changes"), found_running), *change;
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

/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/drift/carry.h"

static bool same_change(const json_t *a, const json_t *b)
{
	static const char *const parts[] = { "facet", "key", "change", "from", "to" };

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (!json_equal(json_object_get(a, parts[i]), json_object_get(b, parts[i])))
			return false;
	return true;
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
	json_t *change, *before;
	bool any = false;
	size_t i, k;

	json_array_foreach(json_object_get(diff, "changes"), i, change) {
		if (json_is_true(json_object_get(change, "running")))
			continue;
		json_array_foreach(json_object_get(open, "changes"), k, before)
			if (json_is_true(json_object_get(before, "running")) && same_change(change, before)) {
				take_over(change, before);
				any = true;
				break;
			}
	}
	return any;
}

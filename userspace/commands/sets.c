/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/commands/sets.h"

#include <string.h>

#include "userspace/base/buffer.h"
#include "userspace/base/text.h"
#include "userspace/commands/output.h"
#include "userspace/drift/change_set.h"
#include "userspace/drift/words.h"

/* So many digits tell the sets of one store apart; where they do not, all are shown. */
#define DIGITS_SHORT 8

static int digits_of(const json_t *sets, const char *id)
{
	const json_t *set;
	size_t i, alike = 0;

	json_array_foreach(sets, i, set) {
		const char *other = output_string(set, "id");

		alike += other && !strncmp(other, id, DIGITS_SHORT);
	}
	return alike > 1 ? (int)strlen(id) : DIGITS_SHORT;
}

void sets_text(const json_t *sets, struct buffer *out)
{
	const json_t *set;
	size_t i;

	json_array_foreach(sets, i, set) {
		json_int_t guests = json_integer_value(json_object_get(set, "guests")), changes = json_integer_value(json_object_get(set, "changes"));
		const char *id = output_string(set, "id"), *summary = output_string(set, "summary");

		if (guests < 2 || !id)
			continue;
		buffer_printf(out, "%lld guests, the same ", (long long)guests);
		if (changes == 1)
			buffer_string(out, "change: ");
		else
			buffer_printf(out, "%lld changes: ", (long long)changes);
		words_cut(summary ? summary : "", CHANGE_SET_COLUMNS_NARROW, out);
		buffer_string(out, " (");
		if (output_string(set, "verdict")) {
			output_member(out, set, "verdict");
			buffer_string(out, ", ");
		}
		output_member(out, set, "severity");
		buffer_printf(out, ") (abidrift accept --change-set %.*s)\n", digits_of(sets, id), id);
	}
}

void sets_window(const json_t *window, struct buffer *out)
{
	if (!json_is_object(window))
		return;
	buffer_string(out, "maintenance window until ");
	output_member(out, window, "end");
	buffer_string(out, ": alerts of drift wait for its end\n");
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/commands/stale.h"

#include "userspace/base/error.h"
#include "userspace/commands/output.h"
#include "userspace/commands/settings.h"
#include "userspace/serve/api.h"

void stale_tell(const struct options *o, const json_t *stale)
{
	const json_t *longest = json_array_get(stale, 0);
	const char *host = output_string(longest, "host"), *at = output_string(longest, "at");
	size_t count = json_array_size(stale);

	if (!host || !at)
		return;
	if (count == 1)
		output_note(o, "no monitor of %s works with this store since %s: of its guests this is what it knew then", host, at);
	else
		output_note(o, "no monitor of %s and %zu other host%s works with this store, the first since %s: of their guests this is what they knew then", host,
			    count - 1, count == 2 ? "" : "s", at);
}

void stale_note(const struct options *o, struct store *store)
{
	struct error e = ERROR_INIT;
	json_t *stale = NULL;

	if (api_stale(store, settings_now(), &stale, &e) >= 0)
		stale_tell(o, stale);
	json_decref(stale);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "userspace/base/buffer.h"
#include "userspace/base/error.h"
#include "userspace/base/text.h"
#include "userspace/commands/options.h"
#include "userspace/commands/output.h"
#include "userspace/commands/settings.h"
#include "userspace/commands/verbs.h"
#include "userspace/serve/api.h"
#include "userspace/serve/history_text.h"

/* --since, in place of a time. */
#define LAST_HOST_CHANGE "last-host-change"

int verb_history(const struct options *o)
{
	struct error e = ERROR_INIT;
	struct buffer text = BUFFER_INIT;
	struct store *store = NULL;
	json_t *model = NULL;
	int64_t since = 0;
	int code, err = 0;

	bool last_change = o->since && !strcmp(o->since, LAST_HOST_CHANGE);

	if (o->since && !last_change && text_since_parse(o->since, settings_now(), &since) < 0)
		return output_error(o, "--since %.60s: has to be a time like 2026-01-31 or 2026-01-31T12:00:00Z, a duration like 2h, or " LAST_HOST_CHANGE, o->since);
	err = settings_store(o, STORE_READ, &store, &e);
	if (err >= 0 && last_change)
		err = api_last_host_change(store, &since, &e);
	if (err >= 0)
		err = api_history(store, o->argument_count ? o->arguments[0] : NULL, since, &model, &e);
	store_close(store);
	if (err < 0)
		return output_error(o, "%s", e.text);
	if (o->json)
		return output_json(o, model);
	if (!o->quiet || json_array_size(json_object_get(model, "events")))
		history_text(json_object_get(model, "events"), &text);
	code = output_text(o, &text);
	buffer_release(&text);
	json_decref(model);
	return code;
}

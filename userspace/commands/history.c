/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/base/buffer.h"
#include "userspace/base/error.h"
#include "userspace/commands/options.h"
#include "userspace/commands/output.h"
#include "userspace/commands/settings.h"
#include "userspace/commands/since.h"
#include "userspace/commands/verbs.h"
#include "userspace/serve/api.h"
#include "userspace/serve/history_text.h"

int verb_history(const struct options *o)
{
	struct error e = ERROR_INIT;
	struct buffer text = BUFFER_INIT;
	struct store *store = NULL;
	json_t *model = NULL;
	int64_t since = 0;
	int code, err = since_check(o, &e);

	if (err >= 0)
		err = settings_store(o, STORE_READ, &store, &e);
	if (err >= 0)
		err = since_read(o, store, &since, &e);
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

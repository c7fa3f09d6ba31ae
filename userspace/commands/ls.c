/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/base/buffer.h"
#include "userspace/base/error.h"
#include "userspace/commands/options.h"
#include "userspace/commands/output.h"
#include "userspace/commands/sets.h"
#include "userspace/commands/settings.h"
#include "userspace/commands/stale.h"
#include "userspace/commands/verbs.h"
#include "userspace/serve/api.h"
#include "userspace/serve/listing.h"

int verb_ls(const struct options *o)
{
	struct error e = ERROR_INIT;
	struct buffer text = BUFFER_INIT;
	struct store *store = NULL;
	json_t *model = NULL;
	int code, err = settings_store(o, STORE_READ, &store, &e);

	if (err >= 0)
		err = api_guests(store, settings_now(), &model, &e);
	store_close(store);
	if (err < 0)
		return output_error(o, "%s", e.text);
	if (o->json)
		return output_json(o, model);
	stale_tell(o, json_object_get(model, "stale"));
	if (json_array_size(json_object_get(model, "guests"))) {
		listing_text(json_object_get(model, "guests"), o->verbose, &text);
		sets_text(json_object_get(model, "change_sets"), &text);
		sets_window(json_object_get(model, "maintenance"), &text);
	} else if (!o->quiet)
		buffer_string(&text, "no guest was seen yet\n");
	code = output_text(o, &text);
	buffer_release(&text);
	json_decref(model);
	return code;
}

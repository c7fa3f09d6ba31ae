/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/base/buffer.h"
#include "userspace/base/error.h"
#include "userspace/commands/compare.h"
#include "userspace/commands/options.h"
#include "userspace/commands/output.h"
#include "userspace/commands/settings.h"
#include "userspace/commands/stale.h"
#include "userspace/commands/verbs.h"
#include "userspace/drift/suppress.h"
#include "userspace/serve/api.h"

static bool needs_store(const struct options *o)
{
	for (size_t i = 0; i < o->argument_count; i++)
		if (!api_side_is_file(o->arguments[i]))
			return true;
	return o->argument_count < 2;
}

int verb_diff(const struct options *o)
{
	struct error e = ERROR_INIT;
	struct buffer text = BUFFER_INIT;
	enum severity least = SEVERITY_NONE;
	struct suppressions *suppressions = NULL;
	struct store *store = NULL;
	json_t *model = NULL;
	int code, result, err = compare_severity(o, &least, &e);

	settings_pci_names();
	if (err >= 0)
		err = settings_suppressions(o, NULL, &suppressions, &e);
	if (err >= 0 && needs_store(o))
		err = settings_store(o, STORE_READ, &store, &e);
	if (err >= 0)
		err = api_diff(store, o->arguments[0], o->argument_count > 1 ? o->arguments[1] : NULL,
			       &(struct api_rules){ .suppress = suppressions, .at = settings_now() }, (int)least, &model, &result, &e);
	store_close(store);
	suppressions_free(suppressions);
	if (err < 0)
		return output_error(o, "%s", e.text);
	if (o->json) {
		code = output_json(o, model);
		return code ? code : compare_code((enum drift_result)result);
	}
	stale_tell(o, json_object_get(model, "stale"));
	if (!o->quiet)
		api_diff_text(model, &(struct api_text){ .alone = o->argument_count == 1, .color = output_color(o), .more = o->verbose }, &text);
	code = output_text(o, &text);
	buffer_release(&text);
	json_decref(model);
	return code ? code : compare_code((enum drift_result)result);
}

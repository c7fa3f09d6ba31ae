/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/base/buffer.h"
#include "userspace/base/error.h"
#include "userspace/commands/options.h"
#include "userspace/commands/output.h"
#include "userspace/commands/settings.h"
#include "userspace/commands/stale.h"
#include "userspace/commands/verbs.h"
#include "userspace/serve/api.h"
#include "userspace/serve/show_text.h"

static int show_fingerprint(const struct options *o, struct store *store, const char *side)
{
	struct buffer text = BUFFER_INIT;
	struct error e = ERROR_INIT;
	int code, err = api_fingerprint(store, side, &text, &e);

	code = err < 0 ? output_error(o, "%s", e.text) : output_text(o, &text);
	buffer_release(&text);
	return code;
}

static int show_model(const struct options *o, struct store *store, const char *side)
{
	struct buffer text = BUFFER_INIT;
	struct error e = ERROR_INIT;
	json_t *model = NULL;
	int code;

	if (api_show(store, side, o->facet, &model, &e) < 0)
		return output_error(o, "%s", e.text);
	if (o->json)
		return output_json(o, model);
	show_text(model, &(struct show_text_options){ .every = o->facet || o->verbose, .raw = o->verbose, .color = output_color(o) }, &text);
	code = output_text(o, &text);
	buffer_release(&text);
	json_decref(model);
	return code;
}

int verb_show(const struct options *o)
{
	struct error e = ERROR_INIT;
	struct store *store = NULL;
	int code;

	if (o->fingerprint && (o->facet || o->json))
		return output_error(o, "show --fingerprint prints the whole fingerprint text: it goes with neither --facet nor --json");
	settings_pci_names();
	if (!api_side_is_file(o->arguments[0]) && settings_store(o, STORE_READ, &store, &e) < 0)
		return output_error(o, "%s", e.text);
	stale_note(o, store);
	code = o->fingerprint ? show_fingerprint(o, store, o->arguments[0]) : show_model(o, store, o->arguments[0]);
	store_close(store);
	return code;
}

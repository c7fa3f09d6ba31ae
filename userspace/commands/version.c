/* SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <stdio.h>

#include "bpf/observe.h"
#include "userspace/abi/facet.h"
#include "userspace/base/buffer.h"
#include "userspace/commands/options.h"
#include "userspace/commands/output.h"
#include "userspace/commands/verbs.h"
#include "userspace/fingerprint/fingerprint.h"
#include "userspace/notify/notify.h"
#include "userspace/serve/review.h"
#include "userspace/store/store.h"
#include "userspace/stream/record.h"
#include "userspace/stream/trace.h"

static const struct {
	const char *name;
	int number;
} formats[] = {
	{ "fingerprint", FINGERPRINT_FORMAT }, { "trace", TRACE_FORMAT },        { "stream", RECORD_FORMAT }, { "store", STORE_FORMAT },
	{ "layout", OBSERVE_LAYOUT },          { "normaliser", ABI_NORMALISER },
};

static const char *const others[] = {
	"store.sqlite", "record", "replay",
#ifndef ABIDRIFT_ALONE
	"serve.http",
#endif
};

static json_t *version_json(void)
{
	json_t *features = json_array(), *numbers = json_object();
	char name[64];

	for (int f = 0; f < FACETS; f++) {
		snprintf(name, sizeof name, "facet.%s", facet_get((enum facet_id)f)->name);
		json_array_append_new(features, json_string(name));
	}
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		json_array_append_new(features, json_string(others[i]));
#ifndef ABIDRIFT_ALONE
	json_array_append_new(features, json_string(review_built() ? "serve.page" : "serve.no-page"));
	for (const char *const *sink = notify_sinks(); *sink; sink++) {
		snprintf(name, sizeof name, "sink.%s", *sink);
		json_array_append_new(features, json_string(name));
	}
	json_array_append_new(features, json_string("sink.alertmanager")); /* has no queue, so it is not among them */
#endif
	for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
		json_object_set_new(numbers, formats[i].name, json_integer(formats[i].number));
	return json_pack("{s:s, s:o, s:o}", "version", ABIDRIFT_VERSION, "features", features, "formats", numbers);
}

static void version_text(const json_t *model, struct buffer *out)
{
	const json_t *number, *feature;
	const char *name;
	size_t i;

	buffer_printf(out, "abidrift %s\nfeatures:", output_string(model, "version"));
	json_array_foreach(json_object_get(model, "features"), i, feature) buffer_printf(out, " %s", json_string_value(feature));
	buffer_string(out, "\nformats:");
	json_object_foreach(json_object_get(model, "formats"), name, number)
		buffer_printf(out, " %s %d", name, (int)json_integer_value(number));
	buffer_string(out, "\n");
}

int verb_version(const struct options *o)
{
	json_t *model = version_json();
	struct buffer text = BUFFER_INIT;
	int code;

	if (!model || o->json)
		return output_json(o, model);
	version_text(model, &text);
	code = output_text(o, &text);
	buffer_release(&text);
	json_decref(model);
	return code;
}

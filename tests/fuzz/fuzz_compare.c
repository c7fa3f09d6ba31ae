// SPDX-License-Identifier: Apache-2.0
/*
 * What a store from elsewhere may hold of two sides, and the rules that judge them: fingerprint and context of each, and rules ("NAME KEY VALUE"
 * lines), with NUL between the five. Read, compared, judged, and told as JSON and as text, which never holds a control character.
 */
#include "tests/fuzz/fuzz.h"

#include "userspace/drift/suppress.h"
#include "userspace/drift/verdict.h"
#include "userspace/drift/view.h"

struct side_text {
	struct abi_entries entries;
	struct context context;
};

static bool read_side(const uint8_t **data, size_t *size, struct side_text *ret)
{
	char *text = take_until(data, size, 0), *context = take_until(data, size, 0);
	struct error e = ERROR_INIT;
	bool good;

	*ret = (struct side_text){ .entries = ABI_ENTRIES_INIT, .context = CONTEXT_INIT };
	good = fingerprint_parse(text, strlen(text), &ret->entries, &e) == 0 && context_parse(context, strlen(context), &ret->context) == 0;
	free(text);
	free(context);
	return good;
}

static void release_side(struct side_text *s)
{
	entries_release(&s->entries);
	context_release(&s->context);
}

static struct suppressions *read_rules(const uint8_t **data, size_t *size)
{
	struct suppressions *s = suppressions_new();
	struct error e = ERROR_INIT;
	char *rest = take_until(data, size, 0), *state;

	require(s != NULL);
	for (char *line = strtok_r(rest, "\n", &state); line; line = strtok_r(NULL, "\n", &state)) {
		char *name, *key, *words;

		name = strtok_r(line, " ", &words);
		key = name ? strtok_r(NULL, " ", &words) : NULL;
		if (key)
			suppressions_set(s, name, key, words ? words : "", &e);
	}
	free(rest);
	if (suppressions_check(s, NULL, &e) < 0) {
		suppressions_free(s);
		return NULL;
	}
	return s;
}

static void tell(const struct drift *d)
{
	const struct drift_text_options options = { .more = true };
	struct buffer text = BUFFER_INIT, line = BUFFER_INIT;
	json_t *json = drift_json(d, SEVERITY_NONE);

	require(json != NULL);
	drift_text(json, &options, &text);
	drift_summary(json, 200, &line);
	for (size_t i = 0; i < text.size; i++)
		require(text.data[i] == '\n' || ((unsigned char)text.data[i] >= 0x20 && text.data[i] != 0x7f));
	require(!line.size || !memchr(line.data, '\n', line.size));
	json_decref(json);
	buffer_release(&text);
	buffer_release(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct drift_options options = { .facets = DRIFT_ALL_FACETS, .same_guest = size & 1 };
	struct side_text from, to = { .entries = ABI_ENTRIES_INIT, .context = CONTEXT_INIT };

	if (read_side(&data, &size, &from) && read_side(&data, &size, &to)) {
		struct suppressions *rules = read_rules(&data, &size);
		struct drift_circumstances c = { .from = &from.context, .to = &to.context, .now = &to.entries, .suppress = rules, .guest = "id", .name = "web-01", .at = 1 };
		struct drift d = DRIFT_INIT;

		require(drift_compare(&from.entries, &from.context, &to.entries, &to.context, &options, &d) == 0);
		require(drift_judge(&d, &c) == 0);
		tell(&d);
		drift_release(&d);
		suppressions_free(rules);
	}
	release_side(&from);
	release_side(&to);
	return 0;
}

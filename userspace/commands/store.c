/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/store/store.h"

#include <errno.h>
#include <string.h>

#include "userspace/base/buffer.h"
#include "userspace/base/config.h"
#include "userspace/base/error.h"
#include "userspace/base/text.h"
#include "userspace/commands/options.h"
#include "userspace/commands/output.h"
#include "userspace/commands/settings.h"
#include "userspace/commands/verbs.h"

/* What is done to a store by hand: each opens it in this mode, and its model is what is printed, as text or as JSON. */
struct care {
	const char *name;
	size_t arguments;
	bool prunes; /* takes --older and --vacuum */
	enum store_mode mode;
	int (*model)(const struct options *o, struct store *s, json_t **ret, struct error *e);
	void (*text)(const json_t *model, struct buffer *out);
	int (*code)(const struct options *o, const json_t *model); /* of what was printed; none: 0 */
};

static int store_said(struct store *s, int err, struct error *e)
{
	return err < 0 ? error_set(e, -err, "%s", store_error(s)) : 0;
}

static json_t *size_json(const struct store_room *size)
{
	return json_pack("{s:I, s:I, s:I}", "bytes", (json_int_t)size->bytes, "free_bytes", (json_int_t)size->free_bytes, "log_bytes",
			 (json_int_t)size->log_bytes);
}

static json_t *rows_json(const struct store_rows *items, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, json_pack("{s:s, s:I}", "table", items[i].table, "rows", (json_int_t)items[i].rows));
	return list;
}

static int size_model(struct store *s, json_t **ret, struct error *e)
{
	struct store_room size;
	int err = store_said(s, store_room(s, &size), e);

	if (err < 0)
		return err;
	*ret = size_json(&size);
	return *ret ? 0 : error_set(e, ENOMEM, "out of memory");
}

static json_int_t number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static void bytes_text(struct buffer *out, json_int_t bytes)
{
	if (bytes < 1 << 20)
		buffer_printf(out, "%lld KiB", (long long)(bytes + 1023) >> 10);
	else
		buffer_printf(out, "%.1f MiB", (double)bytes / (1 << 20));
}

static void size_text(const json_t *size, struct buffer *out)
{
	bytes_text(out, number(size, "bytes"));
	buffer_string(out, ", of which ");
	bytes_text(out, number(size, "free_bytes"));
	buffer_string(out, " are free to be used again");
}

static json_int_t rows_sum(const json_t *tables)
{
	json_int_t sum = 0;
	const json_t *row;
	size_t i;

	json_array_foreach(tables, i, row) sum += number(row, "rows");
	return sum;
}

static json_int_t rows_of(const json_t *tables, const char *name)
{
	const json_t *row;
	size_t i;

	json_array_foreach(tables, i, row) if (!strcmp(output_string(row, "table"), name)) return number(row, "rows");
	return 0;
}

/* ---- check */

/* Rows of damaged tables may not be countable: what is found is told without them. */
static int check_sizes(struct store *s, bool whole, json_t *model, struct error *e)
{
	struct store_rows *tables = NULL;
	size_t count = 0;
	json_t *size = NULL;
	int err = whole ? store_said(s, store_tables(s, &tables, &count), e) : 0;

	if (err >= 0)
		err = size_model(s, &size, e);
	if (err >= 0)
		err = json_object_set_new(model, "size", size) < 0 || json_object_set_new(model, "tables", rows_json(tables, count)) < 0
			      ? error_set(e, ENOMEM, "out of memory")
			      : 0;
	store_rows_free(tables, count);
	return err;
}

static int check_model(const struct options *o, struct store *s, json_t **ret, struct error *e)
{
	json_t *model, *list = json_array();
	char **findings = NULL;
	size_t count = 0;
	int err = store_said(s, store_findings(s, &findings, &count), e);

	(void)o;
	for (size_t i = 0; err >= 0 && i < count; i++)
		json_array_append_new(list, json_string(findings[i]));
	store_findings_free(findings, count);
	model = json_pack("{s:s, s:b, s:i, s:o}", "path", store_path(s), "ok", count == 0, "format", STORE_FORMAT, "findings", list);
	if (err >= 0)
		err = model ? check_sizes(s, !count, model, e) : error_set(e, ENOMEM, "out of memory");
	if (err >= 0)
		*ret = model;
	else
		json_decref(model);
	return err;
}

static void check_text(const json_t *model, struct buffer *out)
{
	const json_t *tables = json_object_get(model, "tables"), *finding;
	size_t i;

	if (!json_is_true(json_object_get(model, "ok"))) {
		json_array_foreach(json_object_get(model, "findings"), i, finding) buffer_printf(out, "%s\n", json_string_value(finding));
		return;
	}
	output_member(out, model, "path");
	buffer_printf(out, ": whole\n  file      format %lld, ", (long long)number(model, "format"));
	size_text(json_object_get(model, "size"), out);
	buffer_string(out, "; every page and index was read\n");
	buffer_printf(out, "  rows      %lld in %zu tables; each refers to rows that are there\n", (long long)rows_sum(tables), json_array_size(tables));
	buffer_printf(out, "  contents  %lld fingerprints, facts and contexts; each is what its SHA-256 says\n",
		      (long long)rows_of(tables, "contents"));
}

/* Findings are on standard output; this says that there are some, and what to do. */
static int check_code(const struct options *o, const json_t *model)
{
	size_t count = json_array_size(json_object_get(model, "findings"));

	if (!count)
		return 0;
	return output_error(o, "store %s: it is damaged (%zu finding%s); stop abidrift and save the file, then try: sqlite3 FILE .recover, or bring back a backup",
			    output_string(model, "path"), count, count == 1 ? "" : "s");
}

/* ---- backup */

static int backup_model(const struct options *o, struct store *s, json_t **ret, struct error *e)
{
	const char *path = o->arguments[1];
	json_t *size = NULL;
	int err;

	if (!strncmp(path, "sqlite:", 7))
		return error_set(e, EINVAL, "backup %s: that is a URL; name the file only", path);
	err = store_backup(s, path, e);
	if (err >= 0)
		err = size_model(s, &size, e);
	if (err >= 0)
		*ret = json_pack("{s:s, s:s, s:o}", "path", store_path(s), "copy", path, "size", size);
	return err;
}

static void backup_text(const json_t *model, struct buffer *out)
{
	output_member(out, model, "copy");
	buffer_string(out, ": a copy of ");
	output_member(out, model, "path");
	buffer_string(out, ", checked (");
	bytes_text(out, number(json_object_get(model, "size"), "bytes"));
	buffer_string(out, ")\n");
}

/* ---- prune */

static int prune_age(const struct options *o, uint64_t *ret_ns, struct error *e)
{
	struct config *c = NULL;
	int err;

	if (o->older) {
		if (text_duration(o->older, ret_ns) < 0)
			return error_set(e, EINVAL, "--older %.60s: has to be a duration like 90d or 12h", o->older);
		return 0;
	}
	err = settings_load(o, &c, e);
	if (err >= 0)
		*ret_ns = config_ns(c, "store.keep");
	config_free(c);
	return err;
}

static json_t *prune_json(struct store *s, int64_t before, json_t *rows, json_t *was, json_t *is, bool vacuumed)
{
	struct buffer time = BUFFER_INIT;
	json_t *model;

	text_time(&time, before);
	model = json_pack("{s:s, s:s, s:o, s:o, s:o, s:b}", "path", store_path(s), "before", time.data ? time.data : "", "pruned", rows, "size_before",
			  was, "size", is, "vacuumed", (int)vacuumed);
	buffer_release(&time);
	return model;
}

static int prune_model(const struct options *o, struct store *s, json_t **ret, struct error *e)
{
	struct store_rows *went = NULL;
	size_t count = 0;
	json_t *was = NULL, *is = NULL;
	uint64_t age = 0;
	int64_t now = settings_now(), before = 0;
	int err = prune_age(o, &age, e);

	if (err >= 0) {
		/* Older than 1970: nothing is. */
		before = age < (uint64_t)now ? now - (int64_t)age : 0;
		err = size_model(s, &was, e);
	}
	if (err >= 0)
		err = store_said(s, store_prune_told(s, before, &went, &count), e);
	if (err >= 0 && o->vacuum)
		err = store_said(s, store_vacuum(s), e);
	if (err >= 0)
		err = size_model(s, &is, e);
	if (err >= 0)
		*ret = prune_json(s, before, rows_json(went, count), was, is, o->vacuum);
	else
		json_decref(was);
	store_rows_free(went, count);
	return err;
}

static void prune_text(const json_t *model, struct buffer *out)
{
	const json_t *tables = json_object_get(model, "pruned"), *row, *size = json_object_get(model, "size");
	bool vacuumed = json_is_true(json_object_get(model, "vacuumed"));
	const char *comma = ": ";
	size_t i;

	buffer_printf(out, "%lld rows from before ", (long long)rows_sum(tables));
	output_member(out, model, "before");
	buffer_string(out, " were forgotten");
	json_array_foreach(tables, i, row) {
		if (!number(row, "rows"))
			continue;
		buffer_printf(out, "%s%lld of ", comma, (long long)number(row, "rows"));
		output_member(out, row, "table");
		comma = ", ";
	}
	buffer_string(out, "\n");
	output_member(out, model, "path");
	buffer_string(out, ": ");
	if (vacuumed) {
		bytes_text(out, number(json_object_get(model, "size_before"), "bytes"));
		buffer_string(out, " before, now ");
	}
	size_text(size, out);
	/* Worth its wait only where it gives back a good part. */
	if (!vacuumed && number(size, "free_bytes") > number(size, "bytes") / 2)
		buffer_string(out, " (--vacuum gives them back)");
	buffer_string(out, "\n");
}

static const struct care cares[] = {
	{ "check", 1, false, STORE_READ, check_model, check_text, check_code },
	{ "backup", 2, false, STORE_READ, backup_model, backup_text, NULL },
	{ "prune", 1, true, STORE_WRITE, prune_model, prune_text, NULL },
};

static int care_find(const struct options *o, const struct care **ret, struct error *e)
{
	for (size_t i = 0; i < sizeof cares / sizeof *cares; i++) {
		const struct care *care = &cares[i];

		if (strcmp(care->name, o->arguments[0]))
			continue;
		if (o->argument_count != care->arguments)
			return error_set(e, EINVAL, "usage: abidrift store %s%s", care->name, care->arguments > 1 ? " FILE" : "");
		if ((o->older || o->vacuum) && !care->prunes)
			return error_set(e, EINVAL, "store %s: --older and --vacuum are for store prune", care->name);
		*ret = care;
		return 0;
	}
	return error_set(e, EINVAL, "store: there is nothing called \"%.60s\"; check, backup FILE or prune (see abidrift store -h)", o->arguments[0]);
}

int verb_store(const struct options *o)
{
	struct error e = ERROR_INIT;
	struct buffer text = BUFFER_INIT;
	const struct care *care = NULL;
	struct store *store = NULL;
	json_t *model = NULL;
	int code, told, err = care_find(o, &care, &e);

	if (err >= 0)
		err = settings_store(o, care->mode, &store, &e);
	if (err >= 0)
		err = care->model(o, store, &model, &e);
	store_close(store);
	if (err < 0)
		return output_error(o, "%s", e.text);
	told = care->code ? care->code(o, model) : 0;
	if (!model || o->json) {
		code = output_json(o, model);
		return code > told ? code : told;
	}
	if (!o->quiet)
		care->text(model, &text);
	code = output_text(o, &text);
	buffer_release(&text);
	json_decref(model);
	return code > told ? code : told;
}

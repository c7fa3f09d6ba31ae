/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "userspace/analyst.h"
#include "userspace/base/buffer.h"
#include "userspace/base/config.h"
#include "userspace/base/error.h"
#include "userspace/commands/compare.h"
#include "userspace/commands/options.h"
#include "userspace/commands/output.h"
#include "userspace/commands/scratch.h"
#include "userspace/commands/settings.h"
#include "userspace/commands/verbs.h"
#include "userspace/drift/suppress.h"
#include "userspace/drift/view.h"
#include "userspace/serve/api.h"
#include "userspace/serve/listing.h"
#include "userspace/stream/trace.h"

struct replay {
	const struct options *options;
	const char *path;
	struct config *config;
	struct suppressions *suppressions;
	int64_t ended_at; /* the trace's last time: rules that end are taken as they were then */
	enum severity least;
	bool incomplete; /* the trace says so itself, or ends within a record */
	bool unknown; /* facts were lost, or a facet fell from complete */
	json_t *guests, *diffs;
};

static int trace_open(const char *path, struct trace_reader **ret, bool *ret_again, struct error *e)
{
	struct error why = ERROR_INIT;
	struct stat st;
	int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3), err;

	if (fd < 0)
		return error_set(e, errno, "cannot read the trace %s: %s", path, strerror(errno));
	if (fstat(fd, &st) < 0 || S_ISDIR(st.st_mode)) {
		close(fd);
		return error_set(e, EISDIR, "cannot read the trace %s: it is a folder", path);
	}
	*ret_again = S_ISREG(st.st_mode) && strcmp(path, "-");
	err = trace_reader_new(fd, ret, &why);
	if (err < 0) {
		close(fd);
		return error_set(e, -err, "trace %s: %s", path, *why.text ? why.text : strerror(-err));
	}
	return 0;
}

/* What the trace holds, to the analyst; with none it is only read. */
static int trace_walk(struct replay *r, struct trace_reader *reader, struct analyst *a, struct error *e)
{
	struct record_header header;
	struct error why = ERROR_INIT;
	const void *body;
	size_t bytes;
	int err;

	while ((err = trace_reader_next(reader, &header, &body, &bytes, &why)) > 0) {
		err = a ? analyst_feed(a, &header, body, bytes, &why) : 0;
		if (err < 0)
			break;
	}
	if (err < 0)
		return error_set(e, -err, "trace %s: %s", r->path, *why.text ? why.text : strerror(-err));
	r->incomplete = trace_reader_incomplete(reader);
	return 0;
}

static void said(void *context, int level, const char *line)
{
	const struct replay *r = context;

	(void)level;
	if (r->options->verbose)
		output_note(r->options, "%s", line);
}

static int analyse(struct replay *r, struct store *store, struct trace_reader *reader, struct error *e)
{
	struct analyst_options options = {
		.settle_ns = config_ns(r->config, "monitor.settle"),
		.settle_max_ns = config_ns(r->config, "monitor.settle_max"),
		.baseline_auto = !strcmp(config_get(r->config, "monitor.baseline"), "auto"),
		.replay = true,
		.suppress = r->suppressions,
		.say = said,
		.context = r,
	};
	struct analyst *a = NULL;
	int err = analyst_new(store, &options, &a, e);

	if (err >= 0)
		err = trace_walk(r, reader, a, e);
	if (err >= 0)
		err = analyst_end(a, false, e);
	if (err >= 0)
		r->unknown = analyst_unknown(a);
	r->ended_at = analyst_now(a);
	analyst_free(a);
	return err;
}

static int results(struct replay *r, struct store *store, struct error *e)
{
	json_t *listed = NULL;
	int err = api_guests(store, r->ended_at, &listed, e);

	if (err < 0)
		return err;
	r->guests = json_incref(json_object_get(listed, "guests"));
	json_decref(listed);
	return api_diff_all(store, &(struct api_rules){ .suppress = r->suppressions, .at = r->ended_at }, (int)r->least, &r->diffs, e);
}

/*
 * A file is read to its end before a store is touched: a corrupt one leaves nothing behind. What comes through a pipe can be read
 * only once.
 */
static int trace_check(struct replay *r, struct trace_reader **reader, bool again, struct error *e)
{
	int err;

	if (!again)
		return 0;
	err = trace_walk(r, *reader, NULL, e);
	if (err < 0)
		return err;
	trace_reader_free(*reader);
	*reader = NULL;
	return trace_open(r->path, reader, &again, e);
}

/* A file is stored as a whole or not at all. What comes through a pipe may come for hours, and others write meanwhile. */
static int store_whole(struct replay *r, struct store *store, struct trace_reader *reader, bool whole, struct error *e)
{
	int err = whole && store_hold(store) < 0 ? error_set(e, EIO, "%s", store_error(store)) : 0;

	if (err >= 0)
		err = analyse(r, store, reader, e);
	if (err >= 0)
		err = results(r, store, e);
	if (err >= 0 && whole && store_release(store) < 0)
		err = error_set(e, EIO, "%s", store_error(store));
	return err;
}

static int replay(struct replay *r, struct error *e)
{
	struct trace_reader *reader = NULL;
	struct store *store = NULL;
	char *url = NULL;
	bool again;
	int err = trace_open(r->path, &reader, &again, e);

	if (err >= 0)
		err = trace_check(r, &reader, again, e);
	if (err >= 0)
		err = r->options->store ? settings_store_url(r->options, r->config, &url, e) : scratch_make(&url, e);
	if (err >= 0)
		err = store_open(url, STORE_CREATE, &store, e);
	if (err >= 0)
		err = store_whole(r, store, reader, again, e);
	store_close(store);
	scratch_remove();
	trace_reader_free(reader);
	free(url);
	return err;
}

/* 1 wins over 3. Guests that have no baseline are not among the diffs: nothing is wrong with them. */
static int replay_code(const struct replay *r)
{
	bool unknown = r->unknown || r->incomplete;
	const json_t *diff;
	size_t i;

	json_array_foreach(r->diffs, i, diff)
	{
		const char *result = output_string(diff, "result");

		if (result && !strcmp(result, drift_result_name(DRIFT_DRIFT)))
			return EXIT_DRIFT;
		unknown |= result && !strcmp(result, drift_result_name(DRIFT_UNKNOWN));
	}
	return unknown ? EXIT_UNKNOWN : EXIT_SAME;
}

/* All changes of all guests, each as diff has it and with its guest. */
static json_t *all_changes(const struct replay *r)
{
	json_t *all = json_array(), *diff, *change;
	size_t i, k;

	json_array_foreach(r->diffs, i, diff) json_array_foreach(json_object_get(diff, "changes"), k, change)
	{
		json_t *guest = json_object_get(json_object_get(json_object_get(diff, "to"), "guest"), "id");
		json_t *copy = json_copy(change);

		json_object_set(copy, "guest", guest);
		json_array_append_new(all, copy);
	}
	return all;
}

static void replay_text(const struct replay *r, struct buffer *out)
{
	bool color = output_color(r->options);
	const json_t *diff;
	size_t i;

	if (json_array_size(r->guests))
		listing_text(r->guests, r->options->verbose, out);
	else
		buffer_string(out, "no guest is in this trace\n");
	json_array_foreach(r->diffs, i, diff)
	{
		const char *result = output_string(diff, "result");

		if (result && !strcmp(result, drift_result_name(DRIFT_SAME)) && !json_array_size(json_object_get(diff, "changes")))
			continue;
		buffer_string(out, "\n");
		drift_text(diff, &(struct drift_text_options){ .color = color, .more = r->options->verbose }, out);
	}
	if (r->incomplete)
		buffer_string(out, "\nthe trace is INCOMPLETE: its recording was not finished, so something may be missing\n");
	else if (r->unknown)
		buffer_string(out, "\nfacts were lost, or less is seen than before: not all can be known\n");
}

static int replay_print(const struct replay *r)
{
	struct buffer text = BUFFER_INIT;
	int code;

	if (r->options->json)
		return output_json(r->options, json_pack("{s:O, s:o, s:b, s:O}", "guests", r->guests, "changes", all_changes(r),
							 "incomplete", r->incomplete, "diffs", r->diffs));
	if (!r->options->quiet)
		replay_text(r, &text);
	code = output_text(r->options, &text);
	buffer_release(&text);
	return code;
}

int verb_replay(const struct options *o)
{
	struct replay r = { .options = o, .path = o->arguments[0] };
	struct error e = ERROR_INIT;
	int code, err = compare_severity(o, &r.least, &e);

	settings_pci_names();
	if (err >= 0)
		err = settings_load(o, &r.config, &e);
	if (err >= 0)
		err = settings_suppressions(o, r.config, &r.suppressions, &e);
	if (err >= 0)
		err = replay(&r, &e);
	code = err < 0 ? output_error(o, "%s", *e.text ? e.text : strerror(-err)) : replay_print(&r);
	if (!code)
		code = replay_code(&r);
	json_decref(r.guests);
	json_decref(r.diffs);
	suppressions_free(r.suppressions);
	config_free(r.config);
	return code;
}

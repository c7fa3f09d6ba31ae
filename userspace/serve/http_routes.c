/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/base/memory.h"
#include "userspace/serve/http_routes.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "userspace/base/error.h"
#include "userspace/base/http_text.h"
#include "userspace/base/text.h"
#include "userspace/base/visible_json.h"
#include "userspace/drift/drift.h"
#include "userspace/serve/export.h"
#include "userspace/serve/json.h"
#include "userspace/serve/metrics.h"
#include "userspace/serve/review.h"
#include "userspace/store/store.h"

#define TYPE_JSON "application/json"
#define TYPE_TEXT "text/plain; charset=utf-8"
#define TYPE_HTML "text/html; charset=utf-8"
#define TYPE_SCRIPT "text/javascript; charset=utf-8"
#define TYPE_ARCHIVE "application/zstd"
#define TYPE_STYLE "text/css; charset=utf-8"
#define TYPE_ICON "image/svg+xml"

/* What holds until the store changes holds no longer than this all the same: rules of suppression end by the clock. */
#define KEEP_MS 5000
/* Two scrapers at once are one. */
#define KEEP_METRICS_MS 1000
/* The monitor writes its heartbeat every few seconds. */
#define HEARTBEAT_MAX_NS (30 * 1000000000ll)
/* One loop serves all, alerts among them: what takes long to put together is not for it. */
#define HISTORY_EVENTS 1000
#define HISTORY_EVENTS_MAX 5000
#define HISTORY_CHARACTERS_MAX (4 << 20)
/* All of an alert is read to tell a little of it. */
#define ALERTS_CHARACTERS_MAX (1 << 20)
/* `history --since`, in place of a time. */
#define LAST_HOST_CHANGE "last-host-change"

static const char page[] = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>abidrift</title></head>\n<body>\n<h1>abidrift</h1>\n"
			   "<p>What this host's guests are given, and what changed of it. Read-only.</p>\n"
			   "<p>The review page, which shows it, was left out when this abidrift was built: there was no npm, or <code>PAGE=no</code> was asked for "
			   "(<code>abidrift version</code> says serve.no-page). <code>make PAGE=yes</code> builds it in. What it would show:</p>\n<ul>\n"
			   "<li><a href=\"/api/v1/guests\">/api/v1/guests</a></li>\n<li><a href=\"/api/v1/history\">/api/v1/history</a></li>\n"
			   "<li><a href=\"/api/v1/alerts\">/api/v1/alerts</a></li>\n"
			   "<li>/api/v1/guests/GUEST</li>\n<li>/api/v1/guests/GUEST/revisions/REV</li>\n<li>/api/v1/diff?from=A&amp;to=B</li>\n"
			   "<li><a href=\"/metrics\">/metrics</a></li>\n<li><a href=\"/readyz\">/readyz</a></li>\n</ul>\n</body></html>\n";

/* The same bytes that the verbs print with --json into a pipe. Takes over the model. */
static int put_json(json_t *model, struct http_answer *ret, struct error *e)
{
	visible_json_put(&ret->body, model, JSON_COMPACT);
	json_decref(model);
	ret->type = TYPE_JSON;
	buffer_string(&ret->body, "\n");
	return buffer_failed(&ret->body) ? error_set(e, ENOMEM, "out of memory") : 0;
}

static int part(enum review_part wanted, const char *type, struct http_answer *ret, struct error *e)
{
	int err = review_text(wanted, &ret->body);

	ret->type = type;
	if (err == -ENOENT)
		return error_set(e, ENOENT, "this abidrift was built without the review page (make PAGE=yes builds it in)");
	/* Packed once, as small as it gets: not again for each who asks. */
	ret->packed = review_packed(wanted, &ret->packed_bytes);
	return err < 0 ? error_set(e, ENOMEM, "out of memory") : 0;
}

static int root(const struct http_source *source, const struct http_target *t, const char *accept, struct http_answer *ret, struct error *e)
{
	(void)source, (void)t, (void)accept;
	if (review_built())
		return part(REVIEW_HTML, TYPE_HTML, ret, e);
	ret->type = TYPE_HTML;
	buffer_string(&ret->body, page);
	return 0;
}

static int script(const struct http_source *source, const struct http_target *t, const char *accept, struct http_answer *ret, struct error *e)
{
	(void)source, (void)t, (void)accept;
	return part(REVIEW_SCRIPT, TYPE_SCRIPT, ret, e);
}

static int style(const struct http_source *source, const struct http_target *t, const char *accept, struct http_answer *ret, struct error *e)
{
	(void)source, (void)t, (void)accept;
	return part(REVIEW_STYLE, TYPE_STYLE, ret, e);
}

/* Named in the page: else browsers ask for another one, which is not there. */
static int icon(const struct http_source *source, const struct http_target *t, const char *accept, struct http_answer *ret, struct error *e)
{
	(void)source, (void)t, (void)accept;
	return part(REVIEW_ICON, TYPE_ICON, ret, e);
}

static int healthz(const struct http_source *source, const struct http_target *t, const char *accept, struct http_answer *ret, struct error *e)
{
	(void)source, (void)t, (void)accept, (void)e;
	ret->type = TYPE_TEXT;
	buffer_string(&ret->body, "ok\n");
	return 0;
}

/* ---- is it worth asking? */

static void heartbeat_judge(const struct store_status *items, size_t count, int64_t now, struct buffer *out)
{
	const struct store_status *newest = count ? &items[0] : NULL;

	for (size_t i = 1; i < count; i++)
		if (items[i].at > newest->at)
			newest = &items[i];
	if (!newest) {
		buffer_string(out, "no monitor has ever reported to this store (abidrift run)\n");
	} else if (now - newest->at > HEARTBEAT_MAX_NS) {
		buffer_printf(out, "the monitor of host %s last reported %lld s ago, at ", newest->host, (long long)((now - newest->at) / 1000000000));
		text_time(out, newest->at);
		buffer_string(out, "\n");
	}
}

static int readyz(const struct http_source *source, const struct http_target *t, const char *accept, struct http_answer *ret, struct error *e)
{
	struct store_status *items = NULL;
	size_t count = 0;

	(void)t, (void)accept, (void)e;
	ret->type = TYPE_TEXT;
	if (!source->store)
		buffer_printf(&ret->body, "%s\n", source->why);
	else if (store_statuses(source->store, &items, &count) < 0)
		buffer_printf(&ret->body, "%s\n", store_error(source->store));
	else
		heartbeat_judge(items, count, source->now, &ret->body);
	store_statuses_free(items, count);
	ret->status = ret->body.size ? 503 : 200;
	if (!ret->body.size)
		buffer_string(&ret->body, "ready\n");
	return 0;
}

static int metrics(const struct http_source *source, const struct http_target *t, const char *accept, struct http_answer *ret, struct error *e)
{
	enum metrics_format format = metrics_format(accept);

	(void)t;
	ret->type = metrics_content_type(format);
	return metrics_write(source->store, format, source->now, &ret->body, e);
}

/* ---- the CLI's JSON */

static int guests(const struct http_source *source, const struct http_target *t, const char *accept, struct http_answer *ret, struct error *e)
{
	json_t *model = NULL;
	int err = api_guests(source->store, source->now, &model, e);

	(void)t, (void)accept;
	return err < 0 ? err : put_json(model, ret, e);
}

static int guest(const struct http_source *source, const struct http_target *t, const char *accept, struct http_answer *ret, struct error *e)
{
	json_t *model = NULL;
	int err = api_guest(source->store, t->parts[3], 0, &model, e);

	(void)accept;
	return err < 0 ? err : put_json(model, ret, e);
}

static int revision(const struct http_source *source, const struct http_target *t, const char *accept, struct http_answer *ret, struct error *e)
{
	const char *text = t->parts[5];
	json_t *model = NULL;
	uint64_t number;
	int err;

	(void)accept;
	if (strspn(text, "0123456789") != strlen(text) || text_u64(text, &number) < 0 || !number || number > UINT32_MAX)
		return error_set(e, EINVAL, "\"%.60s\" is no revision: a number from 1", text);
	err = api_guest(source->store, t->parts[3], (uint32_t)number, &model, e);
	return err < 0 ? err : put_json(model, ret, e);
}

static int archive(const struct http_source *source, const struct http_target *t, const char *accept, struct http_answer *ret, struct error *e)
{
	struct export made = EXPORT_INIT;
	int err = api_export(source->store, t->parts[3], &source->rules, &made, e);

	(void)accept;
	if (err < 0)
		return err;
	ret->type = TYPE_ARCHIVE;
	snprintf(ret->file, sizeof ret->file, "%s.tar.zst", made.name);
	ret->body = made.archive;
	return 0;
}

/* Files of this host are nobody's business here. */
static int side_check(const char *name, const char *side, struct error *e)
{
	if (side && api_side_is_file(side))
		return error_set(e, EINVAL, "%s: %.100s is a path; over HTTP only GUEST, GUEST@REV, GUEST@baseline and sha256:… can be compared", name, side);
	return 0;
}

static int diff(const struct http_source *source, const struct http_target *t, const char *accept, struct http_answer *ret, struct error *e)
{
	const char *from = http_target_arg(t, "from"), *to = http_target_arg(t, "to"), *format = http_target_arg(t, "format");
	bool text = format && !strcmp(format, "text");
	json_t *model = NULL;
	int result, err;

	(void)accept;
	if (!from)
		return error_set(e, EINVAL, "from is missing: ?from=A&to=B, or ?from=GUEST alone for its baseline against now");
	if (format && !text && strcmp(format, "json"))
		return error_set(e, EINVAL, "format=%.60s: has to be json or text", format);
	err = side_check("from", from, e);
	if (err >= 0)
		err = side_check("to", to, e);
	if (err >= 0)
		err = api_diff(source->store, from, to, &source->rules, SEVERITY_NONE, &model, &result, e);
	if (err < 0 || !text)
		return err < 0 ? err : put_json(model, ret, e);
	ret->type = TYPE_TEXT;
	api_diff_text(model, &(struct api_text){ .alone = !to }, &ret->body);
	json_decref(model);
	return 0;
}

static int limit_parse(const char *text, size_t *ret, struct error *e)
{
	uint64_t limit = HISTORY_EVENTS;

	if (text && (strspn(text, "0123456789") != strlen(text) || text_u64(text, &limit) < 0 || !limit || limit > HISTORY_EVENTS_MAX))
		return error_set(e, EINVAL, "limit=%.60s: has to be a number from 1 to %d", text, HISTORY_EVENTS_MAX);
	*ret = (size_t)limit;
	return 0;
}

/* The parameters that say which of many are wanted. */
static int newest_parse(const struct http_source *source, const struct http_target *t, struct api_newest *ret, struct error *e)
{
	const char *since = http_target_arg(t, "since"), *host = http_target_arg(t, "host");
	struct api_newest part = { .before = http_target_arg(t, "before"), .characters = HISTORY_CHARACTERS_MAX };
	int err = limit_parse(http_target_arg(t, "limit"), &part.limit, e);

	if (err < 0)
		return err;
	part.host = host && !strcmp(host, "yes");
	if (host && !part.host && strcmp(host, "no"))
		return error_set(e, EINVAL, "host=%.60s: has to be yes or no", host);
	if (since && !strcmp(since, LAST_HOST_CHANGE))
		err = api_last_host_change(source->store, &part.since, e);
	else if (since && text_since_parse(since, source->now, &part.since) < 0)
		err = error_set(e, EINVAL, "since=%.60s: has to be a time like 2026-01-31 or 2026-01-31T12:00:00Z, a duration like 2h, or " LAST_HOST_CHANGE, since);
	*ret = part;
	return err;
}

static int alerts(const struct http_source *source, const struct http_target *t, const char *accept, struct http_answer *ret, struct error *e)
{
	struct api_newest part = { 0 };
	json_t *model = NULL;
	int err = newest_parse(source, t, &part, e);

	(void)accept;
	part.characters = ALERTS_CHARACTERS_MAX;
	if (err >= 0)
		err = api_alerts(source->store, http_target_arg(t, "guest"), &part, &model, e);
	return err < 0 ? err : put_json(model, ret, e);
}

static int history(const struct http_source *source, const struct http_target *t, const char *accept, struct http_answer *ret, struct error *e)
{
	struct api_newest part = { 0 };
	json_t *model = NULL;
	int err = newest_parse(source, t, &part, e);

	(void)accept;
	if (err >= 0)
		err = api_history_newest(source->store, http_target_arg(t, "guest"), &part, &model, e);
	return err < 0 ? err : put_json(model, ret, e);
}

static const struct http_route routes[] = {
	{ "/", { NULL }, true, KEEP_MS, root },
	{ "/review.js", { NULL }, true, KEEP_MS, script },
	{ "/review.css", { NULL }, true, KEEP_MS, style },
	{ "/favicon.svg", { NULL }, true, KEEP_MS, icon },
	{ "/healthz", { NULL }, true, 0, healthz },
	{ "/readyz", { NULL }, false, 0, readyz },
	{ "/metrics", { NULL }, false, KEEP_METRICS_MS, metrics },
	{ "/api/v1/guests", { NULL }, false, KEEP_MS, guests },
	{ "/api/v1/guests/*", { NULL }, false, KEEP_MS, guest },
	{ "/api/v1/guests/*/revisions/*", { NULL }, false, KEEP_MS, revision },
	{ "/api/v1/guests/*/export", { NULL }, false, KEEP_MS, archive },
	{ "/api/v1/diff", { "from", "to", "format" }, false, KEEP_MS, diff },
	{ "/api/v1/history", { "guest", "host", "since", "before", "limit" }, false, KEEP_MS, history },
	{ "/api/v1/alerts", { "guest", "since", "before", "limit" }, false, KEEP_MS, alerts },
};
#define ROUTES (sizeof routes / sizeof *routes)

static bool fits(const char *pattern, const struct http_target *t)
{
	size_t i = 0;

	for (; *pattern == '/' && pattern[1]; i++) {
		size_t length = strcspn(++pattern, "/");

		if (i == t->part_count || !*t->parts[i])
			return false;
		if ((length != 1 || *pattern != '*') && (strlen(t->parts[i]) != length || memcmp(t->parts[i], pattern, length)))
			return false;
		pattern += length;
	}
	return i == t->part_count;
}

const struct http_route *http_route_find(const struct http_target *t)
{
	for (size_t i = 0; i < ROUTES; i++)
		if (fits(routes[i].path, t))
			return &routes[i];
	return NULL;
}

unsigned http_route_variant(const struct http_route *route, const char *accept)
{
	return route->answer == metrics ? (unsigned)metrics_format(accept) : 0;
}

static bool taken(const struct http_route *route, const char *name)
{
	for (size_t i = 0; i < sizeof route->args / sizeof *route->args && route->args[i]; i++)
		if (!strcmp(route->args[i], name))
			return true;
	return false;
}

/* A name that is mistyped, or a script's variable that is empty, must not widen what was asked for. */
static int args_check(const struct http_route *route, const struct http_target *t, struct error *e)
{
	for (size_t i = 0; i < t->arg_count; i++) {
		if (!taken(route, t->args[i].name))
			return error_set(e, EINVAL, "%s takes no parameter \"%.60s\"", route->path, t->args[i].name);
		if (!*t->args[i].value)
			return error_set(e, EINVAL, "the parameter \"%.60s\" is empty", t->args[i].name);
		for (size_t k = 0; k < i; k++)
			if (!strcmp(t->args[k].name, t->args[i].name))
				return error_set(e, EINVAL, "the parameter \"%.60s\" is there twice", t->args[i].name);
	}
	return 0;
}

static unsigned status_of(int err)
{
	switch (-err) {
	case EINVAL:
		return 400;
	case ENOENT:
		return 404;
	case EEXIST: /* several guests are called so */
		return 409;
	case EBUSY:
	case EAGAIN:
	case ENOMEM:
		return 503;
	}
	return 500;
}

void http_answer_error(struct http_answer *ret, unsigned status, const char *text)
{
	json_t *model = json_pack("{s:o}", "error", json_text(text));
	struct error e = ERROR_INIT;

	buffer_clear(&ret->body);
	ret->status = status;
	ret->type = TYPE_JSON;
	put_json(model, ret, &e);
}

int http_route_answer(const struct http_route *route, const struct http_source *source, const struct http_target *t, const char *accept,
		      struct http_answer *ret)
{
	struct error e = ERROR_INIT;
	int err = args_check(route, t, &e);
	/* That the store cannot be read is what /readyz is there to tell. */
	bool bare = route->bare || route->answer == readyz;
	unsigned shortages = memory_shortages();

	ret->status = 200;
	if (err >= 0 && !bare && !source->store)
		err = error_set(&e, EBUSY, "%s", source->why);
	/* All of an answer is of one moment. */
	if (err >= 0 && !bare && store_begin(source->store) < 0)
		err = error_set(&e, EBUSY, "%s", store_error(source->store));
	if (err >= 0) {
		err = route->answer(source, t, accept, ret, &e);
		if (!bare)
			store_rollback(source->store);
	}
	if (err >= 0 && memory_shortages() != shortages)
		err = error_set(&e, ENOMEM, "out of memory");
	if (err < 0)
		http_answer_error(ret, status_of(err), *e.text ? e.text : strerror(-err));
	return buffer_failed(&ret->body) ? -ENOMEM : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CloudEvents 1.0 (github.com/cloudevents/spec, structured mode of the HTTP binding) by POST, signed as Standard Webhooks say. What
 * an answer means is a table; where it is in doubt the alert waits rather than is lost.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "userspace/base/buffer.h"
#include "userspace/base/config.h"
#include "userspace/base/error.h"
#include "userspace/base/text.h"
#include "userspace/base/visible_json.h"
#include "userspace/notify/http_client.h"
#include "userspace/notify/kept_file.h"
#include "userspace/notify/sink.h"
#include "userspace/notify/webhook_sign.h"

#define WINDOW 4
#define EVENT_TYPE "io.abidrift."
/* Of what a receiver says, so much is passed on. */
#define SAID_MAX 120

struct webhook_call {
	struct webhook *webhook;
	struct webhook_call *next, **link;
	struct http_call *http;
	int64_t row;
};

struct webhook {
	const struct sink_host *host;
	char *url, name[256];
	uint64_t timeout_ms;
	struct http_tls *tls;
	struct kept_file *file;
	struct webhook_secrets *secrets;
	struct webhook_call *calls;
};

/* ---- before */

static bool webhook_wanted(const struct config *c)
{
	return *config_get(c, "webhook.url");
}

static void webhook_release(void *state)
{
	struct webhook *w = state;

	if (!w)
		return;
	while (w->calls) {
		struct webhook_call *call = w->calls;

		w->calls = call->next;
		http_call_cancel(call->http);
		free(call);
	}
	http_tls_free(w->tls);
	kept_file_free(w->file);
	webhook_secrets_free(w->secrets);
	if (w->url)
		explicit_bzero(w->url, strlen(w->url));
	free(w->url);
	free(w);
}

static int secrets_load(struct webhook *w, const char *path, struct error *e)
{
	struct error why = ERROR_INIT;
	const char *text;
	size_t size;

	if (kept_file_load(path, &w->file, &why) < 0)
		return error_set(e, EINVAL, "webhook.secret_file: %s", why.text);
	text = kept_file_text(w->file, &size, NULL);
	if (webhook_secrets_parse(text, size, &w->secrets, &why) < 0)
		return error_set(e, EINVAL, "webhook.secret_file %s: %s", path, why.text);
	return 0;
}

/* One that was spoilt does not replace what worked. */
static void secrets_renew(struct webhook *w)
{
	struct webhook_secrets *fresh = NULL;
	bool is_new = false;
	const char *text;
	size_t size;

	if (!w->file)
		return;
	text = kept_file_text(w->file, &size, &is_new);
	if (!is_new || webhook_secrets_parse(text, size, &fresh, NULL) < 0)
		return;
	webhook_secrets_free(w->secrets);
	w->secrets = fresh;
}

static int webhook_load(const struct config *c, void **ret_state, struct error *e)
{
	const char *secrets = config_get(c, "webhook.secret_file");
	struct webhook *w = calloc(1, sizeof *w);
	int err = w && (w->url = strdup(config_get(c, "webhook.url"))) ? 0 : error_set(e, ENOMEM, "out of memory");

	if (err >= 0) {
		w->timeout_ms = config_ns(c, "webhook.timeout") / 1000000;
		if (http_url_name(w->url, w->name, sizeof w->name) < 0)
			err = error_set(e, EINVAL, "webhook.url is no URL");
	}
	if (err >= 0)
		err = http_tls_load(c, "webhook", &w->tls, e);
	if (err >= 0 && *secrets)
		err = secrets_load(w, secrets, e);
	if (err < 0) {
		webhook_release(w);
		return err;
	}
	*ret_state = w;
	return 0;
}

static int webhook_begin(void *state, const struct sink_host *host, struct error *e)
{
	struct webhook *w = state;

	(void)e;
	w->host = host;
	return 0;
}

/* ---- the event */

static const char *member(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* `source` is a URI reference: a host's name is any bytes. */
static void source_put(struct buffer *out, const char *host)
{
	buffer_string(out, "/abidrift/");
	for (const unsigned char *p = (const unsigned char *)host; *p; p++)
		buffer_printf(out, isalnum(*p) && *p < 128 ? "%c" : strchr("-._~", *p) ? "%c" : "%%%02X", *p);
}

static char *event_make(const json_t *alert, const char *id)
{
	const json_t *guest = json_object_get(alert, "guest");
	const char *uuid = member(guest, "uuid"), *name = member(guest, "name"), *subject = *uuid ? uuid : name;
	struct buffer source = BUFFER_INIT, type = BUFFER_INIT;
	json_t *event = NULL;
	char *text;

	source_put(&source, member(alert, "host"));
	buffer_printf(&type, EVENT_TYPE "%s", member(alert, "type"));
	if (!buffer_failed(&source) && !buffer_failed(&type))
		event = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:O}", "specversion", "1.0", "id", id, "source", source.data, "type", type.data, "time",
				  member(alert, "at"), "datacontenttype", "application/json", "data", alert);
	/* An attribute is absent rather than empty. */
	if (event && *subject)
		json_object_set_new(event, "subject", json_string(subject));
	text = visible_json(event, JSON_COMPACT);
	json_decref(event);
	buffer_release(&source);
	buffer_release(&type);
	return text;
}

/* It stands in a header, and between full stops in what is signed. */
static bool id_good(const char *id)
{
	size_t length = strlen(id);

	return length && length <= 128 && strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == length;
}

/* ---- what came back */

static const struct {
	long from, to;
	enum sink_result result;
	const char *text;
} meanings[] = {
	{ 200, 299, SINK_DELIVERED, "" },
	{ 300, 399, SINK_LATER, "redirects are not followed, set webhook.url to where it leads" },
	{ 400, 400, SINK_REFUSED, "" },
	{ 401, 401, SINK_LATER, "look at webhook.secret_file and at the user and password of webhook.url" },
	{ 403, 403, SINK_LATER, "look at webhook.secret_file and at the user and password of webhook.url" },
	{ 404, 404, SINK_LATER, "nobody is at the path of webhook.url" },
	{ 405, 405, SINK_LATER, "the path of webhook.url takes no POST" },
	{ 408, 408, SINK_LATER, "" },
	{ 410, 410, SINK_STOPPED, "take it out of the configuration, or set another webhook.url" },
	{ 413, 413, SINK_REFUSED, "" },
	{ 415, 415, SINK_REFUSED, "it has to take application/cloudevents+json" },
	{ 422, 422, SINK_REFUSED, "" },
	{ 400, 499, SINK_LATER, "" },
	{ 502, 504, SINK_LATER, "" },
	{ 500, 599, SINK_FAILED, "" },
	{ 0, 999, SINK_LATER, "this is no answer of a webhook receiver" },
};

static void said_put(struct buffer *out, const struct webhook *w, const struct http_reply *reply)
{
	size_t end = strcspn(reply->body, "\r\n");

	if (reply->status < 400 || !end || w->file || !http_url_secretless(w->url))
		return;
	buffer_printf(out, ", it says \"%.*s\"", (int)(end < SAID_MAX ? end : SAID_MAX), reply->body);
}

static void answer(struct webhook *w, int64_t row, enum sink_result result, uint64_t after_ms, const char *text)
{
	struct error line = ERROR_INIT;
	struct sink_answer is = { .result = result, .after_ms = after_ms, .text = line.text };

	error_set(&line, 0, "%s", text ? text : "out of memory"); /* makes it printable */
	w->host->answered(w->host->context, sink_webhook.name, row, &is);
}

static void answer_read(struct webhook *w, int64_t row, const struct http_reply *reply)
{
	uint64_t after_ms = reply->retry_after_s > 0 ? (uint64_t)reply->retry_after_s * 1000 : 0;
	struct buffer text = BUFFER_INIT;
	enum sink_result result;
	size_t i = 0;

	if (reply->error) {
		buffer_printf(&text, "%s: %s", w->name, reply->error);
		answer(w, row, SINK_LATER, 0, text.data);
		buffer_release(&text);
		return;
	}
	while (i + 1 < sizeof meanings / sizeof *meanings && (reply->status < meanings[i].from || reply->status > meanings[i].to))
		i++;
	result = meanings[i].result;
	/* Who says when to come again is busy, not at odds with this alert. */
	if (result == SINK_FAILED && after_ms)
		result = SINK_LATER;
	buffer_printf(&text, "HTTP %ld from %s", reply->status, w->name);
	if (*meanings[i].text)
		buffer_printf(&text, ": %s", meanings[i].text);
	said_put(&text, w, reply);
	if (after_ms && result != SINK_DELIVERED)
		buffer_printf(&text, ", to be tried again in %lld s", (long long)reply->retry_after_s);
	answer(w, row, result, result == SINK_DELIVERED ? 0 : after_ms, text.data);
	buffer_release(&text);
}

static void call_end(struct webhook_call *call)
{
	*call->link = call->next;
	if (call->next)
		call->next->link = call->link;
	free(call);
}

static void call_done(void *context, const struct http_reply *reply)
{
	struct webhook_call *call = context;
	struct webhook *w = call->webhook;
	int64_t row = call->row;

	call_end(call);
	answer_read(w, row, reply);
}

/* ---- sending */

static int call_begin(struct webhook *w, int64_t row, const struct http_request *request, struct error *e)
{
	struct webhook_call *call = calloc(1, sizeof *call);
	int err;

	if (!call)
		return error_set(e, ENOMEM, "out of memory");
	call->webhook = w;
	call->row = row;
	err = http_client_send(w->host->http, request, call_done, call, &call->http, e);
	if (err < 0) {
		free(call);
		return err;
	}
	call->next = w->calls;
	call->link = &w->calls;
	if (call->next)
		call->next->link = &call->next;
	w->calls = call;
	return 0;
}

static int event_send(struct webhook *w, const struct sink_alert *alert, const char *event, struct error *e)
{
	struct buffer id = BUFFER_INIT, timestamp = BUFFER_INIT, signature = BUFFER_INIT;
	const char *headers[] = { "Content-Type: application/cloudevents+json; charset=utf-8", NULL, NULL, NULL, NULL };
	struct http_request request = { .method = "POST",
					.url = w->url,
					.headers = headers,
					.body = event,
					.bytes = strlen(event),
					.timeout_ms = w->timeout_ms,
					.tls = w->tls };
	int64_t now = (int64_t)time(NULL);
	int err = 0;

	secrets_renew(w);
	buffer_printf(&id, "webhook-id: %s", alert->id);
	buffer_printf(&timestamp, "webhook-timestamp: %lld", (long long)now);
	if (w->secrets) {
		buffer_string(&signature, "webhook-signature: ");
		err = webhook_sign(w->secrets, alert->id, now, event, request.bytes, &signature);
	}
	if (err < 0 || buffer_failed(&id) || buffer_failed(&timestamp)) {
		err = error_set(e, EIO, "it cannot be signed");
	} else {
		headers[1] = id.data;
		headers[2] = timestamp.data;
		headers[3] = signature.data;
		err = call_begin(w, alert->row, &request, e);
	}
	buffer_release(&id);
	buffer_release(&timestamp);
	buffer_release(&signature);
	return err;
}

static void webhook_deliver(void *state, const struct sink_alert *alert)
{
	struct webhook *w = state;
	struct error e = ERROR_INIT;
	char *event;

	if (!json_is_object(alert->json) || !id_good(alert->id)) {
		answer(w, alert->row, SINK_REFUSED, 0, "it is no alert");
		return;
	}
	event = event_make(alert->json, alert->id);
	if (!event)
		answer(w, alert->row, SINK_LATER, 0, "out of memory");
	else if (event_send(w, alert, event, &e) < 0)
		answer(w, alert->row, SINK_LATER, 0, e.text);
	free(event);
}

const struct sink_kind sink_webhook = {
	.name = "webhook",
	.window = WINDOW,
	.wanted = webhook_wanted,
	.load = webhook_load,
	.begin = webhook_begin,
	.deliver = webhook_deliver,
	.release = webhook_release,
};

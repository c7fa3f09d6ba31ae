/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/notify/notify.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "userspace/base/config.h"
#include "userspace/base/error.h"
#include "userspace/base/visible_json.h"
#include "userspace/notify/alertmanager.h"
#include "userspace/notify/http_client.h"
#include "userspace/notify/sink.h"
#include "userspace/store/store.h"

/* Of a queue so many are looked at: those of guests that wait must not hide the others, and none is worth all memory. */
#define BATCH 64
#define RETRY_FIRST_MS 500
/* A sink may ask for patience, but not for ever. */
#define WISH_MAX_MS (60 * 60 * 1000)
/* A slow reader is looked at again after so long. */
#define SLOW_MS 200
/* A sink that is not there is looked for so often. */
#define PRESENT_MS 500
#define TEST_MS 30000
/* The age of what a stopped sink is owed is looked at so often. */
#define AGE_MS 60000
/* Clocks jump: what is too old must also have been in vain for so long while we looked on, or as long as alerts.give_up if that is less. */
#define VAIN_MS (5 * 60 * 1000)
/* A receiver that comes and goes is told of so often at most. */
#define TELL_MS 60000

static const struct sink_kind *const kinds[] = { &sink_stdout, &sink_journal, &sink_webhook, &sink_syslog, &sink_command };
#define KINDS (sizeof kinds / sizeof *kinds)

/* An alert that a sink has and did not answer yet. */
struct under_way {
	int64_t row;
	char *guest;
	int64_t at;
	int64_t began_ms;
	/* It answered, and the store could not write that down (full, busy). */
	bool unwritten;
	enum sink_result result;
	char *text;
};

/* An alert that was refused, or failed on: it waits, and its guest's others behind it. After a restart it is tried at once. */
struct trouble {
	int64_t row;
	int64_t since_ms, until_ms; /* CLOCK_MONOTONIC, as all pauses: no step of the clock stops or hurries them */
	uint64_t taken;             /* of the sink, when it began */
	uint32_t tries, refusals;
};

struct sink {
	const struct sink_kind *kind;
	struct notify *n;
	void *state;
	struct sink_host host;
	struct under_way *out;
	size_t out_count;
	struct trouble *troubles;
	size_t trouble_count;
	uint64_t taken;    /* alerts that it took */
	bool wanted, begun, stopped, told, forgotten;
	int64_t told_ms;   /* when something of it was told last; 0: never */
	int64_t later_ms;  /* its last "not now"; 0: none */
	int64_t away_ms;   /* its first one since it took something, or when it stopped; 0: it is there */
	bool more;         /* there may be something that can go now */
	int64_t took;      /* what was delivered last */
	int64_t again_ms;  /* nothing goes before: CLOCK_MONOTONIC; 0 = at once */
	int64_t aged_ms;   /* of a stopped one: when its queue is looked at next */
	int64_t soonest_ms; /* an alert that was refused is due */
	uint64_t pause_ms; /* the last one */
};

struct notify {
	struct store *store;
	bool keeps; /* what waits for a sink that is not wanted */
	sd_event *loop;
	struct http_client *http;
	int runner_fd;
	bool runner_hangs;
	struct alertmanager *alertmanager;
	struct sink sinks[KINDS];
	int64_t give_up_ns;
	uint64_t retry_max_ms;
	void (*say)(void *context, const char *line);
	void *context;
	int err; /* an answer came and the store did not take it */
	struct error error;
	/* of notify_test */
	void (*heard)(void *context, const char *sink, const struct sink_answer *answer);
	void *heard_context;
	size_t expected;
	bool own_loop;
};

static int64_t clock_ns(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t now_ms(void)
{
	return clock_ns(CLOCK_MONOTONIC) / 1000000;
}

static void say(struct notify *n, const struct error *line)
{
	if (n->say)
		n->say(n->context, line->text);
}

static int store_failed(struct notify *n, int err, struct error *e)
{
	return error_set(e, -err, "%s", store_error(n->store));
}

/* ---- before anything goes */

static bool enabled(const struct config *c, const char *name)
{
	char key[64];
	const char *value;

	snprintf(key, sizeof key, "%s.enable", name);
	value = config_get(c, key);
	return !value || !strcmp(value, "on");
}

const char *const *notify_sinks(void)
{
	static const char *names[KINDS + 1];

	for (size_t i = 0; i < KINDS; i++)
		names[i] = kinds[i]->name;
	return names;
}

bool notify_runs(const struct config *c)
{
	return enabled(c, sink_command.name) && sink_command.wanted(c);
}

bool notify_runner_hangs(const struct notify *n)
{
	return n->runner_hangs;
}

void notify_runner(struct notify *n, int fd)
{
	n->runner_fd = fd;
}

void notify_keep(struct notify *n)
{
	n->keeps = true;
}

int notify_load(const struct config *c, struct notify **ret, struct error *e)
{
	struct notify *n = calloc(1, sizeof *n);
	int err = n ? 0 : error_set(e, ENOMEM, "out of memory");

	if (n)
		n->runner_fd = -1;
	for (size_t i = 0; err >= 0 && i < KINDS; i++) {
		struct sink *sink = &n->sinks[i];

		sink->kind = kinds[i];
		sink->n = n;
		sink->wanted = enabled(c, kinds[i]->name) && (!kinds[i]->wanted || kinds[i]->wanted(c));
		if (sink->wanted && kinds[i]->load)
			err = kinds[i]->load(c, &sink->state, e);
	}
	if (err >= 0 && enabled(c, "alertmanager"))
		err = alertmanager_load(c, &n->alertmanager, e);
	if (err < 0) {
		notify_free(n);
		return err;
	}
	n->give_up_ns = (int64_t)config_ns(c, "alerts.give_up");
	n->retry_max_ms = config_ns(c, "alerts.retry_max") / 1000000;
	*ret = n;
	return 0;
}

static void way_release(struct under_way *way)
{
	free(way->guest);
	free(way->text);
}

void notify_free(struct notify *n)
{
	if (!n)
		return;
	for (size_t i = 0; i < KINDS; i++) {
		struct sink *sink = &n->sinks[i];

		if (sink->state && sink->kind->release)
			sink->kind->release(sink->state);
		for (size_t k = 0; k < sink->out_count; k++)
			way_release(&sink->out[k]);
		free(sink->out);
		free(sink->troubles);
	}
	alertmanager_free(n->alertmanager);
	http_client_free(n->http);
	if (n->own_loop)
		sd_event_unref(n->loop);
	free(n);
}

/* ---- what became of one */

static struct under_way *way_find(struct sink *sink, int64_t row)
{
	for (size_t i = 0; i < sink->out_count; i++)
		if (sink->out[i].row == row)
			return &sink->out[i];
	return NULL;
}

static void way_end(struct sink *sink, struct under_way *way)
{
	way_release(way);
	*way = sink->out[--sink->out_count];
}

static struct trouble *trouble_find(const struct sink *sink, int64_t row)
{
	for (size_t i = 0; i < sink->trouble_count; i++)
		if (sink->troubles[i].row == row)
			return &sink->troubles[i];
	return NULL;
}

/* NULL: out of memory; it is tried again at once then. */
static struct trouble *trouble_of(struct sink *sink, int64_t row)
{
	struct trouble *t = trouble_find(sink, row), *grown;

	if (t)
		return t;
	grown = reallocarray(sink->troubles, sink->trouble_count + 1, sizeof *grown);
	if (!grown)
		return NULL;
	sink->troubles = grown;
	t = &grown[sink->trouble_count++];
	*t = (struct trouble){ .row = row, .since_ms = now_ms(), .taken = sink->taken };
	return t;
}

static void trouble_end(struct sink *sink, int64_t row)
{
	struct trouble *t = trouble_find(sink, row);

	if (t)
		*t = sink->troubles[--sink->trouble_count];
}

/* At most one line a minute. */
static bool may_tell(struct sink *sink)
{
	if (sink->told_ms && now_ms() - sink->told_ms < TELL_MS)
		return false;
	sink->told_ms = now_ms();
	return true;
}

/* Doubled each time, at most retry_max; then a little less by chance, so that many hosts do not come back at one moment. */
static uint64_t pause_after(const struct notify *n, uint32_t attempts)
{
	uint64_t ms = RETRY_FIRST_MS;

	while (attempts-- && ms < n->retry_max_ms)
		ms *= 2;
	if (ms > n->retry_max_ms)
		ms = n->retry_max_ms;
	return ms - ms / 4 * ((uint64_t)clock_ns(CLOCK_MONOTONIC) / 1000 % 1000) / 1000;
}

static void sink_stops(struct sink *sink, const char *why)
{
	struct error line = ERROR_INIT;

	sink->stopped = true;
	sink->away_ms = now_ms();
	error_set(&line, EIO, "alerts no longer go to %s: %s; they wait in the store", sink->kind->name, why ? why : "it does not want them");
	say(sink->n, &line);
}

/* Told once, until something is delivered again; a reader that is slow is nothing to tell. */
static void sink_waits(struct sink *sink, const struct sink_answer *answer)
{
	struct error line = ERROR_INIT;
	uint64_t wish = answer->after_ms > WISH_MAX_MS ? WISH_MAX_MS : answer->after_ms;

	sink->more = true;
	sink->later_ms = now_ms();
	if (!sink->away_ms)
		sink->away_ms = sink->later_ms;
	/* Several that were on their way together say the same once. */
	if (sink->again_ms > now_ms())
		return;
	sink->pause_ms = !sink->pause_ms ? RETRY_FIRST_MS : sink->pause_ms * 2 > sink->n->retry_max_ms ? sink->n->retry_max_ms : sink->pause_ms * 2;
	if (!answer->text)
		sink->pause_ms = SLOW_MS;
	sink->again_ms = now_ms() + (int64_t)(wish ? wish : sink->pause_ms);
	if (!answer->text || sink->told || !may_tell(sink))
		return;
	sink->told = true;
	error_set(&line, EAGAIN, "alerts cannot go to %s now: %s; they wait in the store", sink->kind->name, answer->text);
	say(sink->n, &line);
}

static int give_up(struct sink *sink, int64_t row, const char *why, struct error *e)
{
	struct error line = ERROR_INIT;
	int err = store_alert_done(sink->n->store, sink->kind->name, row, true);

	if (err < 0)
		return store_failed(sink->n, err, e);
	trouble_end(sink, row);
	error_set(&line, EIO, "an alert was given up, %s did not take it: %s", sink->kind->name, why ? why : "no reason given");
	say(sink->n, &line);
	return 0;
}

/* since_ms: from when on it was in vain. */
static bool too_old(const struct sink *sink, int64_t at, int64_t since_ms)
{
	int64_t give_up_ms = sink->n->give_up_ns / 1000000, vain_ms = give_up_ms < VAIN_MS ? give_up_ms : VAIN_MS;

	return give_up_ms && clock_ns(CLOCK_REALTIME) - at > sink->n->give_up_ns && now_ms() - since_ms >= vain_ms;
}

/* The pauses of this one grow; others pass. */
static int again_later(struct sink *sink, int64_t row, struct trouble *t, const char *why, struct error *e)
{
	uint64_t pause_ms = pause_after(sink->n, t ? t->tries : 0);
	int err = store_alert_failed(sink->n->store, sink->kind->name, row, true, clock_ns(CLOCK_REALTIME) + (int64_t)pause_ms * 1000000, why ? why : "");

	if (err < 0)
		return store_failed(sink->n, err, e);
	if (t) {
		t->tries++;
		t->until_ms = now_ms() + (int64_t)pause_ms;
	}
	return 0;
}

/* That it took others meanwhile says that it is this one; a receiver that refuses all may be out of order. */
static int refused(struct sink *sink, const struct under_way *way, const char *why, struct error *e)
{
	struct trouble *t = trouble_of(sink, way->row);
	int err;

	if (t && ((t->refusals + 1 >= SINK_REFUSALS_MAX && sink->taken != t->taken) || too_old(sink, way->at, t->since_ms)))
		return give_up(sink, way->row, why, e);
	err = again_later(sink, way->row, t, why, e);
	if (err >= 0 && t)
		t->refusals++;
	return err;
}

static int failed(struct sink *sink, const struct under_way *way, const char *why, struct error *e)
{
	struct trouble *t = trouble_of(sink, way->row);
	struct error line = ERROR_INIT;

	if (t && too_old(sink, way->at, t->since_ms))
		return give_up(sink, way->row, why, e);
	if (t && !t->tries && may_tell(sink)) {
		error_set(&line, EAGAIN, "%s fails: %s; its alerts are tried again", sink->kind->name, why ? why : "no reason given");
		say(sink->n, &line);
	}
	return again_later(sink, way->row, t, why, e);
}

static int delivered(struct sink *sink, const struct under_way *way, struct error *e)
{
	struct error line = ERROR_INIT;
	int err = store_alert_done(sink->n->store, sink->kind->name, way->row, false);

	if (err < 0)
		return store_failed(sink->n, err, e);
	trouble_end(sink, way->row);
	sink->took = way->row;
	sink->taken++;
	/* One that was on its way already when the sink said "not now" says nothing about after that. */
	if (way->began_ms < sink->later_ms)
		return 0;
	sink->away_ms = 0;
	sink->again_ms = 0;
	sink->pause_ms = sink->pause_ms > 2 * RETRY_FIRST_MS ? sink->pause_ms / 2 : 0;
	if (sink->told) {
		sink->told = false;
		error_set(&line, 0, "alerts go to %s again", sink->kind->name);
		say(sink->n, &line);
	}
	return 0;
}

static int answer_take(struct sink *sink, const struct under_way *way, const struct sink_answer *answer, struct error *e)
{
	int err;

	switch (answer->result) {
	case SINK_DELIVERED:
		return delivered(sink, way, e);
	case SINK_REFUSED:
		return refused(sink, way, answer->text, e);
	case SINK_FAILED:
		return failed(sink, way, answer->text, e);
	case SINK_STOPPED:
		if (!sink->stopped)
			sink_stops(sink, answer->text);
		return 0;
	case SINK_LATER:
		break;
	}
	/* Of what never answered but "not now" the attempts do not count: only its age does. */
	if (sink->away_ms && answer->text && too_old(sink, way->at, sink->away_ms))
		return give_up(sink, way->row, answer->text, e);
	sink_waits(sink, answer);
	if (!answer->text)
		return 0;
	err = store_alert_failed(sink->n->store, sink->kind->name, way->row, false, 0, answer->text);
	return err < 0 ? store_failed(sink->n, err, e) : 0;
}

static struct sink *sink_named(struct notify *n, const char *name)
{
	for (size_t i = 0; i < KINDS; i++)
		if (!strcmp(n->sinks[i].kind->name, name))
			return &n->sinks[i];
	return NULL;
}

static void answered(void *context, const char *name, int64_t row, const struct sink_answer *answer)
{
	struct notify *n = context;
	struct sink *sink = sink_named(n, name);
	struct under_way *way = sink ? way_find(sink, row) : NULL;
	int err;

	if (!way)
		return;
	if (n->heard) {
		n->heard(n->heard_context, name, answer);
		n->expected--;
		way_end(sink, way);
		return;
	}
	err = answer_take(sink, way, answer, &n->error);
	sink->more = true;
	if (err >= 0) {
		way_end(sink, way);
		return;
	}
	if (n->err >= 0)
		n->err = err;
	way->unwritten = true;
	way->result = answer->result;
	way->text = answer->text ? strdup(answer->text) : NULL;
}

/* As soon as the store takes it; until then the alert is under way, so that a full disk does not send it again and again. */
static int answers_write(struct sink *sink, struct error *e)
{
	int err = 0;

	for (size_t i = 0; err >= 0 && i < sink->out_count;) {
		struct under_way *way = &sink->out[i];
		struct sink_answer answer = { .result = way->result, .text = way->text };

		err = way->unwritten ? answer_take(sink, way, &answer, e) : 0;
		if (err >= 0 && way->unwritten)
			way_end(sink, way); /* the last one is here now */
		else
			i++;
	}
	return err;
}

static void runner_hangs(void *context)
{
	struct notify *n = context;

	n->runner_hangs = true;
}

/* ---- what goes */

static int sink_begin(struct sink *sink, struct error *e)
{
	struct notify *n = sink->n;
	struct error why = ERROR_INIT;
	int err;

	if (!sink->wanted || sink->begun || sink->stopped || (sink->kind->present && !sink->kind->present(sink->state)))
		return 0;
	sink->host = (struct sink_host){ .loop = n->loop, .http = n->http, .runner_fd = n->runner_fd, .context = n, .answered = answered,
					 .runner_hangs = runner_hangs };
	if (sink->kind->begin && sink->kind->begin(sink->state, &sink->host, &why) < 0) {
		sink_stops(sink, why.text);
		return 0;
	}
	err = n->store ? store_sink_begin(n->store, sink->kind->name) : 0;
	if (err < 0)
		return store_failed(n, err, e);
	sink->begun = sink->more = true;
	return 0;
}

static bool same_lane(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* Is one of the same guest before it, on its way or waiting? */
static bool held_up(const struct sink *sink, const struct store_alert *rows, size_t i, const bool *waits)
{
	for (size_t k = 0; k < sink->out_count; k++)
		if (same_lane(sink->out[k].guest, rows[i].guest))
			return true;
	for (size_t k = 0; k < i; k++)
		if (waits[k] && same_lane(rows[k].guest, rows[i].guest))
			return true;
	return false;
}

static int failed_answer(struct notify *n, struct error *e)
{
	int err = n->err;

	if (err < 0)
		*e = n->error;
	n->err = 0;
	return err;
}

static int hand_over(struct sink *sink, const struct store_alert *row, struct error *e)
{
	struct sink_alert alert = { .row = row->row, .id = row->id, .line = row->json };
	struct under_way *grown = reallocarray(sink->out, sink->out_count + 1, sizeof *grown);
	char *guest = row->guest ? strdup(row->guest) : NULL;
	json_t *json;

	if (grown)
		sink->out = grown; /* the old one is gone */
	if (!grown || (row->guest && !guest)) {
		free(guest);
		return error_set(e, ENOMEM, "out of memory");
	}
	grown[sink->out_count++] = (struct under_way){ .row = row->row, .guest = guest, .at = row->at, .began_ms = now_ms() };
	json = json_loads(row->json, 0, NULL);
	alert.json = json;
	sink->kind->deliver(sink->state, &alert);
	json_decref(json);
	return failed_answer(sink->n, e);
}

static bool can_go(const struct sink *sink)
{
	return !sink->stopped && sink->out_count < sink->kind->window && sink->again_ms <= now_ms();
}

/* Does it wait by itself? */
static bool is_late(struct sink *sink, int64_t row)
{
	const struct trouble *t = trouble_find(sink, row);

	if (!t || t->until_ms <= now_ms())
		return false;
	if (t->until_ms < sink->soonest_ms)
		sink->soonest_ms = t->until_ms;
	return true;
}

/* What of these can go. *ret_any: one went. */
static int rows_send(struct sink *sink, const struct store_alert *rows, size_t count, bool *ret_any, struct error *e)
{
	bool *waits = count ? calloc(count, sizeof *waits) : NULL;
	int err = count && !waits ? error_set(e, ENOMEM, "out of memory") : 0;

	for (size_t i = 0; err >= 0 && i < count && can_go(sink); i++) {
		waits[i] = is_late(sink, rows[i].row) || held_up(sink, rows, i, waits);
		if (way_find(sink, rows[i].row) || waits[i])
			continue;
		*ret_any = true;
		err = hand_over(sink, &rows[i], e);
		/* Unless it was delivered at once, the next of this guest stays behind it. */
		waits[i] = sink->took != rows[i].row;
	}
	free(waits);
	return err;
}

/* One look at the queue; at the first alert of each guest, where those at its head all wait. */
static int sink_pass(struct sink *sink, struct error *e)
{
	struct store_alert *rows = NULL;
	size_t count = 0;
	bool any = false;
	int err = store_alerts_for(sink->n->store, sink->kind->name, BATCH, &rows, &count);

	if (err < 0)
		return store_failed(sink->n, err, e);
	sink->soonest_ms = INT64_MAX;
	err = rows_send(sink, rows, count, &any, e);
	store_alerts_free(rows, count);
	if (err < 0 || any || count < BATCH || !can_go(sink))
		return err;
	err = store_alert_heads(sink->n->store, sink->kind->name, BATCH + sink->trouble_count + sink->out_count, &rows, &count);
	if (err < 0)
		return store_failed(sink->n, err, e);
	err = rows_send(sink, rows, count, &any, e);
	store_alerts_free(rows, count);
	return err;
}

/* A sink that stopped, or is not wanted for now, is tried no more, but what it is owed is bounded like that of any other. */
static int sink_age(struct sink *sink, struct error *e)
{
	struct store_alert *rows = NULL;
	int64_t give_up_ms = sink->n->give_up_ns / 1000000;
	size_t count = 0;
	int err;

	if ((sink->wanted && !sink->begun) || sink->aged_ms > now_ms())
		return 0;
	err = store_alerts_for(sink->n->store, sink->kind->name, BATCH, &rows, &count);
	if (err == -ENOENT && !sink->wanted) {
		sink->forgotten = true;
		return 0;
	}
	if (err < 0)
		return store_failed(sink->n, err, e);
	for (size_t i = 0; err >= 0 && i < count && too_old(sink, rows[i].at, sink->away_ms); i++)
		err = give_up(sink, rows[i].row, sink->wanted ? "it stopped" : "it is not in the configuration", e);
	sink->aged_ms = !give_up_ms ? INT64_MAX : now_ms() + (give_up_ms < 1000 ? 1000 : give_up_ms < AGE_MS ? give_up_ms + 1 : AGE_MS);
	store_alerts_free(rows, count);
	return err;
}

/* Taken out while the monitor runs: perhaps by mistake, and it is put back soon. */
static void sink_keep(struct sink *sink)
{
	struct store_alert *rows = NULL;
	struct error line = ERROR_INIT;
	size_t count = 0;
	int err = store_alerts_for(sink->n->store, sink->kind->name, BATCH, &rows, &count);

	sink->forgotten = err == -ENOENT;
	sink->away_ms = now_ms();
	if (err >= 0 && count) {
		error_set(&line, ENOENT, "%s is not in the configuration any more: %zu%s alert%s for it, until alerts.give_up or the next start without it",
			  sink->kind->name, count, count == BATCH ? " or more" : "", count == 1 ? " waits" : "s wait");
		say(sink->n, &line);
	}
	store_alerts_free(rows, count);
}

/* Switched off by the operator: nobody will take what still waits, and it must not be owed for ever. */
static int sink_forget(struct sink *sink, struct error *e)
{
	struct store_alert *rows = NULL;
	struct error line = ERROR_INIT;
	size_t count = 0;
	int err = store_alerts_for(sink->n->store, sink->kind->name, BATCH, &rows, &count);

	if (err == -ENOENT) {
		sink->forgotten = true;
		return 0;
	}
	if (err >= 0)
		err = store_sink_drop(sink->n->store, sink->kind->name);
	if (err < 0)
		store_failed(sink->n, err, e);
	else if (count) {
		error_set(&line, ENOENT, "%s is not in the configuration any more: %zu%s alert%s that waited for it forgotten", sink->kind->name,
			  count, count == BATCH ? " or more" : "", count == 1 ? "" : "s");
		say(sink->n, &line);
	}
	sink->forgotten = err >= 0;
	store_alerts_free(rows, count);
	return err < 0 ? err : 0;
}

static int sink_deliver(struct sink *sink, struct error *e)
{
	int err = answers_write(sink, e);

	if (!sink->wanted)
		return sink->forgotten ? 0 : sink->n->keeps ? sink_age(sink, e) : sink_forget(sink, e);
	if (err >= 0)
		err = sink->stopped ? sink_age(sink, e) : sink_begin(sink, e);
	if (sink->soonest_ms && sink->soonest_ms <= now_ms())
		sink->more = true;
	while (err >= 0 && sink->begun && sink->more && can_go(sink)) {
		sink->more = false;
		err = sink_pass(sink, e);
	}
	return err;
}

int notify_begin(struct notify *n, struct store *store, sd_event *loop, void (*line)(void *context, const char *line), void *context, struct error *e)
{
	int err = http_client_new(loop, &n->http, e);

	n->store = store;
	n->loop = loop;
	n->say = line;
	n->context = context;
	/* A store that is locked or full is no reason to end: delivering tries all of it again, and says so. */
	for (size_t i = 0; err >= 0 && i < KINDS; i++) {
		struct error later = ERROR_INIT;

		if (n->sinks[i].wanted)
			sink_begin(&n->sinks[i], &later);
		else if (n->keeps)
			sink_keep(&n->sinks[i]);
		else
			sink_forget(&n->sinks[i], &later);
	}
	if (err >= 0 && n->alertmanager) {
		struct sink_host host = { .loop = loop, .http = n->http };

		err = alertmanager_begin(n->alertmanager, &host, store, line, context, e);
	}
	return err;
}

int notify_deliver(struct notify *n, struct error *e)
{
	int err = 0;

	n->err = 0; /* what it was about is tried again */
	/* One that the store fails does not keep the others from theirs. */
	for (size_t i = 0; i < KINDS; i++) {
		struct error why = ERROR_INIT;
		int one;

		n->sinks[i].more = true;
		one = sink_deliver(&n->sinks[i], &why);
		if (one < 0 && err >= 0) {
			err = one;
			*e = why;
		}
	}
	/* What lasts is sent again whatever the store says: Alertmanager would take its silence for the end. */
	if (n->alertmanager) {
		struct error why = ERROR_INIT;
		int one = alertmanager_follow(n->alertmanager, clock_ns(CLOCK_REALTIME), &why);

		if (one < 0 && err >= 0) {
			err = one;
			*e = why;
		}
	}
	return err;
}

int64_t notify_due(const struct notify *n)
{
	int64_t due = n->alertmanager ? alertmanager_due(n->alertmanager) : INT64_MAX;

	for (size_t i = 0; i < KINDS; i++) {
		const struct sink *sink = &n->sinks[i];
		int64_t at = INT64_MAX;

		if (sink->wanted ? sink->stopped && !sink->begun : sink->forgotten || !n->keeps)
			continue;
		if (sink->stopped || !sink->wanted)
			at = sink->aged_ms;
		else if (!sink->begun)
			at = now_ms() + PRESENT_MS;
		else if (sink->more && sink->out_count < sink->kind->window)
			at = sink->again_ms;
		else if (sink->soonest_ms)
			at = sink->soonest_ms;
		if (at < due)
			due = at;
	}
	return due;
}

bool notify_busy(const struct notify *n)
{
	for (size_t i = 0; i < KINDS; i++) {
		const struct sink *sink = &n->sinks[i];

		/* A sink that waits for better times is not worth waiting for; a slow reader is. */
		if (sink->out_count || (sink->begun && !sink->stopped && sink->more && sink->pause_ms <= SLOW_MS))
			return true;
	}
	return n->alertmanager && alertmanager_busy(n->alertmanager);
}

/* ---- a test */

static int test_time_over(sd_event_source *source, uint64_t usec, void *context)
{
	struct notify *n = context;

	(void)source;
	(void)usec;
	return sd_event_exit(n->loop, 0);
}

static void test_heard(void *context, const char *sink, const struct sink_answer *answer)
{
	struct notify *n = context;

	n->heard(n->heard_context, sink, answer);
	n->expected--;
}

static int test_send(struct notify *n, const char *name, const json_t *json, struct error *e)
{
	const char *id = json_string_value(json_object_get(json, "id"));
	char *line = visible_json(json, JSON_COMPACT);
	struct store_alert row = { .row = 1, .id = (char *)id, .json = line, .guest = NULL };
	size_t sent = 0;
	int err = line ? 0 : error_set(e, ENOMEM, "out of memory");

	for (size_t i = 0; err >= 0 && i < KINDS; i++) {
		struct sink *sink = &n->sinks[i];
		const struct sink_answer nobody = { SINK_LATER, 0, "nobody is there" };

		if (!sink->wanted || (name && strcmp(name, sink->kind->name)))
			continue;
		sent++;
		n->expected++;
		err = sink_begin(sink, e);
		if (err >= 0 && sink->begun)
			err = hand_over(sink, &row, e);
		else if (err >= 0)
			test_heard(n, sink->kind->name, &nobody);
	}
	if (err >= 0 && n->alertmanager && (!name || !strcmp(name, "alertmanager"))) {
		struct sink_host host = { .loop = n->loop, .http = n->http };

		sent++;
		n->expected++;
		err = alertmanager_begin(n->alertmanager, &host, NULL, NULL, NULL, e);
		if (err >= 0)
			err = alertmanager_test(n->alertmanager, id, test_heard, n, e);
	}
	free(line);
	if (err >= 0 && !sent)
		err = name ? error_set(e, ENOENT, "there is no sink %s in the configuration (see abidrift run --print-config)", name) :
			     error_set(e, ENOENT, "no sink is configured");
	return err;
}

int notify_test(struct notify *n, const char *sink, const json_t *alert, void (*heard)(void *context, const char *sink, const struct sink_answer *answer),
		void *context, struct error *e)
{
	sd_event_source *end = NULL;
	int err = sd_event_new(&n->loop);

	if (err < 0)
		return error_set(e, -err, "event loop: %s", strerror(-err));
	n->own_loop = true;
	n->heard = heard;
	n->heard_context = context;
	err = http_client_new(n->loop, &n->http, e);
	if (err >= 0)
		err = sd_event_add_time_relative(n->loop, &end, CLOCK_MONOTONIC, TEST_MS * 1000ull, 0, test_time_over, n);
	if (err >= 0)
		err = test_send(n, sink, alert, e);
	while (err >= 0 && n->expected && sd_event_get_state(n->loop) != SD_EVENT_FINISHED)
		err = sd_event_run(n->loop, UINT64_MAX);
	for (size_t i = 0; err >= 0 && i < KINDS; i++) {
		const struct sink_answer silent = { SINK_LATER, 0, "no answer within 30 s" };

		if (n->sinks[i].out_count)
			heard(context, n->sinks[i].kind->name, &silent);
	}
	sd_event_source_unref(end);
	return err < 0 ? err : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/notify/notify.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/error.h"
#include "userspace/notify/sink.h"
#include "userspace/store/store.h"

#define BATCH 64

static const struct sink_kind *const kinds[] = { &sink_stdout, &sink_journal };
#define KINDS (sizeof kinds / sizeof *kinds)

struct sink {
	void *state;
	bool begun, broken, told;
};

struct notify {
	struct store *store;
	struct sink sinks[KINDS];
};

static int store_failed(struct notify *n, int err, struct error *e)
{
	return error_set(e, -err, "%s", store_error(n->store));
}

/* Broken is no failure of ours: the others go on. */
static void sink_broken(struct notify *n, size_t i, const struct error *why, struct error *e)
{
	n->sinks[i].broken = true;
	error_set(e, EIO, "alerts no longer go to %s: %s; they wait in the store", kinds[i]->name, why->text);
}

/* Said once, if there is something to say: a reader that is slow is nothing to say. */
static void sink_waits(struct notify *n, size_t i, const struct error *why, bool *ret_left, struct error *e)
{
	*ret_left = true;
	if (!*why->text || n->sinks[i].told)
		return;
	n->sinks[i].told = true;
	error_set(e, EAGAIN, "alerts cannot go to %s now: %s; they wait in the store", kinds[i]->name, why->text);
}

static int sink_begin(struct notify *n, size_t i, struct error *e)
{
	struct sink *sink = &n->sinks[i];
	struct error why = ERROR_INIT;
	int err;

	if (sink->begun || sink->broken || (kinds[i]->present && !kinds[i]->present()))
		return 0;
	if (kinds[i]->begin(&sink->state, &why) < 0) {
		sink_broken(n, i, &why, e);
		return 0;
	}
	err = store_sink_begin(n->store, kinds[i]->name);
	if (err < 0) {
		kinds[i]->release(sink->state);
		return store_failed(n, err, e);
	}
	sink->begun = true;
	return 0;
}

int notify_new(struct store *store, struct notify **ret, struct error *e)
{
	struct notify *n = calloc(1, sizeof *n);
	int err = n ? 0 : error_set(e, ENOMEM, "out of memory");

	if (n)
		n->store = store;
	for (size_t i = 0; err >= 0 && i < KINDS; i++)
		err = sink_begin(n, i, e);
	if (err < 0) {
		notify_free(n);
		return err;
	}
	*ret = n;
	return 0;
}

void notify_free(struct notify *n)
{
	if (!n)
		return;
	for (size_t i = 0; i < KINDS; i++)
		if (n->sinks[i].begun)
			kinds[i]->release(n->sinks[i].state);
	free(n);
}

static int alert_deliver(struct notify *n, size_t i, const struct store_alert *row, struct error *why)
{
	struct sink_alert alert = { .id = row->id, .line = row->json };
	json_t *json = json_loads(row->json, 0, NULL);
	int err;

	alert.json = json;
	err = kinds[i]->deliver(n->sinks[i].state, &alert, why);
	json_decref(json);
	return err;
}

/* One batch. *ret_more: all of it went, and there may be another. */
static int sink_deliver(struct notify *n, size_t i, bool *ret_left, bool *ret_more, struct error *e)
{
	struct store_alert *rows = NULL;
	struct error why = ERROR_INIT;
	size_t count = 0, done;
	int err = store_alerts_for(n->store, kinds[i]->name, BATCH, &rows, &count), sent = 0;

	if (err < 0)
		return store_failed(n, err, e);
	for (done = 0; done < count && err >= 0; done++) {
		sent = alert_deliver(n, i, &rows[done], &why);
		if (sent < 0)
			break;
		err = store_alert_done(n->store, kinds[i]->name, rows[done].row);
		if (err < 0)
			store_failed(n, err, e);
	}
	if (done)
		n->sinks[i].told = false;
	if (sent == -EAGAIN)
		sink_waits(n, i, &why, ret_left, e);
	else if (sent < 0)
		sink_broken(n, i, &why, e);
	*ret_more = err >= 0 && !sent && count == BATCH;
	store_alerts_free(rows, count);
	return err;
}

int notify_deliver(struct notify *n, bool *ret_left, struct error *e)
{
	int err = 0;

	*ret_left = false;
	for (size_t i = 0; i < KINDS && err >= 0; i++) {
		bool more = true;

		err = sink_begin(n, i, e);
		while (err >= 0 && more && n->sinks[i].begun && !n->sinks[i].broken)
			err = sink_deliver(n, i, ret_left, &more, e);
	}
	return err;
}

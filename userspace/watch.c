/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/watch.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "userspace/base/buffer.h"
#include "userspace/base/error.h"
#include "userspace/base/text.h"
#include "userspace/blind.h"
#include "userspace/store/store.h"
#include "userspace/stream/record.h"

#define NS_PER_MS 1000000
/* Between two looks nearly no time goes by; if more did, we were stopped ourselves, and those whom we watch perhaps with us. */
#define LOOKS_MS 5000
/* The machine slept for at least so long. */
#define SLEPT_MS 1000

static int64_t clock_ms(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / NS_PER_MS;
}

static int64_t real_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void host_name(char *ret, size_t size)
{
	struct utsname u;

	snprintf(ret, size, "%s", uname(&u) == 0 ? u.nodename : "-");
}

void watch_begin(struct watch *w, uint64_t after_ns)
{
	*w = (struct watch){ .after_ms = (after_ns > 2 * RECORD_STATS_NS ? after_ns : 2 * RECORD_STATS_NS) / NS_PER_MS };
	host_name(w->host, sizeof(w->host));
	w->since_ms = w->looked_ms = clock_ms(CLOCK_MONOTONIC);
	w->asleep_ms = clock_ms(CLOCK_BOOTTIME) - w->looked_ms;
}

/* A host that is given another name is watched on: the collector tells the analyst of it some time later. */
static void follow_name(struct watch *w)
{
	char name[sizeof(w->host)];

	host_name(name, sizeof(name));
	if (!strcmp(name, w->host))
		return;
	memcpy(w->before, w->host, sizeof(w->before));
	memcpy(w->host, name, sizeof(w->host));
	w->beat_before = w->beat;
	w->beat = 0;
	w->told = w->named = false;
}

static int64_t *beat_of(struct watch *w, const char *host)
{
	return !strcmp(host, w->host) ? &w->beat : !strcmp(host, w->before) ? &w->beat_before : NULL;
}

/* Of this host; the store may be that of many. */
static int beat_read(struct watch *w, struct store *s, int64_t now_ms, struct error *e)
{
	struct store_status *items = NULL;
	size_t count = 0;
	int err = store_statuses(s, &items, &count);

	if (err < 0)
		return error_set(e, -err, "%s", store_error(s));
	for (size_t i = 0; i < count; i++) {
		int64_t *beat = beat_of(w, items[i].host);

		if (!beat || items[i].at == *beat)
			continue;
		/* What was there before we came may be of yesterday. */
		if (w->begun) {
			w->heard = true;
			w->since_ms = now_ms;
			w->told &= !w->blind;
			w->blind = false;
		}
		*beat = items[i].at;
	}
	store_statuses_free(items, count);
	w->begun = true;
	return 0;
}

/* Whom nobody lets run cannot show that he is alive. */
static void forgive(struct watch *w, int64_t now_ms)
{
	int64_t asleep_ms = clock_ms(CLOCK_BOOTTIME) - now_ms;

	if (asleep_ms - w->asleep_ms >= SLEPT_MS || now_ms - w->looked_ms >= LOOKS_MS)
		w->since_ms = now_ms;
	w->asleep_ms = asleep_ms;
	w->looked_ms = now_ms;
}

/*
 * What a monitor of this store told under another name of its host, nobody would ever end: only one monitor has a store, and
 * that is this one.
 */
static int end_other_names(struct watch *w, struct store *s, bool *ret_alerted, struct error *e)
{
	struct store_blind *rows = NULL;
	size_t count = 0;
	int err = store_blinds_under(s, "monitor/", &rows, &count);

	if (err < 0)
		return error_set(e, -err, "%s", store_error(s));
	for (size_t i = 0; err >= 0 && i < count; i++)
		if (strcmp(rows[i].scope + strlen("monitor/"), w->host))
			err = blind_monitor(s, rows[i].scope + strlen("monitor/"), NULL, real_ns(), ret_alerted, e);
	store_blinds_free(rows, count);
	return err;
}

/* For how long nothing may be heard. */
static int64_t patience_ms(const struct watch *w)
{
	return (int64_t)w->after_ms * (w->heard ? 1 : WATCH_FIRST);
}

/* Not known by us who they were then: a messenger that comes later finds it in the store. */
static void put_last(struct buffer *out, const struct watch *w)
{
	int64_t last = w->beat > w->beat_before ? w->beat : w->beat_before;

	if (w->heard)
		return;
	if (last) {
		buffer_string(out, "; the last sign of life was at ");
		text_time(out, last);
	} else {
		buffer_string(out, ", nor ever before");
	}
}

static int tell(struct watch *w, struct store *s, bool *ret_alerted, struct error *e)
{
	struct buffer reason = BUFFER_INIT;
	bool alerted = false;
	int err = store_begin(s);

	if (err < 0)
		return error_set(e, -err, "%s", store_error(s));
	buffer_string(&reason, "nothing was heard of collector and analyst for ");
	text_duration_put(&reason, (uint64_t)patience_ms(w) * NS_PER_MS);
	put_last(&reason, w);
	err = blind_monitor(s, w->host, w->blind ? buffer_failed(&reason) ? "no heartbeat" : reason.data : NULL, real_ns(), &alerted, e);
	if (err >= 0 && !w->named)
		err = end_other_names(w, s, &alerted, e);
	if (err >= 0 && (err = store_commit(s)) < 0)
		error_set(e, -err, "%s", store_error(s));
	if (err < 0)
		store_rollback(s);
	buffer_release(&reason);
	if (err < 0)
		return err;
	w->told = w->named = true;
	*ret_alerted |= alerted;
	return 0;
}

int watch_look(struct watch *w, struct store *s, bool changed, bool *ret_alerted, struct error *e)
{
	int64_t now_ms = clock_ms(CLOCK_MONOTONIC);
	int err = 0;

	forgive(w, now_ms);
	follow_name(w);
	if (changed || !w->begun)
		err = beat_read(w, s, now_ms, e);
	if (err < 0) {
		w->since_ms = now_ms; /* a heartbeat may be there that we cannot read */
		return err;
	}
	if (!w->blind && w->since_ms + patience_ms(w) <= now_ms) {
		w->blind = true;
		w->told = false;
	}
	/* Until one of the two is known, what an earlier run left in the store stays as it is. */
	if (w->told || (!w->blind && !w->heard))
		return 0;
	err = tell(w, s, ret_alerted, e);
	/* Nor can the analyst write its heartbeat: once it can, it has as long for it as ever. */
	if (err < 0) {
		w->since_ms = now_ms;
		w->blind = false;
	}
	return err;
}

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

void watch_begin(struct watch *w, uint64_t after_ns)
{
	struct utsname u;

	*w = (struct watch){ .after_ms = (after_ns > 2 * RECORD_STATS_NS ? after_ns : 2 * RECORD_STATS_NS) / NS_PER_MS };
	snprintf(w->host, sizeof(w->host), "%s", uname(&u) == 0 ? u.nodename : "-");
	w->since_ms = w->looked_ms = clock_ms(CLOCK_MONOTONIC);
	w->asleep_ms = clock_ms(CLOCK_BOOTTIME) - w->looked_ms;
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
		if (strcmp(items[i].host, w->host) || items[i].at == w->beat)
			continue;
		/* What was there before we came may be of yesterday. */
		if (w->begun) {
			w->heard = true;
			w->since_ms = now_ms;
			w->told &= !w->blind;
			w->blind = false;
		}
		w->beat = items[i].at;
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

static int tell(struct watch *w, struct store *s, bool *ret_alerted, struct error *e)
{
	struct buffer reason = BUFFER_INIT;
	bool alerted = false;
	int err = store_begin(s);

	if (err < 0)
		return error_set(e, -err, "%s", store_error(s));
	buffer_string(&reason, "nothing was heard of collector and analyst for ");
	text_duration_put(&reason, w->after_ms * NS_PER_MS);
	buffer_string(&reason, w->beat ? "" : ", and never before");
	err = blind_monitor(s, w->host, w->blind ? buffer_failed(&reason) ? "no heartbeat" : reason.data : NULL, real_ns(), &alerted, e);
	if (err >= 0 && (err = store_commit(s)) < 0)
		error_set(e, -err, "%s", store_error(s));
	if (err < 0)
		store_rollback(s);
	buffer_release(&reason);
	if (err < 0)
		return err;
	w->told = true;
	*ret_alerted |= alerted;
	return 0;
}

int watch_look(struct watch *w, struct store *s, bool changed, bool *ret_alerted, struct error *e)
{
	int64_t now_ms = clock_ms(CLOCK_MONOTONIC);
	int err = 0;

	forgive(w, now_ms);
	if (changed || !w->begun)
		err = beat_read(w, s, now_ms, e);
	if (err < 0)
		return err;
	if (!w->blind && w->since_ms + (int64_t)w->after_ms <= now_ms) {
		w->blind = true;
		w->told = false;
	}
	/* Until one of the two is known, what an earlier run left in the store stays as it is. */
	return w->told || (!w->blind && !w->heard) ? 0 : tell(w, s, ret_alerted, e);
}

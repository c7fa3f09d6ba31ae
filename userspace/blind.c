/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/blind.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/alert.h"
#include "userspace/base/buffer.h"
#include "userspace/base/error.h"
#include "userspace/base/text.h"
#include "userspace/store/forward.h"
#include "userspace/store/store.h"

static int failed(struct store *s, int err, struct error *e)
{
	return err == -ENOMEM ? error_set(e, ENOMEM, "out of memory") : error_set(e, -err, "%s", store_error(s));
}

static void scope_put(struct buffer *out, const struct blind_facets *is, const char *facet)
{
	if (is->guest)
		buffer_printf(out, "guest/%s/%s", is->guest->id, facet);
	else
		buffer_printf(out, "facet/%s/%s", is->host, facet);
}

/* ---- what is told */

/* "acpi, numa: REASON; pci: REASON": what has one reason is named with it once. */
static void put_reasons(struct buffer *out, const struct blind_facets *is, unsigned facets)
{
	const char *between = "";

	for (int f = 0; f < FACETS; f++) {
		const char *reason = is->facets[f].reason;

		if (!(facets & 1u << f))
			continue;
		for (int g = f; g < FACETS; g++) {
			if (!(facets & 1u << g) || strcmp(is->facets[g].reason, reason))
				continue;
			buffer_printf(out, "%s%s", between, facet_get((enum facet_id)g)->name);
			between = ", ";
			facets &= ~(1u << g);
		}
		buffer_string(out, ": ");
		text_terminal(out, reason, strlen(reason));
		between = "; ";
	}
}

static void put_names(struct buffer *out, unsigned facets)
{
	const char *between = "";

	for (int f = 0; f < FACETS; f++)
		if (facets & 1u << f) {
			buffer_printf(out, "%s%s", between, facet_get((enum facet_id)f)->name);
			between = ", ";
		}
}

static int tell(struct store *s, const struct blind_facets *is, const char *type, enum severity severity, const struct buffer *summary)
{
	const struct alert alert = { .type = type, .host = is->host, .guest = is->guest, .severity = severity, .summary = summary->data, .now = is->now };

	return buffer_failed(summary) ? -ENOMEM : alert_add(s, &alert);
}

static int tell_begun(struct store *s, const struct blind_facets *is, unsigned begun)
{
	struct buffer summary = BUFFER_INIT;
	enum severity severity = SEVERITY_INFO;
	int err;

	for (int f = 0; f < FACETS; f++)
		if (begun & 1u << f && is->facets[f].severity > severity)
			severity = is->facets[f].severity;
	if (is->guest) {
		buffer_string(&summary, "less is seen of it than its baseline holds: ");
	} else {
		text_terminal(&summary, is->host, strlen(is->host));
		buffer_string(&summary, ": less is seen of its guests than before: ");
	}
	put_reasons(&summary, is, begun);
	err = tell(s, is, "blind", severity, &summary);
	buffer_release(&summary);
	return err;
}

static int tell_ended(struct store *s, const struct blind_facets *is, unsigned ended)
{
	struct buffer summary = BUFFER_INIT;
	int err;

	if (!is->guest) {
		text_terminal(&summary, is->host, strlen(is->host));
		buffer_string(&summary, ": ");
	}
	buffer_string(&summary, is->because ? "no longer missed: " : "seen again: ");
	put_names(&summary, ended);
	if (is->because)
		buffer_printf(&summary, " (%s)", is->because);
	err = tell(s, is, "resolved", SEVERITY_INFO, &summary);
	buffer_release(&summary);
	return err;
}

/* ---- what lasts */

/* Facets that have a row. */
static int rows_of(struct store *s, const struct blind_facets *is, unsigned *ret)
{
	struct buffer prefix = BUFFER_INIT;
	struct store_blind *rows = NULL;
	size_t count = 0;
	int err;

	scope_put(&prefix, is, "");
	err = buffer_failed(&prefix) ? -ENOMEM : store_blinds_under(s, prefix.data, &rows, &count);
	*ret = 0;
	for (size_t i = 0; err >= 0 && i < count; i++) {
		const struct facet *facet = facet_find(rows[i].scope + prefix.size);

		if (facet)
			*ret |= 1u << facet->id;
	}
	store_blinds_free(rows, count);
	buffer_release(&prefix);
	return err;
}

static int row_set(struct store *s, const struct blind_facets *is, enum facet_id f)
{
	struct buffer scope = BUFFER_INIT;
	struct store_blind row = { .host = (char *)is->host, .guest = is->guest ? is->guest->id : NULL, .at = is->now,
				   .severity = is->facets[f].severity, .reason = (char *)is->facets[f].reason };
	bool fresh;
	int err;

	scope_put(&scope, is, facet_get(f)->name);
	row.scope = scope.data;
	err = buffer_failed(&scope) ? -ENOMEM : store_blind_set(s, &row, &fresh);
	buffer_release(&scope);
	return err;
}

static int row_end(struct store *s, const struct blind_facets *is, enum facet_id f)
{
	struct buffer scope = BUFFER_INIT;
	bool gone;
	int err;

	scope_put(&scope, is, facet_get(f)->name);
	err = buffer_failed(&scope) ? -ENOMEM : store_blind_end(s, scope.data, &gone);
	buffer_release(&scope);
	return err;
}

int blind_follow(struct store *s, const struct blind_facets *is, bool *ret_alerted, struct error *e)
{
	unsigned was, begun = 0, ended = 0;
	int err = rows_of(s, is, &was);

	for (int f = 0; err >= 0 && f < FACETS; f++) {
		bool before = was & 1u << f, now = is->facets[f].reason && (before || !is->facets[f].lasts);

		begun |= now && !before ? 1u << f : 0;
		ended |= before && !now ? 1u << f : 0;
		/* The reason may be another one by now. */
		if (now)
			err = row_set(s, is, (enum facet_id)f);
		else if (before)
			err = row_end(s, is, (enum facet_id)f);
	}
	if (err >= 0 && begun)
		err = tell_begun(s, is, begun);
	if (err >= 0 && ended)
		err = tell_ended(s, is, ended);
	if (err < 0)
		return failed(s, err, e);
	*ret_alerted |= begun || ended;
	return 0;
}

/* ---- the monitor as a whole */

/* Where another process writes the store, it is that one which makes the alert: it takes none that is made already. */
static int monitor_forward(struct store *s, const char *host, const char *reason, int64_t now, bool *ret_alerted, struct error *e)
{
	struct message ask = { .what = FORWARD_MONITOR };
	int64_t alerted = 0;
	int err;

	message_text(&ask, host);
	message_text(&ask, reason);
	message_number(&ask, now);
	err = store_forward(s, &ask, &alerted);
	if (err < 0)
		return failed(s, err, e);
	*ret_alerted |= alerted != 0;
	return 0;
}

int blind_monitor(struct store *s, const char *host, const char *reason, int64_t now, bool *ret_alerted, struct error *e)
{
	struct buffer scope = BUFFER_INIT, summary = BUFFER_INIT;
	struct store_blind row = { .host = (char *)host, .at = now, .severity = SEVERITY_CRITICAL, .reason = (char *)reason };
	struct alert alert = { .type = reason ? "blind" : "resolved", .host = host, .severity = reason ? SEVERITY_CRITICAL : SEVERITY_INFO, .now = now };
	bool turned = false;
	int err = -ENOMEM;

	if (store_forwards(s))
		return monitor_forward(s, host, reason, now, ret_alerted, e);
	buffer_printf(&scope, "monitor/%s", host);
	text_terminal(&summary, host, strlen(host));
	buffer_printf(&summary, ": %s", reason ? "its guests are not watched: " : "its guests are watched again");
	buffer_string(&summary, reason ? reason : "");
	row.scope = scope.data;
	alert.summary = summary.data;
	if (!buffer_failed(&scope) && !buffer_failed(&summary))
		err = reason ? store_blind_set(s, &row, &turned) : store_blind_end(s, row.scope, &turned);
	if (err >= 0 && turned)
		err = alert_add(s, &alert);
	buffer_release(&scope);
	buffer_release(&summary);
	if (err < 0)
		return failed(s, err, e);
	*ret_alerted |= turned;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/maintenance.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/alert.h"
#include "userspace/base/buffer.h"
#include "userspace/base/error.h"
#include "userspace/base/text.h"
#include "userspace/drift/change_set.h"
#include "userspace/store/store.h"

/* Changes that the one alert lists, of all sets together; the rest is counted. */
#define CHANGES_MAX 512
/* Sets that its summary names. */
#define SETS_NAMED 4

static int store_failed(struct store *s, int err, struct error *e)
{
	return error_set(e, -err, "%s", store_error(s));
}

static int event_tell(struct store *s, int64_t at, const char *by, const char *what, struct error *e)
{
	struct store_event event = { .at = at, .type = (char *)"maintenance", .by = (char *)by, .reason = (char *)what };
	int err = store_event_add(s, &event);

	return err < 0 ? store_failed(s, err, e) : 0;
}

/* ---- what happened in it */

struct sum {
	json_t *sets;    /* [{"id","guests":[names],"changes","verdict","severity","summary"}], in the order of their first guest */
	json_t *changes; /* of all sets */
	size_t drifting; /* guests */
	size_t back;     /* drifted before it, and are as their baseline now */
	size_t passing;  /* drifted in it, and are as their baseline now */
	enum severity severity;
	enum verdict verdict;
};

static json_t *set_find(const json_t *sets, const char *id)
{
	size_t i;
	json_t *set;

	json_array_foreach(sets, i, set)
		if (!strcmp(json_string_value(json_object_get(set, "id")), id))
			return set;
	return NULL;
}

/* The first guest of a set tells what it is. */
static int set_new(struct store *s, const struct store_turn *turn, struct sum *sum, json_t **ret)
{
	json_t *diff, *changes, *change, *set;
	char *text = NULL;
	size_t i;
	int err = store_drift_get(s, turn->guest, &text, NULL, NULL);

	if (err < 0)
		return err;
	diff = json_loads(text, 0, NULL);
	free(text);
	changes = json_object_get(diff, "changes");
	json_array_foreach(changes, i, change)
		if (change_counts(change) && json_array_size(sum->changes) < CHANGES_MAX)
			json_array_append(sum->changes, change);
	if (changes_severity(changes) > sum->severity)
		sum->severity = changes_severity(changes);
	if (changes_verdict(changes) > sum->verdict)
		sum->verdict = changes_verdict(changes);
	set = change_set_json(diff, turn->change_set, CHANGE_SET_COLUMNS_NARROW);
	json_decref(diff);
	if (!set || json_object_set_new(set, "guests", json_array()) < 0 || json_array_append_new(sum->sets, set) < 0)
		return -ENOMEM;
	*ret = set;
	return 0;
}

static int turn_add(struct store *s, const struct store_turn *turn, struct sum *sum)
{
	json_t *set = turn->change_set ? set_find(sum->sets, turn->change_set) : NULL;
	int err = 0;

	if (!turn->change_set) {
		sum->back += turn->drifted;
		sum->passing += !turn->drifted;
		return 0;
	}
	sum->drifting++;
	if (!set)
		err = set_new(s, turn, sum, &set);
	if (err >= 0 && json_array_append_new(json_object_get(set, "guests"), alert_text(turn->name)) < 0)
		err = -ENOMEM;
	return err;
}

static int by_weight(const void *a, const void *b)
{
	const json_t *one = *(json_t *const *)a, *two = *(json_t *const *)b;
	enum severity left = SEVERITY_NONE, right = SEVERITY_NONE;
	const char *text;
	size_t many, more;

	if ((text = json_string_value(json_object_get(one, "severity"))))
		severity_parse(text, &left);
	if ((text = json_string_value(json_object_get(two, "severity"))))
		severity_parse(text, &right);
	if (left != right)
		return left > right ? -1 : 1;
	many = json_array_size(json_object_get(one, "guests"));
	more = json_array_size(json_object_get(two, "guests"));
	return many > more ? -1 : many < more;
}

/* The worst first, then the most: the line may be cut. */
static int sets_sort(struct sum *sum)
{
	size_t count = json_array_size(sum->sets), i;
	json_t **order = count ? calloc(count, sizeof *order) : NULL, *sorted = json_array();
	int err = (count && !order) || !sorted ? -ENOMEM : 0;

	for (i = 0; err >= 0 && i < count; i++)
		order[i] = json_array_get(sum->sets, i);
	if (err >= 0 && count)
		qsort(order, count, sizeof *order, by_weight);
	for (i = 0; err >= 0 && i < count; i++)
		err = json_array_append(sorted, order[i]) < 0 ? -ENOMEM : 0;
	free(order);
	if (err < 0) {
		json_decref(sorted);
		return err;
	}
	json_decref(sum->sets);
	sum->sets = sorted;
	return 0;
}

static int add_up(struct store *s, int64_t since, struct sum *sum)
{
	struct store_turn *turns = NULL;
	size_t count = 0;
	int err = sum->sets && sum->changes ? store_turns(s, since, &turns, &count) : -ENOMEM;

	for (size_t i = 0; err >= 0 && i < count; i++)
		err = turn_add(s, &turns[i], sum);
	store_turns_free(turns, count);
	return err < 0 ? err : sets_sort(sum);
}

/* ---- how it is told */

static void put_guests(struct buffer *out, size_t count, const char *one, const char *many)
{
	buffer_printf(out, "%zu guest%s %s", count, count == 1 ? "" : "s", count == 1 ? one : many);
}

static void put_set(struct buffer *out, const json_t *set)
{
	const json_t *guests = json_object_get(set, "guests");
	json_int_t changes = json_integer_value(json_object_get(set, "changes"));
	const char *name = json_string_value(json_array_get(guests, 0)), *summary = json_string_value(json_object_get(set, "summary"));
	const char *verdict = json_string_value(json_object_get(set, "verdict")), *severity = json_string_value(json_object_get(set, "severity"));

	if (json_array_size(guests) == 1)
		text_terminal(out, name ? name : "", name ? strlen(name) : 0);
	else if (changes == 1)
		buffer_printf(out, "%zu the same change", json_array_size(guests));
	else
		buffer_printf(out, "%zu the same %" JSON_INTEGER_FORMAT " changes", json_array_size(guests), changes);
	buffer_printf(out, " (%s%s%s): %s", verdict ? verdict : "", verdict ? ", " : "", severity ? severity : "", summary ? summary : "");
}

/* As people say it: nobody wants to know the milliseconds of two hours. */
static void put_length(struct buffer *out, uint64_t ns)
{
	static const uint64_t second = 1000000000ull, minute = 60 * second, hour = 60 * minute;
	uint64_t unit = ns < 10 * minute ? second : ns < 48 * hour ? minute : hour;

	text_duration_put(out, ns < unit ? unit : (ns + unit / 2) / unit * unit);
}

static void put_summary(struct buffer *out, const struct store_maintenance *m, const struct sum *sum)
{
	size_t i;
	json_t *set;

	buffer_string(out, "maintenance window of ");
	put_length(out, (uint64_t)(m->ends_at - m->begins_at));
	buffer_string(out, " ended: ");
	if (sum->drifting)
		put_guests(out, sum->drifting, "drifts", "drift");
	else
		buffer_string(out, "no guest drifts because of it");
	json_array_foreach(sum->sets, i, set) {
		if (i == SETS_NAMED) {
			buffer_printf(out, "; and %zu more sets of changes", json_array_size(sum->sets) - i);
			break;
		}
		buffer_string(out, i ? "; " : ": ");
		put_set(out, set);
	}
	if (sum->back) {
		buffer_string(out, "; ");
		put_guests(out, sum->back, "is as its baseline again", "are as their baselines again");
	}
	if (sum->passing) {
		buffer_string(out, "; ");
		put_guests(out, sum->passing, "drifted in it, and does no more", "drifted in it, and do no more");
	}
}

/* The window makes the id, so that a second attempt after a failed commit is the same alert. */
static int sum_alert(struct store *s, const char *host, const struct store_maintenance *m, const struct sum *sum, const char *summary, int64_t now)
{
	struct alert alert = { .type = sum->drifting ? "drift" : "resolved", .host = host, .severity = sum->drifting ? sum->severity : SEVERITY_INFO,
			       .verdict = verdict_name(sum->verdict), .summary = summary, .changes = sum->changes, .change_sets = sum->sets, .now = now };
	struct buffer about = BUFFER_INIT;
	int err;

	buffer_printf(&about, "maintenance\n%" PRId64 "\n%" PRId64, m->row, m->begins_at);
	alert.about = about.data;
	err = buffer_failed(&about) ? -ENOMEM : alert_add(s, &alert);
	buffer_release(&about);
	return err;
}

static int sum_up(struct store *s, const char *host, struct store_maintenance *m, int64_t now, struct error *e)
{
	struct sum sum = { .sets = json_array(), .changes = json_array() };
	struct buffer summary = BUFFER_INIT;
	int err = add_up(s, m->begins_at, &sum);

	if (err >= 0) {
		put_summary(&summary, m, &sum);
		err = buffer_failed(&summary) ? -ENOMEM : sum_alert(s, host, m, &sum, summary.data, now);
	}
	m->closed_at = now;
	if (err >= 0)
		err = store_maintenance_put(s, m);
	if (err < 0)
		err = err == -ENOMEM ? error_set(e, ENOMEM, "out of memory") : store_failed(s, err, e);
	else
		err = event_tell(s, now, NULL, summary.data, e);
	json_decref(sum.sets);
	json_decref(sum.changes);
	buffer_release(&summary);
	return err;
}

int maintenance_follow(struct store *s, const char *host, int64_t now, struct maintenance *ret, struct error *e)
{
	struct store_maintenance m = { 0 };
	int err = store_maintenance_get(s, &m);

	*ret = (struct maintenance){ .ends_at = INT64_MAX };
	if (err == -ENOENT)
		return 0;
	if (err < 0)
		return store_failed(s, err, e);
	if (now >= m.ends_at) {
		err = sum_up(s, host, &m, now, e);
		ret->alerted = err >= 0;
	} else {
		/* A trace of last year is not in the window of today. */
		ret->holds = now >= m.begins_at;
		ret->ends_at = m.ends_at;
	}
	store_maintenance_release(&m);
	return err;
}

/* ---- what operators do */

int maintenance_begin(struct store *s, int64_t now, uint64_t length_ns, const char *by, const char *reason, struct error *e)
{
	struct store_maintenance m = { .begins_at = now, .ends_at = now + (int64_t)length_ns, .by = (char *)by, .reason = (char *)reason };
	struct buffer text = BUFFER_INIT;
	int err = store_maintenance_put(s, &m);

	if (err == -EEXIST)
		return error_set(e, EEXIST, "a maintenance window is open already (abidrift maintenance shows it, --end ends it)");
	if (err < 0)
		return store_failed(s, err, e);
	buffer_string(&text, "begins, until ");
	text_time(&text, m.ends_at);
	if (reason) {
		buffer_string(&text, ": ");
		buffer_string(&text, reason);
	}
	err = buffer_failed(&text) ? error_set(e, ENOMEM, "out of memory") : event_tell(s, now, by, text.data, e);
	buffer_release(&text);
	return err;
}

int maintenance_end(struct store *s, int64_t now, const char *by, struct error *e)
{
	struct store_maintenance m = { 0 };
	int err = store_maintenance_get(s, &m);

	if (err == -ENOENT)
		return error_set(e, ENOENT, "no maintenance window is open");
	/* The clock may have been set back since it began. */
	if (err >= 0 && now < m.ends_at) {
		m.ends_at = now > m.begins_at ? now : m.begins_at;
		err = store_maintenance_put(s, &m);
	}
	store_maintenance_release(&m);
	return err < 0 ? store_failed(s, err, e) : event_tell(s, now, by, "is ended by hand", e);
}

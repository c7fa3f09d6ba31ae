/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Formats: https://prometheus.io/docs/instrumenting/exposition_formats/ (0.0.4) and OpenMetrics 1.0.0. Label values are words of
 * our own tables, or of the host (its name, kernel, CPU): never what a guest chose, but for a UUID that is one.
 */
#include "userspace/serve/metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/facet.h"
#include "userspace/base/buffer.h"
#include "userspace/base/error.h"
#include "userspace/base/text.h"
#include "userspace/serve/metrics_stats.h"
#include "userspace/store/store.h"

/* Beside guest_drift. What is over it of guests_drifted is told together, of which so many are told in any case. */
#define SERIES_MAX 120
#define DRIFTED_LEAST 6
#define GUESTS_MAX 200
#define LABEL_BYTES 200
/* There are six; what a store of another version counts has room beside them. */
#define SINKS_MAX 8
#define SEVERITIES 3
#define NS_PER_S 1000000000

enum type { GAUGE, COUNTER, INFO };

struct family {
	const char *name; /* as OpenMetrics has it: without _total and _info */
	enum type type;
	const char *unit; /* what the name ends in; NULL: it counts things */
	const char *help;
};

enum family_id {
	BUILD,
	HOST,
	HEARTBEAT,
	BLIND,
	GUESTS,
	GUESTS_RUNNING,
	GUESTS_WORST,
	GUESTS_DRIFTED,
	GUEST_DRIFT,
	DRIFT_EVENTS,
	COVERAGE,
	FACTS,
	FACTS_LOST,
	OVERFLOW,
	MAP_ENTRIES,
	MAP_CAPACITY,
	PROGRAM_RUNS,
	PROGRAM_SECONDS,
	ALERTS,
	OUTBOX,
	OUTBOX_OLDEST,
	SINK_ENTRIES,
	SINK_OLDEST,
	MAINTENANCE,
	STORE_BYTES,
};

static const struct family families[] = {
	[BUILD] = { "abidrift_build", INFO, NULL, "The abidrift that answers." },
	[HOST] = { "abidrift_host", INFO, NULL, "Kernel, CPU model and microcode of a watched host." },
	[HEARTBEAT] = { "abidrift_heartbeat_timestamp_seconds", GAUGE, "seconds", "When the monitor of a host last said that it sees." },
	[BLIND] = { "abidrift_blind", GAUGE, NULL, "Places where nobody sees what was seen before: whole monitors, facets of a host, facets of a guest." },
	[GUESTS] = { "abidrift_guests", GAUGE, NULL, "Guests by state, those that do not run among them." },
	[GUESTS_RUNNING] = { "abidrift_guests_running", GAUGE, NULL, "Guests that run." },
	[GUESTS_WORST] = { "abidrift_guests_worst", GAUGE, NULL, "Guests that drift now, by the worst severity of their changes." },
	[GUESTS_DRIFTED] = { "abidrift_guests_drifted", GAUGE, NULL, "Guests that drift now, by facet and the worst severity in it." },
	[GUEST_DRIFT] = { "abidrift_guest_drift", GAUGE, NULL, "Changes of a guest that drifts now, the most severe 200 guests." },
	[DRIFT_EVENTS] = { "abidrift_drift_events", COUNTER, NULL, "Drift that was found, once for each facet, severity and verdict in it." },
	[COVERAGE] = { "abidrift_coverage", GAUGE, NULL, "Running guests by how much is seen of a facet." },
	[FACTS] = { "abidrift_facts", COUNTER, NULL, "Facts that the collector told, new or changed." },
	[FACTS_LOST] = { "abidrift_facts_lost", COUNTER, NULL, "Facts that were lost, by where; a full ring only delays them." },
	[OVERFLOW] = { "abidrift_guest_overflow", COUNTER, NULL, "Facts that the quotas of guests refused." },
	[MAP_ENTRIES] = { "abidrift_map_entries", GAUGE, NULL, "Entries of a BPF map." },
	[MAP_CAPACITY] = { "abidrift_map_capacity", GAUGE, NULL, "Entries that a BPF map can hold." },
	[PROGRAM_RUNS] = { "abidrift_bpf_program_runs", COUNTER, NULL, "Runs of a BPF program, where the kernel's statistics are on." },
	[PROGRAM_SECONDS] = { "abidrift_bpf_program_run_seconds", COUNTER, "seconds", "Time in a BPF program, where the kernel's statistics are on." },
	[ALERTS] = { "abidrift_alerts", COUNTER, NULL, "Alerts by sink: delivered, given up, and attempts that failed." },
	[OUTBOX] = { "abidrift_outbox_entries", GAUGE, NULL, "Deliveries that are owed: alerts that a sink has not taken yet, over all sinks." },
	[OUTBOX_OLDEST] = { "abidrift_outbox_oldest_timestamp_seconds", GAUGE, "seconds", "When the oldest alert that some sink has not taken was written; 0: none waits." },
	[SINK_ENTRIES] = { "abidrift_sink_entries", GAUGE, NULL, "Alerts that a sink has not taken yet." },
	[SINK_OLDEST] = { "abidrift_sink_oldest_timestamp_seconds", GAUGE, "seconds", "When the oldest alert that a sink has not taken was written." },
	[MAINTENANCE] = { "abidrift_maintenance", GAUGE, NULL, "1 while a maintenance window holds alerts of drift back." },
	[STORE_BYTES] = { "abidrift_store_bytes", GAUGE, "bytes", "Size of the store and its log." },
};

/* ---- writing */

struct page {
	struct buffer *out;
	enum metrics_format format;
	int begun;     /* family whose lines are being written; -1: none */
	size_t series; /* beside GUEST_DRIFT */
};

static const char *type_name(enum type type, enum metrics_format format)
{
	if (type == INFO)
		return format == METRICS_OPENMETRICS ? "info" : "gauge";
	return type == COUNTER ? "counter" : "gauge";
}

/* What the format before OpenMetrics calls a family is what its samples are called. */
static void family_begin(struct page *p, enum family_id id)
{
	const struct family *f = &families[id];
	bool open = p->format == METRICS_OPENMETRICS;
	const char *suffix = open ? "" : f->type == COUNTER ? "_total" : f->type == INFO ? "_info" : "";

	if (p->begun == (int)id)
		return;
	p->begun = (int)id;
	buffer_printf(p->out, "# HELP %s%s %s\n# TYPE %s%s %s\n", f->name, suffix, f->help, f->name, suffix, type_name(f->type, p->format));
	if (open && f->unit)
		buffer_printf(p->out, "# UNIT %s %s\n", f->name, f->unit);
}

static void label_put(struct buffer *out, const char *name, const char *value)
{
	struct buffer text = BUFFER_INIT;

	text_utf8(&text, value, strnlen(value, LABEL_BYTES));
	buffer_printf(out, "%s=\"", name);
	for (size_t i = 0; i < text.size; i++) {
		unsigned char c = (unsigned char)text.data[i];

		if (c == '\\' || c == '"')
			buffer_printf(out, "\\%c", c);
		else if (c == '\n')
			buffer_string(out, "\\n");
		else
			buffer_append(out, c < ' ' || c == 0x7f ? " " : &text.data[i], 1);
	}
	buffer_string(out, "\"");
	out->failed |= buffer_failed(&text);
	buffer_release(&text);
}

/* labels: name, value, name, value, NULL. */
static void sample(struct page *p, enum family_id id, const char *const labels[], const char *value)
{
	const struct family *f = &families[id];

	family_begin(p, id);
	buffer_printf(p->out, "%s%s", f->name, f->type == COUNTER ? "_total" : f->type == INFO ? "_info" : "");
	for (size_t i = 0; labels && labels[i]; i += 2) {
		buffer_string(p->out, i ? "," : "{");
		label_put(p->out, labels[i], labels[i + 1]);
	}
	buffer_printf(p->out, "%s %s\n", labels && labels[0] ? "}" : "", value);
	p->series += id != GUEST_DRIFT;
}

static void count_put(struct page *p, enum family_id id, const char *const labels[], uint64_t count)
{
	char value[24];

	snprintf(value, sizeof value, "%" PRIu64, count);
	sample(p, id, labels, value);
}

/* Of nanoseconds. */
static void seconds_put(struct page *p, enum family_id id, const char *const labels[], uint64_t ns)
{
	char value[40];

	snprintf(value, sizeof value, "%" PRIu64 ".%09" PRIu64, ns / NS_PER_S, ns % NS_PER_S);
	sample(p, id, labels, value);
}

static int store_failed(struct store *s, int err, struct error *e)
{
	return error_set(e, -err, "%s", store_error(s));
}

#define LABELS(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* ---- hosts, and what their collectors count */

static const char *said(const json_t *status, const char *key)
{
	const char *text = json_string_value(json_object_get(status, key));
	return text ? text : "";
}

static void hosts_put(struct page *p, const struct metrics_stats *stats)
{
	for (size_t i = 0; i < stats->host_count; i++)
		sample(p, HOST, LABELS("host", stats->hosts[i].name, "kernel", said(stats->hosts[i].status, "kernel"), "cpu", said(stats->hosts[i].status, "cpu"),
				       "microcode", said(stats->hosts[i].status, "microcode")), "1");
	for (size_t i = 0; i < stats->host_count; i++)
		seconds_put(p, HEARTBEAT, LABELS("host", stats->hosts[i].name), stats->hosts[i].at > 0 ? (uint64_t)stats->hosts[i].at : 0);
}

static void stats_put(struct page *p, const struct metrics_stats *stats)
{
	static const struct {
		enum family_id family;
		const char *prefix, *suffix, *label; /* key of the status; label NULL: the prefix is the key */
		bool ns;
	} rows[] = {
		{ FACTS, "facts.", "", "facet", false },
		{ FACTS_LOST, "lost.", "", "stage", false },
		{ OVERFLOW, "overflow", "", NULL, false },
		{ MAP_ENTRIES, "map.", ".entries", "map", false },
		{ MAP_CAPACITY, "map.", ".capacity", "map", false },
		{ PROGRAM_RUNS, "program.", ".runs", "program", false },
		{ PROGRAM_SECONDS, "program.", ".ns", "program", true },
	};

	for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
		for (size_t i = 0; i < stats->count; i++) {
			char name[METRICS_NAME_BYTES];
			const char *const labels[] = { rows[r].label, name, NULL };

			if (metrics_stat_named(stats->items[i].key, rows[r].prefix, rows[r].suffix, rows[r].label != NULL, name))
				(rows[r].ns ? seconds_put : count_put)(p, rows[r].family, rows[r].label ? labels : NULL, stats->items[i].value);
		}
}

static int monitors_put(struct page *p, struct store *s, struct error *e)
{
	struct metrics_stats stats = { 0 };
	int err = metrics_stats_read(s, &stats);

	if (err >= 0) {
		hosts_put(p, &stats);
		stats_put(p, &stats);
	}
	metrics_stats_release(&stats);
	return err < 0 ? store_failed(s, err, e) : 0;
}

static int blinds_put(struct page *p, struct store *s, struct error *e)
{
	static const char *const scopes[] = { "monitor", "facet", "guest" };
	uint64_t counts[sizeof scopes / sizeof *scopes] = { 0 };
	struct store_blind *items = NULL;
	size_t count = 0;
	int err = store_blinds(s, &items, &count);

	if (err < 0)
		return store_failed(s, err, e);
	for (size_t k = 0; k < sizeof scopes / sizeof *scopes; k++) {
		size_t length = strlen(scopes[k]);

		for (size_t i = 0; i < count; i++)
			counts[k] += !strncmp(items[i].scope, scopes[k], length) && items[i].scope[length] == '/';
		count_put(p, BLIND, LABELS("scope", scopes[k]), counts[k]);
	}
	store_blinds_free(items, count);
	return 0;
}

/* ---- guests */

static int guests_put(struct page *p, struct store *s, struct error *e)
{
	static const char *const states[] = { "learning", "same", "drift", "unknown" };
	struct store_tally *items = NULL;
	uint64_t running = 0;
	size_t count = 0;
	int err = store_tally_states(s, &items, &count);

	if (err < 0)
		return store_failed(s, err, e);
	for (size_t i = 0; i < count; i++)
		running += strcmp(items[i].kind, "running") ? 0 : items[i].count;
	/* All of them, so that a rule sees 0 and not nothing. */
	for (size_t k = 0; k < sizeof states / sizeof *states; k++) {
		uint64_t sum = 0;

		for (size_t i = 0; i < count; i++)
			sum += strcmp(items[i].name, states[k]) ? 0 : items[i].count;
		count_put(p, GUESTS, LABELS("state", states[k]), sum);
	}
	count_put(p, GUESTS_RUNNING, NULL, running);
	store_tallies_free(items, count);
	return 0;
}

/* Sums over all facets, which guests_drifted cannot tell: a guest may drift in several. */
static int worst_put(struct page *p, struct store *s, struct error *e)
{
	struct store_tally *items = NULL;
	size_t count = 0;
	int err = store_tally_worst(s, &items, &count);

	if (err < 0)
		return store_failed(s, err, e);
	for (int k = SEVERITIES; k > 0; k--) {
		const char *name = severity_name((enum severity)k);
		uint64_t sum = 0;

		for (size_t i = 0; i < count; i++)
			sum += strcmp(items[i].name, name) ? 0 : items[i].count;
		count_put(p, GUESTS_WORST, LABELS("severity", name), sum);
	}
	store_tallies_free(items, count);
	return 0;
}

static int coverage_put(struct page *p, struct store *s, struct error *e)
{
	struct store_tally *items = NULL;
	enum coverage level;
	size_t count = 0;
	int err = store_tally_coverage(s, &items, &count);

	if (err < 0)
		return store_failed(s, err, e);
	for (size_t i = 0; i < count; i++)
		if (facet_find(items[i].name) && coverage_parse(items[i].kind, &level) >= 0)
			count_put(p, COVERAGE, LABELS("facet", items[i].name, "coverage", items[i].kind), items[i].count);
	store_tallies_free(items, count);
	return 0;
}

static int by_severity_and_count(const void *a, const void *b)
{
	const struct store_tally *one = a, *two = b;
	enum severity left = SEVERITY_NONE, right = SEVERITY_NONE;

	severity_parse(one->kind, &left);
	severity_parse(two->kind, &right);
	if (left != right)
		return left > right ? -1 : 1;
	if (one->count != two->count)
		return one->count > two->count ? -1 : 1;
	return strcmp(one->name, two->name);
}

/* Last but one: what the others left of SERIES_MAX is its room. */
static int drifted_put(struct page *p, struct store *s, struct error *e)
{
	uint64_t others[SEVERITIES + 1] = { 0 };
	struct store_tally *items = NULL;
	enum severity severity;
	size_t count = 0, room = p->series + DRIFTED_LEAST < SERIES_MAX ? SERIES_MAX - p->series : DRIFTED_LEAST, shown;
	int err = store_tally_drifted(s, &items, &count);

	if (err < 0)
		return store_failed(s, err, e);
	if (count)
		qsort(items, count, sizeof *items, by_severity_and_count);
	shown = count <= room ? count : room - SEVERITIES;
	for (size_t i = 0; i < count; i++) {
		if (severity_parse(items[i].kind, &severity) < 0)
			continue;
		if (i < shown && facet_find(items[i].name))
			count_put(p, GUESTS_DRIFTED, LABELS("facet", items[i].name, "severity", items[i].kind), items[i].count);
		else
			others[severity] += items[i].count;
	}
	for (int k = SEVERITIES; k > 0; k--)
		if (others[k])
			count_put(p, GUESTS_DRIFTED, LABELS("facet", "other", "severity", severity_name((enum severity)k)), others[k]);
	store_tallies_free(items, count);
	return 0;
}

static int drifting_put(struct page *p, struct store *s, struct error *e)
{
	struct store_drifting *items = NULL;
	size_t count = 0;
	int err = store_drifting(s, GUESTS_MAX, &items, &count);

	if (err < 0)
		return store_failed(s, err, e);
	for (size_t i = 0; i < count; i++) {
		char uuid[37];

		if (text_uuid(items[i].uuid, uuid) >= 0)
			count_put(p, GUEST_DRIFT, LABELS("uuid", uuid, "severity", severity_name(items[i].severity)), items[i].changes);
	}
	store_drifting_free(items, count);
	return 0;
}

/* ---- counters of the store, and the outbox */

/* Splits "A,B,C" in place: that many parts, else false. */
static bool split(char *labels, char *parts[], size_t count)
{
	for (size_t i = 0; i < count; i++) {
		parts[i] = labels;
		labels += strcspn(labels, ",");
		if ((*labels == 0) != (i + 1 == count))
			return false;
		if (*labels)
			*labels++ = 0;
		if (!metrics_word(parts[i]))
			return false;
	}
	return true;
}

static int events_put(struct page *p, struct store *s, struct error *e)
{
	struct store_counter *items = NULL;
	size_t count = 0;
	int err = store_counters(s, &items, &count);

	if (err < 0)
		return store_failed(s, err, e);
	for (size_t i = 0; i < count; i++) {
		char *parts[3];

		if (!strcmp(items[i].name, "drift_events") && split(items[i].labels, parts, 3))
			count_put(p, DRIFT_EVENTS, LABELS("facet", parts[0], "severity", parts[1], "verdict", parts[2]), items[i].count);
	}
	store_counters_free(items, count);
	return 0;
}

static uint64_t alerts_of(const struct store_counter *items, size_t count, const char *sink, const char *result)
{
	char labels[128];

	snprintf(labels, sizeof labels, "%s,%s", sink, result);
	for (size_t i = 0; i < count; i++)
		if (!strcmp(items[i].name, "alerts") && !strcmp(items[i].labels, labels))
			return items[i].count;
	return 0;
}

static void owed_put(struct page *p, const struct store_queue *queues, size_t count)
{
	uint64_t owed = 0;
	int64_t oldest = 0;

	for (size_t i = 0; i < count; i++) {
		owed += queues[i].waiting;
		if (queues[i].oldest_at > 0 && (!oldest || queues[i].oldest_at < oldest))
			oldest = queues[i].oldest_at;
	}
	count_put(p, OUTBOX, NULL, owed);
	seconds_put(p, OUTBOX_OLDEST, NULL, (uint64_t)oldest);
}

struct names {
	char text[SINKS_MAX][METRICS_NAME_BYTES];
	size_t count;
};

static void name_add(struct names *names, const char *name, size_t size)
{
	char text[METRICS_NAME_BYTES];

	if (size >= sizeof text || names->count == SINKS_MAX)
		return;
	memcpy(text, name, size);
	text[size] = 0;
	if (!metrics_word(text))
		return;
	for (size_t i = 0; i < names->count; i++)
		if (!strcmp(names->text[i], text))
			return;
	memcpy(names->text[names->count++], text, size + 1);
}

/* All results of every sink: the first alert that is given up must be a rise from 0, or no rule sees it. Alertmanager has no queue. */
static void alerts_put(struct page *p, const struct store_queue *queues, size_t queue_count, const struct store_counter *counters, size_t counter_count)
{
	static const char *const results[] = { "delivered", "failed", "given_up" };
	struct names sinks = { 0 };

	for (size_t i = 0; i < queue_count; i++)
		name_add(&sinks, queues[i].sink, strlen(queues[i].sink));
	for (size_t i = 0; i < counter_count; i++)
		if (!strcmp(counters[i].name, "alerts"))
			name_add(&sinks, counters[i].labels, strcspn(counters[i].labels, ","));
	for (size_t i = 0; i < sinks.count; i++)
		for (size_t k = 0; k < sizeof results / sizeof *results; k++)
			count_put(p, ALERTS, LABELS("sink", sinks.text[i], "result", results[k]), alerts_of(counters, counter_count, sinks.text[i], results[k]));
}

static int outbox_put(struct page *p, struct store *s, struct error *e)
{
	struct store_counter *counters = NULL;
	struct store_queue *queues = NULL;
	size_t counter_count = 0, queue_count = 0;
	int err = store_queues(s, &queues, &queue_count);

	if (err >= 0)
		err = store_counters(s, &counters, &counter_count);
	if (err >= 0) {
		alerts_put(p, queues, queue_count, counters, counter_count);
		owed_put(p, queues, queue_count);
	}
	for (size_t i = 0; err >= 0 && i < queue_count; i++)
		if (metrics_word(queues[i].sink))
			count_put(p, SINK_ENTRIES, LABELS("sink", queues[i].sink), queues[i].waiting);
	for (size_t i = 0; err >= 0 && i < queue_count; i++)
		if (metrics_word(queues[i].sink) && queues[i].oldest_at > 0)
			seconds_put(p, SINK_OLDEST, LABELS("sink", queues[i].sink), (uint64_t)queues[i].oldest_at);
	store_counters_free(counters, counter_count);
	store_queues_free(queues, queue_count);
	return err < 0 ? store_failed(s, err, e) : 0;
}

static int rest_put(struct page *p, struct store *s, int64_t now, struct error *e)
{
	struct store_maintenance window = { 0 };
	uint64_t bytes = 0;
	int err = store_maintenance_get(s, &window);
	bool holds = err >= 0 && window.begins_at <= now && now < window.ends_at;

	store_maintenance_release(&window);
	if (err < 0 && err != -ENOENT)
		return store_failed(s, err, e);
	count_put(p, MAINTENANCE, NULL, holds);
	err = store_size(s, &bytes);
	if (err < 0)
		return store_failed(s, err, e);
	count_put(p, STORE_BYTES, NULL, bytes);
	return 0;
}

int metrics_write(struct store *s, enum metrics_format format, int64_t now, struct buffer *out, struct error *e)
{
	struct page page = { .out = out, .format = format, .begun = -1 };
	int err;

	sample(&page, BUILD, LABELS("version", ABIDRIFT_VERSION), "1");
	err = monitors_put(&page, s, e);
	if (err >= 0)
		err = blinds_put(&page, s, e);
	if (err >= 0)
		err = guests_put(&page, s, e);
	if (err >= 0)
		err = worst_put(&page, s, e);
	if (err >= 0)
		err = coverage_put(&page, s, e);
	if (err >= 0)
		err = events_put(&page, s, e);
	if (err >= 0)
		err = outbox_put(&page, s, e);
	if (err >= 0)
		err = rest_put(&page, s, now, e);
	if (err >= 0)
		err = drifted_put(&page, s, e);
	if (err >= 0)
		err = drifting_put(&page, s, e);
	if (err >= 0 && format == METRICS_OPENMETRICS)
		buffer_string(out, "# EOF\n");
	if (err >= 0 && buffer_failed(out))
		err = error_set(e, ENOMEM, "out of memory");
	return err;
}

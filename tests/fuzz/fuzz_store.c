// SPDX-License-Identifier: Apache-2.0
/*
 * A store of another's hands and a request to it, with NUL between its parts: the target, then by threes a table, a column and what all its rows
 * get there (nothing: NULL), or "revision" and the name of what the newest revision holds. Every view of it answers, as JSON that can be read and text without controls.
 */
#include "tests/fuzz/fuzz.h"

#include <jansson.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>

#include "userspace/base/http_text.h"
#include "userspace/drift/drift.h"
#include "userspace/drift/view.h"
#include "userspace/serve/http_routes.h"
#include "userspace/store/store.h"

#define AT 1700000000000000000ll
#define UUID "11111111-2222-3333-4444-555555555555"
#define EDITS_MAX 8

static struct {
	char folder[64], path[96], url[112];
	void *bytes; /* of a good one */
	size_t size;
} good;

static char *text_of(const char *text)
{
	char *copy = strdup(text);

	require(copy);
	return copy;
}

/* ---- a good store, by the product's own hands */

static void fact_port(struct guest_facts *f, uint32_t port)
{
	struct record_fact fact = { .key = { .vm = 1, .kind = OBSERVE_PORT, .selector = port, .width = 1 },
				    .value = { .boot = 1, .data = { 0x51 } } };

	fact_put(f, &fact);
}

/* Its derived entries, for the comparison. */
static void revision_add(struct store *s, int64_t guest, unsigned ports, struct abi_entries *ret)
{
	struct buffer text = BUFFER_INIT, facts = BUFFER_INIT;
	struct store_revision r = { .guest = guest, .at = AT, .boot = 1, .normaliser = ABI_NORMALISER };
	char context[] = "machine pc-q35-7.2\nvmm.kind qemu\n";
	struct guest_facts *f = facts_of_boot();

	for (unsigned i = 0; i < ports; i++)
		fact_port(f, 0x510 + i);
	require(abi_derive(f, ret) == 0 && fingerprint_write(ret, &text) == 0 && facts_serialize(f, &facts) == 0);
	fingerprint_digest(ret, &r.digest);
	r.text = text.data;
	r.text_size = text.size;
	r.facts = facts.data;
	r.facts_size = facts.size;
	r.context = context;
	r.context_size = sizeof(context) - 1;
	require(store_revision_put(s, &r) == 0);
	buffer_release(&text);
	buffer_release(&facts);
	facts_free(f);
}

static char *drift_between(const struct abi_entries *then, const struct abi_entries *now)
{
	const struct drift_options options = { .facets = DRIFT_ALL_FACETS, .same_guest = true };
	struct drift drift = DRIFT_INIT;
	json_t *json = NULL;
	char *text;

	require(drift_compare(then, NULL, now, NULL, &options, &drift) >= 0 && (json = drift_json(&drift, SEVERITY_NONE)));
	text = json_dumps(json, JSON_COMPACT);
	require(text);
	json_decref(json);
	drift_release(&drift);
	return text;
}

static void instance_add(struct store *s, int64_t guest, uint32_t revision)
{
	struct store_instance i = { .guest = guest, .host = text_of("host"), .pid = 77, .fd = 12, .start = text_of("123"), .vm = text_of("00ff@boot"),
		.running = true, .began_at = AT, .boot = 1, .boot_token = 5, .settled = true, .state = text_of(revision ? "drift" : "learning"),
		.severity = SEVERITY_WARNING, .changes = 1, .revision = revision, .vmm = text_of("{\"kind\":\"qemu\",\"version\":\"7.2.22\"}"),
		.machine = text_of("pc-q35-7.2"), .context = text_of("machine pc-q35-7.2\n"), .life = text_of("started") };

	i.coverage[FACET_PORTS].level = COVERAGE_WITNESSED;
	i.coverage[FACET_PORTS].reason = text_of("only what the guest touched");
	require(store_instance_put(s, &i) == 0);
	store_instance_release(&i);
}

static void guest_fill(struct store *s, int64_t guest)
{
	struct store_event event = { .at = AT, .type = text_of("drift"), .guest = guest, .revision = 2, .by = text_of("auto"), .reason = text_of("why"),
		.changes = text_of("[]"), .context = text_of("{}"), .change_set = text_of("0123456789ab") };
	struct store_baseline baseline = { .revision = 1, .at = AT, .by = text_of("auto") };
	struct abi_entries then = ABI_ENTRIES_INIT, now = ABI_ENTRIES_INIT;
	struct digest digest;
	char *drift, *alert;

	revision_add(s, guest, 3, &then);
	revision_add(s, guest, 2, &now);
	instance_add(s, guest, 2);
	require(store_baseline_set(s, guest, &baseline) == 0);
	drift = drift_between(&then, &now);
	fingerprint_digest(&now, &digest);
	require(store_drift_set(s, guest, drift, &digest, "0123456789ab", AT) == 0);
	require(store_event_add(s, &event) == 0);
	event.guest = 0;
	free(event.type);
	event.type = text_of("host");
	require(store_event_add(s, &event) == 0);
	require(asprintf(&alert, "{\"id\":\"a1\",\"type\":\"drift\",\"severity\":\"warning\",\"at\":\"2026-01-01T00:00:00Z\",\"guest\":{\"id\":\"" UUID "\"},\"drift\":%s}", drift) > 0);
	require(store_alert_add(s, "a1", UUID, alert, AT) == 0);
	free(alert);
	free(drift);
	free(event.type);
	free(event.by);
	free(event.reason);
	free(event.changes);
	free(event.context);
	free(event.change_set);
	free(baseline.by);
	entries_release(&then);
	entries_release(&now);
}

static void good_end(void)
{
	char path[112];

	for (const char *const *end = (const char *const[]){ "", "-wal", "-shm", "-journal", NULL }; *end; end++) {
		snprintf(path, sizeof(path), "%s%s", good.path, *end);
		unlink(path);
	}
	rmdir(good.folder);
	free(good.bytes);
}

/* Rows of every table that a view reads have something to be changed. */
static void good_make(void)
{
	struct store_guest guest = { 0 };
	struct error e = ERROR_INIT;
	struct store *s = NULL;
	struct stat st;
	FILE *f;

	snprintf(good.folder, sizeof(good.folder), "/tmp/abidrift-fuzz-XXXXXX");
	require(mkdtemp(good.folder));
	atexit(good_end);
	snprintf(good.path, sizeof(good.path), "%s/s.db", good.folder);
	snprintf(good.url, sizeof(good.url), "sqlite:%s", good.path);
	require(store_open(good.url, STORE_CREATE, &s, &e) == 0);
	require(store_sink_begin(s, "sink") == 0);
	require(store_guest_put(s, UUID, UUID, "web-1", false, &guest) == 0);
	guest_fill(s, guest.row);
	store_guest_release(&guest);
	require(store_guest_put(s, "anon-7-8", NULL, NULL, true, &guest) == 0);
	instance_add(s, guest.row, 0);
	store_guest_release(&guest);
	require(store_status_put(s, "host", AT, "{\"version\":\"0\",\"parts\":[]}") == 0);
	require(store_counter_add(s, "alerts", "sink,delivered", 1) == 0);
	store_close(s);
	f = fopen(good.path, "re");
	require(f && fstat(fileno(f), &st) == 0);
	good.size = (size_t)st.st_size;
	good.bytes = malloc(good.size);
	require(good.bytes && fread(good.bytes, 1, good.size, f) == good.size);
	fclose(f);
}

static void good_put(void)
{
	FILE *f;

	if (!good.bytes)
		good_make();
	f = fopen(good.path, "we");
	require(f && fwrite(good.bytes, 1, good.size, f) == good.size && fclose(f) == 0);
}

/* ---- what another's hands do to it */

static void rows_set(sqlite3 *db, const char *table, const char *column, const char *value)
{
	char *sql = sqlite3_mprintf("UPDATE OR IGNORE \"%w\" SET \"%w\" = ?", table, column);
	sqlite3_stmt *stmt = NULL;

	require(sql);
	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK) {
		if (*value)
			sqlite3_bind_text(stmt, 1, value, -1, SQLITE_STATIC);
		sqlite3_step(stmt); /* what the types of its columns forbid no store can hold */
	}
	sqlite3_finalize(stmt);
	sqlite3_free(sql);
}

static void revision_set(const char *what, char *value)
{
	struct store_revision r = { 0 };
	struct store_guest guest = { 0 };
	struct error e = ERROR_INIT;
	struct store *s = NULL;

	if (store_open(good.url, STORE_WRITE, &s, &e) < 0)
		return;
	if (store_guest_resolve(s, UUID, &guest, &e) >= 0 && store_revision_get(s, guest.row, 0, &r) >= 0) {
		struct store_revision put = r;

		if (!strcmp(what, "text"))
			put.text = value, put.text_size = strlen(value);
		else if (!strcmp(what, "context"))
			put.context = value, put.context_size = strlen(value);
		else
			put.facts = value, put.facts_size = strlen(value);
		store_revision_put(s, &put);
	}
	store_revision_release(&r);
	store_guest_release(&guest);
	store_close(s);
}

static void edit(const uint8_t **data, size_t *size)
{
	for (unsigned i = 0; i < EDITS_MAX && *size; i++) {
		char *table = take_until(data, size, 0), *column = take_until(data, size, 0), *value = take_until(data, size, 0);
		sqlite3 *db = NULL;

		if (!strcmp(table, "revision")) {
			revision_set(column, value);
		} else if (sqlite3_open_v2(good.path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK) {
			sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
			rows_set(db, table, column, value);
		}
		sqlite3_close(db);
		free(table);
		free(column);
		free(value);
	}
}

/* ---- and what is said of it */

static void require_text(const struct buffer *body)
{
	for (size_t i = 0; i < body->size; i++)
		require(((unsigned char)body->data[i] >= 0x20 && body->data[i] != 0x7f) || body->data[i] == '\n');
}

static void ask(struct store *s, const char *text)
{
	const struct http_source source = { .store = s, .now = AT + 1000000000ll };
	struct http_answer answer = HTTP_ANSWER_INIT;
	const struct http_route *route;
	struct http_target t = { 0 };
	json_t *json = NULL;

	if (http_target_parse(text, &t) < 0)
		return;
	route = http_route_find(&t);
	if (route) {
		require(http_route_answer(route, &source, &t, NULL, &answer) == 0 && answer.status >= 200 && answer.status < 600);
		if (!strcmp(answer.type, "application/json")) {
			json = json_loadb(answer.body.data, answer.body.size, 0, NULL);
			require(json != NULL);
			json_decref(json);
		}
		if (strcmp(answer.type, "application/zstd"))
			require_text(&answer.body);
		buffer_release(&answer.body);
	}
	http_target_release(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const targets[] = { "/api/v1/guests", "/api/v1/guests/" UUID, "/api/v1/guests/" UUID "/revisions/1", "/api/v1/diff?from=" UUID,
		"/api/v1/diff?from=" UUID "%401&to=" UUID "%402&format=text", "/api/v1/history", "/api/v1/alerts", "/metrics", "/readyz" };
	char *target = take_until(&data, &size, 0);
	struct error e = ERROR_INIT;
	struct store *s = NULL;

	good_put();
	edit(&data, &size);
	if (store_open(good.url, STORE_READ, &s, &e) < 0) {
		require(e.text[0] && !strchr(e.text, '\n'));
	} else {
		ask(s, target);
		for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++)
			ask(s, targets[i]);
	}
	store_close(s);
	free(target);
	return 0;
}

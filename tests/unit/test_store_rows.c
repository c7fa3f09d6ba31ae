// SPDX-License-Identifier: Apache-2.0
/* What goes into the store comes out of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/stores.h"
#include "userspace/store/revision.h"
#include "userspace/store/store.h"

#define UUID "6f1e0000-1111-2222-3333-444455556666"

static void a_guest_keeps_its_identity_and_takes_its_new_name(void **state)
{
	struct sandbox *box = *state;
	struct store *s = open_store(box->url, STORE_CREATE);
	struct store_guest g = { 0 }, again = { 0 };
	assert_int_equal(store_guest_put(s, UUID, "{6F1E0000-1111-2222-3333-444455556666}", "web", false, &g), 0);
	assert_string_equal(g.uuid, UUID);
	assert_string_equal(g.name, "web");
	assert_int_equal(g.boots, 0);
	assert_int_equal(g.revisions, 0);
	assert_int_equal(store_guest_put(s, UUID, UUID, "web-2", false, &again), 0);
	assert_int_equal(again.row, g.row);
	assert_string_equal(again.name, "web-2");
	store_guest_release(&again);
	/* A name that is not known this time is not forgotten. */
	assert_int_equal(store_guest_put(s, UUID, NULL, NULL, false, &again), 0);
	assert_string_equal(again.name, "web-2");
	store_guest_release(&again);
	assert_int_equal(store_guest_put(s, "anon-7-3", NULL, NULL, true, NULL), 0);
	assert_int_equal(store_guest_get(s, g.row, &again), 0);
	assert_string_equal(again.id, UUID);
	store_guest_release(&again);
	assert_int_equal(store_guest_get(s, 99, &again), -ENOENT);

	struct store_guest *items = NULL;
	size_t count = 0;
	assert_int_equal(store_guests(s, &items, &count), 0);
	assert_int_equal(count, 2);
	assert_true(items[0].anonymous);
	assert_null(items[0].uuid);
	assert_string_equal(items[1].id, UUID);
	for (size_t i = 0; i < count; i++)
		store_guest_release(&items[i]);
	free(items);
	store_guest_release(&g);
	store_close(s);
}

static struct store_instance sample_instance(int64_t guest)
{
	static char host[] = "host", start[] = "12345", vm[] = "00ff@boot", learning[] = "learning", vmm[] = "{\"kind\":\"qemu\"}",
		    machine[] = "pc", context[] = "machine pc\n", life[] = "started";
	static char reason[] = "only what the guest touched";
	struct store_instance i = { .guest = guest,
				    .host = host,
				    .pid = 77,
				    .fd = 12,
				    .start = start,
				    .vm = vm,
				    .running = true,
				    .began_at = 1000,
				    .boot = 3,
				    .boot_token = UINT64_MAX - 1,
				    .state = learning,
				    .severity = SEVERITY_CRITICAL,
				    .changes = 4,
				    .vmm = vmm,
				    .machine = machine, .context = context, .life = life };
	i.coverage[FACET_CPUID].level = COVERAGE_COMPLETE;
	i.coverage[FACET_PORTS].level = COVERAGE_WITNESSED;
	i.coverage[FACET_PORTS].reason = reason;
	return i;
}

static void an_instance_comes_back_as_it_was_put(void **state)
{
	struct sandbox *box = *state;
	struct store *s = open_store(box->url, STORE_CREATE);
	int64_t guest = put_guest(s, "a");
	struct store_instance i = sample_instance(guest), *items = NULL;
	size_t count = 0;
	assert_int_equal(store_instance_put(s, &i), 0);
	assert_int_not_equal(i.row, 0);
	assert_int_equal(store_instances(s, guest, &items, &count), 0);
	assert_int_equal(count, 1);
	assert_int_equal(items[0].row, i.row);
	assert_string_equal(items[0].host, "host");
	assert_int_equal(items[0].pid, 77);
	assert_int_equal(items[0].fd, 12);
	assert_string_equal(items[0].vm, "00ff@boot");
	assert_true(items[0].running);
	assert_true(items[0].boot_token == UINT64_MAX - 1);
	assert_int_equal(items[0].severity, SEVERITY_CRITICAL);
	assert_int_equal(items[0].revision, 0);
	assert_string_equal(items[0].machine, "pc");
	assert_string_equal(items[0].context, "machine pc\n");
	assert_string_equal(items[0].life, "started");
	assert_int_equal(items[0].coverage[FACET_CPUID].level, COVERAGE_COMPLETE);
	assert_string_equal(items[0].coverage[FACET_CPUID].reason, "");
	assert_string_equal(items[0].coverage[FACET_PORTS].reason, "only what the guest touched");
	store_instances_free(items, count);

	struct store_guest g;
	assert_int_equal(store_guest_get(s, guest, &g), 0);
	assert_int_equal(g.boots, 3);
	store_guest_release(&g);
	store_close(s);
}

static void an_instance_that_changed_is_updated_and_not_doubled(void **state)
{
	struct sandbox *box = *state;
	struct store *s = open_store(box->url, STORE_CREATE);
	int64_t guest = put_guest(s, "a"), other = put_guest(s, "b");
	struct store_instance i = sample_instance(guest), later = sample_instance(guest), unknown = sample_instance(other), *items = NULL;
	char same[] = "same";
	size_t count = 0;
	assert_int_equal(store_instance_put(s, &i), 0);
	i.revision = put_revision(s, guest, "text", 5);
	i.state = same;
	i.settled = true;
	i.running = false;
	i.ended_at = 2000;
	i.machine = i.life = NULL;
	i.coverage[FACET_PORTS].level = COVERAGE_NONE;
	assert_int_equal(store_instance_put(s, &i), 0);
	later.began_at = 1500;
	assert_int_equal(store_instance_put(s, &later), 0);
	assert_int_equal(store_instances(s, 0, &items, &count), 0);
	assert_int_equal(count, 2);
	assert_int_equal(items[0].row, later.row);
	assert_string_equal(items[1].state, "same");
	assert_int_equal(items[1].ended_at, 2000);
	assert_int_equal(items[1].revision, 1);
	assert_null(items[1].machine);
	assert_null(items[1].life);
	assert_int_equal(items[1].coverage[FACET_PORTS].level, COVERAGE_NONE);
	store_instances_free(items, count);
	unknown.row = 99;
	assert_int_equal(store_instance_put(s, &unknown), -ENOENT);
	unknown.row = 0;
	unknown.guest = 99;
	assert_int_equal(store_instance_put(s, &unknown), -ENOENT);
	assert_one_line(store_error(s));
	assert_int_equal(store_instances(s, other, &items, &count), 0);
	assert_int_equal(count, 0);
	store_instances_free(items, count);
	store_close(s);
}

static void a_revision_comes_back_with_text_facts_and_context(void **state)
{
	struct sandbox *box = *state;
	struct store *s = open_store(box->url, STORE_CREATE);
	int64_t guest = put_guest(s, "a");
	char text[] = "abidrift-fingerprint 1\n", facts[] = "a\0b", context[] = "";
	struct store_revision r = { .guest = guest,
				    .at = 42,
				    .boot = 2,
				    .normaliser = 7,
				    .running = true,
				    .text = text,
				    .text_size = sizeof(text) - 1,
				    .facts = facts,
				    .facts_size = 3,
				    .context = context },
			      got = { 0 };
	assert_int_equal(store_revision_get(s, guest, 0, &got), -ENOENT);
	assert_int_equal(store_revision_put(s, &r), 0);
	assert_int_equal(r.revision, 1);
	assert_int_equal(put_revision(s, guest, "two", 43), 2);
	assert_int_equal(store_revision_get(s, guest, 1, &got), 0);
	assert_int_equal(got.guest, guest);
	assert_int_equal(got.revision, 1);
	assert_int_equal(got.at, 42);
	assert_int_equal(got.boot, 2);
	assert_int_equal(got.normaliser, 7);
	assert_true(got.running);
	assert_string_equal(got.digest.text, "");
	assert_string_equal(got.text, text);
	assert_int_equal(got.facts_size, 3);
	assert_memory_equal(got.facts, facts, 3);
	assert_int_equal(got.context_size, 0);
	store_revision_release(&got);
	assert_int_equal(store_revision_get(s, guest, 0, &got), 0);
	assert_int_equal(got.revision, 2);
	assert_false(got.running);
	store_revision_release(&got);
	assert_int_equal(store_revision_get(s, guest, 3, &got), -ENOENT);
	r.guest = 99;
	r.revision = 0;
	assert_int_equal(store_revision_put(s, &r), -ENOENT);
	r.guest = guest;
	r.revision = 9;
	assert_int_equal(store_revision_put(s, &r), -ENOENT);
	store_close(s);
}

static void equal_fingerprints_of_many_guests_take_the_room_of_one(void **state)
{
	struct sandbox *box = *state;
	struct store *s = open_store(box->url, STORE_CREATE);
	for (int i = 0; i < 20; i++) {
		char id[32];
		snprintf(id, sizeof(id), "guest-%d", i);
		assert_int_equal(put_revision(s, put_guest(s, id), "the same text", 1), 1);
	}
	store_close(s);
	assert_int_equal(ask(box->path, "SELECT count(*) FROM revisions"), 20);
	assert_int_equal(ask(box->path, "SELECT count(*) FROM contents"), 3);
}

/* What a boot showed first decides whether a change was made under a running guest. */
static void a_boot_began_before_what_was_made_while_it_ran(void **state)
{
	static const struct { uint32_t boot; bool running; } made[] = { { 1, false }, { 1, true }, { 2, false }, { 2, true }, { 2, true }, { 3, true } };
	static const struct { uint32_t revision, boot, began; } cases[] = {
		{ 1, 1, 1 }, { 2, 1, 1 }, { 3, 2, 3 }, { 4, 2, 3 }, { 5, 2, 3 },
		{ 5, 3, 5 }, /* boot 3 began with what boot 2 had become */
		{ 6, 3, 5 }, /* and changed then */
	};
	struct sandbox *box = *state;
	struct store *s = open_store(box->url, STORE_CREATE);
	int64_t guest = put_guest(s, "vm");
	uint32_t began;

	for (uint32_t i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
		struct store_revision r;
		uint32_t number = put_revision(s, guest, i % 2 ? "a\n" : "b\n", 100 + i);

		assert_int_equal(store_revision_get(s, guest, number, &r), 0);
		r.boot = made[i].boot;
		r.running = made[i].running;
		assert_int_equal(store_revision_put(s, &r), 0);
		store_revision_release(&r);
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(store_revision_began(s, guest, cases[i].revision, cases[i].boot, &began), 0);
		assert_int_equal(began, cases[i].began);
	}
	assert_int_equal(store_revision_began(s, guest, 7, 3, &began), -ENOENT);
	store_close(s);
}

static void a_growing_revision_leaves_no_copies_behind(void **state)
{
	struct sandbox *box = *state;
	struct store *s = open_store(box->url, STORE_CREATE);
	int64_t guest = put_guest(s, "a");
	put_revision(s, guest, "first", 1);
	put_revision(s, put_guest(s, "b"), "first", 1);
	char facts[] = "more facts", context[] = "c";
	for (int i = 0; i < 10; i++) {
		char text[32];
		snprintf(text, sizeof(text), "grown %d", i);
		struct store_revision r = { .guest = guest,
					    .revision = 1,
					    .at = 1,
					    .text = text,
					    .text_size = strlen(text),
					    .facts = facts,
					    .facts_size = sizeof(facts) - 1,
					    .context = context,
					    .context_size = 1 };
		assert_int_equal(store_revision_put(s, &r), 0);
		assert_int_equal(r.revision, 1);
	}
	struct store_revision got;
	assert_int_equal(store_revision_get(s, guest, 0, &got), 0);
	assert_int_equal(got.revision, 1);
	assert_string_equal(got.text, "grown 9");
	store_revision_release(&got);
	store_close(s);
	assert_int_equal(ask(box->path, "SELECT count(*) FROM contents"), 6);
}

static void a_fingerprint_is_found_by_the_beginning_of_its_digest(void **state)
{
	struct sandbox *box = *state;
	struct store *s = open_store(box->url, STORE_CREATE);
	struct error e = ERROR_INIT;
	int64_t a = put_guest(s, "a"), b = put_guest(s, "b");
	put_revision(s, a, "x", 1);
	put_revision(s, b, "x", 1);
	put_revision(s, b, "y", 2);
	put_revision(s, b, "x", 3);
	struct digest x;
	struct store_revision got;
	digest_bytes("x", 1, &x);
	assert_int_equal(store_revision_by_digest(s, x.text, &got, &e), 0);
	assert_int_equal(got.guest, b);
	assert_int_equal(got.revision, 3);
	store_revision_release(&got);
	x.text[20] = '\0';
	assert_int_equal(store_revision_by_digest(s, x.text, &got, &e), 0);
	assert_string_equal(got.text, "x");
	store_revision_release(&got);

	/* Seventeen fingerprints cannot all begin with another digit. */
	for (int i = 0; i < 17; i++) {
		char text[32];
		snprintf(text, sizeof(text), "many %d", i);
		put_revision(s, a, text, 10);
	}
	int ambiguous = 0;
	for (const char *digit = "0123456789abcdef"; *digit; digit++) {
		char prefix[] = { 's', 'h', 'a', '2', '5', '6', ':', *digit, '\0' };
		int err = store_revision_by_digest(s, prefix, &got, &e);
		ambiguous += err == -EEXIST;
		if (!err)
			store_revision_release(&got);
		else
			assert_one_line(e.text);
	}
	assert_true(ambiguous > 0);
	assert_int_equal(store_revision_by_digest(s, "sha256:XY", &got, &e), -EINVAL);
	assert_int_equal(store_revision_by_digest(s, "sha256:0000000000", &got, &e), -ENOENT);
	store_close(s);
}

static void expect_baseline(struct store *s, int64_t guest, uint32_t revision, const char *by)
{
	struct store_baseline b;
	assert_int_equal(store_baseline_get(s, guest, &b), 0);
	assert_int_equal(b.revision, revision);
	assert_string_equal(b.by, by);
	assert_int_equal(b.digest.text[0], 's');
	store_baseline_release(&b);
}

static void undo_leads_back_through_every_accept(void **state)
{
	struct sandbox *box = *state;
	struct store *s = open_store(box->url, STORE_CREATE);
	int64_t guest = put_guest(s, "a");
	struct store_baseline now = { 0 };
	for (int i = 1; i <= 3; i++) {
		char text[32];
		snprintf(text, sizeof(text), "r%d", i);
		put_revision(s, guest, text, i);
	}
	assert_int_equal(store_baseline_get(s, guest, &now), -ENOENT);
	assert_int_equal(store_baseline_undo(s, guest, 9, "eve", NULL, &now), -ENOENT);
	assert_int_equal(set_baseline(s, guest, 9, 10, "auto", NULL, 0), -ENOENT);
	assert_int_equal(set_baseline(s, guest, 1, 10, "auto", NULL, 0), 0);
	assert_int_equal(set_baseline(s, guest, 2, 20, "ann", "new NIC", 99), 0);
	assert_int_equal(set_baseline(s, guest, 3, 30, "bob", NULL, 0), 0);
	expect_baseline(s, guest, 3, "bob");
	assert_int_equal(store_baseline_undo(s, guest, 40, "eve", "wrong", &now), 0);
	assert_int_equal(now.revision, 2);
	assert_string_equal(now.by, "ann");
	assert_string_equal(now.reason, "new NIC");
	assert_int_equal(now.expires, 99);
	store_baseline_release(&now);
	expect_baseline(s, guest, 2, "ann");
	/* What is accepted after an undo lies on what the undo led to. */
	assert_int_equal(set_baseline(s, guest, 3, 50, "cid", NULL, 0), 0);
	assert_int_equal(store_baseline_undo(s, guest, 60, "eve", NULL, NULL), 0);
	expect_baseline(s, guest, 2, "ann");
	assert_int_equal(store_baseline_undo(s, guest, 70, "eve", NULL, &now), 0);
	assert_int_equal(now.revision, 1);
	store_baseline_release(&now);
	assert_int_equal(store_baseline_undo(s, guest, 80, "eve", NULL, &now), -ENOENT);
	expect_baseline(s, guest, 1, "auto");
	store_close(s);
	/* Who accepted and who took it back is kept. */
	assert_int_equal(ask(box->path, "SELECT count(*) FROM baselines WHERE undone_by = 'eve'"), 3);
}

static void open_drift_is_kept_until_it_is_closed(void **state)
{
	struct sandbox *box = *state;
	struct store *s = open_store(box->url, STORE_CREATE);
	int64_t guest = put_guest(s, "a");
	struct digest digest, got;
	char *json = NULL;
	char *verdict = NULL, *set = NULL;
	int64_t at = 0;
	digest_bytes("d", 1, &digest);
	assert_int_equal(store_drift_get(s, guest, &json, &got, &at), -ENOENT);
	assert_int_equal(store_drift_set(s, guest, "{\"a\":1}", &digest, NULL, 5), 0);
	assert_int_equal(store_drift_set(s, guest, "{\"a\":2}", &digest, NULL, 6), 0);
	assert_int_equal(store_drift_get(s, guest, &json, &got, &at), 0);
	assert_string_equal(json, "{\"a\":2}");
	assert_string_equal(got.text, digest.text);
	assert_int_equal(at, 6);
	free(json);
	/* A list reads no more of it than this. */
	assert_int_equal(store_drift_mark(s, guest, &verdict, &set, &at), 0);
	assert_null(verdict);
	assert_null(set);
	assert_int_equal(store_drift_set(s, guest, "{\"verdict\":\"exempt\"}", &digest, "0123456789abcdef", 9), 0);
	assert_int_equal(store_drift_mark(s, guest, &verdict, &set, &at), 0);
	assert_string_equal(verdict, "exempt");
	assert_string_equal(set, "0123456789abcdef");
	assert_int_equal(at, 9);
	free(verdict);
	free(set);
	assert_int_equal(store_drift_set(s, guest, NULL, NULL, NULL, 7), 0);
	assert_int_equal(store_drift_mark(s, guest, &verdict, &set, &at), -ENOENT);
	assert_int_equal(store_drift_get(s, guest, &json, &got, &at), -ENOENT);
	assert_int_equal(store_drift_set(s, guest, NULL, NULL, NULL, 8), 0);
	assert_int_equal(store_drift_set(s, 99, "{}", &digest, NULL, 8), -ENOENT);
	store_close(s);
}

/* Of three events the newest two, then the rest: none is lost, none is there twice. */
static void assert_parts(struct store *s, int64_t guest, bool host)
{
	struct store_newest part = { .before_at = INT64_MAX, .before_row = INT64_MAX, .host = host, .limit = 2, .characters = 1000 };
	struct store_event *items = NULL;
	size_t count = 0;
	bool more = false;
	assert_int_equal(store_events_newest(s, guest, &part, &items, &count, &more), 0);
	assert_int_equal(count, 2);
	assert_true(more);
	assert_string_equal(items[0].type, "host");
	assert_string_equal(items[1].type, "accept");
	part.before_at = items[0].at;
	part.before_row = items[0].row;
	store_events_free(items, count);
	assert_int_equal(store_events_newest(s, guest, &part, &items, &count, &more), 0);
	assert_int_equal(count, 1);
	assert_false(more);
	assert_string_equal(items[0].type, "boot");
	store_events_free(items, count);
}

static void revisions_are_listed_newest_first_and_only_the_guests_own(void **state)
{
	struct sandbox *box = *state;
	struct store *s = open_store(box->url, STORE_CREATE);
	int64_t guest = put_guest(s, "a"), other = put_guest(s, "b");
	struct store_revision_mark *items = NULL;
	size_t count = 9;
	struct digest digest;
	int64_t at;

	assert_int_equal(store_revision_marks(s, guest, 10, &items, &count), 0);
	assert_int_equal(count, 0);
	free(items);
	put_revision(s, guest, "one", 1);
	put_revision(s, other, "x", 1);
	put_revision(s, guest, "two", 2);
	put_revision(s, guest, "three", 3);
	assert_int_equal(store_revision_marks(s, guest, 2, &items, &count), 0);
	assert_int_equal(count, 2);
	assert_int_equal(items[0].revision, 3);
	assert_int_equal(items[1].revision, 2);
	assert_int_equal(store_revision_mark(s, guest, 2, &digest, &at), 0);
	assert_string_equal(items[1].digest.text, digest.text);
	assert_int_equal(items[1].at, at);
	free(items);
	store_close(s);
}

static void history_is_in_the_order_of_time(void **state)
{
	struct sandbox *box = *state;
	struct store *s = open_store(box->url, STORE_CREATE);
	int64_t guest = put_guest(s, "a");
	char boot[] = "boot", accept[] = "accept", host[] = "host", by[] = "ann", reason[] = "because", changes[] = "[]",
	     context[] = "[{}]";
	const struct store_event events[] = {
		{ .at = 30,
		  .type = accept,
		  .guest = guest,
		  .revision = 2,
		  .by = by,
		  .reason = reason,
		  .changes = changes,
		  .context = context },
		{ .at = 10, .type = boot, .guest = guest },
		{ .at = 20, .type = host, .context = context },
	};
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(store_event_add(s, &events[i]), 0);
	struct store_event *items = NULL;
	size_t count = 0;
	assert_int_equal(store_events(s, 0, 0, &items, &count), 0);
	assert_int_equal(count, 3);
	assert_string_equal(items[0].type, "boot");
	assert_string_equal(items[0].guest_id, "a");
	assert_null(items[0].by);
	assert_string_equal(items[1].type, "host");
	assert_int_equal(items[1].guest, 0);
	assert_null(items[1].guest_id);
	assert_int_equal(items[2].revision, 2);
	assert_string_equal(items[2].reason, "because");
	store_events_free(items, count);
	assert_int_equal(store_events(s, guest, 10, &items, &count), 0);
	assert_int_equal(count, 2);
	store_events_free(items, count);
	assert_int_equal(store_events(s, guest, 31, &items, &count), 0);
	assert_int_equal(count, 0);
	store_events_free(items, count);

	assert_parts(s, 0, false);
	/* With a guest's events those of its host, in one order, cut as one. */
	assert_parts(s, guest, true);
	struct store_newest part = { .before_at = INT64_MAX, .before_row = INT64_MAX, .limit = 5, .characters = 1000 };
	bool more = false;
	assert_int_equal(store_events_newest(s, guest, &part, &items, &count, &more), 0);
	assert_int_equal(count, 2);
	store_events_free(items, count);
	/* One that is too large by itself is there all the same. */
	part = (struct store_newest){ .since = 10, .before_at = INT64_MAX, .before_row = INT64_MAX, .limit = 2 };
	assert_int_equal(store_events_newest(s, guest, &part, &items, &count, &more), 0);
	assert_int_equal(count, 1);
	assert_true(more);
	assert_string_equal(items[0].type, "accept");
	store_events_free(items, count);
	store_close(s);
}

static size_t owed(struct store *s, const char *sink, size_t max, int64_t *ret_first)
{
	struct store_alert *items = NULL;
	size_t count = 0;
	assert_int_equal(store_alerts_for(s, sink, max, &items, &count), 0);
	if (count)
		*ret_first = items[0].row;
	store_alerts_free(items, count);
	return count;
}

static void each_sink_gets_each_alert_until_it_took_it(void **state)
{
	struct sandbox *box = *state;
	struct store *s = open_store(box->url, STORE_CREATE);
	struct store_alert *items = NULL;
	size_t count = 0;
	int64_t first = 0;
	assert_int_equal(store_alerts_for(s, "journal", 9, &items, &count), -ENOENT);
	assert_int_equal(store_alert_add(s, "before", NULL, "{}", 1), 0);
	assert_int_equal(store_sink_begin(s, "journal"), 0);
	assert_int_equal(store_sink_begin(s, "stdout"), 0);
	assert_int_equal(owed(s, "journal", 9, &first), 0);
	for (int i = 0; i < 4; i++) {
		char id[32];
		snprintf(id, sizeof(id), "a%d", i);
		assert_int_equal(store_alert_add(s, id, NULL, "{\"n\":1}", 2), 0);
	}
	/* The same record twice is one alert. */
	assert_int_equal(store_alert_add(s, "a1", NULL, "{\"n\":2}", 3), 0);
	assert_int_equal(owed(s, "journal", 2, &first), 2);
	assert_int_equal(owed(s, "journal", 9, &first), 4);
	/* Out of order, and twice. */
	assert_int_equal(store_alert_done(s, "journal", first + 2, false), 0);
	assert_int_equal(store_alert_done(s, "journal", first + 2, false), 0);
	assert_int_equal(store_alert_done(s, "journal", first, false), 0);
	int64_t next = 0;
	assert_int_equal(owed(s, "journal", 9, &next), 2);
	assert_int_equal(next, first + 1);
	assert_int_equal(store_alert_done(s, "journal", first + 1, false), 0);
	assert_int_equal(store_alert_done(s, "journal", first + 3, false), 0);
	assert_int_equal(owed(s, "journal", 9, &next), 0);
	assert_int_equal(owed(s, "stdout", 9, &next), 4);
	assert_int_equal(store_sink_begin(s, "journal"), 0);
	assert_int_equal(store_alert_add(s, "new", NULL, "{}", 4), 0);
	assert_int_equal(owed(s, "journal", 9, &next), 1);
	assert_int_equal(store_alerts_for(s, "stdout", 9, &items, &count), 0);
	assert_string_equal(items[1].id, "a1");
	assert_string_equal(items[1].json, "{\"n\":1}");
	store_alerts_free(items, count);
	store_close(s);
	assert_int_equal(ask(box->path, "SELECT count(*) FROM acknowledged"), 0);
}

static bool notice_taken(struct store *s)
{
	bool taken = false;

	assert_int_equal(store_notice_taken(s, "k", "peer", &taken), 0);
	return taken;
}

/* Else the next process believes that a peer knows of an end that nobody told it. */
static void who_took_an_end_of_a_notice_took_no_later_one(void **state)
{
	struct sandbox *box = *state;
	struct store *s = open_store(box->url, STORE_CREATE);
	struct store_notice notice = { .key = (char *)"k", .json = (char *)"{}", .starts_at = 1, .ends_at = 2 };

	assert_int_equal(store_notice_put(s, &notice), 0);
	assert_int_equal(store_notice_took(s, "k", "peer"), 0);
	assert_int_equal(store_notice_put(s, &notice), 0);
	assert_true(notice_taken(s));
	/* It began anew and ended before this store heard of the beginning. */
	notice.ends_at = 4;
	assert_int_equal(store_notice_put(s, &notice), 0);
	assert_false(notice_taken(s));
	assert_int_equal(store_notice_took(s, "k", "peer"), 0);
	notice.ends_at = 0;
	assert_int_equal(store_notice_put(s, &notice), 0);
	assert_false(notice_taken(s));
	store_close(s);
}

static void a_host_is_known_by_its_last_context(void **state)
{
	struct sandbox *box = *state;
	struct store *s = open_store(box->url, STORE_CREATE);
	char *context = NULL;
	assert_int_equal(store_host_get(s, "h", &context), -ENOENT);
	assert_int_equal(store_host_put(s, "h", "kernel 1\n"), 0);
	assert_int_equal(store_host_put(s, "h", "kernel 2\n"), 0);
	assert_int_equal(store_host_get(s, "h", &context), 0);
	assert_string_equal(context, "kernel 2\n");
	free(context);
	store_close(s);
}

static void a_transaction_is_all_or_nothing(void **state)
{
	struct sandbox *box = *state;
	struct store *s = open_store(box->url, STORE_CREATE);
	struct store_guest g;
	assert_int_equal(store_begin(s), 0);
	assert_int_equal(store_begin(s), -EALREADY);
	int64_t guest = put_guest(s, "gone");
	put_revision(s, guest, "t", 1);
	store_rollback(s);
	assert_int_equal(store_guest_get(s, guest, &g), -ENOENT);
	assert_int_equal(store_commit(s), -EINVAL);

	assert_int_equal(store_begin(s), 0);
	put_guest(s, "half");
	/* A write that fails takes the whole transaction with it, whatever else is written then. */
	assert_int_equal(store_drift_set(s, 99, "{}", NULL, NULL, 1), -ENOENT);
	assert_int_equal(store_host_put(s, "h", "c"), -ENOENT);
	assert_int_equal(store_commit(s), -ENOENT);
	store_close(s);
	assert_int_equal(ask(box->path, "SELECT count(*) FROM guests"), 0);
	assert_int_equal(ask(box->path, "SELECT count(*) FROM contents"), 0);
}

static void a_reader_sees_whole_commits_while_the_writer_writes(void **state)
{
	struct sandbox *box = *state;
	struct store *writer = open_store(box->url, STORE_CREATE), *reader = open_store(box->url, STORE_READ);
	struct store_guest *items = NULL;
	size_t count = 0;
	assert_int_equal(store_changed(reader), 0);
	for (size_t round = 0; round < 5; round++) {
		char id[32];
		assert_int_equal(store_begin(writer), 0);
		for (int i = 0; i < 3; i++) {
			snprintf(id, sizeof(id), "g%zu-%d", round, i);
			put_revision(writer, put_guest(writer, id), id, 1);
			assert_int_equal(store_guests(reader, &items, &count), 0);
			assert_int_equal(count, 3 * round);
			while (count)
				store_guest_release(&items[--count]);
			free(items);
		}
		assert_int_equal(store_changed(reader), 0);
		assert_int_equal(store_commit(writer), 0);
		assert_int_equal(store_changed(reader), 1);
		assert_int_equal(store_changed(reader), 0);
		assert_int_equal(store_changed(writer), 0);
	}
	/* Within a transaction of its own the reader's world stands still. */
	struct store_guest g;
	assert_int_equal(store_begin(reader), 0);
	assert_int_equal(store_guest_get(reader, 1, &g), 0);
	store_guest_release(&g);
	int64_t late = put_guest(writer, "late");
	assert_int_equal(store_guest_get(reader, late, &g), -ENOENT);
	assert_int_equal(store_commit(reader), 0);
	assert_int_equal(store_guest_get(reader, late, &g), 0);
	store_guest_release(&g);
	assert_int_equal(store_guest_put(reader, "x", NULL, NULL, false, NULL), -EROFS);
	assert_one_line(store_error(reader));
	store_close(reader);
	store_close(writer);
}

static void end_instance(struct store *s, int64_t guest, int64_t began, int64_t ended, uint32_t revision)
{
	struct store_instance i = sample_instance(guest);
	i.began_at = began;
	i.ended_at = ended;
	i.running = ended == 0;
	i.revision = revision;
	assert_int_equal(store_instance_put(s, &i), 0);
}

static void pruning_forgets_history_but_no_baseline_and_no_open_drift(void **state)
{
	struct sandbox *box = *state;
	struct store *s = open_store(box->url, STORE_CREATE);
	char boot[] = "boot", drift[] = "drift";
	/* Runs: old baseline, an older revision in between, a current one. */
	int64_t runs = put_guest(s, "runs");
	for (int i = 1; i <= 3; i++) {
		char text[32];
		snprintf(text, sizeof(text), "r%d", i);
		put_revision(s, runs, text, i);
	}
	assert_int_equal(set_baseline(s, runs, 1, 1, "auto", NULL, 0), 0);
	end_instance(s, runs, 1, 5, 2);
	end_instance(s, runs, 6, 0, 3);
	assert_int_equal(store_drift_set(s, runs, "{}", NULL, NULL, 50), 0);
	const struct store_event events[] = { { .at = 10, .type = boot, .guest = runs },
					      { .at = 50, .type = drift, .guest = runs },
					      { .at = 60, .type = boot } };
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(store_event_add(s, &events[i]), 0);
	/* Ended long ago: with a baseline, anonymous with one, and with none. */
	int64_t kept = put_guest(s, "kept"), bare = put_guest(s, "bare");
	struct store_guest g;
	assert_int_equal(store_guest_put(s, "anon-1-2", NULL, NULL, true, &g), 0);
	int64_t anonymous = g.row;
	store_guest_release(&g);
	const int64_t ended[] = { kept, anonymous, bare };
	for (size_t i = 0; i < 3; i++) {
		char text[32];
		snprintf(text, sizeof(text), "e%zu", i);
		put_revision(s, ended[i], text, 1);
		end_instance(s, ended[i], 1, 2, 1);
		if (ended[i] != bare)
			assert_int_equal(set_baseline(s, ended[i], 1, 1, "auto", NULL, 0), 0);
	}
	put_guest(s, "just named");
	assert_int_equal(store_sink_begin(s, "sink"), 0);
	assert_int_equal(store_alert_add(s, "owed", NULL, "{}", 1), 0);

	size_t rows = 0;
	assert_int_equal(store_prune(s, 100, &rows), 0);
	assert_true(rows > 0);
	struct error e = ERROR_INIT;
	assert_int_equal(store_check(s, &e), 0);
	struct store_revision r;
	for (uint32_t i = 1; i <= 3; i++) {
		assert_int_equal(store_revision_get(s, runs, i, &r), 0);
		store_revision_release(&r);
	}
	assert_int_equal(store_revision_get(s, kept, 1, &r), 0);
	store_revision_release(&r);
	assert_int_equal(store_guest_get(s, anonymous, &g), -ENOENT);
	assert_int_equal(store_guest_get(s, bare, &g), -ENOENT);
	expect_baseline(s, kept, 1, "auto");
	assert_int_equal(ask(box->path, "SELECT count(*) FROM events"), 1);
	assert_int_equal(ask(box->path, "SELECT count(*) FROM guests"), 3);
	assert_int_equal(ask(box->path, "SELECT count(*) FROM alerts"), 1);
	assert_int_equal(ask(box->path, "SELECT count(*) FROM contents"), 4 + 2);

	/* Once the drift is closed and the alert delivered nothing keeps the middle revision. */
	assert_int_equal(store_drift_set(s, runs, NULL, NULL, NULL, 90), 0);
	assert_int_equal(store_alert_done(s, "sink", 1, false), 0);
	assert_int_equal(store_prune(s, 100, &rows), 0);
	assert_int_equal(store_revision_get(s, runs, 2, &r), -ENOENT);
	assert_int_equal(ask(box->path, "SELECT count(*) FROM alerts"), 0);
	assert_int_equal(put_revision(s, runs, "r4", 200), 4);
	assert_int_equal(store_prune(s, 100, &rows), 0);
	assert_int_equal(rows, 0);
	store_close(s);
}

/* Guests' alerts do not wait for a long history to be forgotten. */
static void a_long_history_is_forgotten_by_and_by(void **state)
{
	struct sandbox *box = *state;
	struct store *s = open_store(box->url, STORE_CREATE);
	bool more = true;
	size_t rows = 0;
	store_close(s);
	tell(box->path, "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 2500) INSERT INTO events (at, type) SELECT n, 'boot' FROM n;"
			"INSERT INTO maintenance (begins_at, ends_at, by, closed_at) VALUES (1, 2, 'ann', 3);");
	s = open_store(box->url, STORE_WRITE);
	for (int left = 2500 - STORE_PRUNE_ROWS; left > 0; left -= STORE_PRUNE_ROWS) {
		assert_int_equal(store_prune_some(s, 2501, &more), 0);
		assert_true(more);
		assert_int_equal(ask(box->path, "SELECT count(*) FROM events"), left);
		assert_int_equal(ask(box->path, "SELECT count(*) FROM maintenance"), 1);
	}
	assert_int_equal(store_prune_some(s, 2501, &more), 0);
	assert_false(more);
	assert_int_equal(ask(box->path, "SELECT count(*) FROM events") + ask(box->path, "SELECT count(*) FROM maintenance"), 0);
	store_close(s);

	tell(box->path, "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 2500) INSERT INTO events (at, type) SELECT n, 'boot' FROM n;");
	s = open_store(box->url, STORE_WRITE);
	assert_int_equal(store_prune(s, 2500, &rows), 0);
	assert_int_equal(rows, 2499);
	assert_int_equal(store_prune_some(s, 0, &more), 0);
	assert_false(more);
	assert_int_equal(ask(box->path, "SELECT count(*) FROM events"), 1);
	store_close(s);
}

/* Not timed; but a thousand transactions instead of one would be felt. */
static void a_thousand_guests_fit_into_one_transaction(void **state)
{
	struct sandbox *box = *state;
	struct store *s = open_store(box->url, STORE_CREATE);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(store_begin(s), 0);
		for (int i = 0; i < 1000; i++) {
			char id[32];
			snprintf(id, sizeof(id), "g%d", i);
			struct store_instance instance = sample_instance(put_guest(s, id));
			instance.row = round ? i + 1 : 0;
			assert_int_equal(store_instance_put(s, &instance), 0);
		}
		assert_int_equal(store_commit(s), 0);
	}
	struct store_instance *items = NULL;
	size_t count = 0;
	assert_int_equal(store_instances(s, 0, &items, &count), 0);
	assert_int_equal(count, 1000);
	store_instances_free(items, count);
	store_close(s);
}

#define STORE_TEST(f) cmocka_unit_test_setup_teardown(f, sandbox_setup, sandbox_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(a_guest_keeps_its_identity_and_takes_its_new_name),
		STORE_TEST(an_instance_comes_back_as_it_was_put),
		STORE_TEST(an_instance_that_changed_is_updated_and_not_doubled),
		STORE_TEST(a_revision_comes_back_with_text_facts_and_context),
		STORE_TEST(equal_fingerprints_of_many_guests_take_the_room_of_one),
		STORE_TEST(a_boot_began_before_what_was_made_while_it_ran),
		STORE_TEST(a_growing_revision_leaves_no_copies_behind),
		STORE_TEST(a_fingerprint_is_found_by_the_beginning_of_its_digest),
		STORE_TEST(undo_leads_back_through_every_accept),
		STORE_TEST(open_drift_is_kept_until_it_is_closed),
		STORE_TEST(revisions_are_listed_newest_first_and_only_the_guests_own),
		STORE_TEST(history_is_in_the_order_of_time),
		STORE_TEST(each_sink_gets_each_alert_until_it_took_it),
		STORE_TEST(who_took_an_end_of_a_notice_took_no_later_one),
		STORE_TEST(a_host_is_known_by_its_last_context),
		STORE_TEST(a_transaction_is_all_or_nothing),
		STORE_TEST(a_reader_sees_whole_commits_while_the_writer_writes),
		STORE_TEST(pruning_forgets_history_but_no_baseline_and_no_open_drift),
		STORE_TEST(a_long_history_is_forgotten_by_and_by),
		STORE_TEST(a_thousand_guests_fit_into_one_transaction),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

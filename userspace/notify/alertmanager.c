/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A round tells one peer of everything, in requests of at most BATCH notices, in the order of their keys: it needs no copy of the
 * list, and goes on where it was though the list changes meanwhile (then another round follows). What came back is only noted
 * when it comes, and worked off in alertmanager_follow, where a store that is busy can be asked again.
 *
 * https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml: POST /api/v2/alerts takes a list of {labels, annotations,
 * startsAt, endsAt}; one that ended is resolved; 400: some were refused, the rest was taken.
 */
#include "userspace/notify/alertmanager.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "userspace/base/buffer.h"
#include "userspace/base/config.h"
#include "userspace/base/error.h"
#include "userspace/base/text.h"
#include "userspace/base/visible_json.h"
#include "userspace/notify/http_client.h"
#include "userspace/notify/kept_file.h"
#include "userspace/notify/notice_text.h"
#include "userspace/notify/notices.h"
#include "userspace/notify/sink.h"
#include "userspace/store/store.h"

#define NAME "alertmanager"
#define PATH "/api/v2/alerts"
#define PEERS_MAX 32
#define BATCH 500
#define TIMEOUT_MS 10000
#define RETRY_FIRST_MS 500
#define RETRY_AFTER_MAX_MS (5 * 60 * 1000)
/* Changes that come one after the other go together. */
#define GAP_MS 1000
/* What lasts is said to last for so many times alertmanager.resend. */
#define LASTS_TIMES 4
/* A look that took so long is not repeated for so many times as long. */
#define LOOK_PAUSES 4
#define LOOK_PAUSE_MAX_MS 10000
#define SAVE_BUSY_MS 200
#define SAVE_AGAIN_MS 5000
#define TEST_LASTS_NS (60 * INT64_C(1000000000))
#define MS_NS 1000000

/* An end that is on its way: what it is when its answer comes may have begun anew. */
struct end {
	char *key;
	int64_t ends_at;
};

struct peer {
	struct alertmanager *a;
	char *url;      /* to post to */
	char *id;       /* in the store: without user and password */
	char name[256]; /* for people */
	bool quoted;    /* what it answers is for people too */
	struct http_call *call;
	/* The round that is under way. */
	bool in_round, refused;
	char *cursor, *next_cursor; /* the last key that was answered for, that was sent; NULL: none */
	struct end *ends;
	size_t end_count;
	uint64_t telling; /* the generation at its beginning */
	int64_t began_ms;
	/* What came back. */
	bool answered;
	long status;
	int64_t retry_after_s;
	char text[256], refusal[256];
	/* Between rounds; CLOCK_MONOTONIC. */
	uint64_t told_generation;
	int64_t resend_ms, again_ms;
	uint64_t pause_ms;
	bool said;
};

struct alertmanager {
	struct peer *peers;
	size_t peer_count;
	const char *ids[PEERS_MAX];
	struct kept_file *token;
	struct http_tls *tls;
	struct http_client *http;
	struct store *store;
	void (*say)(void *context, const char *line);
	void *context;
	struct notices notices;
	uint64_t generation; /* rises with each change of them */
	int64_t resend_ms, give_up_ns, retry_max_ms;
	uint64_t delivered, failed, given_up; /* not yet counted in the store */
	int64_t save_ms; /* not before: CLOCK_MONOTONIC */
	int64_t look_ms; /* the store is not looked through again before */
	bool look_waits;
	bool save_said;
	/* of alertmanager_test */
	void (*heard)(void *context, const char *sink, const struct sink_answer *answer);
	void *heard_context;
	size_t unheard, refusals;
	struct buffer heard_text;
};

static int64_t clock_ns(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t now_ms(void)
{
	return clock_ns(CLOCK_MONOTONIC) / MS_NS;
}

static void say(struct alertmanager *a, const struct error *line)
{
	if (a->say)
		a->say(a->context, line->text);
}

/* ---- configuration */

/* What the store knows a peer by: a password may change, and is nobody's business. */
static char *url_bare(const char *url)
{
	const char *host = strstr(url, "://") + 3, *slash = host + strcspn(host, "/"), *at = memrchr(host, '@', (size_t)(slash - host));
	char *bare = NULL;

	return asprintf(&bare, "%.*s%s", (int)(host - url), url, at ? at + 1 : host) < 0 ? NULL : bare;
}

static int peer_add(struct alertmanager *a, const char *url, size_t size, struct error *e)
{
	struct peer *grown = reallocarray(a->peers, a->peer_count + 1, sizeof *grown), *peer;
	char *base;

	if (!grown)
		return error_set(e, ENOMEM, "out of memory");
	a->peers = grown;
	if (a->peer_count == PEERS_MAX)
		return error_set(e, E2BIG, "alertmanager.url: more than %d peers", PEERS_MAX);
	if (memchr(url, '?', size) || memchr(url, '#', size))
		return error_set(e, EINVAL, "alertmanager.url: the beginning of its addresses is wanted, without ? and #");
	/* None is shown: there may be a password in it. */
	if (url[size - 1] == ',' || memmem(url, size, ",http", 5))
		return error_set(e, EINVAL, "alertmanager.url: several are separated by spaces, without commas");
	while (size && url[size - 1] == '/')
		size--;
	if (size >= strlen(PATH) && !memcmp(url + size - strlen(PATH), PATH, strlen(PATH)))
		return error_set(e, EINVAL, "alertmanager.url: the beginning of its addresses is wanted, without " PATH);
	peer = &grown[a->peer_count++];
	*peer = (struct peer){ .a = a };
	base = strndup(url, size);
	peer->quoted = base && http_url_secretless(base);
	free(base);
	if (asprintf(&peer->url, "%.*s" PATH, (int)size, url) < 0)
		peer->url = NULL;
	peer->id = peer->url ? url_bare(peer->url) : NULL;
	if (!peer->id)
		return error_set(e, ENOMEM, "out of memory");
	if (http_url_name(peer->url, peer->name, sizeof peer->name) < 0)
		return error_set(e, EINVAL, "alertmanager.url: number %zu of them is no address", a->peer_count);
	for (size_t i = 0; i + 1 < a->peer_count; i++)
		if (!strcmp(a->peers[i].id, peer->id))
			return error_set(e, EINVAL, "alertmanager.url: %s is there twice", peer->name);
	return 0;
}

int alertmanager_load(const struct config *c, struct alertmanager **ret, struct error *e)
{
	const char *urls = config_get(c, "alertmanager.url"), *token = config_get(c, "alertmanager.token_file");
	struct alertmanager *a;
	struct error why = ERROR_INIT;
	int err = 0;

	*ret = NULL;
	urls += strspn(urls, " ");
	if (!*urls)
		return 0;
	a = calloc(1, sizeof *a);
	if (!a)
		return error_set(e, ENOMEM, "out of memory");
	for (; err >= 0 && *urls; urls += strcspn(urls, " "), urls += strspn(urls, " "))
		err = peer_add(a, urls, strcspn(urls, " "), e);
	for (size_t i = 0; i < a->peer_count; i++)
		a->ids[i] = a->peers[i].id;
	if (err >= 0)
		err = http_tls_load(c, NAME, &a->tls, e);
	if (err >= 0 && token && *token && kept_file_load(token, &a->token, &why) < 0)
		err = error_set(e, EINVAL, "alertmanager.token_file: %s", why.text);
	a->notices = (struct notices)NOTICES_INIT;
	a->generation = 1;
	a->resend_ms = (int64_t)(config_ns(c, "alertmanager.resend") / MS_NS);
	a->give_up_ns = (int64_t)config_ns(c, "alerts.give_up");
	a->retry_max_ms = (int64_t)(config_ns(c, "alerts.retry_max") / MS_NS);
	if (err >= 0 && a->resend_ms < 1)
		err = error_set(e, EINVAL, "alertmanager.resend: at least 1ms");
	if (err < 0) {
		alertmanager_free(a);
		return err;
	}
	*ret = a;
	return 0;
}

static void ends_clear(struct peer *peer)
{
	for (size_t i = 0; i < peer->end_count; i++)
		free(peer->ends[i].key);
	free(peer->ends);
	peer->ends = NULL;
	peer->end_count = 0;
}

static void batch_clear(struct peer *peer)
{
	ends_clear(peer);
	free(peer->next_cursor);
	peer->next_cursor = NULL;
}

static void round_clear(struct peer *peer)
{
	batch_clear(peer);
	free(peer->cursor);
	peer->cursor = NULL;
	peer->in_round = false;
}

void alertmanager_free(struct alertmanager *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->peer_count; i++) {
		http_call_cancel(a->peers[i].call);
		round_clear(&a->peers[i]);
		free(a->peers[i].url);
		free(a->peers[i].id);
	}
	free(a->peers);
	kept_file_free(a->token);
	http_tls_free(a->tls);
	notices_release(&a->notices);
	buffer_release(&a->heard_text);
	free(a);
}

int alertmanager_begin(struct alertmanager *a, const struct sink_host *host, struct store *store, void (*line)(void *context, const char *line), void *context,
		       struct error *e)
{
	a->http = host->http;
	a->store = store;
	a->say = line;
	a->context = context;
	return store ? notices_load(&a->notices, store, a->ids, a->peer_count, e) : 0;
}

/* ---- a request */

static int time_set(json_t *alert, const char *key, int64_t at)
{
	struct buffer text = BUFFER_INIT;
	int err;

	text_time(&text, at);
	err = buffer_failed(&text) ? -1 : json_object_set_new(alert, key, json_string(text.data));
	buffer_release(&text);
	return err;
}

static int alert_add(json_t *list, const json_t *notice, int64_t starts_at, int64_t ends_at)
{
	json_t *alert = json_object();
	int err = json_object_set(alert, "labels", json_object_get(notice, "labels"));

	err |= json_object_set(alert, "annotations", json_object_get(notice, "annotations"));
	err |= time_set(alert, "startsAt", starts_at);
	err |= time_set(alert, "endsAt", ends_at);
	err |= json_array_append_new(list, alert);
	return err ? -ENOMEM : 0;
}

static int end_add(struct peer *peer, const struct notice *n)
{
	struct end *grown = reallocarray(peer->ends, peer->end_count + 1, sizeof *grown);

	if (!grown)
		return -ENOMEM;
	peer->ends = grown;
	grown[peer->end_count] = (struct end){ .key = strdup(n->key), .ends_at = n->ends_at };
	return grown[peer->end_count].key ? (int)++peer->end_count : -ENOMEM;
}

/* A clock that was set back leaves times that are still to come: Alertmanager refuses what begins after it ends, and ends nothing yet. */
static int notice_take(struct peer *peer, const struct notice *n, int64_t now, json_t *list)
{
	int64_t ends_at = n->ends_at < now ? n->ends_at : now, most = n->ends_at ? ends_at : now, starts_at = n->starts_at < most ? n->starts_at : most;

	if (!n->ends_at)
		return alert_add(list, n->json, starts_at, now + peer->a->resend_ms * MS_NS * LASTS_TIMES);
	return alert_add(list, n->json, starts_at, ends_at);
}

static int batch_take(struct peer *peer, int64_t now, json_t *list)
{
	struct alertmanager *a = peer->a;
	uint32_t bit = 1u << (peer - a->peers);
	const struct notice *n = notices_after(&a->notices, peer->cursor), *last = NULL;
	int err = 0;

	for (; err >= 0 && n && json_array_size(list) < BATCH; n = notices_after(&a->notices, n->key)) {
		last = n;
		if (n->dropped || (n->ends_at && n->took & bit))
			continue;
		err = notice_take(peer, n, now, list);
		if (err >= 0 && n->ends_at)
			err = end_add(peer, n);
	}
	if (err >= 0 && last && !(peer->next_cursor = strdup(last->key)))
		err = -ENOMEM;
	return err;
}

static void line_put(struct buffer *out, const char *text, size_t size)
{
	size = strnlen(text, size);
	while (size && strchr("\r\n ", text[size - 1]))
		size--;
	text_terminal(out, text, size);
}

static void note_answer(struct peer *peer, const struct http_reply *reply)
{
	struct buffer body = BUFFER_INIT;

	peer->call = NULL;
	peer->answered = true;
	peer->status = reply->status;
	peer->retry_after_s = reply->retry_after_s;
	line_put(&body, reply->body && reply->status / 100 != 2 && peer->quoted && !peer->a->token ? reply->body : "", 120);
	if (reply->error)
		snprintf(peer->text, sizeof peer->text, "%s", reply->error);
	else
		snprintf(peer->text, sizeof peer->text, "HTTP %ld%s%s", reply->status, body.size ? ": " : "", body.size ? body.data : "");
	buffer_release(&body);
}

static void done(void *context, const struct http_reply *reply)
{
	note_answer(context, reply);
}

static int post(struct peer *peer, const json_t *list, void (*answer)(void *context, const struct http_reply *reply), struct error *e)
{
	struct alertmanager *a = peer->a;
	char *body = visible_json(list, JSON_COMPACT), *bearer = NULL;
	const char *headers[] = { "Content-Type: application/json", NULL, NULL };
	int err = body ? 0 : error_set(e, ENOMEM, "out of memory");

	if (err >= 0 && a->token) {
		const char *token = kept_file_text(a->token, NULL, NULL);

		if (asprintf(&bearer, "Authorization: Bearer %.*s", (int)strcspn(token, "\r\n"), token) < 0)
			err = error_set(e, ENOMEM, "out of memory");
		headers[1] = bearer;
	}
	if (err >= 0) {
		const struct http_request request = { .method = "POST", .url = peer->url, .headers = headers, .body = body, .bytes = strlen(body),
						      .timeout_ms = TIMEOUT_MS, .tls = a->tls };

		err = http_client_send(a->http, &request, answer, peer, &peer->call, e);
	}
	if (bearer)
		explicit_bzero(bearer, strlen(bearer));
	free(bearer);
	free(body);
	return err;
}

/* ---- rounds */

static void peer_fails(struct peer *peer)
{
	struct alertmanager *a = peer->a;
	int64_t most = a->retry_max_ms < a->resend_ms ? a->retry_max_ms : a->resend_ms, wish = peer->retry_after_s > 0 ? peer->retry_after_s : 0;
	struct error line = ERROR_INIT;
	int64_t pause = peer->pause_ms ? (int64_t)peer->pause_ms * 2 : RETRY_FIRST_MS;

	peer->pause_ms = (uint64_t)(pause < most ? pause : most);
	/* A little less by chance: many hosts shall not come back at one moment. */
	pause = (int64_t)peer->pause_ms - (int64_t)(peer->pause_ms / 4 * ((uint64_t)clock_ns(CLOCK_MONOTONIC) / 1000 % 1000) / 1000);
	/* What lasts is to be told again before it is over for the peer. */
	most = a->resend_ms < RETRY_AFTER_MAX_MS / 2 ? a->resend_ms * 2 : RETRY_AFTER_MAX_MS;
	wish = wish < most / 1000 ? wish * 1000 : most;
	peer->again_ms = now_ms() + (wish > pause ? wish : pause);
	round_clear(peer);
	if (peer->said)
		return;
	peer->said = true;
	error_set(&line, EIO, "alerts cannot go to alertmanager now (%s): %s; it is tried again", peer->name, peer->text);
	say(a, &line);
}

static void round_end(struct peer *peer)
{
	struct alertmanager *a = peer->a;

	if (peer->refused) {
		snprintf(peer->text, sizeof peer->text, "%s", peer->refusal);
		peer_fails(peer);
		return;
	}
	peer->told_generation = peer->telling;
	peer->resend_ms = a->notices.count ? peer->began_ms + a->resend_ms : INT64_MAX;
	peer->again_ms = 0;
	peer->pause_ms = 0;
	peer->said = false;
	round_clear(peer);
}

static int64_t round_due(const struct peer *peer)
{
	const struct alertmanager *a = peer->a;
	int64_t gap = a->resend_ms < GAP_MS ? a->resend_ms : GAP_MS, at = peer->resend_ms;

	if (peer->told_generation != a->generation)
		at = peer->began_ms ? peer->began_ms + gap : 0;
	return at > peer->again_ms ? at : peer->again_ms;
}

static void peer_go(struct peer *peer, int64_t now)
{
	struct error e = ERROR_INIT;
	json_t *list = json_array();
	int err = list ? batch_take(peer, now, list) : -ENOMEM;

	if (err >= 0 && !json_array_size(list)) {
		round_end(peer);
	} else {
		if (err >= 0)
			err = post(peer, list, done, &e);
		if (err < 0) {
			snprintf(peer->text, sizeof peer->text, "%.255s", *e.text ? e.text : strerror(-err));
			peer->retry_after_s = -1;
			peer_fails(peer);
		}
	}
	json_decref(list);
}

static void peer_follow(struct peer *peer, int64_t now)
{
	if (peer->call || peer->answered)
		return;
	if (!peer->in_round) {
		if (round_due(peer) > now_ms())
			return;
		peer->in_round = true;
		peer->refused = false;
		peer->telling = peer->a->generation;
		peer->began_ms = now_ms();
	}
	peer_go(peer, now);
}

static void ends_taken(struct peer *peer)
{
	struct alertmanager *a = peer->a;

	for (size_t i = 0; i < peer->end_count; i++) {
		struct notice *n = notices_find(&a->notices, peer->ends[i].key);

		if (n && n->ends_at == peer->ends[i].ends_at)
			n->took |= 1u << (peer - a->peers);
	}
}

/* Of these a request is refused for what is in it, and another may be taken. */
static bool about_content(long status)
{
	return status == 400 || status == 413 || status == 422;
}

static void answer_work(struct peer *peer)
{
	struct alertmanager *a = peer->a;
	bool took = peer->status / 100 == 2;

	peer->answered = false;
	a->delivered += took;
	a->failed += !took;
	if (!took && !about_content(peer->status)) {
		peer_fails(peer);
		return;
	}
	if (took)
		ends_taken(peer);
	if (!took) {
		peer->refused = true;
		snprintf(peer->refusal, sizeof peer->refusal, "%s", peer->text);
	}
	free(peer->cursor);
	peer->cursor = peer->next_cursor;
	peer->next_cursor = NULL;
	ends_clear(peer);
}

/* ---- what is over */

static void drop_ended(struct alertmanager *a, int64_t now)
{
	uint32_t all = a->peer_count == PEERS_MAX ? UINT32_MAX : (1u << a->peer_count) - 1;
	struct error line = ERROR_INIT;
	uint64_t given_up = 0;

	for (size_t i = 0; i < a->notices.count; i++) {
		struct notice *n = &a->notices.items[i];

		if (!n->ends_at || n->dropped)
			continue;
		n->dropped = (n->took & all) == all;
		if (n->dropped || !a->give_up_ns || now - n->ends_at <= a->give_up_ns)
			continue;
		n->dropped = true;
		given_up += (uint64_t)__builtin_popcount(all & ~n->took);
	}
	a->given_up += given_up;
	if (!given_up)
		return;
	error_set(&line, EIO, "%" PRIu64 " ends of alerts were given up, alertmanager did not take them for too long", given_up);
	say(a, &line);
}

static int count(struct alertmanager *a, const char *result, uint64_t by)
{
	char labels[64];

	if (!by)
		return 0;
	snprintf(labels, sizeof labels, NAME ",%s", result);
	return store_counter_add(a->store, "alerts", labels, by);
}

static int save_all(struct alertmanager *a)
{
	int err = store_begin(a->store);

	if (err < 0)
		return err;
	err = notices_save(&a->notices, a->store, a->ids, a->peer_count);
	if (err >= 0)
		err = count(a, "delivered", a->delivered);
	if (err >= 0)
		err = count(a, "failed", a->failed);
	if (err >= 0)
		err = count(a, "given_up", a->given_up);
	if (err >= 0)
		err = store_commit(a->store);
	if (err < 0)
		store_rollback(a->store);
	return err;
}

static bool unsaved(const struct alertmanager *a)
{
	return a->delivered || a->failed || a->given_up || notices_unsaved(&a->notices);
}

/*
 * A store that cannot be written does not keep anybody from being told. What it does not have yet is here; if this process dies before, the
 * next one ends what the store still has as lasting, and of the rest Alertmanager hears no more, which ends it too.
 */
static void save(struct alertmanager *a)
{
	struct error line = ERROR_INIT;
	int err;

	if (!unsaved(a) || a->save_ms > now_ms())
		return;
	err = save_all(a);
	if (err >= 0) {
		a->delivered = a->failed = a->given_up = 0;
		notices_saved(&a->notices);
		a->save_said = false;
		a->save_ms = 0;
		return;
	}
	a->save_ms = now_ms() + (err == -EBUSY || err == -EAGAIN ? SAVE_BUSY_MS : SAVE_AGAIN_MS);
	if (a->save_said || err == -EBUSY || err == -EAGAIN)
		return;
	a->save_said = true;
	error_set(&line, -err, "what Alertmanager was told is not written down: %s; trying again", store_error(a->store));
	say(a, &line);
}

/* Looking through a thousand long drifts takes long; others work in this process too. */
static int look(struct alertmanager *a, int64_t now, struct error *e)
{
	int64_t began = now_ms(), ended, pause;
	bool changed = false;
	int err;

	a->look_waits = began < a->look_ms;
	if (a->look_waits)
		return 0;
	err = notices_follow(&a->notices, a->store, now, &changed, e);
	ended = now_ms();
	pause = (ended - began) * LOOK_PAUSES;
	a->look_ms = err < 0 ? 0 : ended + (pause < LOOK_PAUSE_MAX_MS ? pause : LOOK_PAUSE_MAX_MS);
	if (changed)
		a->generation++;
	return err;
}

int alertmanager_follow(struct alertmanager *a, int64_t now, struct error *e)
{
	int err;

	for (size_t i = 0; i < a->peer_count; i++)
		if (a->peers[i].answered)
			answer_work(&a->peers[i]);
	err = look(a, now, e);
	drop_ended(a, now);
	for (size_t i = 0; i < a->peer_count; i++)
		peer_follow(&a->peers[i], now);
	/* After the peers: it may have to wait for somebody else's writing. */
	save(a);
	return err;
}

int64_t alertmanager_due(const struct alertmanager *a)
{
	int64_t due = unsaved(a) ? a->save_ms : INT64_MAX;

	for (size_t i = 0; i < a->peer_count; i++) {
		const struct peer *peer = &a->peers[i];
		int64_t at = peer->answered ? 0 : peer->call ? INT64_MAX : peer->in_round ? 0 : round_due(peer);

		due = at < due ? at : due;
	}
	if (a->look_waits && a->look_ms < due)
		due = a->look_ms;
	if (a->notices.again_at != INT64_MAX) {
		int64_t at = now_ms() + (a->notices.again_at - clock_ns(CLOCK_REALTIME)) / MS_NS + 1;

		due = at < due ? at : due;
	}
	return due;
}

/* A peer that waits for better times is not worth waiting for. */
bool alertmanager_busy(const struct alertmanager *a)
{
	for (size_t i = 0; i < a->peer_count; i++) {
		const struct peer *peer = &a->peers[i];

		if (peer->call || peer->answered || peer->in_round || (peer->told_generation != a->generation && !peer->pause_ms))
			return true;
	}
	return a->look_waits || (unsaved(a) && a->save_ms <= now_ms());
}

/* ---- a test */

static void test_end(struct alertmanager *a)
{
	const struct sink_answer answer = { .result = a->refusals ? SINK_LATER : SINK_DELIVERED,
					    .text = buffer_failed(&a->heard_text) ? "out of memory" : a->heard_text.data };

	a->heard(a->heard_context, NAME, &answer);
}

static void test_done(void *context, const struct http_reply *reply)
{
	struct peer *peer = context;
	struct alertmanager *a = peer->a;

	note_answer(peer, reply);
	peer->answered = false;
	a->refusals += reply->status / 100 != 2;
	buffer_printf(&a->heard_text, "%s%s: %s%s", a->heard_text.size ? "; " : "", peer->name, peer->text,
		      reply->status == 404 ? "; nobody is at that path: alertmanager.url is what comes before " PATH : "");
	if (!--a->unheard)
		test_end(a);
}

int alertmanager_test(struct alertmanager *a, const char *id, void (*heard)(void *context, const char *sink, const struct sink_answer *answer), void *context,
		      struct error *e)
{
	char host[256] = "";
	int64_t now = clock_ns(CLOCK_REALTIME);
	json_t *list = json_array(), *notice;
	int err;

	gethostname(host, sizeof host - 1);
	notice = notice_test(host, id);
	err = notice && alert_add(list, notice, now, now + TEST_LASTS_NS) >= 0 ? 0 : error_set(e, ENOMEM, "out of memory");
	a->heard = heard;
	a->heard_context = context;
	a->unheard = a->peer_count;
	for (size_t i = 0; err >= 0 && i < a->peer_count; i++)
		err = post(&a->peers[i], list, test_done, e);
	json_decref(notice);
	json_decref(list);
	return err;
}

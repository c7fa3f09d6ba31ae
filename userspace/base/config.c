/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/base/config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "userspace/base/buffer.h"
#include "userspace/base/error.h"
#include "userspace/base/text.h"

/* Of quota and ring what is no number is "auto", and reads as 0. */
enum config_kind { CONFIG_DURATION, CONFIG_CHOICE, CONFIG_QUOTA, CONFIG_RING, CONFIG_PIN, CONFIG_STORE, CONFIG_LISTEN, CONFIG_TEXT, CONFIG_FILE_PATH, CONFIG_URL, CONFIG_URLS, CONFIG_SYSLOG, CONFIG_PROGRAM };

#define CONFIG_QUOTA_MIN 16
#define CONFIG_QUOTA_MAX 1000000
/* The kernel wants whole pages; more than this no burst of facts fills. */
#define CONFIG_RING_MIN 4096
#define CONFIG_RING_MAX (1 << 30)
/* inih's own line buffer; a longer line would be cut there without a word. */
#define CONFIG_LINE_BYTES 190
/* inih keeps 49 bytes of a section's name and drops the rest without a word; a rule's begins with RULE_SECTION. */
#define RULE_SECTION "suppress "
#define RULE_NAME_BYTES 40
#define RULE_KEY_BYTES 40
/* All of them travel in one record. */
#define RULE_LINES_MAX 4096

#define SWITCH { "on", "off" }

static const struct config_row {
	const char *key;
	enum config_kind kind;
	const char *fallback;
	const char *choices[3]; /* CONFIG_CHOICE */
	const char *meaning;
} rows[] = {
	{ "monitor.settle",
	  CONFIG_DURATION,
	  "10s",
	  { NULL },
	  "witnessed facets are judged after so long without news; the first whole fingerprint becomes the baseline" },
	{ "monitor.settle_max", CONFIG_DURATION, "60s", { NULL }, "and at the latest after so long" },
	{ "monitor.baseline", CONFIG_CHOICE, "auto", { "auto", "manual" }, "manual: only `accept` makes a baseline" },
	{ "monitor.guest_memory",
	  CONFIG_CHOICE,
	  "on",
	  { "on", "off" },
	  "off: never read guest memory; the facets that need it have coverage none with that reason" },
	{ "monitor.quota", CONFIG_QUOTA, "auto", { NULL }, "facts kept per guest and class of facts, 16 to 1000000; auto = a fair share of the map" },
	{ "monitor.ring",
	  CONFIG_RING,
	  "auto",
	  { NULL },
	  "bytes of the news ring, a power of two from 4096 to 1 GiB; auto = 1 MiB. A small one delays facts and loses none" },
	{ "monitor.pin",
	  CONFIG_PIN,
	  "/sys/fs/bpf/abidrift",
	  { NULL },
	  "folder of a BPF filesystem in which the kernel side goes on while abidrift does not run, or off" },
	{ "store.url",
	  CONFIG_STORE,
	  "sqlite:/var/lib/abidrift/abidrift.db",
	  { NULL },
	  "where fingerprints, baselines and history are kept" },
	{ "store.keep", CONFIG_DURATION, "400d", { NULL }, "history older than this is pruned; baselines and open drift never" },
	{ "serve.listen",
	  CONFIG_LISTEN,
	  "unix:/run/abidrift/http.sock",
	  { NULL },
	  "unix:PATH (group abidrift), ADDRESS:PORT (loopback only, unless TLS and a token are configured), or none" },
	{ "serve.host", CONFIG_TEXT, "", { NULL }, "names beside its own by which clients may call it (Host header), separated by spaces" },
	{ "serve.token_file", CONFIG_FILE_PATH, "", { NULL }, "clients must show one of the tokens of this file (a line each): Authorization: Bearer" },
	{ "serve.tls_cert", CONFIG_FILE_PATH, "", { NULL }, "certificate and chain, PEM: HTTPS" },
	{ "serve.tls_key", CONFIG_FILE_PATH, "", { NULL }, "its key, PEM" },
	{ "serve.tls_client_ca", CONFIG_FILE_PATH, "", { NULL }, "clients must show a certificate that one of these signed, PEM" },
	{ "alerts.give_up", CONFIG_DURATION, "3d", { NULL }, "an alert that its sink did not take for so long is given up, counted and told" },
	{ "alerts.blind_after", CONFIG_DURATION, "30s", { NULL }, "without a heartbeat of its own for so long a monitor is blind; at least 10s" },
	{ "alerts.retry_max", CONFIG_DURATION, "5m", { NULL }, "the longest pause between two attempts" },
	{ "stdout.enable", CONFIG_CHOICE, "on", SWITCH, "alerts as JSON lines on standard output" },
	{ "journal.enable", CONFIG_CHOICE, "on", SWITCH, "alerts into the journal of this host, from when there is one" },
	{ "alertmanager.enable", CONFIG_CHOICE, "on", SWITCH, "drift as alerts of Alertmanager, where a url is set" },
	{ "alertmanager.url", CONFIG_URLS, "", { NULL }, "every peer of the cluster, separated by spaces: https://HOST:9093" },
	{ "alertmanager.resend", CONFIG_DURATION, "1m", { NULL }, "what lasts is sent again so often; Alertmanager forgets it after four times that" },
	{ "alertmanager.ca_file", CONFIG_FILE_PATH, "", { NULL }, "who may have signed its certificate, PEM; else the system's authorities" },
	{ "alertmanager.cert_file", CONFIG_FILE_PATH, "", { NULL }, "client certificate, PEM" },
	{ "alertmanager.key_file", CONFIG_FILE_PATH, "", { NULL }, "its key, PEM" },
	{ "alertmanager.token_file", CONFIG_FILE_PATH, "", { NULL }, "sent as Authorization: Bearer" },
	{ "webhook.enable", CONFIG_CHOICE, "on", SWITCH, "alerts as CloudEvents by HTTP POST, where a url is set" },
	{ "webhook.url", CONFIG_URL, "", { NULL }, "https://…, one" },
	{ "webhook.secret_file", CONFIG_FILE_PATH, "", { NULL }, "signed with each secret of this file (a line each, whsec_…), as Standard Webhooks say" },
	{ "webhook.ca_file", CONFIG_FILE_PATH, "", { NULL }, "who may have signed its certificate, PEM; else the system's authorities" },
	{ "webhook.cert_file", CONFIG_FILE_PATH, "", { NULL }, "client certificate, PEM" },
	{ "webhook.key_file", CONFIG_FILE_PATH, "", { NULL }, "its key, PEM" },
	{ "webhook.timeout", CONFIG_DURATION, "15s", { NULL }, "for one request" },
	{ "syslog.enable", CONFIG_CHOICE, "on", SWITCH, "alerts as RFC 5424 messages, where an address is set" },
	{ "syslog.address", CONFIG_SYSLOG, "", { NULL }, "tls:HOST:PORT, tcp:HOST:PORT or unix:PATH" },
	{ "syslog.facility", CONFIG_TEXT, "daemon", { NULL }, "as syslog(3) names them: daemon, user, local0 to local7" },
	{ "syslog.ca_file", CONFIG_FILE_PATH, "", { NULL }, "who may have signed its certificate, PEM; else the system's authorities" },
	{ "syslog.cert_file", CONFIG_FILE_PATH, "", { NULL }, "client certificate, PEM" },
	{ "syslog.key_file", CONFIG_FILE_PATH, "", { NULL }, "its key, PEM" },
	{ "command.enable", CONFIG_CHOICE, "on", SWITCH, "a program run for each alert, with the JSON on its standard input, where one is set" },
	{ "command.run", CONFIG_PROGRAM, "", { NULL }, "its path and arguments, separated by spaces; no shell" },
	{ "command.timeout", CONFIG_DURATION, "30s", { NULL }, "it is killed after so long, and tried again" },
};
#define ROWS (sizeof rows / sizeof *rows)

struct config {
	char *values[ROWS]; /* NULL = default */
	char *masked[ROWS]; /* what people are shown instead; NULL = the value */
	struct config_rule *rules;
	size_t rule_count;
};

struct config *config_new(void)
{
	return calloc(1, sizeof(struct config));
}

static void rule_release(struct config_rule *r)
{
	free(r->pair);
	free(r->name);
	free(r->key);
	free(r->value);
	free(r->place);
}

/* Nor in memory that is given back. */
static void secret_free(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

void config_forget_secrets(struct config *c)
{
	for (size_t i = 0; i < ROWS; i++) {
		if (!c->masked[i])
			continue;
		secret_free(c->values[i]);
		c->values[i] = c->masked[i];
		c->masked[i] = NULL;
	}
}

void config_free(struct config *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < ROWS; i++) {
		secret_free(c->values[i]);
		free(c->masked[i]);
	}
	for (size_t i = 0; i < c->rule_count; i++)
		rule_release(&c->rules[i]);
	free(c->rules);
	free(c);
}

static const struct config_row *row_find(const char *key)
{
	for (size_t i = 0; i < ROWS; i++)
		if (!strcmp(rows[i].key, key))
			return &rows[i];
	return NULL;
}

static bool section_known(const char *name, size_t length)
{
	for (size_t i = 0; i < ROWS; i++)
		if (!strncmp(rows[i].key, name, length) && rows[i].key[length] == '.')
			return true;
	return false;
}

const char *config_get(const struct config *c, const char *key)
{
	const struct config_row *row = row_find(key);

	if (!row)
		return NULL;
	return c->values[row - rows] ? c->values[row - rows] : row->fallback;
}

bool config_is_set(const struct config *c, const char *key)
{
	const struct config_row *row = row_find(key);
	return row && c->values[row - rows];
}

uint64_t config_ns(const struct config *c, const char *key)
{
	const char *value = config_get(c, key);
	uint64_t ns = 0;

	if (value && text_duration(value, &ns) < 0)
		return 0;
	return ns;
}

uint64_t config_number(const struct config *c, const char *key)
{
	const char *value = config_get(c, key);
	uint64_t number = 0;

	if (value && text_u64(value, &number) < 0)
		return 0;
	return number;
}

/* Each of them, separated by spaces. */
static bool urls_good(const char *value)
{
	for (const char *p = value + strspn(value, " "); *p; p += strspn(p, " ")) {
		size_t scheme = !strncmp(p, "https://", 8) ? 8 : !strncmp(p, "http://", 7) ? 7 : 0, length = strcspn(p, " ");

		if (!scheme || length == scheme)
			return false;
		p += length;
	}
	return true;
}

/* NULL: the value is good. Else what it has to be. */
static const char *value_wanted(const struct config_row *row, const char *value, char *room, size_t size)
{
	uint64_t number;

	switch (row->kind) {
	case CONFIG_DURATION:
		return text_duration(value, &number) < 0 ? "a whole number with ms, s, m, h or d" : NULL;
	case CONFIG_CHOICE:
		for (size_t i = 0; row->choices[i]; i++)
			if (!strcmp(row->choices[i], value))
				return NULL;
		snprintf(room, size, "%s or %s", row->choices[0], row->choices[1]);
		return room;
	case CONFIG_QUOTA:
		if (!strcmp(value, row->fallback))
			return NULL;
		if (text_u64(value, &number) >= 0 && number >= CONFIG_QUOTA_MIN && number <= CONFIG_QUOTA_MAX)
			return NULL;
		snprintf(room, size, "auto, or a number from %d to %d", CONFIG_QUOTA_MIN, CONFIG_QUOTA_MAX);
		return room;
	case CONFIG_RING:
		if (!strcmp(value, row->fallback))
			return NULL;
		if (text_u64(value, &number) >= 0 && number >= CONFIG_RING_MIN && number <= CONFIG_RING_MAX && !(number & (number - 1)))
			return NULL;
		snprintf(room, size, "auto, or a power of two from %d to %d", CONFIG_RING_MIN, CONFIG_RING_MAX);
		return room;
	case CONFIG_PIN:
		return !strcmp(value, "off") || (*value == '/' && value[1] && value[strlen(value) - 1] != '/') ? NULL : "off, or the absolute path of a folder";
	case CONFIG_STORE:
		return strncmp(value, "sqlite:", 7) || !value[7] ? "sqlite:PATH" : NULL;
	case CONFIG_TEXT:
		return NULL;
	case CONFIG_FILE_PATH:
		return *value && *value != '/' ? "the absolute path of a file" : NULL;
	case CONFIG_URL:
		return urls_good(value) && !strchr(value, ' ') ? NULL : "one http://HOST… or https://HOST…";
	case CONFIG_URLS:
		return urls_good(value) ? NULL : "http://HOST… or https://HOST…";
	case CONFIG_SYSLOG:
		return !*value || !strncmp(value, "tls:", 4) || !strncmp(value, "tcp:", 4) || !strncmp(value, "unix:/", 6) ?
			       NULL :
			       "tls:HOST:PORT, tcp:HOST:PORT or unix:PATH";
	case CONFIG_PROGRAM:
		return *value && *value != '/' ? "the absolute path of a program, and its arguments" : NULL;
	case CONFIG_LISTEN:
		return !strcmp(value, "none") || strchr(value, ':') ? NULL : "unix:PATH, ADDRESS:PORT or none";
	}
	return NULL;
}

/* ---- secrets in values */

/* Their values may hold passwords or tokens, also where they are wrong. */
static bool may_be_secret(enum config_kind kind)
{
	return kind == CONFIG_URL || kind == CONFIG_URLS || kind == CONFIG_STORE || kind == CONFIG_PROGRAM;
}

/*
 * Behind what stands before the host of a URL; 0: nothing does. A password that holds what it should have written as %2F ends the
 * host too early: then there is no port.
 */
static size_t user_end(const char *text, size_t length)
{
	size_t host = strcspn(text, "/?# "), port = strcspn(text, ":/?# ");
	const char *at = memrchr(text, '@', host < length ? host : length);

	if (!at && port < host && (port + 1 == host || port + 1 + strspn(text + port + 1, "0123456789") != host) && *text != '[')
		at = memrchr(text, '@', length);
	return at ? (size_t)(at + 1 - text) : 0;
}

/* *ret NULL: there is nothing to mask. */
static int urls_mask(const char *value, char **ret)
{
	struct buffer text = BUFFER_INIT;
	bool masked = false;

	for (const char *p = value; *p;) {
		size_t spaces = strspn(p, " "), length = strcspn(p + spaces, " "), user;
		const char *word = p + spaces, *host = memmem(word, length, "://", 3);

		host = host ? host + 3 : word;
		host += strspn(host, "/");
		user = user_end(host, length - (size_t)(host - word));
		buffer_append(&text, p, (size_t)(host - p));
		if (user) {
			size_t name = strcspn(host, ":@");

			/* A user without a password is a token. */
			buffer_printf(&text, "%.*s***@", host[name] == ':' ? (int)name + 1 : 0, host);
			masked = true;
		}
		buffer_append(&text, host + user, length - (size_t)(host - word) - user);
		p = word + length;
	}
	if (buffer_failed(&text)) {
		buffer_release(&text);
		return -ENOMEM;
	}
	*ret = masked ? buffer_take(&text, NULL) : NULL;
	buffer_release(&text);
	return 0;
}

/* Where a key was meant a URL may stand when something was mistyped. */
static int name_shown(const char *name)
{
	size_t length = strcspn(name, "=:/@");

	return length < 120 ? (int)length : 120;
}

static const char *value_shown(const struct config *c, size_t i)
{
	return c->masked[i] ? c->masked[i] : config_get(c, rows[i].key);
}

/* Errors name what was wrong; the caller puts the place before it. */
static int value_set(struct config *c, const char *key, const char *value, struct error *e)
{
	const struct config_row *row = row_find(key);
	const char *dot = strchr(key, '.'), *wanted;
	char room[96], *copy, *masked = NULL;

	if (!row && (!dot || !section_known(key, (size_t)(dot - key))))
		return error_set(e, EINVAL, "there is no section %.*s (see abidrift run --print-config)", dot ? (int)(dot - key) : name_shown(key), key);
	if (!row)
		return error_set(e, EINVAL, "there is no key %.*s (see abidrift run --print-config)", name_shown(key), key);
	wanted = value_wanted(row, value, room, sizeof room);
	if (wanted && may_be_secret(row->kind))
		return error_set(e, EINVAL, "%s has to be %s", key, wanted);
	if (wanted)
		return error_set(e, EINVAL, "%s is \"%.120s\", but has to be %s", key, value, wanted);
	copy = strdup(value);
	if (!copy || ((row->kind == CONFIG_URL || row->kind == CONFIG_URLS) && urls_mask(value, &masked) < 0)) {
		free(copy);
		return error_set(e, ENOMEM, "out of memory");
	}
	secret_free(c->values[row - rows]);
	free(c->masked[row - rows]);
	c->values[row - rows] = copy;
	c->masked[row - rows] = masked;
	return 0;
}

/* ---- rules */

const struct config_rule *config_rules(const struct config *c, size_t *ret_count)
{
	*ret_count = c->rule_count;
	return c->rules;
}

/* Where the line is that says this key of this rule, else behind the rule's last line; *ret_found, *ret_known: there is it, there is the rule. */
static size_t rule_place(const struct config *c, const char *name, const char *key, bool *ret_found, bool *ret_known)
{
	size_t at = c->rule_count;

	*ret_found = *ret_known = false;
	for (size_t i = 0; i < c->rule_count; i++) {
		const struct config_rule *r = &c->rules[i];

		if (strcmp(r->name, name))
			continue;
		*ret_known = true;
		at = i + 1;
		if (key ? r->key && !strcmp(r->key, key) : !r->key) {
			*ret_found = true;
			return i;
		}
	}
	return at;
}

static int rule_line_make(const char *name, const char *key, const char *value, const char *place, struct config_rule *ret)
{
	struct config_rule r = { .name = strdup(name), .place = strdup(place), .key = key ? strdup(key) : NULL, .value = key ? strdup(value) : NULL };
	struct buffer pair = BUFFER_INIT;

	buffer_printf(&pair, CONFIG_RULE_PREFIX "%s%s%s", name, key ? "." : "", key ? key : "");
	r.pair = buffer_take(&pair, NULL);
	if (!r.name || !r.place || !r.pair || (key && (!r.key || !r.value))) {
		rule_release(&r);
		return -ENOMEM;
	}
	*ret = r;
	return 0;
}

static int rule_line_put(struct config *c, const char *name, const char *key, const char *value, const char *place, struct error *e)
{
	bool found, known;
	size_t at = rule_place(c, name, key, &found, &known);
	struct config_rule line, *larger;

	if (found && !key)
		return 0; /* opened before */
	if (!found && c->rule_count == RULE_LINES_MAX)
		return error_set(e, EINVAL, "the rules have more than %d lines", RULE_LINES_MAX);
	if (rule_line_make(name, key, value, place, &line) < 0)
		return error_set(e, ENOMEM, "out of memory");
	if (found) {
		rule_release(&c->rules[at]);
		c->rules[at] = line;
		return 0;
	}
	larger = reallocarray(c->rules, c->rule_count + 1, sizeof *larger);
	if (!larger) {
		rule_release(&line);
		return error_set(e, ENOMEM, "out of memory");
	}
	c->rules = larger;
	memmove(&larger[at + 1], &larger[at], (c->rule_count - at) * sizeof *larger);
	larger[at] = line;
	c->rule_count++;
	return 0;
}

static bool rule_name_good(const char *name, size_t length)
{
	return length && length <= RULE_NAME_BYTES &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") >= length;
}

/* What config_print writes must be read back as it is: a comment, a line's end or a line that is too long would cut it. */
static const char *rule_value_wanted(const char *key, const char *value)
{
	size_t length = strlen(value);

	if (!length)
		return "has no value";
	if (value[0] == ' ' || value[0] == '\t' || value[length - 1] == ' ' || value[length - 1] == '\t')
		return "begins or ends with a space";
	for (const char *p = value; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return "holds a control character";
	if (value[0] == ';' || strstr(value, " ;"))
		return "holds \" ;\", where a comment begins";
	return strlen(key) + 3 + length + 1 > CONFIG_LINE_BYTES ? "is too long (a line has 190 bytes at most)" : NULL;
}

/* key NULL: only the section is there so far. */
static int rule_set(struct config *c, const char *name, const char *key, const char *value, const char *place, struct error *e)
{
	const char *wrong = key ? rule_value_wanted(key, value) : NULL;
	int err;

	if (!rule_name_good(name, strlen(name)))
		return error_set(e, EINVAL, "a rule's name has 1 to %d letters, digits, '.', '_' or '-', not \"%.60s\"", RULE_NAME_BYTES, name);
	if (key && (!*key || strlen(key) > RULE_KEY_BYTES))
		return error_set(e, EINVAL, "rule %s has no key \"%.60s\"", name, key);
	if (wrong)
		return error_set(e, EINVAL, "%s of rule %s %s", key, name, wrong);
	err = rule_line_put(c, name, NULL, NULL, place, e);
	return err < 0 || !key ? err : rule_line_put(c, name, key, value, place, e);
}

/* "suppress.NAME.KEY": a name may hold dots, a key has none. */
static int rule_assign(struct config *c, char *text, const char *value, struct error *e)
{
	char *name = text + strlen(CONFIG_RULE_PREFIX), *dot = strrchr(name, '.');

	if (!dot)
		return error_set(e, EINVAL, "%.120s has to be " CONFIG_RULE_PREFIX "NAME.KEY", text);
	*dot = '\0';
	return rule_set(c, name, dot + 1, value, "--set", e);
}

int config_assign(struct config *c, const char *assignment, struct error *e)
{
	const char *equals = strchr(assignment, '=');
	struct error why = ERROR_INIT;
	char *key;
	int err;

	if (!equals || !memchr(assignment, '.', (size_t)(equals - assignment)))
		return error_set(e, EINVAL, "--set %.*s…: has to be SECTION.KEY=VALUE", name_shown(assignment), assignment);
	key = strndup(assignment, (size_t)(equals - assignment));
	if (!key)
		return error_set(e, ENOMEM, "out of memory");
	if (!strncmp(key, CONFIG_RULE_PREFIX, strlen(CONFIG_RULE_PREFIX)))
		err = rule_assign(c, key, equals + 1, &why);
	else
		err = value_set(c, key, equals + 1, &why);
	free(key);
	return err < 0 ? error_set(e, -err, "--set: %s", why.text) : 0;
}

/* One file being read: inih calls for lines, then with what stands on them. The first error stays. */
struct reading {
	struct config *config;
	const char *path;
	FILE *file;
	int line;
	int failed_line; /* 0 = none yet */
	struct error failed;
	int code;
};

#define PLACE_BYTES 512

static const char *reading_place(const struct reading *r, char room[PLACE_BYTES])
{
	snprintf(room, PLACE_BYTES, "%.480s:%d", r->path, r->line);
	return room;
}

static void reading_failed(struct reading *r, int code, const char *why)
{
	if (r->failed_line)
		return;
	r->failed_line = r->line;
	r->code = code;
	error_set(&r->failed, -code, "%s:%d: %s", r->path, r->line, why);
}

/* A section is checked here, because inih tells of it only with its first key, and cuts a long name. */
static void reading_section(struct reading *r, const char *text, size_t length)
{
	struct error why = ERROR_INIT;
	char place[PLACE_BYTES], *name;
	int err = 0;

	if (section_known(text, length))
		return;
	name = strndup(text, length);
	if (!name)
		err = error_set(&why, ENOMEM, "out of memory");
	else if (strncmp(name, RULE_SECTION, strlen(RULE_SECTION)))
		err = error_set(&why, EINVAL, "there is no section [%.80s] (see abidrift run --print-config)", name);
	else
		err = rule_set(r->config, name + strlen(RULE_SECTION), NULL, NULL, reading_place(r, place), &why);
	free(name);
	if (err < 0)
		reading_failed(r, err, why.text);
}

/*
 * A line for inih. Indentation goes, or inih takes the line for a continuation of the one before.
 */
static char *reading_line(char *room, int size, void *context)
{
	struct reading *r = context;
	char *line = NULL, *text;
	size_t allocated = 0, length;

	if (getline(&line, &allocated, r->file) < 0) {
		free(line);
		return NULL;
	}
	r->line++;
	for (text = line; *text == ' ' || *text == '\t'; text++)
		;
	length = strlen(text);
	if (length > CONFIG_LINE_BYTES || length + 1 > (size_t)size) {
		reading_failed(r, -EINVAL, "the line is too long (190 bytes are the most)");
		text = (char *)"\n";
		length = 1;
	}
	if (*text == '[') {
		size_t name = strcspn(text + 1, "]\n");

		if (text[1 + name] == ']')
			reading_section(r, text + 1, name);
	}
	memcpy(room, text, length + 1);
	explicit_bzero(line, allocated);
	free(line);
	return room;
}

static int reading_pair(void *context, const char *section, const char *name, const char *value)
{
	struct reading *r = context;
	struct error why = ERROR_INIT;
	char key[256], place[PLACE_BYTES];
	int err;

	snprintf(key, sizeof key, "%s.%s", section, name);
	if (!strncmp(section, RULE_SECTION, strlen(RULE_SECTION)))
		err = rule_set(r->config, section + strlen(RULE_SECTION), name, value, reading_place(r, place), &why);
	else if (!*section)
		err = error_set(&why, EINVAL, "%.120s stands before the first [section]", name);
	else
		err = value_set(r->config, key, value, &why);
	if (err < 0)
		reading_failed(r, err, why.text);
	return err >= 0;
}

int config_read(struct config *c, const char *path, struct error *e)
{
	struct reading r = { .config = c, .path = path };
	char text[BUFSIZ];
	struct stat st;
	int line;

	r.file = fopen(path, "re");
	if (!r.file)
		return error_set(e, errno, "cannot read the configuration %s: %s", path, strerror(errno));
	if (fstat(fileno(r.file), &st) == 0 && S_ISDIR(st.st_mode)) {
		fclose(r.file);
		return error_set(e, EISDIR, "cannot read the configuration %s: it is a folder", path);
	}
	/* The library's own would be given back with passwords in it. */
	setvbuf(r.file, text, _IOFBF, sizeof text);
	line = ini_parse_stream(reading_line, &r, reading_pair, &r);
	if (!r.failed_line && ferror(r.file)) {
		reading_failed(&r, -EIO, "cannot be read");
		r.failed_line = 1;
	} else if (line > 0 && (!r.failed_line || line < r.failed_line)) {
		r.failed_line = 0;
		r.line = line;
		reading_failed(&r, -EINVAL, "is neither [SECTION] nor KEY = VALUE nor a comment");
	} else if (line < 0 && !r.failed_line) {
		reading_failed(&r, -ENOMEM, "out of memory");
	}
	fclose(r.file);
	explicit_bzero(text, sizeof text);
	return r.failed_line || r.code ? error_set(e, -r.code, "%s", r.failed.text) : 0;
}

static int is_dropin(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);
	return entry->d_name[0] != '.' && length > 5 && !strcmp(entry->d_name + length - 5, ".conf");
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int dropins_read(struct config *c, const char *path, struct error *e)
{
	struct dirent **names = NULL;
	char folder[4096], file[4096 + 300];
	int count, err = 0;

	if (snprintf(folder, sizeof folder, "%s.d", path) >= (int)sizeof folder)
		return error_set(e, ENAMETOOLONG, "the path of the configuration is too long");
	count = scandir(folder, &names, is_dropin, by_name);
	if (count < 0 && errno != ENOENT && errno != ENOTDIR)
		return error_set(e, errno, "cannot read the configuration folder %s: %s", folder, strerror(errno));
	for (int i = 0; i < count; i++) {
		snprintf(file, sizeof file, "%s/%s", folder, names[i]->d_name);
		if (err >= 0)
			err = config_read(c, file, e);
		free(names[i]);
	}
	free(names);
	return err;
}

int config_load(struct config *c, const char *path, struct error *e)
{
	int err = config_read(c, path ? path : CONFIG_FILE, e);

	if (err == -ENOENT && !path) {
		if (e)
			e->text[0] = 0;
		err = 0;
	}
	return err < 0 ? err : dropins_read(c, path ? path : CONFIG_FILE, e);
}

void config_print(const struct config *c, struct buffer *out)
{
	size_t said = 0;
	const char *section = "";

	for (size_t i = 0; i < ROWS; i++) {
		const char *dot = strchr(rows[i].key, '.');
		size_t length = (size_t)(dot - rows[i].key);

		if (length != said || strncmp(section, rows[i].key, length))
			buffer_printf(out, "%s[%.*s]\n", i ? "\n" : "", (int)length, rows[i].key);
		section = rows[i].key;
		said = length;
		buffer_printf(out, "# %s\n# default: %s\n%s%s = %s\n", rows[i].meaning, rows[i].fallback,
			      c->masked[i] ? "# *** stands for what is not shown: put it back before this is used\n" : "", dot + 1, value_shown(c, i));
	}
	for (size_t i = 0; i < c->rule_count; i++) {
		const struct config_rule *r = &c->rules[i];

		if (r->key)
			buffer_printf(out, "%s = %s\n", r->key, r->value);
		else
			buffer_printf(out, "\n[" RULE_SECTION "%s]\n", r->name);
	}
}

/* The rest is the messenger's, which reads the configuration itself: a URL may hold a password, and traces are handed around. */
static bool of_the_stream(const char *key)
{
	return !strncmp(key, "monitor.", 8) || !strncmp(key, "store.", 6);
}

static const char **pairs_list(const struct config *c, bool (*wanted)(const char *key))
{
	const char **list = calloc(2 * (ROWS + c->rule_count) + 1, sizeof *list);
	size_t at = 0;

	for (size_t i = 0; list && i < ROWS; i++) {
		if (wanted && !wanted(rows[i].key))
			continue;
		list[at++] = rows[i].key;
		list[at++] = value_shown(c, i);
	}
	for (size_t i = 0; list && i < c->rule_count; i++) {
		if (!c->rules[i].key)
			continue;
		list[at++] = c->rules[i].pair;
		list[at++] = c->rules[i].value;
	}
	return list;
}

const char **config_pairs(const struct config *c)
{
	return pairs_list(c, NULL);
}

const char **config_stream_pairs(const struct config *c)
{
	return pairs_list(c, of_the_stream);
}

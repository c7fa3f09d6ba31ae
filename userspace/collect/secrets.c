/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/collect/secrets.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "userspace/base/buffer.h"

#define NAME_MAX_BYTES 128

/* Options whose whole value is the guest's kernel command line: it may hold anything. */
static const char *const opaque_options[] = { "append", "cmdline", "params", "p", NULL };
/* A name is secret if it is one of these … */
static const char *const secret_names[] = { "key", "pass", "passwd", "psk", "pin", "cookie", "auth", "authorization", "credential", "credentials",
	"access-key", "accesskey", "api-key", "apikey", "private-key", "master-key", "sig", "signature", NULL };
/* … or holds one of these … */
static const char *const secret_parts[] = { "password", "passwd", "passphrase", "token", "secret", NULL };
/* … and is none of these, which name or switch something. */
static const char *const harmless_names[] = { "password-secret", "key-secret", "cookie-secret", "passwordid", "secret-id", "secretid",
	"token-file", "password-file", "secret-file", "no-password", NULL };

struct cleaner {
	struct buffer *out;
	bool objects; /* -object, -set: "data" is a secret's content */
	bool fw_cfg;  /* -fw_cfg: so is "string" */
	bool vnc;     /* "password=on" is a switch there */
};

static bool listed(const char *const *list, const char *name)
{
	for (; *list; list++)
		if (!strcasecmp(*list, name))
			return true;
	return false;
}

static bool ends_with(const char *name, const char *end)
{
	size_t a = strlen(name), b = strlen(end);

	return a >= b && !strcasecmp(name + a - b, end);
}

static bool name_secret(const struct cleaner *c, const char *text, size_t size)
{
	char name[NAME_MAX_BYTES];
	const char *last;

	if (size >= sizeof(name))
		return true; /* no option of any VMM has such a name */
	memcpy(name, text, size);
	name[size] = '\0';
	for (char *p = name; *p; p++)
		if (*p == '_')
			*p = '-';
	last = strrchr(name, '.');
	last = last ? last + 1 : name;
	for (const char *const *h = harmless_names; *h; h++)
		if (ends_with(last, *h))
			return false;
	if (listed(secret_names, last) || (c->objects && !strcasecmp(last, "data")) || (c->fw_cfg && !strcasecmp(last, "string")))
		return true;
	for (const char *const *p = secret_parts; *p; p++)
		if (strcasestr(last, *p))
			return true;
	return false;
}

static bool is_name(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '_' || c == '.';
}

static bool is_switch(const char *text, size_t size)
{
	return (size == 2 && !strncmp(text, "on", 2)) || (size == 3 && !strncmp(text, "off", 3));
}

/*
 * A quoted JSON name at `at` whose value is secret: appends up to and with the value's replacement. Quotes may be escaped
 * (JSON within a string of JSON): an end quote has the same number of backslashes as its begin. Returns bytes used, 0 = no.
 */
static size_t clean_json(const struct cleaner *c, const char *at, const char *end)
{
	const char *p = at, *name, *name_end, *value;
	size_t escape;

	while (p < end && *p == '\\')
		p++;
	escape = p - at;
	if (p == end || *p != '"')
		return 0;
	name = ++p;
	while (p < end && is_name(*p))
		p++;
	name_end = p;
	while (p < end && *p == '\\')
		p++;
	if (p == end || *p != '"' || (size_t)(p - name_end) != escape || !name_secret(c, name, name_end - name))
		return 0;
	for (p++; p < end && isspace((unsigned char)*p); p++)
		;
	if (p == end || *p != ':')
		return 0;
	for (p++; p < end && isspace((unsigned char)*p); p++)
		;
	value = p;
	while (p < end && *p == '\\')
		p++;
	if (p < end && *p == '"' && (size_t)(p - value) == escape) {
		size_t run = 0;

		for (p++; p < end && (*p != '"' || run != escape); p++)
			run = *p == '\\' ? run + 1 : 0;
		buffer_append(c->out, at, value - at + escape + 1);
		buffer_string(c->out, SECRETS_REMOVED);
		if (p == end)
			return p - at;
		buffer_append(c->out, value, escape);
		buffer_append(c->out, "\"", 1);
		return p + 1 - at;
	}
	while (p < end && *p != ',' && *p != '}' && *p != ']')
		p++;
	buffer_append(c->out, at, value - at);
	buffer_string(c->out, SECRETS_REMOVED);
	return p - at;
}

/* "://user:password@": appends up to the '@' without the password. iSCSI writes user%password. Returns bytes used, 0 = no. */
static size_t clean_url(const struct cleaner *c, const char *at, const char *end)
{
	const char *begin = at + 3, *p, *host = NULL, *split;

	if (end - at < 4 || strncmp(at, "://", 3))
		return 0;
	for (p = begin; p < end && !strchr("/?#\" \t", *p); p++)
		if (*p == '@')
			host = p;
	if (!host)
		return 0;
	for (split = begin; split < host && *split != ':' && *split != '%'; split++)
		;
	/* A '%' of a percent-encoded user name is none of iSCSI's: cutting there as well loses a bit of a name only. */
	if (split == host)
		return 0;
	buffer_append(c->out, at, split + 1 - at);
	buffer_string(c->out, SECRETS_REMOVED);
	return host - at;
}

/* name=value within a value (URL queries, rbd's "pool/image:id=x:key=…"), whose delimiter before the name also ends it. */
static size_t clean_nested(const struct cleaner *c, char delimiter, const char *at, const char *end)
{
	const char *p = at, *value;

	while (p < end && is_name(*p))
		p++;
	if (p == at || p == end || *p != '=' || !name_secret(c, at, p - at))
		return 0;
	value = ++p;
	if (c->vnc && is_switch(value, end - value))
		return 0;
	for (; p < end; p++) {
		if (*p == '\\' && p + 1 < end)
			p++;
		else if (delimiter && (*p == delimiter || (delimiter == '?' && *p == '&')))
			break;
	}
	buffer_append(c->out, at, value - at);
	buffer_string(c->out, SECRETS_REMOVED);
	return p - at;
}

/* Systemd's way to hand secrets to a guest in SMBIOS strings. */
static size_t clean_credential(const struct cleaner *c, const char *at, const char *end)
{
	static const char prefix[] = "io.systemd.credential";
	const char *p;

	if ((size_t)(end - at) < sizeof(prefix) - 1 || strncmp(at, prefix, sizeof(prefix) - 1))
		return 0;
	for (p = at; p < end && *p != '='; p++)
		;
	if (p == end)
		return 0;
	buffer_append(c->out, at, p + 1 - at);
	buffer_string(c->out, SECRETS_REMOVED);
	return end - at;
}

/* One element of a comma-separated list, or a whole argument. */
static void clean_element(const struct cleaner *c, const char *text, const char *end)
{
	char before = '\0';

	for (const char *p = text; p < end;) {
		size_t used = 0;

		if (p == text || strchr("?&:;|= ", before))
			used = clean_credential(c, p, end);
		if (!used && (p == text || strchr("?&:;| ", before)))
			used = clean_nested(c, before, p, end);
		if (!used && *p == ':')
			used = clean_url(c, p, end);
		if (!used) {
			buffer_append(c->out, p, 1);
			used = 1;
		}
		before = p[used - 1];
		p += used;
	}
}

static const char *quote_or(const char *text, const char *end)
{
	for (; text < end && *text != '"' && *text != '\\'; text++)
		;
	return text;
}

/* Has the text a quote? Then it is JSON, or holds some: names and values are found by their quotes, elements mean nothing. */
static void clean_quoted(const struct cleaner *c, const char *text, const char *end)
{
	char before = '\0';

	for (const char *p = text; p < end;) {
		size_t used = 0;

		if (*p == '"' || *p == '\\')
			used = clean_json(c, p, end);
		if (!used && before && strchr("?&:;|", before))
			used = clean_nested(c, before, p, quote_or(p, end));
		if (!used && *p == ':')
			used = clean_url(c, p, end);
		if (!used) {
			buffer_append(c->out, p, 1);
			used = 1;
		}
		before = p[used - 1];
		p += used;
	}
}

/* Elements end at a comma; two commas are one that belongs to the value. */
static void clean_list(const struct cleaner *c, const char *text)
{
	const char *begin = text, *p = text;

	for (;; p++) {
		if (*p == ',' && p[1] == ',') {
			p++;
			continue;
		}
		if (*p && *p != ',')
			continue;
		clean_element(c, begin, p);
		if (!*p)
			return;
		buffer_append(c->out, ",", 1);
		begin = p + 1;
	}
}

static void clean_value(const struct cleaner *c, const char *text)
{
	struct buffer middle = BUFFER_INIT;
	struct cleaner first = *c;

	if (!strchr(text, '"')) {
		clean_list(c, text);
		return;
	}
	first.out = &middle;
	clean_quoted(&first, text, text + strlen(text));
	if (text[0] == '{' || text[0] == '[')
		buffer_append(c->out, middle.data, middle.size);
	else if (!buffer_failed(&middle))
		clean_list(c, middle.data);
	if (buffer_failed(&middle))
		c->out->failed = true;
	buffer_release(&middle);
}

/* The option that an argument is, without dashes, or NULL. */
static const char *option_name(const char *argument)
{
	if (!argument || argument[0] != '-')
		return NULL;
	return argument + (argument[1] == '-' ? 2 : 1);
}

void secrets_clean(const char *previous, const char *argument, struct buffer *out)
{
	const char *option = option_name(previous), *own = option_name(argument);
	struct cleaner c = { .out = out };
	size_t own_size = own ? strcspn(own, "=,:") : 0;

	/* --option=value is an option and its value in one. */
	if (own && own[own_size] == '=') {
		char name[NAME_MAX_BYTES] = "";

		if (own_size < sizeof(name))
			memcpy(name, own, own_size);
		if (listed(opaque_options, name) || name_secret(&c, own, own_size)) {
			buffer_append(out, argument, own + own_size + 1 - argument);
			buffer_string(out, SECRETS_REMOVED);
			return;
		}
	}
	if (option && !strchr(option, '=') && (listed(opaque_options, option) || name_secret(&c, option, strlen(option)))) {
		buffer_string(out, SECRETS_REMOVED);
		return;
	}
	if (option) {
		c.objects = !strcmp(option, "object") || !strcmp(option, "set");
		c.fw_cfg = !strcmp(option, "fw_cfg");
		c.vnc = !strcmp(option, "vnc");
	}
	clean_value(&c, argument);
}

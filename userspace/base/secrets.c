/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/base/secrets.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "userspace/base/buffer.h"

#define NAME_MAX_BYTES 128
#define ESCAPES_MAX 63 /* before a quote: JSON in a string of JSON, five times */
#define SYSTEMD_NAME_MAX_BYTES 512
#define CLEANINGS_MAX 4 /* until nothing changes any more */
#define ABBREVIATED_BYTES 3 /* kvmtool takes the beginning of an option for it */

/* Options whose whole value is the guest's kernel command line: it may hold anything. */
static const char *const opaque_options[] = { "append", "cmdline", "params", "p", "kernel-cmdline", "kernel-opts", "boot-args", "bootargs",
	NULL };
/* A name is secret if it is one of these … */
static const char *const secret_names[] = { "key", "pass", "pw", "pwd", "psk", "pin", "cookie", "rxcookie", "txcookie", "auth", "authorization",
	"accesskey", "apikey", "authkey", "privkey", "sig", "osk", "guestfwd", NULL }; /* the last may be a command, as those of struct cleaner */
/* … or holds one of these, or ends in "-key" or "pw" … */
static const char *const secret_parts[] = { "password", "passwd", "passphrase", "token", "secret", "credential", "signature", NULL };
/* … and is none of these, which name or switch something. */
static const char *const harmless_names[] = { "password-secret", "key-secret", "cookie-secret", "passwordid", "secret-id", "secretid",
	"token-file", "password-file", "secret-file", "no-password", NULL };

struct cleaner {
	struct buffer *out;
	bool objects; /* -object, -set, -global: "data" is a secret's content */
	bool value;   /* -global of a secret property: so is "value" */
	bool netdev;  /* "param" is an argument of passt's */
	bool incoming; /* "args" are a command's */
	bool table;   /* -acpitable: "sig" is no signature of somebody, but the table's name */
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

/* Names that mean a secret, or none, with one option only. */
static bool name_secret_here(const struct cleaner *c, const char *name)
{
	return (c->objects && !strcasecmp(name, "data")) || (c->fw_cfg && !strcasecmp(name, "string")) || (c->value && !strcasecmp(name, "value")) ||
	       (c->netdev && !strcasecmp(name, "param")) || (c->incoming && !strcasecmp(name, "args"));
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
	if (c->table && !strcasecmp(last, "sig"))
		return false;
	if (listed(secret_names, last) || ends_with(last, "-key") || ends_with(last, "pw") || name_secret_here(c, last))
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

/* Behind a run of backslashes; *ret = how many. */
static const char *escapes(const char *p, const char *end, size_t *ret)
{
	const char *begin = p;

	while (p < end && *p == '\\' && p - begin <= ESCAPES_MAX)
		p++;
	*ret = (size_t)(p - begin);
	return p;
}

/* The quote that ends a string whose begin had `escape` backslashes, at most `max` bytes on; or NULL. */
static const char *string_end(const char *p, const char *end, char quote, size_t escape, size_t max)
{
	size_t run = 0;

	for (const char *begin = p; p < end && (size_t)(p - begin) < max; p++) {
		if (*p == quote && run == escape)
			return p;
		run = *p == '\\' ? run + 1 : 0;
	}
	return NULL;
}

static const char *blanks(const char *p, const char *end)
{
	while (p < end && isspace((unsigned char)*p))
		p++;
	return p;
}

/* An object or an array, to behind its end; or to the end of the text. */
static const char *nested_end(const char *p, const char *end)
{
	size_t depth = 0, run = 0;

	for (; p < end; p++) {
		if (*p == '"' || *p == '\'')
			p = string_end(p + 1, end, *p, run, SIZE_MAX);
		else if (*p == '{' || *p == '[')
			depth++;
		else if ((*p == '}' || *p == ']') && --depth == 0)
			return p + 1;
		if (!p)
			break;
		run = *p == '\\' ? run + 1 : 0;
	}
	return end;
}

/*
 * A quoted JSON name at `at` whose value is secret: appends up to and with the value's replacement. Quotes may be escaped
 * (JSON within a string of JSON): an end quote has the same number of backslashes as its begin. QEMU takes single quotes too, and
 * a name written with \u may be any. Returns bytes used, 0 = no.
 */
static size_t clean_json(const struct cleaner *c, const char *at, const char *end)
{
	size_t escape, run;
	const char *name = escapes(at, end, &escape), *name_end, *value, *stop;
	char quote = name < end ? *name : '\0';

	if ((quote != '"' && quote != '\'') || escape > ESCAPES_MAX)
		return 0;
	name_end = string_end(++name, end, quote, escape, NAME_MAX_BYTES);
	if (!name_end)
		return 0;
	value = blanks(name_end + 1, end);
	if (value == end || *value != ':')
		return 0;
	if (!memmem(name, name_end - name, "\\u", 2) && !name_secret(c, name, name_end - name - escape))
		return 0;
	value = blanks(value + 1, end);
	stop = escapes(value, end, &run);
	buffer_append(c->out, at, value - at);
	if (stop < end && (*stop == '"' || *stop == '\'') && run == escape) {
		const char *last = string_end(stop + 1, end, *stop, escape, SIZE_MAX);

		buffer_append(c->out, value, escape + 1);
		buffer_string(c->out, SECRETS_REMOVED);
		if (!last)
			return end - at;
		buffer_append(c->out, last - escape, escape + 1);
		return last + 1 - at;
	}
	if (value < end && (*value == '{' || *value == '['))
		stop = nested_end(value, end);
	else
		for (stop = value; stop < end && *stop != ',' && *stop != '}' && *stop != ']'; stop++)
			;
	buffer_string(c->out, SECRETS_REMOVED);
	return stop - at;
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

/*
 * Systemd's ways to hand a guest what is its own, in SMBIOS strings: credentials, and more of the kernel's command line. Up to a
 * quote, which is not its own, or the end.
 */
static size_t clean_systemd(const struct cleaner *c, const char *at, const char *end)
{
	static const char prefix[] = "io.systemd.";
	const char *p, *stop;

	if ((size_t)(end - at) < sizeof(prefix) - 1 || strncasecmp(at, prefix, sizeof(prefix) - 1))
		return 0;
	for (p = at; p < end && *p != '=' && p - at < SYSTEMD_NAME_MAX_BYTES; p++)
		;
	if (p == end || *p != '=')
		return 0;
	for (stop = p + 1; stop < end && *stop != '"'; stop++)
		;
	buffer_append(c->out, at, p + 1 - at);
	buffer_string(c->out, SECRETS_REMOVED);
	return stop - at;
}

/* Behind the `used` bytes that were dealt with; where there are none one byte is as it is. */
static const char *pass(const struct cleaner *c, const char *p, size_t used, char *before)
{
	if (!used) {
		buffer_append(c->out, p, 1);
		used = 1;
	}
	*before = p[used - 1];
	return p + used;
}

/* One element of a comma-separated list, or a whole argument. */
static void clean_element(const struct cleaner *c, const char *text, const char *end)
{
	char before = '\0';

	for (const char *p = text; p < end;) {
		size_t used = 0;

		if (p == text || strchr("?&:;|= [", before))
			used = clean_systemd(c, p, end);
		if (!used && (p == text || strchr("?&:;| ", before)))
			used = clean_nested(c, before, p, end);
		if (!used && *p == ':')
			used = clean_url(c, p, end);
		p = pass(c, p, used, &before);
	}
}

static const char *quote_or(const char *text, const char *end)
{
	for (; text < end && *text != '"' && *text != '\'' && *text != '\\'; text++)
		;
	return text;
}

/* Has the text a quote? Then it is JSON, or holds some: names and values are found by their quotes, elements mean nothing. */
static void clean_quoted(const struct cleaner *c, const char *text, const char *end)
{
	const char *quote = text; /* the next one: looked for once, not from each delimiter before it */
	char before = '\0';

	for (const char *p = text; p < end;) {
		size_t used = 0;

		if (quote <= p)
			quote = quote_or(p, end);
		if (*p == '"' || *p == '\'' || (*p == '\\' && before != '\\'))
			used = clean_json(c, p, end);
		if (!used && *p == 'i' && before && !is_name(before))
			used = clean_systemd(c, p, end);
		if (!used && before && strchr("?&:;|,[ ", before))
			used = clean_nested(c, before, p, quote);
		if (!used && *p == ':')
			used = clean_url(c, p, end);
		p = pass(c, p, used, &before);
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

	if (!strpbrk(text, "\"'")) {
		clean_list(c, text);
		return;
	}
	first.out = &middle;
	clean_quoted(&first, text, text + strlen(text));
	if (text[0] == '{' || text[0] == '[')
		buffer_append(c->out, middle.data, middle.size);
	else if (middle.data && !buffer_failed(&middle))
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

static bool is_opaque(const char *name)
{
	size_t size = strlen(name);

	if (listed(opaque_options, name))
		return true;
	for (const char *const *o = opaque_options; *o; o++)
		if (size >= ABBREVIATED_BYTES && !strncasecmp(*o, name, size))
			return true;
	return false;
}

/* A process that wrote its whole command line over its first argument: where the values of its options end is not known. */
static bool clean_title(const char *argument, struct buffer *out)
{
	const char *options = strstr(argument, " -");

	if (!options)
		return false;
	buffer_append(out, argument, options + 1 - argument);
	buffer_string(out, SECRETS_REMOVED);
	return true;
}

/* -global driver=secret,property=data,value=…; the last property counts, and any may be it. */
static bool property_secret(const struct cleaner *c, const char *text)
{
	static const char key[] = "property=";

	while ((text = strcasestr(text, key))) {
		text += sizeof(key) - 1;
		if (name_secret(c, text, strcspn(text, ",")))
			return true;
	}
	return false;
}

/* What names mean in an option's value. */
static void cleaner_of_option(struct cleaner *c, const char *option, const char *value)
{
	bool global = !strcmp(option, "global");

	c->objects |= global || !strcmp(option, "object") || !strcmp(option, "set");
	c->fw_cfg |= !strcmp(option, "fw_cfg");
	c->vnc = !strcmp(option, "vnc");
	c->netdev = !strcmp(option, "netdev") || !strcmp(option, "nic") || !strcmp(option, "net");
	c->incoming = !strcmp(option, "incoming");
	c->table = !strcmp(option, "acpitable");
	c->value = global && property_secret(c, value);
}

void secrets_clean(const char *previous, const char *argument, struct buffer *out)
{
	const char *option = option_name(previous), *own = option_name(argument);
	struct cleaner c = { .out = out };
	size_t own_size = own ? strcspn(own, "=,:") : 0;

	if (!previous && clean_title(argument, out))
		return;
	if (option && !strchr(option, '=') && (is_opaque(option) || name_secret(&c, option, strlen(option)))) {
		buffer_string(out, SECRETS_REMOVED);
		return;
	}
	/* --option=value is an option and its value in one. */
	if (own && own[own_size] == '=') {
		char name[NAME_MAX_BYTES] = "";

		if (own_size < sizeof(name))
			memcpy(name, own, own_size);
		if (is_opaque(name) || name_secret(&c, own, own_size)) {
			buffer_append(out, argument, own + own_size + 1 - argument);
			buffer_string(out, SECRETS_REMOVED);
			return;
		}
		c.objects = !strcmp(name, "object") || !strcmp(name, "set");
		c.fw_cfg = !strcmp(name, "fw_cfg");
	}
	if (option)
		cleaner_of_option(&c, option, argument);
	/* A shell's command line. */
	if (c.incoming && !strncmp(argument, "exec:", strlen("exec:"))) {
		buffer_string(out, "exec:" SECRETS_REMOVED);
		return;
	}
	clean_value(&c, argument);
}

/*
 * What was removed may have held a quote or a comma, and then names and values are others. So it is done until it changes nothing: what is
 * kept is the same whoever cleans it once more. What never comes to rest goes as a whole.
 */
void secrets_clean_text(const char *text, struct buffer *out)
{
	struct buffer rounds[2] = { BUFFER_INIT, BUFFER_INIT };
	bool rests = false;

	for (unsigned n = 0; n < CLEANINGS_MAX && !rests; n++) {
		struct buffer *now = &rounds[n % 2];
		const struct cleaner c = { .out = now };

		buffer_clear(now);
		clean_value(&c, text);
		if (buffer_failed(now))
			break;
		rests = !strcmp(now->data ? now->data : "", text);
		text = now->data ? now->data : "";
	}
	if (buffer_failed(&rounds[0]) || buffer_failed(&rounds[1]))
		out->failed = true;
	else
		buffer_string(out, rests ? text : SECRETS_REMOVED);
	buffer_release(&rounds[0]);
	buffer_release(&rounds[1]);
}

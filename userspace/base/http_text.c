/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/base/http_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SPACES " \t"

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool control(unsigned char byte)
{
	return byte < ' ' || byte == 0x7f;
}

/* In place. plus: '+' is a space, as forms have it. What is encoded may be any byte of a guest's name, and that ends at the first zero. */
static int decode(char *text, bool plus)
{
	char *to = text;

	for (const char *from = text; *from; from++) {
		unsigned char byte = (unsigned char)*from;

		if (control(byte))
			return -EINVAL;
		if (byte == '%') {
			int high = hex(from[1]), low = high < 0 ? -1 : hex(from[2]);

			if (low < 0)
				return -EINVAL;
			byte = (unsigned char)(high << 4 | low);
			from += 2;
		} else if (byte == '+' && plus) {
			byte = ' ';
		}
		if (!byte)
			return -EINVAL;
		*to++ = (char)byte;
	}
	*to = 0;
	return 0;
}

static int parse_path(char *path, struct http_target *t)
{
	if (*path != '/')
		return -EINVAL;
	if (!path[1])
		return 0;
	for (char *part = path + 1; part;) {
		char *slash = strchr(part, '/');
		int err;

		if (slash)
			*slash = 0;
		if (t->part_count == HTTP_PARTS_MAX)
			return -E2BIG;
		err = decode(part, false);
		if (err < 0)
			return err;
		t->parts[t->part_count++] = part;
		part = slash ? slash + 1 : NULL;
	}
	return 0;
}

static int parse_query(char *query, struct http_target *t)
{
	for (char *arg = query; arg;) {
		char *next = strchr(arg, '&'), *value;

		if (next)
			*next++ = 0;
		if (!*arg) {
			arg = next;
			continue;
		}
		value = strchr(arg, '=');
		if (value)
			*value++ = 0;
		else
			value = arg + strlen(arg);
		if (t->arg_count == HTTP_ARGS_MAX)
			return -E2BIG;
		if (decode(arg, true) < 0 || decode(value, true) < 0)
			return -EINVAL;
		t->args[t->arg_count++] = (struct http_arg){ arg, value };
		arg = next;
	}
	return 0;
}

int http_target_parse(const char *text, struct http_target *ret)
{
	struct http_target t = { 0 };
	char *query;
	int err;

	if (strlen(text) > HTTP_TARGET_MAX)
		return -E2BIG;
	t.room = strdup(text);
	if (!t.room)
		return -ENOMEM;
	query = strchr(t.room, '?');
	if (query)
		*query++ = 0;
	err = parse_path(t.room, &t);
	if (err >= 0)
		err = parse_query(query, &t);
	if (err < 0) {
		http_target_release(&t);
		return err;
	}
	*ret = t;
	return 0;
}

void http_target_release(struct http_target *t)
{
	free(t->room);
	*t = (struct http_target){ 0 };
}

const char *http_target_arg(const struct http_target *t, const char *name)
{
	for (size_t i = 0; i < t->arg_count; i++)
		if (!strcmp(t->args[i].name, name))
			return t->args[i].value;
	return NULL;
}

/* ---- header values */

int http_host_name(const char *header, char *ret, size_t size)
{
	const char *name = header, *rest;
	size_t length;

	if (*name == '[') {
		length = strcspn(++name, "]");
		if (!name[length])
			return -EINVAL;
		rest = name + length + 1;
	} else {
		length = strcspn(name, ":");
		rest = name + length;
	}
	if (!length || length >= size || (*rest && *rest != ':') || (*rest && rest[1 + strspn(rest + 1, "0123456789")]))
		return -EINVAL;
	memcpy(ret, name, length);
	ret[length] = 0;
	return 0;
}

/* "q=0", "q=0.000" */
static bool zero_weight(const char *parameter, size_t length)
{
	const char *p = parameter + 3, *end = parameter + length;

	if (length < 3 || strncasecmp(parameter, "q=0", 3))
		return false;
	if (p < end && *p == '.')
		p++;
	while (p < end && *p == '0')
		p++;
	return p == end || strchr(SPACES, *p);
}

/* "; q=0" among its parameters: what the client will not have. */
static bool refused(const char *coding, size_t length)
{
	const char *end = coding + length;

	for (const char *p = memchr(coding, ';', length); p; p = memchr(p, ';', (size_t)(end - p))) {
		size_t size;

		p += 1 + strspn(p + 1, SPACES);
		size = strcspn(p, ";,");
		if (zero_weight(p, size))
			return true;
	}
	return false;
}

bool http_wants_gzip(const char *header)
{
	bool any = false;

	while (header && *header) {
		size_t length, name;

		header += strspn(header, SPACES);
		length = strcspn(header, ",");
		name = strcspn(header, ",;" SPACES);
		if ((name == 4 && !strncasecmp(header, "gzip", 4)) || (name == 6 && !strncasecmp(header, "x-gzip", 6)))
			return !refused(header, length);
		if (name == 1 && *header == '*')
			any = !refused(header, length);
		header += length + (header[length] == ',');
	}
	return any;
}

bool http_tag_matches(const char *header, const char *tag)
{
	const char *start = header ? header + strspn(header, SPACES) : "";

	if (*start == '*')
		return !start[1 + strspn(start + 1, SPACES)];
	while (header && *header) {
		const char *end;

		header += strspn(header, SPACES ",");
		if (!strncmp(header, "W/", 2))
			header += 2;
		if (*header != '"')
			return false;
		end = strchr(header + 1, '"');
		if (!end)
			return false;
		if ((size_t)(end - header - 1) == strlen(tag) && !memcmp(header + 1, tag, strlen(tag)))
			return true;
		header = end + 1;
	}
	return false;
}

/* What follows the name of a scheme; NULL: it is another one. */
static const char *credentials(const char *header, const char *scheme)
{
	size_t length = strlen(scheme);

	if (!header || strncasecmp(header, scheme, length) || !header[length] || !strchr(SPACES, header[length]))
		return NULL;
	return header + length + strspn(header + length, SPACES);
}

const char *http_bearer(const char *header)
{
	return credentials(header, "bearer");
}

static int base64(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* In place: bytes are fewer than their digits. A zero among them would hide what follows it. */
static int base64_decode(char *text, size_t *ret_size)
{
	size_t count = 0, size = 0;
	unsigned bits = 0;
	int digit;

	for (; (digit = base64(text[count])) >= 0; count++) {
		bits = bits << 6 | (unsigned)digit;
		if (count % 4 == 0)
			continue;
		text[size] = (char)(bits >> (6 - 2 * (count % 4)));
		if (!text[size++])
			return -EINVAL;
	}
	/* The last four are padded to be four. */
	if (count % 4 == 1 || strcmp(text + count, count % 4 == 2 ? "==" : count % 4 == 3 ? "=" : ""))
		return -EINVAL;
	*ret_size = size;
	return 0;
}

char *http_basic(const char *header)
{
	const char *shown = credentials(header, "basic");
	char *text = shown ? strdup(shown) : NULL, *colon = NULL;
	size_t size = 0;

	if (text && base64_decode(text, &size) >= 0) {
		text[size] = 0;
		colon = strchr(text, ':');
	}
	if (!colon) {
		free(text);
		return NULL;
	}
	memmove(text, colon + 1, strlen(colon + 1) + 1);
	return text;
}

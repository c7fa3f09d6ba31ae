/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/fingerprint/fingerprint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/buffer.h"
#include "userspace/base/error.h"
#include "userspace/base/text.h"

#define MAGIC "abidrift-fingerprint "
#define COMMENT_COVERAGE "# coverage "
#define NAME_MAX_SHOWN 40 /* of a wrong word in an error */

/* A piece of the text, not terminated. */
struct span {
	const char *data;
	size_t size;
};

struct line {
	enum facet_id facet;
	struct span key;
	struct span value;
	size_t number;
};

struct parser {
	const char *next, *end;
	size_t number; /* of the line being read, from 1 */
	struct line *lines;
	size_t count, room;
	size_t covered[FACETS]; /* the line that says a facet's coverage, 0 = none */
	struct abi_entries *out;
	struct error *error;
};

static int bad(const struct parser *p, const char *problem)
{
	return error_set(p->error, EBADMSG, "fingerprint text, line %zu: %s", p->number, problem);
}

/* The text is known to be printable here. */
static int bad_word(const struct parser *p, const char *problem, struct span word)
{
	return error_set(p->error, EBADMSG, "fingerprint text, line %zu: %s \"%.*s%s\"", p->number, problem,
			 word.size < NAME_MAX_SHOWN ? (int)word.size : NAME_MAX_SHOWN, word.data, word.size > NAME_MAX_SHOWN ? "..." : "");
}

static bool span_is(struct span span, const char *text)
{
	return span.size == strlen(text) && memcmp(span.data, text, span.size) == 0;
}

static bool span_starts(struct span span, const char *text)
{
	return span.size >= strlen(text) && memcmp(span.data, text, strlen(text)) == 0;
}

static int span_compare(struct span a, struct span b)
{
	size_t common = a.size < b.size ? a.size : b.size;
	int order = common ? memcmp(a.data, b.data, common) : 0;

	if (order != 0)
		return order;
	return a.size < b.size ? -1 : a.size > b.size;
}

static struct span span_rest(struct span span, size_t skip)
{
	return (struct span){ span.data + skip, span.size - skip };
}

/* Takes what is before the first space; *rest begins after it. False: there is no space. */
static bool span_word(struct span *rest, struct span *ret)
{
	const char *space = rest->size ? memchr(rest->data, ' ', rest->size) : NULL;

	if (!space)
		return false;
	*ret = (struct span){ rest->data, (size_t)(space - rest->data) };
	*rest = span_rest(*rest, ret->size + 1);
	return true;
}

/* 1 = a line, 0 = end of the text. */
static int next_line(struct parser *p, struct span *ret)
{
	const char *newline;

	if (p->next == p->end)
		return 0;
	p->number++;
	newline = memchr(p->next, '\n', (size_t)(p->end - p->next));
	if (!newline)
		return bad(p, "it does not end in a newline: the text is cut off");
	*ret = (struct span){ p->next, (size_t)(newline - p->next) };
	p->next = newline + 1;
	for (size_t i = 0; i < ret->size; i++)
		if (ret->data[i] < 0x20 || ret->data[i] > 0x7e)
			return bad(p, "a control or non-ASCII byte, which the format writes as \\xHH");
	return 1;
}

static int parse_format(struct parser *p, struct span line)
{
	struct span format;

	if (!span_starts(line, MAGIC))
		return bad(p, "this is not a fingerprint text (it begins with \"" MAGIC "1\")");
	format = span_rest(line, strlen(MAGIC));
	if (span_is(format, "1"))
		return 0;
	if (format.size == 0 || format.data[0] == '0')
		return bad(p, "the format is no number");
	for (size_t i = 0; i < format.size; i++)
		if (format.data[i] < '0' || format.data[i] > '9')
			return bad(p, "the format is no number");
	return error_set(p->error, EBADMSG, "fingerprint text: format %.*s is newer than this abidrift understands (%d)",
			 format.size < 20 ? (int)format.size : 20, format.data, FINGERPRINT_FORMAT);
}

static int parse_facet(struct parser *p, struct span name, enum facet_id *ret)
{
	for (int i = 0; i < FACETS; i++)
		if (span_is(name, facet_get(i)->name)) {
			*ret = i;
			return 0;
		}
	return bad_word(p, "there is no facet", name);
}

static int parse_level(struct parser *p, struct span name, enum coverage *ret)
{
	for (int i = COVERAGE_NONE; i <= COVERAGE_COMPLETE; i++)
		if (span_is(name, coverage_name(i))) {
			*ret = i;
			return 0;
		}
	return bad_word(p, "coverage is complete, witnessed or none, not", name);
}

/* Is it what text_escape writes? Another spelling of the same bytes would compare as a difference. */
static int check_escapes(struct parser *p, struct span text, bool key)
{
	struct buffer raw = BUFFER_INIT, again = BUFFER_INIT;
	int r = 0;

	if (text.size == 0 || !memchr(text.data, '\\', text.size))
		return 0;
	if (text_unescape(&raw, text.data, text.size) < 0) {
		r = bad_word(p, "malformed escape in", text);
	} else {
		text_escape(&again, raw.data ? raw.data : "", raw.size, key);
		if (buffer_failed(&raw) || buffer_failed(&again))
			r = -ENOMEM;
		else if (again.size != text.size || memcmp(again.data, text.data, text.size) != 0)
			r = bad_word(p, "an escape that the format does not use, in", text);
	}
	buffer_release(&raw);
	buffer_release(&again);
	return r;
}

static bool says_otherwise(const struct parser *p, enum facet_id facet, enum coverage level, const char *reason)
{
	const struct abi_coverage *said = &p->out->coverage[facet];

	return p->covered[facet] && (said->level != level || strcmp(said->reason, reason) != 0);
}

static int cover(struct parser *p, enum facet_id facet, enum coverage level, struct span reason)
{
	const char *name = facet_get(facet)->name;
	struct buffer raw = BUFFER_INIT;
	int r = check_escapes(p, reason, false);

	if (r < 0)
		return r;
	if (reason.size)
		text_unescape(&raw, reason.data, reason.size);
	if (buffer_failed(&raw))
		r = -ENOMEM;
	else if (raw.size && memchr(raw.data, '\0', raw.size))
		r = bad(p, "a NUL byte in the reason");
	else if (says_otherwise(p, facet, level, raw.size ? raw.data : ""))
		r = bad_word(p, "another coverage was said before for", (struct span){ name, strlen(name) });
	else
		r = entries_cover(p->out, facet, level, "%s", raw.size ? raw.data : "");
	buffer_release(&raw);
	if (r >= 0)
		p->covered[facet] = p->number;
	return r;
}

/* Comments that are no coverage mean nothing. */
static int parse_comment(struct parser *p, struct span line)
{
	struct span rest, name, word;
	enum facet_id facet = 0;
	enum coverage level = COVERAGE_NONE;
	int r;

	if (!span_starts(line, COMMENT_COVERAGE))
		return 0;
	rest = span_rest(line, strlen(COMMENT_COVERAGE));
	if (!span_word(&rest, &name))
		return bad(p, "a coverage line is \"# coverage FACET complete|witnessed|none REASON\"");
	if (!span_word(&rest, &word)) {
		word = rest;
		rest = span_rest(rest, rest.size);
	}
	r = parse_facet(p, name, &facet);
	if (r < 0)
		return r;
	r = parse_level(p, word, &level);
	if (r < 0)
		return r;
	return cover(p, facet, level, rest);
}

static int parse_entry(struct parser *p, struct span line)
{
	struct line entry = { .number = p->number };
	struct span name;
	int r;

	if (!span_word(&line, &name))
		return bad(p, "an entry is \"FACET KEY VALUE\"");
	r = parse_facet(p, name, &entry.facet);
	if (r < 0)
		return r;
	if (!span_word(&line, &entry.key) || entry.key.size == 0)
		return bad(p, "an entry is \"FACET KEY VALUE\"");
	entry.value = line;
	r = check_escapes(p, entry.key, true);
	if (r < 0)
		return r;
	r = check_escapes(p, entry.value, false);
	if (r < 0)
		return r;
	if (p->count == p->room) {
		size_t room = p->room ? 2 * p->room : 256;
		struct line *lines = reallocarray(p->lines, room, sizeof(*lines));

		if (!lines)
			return -ENOMEM;
		p->lines = lines;
		p->room = room;
	}
	p->lines[p->count++] = entry;
	return 0;
}

static int line_compare(const void *left, const void *right)
{
	const struct line *a = left, *b = right;
	int order;

	if (a->facet != b->facet)
		return a->facet < b->facet ? -1 : 1;
	order = span_compare(a->key, b->key);
	if (order != 0)
		return order;
	return a->number < b->number ? -1 : a->number > b->number;
}

static int line_keep(struct parser *p, const struct line *line)
{
	char *key = strndup(line->key.data, line->key.size);
	char *value = strndup(line->value.data, line->value.size);
	int r = key && value ? entries_add_escaped(p->out, line->facet, key, value) : -ENOMEM;

	free(key);
	free(value);
	return r;
}

/* The lines in order, each key once, into the entries. */
static int keep_lines(struct parser *p)
{
	if (p->count)
		qsort(p->lines, p->count, sizeof(*p->lines), line_compare);
	for (size_t i = 0; i < p->count; i++) {
		const struct line *line = &p->lines[i], *before = i ? line - 1 : NULL;
		int r;

		if (before && before->facet == line->facet && span_compare(before->key, line->key) == 0) {
			p->number = line->number;
			if (span_compare(before->value, line->value) != 0)
				return bad_word(p, "another value was given before for", line->key);
			continue;
		}
		r = line_keep(p, line);
		if (r < 0)
			return r;
	}
	entries_sort(p->out);
	return 0;
}

static int parse_lines(struct parser *p)
{
	struct span line;
	int r = next_line(p, &line);

	if (r == 0)
		return error_set(p->error, EBADMSG, "fingerprint text: it is empty");
	if (r > 0)
		r = parse_format(p, line);
	while (r >= 0 && (r = next_line(p, &line)) > 0)
		r = line.size && line.data[0] == '#' ? parse_comment(p, line) : parse_entry(p, line);
	for (int i = 0; r >= 0 && i < FACETS; i++)
		if (!p->covered[i])
			r = entries_cover(p->out, i, COVERAGE_NONE, "the text does not say");
	return r < 0 ? r : keep_lines(p);
}

int fingerprint_parse(const char *text, size_t size, struct abi_entries *ret, struct error *e)
{
	struct abi_entries entries = ABI_ENTRIES_INIT;
	struct parser p = { .next = size ? text : "", .out = &entries, .error = e };
	int r;

	p.end = p.next + size;
	r = parse_lines(&p);
	free(p.lines);
	if (r < 0) {
		if (r == -ENOMEM)
			error_set(e, ENOMEM, "fingerprint text: out of memory");
		entries_release(&entries);
		return r;
	}
	*ret = entries;
	return 0;
}

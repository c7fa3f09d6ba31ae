/* SPDX-License-Identifier: Apache-2.0 */
/* Which format a client wants: RFC 9110, 12.5.1. */
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "userspace/serve/metrics.h"

#define RANGES_MAX 64 /* of a header that is longer, the first ones */
#define SPACE " \t"

/* How well a range names a type; later ones count before earlier ones. */
enum fit { FIT_NONE, FIT_ANY, FIT_FAMILY, FIT_TYPE, FIT_VERSION };

struct wish {
	enum fit fit;
	int q; /* thousandths */
};

struct span {
	const char *at;
	size_t size;
};

static struct span trimmed(const char *from, const char *to)
{
	while (from < to && strchr(SPACE, *from))
		from++;
	while (to > from && strchr(SPACE, to[-1]))
		to--;
	return (struct span){ from, (size_t)(to - from) };
}

static bool is(struct span s, const char *text)
{
	return s.size == strlen(text) && !strncasecmp(s.at, text, s.size);
}

/* "0.75": 750. What is none counts as 0. */
static int quality(struct span s)
{
	int q = 0, worth = 100;

	if (!s.size || (s.at[0] != '0' && s.at[0] != '1'))
		return 0;
	q = (s.at[0] - '0') * 1000;
	for (size_t i = 2; i < s.size && i < 5 && s.at[1] == '.' && s.at[i] >= '0' && s.at[i] <= '9'; i++, worth /= 10)
		q += (s.at[i] - '0') * worth;
	return q > 1000 ? 1000 : q;
}

/* Up to the next `stop`, which a quoted string does not hold. */
static const char *until(const char *p, const char *end, char stop)
{
	bool quoted = false;

	for (; p < end && (quoted || *p != stop); p++)
		if (*p == '"')
			quoted = !quoted;
		else if (quoted && *p == '\\' && p + 1 < end)
			p++;
	return p;
}

static enum fit fit_of(struct span type, const char *wanted, const char *wanted_family)
{
	return is(type, wanted) ? FIT_TYPE : is(type, wanted_family) ? FIT_FAMILY : is(type, "*/*") ? FIT_ANY : FIT_NONE;
}

/* One range of the list against one type that we have. */
static void range_weigh(const char *p, const char *end, const char *wanted, const char *wanted_family, const char *version, struct wish *best)
{
	const char *semicolon = until(p, end, ';');
	struct wish wish = { fit_of(trimmed(p, semicolon), wanted, wanted_family), 1000 };

	while (semicolon < end && wish.fit) {
		const char *from = semicolon + 1, *equals;

		semicolon = until(from, end, ';');
		equals = until(from, semicolon, '=');
		if (equals == semicolon)
			continue;
		struct span name = trimmed(from, equals), value = trimmed(equals + 1, semicolon);
		if (value.size >= 2 && value.at[0] == '"' && value.at[value.size - 1] == '"')
			value = (struct span){ value.at + 1, value.size - 2 };
		if (is(name, "q"))
			wish.q = quality(value);
		else if (is(name, "version"))
			wish.fit = is(value, version) && wish.fit >= FIT_TYPE ? FIT_VERSION : FIT_NONE;
	}
	if (wish.fit > best->fit || (wish.fit && wish.fit == best->fit && wish.q > best->q))
		*best = wish;
}

enum metrics_format metrics_format(const char *accept)
{
	struct wish text = { FIT_NONE, 0 }, open = { FIT_NONE, 0 };
	const char *end = accept ? accept + strlen(accept) : NULL;

	for (int i = 0; accept && accept < end && i < RANGES_MAX; i++) {
		const char *comma = until(accept, end, ',');

		range_weigh(accept, comma, "text/plain", "text/*", "0.0.4", &text);
		range_weigh(accept, comma, "application/openmetrics-text", "application/*", "1.0.0", &open);
		accept = comma + 1;
	}
	/* A browser that takes anything gets what it can show. */
	return open.fit >= FIT_TYPE && open.q > 0 && open.q >= text.q ? METRICS_OPENMETRICS : METRICS_PROMETHEUS;
}

const char *metrics_content_type(enum metrics_format format)
{
	return format == METRICS_OPENMETRICS ? "application/openmetrics-text; version=1.0.0; charset=utf-8" : "text/plain; version=0.0.4; charset=utf-8";
}

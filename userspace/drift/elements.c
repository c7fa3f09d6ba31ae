/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/drift/elements.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/glob.h"

/* Where a list is cut: the text between two elements. Properties of -machine stand for themselves; other VMMs' options follow blanks. */
struct cut {
	const char *factor;
	const char *between;
	const char *also; /* another one; NULL */
};

static const struct cut cuts[] = {
	{ "option.machine|backend.machine", "; ", "," },
	{ "option.args", " -", NULL },
	{ "option.*|backend.*", "; ", NULL },
};

struct piece {
	const char *text;
	size_t size;
	bool differs;
};

static const struct cut *cut_of(const char *factor)
{
	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++)
		if (glob_match(cuts[i].factor, factor))
			return &cuts[i];
	return NULL;
}

/* A list being cut. */
struct cutting {
	const struct cut *cut;
	const char *between, *also; /* where the next ones are, the end of the text if there is none; NULL: not looked for yet */
};

/* Each is searched for once, not for each element: a list may be long, and all of it cut by the other one. */
static const char *next_of(const char *text, const char *word, const char **found)
{
	if (!*found || *found < text) {
		const char *at = strstr(text, word);

		*found = at ? at : text + strlen(text);
	}
	return *found;
}

/* Where the element at `text` ends; *ret_next is where the next one begins, NULL: it is the last. */
static const char *piece_end(const char *text, struct cutting *c, const char **ret_next)
{
	const char *end = next_of(text, c->cut->between, &c->between), *also = c->cut->also ? next_of(text, c->cut->also, &c->also) : end;

	*ret_next = NULL;
	if (also < end) {
		*ret_next = also + strlen(c->cut->also);
		return also;
	}
	/* The dash of " -" belongs to what follows. */
	if (*end)
		*ret_next = end + (c->cut->between[1] == '-' ? 1 : strlen(c->cut->between));
	return end;
}

static size_t cut_pieces(const char *value, const struct cut *cut, struct piece *pieces)
{
	struct cutting cutting = { .cut = cut };
	size_t count = 0;

	for (const char *next; value; value = next) {
		const char *end;

		if (count + 1 < ELEMENTS_MAX) {
			end = piece_end(value, &cutting, &next);
		} else {
			end = value + strlen(value);
			next = NULL;
		}
		pieces[count++] = (struct piece){ .text = value, .size = (size_t)(end - value), .differs = true };
	}
	return count;
}

static bool same_piece(const struct piece *a, const struct piece *b)
{
	return a->size == b->size && memcmp(a->text, b->text, a->size) == 0;
}

/* Each element that both have is crossed out once in either. */
static bool cross_out(struct piece *from, size_t from_count, struct piece *to, size_t to_count)
{
	size_t left = from_count + to_count;

	for (size_t f = 0; f < from_count; f++)
		for (size_t t = 0; t < to_count; t++)
			if (to[t].differs && same_piece(&from[f], &to[t])) {
				from[f].differs = to[t].differs = false;
				left -= 2;
				break;
			}
	return left > 0;
}

/* What makes two elements the same one with another property: its beginning. */
static size_t head_size(const struct piece *p, bool property)
{
	size_t n = 0;

	while (n < p->size && p->text[n] != ',' && !(property && (p->text[n] == '=' || p->text[n] == ' ')))
		n++;
	return n;
}

static bool same_head(const struct piece *a, const struct piece *b, bool property)
{
	size_t size = head_size(a, property);

	return size == head_size(b, property) && memcmp(a->text, b->text, size) == 0;
}

static char *piece_copy(const struct piece *p)
{
	return strndup(p->text, p->size < ELEMENT_BYTES_MAX ? p->size : ELEMENT_BYTES_MAX);
}

static int list_copy(const struct piece *pieces, size_t count, struct element_list *ret)
{
	ret->items = count ? calloc(count, sizeof(*ret->items)) : NULL;
	if (count && !ret->items)
		return -ENOMEM;
	for (; ret->count < count; ret->count++) {
		ret->items[ret->count] = piece_copy(&pieces[ret->count]);
		if (!ret->items[ret->count])
			return -ENOMEM;
	}
	return 0;
}

static int pair_add(struct elements *e, const struct piece *from, size_t from_at, const struct piece *to, size_t to_at)
{
	struct element_pair *pair;

	if (e->count == ELEMENTS_DIFFERENT_MAX)
		return 0;
	pair = &e->pairs[e->count++];
	*pair = (struct element_pair){ .from_at = from_at, .to_at = to_at };
	if (from)
		pair->from = piece_copy(from);
	if (to)
		pair->to = piece_copy(to);
	return (from && !pair->from) || (to && !pair->to) ? -ENOMEM : 0;
}

static int pairs_make(struct elements *e, const struct piece *from, size_t from_count, struct piece *to, size_t to_count, bool property)
{
	int r = 0;

	for (size_t f = 0; r >= 0 && f < from_count; f++) {
		const struct piece *new = NULL;
		size_t at = 0;

		if (!from[f].differs)
			continue;
		for (size_t t = 0; !new && t < to_count; t++)
			if (to[t].differs && same_head(&from[f], &to[t], property)) {
				to[t].differs = false;
				new = &to[t];
				at = t;
			}
		r = pair_add(e, &from[f], f, new, at);
	}
	for (size_t t = 0; r >= 0 && t < to_count; t++)
		if (to[t].differs)
			r = pair_add(e, NULL, 0, &to[t], t);
	return r;
}

/* The whole of both values as the one pair: no list, a list of one, or only its order is another. */
static int pair_whole(struct elements *e, const char *from, const char *to)
{
	const struct piece a = { .text = from, .size = from ? strlen(from) : 0 }, b = { .text = to, .size = to ? strlen(to) : 0 };
	bool one = e->from.count <= 1 && e->to.count <= 1;

	return pair_add(e, from ? &a : NULL, one ? 0 : ELEMENTS_MAX, to ? &b : NULL, one ? 0 : ELEMENTS_MAX);
}

int elements_read(const char *factor, const char *from, const char *to, struct elements *ret)
{
	const struct cut *cut = cut_of(factor);
	struct piece *pieces = cut ? malloc(2 * ELEMENTS_MAX * sizeof(*pieces)) : NULL, *others = pieces ? pieces + ELEMENTS_MAX : NULL;
	struct elements e = { .pairs = calloc(ELEMENTS_DIFFERENT_MAX, sizeof(*e.pairs)) };
	size_t from_count = 0, to_count = 0;
	int r = !e.pairs || (cut && !pieces) ? -ENOMEM : 0;

	if (r >= 0 && cut) {
		from_count = from ? cut_pieces(from, cut, pieces) : 0;
		to_count = to ? cut_pieces(to, cut, others) : 0;
		r = list_copy(pieces, from_count, &e.from);
		if (r >= 0)
			r = list_copy(others, to_count, &e.to);
	}
	if (r >= 0 && (from_count > 1 || to_count > 1) && cross_out(pieces, from_count, others, to_count))
		r = pairs_make(&e, pieces, from_count, others, to_count, cut->also || cut->between[1] == '-');
	else if (r >= 0)
		r = pair_whole(&e, from, to);
	free(pieces);
	if (r < 0) {
		elements_release(&e);
		return r;
	}
	*ret = e;
	return 0;
}

static void list_release(struct element_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->items[i]);
	free(l->items);
}

void elements_release(struct elements *e)
{
	list_release(&e->from);
	list_release(&e->to);
	for (size_t i = 0; i < e->count; i++) {
		free(e->pairs[i].from);
		free(e->pairs[i].to);
	}
	free(e->pairs);
	*e = (struct elements){ .pairs = NULL };
}

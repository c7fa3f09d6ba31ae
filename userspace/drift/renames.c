/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/drift/renames.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/drift/drift.h"

#define FNV_OFFSET 0xcbf29ce484222325u
#define FNV_PRIME 0x100000001b3u

/* A device that came or went as a whole. */
struct device {
	const char *key; /* of any of its lines */
	size_t length;   /* of its path in it, the table included */
	enum change_kind kind;
	uint64_t identity; /* what its lines say, in any order; its table */
	size_t lines;      /* besides its own */
	bool whole;        /* its own line is among them */
	bool renamed;
};

struct renames {
	struct device *devices; /* by kind and path */
	size_t count;
};

static uint64_t hash(uint64_t value, const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		value = (value ^ (uint8_t)text[i]) * FNV_PRIME;
	return value * FNV_PRIME;
}

size_t renames_device(const char *key)
{
	const char *slash = strchr(key, '/'), *dot = strrchr(key, '.');

	/* Fields of a table are lower case; a namespace begins with a scope, whose name begins with an underscore, or with an upper-case name. */
	if (!slash || !(slash[1] == '_' || slash[1] == '\\' || (slash[1] >= 'A' && slash[1] <= 'Z')))
		return 0;
	return dot > slash && dot[1] == '_' ? (size_t)(dot - key) : strlen(key);
}

static int path_order(const struct device *a, const struct device *b)
{
	size_t shorter = a->length < b->length ? a->length : b->length;
	int order = a->kind != b->kind ? (a->kind > b->kind) - (a->kind < b->kind) : memcmp(a->key, b->key, shorter);

	return order ? order : (a->length > b->length) - (a->length < b->length);
}

static int by_path(const void *a, const void *b) { return path_order(a, b); }

static int by_identity(const void *a, const void *b)
{
	const struct device *const *x = a, *const *y = b;
	int order = ((*x)->identity > (*y)->identity) - ((*x)->identity < (*y)->identity);

	/* One path before another: the same answer at every run. */
	return order ? order : path_order(*x, *y);
}

/* One line each; then lines of one device are made one. */
static size_t devices_gather(const struct drift *d, struct device *devices)
{
	size_t count = 0, last = 0;

	for (size_t i = 0; i < d->change_count; i++) {
		const struct drift_change *c = &d->changes[i];
		const char *value = c->from ? c->from : c->to;
		size_t length = c->facet == FACET_ACPI && c->kind != CHANGE_CHANGED ? renames_device(c->key) : 0;
		bool own = length && !c->key[length];
		uint64_t line = length ? hash(hash(FNV_OFFSET, c->key + length, strlen(c->key + length)), value, strlen(value)) : 0;

		if (length)
			devices[count++] = (struct device){
				.key = c->key, .length = length, .kind = c->kind, .lines = !own, .whole = own,
				.identity = line + (own ? hash(FNV_OFFSET, c->key, strcspn(c->key, "/")) : 0),
			};
	}
	qsort(devices, count, sizeof(*devices), by_path);
	for (size_t i = 1; i < count; i++) {
		if (path_order(&devices[i], &devices[last]) != 0) {
			devices[++last] = devices[i];
			continue;
		}
		devices[last].identity += devices[i].identity;
		devices[last].lines += devices[i].lines;
		devices[last].whole |= devices[i].whole;
	}
	return count ? last + 1 : 0;
}

/* Each one that went with one that came, as far as there are. A device that says nothing of itself is like any other. */
static void devices_pair(struct renames *r, struct device **list)
{
	size_t count = 0, end;

	for (size_t i = 0; i < r->count; i++)
		if (r->devices[i].whole && r->devices[i].lines)
			list[count++] = &r->devices[i];
	qsort(list, count, sizeof(struct device *), by_identity);
	for (size_t begin = 0; begin < count; begin = end) {
		size_t lost = 0, pairs;

		for (end = begin; end < count && list[end]->identity == list[begin]->identity; end++)
			lost += list[end]->kind == CHANGE_LOST;
		pairs = lost < end - begin - lost ? lost : end - begin - lost;
		/* Of one identity those that went stand first. */
		for (size_t i = 0; i < pairs; i++)
			list[begin + i]->renamed = list[begin + lost + i]->renamed = true;
	}
}

int renames_find(const struct drift *d, struct renames **ret)
{
	struct renames *r = calloc(1, sizeof(*r));
	struct device **list = calloc(d->change_count + 1, sizeof(struct device *));

	if (r)
		r->devices = calloc(d->change_count + 1, sizeof(*r->devices));
	if (!r || !list || !r->devices) {
		renames_free(r);
		free(list);
		return -ENOMEM;
	}
	r->count = devices_gather(d, r->devices);
	devices_pair(r, list);
	free(list);
	*ret = r;
	return 0;
}

void renames_free(struct renames *r)
{
	if (!r)
		return;
	free(r->devices);
	free(r);
}

static const struct device *device_find(const struct renames *r, const struct drift_change *change)
{
	struct device wanted = { .key = change->key, .kind = change->kind };

	if (!r || change->facet != FACET_ACPI || change->kind == CHANGE_CHANGED)
		return NULL;
	wanted.length = renames_device(change->key);
	return wanted.length ? bsearch(&wanted, r->devices, r->count, sizeof(*r->devices), by_path) : NULL;
}

bool renames_have(const struct renames *r, const struct drift_change *change)
{
	const struct device *device = device_find(r, change);

	return device && device->renamed;
}

bool renames_follow(const struct renames *r, const struct drift_change *change)
{
	const struct device *device = device_find(r, change);

	return device && device->whole && change->key[device->length];
}

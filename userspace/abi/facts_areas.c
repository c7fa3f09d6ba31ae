/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was read of a guest's memory, as facts. A whole reading stands over one that is not, a later one over an earlier one;
 * which reading of a boot is the good one is decided where it is read.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/facts_internal.h"
#include "userspace/base/buffer.h"

int facts_area_set(struct guest_facts *f, enum record_area area, const void *body, size_t bytes, struct stamp stamp)
{
	struct area *a = &f->areas[area];
	char *copy = malloc(bytes ? bytes : 1);

	if (!copy)
		return -ENOMEM;
	if (bytes)
		memcpy(copy, body, bytes);
	free(a->body);
	*a = (struct area){ .body = copy, .bytes = bytes, .stamp = stamp, .known = true };
	return 0;
}

void facts_areas_forget(struct guest_facts *f)
{
	for (size_t i = 0; i <= RECORD_AREA_LAST; i++) {
		free(f->areas[i].body);
		f->areas[i] = (struct area){ 0 };
	}
}

static bool body_whole(const void *body)
{
	struct record_memory head;

	memcpy(&head, body, sizeof(head));
	return head.whole;
}

/* Does it say more than a reason? */
static bool body_tells(const void *body, size_t bytes)
{
	struct record_part part;
	const void *data;
	size_t cursor = 0;

	while (record_part_next(body, bytes, &cursor, &part, &data) > 0)
		if (part.kind != RECORD_PART_REASON)
			return true;
	return false;
}

/* -1, 0, 1: against what is held. */
static int body_compare(const struct area *held, const void *body, size_t bytes)
{
	bool whole = body_whole(body), held_whole = body_whole(held->body);
	bool tells = body_tells(body, bytes), held_tells = body_tells(held->body, held->bytes);

	if (whole != held_whole)
		return held_whole ? 1 : -1;
	if (tells != held_tells)
		return held_tells ? 1 : -1;
	return 0;
}

int facts_area_add(struct guest_facts *f, struct stamp stamp, const void *body, size_t bytes, enum record_area *ret_area)
{
	struct record_memory head;
	struct area *held;
	int order, content;

	*ret_area = 0;
	if (bytes < sizeof(head))
		return -EBADMSG;
	memcpy(&head, body, sizeof(head));
	/* A newer collector may read more. */
	if (head.area < RECORD_AREA_ACPI || head.area > RECORD_AREA_LAST)
		return 0;
	held = &f->areas[head.area];
	if (held->known) {
		content = held->bytes != bytes ? (held->bytes < bytes ? -1 : 1) : memcmp(held->body, body, bytes);
		order = body_compare(held, body, bytes);
		if (content == 0) {
			if (stamp_later(&stamp, &held->stamp))
				held->stamp = stamp;
			return 0;
		}
		if (order > 0 || (order == 0 && (stamp_later(&held->stamp, &stamp) ||
						 (!stamp_later(&stamp, &held->stamp) && content > 0))))
			return 0;
	}
	*ret_area = (enum record_area)head.area;
	return facts_area_set(f, (enum record_area)head.area, body, bytes, stamp);
}

bool facts_area(const struct guest_facts *f, enum record_area area, bool *ret_whole, const char **ret_reason, size_t *ret_reason_bytes)
{
	const struct area *a = &f->areas[area];
	struct record_part part;
	const void *data;
	size_t cursor = 0;

	if (!a->known)
		return false;
	if (ret_whole)
		*ret_whole = body_whole(a->body);
	if (ret_reason)
		*ret_reason = "";
	if (ret_reason_bytes)
		*ret_reason_bytes = 0;
	while (record_part_next(a->body, a->bytes, &cursor, &part, &data) > 0) {
		if (part.kind != RECORD_PART_REASON)
			continue;
		if (ret_reason)
			*ret_reason = data;
		if (ret_reason_bytes)
			*ret_reason_bytes = part.bytes;
		break;
	}
	return true;
}

bool facts_part_next(const struct guest_facts *f, enum record_area area, size_t *cursor, struct record_part *ret, const void **ret_bytes)
{
	const struct area *a = &f->areas[area];

	while (a->known && record_part_next(a->body, a->bytes, cursor, ret, ret_bytes) > 0)
		if (ret->kind != RECORD_PART_REASON)
			return true;
	return false;
}

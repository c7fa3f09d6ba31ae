/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/skips.h"

#include "userspace/stream/record.h"

void skips_tick(struct skips *s, uint64_t now_ns)
{
	s->ticked_ns = now_ns;
}

void skips_known(struct skips *s, uint64_t count, uint64_t at_ns)
{
	s->count = count;
	s->ticked_ns = at_ns;
}

bool skips_take(struct skips *s, uint64_t count, uint64_t now_ns, struct skip_span *ret)
{
	/*
	 * The last look without these was at most one look before the collector last went around, and what was skipped is told a look after it was
	 * counted. A latch can be stale a little longer: one look more, on both sides.
	 */
	uint64_t margin = 3 * RECORD_LOOK_NS, last = s->ticked_ns < now_ns ? s->ticked_ns : now_ns;
	struct skip_span *before = &s->spans[(s->next + SKIPS_MAX - 1) % SKIPS_MAX];

	if (count == s->count)
		return false;
	/* Fewer: the programs were loaded anew, and count from 0. */
	*ret = (struct skip_span){ .from_ns = last > margin ? last - margin : 0, .to_ns = now_ns + RECORD_LOOK_NS,
				   .events = count > s->count ? count - s->count : count };
	s->count = count;
	/* Where it goes on and on, what began it is not forgotten. */
	if (before->events && ret->from_ns >= before->from_ns && ret->from_ns <= before->to_ns) {
		if (ret->to_ns > before->to_ns)
			before->to_ns = ret->to_ns;
		before->events += ret->events;
		return true;
	}
	s->spans[s->next] = *ret;
	s->next = (s->next + 1) % SKIPS_MAX;
	return true;
}

uint64_t skips_around(const struct skips *s, uint64_t at_ns)
{
	uint64_t events = 0;

	for (size_t i = 0; i < SKIPS_MAX; i++)
		if (s->spans[i].events && at_ns >= s->spans[i].from_ns && at_ns <= s->spans[i].to_ns)
			events += s->spans[i].events;
	return events;
}

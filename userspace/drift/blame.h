/* SPDX-License-Identifier: Apache-2.0 */
/* The changes of a diff (JSON), parted by what is to blame for them: the same best cause, verdict and excuse. Worst first. */
#ifndef ABIDRIFT_DRIFT_BLAME_H
#define ABIDRIFT_DRIFT_BLAME_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "userspace/drift/drift.h"

#define BLAME_CAUSES_MAX 12
#define BLAME_WHYS_MAX 3
#define BLAME_IMPACTS_MAX 8

/* Text is the diff's. NULL: was not there. */
struct blame_cause {
	const char *factor, *from, *to;
	bool best; /* of one of the changes; else what may also have done it */
};

struct blame_impact {
	const char *sentence;
	enum severity severity;
};

struct blame {
	enum verdict verdict; /* NONE: nobody judged these */
	enum severity severity; /* the worst */
	const char *factor; /* of the best cause; "" without any. "firmware." for all files of firmware */
	const char *reason; /* "" for none */
	bool running, firmware;
	json_t *changes; /* in the diff's order */
	struct blame_cause causes[BLAME_CAUSES_MAX];
	size_t cause_count;
	size_t causes_left_out;
	const char *whys[BLAME_WHYS_MAX]; /* of the best causes */
	size_t why_count;
	struct blame_impact impacts[BLAME_IMPACTS_MAX]; /* worst first, each once */
	size_t impact_count;
};

struct blames {
	struct blame *items;
	size_t count;
	json_t *suppressed; /* changes that a rule hides: they are in no item */
	enum verdict verdict; /* the worst of all items */
	enum severity severity;
};

#define BLAMES_INIT { 0 }

/* changes: as an array of the diff, or group_order's. Borrowed from it; keep it alive. -ENOMEM. */
int blames_part(const json_t *changes, struct blames *ret);
void blames_release(struct blames *b);

#endif

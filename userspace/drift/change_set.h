/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A change set: the same changes with the same causes, over however many guests. One upgrade of a host is one set, not one drift
 * for each guest. Everything here reads the JSON of a drift (view.h), because that is what the store keeps. Pure.
 */
#ifndef ABIDRIFT_DRIFT_CHANGE_SET_H
#define ABIDRIFT_DRIFT_CHANGE_SET_H

#include <jansson.h>
#include <stdbool.h>

#include "userspace/drift/drift.h"

#define CHANGE_SET_DIGITS 16
/* Fewer digits are refused where people write a set. */
#define CHANGE_SET_DIGITS_MIN 4

/*
 * The first digits of a SHA-256 over what counts of the drift: facet, key, kind, values and verdict of each change, whether
 * it came under a running guest, and the causes, in no order. Of identity the values are left out, and of a cause that lies with the guest (an option, whose text has
 * the guest's own MAC) its values too: two guests on one host are to be of one set. "" where nothing counts. -ENOMEM.
 */
int change_set_id(const json_t *diff, char ret[CHANGE_SET_DIGITS + 1]);
/* Sets diff's "verdict" and "severity": the worst of what counts; null and "none" where nothing does. -ENOMEM. */
int changes_mark(json_t *diff);
/* The same, and "change_set": the id, or null where nothing counts. -ENOMEM. */
int change_set_mark(json_t *diff);
/* Is this how the id of a set begins, written by a person? */
bool change_set_prefix_valid(const char *text);

/* {"id","changes","verdict","severity","summary"} of the drift of one of its guests, the summary of so many columns at most. NULL: out of memory. */
json_t *change_set_json(const json_t *diff, const char *id, size_t columns);
/* Cause and changes. */
#define CHANGE_SET_COLUMNS_NARROW 110
/* And what they break; there is room for whole parts. */
#define CHANGE_SET_COLUMNS 400

/*
 * "412 guests, the same 3 changes, since the kernel went from 6.1.0-18 to 6.12.9": one line about so many guests that drift as this one,
 * led by the worst cause. NULL: out of memory.
 */
json_t *change_set_headline(const json_t *diff, size_t guests);
/* [{"factor","from","to"}]: the best causes of what counts, of the worst changes first, each once, so many at most. NULL: out of memory. */
#define CHANGE_SET_CAUSES_MAX 5
json_t *change_set_causes(const json_t *diff);

/* What counts: a change that no rule suppressed. */
bool change_counts(const json_t *change);
size_t changes_count(const json_t *changes);
/* The worst among what counts. */
enum severity changes_severity(const json_t *changes);
enum verdict changes_verdict(const json_t *changes);

#endif

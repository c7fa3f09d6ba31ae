/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model that every view is rendered from: the store as the JSON of docs/interface (ls, show, diff, history). The CLI prints
 * it, text too, and HTTP serves it. Results are new references; -errno with e (one line for a person).
 */
#ifndef ABIDRIFT_SERVE_API_H
#define ABIDRIFT_SERVE_API_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct buffer;
struct error;
struct side;
struct store;
struct store_guest;
struct suppressions;

/* The rules that a comparison is made by, and the time for those that end. All zero: none. */
struct api_rules {
	const struct suppressions *suppress; /* NULL: none */
	int64_t at;                          /* CLOCK_REALTIME ns */
};

/*
 * [{"host","at"}]: monitors that are silent for long at the time `now` (CLOCK_REALTIME, ns) though guests are stored as running on their
 * hosts, the longest silent first. What is told of these guests is as it was at `at`. s NULL: none.
 */
int api_stale(struct store *s, int64_t now, json_t **ret, struct error *e);
/*
 * {"guests","change_sets","maintenance","stale"}; `stale` as of `now`. Every guest: one object per instance that runs, or its last one. A guest that was never seen to run is there as well. What is
 * not known is null: `baseline` and `current` as a whole, `pid` of what does not run.
 */
int api_guests(struct store *s, int64_t now, json_t **ret, struct error *e);
/* The same of one guest; "change_sets" is empty. */
int api_guests_of(struct store *s, const struct store_guest *guest, int64_t now, json_t **ret, struct error *e);
/* Is this side a file, so that it needs no store (s may be NULL then)? */
bool api_side_is_file(const char *side);
/* A side as people write it: GUEST, GUEST@REV, GUEST@baseline, sha256:…, or a path that holds a '/'. facet: NULL = all. */
int api_show(struct store *s, const char *side, const char *facet, json_t **ret, struct error *e);
/*
 * The same of a guest that is named alone: what `guest` says is never a side or a path. revision 0: what is now; where there is no
 * fingerprint yet all but "guest" is null, and "facets" empty.
 */
int api_guest(struct store *s, const char *guest, uint32_t revision, json_t **ret, struct error *e);
/* The same of a side that was loaded. */
int api_show_side(struct store *s, const struct side *side, json_t **ret, struct error *e);
/* Its fingerprint text. */
int api_fingerprint(struct store *s, const char *side, struct buffer *out, struct error *e);
/*
 * b NULL: baseline of a against its now (a = GUEST), or a (GUEST@REV…) against its guest's now. *ret_result: enum drift_result;
 * a guest without a baseline yet is DRIFT_UNKNOWN with that reason in "unknown" (facet null). It has `stale`, as of rules->at.
 */
int api_diff(struct store *s, const char *a, const char *b, const struct api_rules *rules, int min_severity, json_t **ret, int *ret_result, struct error *e);
/* The same of sides that were found (side.h), which are loaded where they are not yet. */
int api_diff_sides(struct store *s, struct side *from, struct side *to, const struct api_rules *rules, int min_severity, json_t **ret, int *ret_result,
		   struct error *e);
/* The same as text, as `diff` prints it. */
struct api_text {
	bool alone; /* only one side was named: it says how what is now is accepted */
	bool color, more; /* more: what rules suppress, too */
};
void api_diff_text(const json_t *diff, const struct api_text *how, struct buffer *out);
/* Baseline against now of every guest that has both: an array of such objects. */
int api_diff_all(struct store *s, const struct api_rules *rules, int min_severity, json_t **ret, struct error *e);
/*
 * What each rule does to the guests as they are now, in the order of rules:
 * [{"rule","state","reason","until","at_most","changes","guests","over":[{"guest","changes"}],"last_at"}]. `changes` of `guests` it hides;
 * `over`: where it fits more than at_most. state: "ended", "not applied" (to those in `over`), "applied", "idle" (it hid something
 * once), "never matched"; "unknown" where there is no store (s NULL).
 */
int api_suppressions(struct store *s, const struct api_rules *rules, json_t **ret, struct error *e);
/* When the host last changed, as a time to ask the history from. -ENOENT with e: it has not, since it is watched. */
int api_last_host_change(struct store *s, int64_t *ret_since, struct error *e);
/*
 * guest NULL = all; since in CLOCK_REALTIME ns, 0 = all. A `host` event has "guests": those that drifted later because of one of
 * its factors, before that factor changed again.
 */
int api_history(struct store *s, const char *guest, int64_t since, json_t **ret, struct error *e);
/*
 * The newest of it, so that it ends soon: `limit` events, and no more once they hold `characters`. Where older ones are left out there is
 * "before" too: what to ask with for them (before NULL: up to now). -EINVAL with e: it is no such thing.
 */
struct api_newest {
	int64_t since;
	const char *before;
	bool host; /* of a guest: also what is about no guest, the host's changes and maintenance */
	size_t limit, characters;
};
int api_history_newest(struct store *s, const char *guest, const struct api_newest *part, json_t **ret, struct error *e);
/*
 * Alerts that were raised, in that order, and what became of each at every sink; guest NULL = all. A limit of 0: all of them, else the newest,
 * as above: some thousands are looked through at once, so that there may be "before" where few or none were found.
 */
int api_alerts(struct store *s, const char *guest, const struct api_newest *part, json_t **ret, struct error *e);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What abidrift remembers: guests, their instances, boots, revisions, baselines with their facts, drift, events, alerts to
 * deliver. One interface, one backend today (sqlite.c: WAL, STRICT, user_version, contents once by digest). One writer (the
 * analyst) beside `accept`, any readers. Nothing here assumes that all guests of a store are on one host.
 *
 * All functions: 0 or more = done, -errno otherwise; store_error() tells a person what happened to which file and what to do
 * (locked, damaged, newer format, full disk, read-only). Times are CLOCK_REALTIME ns. Strings in results are owned by them.
 * -ENOENT: no such row. Writes outside a transaction are one of their own. A failed write loses nothing that was committed.
 */
#ifndef ABIDRIFT_STORE_STORE_H
#define ABIDRIFT_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/abi/facet.h"
#include "userspace/drift/drift.h"
#include "userspace/fingerprint/fingerprint.h"

struct error;
struct store;

#define STORE_FORMAT 3 /* user_version */
#define STORE_DEFAULT_URL "sqlite:/var/lib/abidrift/abidrift.db"

enum store_mode {
	STORE_READ,   /* must exist; nothing is written to it, migrations neither (older format: refused, says how to migrate) */
	STORE_WRITE,  /* must exist; migrated */
	STORE_CREATE, /* made if missing; its folder must exist */
};

/*
 * Before any store is opened: what SQLite gets no memory for counts as a shortage (memory.h). Some of its functions go on without:
 * json_valid() then calls good JSON bad.
 */
void store_note_memory(void);
/* url: sqlite:PATH. e gets the one clear line. */
int store_open(const char *url, enum store_mode mode, struct store **ret, struct error *e);
void store_close(struct store *s);
const char *store_error(const struct store *s);
/* How long a lock of others is waited for, before -EBUSY: for those who must not stand still, and ask again. */
void store_patience(struct store *s, int ms);
int store_begin(struct store *s);
int store_commit(struct store *s);
void store_rollback(struct store *s);
/* All transactions from here to store_release are kept as one, or, where the store is closed before, none. Others wait that long to write. */
int store_hold(struct store *s);
int store_release(struct store *s);
/* 1 if another connection committed since the last call (or the open), else 0. -ESTALE: its file was moved, replaced or deleted; nothing is written then. */
int store_changed(struct store *s);

struct store_guest {
	int64_t row;
	char *id; /* uuid, else name, else anon-… */
	char *uuid; /* NULL */
	char *name; /* NULL */
	bool anonymous;
	uint32_t boots;       /* boots seen so far */
	uint32_t revisions;   /* number of the newest revision, 0 = none */
};
void store_guest_release(struct store_guest *g);

/* Finds by id, makes it if missing; updates the name. */
int store_guest_put(struct store *s, const char *id, const char *uuid, const char *name, bool anonymous, struct store_guest *ret);
/* More is known of it: it gets another id, and with it this uuid, name and `anonymous`. -EEXIST: another guest has that id (error line set). */
int store_guest_rename(struct store *s, int64_t row, const char *id, const char *uuid, const char *name, bool anonymous);
/* Forgets a guest of which nothing was fingerprinted, its instances and events with it; else it stays, and *ret_dropped is false. */
int store_guest_drop(struct store *s, int64_t row, bool *ret_dropped);
int store_guest_get(struct store *s, int64_t row, struct store_guest *ret);
/* All guests, by name then id. */
int store_guests(struct store *s, struct store_guest **ret, size_t *ret_count);
/*
 * GUEST as people write it: exact id, uuid or name, or a unique prefix of one; "guest:NAME" forces a name. -ENOENT, or
 * -EEXIST when ambiguous: e lists the candidates (at most 8).
 */
int store_guest_resolve(struct store *s, const char *text, struct store_guest *ret, struct error *e);

/* store_instance.life of a VM that is not the guest whose name or UUID it has: the guest's own come before it. */
#define STORE_LIFE_TWIN "twin"

/* One VM: UUID, host, process and start time. */
struct store_instance {
	int64_t row;
	int64_t guest;
	char *host;
	int64_t pid;
	int64_t fd;
	char *start;         /* process start, ticks */
	char *vm;            /* kernel-side id, 16 hex digits, and boot_id of the host: "HEX@BOOT_ID" */
	bool running;
	int64_t began_at, ended_at; /* ended_at 0 = runs */
	uint32_t boot;       /* the guest's boot number */
	uint64_t boot_token; /* record_boot.token */
	bool settled;
	char *state;         /* learning same drift unknown */
	enum severity severity;
	uint32_t changes;
	uint32_t revision;   /* current, 0 = none */
	char *vmm;           /* JSON object as in `ls` */
	char *machine;       /* NULL */
	char *context;       /* context_write, of the present boot; NULL: not known */
	char *life;          /* how it came to its present boot: started reset migrated restored; STORE_LIFE_TWIN; NULL: not known */
	struct abi_coverage coverage[FACETS]; /* of the present boot */
};
void store_instance_release(struct store_instance *i);
bool store_instance_twin(const struct store_instance *i);
void store_instances_free(struct store_instance *items, size_t count);
/* row 0: inserts and sets row; else updates everything. */
int store_instance_put(struct store *s, struct store_instance *i);
/* Of one guest (0 = of all), running first, then those that are the guest, then newest first. */
int store_instances(struct store *s, int64_t guest, struct store_instance **ret, size_t *ret_count);
/* Of guests that have a UUID, without coverage: those with i's pid, or whose vm begins so; in that order. */
int store_instances_like(struct store *s, const struct store_instance *i, const char *vm, struct store_instance **ret, size_t *ret_count);
/* Those of one guest that run, newest first; where none does its newest one. */
int store_instances_now(struct store *s, int64_t guest, struct store_instance **ret, size_t *ret_count);

struct store_revision {
	int64_t guest;
	uint32_t revision;     /* from 1, per guest */
	int64_t at;
	uint32_t boot;
	uint32_t normaliser;   /* ABI_NORMALISER of the abidrift that derived text from facts */
	bool running;          /* made in a boot that had been judged as a whole before: the guest was not restarted */
	struct digest digest;  /* of the whole */
	char *text;            /* fingerprint text */
	size_t text_size;
	void *facts;           /* facts_serialize */
	size_t facts_size;
	char *context;         /* context_write */
	size_t context_size;
};
void store_revision_release(struct store_revision *r);
/* revision 0: the guest's next number, set in *r. Else replaces that revision's contents (growth). */
int store_revision_put(struct store *s, struct store_revision *r);
/* revision 0 = the newest. */
int store_revision_get(struct store *s, int64_t guest, uint32_t revision, struct store_revision *ret);
/* Only what it is called by: lists of many guests need no more, and its contents are large. revision as above, not 0. */
int store_revision_mark(struct store *s, int64_t guest, uint32_t revision, struct digest *ret_digest, int64_t *ret_at);
struct store_revision_mark {
	uint32_t revision, boot;
	int64_t at;
	struct digest digest;
};
/* The newest `max` of a guest, the newest first. free() it. */
int store_revision_marks(struct store *s, int64_t guest, size_t max, struct store_revision_mark **ret, size_t *ret_count);
/* Digest "sha256:…" or a prefix of it, of a whole fingerprint: -ENOENT, -EEXIST ambiguous. Newest one of the newest guest wins among equal digests. */
int store_revision_by_digest(struct store *s, const char *prefix, struct store_revision *ret, struct error *e);

struct store_baseline {
	uint32_t revision; /* 0 = there is none */
	struct digest digest;
	int64_t at;
	char *by;          /* "auto" or a user */
	char *reason;      /* NULL */
	int64_t expires;   /* 0 = never */
	char *change_set;  /* that it was accepted with; NULL */
};
void store_baseline_release(struct store_baseline *b);
/* The present one; -ENOENT: none. */
int store_baseline_get(struct store *s, int64_t guest, struct store_baseline *ret);
/* digest is the revision's, and not asked for. */
int store_baseline_set(struct store *s, int64_t guest, const struct store_baseline *b);
/* Back to the one before; -ENOENT: there is none before. */
int store_baseline_undo(struct store *s, int64_t guest, int64_t at, const char *by, const char *reason, struct store_baseline *ret_now);

/* The drift that is open for a guest: the JSON of drift_json, its digest and change set (NULL: none). NULL json closes it. */
int store_drift_set(struct store *s, int64_t guest, const char *json, const struct digest *digest, const char *change_set, int64_t at);
int store_drift_get(struct store *s, int64_t guest, char **ret_json, struct digest *ret_digest, int64_t *ret_at);
/* What a list tells of it: the JSON's "verdict" and the change set (NULL: nobody judged it, it is of none), and when it began. -ENOENT. */
int store_drift_mark(struct store *s, int64_t guest, char **ret_verdict, char **ret_change_set, int64_t *ret_at);

struct store_drift {
	int64_t guest;
	int64_t at;
	char *change_set; /* NULL */
	struct digest digest;
	char *json; /* NULL: not asked for */
	/* Of the guest, and of its instance that runs, else the newest: */
	char *id, *uuid, *name; /* uuid, name: NULL */
	bool anonymous;
	char *host; /* NULL: it has no instance */
	bool running, settled;
};
void store_drifts_free(struct store_drift *items, size_t count);
/* All that are open, by guest. */
int store_drifts(struct store *s, struct store_drift **ret, size_t *ret_count);
/* Without their JSON, which may be long. Digest and change set tell whether it is another. */
int store_drifts_brief(struct store *s, struct store_drift **ret, size_t *ret_count);

/* Guests whose open drift is of one change set (drift/change_set.h). An anonymous guest that is gone is of none. */
struct store_change_set {
	char *id;
	size_t guests;
	int64_t guest; /* one of them */
	int64_t since; /* when the first of their drifts that are open now was seen */
};
void store_change_sets_free(struct store_change_set *items, size_t count);
/* Most guests first. */
int store_change_sets(struct store *s, struct store_change_set **ret, size_t *ret_count);
/* Of the guest's open drift; NULL: none. */
int store_change_set_of(struct store *s, int64_t guest, char **ret);
/*
 * The set whose id begins so, among those of open drifts, or (accepted) those that baselines of now were accepted with.
 * -EINVAL, -ENOENT, -EEXIST (ambiguous) with e.
 */
int store_change_set_find(struct store *s, const char *prefix, bool accepted, char **ret, struct error *e);
/* Rows of its guests: those that drift so, or those whose baseline was accepted with it. */
int store_change_set_guests(struct store *s, const char *id, bool accepted, int64_t **ret, size_t *ret_count);

struct store_event {
	int64_t row;
	int64_t at;
	char *type;      /* host boot fingerprint drift resolved accept undo evidence loss stop maintenance */
	int64_t guest;   /* 0 = about the host */
	char *guest_id;  /* NULL */
	uint32_t revision; /* 0 = none */
	char *by, *reason; /* NULL */
	char *changes;   /* JSON array, NULL */
	char *context;   /* JSON, NULL */
	char *change_set; /* NULL */
};
void store_events_free(struct store_event *items, size_t count);
int store_event_add(struct store *s, const struct store_event *event);
/* The guest's newest event of that type says `is`, if it said `was`: what it tells of became known later. */
int store_event_mend(struct store *s, int64_t guest, const char *type, const char *was, const char *is);
/* guest 0 = of all; since 0 = all; in time order. */
int store_events(struct store *s, int64_t guest, int64_t since, struct store_event **ret, size_t *ret_count);
/* The newest of them, before a place in the order of (at, row). */
struct store_newest {
	int64_t since, before_at, before_row; /* INT64_MAX, INT64_MAX: up to now */
	bool host;         /* of a guest: also what is about none, the host's and maintenance */
	size_t limit;      /* events */
	size_t characters; /* of their JSON and reasons; what exceeds it is the last one */
};
/* In time order. *ret_more: older ones were left out. */
int store_events_newest(struct store *s, int64_t guest, const struct store_newest *part, struct store_event **ret, size_t *ret_count, bool *ret_more);
/* When something of this type happened last. -ENOENT: never. */
int store_event_last(struct store *s, const char *type, int64_t *ret_at);

/* Alerts: written in the transaction of what they tell of; each sink acknowledges for itself. */
struct store_alert {
	int64_t row;       /* rises */
	char *id;
	char *json;        /* one line */
	int64_t at;
	char *guest;       /* whose alerts stay in order: its id; NULL: about the host */
};
void store_alerts_free(struct store_alert *items, size_t count);
/* guest: id; NULL: about the host. */
int store_alert_add(struct store *s, const char *id, const char *guest, const char *json, int64_t at);
/* Not yet acknowledged by this sink, oldest first, at most max. A sink that is new starts with what is added after store_sink_begin. */
int store_alerts_for(struct store *s, const char *sink, size_t max, struct store_alert **ret, size_t *ret_count);
/* Of these the first one of each guest: for when a few guests' alerts wait at the head of the queue. */
int store_alert_heads(struct store *s, const char *sink, size_t max, struct store_alert **ret, size_t *ret_count);
int store_sink_begin(struct store *s, const char *sink);
/* It left this sink's queue. given_up: nobody took it. Either is counted (store_counters, "alerts", "SINK,delivered" or "SINK,given_up"). */
int store_alert_done(struct store *s, const char *sink, int64_t row, bool given_up);
/* An attempt failed: counted ("SINK,failed"), and not tried again before next_at. refused: it raises `attempts`. */
int store_alert_failed(struct store *s, const char *sink, int64_t row, bool refused, int64_t next_at, const char *why);

/* The newest of all that are kept, before a row. */
struct store_alerts_part {
	const char *guest; /* id; NULL: all, and those about the host */
	int64_t since;
	int64_t before;    /* INT64_MAX: up to now */
	size_t limit;      /* alerts, from 1 */
	size_t characters; /* of their JSON; what exceeds it is the last one */
};
/* In the order in which they were raised. Some thousands are looked through at once: *ret_before is where it goes on, 0 where there are no older ones. */
int store_alerts_newest(struct store *s, const struct store_alerts_part *part, struct store_alert **ret, size_t *ret_count, int64_t *ret_before);
/* What became of an alert at a sink. */
struct store_fate {
	char *sink;
	bool done;        /* it left the queue: delivered, given up, or raised before there was this sink */
	int64_t attempts; /* that were refused, while it waits */
	char *why;        /* what the last failure said, while it waits; NULL */
};
void store_fates_free(struct store_fate *items, size_t count);
/* At every sink that ever began, by name. */
int store_alert_fates(struct store *s, int64_t row, struct store_fate **ret, size_t *ret_count);

/* What a sink's queue holds. */
struct store_queue {
	char *sink;
	size_t waiting;
	int64_t oldest_at; /* of what waits; 0 = nothing does */
	char *why;         /* what its last failure said, of those that wait; NULL */
};
void store_queues_free(struct store_queue *items, size_t count);
/* Of every sink that ever began, by name. */
int store_queues(struct store *s, struct store_queue **ret, size_t *ret_count);
/* A sink that nobody wants any more: its queue is forgotten. */
int store_sink_drop(struct store *s, const char *sink);

/* Counts that only rise, over restarts: name "alerts" (labels "SINK,RESULT"), "drift_events" ("FACET,SEVERITY,VERDICT"). */
struct store_counter {
	char *name, *labels;
	uint64_t count;
};
void store_counters_free(struct store_counter *items, size_t count);
int store_counter_add(struct store *s, const char *name, const char *labels, uint64_t count);
/* The same; but what is new when the name has `max` of them already is added to `other`. */
int store_counter_add_bounded(struct store *s, const char *name, const char *labels, size_t max, const char *other, uint64_t count);
/* By name and labels. */
int store_counters(struct store *s, struct store_counter **ret, size_t *ret_count);

/* How many there are of each, for metrics: counted by the store, because there are many. */
struct store_tally {
	char *name, *kind;
	size_t count;
};
void store_tallies_free(struct store_tally *items, size_t count);
/* Guests as `ls` lists them: state; "running" or "ended". */
int store_tally_states(struct store *s, struct store_tally **ret, size_t *ret_count);
/* Running guests: facet; coverage. */
int store_tally_coverage(struct store *s, struct store_tally **ret, size_t *ret_count);
/* Guests whose open drift counts: facet; the worst severity of its changes. */
int store_tally_drifted(struct store *s, struct store_tally **ret, size_t *ret_count);
/* Guests whose open drift counts: the worst severity of it; "". */
int store_tally_worst(struct store *s, struct store_tally **ret, size_t *ret_count);

/* A guest with a UUID whose open drift counts. */
struct store_drifting {
	char *uuid;
	enum severity severity; /* the worst */
	size_t changes;
};
void store_drifting_free(struct store_drifting *items, size_t count);
/* At most max: the most severe first, then those with most changes. */
int store_drifting(struct store *s, size_t max, struct store_drifting **ret, size_t *ret_count);

/* Of the file and its log. */
int store_size(struct store *s, uint64_t *ret_bytes);

/* What the monitor of a host says of itself, every few seconds (status.h has the JSON). The newest one of each host. */
struct store_status {
	char *host;
	int64_t at; /* the heartbeat */
	char *json;
};
void store_statuses_free(struct store_status *items, size_t count);
int store_status_put(struct store *s, const char *host, int64_t at, const char *json);
int store_statuses(struct store *s, struct store_status **ret, size_t *ret_count);
/* Those from before that time, of hosts of which a guest is stored as running; the oldest first. */
int store_statuses_stale(struct store *s, int64_t before, struct store_status **ret, size_t *ret_count);

/*
 * Where somebody no longer sees, as long as it lasts. scope names it: "monitor/HOST", "facet/HOST/FACET", "guest/ID/FACET".
 * One row each; what raised or ended it wrote its alert in the same transaction.
 */
struct store_blind {
	char *scope;
	char *host;
	char *guest;  /* id; NULL: about the host */
	int64_t at;
	enum severity severity;
	char *reason;
};
void store_blinds_free(struct store_blind *items, size_t count);
/* *ret_new: it was not there before; else only the reason follows. */
int store_blind_set(struct store *s, const struct store_blind *blind, bool *ret_new);
/* *ret_gone: there was one. */
int store_blind_end(struct store *s, const char *scope, bool *ret_gone);
/* By scope. */
int store_blinds(struct store *s, struct store_blind **ret, size_t *ret_count);
/* Those whose scope begins so; prefix ends in a slash. */
int store_blinds_under(struct store *s, const char *prefix, struct store_blind **ret, size_t *ret_count);

/* What lasts, as one who wants states and not events (Alertmanager) is told of it: kept until each peer took its end. */
struct store_notice {
	char *key;         /* what identifies it; the same key is the same notice */
	char *json;        /* labels and annotations */
	int64_t starts_at;
	int64_t ends_at;   /* 0 = it lasts */
};
void store_notices_free(struct store_notice *items, size_t count);
/* Inserts, or replaces json and ends_at (and starts_at, where the one before had ended). */
int store_notice_put(struct store *s, const struct store_notice *notice);
int store_notices(struct store *s, struct store_notice **ret, size_t *ret_count);
/* This peer took its end. */
int store_notice_took(struct store *s, const char *key, const char *peer);
/* Did it? */
int store_notice_taken(struct store *s, const char *key, const char *peer, bool *ret_taken);
int store_notice_drop(struct store *s, const char *key);

/* Host facts as last seen ("FACTOR VALUE" lines), by host name: a change is a `host` event. NULL: none yet, -ENOENT. */
int store_host_get(struct store *s, const char *host, char **ret_context);
int store_host_put(struct store *s, const char *host, const char *context);

/* A maintenance window: drift is judged and kept as ever, but alerts of it wait for its end. At most one is open. */
struct store_maintenance {
	int64_t row;
	int64_t begins_at;
	int64_t ends_at;
	char *by;
	char *reason;      /* NULL */
	int64_t closed_at; /* what happened in it was summed up; 0 = it is open (over, perhaps, but nobody summed it up yet) */
};
void store_maintenance_release(struct store_maintenance *m);
/* The open one; -ENOENT: none. */
int store_maintenance_get(struct store *s, struct store_maintenance *ret);
/* row 0: begins one and sets row, -EEXIST while another is open; else sets when it ends and is closed. */
int store_maintenance_put(struct store *s, struct store_maintenance *m);

/* What became of a guest whose drift came, changed or went since some time. */
struct store_turn {
	int64_t guest;
	char *name;       /* else its id */
	bool drifted;     /* before */
	char *change_set; /* of its open drift; NULL: it does not drift now */
};
void store_turns_free(struct store_turn *items, size_t count);
/* By name. */
int store_turns(struct store *s, int64_t since, struct store_turn **ret, size_t *ret_count);

/* What rules of suppression hid since the store was made. */
struct store_suppression {
	char *rule;
	uint64_t changes, guests; /* each time a guest's hidden changes became others */
	int64_t last_at;
};
void store_suppressions_free(struct store_suppression *items, size_t count);
/* Adds to the rule's counts. */
int store_suppression_hit(struct store *s, const char *rule, uint64_t changes, uint64_t guests, int64_t at);
/* Rules that ever hid anything, by name. */
int store_suppressions(struct store *s, struct store_suppression **ret, size_t *ret_count);

/* How much is forgotten in one transaction, for which other writers wait: about a tenth of a second. */
#define STORE_PRUNE_ROWS 1000

/* Deletes history older than `before` (not baselines, not open drift, nor what they refer to), in as many transactions as it takes. */
int store_prune(struct store *s, int64_t before, size_t *ret_rows);
/* One of these transactions. *ret_more: it was not enough. */
int store_prune_some(struct store *s, int64_t before, bool *ret_more);

/* How many rows of a table. */
struct store_rows {
	char *table;
	uint64_t rows;
};
void store_rows_free(struct store_rows *items, size_t count);
/* As store_prune, and says what went: each table that it looked at, also where nothing was old. */
int store_prune_told(struct store *s, int64_t before, struct store_rows **ret, size_t *ret_count);
/* Every table of the store, by name. */
int store_tables(struct store *s, struct store_rows **ret, size_t *ret_count);

/* What the files take. */
struct store_room {
	uint64_t bytes;      /* of the database file */
	uint64_t free_bytes; /* of it, which deleted rows left to be used again */
	uint64_t log_bytes;  /* beside it, not taken over yet */
};
int store_room(struct store *s, struct store_room *ret);
/* The store's absolute path. Borrowed. */
const char *store_path(const struct store *s);
/* Of the log beside it: what was written and is not taken over yet, or room that it once took. */
int64_t store_log_bytes(const struct store *s);
/* Gives back what deleted rows left: the file is written once more, which others have to wait for. Needs as much room for as long. */
int store_vacuum(struct store *s);
/*
 * A copy as of one moment in `path`, which must not exist, while others read and write. It is checked and on the disk before it gets
 * its name; mode 0640. Killed in between, it leaves a file `path`.XXXXXX.
 */
int store_backup(struct store *s, const char *path, struct error *e);
/* PRAGMA integrity_check and the store's own rules. -EBADMSG: it is not whole; the error tells the first finding. */
int store_check(struct store *s, struct error *e);
/* The same, all that is found: a line each, at most 100 or so. None: it is whole. */
int store_findings(struct store *s, char ***ret, size_t *ret_count);
void store_findings_free(char **texts, size_t count);

#endif

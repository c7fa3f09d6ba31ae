/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/analyst.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <malloc.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "userspace/abi/context.h"
#include "userspace/abi/entries.h"
#include "userspace/abi/facts.h"
#include "userspace/abi/identity.h"
#include "userspace/alert.h"
#include "userspace/base/buffer.h"
#include "userspace/base/error.h"
#include "userspace/base/text.h"
#include "userspace/base/config.h"
#include "userspace/blind.h"
#include "userspace/drift/suppress.h"
#include "userspace/drift/view.h"
#include "userspace/judge.h"
#include "userspace/lives.h"
#include "userspace/maintenance.h"
#include "userspace/skips.h"
#include "userspace/status.h"
#include "userspace/store/revision.h"
#include "userspace/store/store.h"

#define ALL_FACETS ((1u << FACETS) - 1)
/* Tables of many vCPUs arrive one after the other: judged once no more came for so long. */
#define TABLES_QUIET_NS 200000000ull
#define POLL_NS 500000000ull
#define PRUNE_NS 3600000000000ull
/* Not while a host's guests are all new to us; and not so late that one that is restarted often never does. */
#define PRUNE_FIRST_NS 60000000000ull
/* Firmware of a host on which many guests start at once can rest in its midst: of a bus scan that is not over the end is waited for. */
#define PATIENCE 3
#define PATIENT_FACETS (1u << FACET_PORTS | 1u << FACET_MMIO | 1u << FACET_MEMORY | 1u << FACET_PCI | 1u << FACET_PLACEMENT)
#define READ_BYTES 65536
#define INSTANCE_BUCKETS 4096u /* power of two */
/* Nothing to read for so long is progress too: the collector tells that. */
#define QUIET_MS 1000
#define SECOND_NS 1000000000
/* A store that is only locked by others for less is no failure. */
#define BUSY_TOLD_NS (10ll * SECOND_NS)
/* The store's log; it is cut back to 64 MiB where nobody is in the way. */
#define LOG_TOLD_BYTES (96ll << 20)
/* How a reason begins that is a setting. */
#define BY_DECISION "monitor."
#define FAILURES 4 /* different ones of the store are told, each once, until it takes something again */

/* One VM of the stream. */
struct instance {
	struct instance *next;
	struct instance *next_alike; /* whose VM's number falls into the same bucket */
	uint64_t vm;
	uint32_t stream_boot; /* as the stream numbers it; 0 = no BOOT yet */
	struct guest_facts *facts;
	struct identity who;
	char *entered_id;     /* as which guest the store has it; NULL: it has not */
	int64_t entered_row;
	char table_uuid[37];  /* what its SMBIOS tables said first: stays through resets, while they are built anew; "" = nothing yet */
	bool tables_heard, imposture_said;
	struct store_guest guest;
	struct store_instance row;
	struct record_boot boot;
	char *gone;           /* why it ended, while the store has not taken that yet; NULL: it is there */
	bool ready;           /* guest and row are in the store */
	bool boot_stored;     /* and so is this boot */
	bool began_known;     /* the next was looked up */
	uint32_t began;       /* revision that this boot showed first; 0: it has not been judged as a whole */
	enum origin origin;   /* of one that was made to go on with another VM's memory */
	bool announced;
	bool waiting_said;    /* told that it waits for its guest */
	bool outgoing;        /* another VM of the same guest runs by now: this one is being migrated away */
	bool left;            /* the guest moved out of it once, and nothing was seen of it since */
	bool was_guest;       /* the store has a judged boot of the guest in this very VM */
	bool twin;            /* it has the name of a guest that another VM is */
	bool twin_told;       /* so somebody was told */
	bool returns;         /* it was a twin, and is the guest now: its boot counts from here */
	uint64_t ran_ns;      /* a vCPU was first known to run in this boot; 0 = not yet */
	uint64_t told_ns;     /* when the stream last told facts of it, news or not */
	uint64_t news_ns[FACETS];
	uint64_t judged_ns[FACETS];
	unsigned judged, dirty;
	uint64_t held_ns;     /* since when drift of it waits for the rest of its boot, or of the one after a reset; 0 = none does */
	uint64_t scan_ns;     /* news of pci that were looked at for the end of the bus scan */
	bool scanning;        /* it was not over */
	bool said_fell;
	char overrun[sizeof(((struct judge_outcome *)0)->overrun)]; /* as last told */
	unsigned lost_said;   /* classes whose loss was told in this boot */
	uint64_t decoded_ns[FACTS_DECODED]; /* when such a fact of this boot last changed */
	struct digest said;   /* of the fingerprint that was last told */
};

struct analyst {
	struct store *store;
	struct analyst_options options;
	struct instance *instances;
	struct instance *buckets[INSTANCE_BUCKETS]; /* the same, by VM: every record asks for one */
	void *host_pairs, *blind_pairs, *stats_pairs;
	size_t host_bytes, blind_bytes, stats_bytes;
	char *host, *boot_id;
	uint64_t now_ns;         /* stream time, CLOCK_MONOTONIC */
	int64_t realtime_offset; /* CLOCK_REALTIME - CLOCK_MONOTONIC */
	uint64_t polled_ns, prune_ns; /* prune_ns: when to forget next */
	bool pruning;                 /* there is more to forget */
	int64_t expiry; /* when the next accepted baseline expires, as far as the store was read; INT64_MAX = none */
	const struct suppressions *rules; /* NULL: none */
	struct suppressions *own_rules;   /* those of the stream */
	int64_t rule_end; /* when the next rule ends; INT64_MAX = none */
	int64_t window; /* when the maintenance window ends, as far as the store was read; INT64_MAX = none is open */
	bool packed;        /* facts of some guest, at the last look */
	bool rest;          /* all guests' are, and nothing was told since */
	uint64_t ring_full; /* news that found the ring full, as last told */
	uint64_t map_full;  /* facts that found the map full, as last heard */
	struct skips skips;
	bool skips_told;    /* the stream has told how many events the kernel skipped so far */
	bool skips_decoded; /* and tells those apart that make what is decoded doubtful */
	int64_t failing_since; /* the store, CLOCK_BOOTTIME; 0 = it does not */
	bool log_told;         /* the store's log grows */
	bool failing, failed_hard; /* since the last heartbeat; for more than being busy */
	char failure[sizeof(((struct error *)0)->text)]; /* what it said first */
	int64_t begun;           /* when the stream began, CLOCK_REALTIME */
	bool hello, synced, unknown, recheck;
	bool reads_memory;       /* the collector reads guests' memory, and tells in the end of every boot what came of it */
	char failures[FAILURES][sizeof(((struct error *)0)->text)]; /* told since the store last took something */
	size_t failure_count;
};

static int64_t now_real(const struct analyst *a)
{
	return (int64_t)a->now_ns + a->realtime_offset;
}

/* While we wait for a store that is locked, the stream's time stands still. */
static int64_t now_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (int64_t)t.tv_sec * SECOND_NS + t.tv_nsec;
}

static void say(struct analyst *a, int level, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void say(struct analyst *a, int level, const char *format, ...)
{
	struct buffer raw = BUFFER_INIT, line = BUFFER_INIT;
	va_list args;

	if (!a->options.say)
		return;
	va_start(args, format);
	buffer_vprintf(&raw, format, args);
	va_end(args);
	text_terminal(&line, raw.data, raw.size);
	if (!buffer_failed(&raw) && !buffer_failed(&line) && line.data)
		a->options.say(a->options.context, level, line.data);
	buffer_release(&raw);
	buffer_release(&line);
}

static const char *called(const struct instance *in)
{
	return in->who.name ? in->who.name : in->who.id;
}

static void instance_free(struct instance *in)
{
	if (!in)
		return;
	free(in->gone);
	facts_free(in->facts);
	identity_release(&in->who);
	free(in->entered_id);
	store_guest_release(&in->guest);
	store_instance_release(&in->row);
	free(in);
}

static struct instance **instance_bucket(struct analyst *a, uint64_t vm)
{
	return &a->buckets[(vm ^ vm >> 32) * 0x9e3779b97f4a7c15ull >> 32 & (INSTANCE_BUCKETS - 1)];
}

static struct instance *instance_find(struct analyst *a, uint64_t vm)
{
	struct instance *in = *instance_bucket(a, vm);

	while (in && in->vm != vm)
		in = in->next_alike;
	return in;
}

static struct instance *instance_new(struct analyst *a, uint64_t vm)
{
	struct instance *in = calloc(1, sizeof *in), **bucket = instance_bucket(a, vm);

	if (in && !(in->facts = facts_new())) {
		free(in);
		in = NULL;
	}
	if (in) {
		in->vm = vm;
		in->next = a->instances;
		a->instances = in;
		in->next_alike = *bucket;
		*bucket = in;
	}
	return in;
}

static void instance_unlink(struct analyst *a, struct instance *gone)
{
	struct instance **at = &a->instances;

	while (*at != gone)
		at = &(*at)->next;
	*at = gone->next;
	at = instance_bucket(a, gone->vm);
	while (*at != gone)
		at = &(*at)->next_alike;
	*at = gone->next_alike;
}

int analyst_new(struct store *store, const struct analyst_options *options, struct analyst **ret, struct error *e)
{
	struct analyst *a = calloc(1, sizeof *a);

	if (!a)
		return error_set(e, ENOMEM, "out of memory");
	a->store = store;
	a->options = *options;
	a->rules = options->suppress;
	a->rule_end = INT64_MAX;
	*ret = a;
	return 0;
}

void analyst_free(struct analyst *a)
{
	if (!a)
		return;
	while (a->instances) {
		struct instance *next = a->instances->next;

		instance_free(a->instances);
		a->instances = next;
	}
	suppressions_free(a->own_rules);
	free(a->host_pairs);
	free(a->blind_pairs);
	free(a->stats_pairs);
	free(a->host);
	free(a->boot_id);
	free(a);
}

bool analyst_synced(const struct analyst *a) { return a->synced; }
int64_t analyst_now(const struct analyst *a) { return a ? now_real(a) : 0; }
bool analyst_unknown(const struct analyst *a) { return a->unknown; }

static int store_failed(struct analyst *a, int err, struct error *e)
{
	/* What runs short may be on this side of the store. */
	return error_set(e, -err, "%s", err == -ENOMEM ? "out of memory" : store_error(a->store));
}

/*
 * The store failed (full disk, locked). Live, what was to be stored is still in memory and is tried again with the next tick, so
 * the stream goes on and nothing is lost; it is said once. A replay has no second chance and fails.
 */
static int store_trouble(struct analyst *a, int err, struct error *e)
{
	bool told = false;

	if (a->options.replay || err == -ENOMEM || err == -EBADMSG)
		return err;
	if (!a->failing_since) {
		a->failing_since = now_clock();
		memcpy(a->failure, e->text, sizeof a->failure);
	}
	a->failing = true;
	a->failed_hard |= err != -EBUSY && err != -EAGAIN;
	for (size_t i = 0; i < a->failure_count && !told; i++)
		told = !strcmp(a->failures[i], e->text);
	if (!told && a->failure_count < FAILURES) {
		memcpy(a->failures[a->failure_count++], e->text, sizeof e->text);
		say(a, 1, "%s; trying again", e->text);
	}
	e->text[0] = 0;
	return 0;
}

static void alive(const struct analyst *a)
{
	if (a->options.alive)
		a->options.alive(a->options.context);
}

/* Each try of a store that somebody holds takes seconds: after the first the others wait for the next tick. */
static bool held(int err)
{
	return err == -EBUSY || err == -EAGAIN;
}

/* ---- the host */

static int host_event(struct analyst *a, const struct context *was, const struct context *is, struct error *e)
{
	struct drift_options options = { .facets = 0 };
	struct abi_entries nothing = ABI_ENTRIES_INIT;
	struct drift drift = DRIFT_INIT;
	json_t *diff = NULL;
	int err = drift_compare(&nothing, was, &nothing, is, &options, &drift);

	if (err >= 0 && drift.context_count) {
		diff = drift_json(&drift, SEVERITY_NONE);
		char *context = diff ? json_dumps(json_object_get(diff, "context"), JSON_COMPACT) : NULL;
		struct store_event event = { .at = now_real(a), .type = (char *)"host", .context = context, .reason = a->host };

		err = context ? store_event_add(a->store, &event) : -ENOMEM;
		if (err < 0)
			err = store_failed(a, err, e);
		free(context);
		say(a, 0, "host %s changed: %zu factors differ from when it was last watched", a->host, drift.context_count);
	}
	json_decref(diff);
	drift_release(&drift);
	return err;
}

/* What this host was when the store last saw it, against what it is. */
static int host_follow(struct analyst *a, struct error *e)
{
	struct context was = CONTEXT_INIT, is = CONTEXT_INIT;
	struct guest_facts *none = facts_new();
	struct buffer text = BUFFER_INIT;
	char *before = NULL;
	int err = none ? context_derive(a->host_pairs, a->host_bytes, none, &is) : -ENOMEM;

	if (err >= 0)
		err = context_write(&is, &text);
	if (err >= 0 && buffer_failed(&text))
		err = -ENOMEM;
	if (err < 0)
		goto out;
	err = store_host_get(a->store, a->host, &before);
	if (err >= 0)
		err = context_parse(before, strlen(before), &was);
	if (err >= 0)
		err = host_event(a, &was, &is, e);
	else if (err == -ENOENT)
		err = 0;
	if (err >= 0 && (!before || strcmp(before, text.data ? text.data : "")))
		err = store_host_put(a->store, a->host, text.data ? text.data : "");
	if (err < 0 && e && !e->text[0])
		err = store_failed(a, err, e);
out:
	free(before);
	facts_free(none);
	buffer_release(&text);
	context_release(&was);
	context_release(&is);
	return err;
}

static int instance_settle_in(struct analyst *a, struct instance *in, struct error *e);

/* The host has changed under guests that run: that is part of their context, though they themselves did nothing. */
static int instances_retell(struct analyst *a, struct error *e)
{
	bool busy = false;
	int err = 0;

	for (struct instance *in = a->instances; in && err >= 0; in = in->next) {
		if (!in->ready || in->gone)
			continue;
		in->ready = false;
		if (busy)
			continue;
		alive(a);
		err = instance_settle_in(a, in, e);
		busy = held(err);
		if (err < 0)
			err = store_trouble(a, err, e);
	}
	return err;
}

static int take_host(struct analyst *a, const void *body, size_t bytes, struct error *e)
{
	const char *host = record_pair_get(body, bytes, "hostname"), *boot_id = record_pair_get(body, bytes, "boot_id");
	void *copy = malloc(bytes ? bytes : 1);
	char *name = strdup(host ? host : "-"), *id = strdup(boot_id ? boot_id : "-");
	int err;

	if (!copy || !name || !id) {
		free(copy);
		free(name);
		free(id);
		return error_set(e, ENOMEM, "out of memory");
	}
	memcpy(copy, body, bytes);
	free(a->host_pairs);
	free(a->host);
	free(a->boot_id);
	a->host_pairs = copy;
	a->host_bytes = bytes;
	a->host = name;
	a->boot_id = id;
	err = host_follow(a, e);
	if (err >= 0)
		err = instances_retell(a, e);
	return err < 0 ? store_trouble(a, err, e) : 0;
}

/* ---- instances */

/* Before anything but its description and its counters is asked for. */
static int facts_open(const struct instance *in, struct error *e)
{
	return facts_unpack(in->facts) < 0 ? error_set(e, ENOMEM, "out of memory for the facts of guest %s", called(in)) : 0;
}

/* One kernel-side VM and boot, for ever: the VM's id is unique until the host reboots. */
static int vm_name(const struct analyst *a, const struct instance *in, char **ret)
{
	struct buffer b = BUFFER_INIT;

	buffer_printf(&b, "%016" PRIx64 ".%" PRIu32 "@%s", in->vm, in->stream_boot, a->boot_id ? a->boot_id : "-");
	*ret = buffer_take(&b, NULL);
	return *ret ? 0 : -ENOMEM;
}

static json_t *text_or_null(const char *text)
{
	struct buffer b = BUFFER_INIT;
	json_t *ret;

	if (!text)
		return json_null();
	text_utf8(&b, text, strlen(text));
	ret = buffer_failed(&b) ? NULL : json_string(b.size ? b.data : "");
	buffer_release(&b);
	return ret;
}

static char *vmm_json(const struct guest_facts *f)
{
	const char *replaced = facts_vm(f, "replaced");
	json_t *vmm = json_pack("{s:o, s:o, s:o, s:o, s:b}", "kind", text_or_null(facts_vm(f, "kind")), "version", text_or_null(facts_vm(f, "version")),
				"build_id", text_or_null(facts_vm(f, "build_id")), "path", text_or_null(facts_vm(f, "exe")), "replaced",
				replaced && !strcmp(replaced, "1"));
	char *text = vmm ? json_dumps(vmm, JSON_COMPACT) : NULL;

	json_decref(vmm);
	return text;
}

static int64_t pair_number(const struct guest_facts *f, const char *key)
{
	const char *text = facts_vm(f, key);
	uint64_t value;

	return text && text_u64(text, &value) == 0 && value <= INT64_MAX ? (int64_t)value : 0;
}

static int instance_context(const struct analyst *a, const struct instance *in, struct context *ret)
{
	return context_derive(a->host_pairs, a->host_bytes, in->facts, ret);
}

static int replace(char **field, const char *text)
{
	char *copy = text ? strdup(text) : NULL;

	if (text && !copy)
		return -ENOMEM;
	free(*field);
	*field = copy;
	return 0;
}

/* Was it made to go on with another VM's memory? */
static bool takes_over(const struct instance *in)
{
	return life_goes_on(life_of(in->facts, OBSERVE_REASON_CREATED));
}

/* A guest that came here with its memory has the tables and the firmware of the VMM that it comes from. */
static int context_before(const struct analyst *a, const struct instance *in, struct context *context)
{
	return takes_over(in) ? life_context(a->store, &in->row, in->origin, life_parse(in->row.life) == LIFE_RESET, context) : 0;
}

/* What of the row comes from the VM's own description. */
static int row_context(struct instance *in, const struct context *context)
{
	struct buffer text = BUFFER_INIT;
	int err = context_write(context, &text);

	if (err >= 0)
		err = buffer_failed(&text) ? -ENOMEM : replace(&in->row.context, text.data ? text.data : "");
	buffer_release(&text);
	return err;
}

static int row_describe(struct analyst *a, struct instance *in)
{
	const char *start = facts_vm(in->facts, "start");
	struct context context = CONTEXT_INIT;
	int err = instance_context(a, in, &context);

	if (err >= 0)
		err = replace(&in->row.machine, context_get(&context, "machine"));
	/* What it came with it keeps, whatever is told of its VM since. */
	if (err >= 0 && in->row.row)
		err = context_before(a, in, &context);
	if (err >= 0)
		err = row_context(in, &context);
	context_release(&context);
	if (err >= 0)
		err = replace(&in->row.host, a->host ? a->host : "-");
	if (err >= 0)
		err = replace(&in->row.start, start ? start : "");
	free(in->row.vmm);
	in->row.vmm = vmm_json(in->facts);
	in->row.guest = in->guest.row;
	in->row.pid = pair_number(in->facts, "pid");
	in->row.fd = pair_number(in->facts, "fd");
	return err < 0 ? err : in->row.vmm ? 0 : -ENOMEM;
}

/* The part of a kernel-side name before its boot number. */
static bool same_vm(const char *a, const char *b)
{
	size_t n = strcspn(a, ".");
	const char *host_a = strchr(a, '@'), *host_b = strchr(b, '@');

	return n == strcspn(b, ".") && !strncmp(a, b, n) && host_a && host_b && !strcmp(host_a, host_b);
}

/* Is a row of the store about this very VM? */
static bool row_is(const struct instance *in, const char *vm, const struct store_instance *old)
{
	bool process = old->running && old->pid == in->row.pid && old->start && in->row.start && !strcmp(old->start, in->row.start) &&
		       old->host && !strcmp(old->host, in->row.host) && strcmp(in->row.start, "");

	return (old->vm && same_vm(old->vm, vm)) || (process && old->fd == in->row.fd);
}

/* What was found out of where it came from stands in its context. Until it settled, or was reset, that may still be found out. */
static enum origin origin_recall(const struct store_instance *old)
{
	if (!old->settled && life_parse(old->life) != LIFE_RESET)
		return ORIGIN_OPEN;
	return life_elsewhere(old) ? ORIGIN_ELSEWHERE : ORIGIN_STORE;
}

/* The store may know this very VM: from before abidrift, or only the analyst, was restarted. */
static int row_adopt(struct analyst *a, struct instance *in, bool *ret_known)
{
	struct store_instance *items = NULL;
	char *vm = NULL;
	size_t count = 0, i;
	int err = store_instances(a->store, in->guest.row, &items, &count);

	*ret_known = false;
	if (err >= 0)
		err = vm_name(a, in, &vm);
	for (i = 0; err >= 0 && i < count; i++) {
		struct store_instance *old = &items[i];
		if (!row_is(in, vm, old))
			continue;
		in->row.row = old->row;
		in->row.began_at = old->began_at;
		in->row.boot = old->boot;
		in->row.boot_token = old->boot_token;
		in->row.revision = old->revision;
		in->row.settled = old->settled;
		in->origin = origin_recall(old);
		in->row.severity = old->severity;
		in->row.changes = old->changes;
		for (int f = 0; f < FACETS; f++) {
			in->row.coverage[f] = old->coverage[f];
			old->coverage[f].reason = NULL;
		}
		err = replace(&in->row.state, old->state);
		if (err >= 0)
			err = replace(&in->row.vm, old->vm);
		if (err >= 0)
			err = replace(&in->row.life, old->life);
		in->twin = in->twin_told = store_instance_twin(old);
		in->was_guest = old->settled && !in->twin;
		*ret_known = true;
		break;
	}
	free(vm);
	store_instances_free(items, count);
	return err;
}

/* ---- who it is */

/* A guest writes its own tables: nobody becomes a guest by them that another VM is for its host, or that the host calls by another name. */
static const struct instance *uuid_holder(const struct analyst *a, const struct instance *in, const char *uuid)
{
	for (const struct instance *other = a->instances; other; other = other->next) {
		if (other == in || other->gone || !other->who.uuid || strcmp(other->who.uuid, uuid))
			continue;
		if (!other->who.from_tables || (in->who.name && other->who.name && strcmp(in->who.name, other->who.name)))
			return other;
	}
	return NULL;
}

/* Who it is by now. The first good reading of its tables counts for its whole life. */
static int instance_who(struct analyst *a, struct instance *in)
{
	const struct instance *holder;
	struct identity now = { 0 };
	bool whole;
	int err;

	if (!in->tables_heard && facts_area(in->facts, RECORD_AREA_SMBIOS, &whole, NULL, NULL) && whole) {
		err = identity_derive(in->facts, &now);
		if (err < 0)
			return err;
		in->tables_heard = true;
		if (now.from_tables)
			memcpy(in->table_uuid, now.uuid, sizeof in->table_uuid);
		identity_release(&now);
	}
	holder = in->table_uuid[0] ? uuid_holder(a, in, in->table_uuid) : NULL;
	err = identity_derive_as(in->facts, in->table_uuid[0] && !holder ? in->table_uuid : NULL, &now);
	if (err < 0)
		return err;
	identity_release(&in->who);
	in->who = now;
	if (holder && !now.uuid && !in->imposture_said) {
		say(a, 1, "%s: its SMBIOS tables say the UUID of guest %s, which runs as another VM: that is not believed", called(in), called(holder));
		in->imposture_said = true;
		in->table_uuid[0] = '\0'; /* nor when that VM is gone: it would be taken for its next life */
	}
	return 0;
}

/* What an earlier abidrift learnt of this very VM from its tables: until they are read again it stays who it is. */
static int instance_recall(struct analyst *a, struct instance *in)
{
	struct store_instance *items = NULL;
	char *vm = NULL, begins[17];
	size_t count = 0;
	int err = row_describe(a, in);

	if (err >= 0)
		err = vm_name(a, in, &vm);
	snprintf(begins, sizeof begins, "%016" PRIx64, in->vm);
	if (err >= 0)
		err = store_instances_like(a->store, &in->row, begins, &items, &count);
	for (size_t i = 0; err >= 0 && i < count && !in->table_uuid[0]; i++) {
		struct store_guest guest = { 0 };

		if (!row_is(in, vm, &items[i]))
			continue;
		err = store_guest_get(a->store, items[i].guest, &guest);
		if (err >= 0 && guest.uuid && strlen(guest.uuid) < sizeof in->table_uuid)
			memcpy(in->table_uuid, guest.uuid, strlen(guest.uuid) + 1);
		store_guest_release(&guest);
	}
	free(vm);
	store_instances_free(items, count);
	return err;
}

static bool guest_shared(const struct analyst *a, const struct instance *in)
{
	for (const struct instance *other = a->instances; other; other = other->next)
		if (other != in && other->entered_id && other->entered_row == in->entered_row)
			return true;
	return false;
}

/*
 * It was entered as somebody else, before enough was known of it. That guest gets the new id. Where there is a guest of that id
 * already this is one of its lives: the other one is forgotten, or, if it has a history of its own, ends here.
 */
static int instance_reenter(struct analyst *a, struct instance *in)
{
	struct store_event event = { .at = now_real(a), .type = (char *)"stop", .guest = in->entered_row, .reason = (char *)"is known as another guest" };
	bool shared = guest_shared(a, in), dropped = false;
	int err = shared ? -EEXIST : store_guest_rename(a->store, in->entered_row, in->who.id, in->who.uuid, in->who.name, in->who.anonymous);

	/* Nobody shares this name: it is no second VM of anybody. */
	if (err >= 0 && in->twin) {
		in->twin = in->twin_told = in->boot_stored = in->began_known = false;
		in->returns = true;
		in->began = 0;
		in->judged = 0;
		in->dirty = ALL_FACETS;
	}
	if (err != -EEXIST)
		return err;
	err = shared ? 0 : store_guest_drop(a->store, in->entered_row, &dropped);
	if (err >= 0 && !dropped && in->row.row) {
		in->row.running = false;
		in->row.ended_at = now_real(a);
		err = store_instance_put(a->store, &in->row);
		if (err >= 0)
			err = store_event_add(a->store, &event);
	}
	store_instance_release(&in->row);
	in->row = (struct store_instance){ 0 };
	in->boot_stored = false;
	in->began_known = false;
	in->began = 0;
	in->origin = ORIGIN_OPEN;
	in->judged = 0;
	in->dirty = ALL_FACETS;
	in->outgoing = in->left = in->was_guest = in->twin = in->twin_told = in->returns = in->said_fell = false;
	in->said = (struct digest){ 0 };
	return err;
}

static int instance_enter(struct analyst *a, struct instance *in, struct error *e)
{
	bool known;
	int err = instance_who(a, in);

	if (err >= 0 && !in->who.uuid && !in->row.row && !in->tables_heard) {
		err = instance_recall(a, in);
		if (err >= 0)
			err = instance_who(a, in);
	}
	if (err >= 0 && in->entered_id && strcmp(in->entered_id, in->who.id))
		err = instance_reenter(a, in);
	if (err < 0)
		return err == -ENOMEM ? error_set(e, ENOMEM, "out of memory") : store_failed(a, err, e);
	store_guest_release(&in->guest);
	err = store_guest_put(a->store, in->who.id, in->who.uuid, in->who.name, in->who.anonymous, &in->guest);
	if (err < 0)
		return store_failed(a, err, e);
	err = row_describe(a, in);
	if (err >= 0 && !in->row.row) {
		err = row_adopt(a, in, &known);
		if (err >= 0 && !known)
			in->row.began_at = now_real(a);
		if (err >= 0 && known)
			err = row_describe(a, in);
	}
	if (err >= 0 && !in->row.state)
		err = replace(&in->row.state, "learning");
	in->row.running = true;
	in->row.ended_at = 0;
	if (err < 0)
		return store_failed(a, err, e);
	return 0;
}

static void instance_announce(struct analyst *a, struct instance *in)
{
	struct context context = CONTEXT_INIT;
	const char *version, *kind;

	if (in->announced || instance_context(a, in, &context) < 0) {
		context_release(&context);
		return;
	}
	kind = facts_vm(in->facts, "kind");
	version = facts_vm(in->facts, "version");
	say(a, 0, "%s: %s, pid %" PRId64 ", %s%s%s, machine %s%s%s%s", called(in), a->synced ? "appeared" : "found", in->row.pid, kind ? kind : "VMM",
	    version ? " " : "", version ? version : "", in->row.machine ? in->row.machine : "not named on its command line",
	    in->who.uuid && in->who.name ? ", " : "", in->who.uuid && in->who.name ? in->who.uuid : "",
	    in->who.anonymous ? "; nothing identifies it, so its baseline is for this life only" : "");
	in->announced = true;
	context_release(&context);
}

/* Of two VMs of one guest: the process that started later, and of one process the VM that was made or met later. */
static bool came_later(const struct instance *in, const struct instance *other)
{
	int64_t mine = pair_number(in->facts, "start"), its = pair_number(other->facts, "start");

	if (mine && its && mine != its)
		return mine > its;
	return in->row.began_at != other->row.began_at ? in->row.began_at > other->row.began_at : in->vm > other->vm;
}

/* Another VM is the guest: what this one shows says nothing of that. */
static bool stands_aside(const struct instance *in)
{
	return in->outgoing || in->twin;
}

/* The VM that this one's guest is now. NULL: there is none but this one. */
static struct instance *guest_of(const struct analyst *a, const struct instance *in)
{
	for (struct instance *other = a->instances; other; other = other->next)
		if (other != in && other->ready && !other->gone && other->guest.row == in->guest.row && !stands_aside(other))
			return other;
	return NULL;
}

/* Is it a second machine beside a guest that runs? What was started again while the VM before had not quite gone is none, once that has. */
static bool begins_as_twin(const struct analyst *a, const struct instance *in)
{
	const struct instance *first = guest_of(a, in);

	return first && first->ran_ns && !first->left && !takes_over(in) && came_later(in, first);
}

/* What `ls` says of it until the guest is free. */
static int twin_describe(const struct analyst *a, struct instance *in)
{
	const struct instance *first = guest_of(a, in);
	struct buffer reason = BUFFER_INIT;
	int err = replace(&in->row.state, "unknown");

	buffer_string(&reason, "another VM is this guest");
	if (first)
		buffer_printf(&reason, ": pid %" PRId64 " runs, and this one %s", first->row.pid,
			      takes_over(in) ? "did not take over from it" : "was not made to take over from it");
	if (err >= 0)
		err = buffer_failed(&reason) ? -ENOMEM : replace(&in->row.life, STORE_LIFE_TWIN);
	for (int f = 0; f < FACETS && err >= 0; f++) {
		in->row.coverage[f].level = COVERAGE_NONE;
		err = replace(&in->row.coverage[f].reason, reason.data);
	}
	buffer_release(&reason);
	in->row.settled = false;
	in->row.changes = 0;
	in->row.severity = SEVERITY_NONE;
	return err;
}

/* For history: what happens to a second VM is nothing that happens to the guest. */
static int twin_event(struct analyst *a, const struct store_instance *row, const char *what)
{
	struct buffer reason = BUFFER_INIT;
	struct store_event event = { .at = now_real(a), .type = (char *)"twin", .guest = row->guest };
	int err;

	buffer_printf(&reason, "another VM, pid %" PRId64 ": %s", row->pid, what);
	event.reason = reason.data;
	err = buffer_failed(&reason) ? -ENOMEM : store_event_add(a->store, &event);
	buffer_release(&reason);
	return err;
}

/* Once for each such VM, when it runs: to history, and as an alert. */
static int twin_tell(struct analyst *a, struct instance *in, const struct instance *first, struct error *e)
{
	struct alert alert = { .type = "twin", .host = a->host ? a->host : "-", .guest = &in->guest, .severity = SEVERITY_WARNING, .now = now_real(a) };
	struct buffer about = BUFFER_INIT, what = BUFFER_INIT, summary = BUFFER_INIT;
	int err = store_begin(a->store);

	if (err < 0)
		return store_failed(a, err, e);
	buffer_printf(&what, "%s as this guest, which runs in pid %" PRId64, takes_over(in) ? "it runs" : "it was started", first->row.pid);
	buffer_printf(&about, "%016" PRIx64 "@%s", in->vm, a->boot_id ? a->boot_id : "-");
	buffer_printf(&summary, "a second VM runs as this guest (pid %" PRId64 ") while it runs in pid %" PRId64
				": the second one is not judged as long as the first is there; give one of them another UUID and name",
		      in->row.pid, first->row.pid);
	alert.about = about.data;
	alert.summary = summary.data;
	err = buffer_failed(&about) || buffer_failed(&what) || buffer_failed(&summary) ? -ENOMEM : twin_describe(a, in);
	if (err >= 0)
		err = store_instance_put(a->store, &in->row);
	if (err >= 0)
		err = twin_event(a, &in->row, what.data);
	if (err >= 0)
		err = alert_add(a->store, &alert);
	if (err >= 0)
		err = store_commit(a->store);
	if (err < 0) {
		store_failed(a, err, e);
		store_rollback(a->store);
	} else {
		in->twin_told = true;
		say(a, 1, "%s: %s", called(in), summary.data);
		if (a->options.rang)
			a->options.rang(a->options.context);
	}
	buffer_release(&about);
	buffer_release(&what);
	buffer_release(&summary);
	return err < 0 ? err : 0;
}

static void twin_mark(struct instance *in)
{
	in->outgoing = in->left = in->twin_told = false;
	in->twin = true;
}

/* Of two VMs of one guest the later one has it from the other by a migration; or it is a second machine under the same name. */
static void later_mark(struct analyst *a, struct instance *in, struct instance *other)
{
	if (!in->ran_ns || !other->ran_ns || stands_aside(in) || stands_aside(other) || !came_later(in, other))
		return;
	/* A VM that the guest had left is no first machine of two; nor is one that the guest was beside before we came. */
	if (!takes_over(in) && !other->left && !in->was_guest) {
		twin_mark(in);
		return;
	}
	other->outgoing = other->left = true;
	say(a, 0, "%s: another VM of the same guest runs now (pid %" PRId64 "); pid %" PRId64 " is taken for the one that is leaving", called(in),
	    in->row.pid, other->row.pid);
}

/* Who has sent a guest away does not reset it: it was copied, and goes on here. Unless it was started elsewhere since. */
static void outgoing_reset(const struct analyst *a, struct instance *in)
{
	struct instance *other = guest_of(a, in);

	if (other && !takes_over(other)) {
		twin_mark(in);
		return;
	}
	in->outgoing = in->left = false;
	if (other)
		twin_mark(other);
}

/* Whichever of them is met first. */
static void others_find(struct analyst *a, struct instance *in)
{
	for (struct instance *other = a->instances; in->ready && other; other = other->next)
		if (other != in && other->ready && !other->gone && other->guest.row == in->guest.row) {
			later_mark(a, in, other);
			later_mark(a, other, in);
		}
}

/* The VM that was the guest has gone, and what it said of the guest with it: one that it made leave, or that waits under its name, is asked again. NULL: there is none. */
static struct instance *others_return(const struct analyst *a, const struct instance *gone)
{
	struct instance *last = NULL;

	for (struct instance *in = a->instances; in && gone->ready && !stands_aside(gone); in = in->next)
		if (in != gone && in->ready && !in->gone && in->guest.row == gone->guest.row &&
		    (!last || (in->twin == last->twin ? came_later(in, last) : last->twin)))
			last = in;
	return last && stands_aside(last) ? last : NULL;
}

/* Else history ends with a stop of a guest that is there. Whether its VMM lets it run again is not seen. */
static int outgoing_return(struct analyst *a, struct instance *in, struct error *e)
{
	struct buffer reason = BUFFER_INIT;
	struct store_event event = { .at = now_real(a), .type = (char *)"boot", .guest = in->guest.row };
	int err;

	in->outgoing = false;
	in->dirty |= in->judged;
	buffer_printf(&reason, "the VM that it had moved to has ended: pid %" PRId64 ", which it had left, is judged again", in->row.pid);
	event.reason = reason.data;
	err = buffer_failed(&reason) ? -ENOMEM : store_event_add(a->store, &event);
	if (err >= 0)
		say(a, 0, "%s: %s", called(in), reason.data);
	else
		store_failed(a, err, e);
	buffer_release(&reason);
	return err;
}

/* It is the guest now, and is judged as one that is new: in the guest's next boot, unless it goes on with one. */
static int twin_return(struct analyst *a, struct instance *in, struct error *e)
{
	in->twin = in->ready = in->boot_stored = in->began_known = false;
	in->returns = true;
	in->began = 0;
	in->judged = 0;
	in->dirty = ALL_FACETS;
	in->held_ns = 0;
	return instance_settle_in(a, in, e);
}

/* Is told as a second machine, or is the guest after all: also where that ended while nobody looked. */
static int twin_follow(struct analyst *a, struct instance *in, struct error *e)
{
	const struct instance *first = guest_of(a, in);

	if (!first)
		return a->synced ? twin_return(a, in, e) : 0;
	return in->ran_ns && !in->twin_told ? twin_tell(a, in, first, e) : 0;
}

static int take_vm(struct analyst *a, const struct record_header *h, const void *body, size_t bytes, struct error *e)
{
	struct instance *in = instance_find(a, h->vm);
	int err = 0;

	if (!in && !(in = instance_new(a, h->vm)))
		return error_set(e, ENOMEM, "out of memory");
	if (a->blind_pairs) {
		struct record_header blind = { .type = RECORD_COVERAGE, .vm = h->vm };

		err = facts_add(in->facts, &blind, a->blind_pairs, a->blind_bytes, NULL);
	}
	if (err >= 0)
		err = facts_add(in->facts, h, body, bytes, NULL);
	if (err < 0)
		return error_set(e, -err, "VM record of vm %016" PRIx64 " cannot be used", h->vm);
	in->ready = false;
	if (in->stream_boot && (err = instance_settle_in(a, in, e)) < 0)
		err = store_trouble(a, err, e);
	return err;
}

static int pairs_keep(const void *body, size_t bytes, void **pairs, size_t *pairs_bytes, struct error *e)
{
	void *copy = malloc(bytes ? bytes : 1);

	if (!copy)
		return error_set(e, ENOMEM, "out of memory");
	memcpy(copy, body, bytes);
	free(*pairs);
	*pairs = copy;
	*pairs_bytes = bytes;
	return 0;
}

static void rang(const struct analyst *a)
{
	if (a->options.rang)
		a->options.rang(a->options.context);
}

/* What could not be told while it lasted: there was nowhere to write it to. */
static int recovery_tell(struct analyst *a)
{
	struct buffer summary = BUFFER_INIT;
	struct alert alert = { .type = "store", .host = a->host, .severity = SEVERITY_WARNING, .now = now_real(a) };
	int64_t lasted = now_clock() - a->failing_since;
	int err = 0;

	if (a->failing_since && !a->failing && (a->failed_hard || lasted >= BUSY_TOLD_NS)) {
		buffer_string(&summary, "the store could not be written for ");
		text_duration_put(&summary, (uint64_t)lasted / SECOND_NS * SECOND_NS);
		buffer_printf(&summary, ", and takes all again; alerts of that time come late: %s", a->failure);
		alert.summary = summary.data;
		err = buffer_failed(&summary) ? -ENOMEM : alert_add(a->store, &alert);
		buffer_release(&summary);
		if (err >= 0)
			rang(a);
	}
	if (err >= 0 && !a->failing) {
		a->failing_since = 0;
		a->failed_hard = false;
	}
	return err;
}

/* Once for each time: the disk would fill, and nobody know why. */
static void log_tell(struct analyst *a)
{
	int64_t bytes = store_log_bytes(a->store);

	if (bytes > LOG_TOLD_BYTES && !a->log_told)
		say(a, 1, "store %s: its log has %lld MiB, and grows until whoever reads it in one go ends; find it with: fuser -v %s", store_path(a->store),
		    (long long)(bytes >> 20), store_path(a->store));
	a->log_told = bytes > LOG_TOLD_BYTES;
}

/* What this monitor says of itself. A trace says nothing of a monitor. */
static int status_follow(struct analyst *a, struct error *e)
{
	const struct status_records records = { .stats = a->stats_pairs, .stats_bytes = a->stats_bytes, .host = a->host_pairs, .host_bytes = a->host_bytes,
						.blind = a->blind_pairs, .blind_bytes = a->blind_bytes };
	char *text;
	int err;

	/* Until the collector has counted, what was said last stands. */
	if (a->options.replay || !a->host || !a->stats_pairs)
		return 0;
	text = status_write(&records);
	if (!text)
		return error_set(e, ENOMEM, "out of memory");
	err = store_status_put(a->store, a->host, now_real(a), text);
	free(text);
	if (err >= 0)
		err = recovery_tell(a);
	log_tell(a);
	/* What failed is tried again with every tick: if nothing does until the next heartbeat, it works again. */
	a->failing = false;
	return err < 0 ? store_trouble(a, store_failed(a, err, e), e) : 0;
}

/* Facets of which this host showed nothing already when its monitor last spoke; NULL: it never did. */
static int blind_before(struct analyst *a, json_t **ret)
{
	struct store_status *items = NULL;
	size_t count = 0;
	int err = store_statuses(a->store, &items, &count);

	*ret = NULL;
	for (size_t i = 0; i < count; i++)
		if (!strcmp(items[i].host, a->host)) {
			json_t *status = json_loads(items[i].json, 0, NULL);

			*ret = json_incref(json_object_get(status, "blind"));
			json_decref(status);
		}
	store_statuses_free(items, count);
	return err;
}

/* What this host showed before, and does not show now. That an operator switched something off is his decision. */
static int coverage_follow(struct analyst *a, struct error *e)
{
	struct blind_facets is = { .host = a->host, .now = now_real(a) };
	const char *name, *reason;
	bool alerted = false;
	json_t *before;
	size_t cursor = 0;
	int err = blind_before(a, &before);

	if (err < 0)
		return store_failed(a, err, e);
	while (record_pair_next(a->blind_pairs, a->blind_bytes, &cursor, &name, &reason) > 0) {
		const struct facet *facet = facet_find(name);

		if (facet && !strncmp(reason, BY_DECISION, strlen(BY_DECISION)))
			is.because = reason;
		else if (facet && !is.facets[facet->id].reason) {
			is.facets[facet->id].reason = reason;
			is.facets[facet->id].severity = SEVERITY_WARNING;
			is.facets[facet->id].lasts = !before || json_object_get(before, name);
		}
	}
	json_decref(before);
	err = store_begin(a->store);
	if (err < 0)
		return store_failed(a, err, e);
	err = blind_follow(a->store, &is, &alerted, e);
	if (err >= 0 && (err = store_commit(a->store)) < 0)
		store_failed(a, err, e);
	if (err < 0)
		store_rollback(a->store);
	else if (alerted)
		rang(a);
	return err;
}

/* It holds for guests that are known already, too. */
static int take_coverage(struct analyst *a, const struct record_header *h, const void *body, size_t bytes, struct error *e)
{
	int err = pairs_keep(body, bytes, &a->blind_pairs, &a->blind_bytes, e);

	for (struct instance *in = a->instances; in && err >= 0; in = in->next) {
		struct record_header of = { .type = h->type, .vm = in->vm };
		unsigned news = 0;

		err = facts_add(in->facts, &of, body, bytes, &news);
		in->dirty |= news & in->judged;
	}
	if (err < 0)
		return *e->text ? err : error_set(e, -err, "a coverage record cannot be used%s", err == -ENOMEM ? ": out of memory" : "");
	if (a->options.replay || !a->host)
		return 0;
	err = coverage_follow(a, e);
	if (err >= 0)
		err = status_follow(a, e);
	return err < 0 ? store_trouble(a, err, e) : 0;
}

static int take_stats(struct analyst *a, const void *body, size_t bytes, struct error *e)
{
	int err = pairs_keep(body, bytes, &a->stats_pairs, &a->stats_bytes, e);

	return err < 0 ? err : status_follow(a, e);
}

/*
 * Facts of this very boot that an earlier abidrift saw: this one came too late for them. moved: the boot began in another VM, which may
 * have made them: that one was seen from its reset, and its devices are not this one's.
 */
static int seed(struct instance *in, const void *facts, size_t size, bool moved, struct record_boot *boot)
{
	const char *at = facts;
	int err = 0;

	while (err >= 0 && size) {
		struct record_header h;
		const void *body;
		size_t bytes, used;

		err = record_parse(at, size, &h, &body, &bytes, &used, NULL);
		if (err <= 0)
			break;
		at += used;
		size -= used;
		h.boot = in->stream_boot;
		if (h.type == RECORD_BOOT && bytes == sizeof *boot) {
			struct record_boot old;

			memcpy(&old, body, sizeof old);
			if (old.from_reset && !boot->from_reset && !moved) {
				struct record_header again = { .bytes = (uint32_t)(sizeof again + sizeof *boot), .type = RECORD_BOOT, .vm = in->vm, .boot = h.boot };

				boot->from_reset = 1;
				err = facts_add(in->facts, &again, boot, sizeof *boot, NULL);
			}
		} else if (h.type == RECORD_FACT && bytes == sizeof(struct record_fact)) {
			struct record_fact fact;

			memcpy(&fact, body, sizeof fact);
			fact.value.boot = h.boot;
			if (!moved || facts_decoded_of((enum observe_kind)fact.key.kind) != FACTS_OF_PCI)
				err = facts_add(in->facts, &h, &fact, sizeof fact, NULL);
		}
	}
	return err;
}

/* Once this boot was judged, its revision is what it was seen to be, whichever boot made that revision first. */
static int seed_from_store(struct analyst *a, struct instance *in, struct record_boot *boot)
{
	struct store_revision r = { 0 };
	int err = in->row.revision && in->row.settled ? store_revision_get(a->store, in->guest.row, in->row.revision, &r) : -ENOENT;

	if (err >= 0)
		err = seed(in, r.facts, r.facts_size, life_goes_on(life_parse(in->row.life)), boot);
	store_revision_release(&r);
	return err == -ENOENT ? 0 : err;
}

static void boot_clear(struct instance *in)
{
	in->began_known = false;
	in->began = 0;
	in->ran_ns = 0;
	in->judged = in->dirty = 0;
	in->scan_ns = 0;
	in->scanning = false;
	in->lost_said = 0;
	in->said_fell = false;
	memset(in->decoded_ns, 0, sizeof in->decoded_ns);
	memset(in->news_ns, 0, sizeof in->news_ns);
	memset(in->judged_ns, 0, sizeof in->judged_ns);
}

/* For history. */
static int boot_reason(const struct analyst *a, const struct instance *in, enum life life, struct buffer *ret)
{
	const char *reason = life_reason(life, in->facts, in->boot.reason);
	int err = 0;

	if (in->returns && in->twin_told)
		buffer_printf(ret, "the VM that was this guest has ended: pid %" PRId64 ", which ran beside it, is judged now", in->row.pid);
	else if (life_goes_on(life))
		err = life_moved(a->store, &in->row, in->origin, reason, ret);
	else
		buffer_string(ret, reason);
	return err < 0 ? err : buffer_failed(ret) ? -ENOMEM : 0;
}

/* A boot of a VM that is not the guest is none of the guest's. */
static int twin_boot_store(struct analyst *a, struct instance *in, uint32_t boots)
{
	int err = twin_describe(a, in);

	in->row.boot = boots;
	in->row.boot_token = in->boot.token;
	if (err >= 0)
		err = store_instance_put(a->store, &in->row);
	if (err >= 0 && in->twin_told)
		err = twin_event(a, &in->row, life_reason(life_of(in->facts, in->boot.reason), in->facts, in->boot.reason));
	return err;
}

/* Counts a new boot of the guest, unless one goes on in this VM. */
static int boot_store(struct analyst *a, struct instance *in, struct error *e)
{
	enum life life = life_of(in->facts, in->boot.reason);
	struct store_event event = { .at = now_real(a), .type = (char *)"boot", .guest = in->guest.row };
	struct store_guest fresh = { 0 };
	struct buffer reason = BUFFER_INIT;
	int err = store_guest_get(a->store, in->guest.row, &fresh);

	in->twin |= !in->returns && begins_as_twin(a, in);
	if (err >= 0 && in->twin) {
		err = twin_boot_store(a, in, fresh.boots);
		store_guest_release(&fresh);
		return err;
	}
	if (err >= 0)
		err = replace(&in->row.life, life_name(life));
	if (err >= 0 && life_goes_on(life))
		err = life_origin(a->store, &in->row, NULL, &in->origin, e);
	if (err >= 0) {
		in->row.boot = life_goes_on(life) && fresh.boots ? fresh.boots : fresh.boots + 1;
		in->row.boot_token = in->boot.token;
		in->row.settled = false;
		in->row.changes = 0;
		in->row.severity = SEVERITY_NONE;
		err = replace(&in->row.state, "learning");
	}
	for (int f = 0; err >= 0 && f < FACETS; f++) {
		in->row.coverage[f].level = COVERAGE_NONE;
		err = replace(&in->row.coverage[f].reason, "has not settled yet");
	}
	if (err >= 0)
		err = store_instance_put(a->store, &in->row);
	if (err >= 0)
		err = boot_reason(a, in, life, &reason);
	event.reason = reason.data;
	if (err >= 0)
		err = store_event_add(a->store, &event);
	buffer_release(&reason);
	store_guest_release(&fresh);
	return err;
}

/* A VM that is to go on with a guest is none of its lives before that guest runs in it: it may wait in vain, while the guest runs elsewhere. */
static bool waits(const struct instance *in)
{
	bool made_now = in->boot.reason == OBSERVE_REASON_CREATED || in->boot.reason == OBSERVE_REASON_FOUND;

	return !facts_ran(in->facts) && made_now && life_goes_on(life_of(in->facts, OBSERVE_REASON_CREATED));
}

/* One that was found is told as a whole between two ticks: if it has not run by then it waits, and what it goes on with came before our eyes. */
static void waits_follow(const struct analyst *a, struct instance *in)
{
	if (a->synced && in->stream_boot && in->boot.reason == OBSERVE_REASON_FOUND && waits(in))
		in->boot.reason = OBSERVE_REASON_CREATED;
}

/* Is the boot that the stream tells of the one that the row already stands for? */
static int boot_known(struct analyst *a, struct instance *in, bool *ret)
{
	char *vm = NULL;
	int err = vm_name(a, in, &vm);

	*ret = false;
	if (err >= 0 && in->row.vm && in->row.boot)
		*ret = in->returns ? false : same_vm(in->row.vm, vm) ? !strcmp(in->row.vm, vm) : in->boot.token && in->boot.token == in->row.boot_token;
	if (err >= 0)
		err = replace(&in->row.vm, vm);
	free(vm);
	return err;
}

static int row_copy(const struct store_instance *from, struct store_instance *to)
{
	char **fields[] = { &to->host, &to->start, &to->vm, &to->state, &to->vmm, &to->machine, &to->context, &to->life };
	int err = 0;

	*to = *from;
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		const char *text = *fields[i];

		*fields[i] = text ? strdup(text) : NULL;
		if (text && !*fields[i])
			err = -ENOMEM;
	}
	for (int f = 0; f < FACETS; f++) {
		const char *reason = from->coverage[f].reason;

		to->coverage[f].reason = reason ? strdup(reason) : NULL;
		if (reason && !to->coverage[f].reason)
			err = -ENOMEM;
	}
	return err;
}

/* ---- what the kernel skipped */

static int doubt_add(struct instance *in, enum facts_decoded d, uint64_t events)
{
	const struct record_loss loss = { .stage = RECORD_LOSS_MISSED, .class = facts_decoded_class(d), .count = facts_skipped(in->facts, d) + events };
	const struct record_header h = { .type = RECORD_LOSS, .vm = in->vm, .boot = in->stream_boot };
	unsigned news = 0;
	int err = facts_add(in->facts, &h, &loss, sizeof loss, &news);

	in->dirty |= news;
	return err;
}

/* What an analyst before this one found doubtful in this boot still is. Its registers too, where it was PCI: that hid them. */
static int doubt_recall(struct instance *in)
{
	bool pci = coverage_tells_skips(in->row.coverage[FACET_PCI].reason), registers = pci || coverage_tells_skips(in->row.coverage[FACET_MMIO].reason);
	int err = pci && !facts_skipped(in->facts, FACTS_OF_PCI) ? doubt_add(in, FACTS_OF_PCI, 1) : 0;

	return err >= 0 && registers && !facts_skipped(in->facts, FACTS_OF_REGISTERS) ? doubt_add(in, FACTS_OF_REGISTERS, 1) : err;
}

/* Until the guest is judged the next time, which may be after an analyst that knows nothing of it has taken over. */
static int doubt_store(struct analyst *a, struct instance *in, enum facts_decoded d, struct error *e)
{
	struct abi_coverage *row = &in->row.coverage[d == FACTS_OF_PCI ? FACET_PCI : FACET_MMIO];
	int err;

	if (!in->ready || in->twin || coverage_tells_skips(row->reason))
		return 0;
	row->level = COVERAGE_NONE;
	err = replace(&row->reason, "the kernel skipped events while this was read " COVERAGE_SKIP_MARK);
	if (err >= 0)
		err = store_instance_put(a->store, &in->row);
	return err == -ENOMEM ? error_set(e, ENOMEM, "out of memory") : err < 0 ? store_trouble(a, store_failed(a, err, e), e) : 0;
}

/* Of what a guest showed while the kernel skipped events nobody knows what is right: in this boot it is not judged. */
static int doubt(struct analyst *a, struct instance *in, enum facts_decoded d, uint64_t events, struct error *e)
{
	bool fresh = !facts_skipped(in->facts, d);
	int err;

	if (in->gone || !in->stream_boot)
		return 0;
	err = doubt_add(in, d, events);
	if (err < 0)
		return error_set(e, -err, "a loss of guest %s cannot be used%s", called(in), err == -ENOMEM ? ": out of memory" : "");
	if (fresh)
		say(a, 0, "%s: the kernel skipped %" PRIu64 " events while %s: not judged before the guest's next boot", called(in), events,
		    d == FACTS_OF_PCI ? "PCI configuration was read" : "registers were read that identify devices");
	return doubt_store(a, in, d, e);
}

/* A fact that came after it was told that events were skipped when it was taken. */
static int decoded_follow(struct analyst *a, struct instance *in, const void *body, size_t bytes, struct error *e)
{
	struct record_fact fact;
	enum facts_decoded d;
	uint64_t events;

	if (bytes != sizeof fact)
		return 0;
	memcpy(&fact, body, sizeof fact);
	d = facts_decoded_of((enum observe_kind)fact.key.kind);
	if (d == FACTS_DECODED || fact.value.boot != in->stream_boot)
		return 0;
	if (fact.value.changed_ns > in->decoded_ns[d])
		in->decoded_ns[d] = fact.value.changed_ns;
	events = facts_skipped(in->facts, d) ? 0 : skips_around(&a->skips, fact.value.changed_ns);
	return events ? doubt(a, in, d, events, e) : 0;
}

/* How many an analyst before this one was told of, and when: what was skipped before is no news. */
static int skips_recall(struct analyst *a, struct error *e)
{
	struct store_status *items = NULL;
	size_t count = 0;
	int err = store_statuses(a->store, &items, &count);

	for (size_t i = 0; i < count; i++) {
		json_t *status = strcmp(items[i].host, a->host) ? NULL : json_loads(items[i].json, 0, NULL);
		json_t *stats = json_object_get(status, "stats"), *decoded = json_object_get(stats, "skipped.decoded");
		json_t *missed = decoded ? decoded : json_object_get(stats, "lost.missed");
		int64_t at = items[i].at - a->realtime_offset;

		/* Of an earlier boot of the host it says nothing. */
		if (json_is_integer(missed) && at > 0)
			skips_known(&a->skips, (uint64_t)json_integer_value(missed), (uint64_t)at);
		json_decref(status);
	}
	store_statuses_free(items, count);
	return err < 0 ? store_trouble(a, store_failed(a, err, e), e) : 0;
}

static int skips_follow(struct analyst *a, uint64_t count, struct error *e)
{
	int err = a->skips_told || a->options.replay || !a->host ? 0 : skips_recall(a, e);
	struct skip_span span;
	bool grew;

	if (err < 0)
		return err;
	a->skips_told = true;
	grew = skips_take(&a->skips, count, a->now_ns, &span);
	for (struct instance *in = a->instances; grew && in && err >= 0; in = in->next)
		for (int d = 0; d < FACTS_DECODED && err >= 0; d++)
			if (in->decoded_ns[d] && in->decoded_ns[d] >= span.from_ns)
				err = doubt(a, in, d, span.events, e);
	return err;
}

/* The store holds it as this guest now. Without memory for that it is as if it had never been another one. */
static void instance_entered(struct analyst *a, struct instance *in)
{
	if (in->entered_id && strcmp(in->entered_id, in->who.id))
		say(a, 0, "%s: is guest %s, as its SMBIOS tables say", in->who.name ? in->who.name : in->entered_id, in->who.id);
	free(in->entered_id);
	in->entered_id = strdup(in->who.id);
	in->entered_row = in->guest.row;
}

/* It is in no view yet: who started it has to be told that it was seen. */
static void waiting_tell(struct analyst *a, struct instance *in)
{
	if (in->waiting_said || instance_who(a, in) < 0)
		return;
	in->waiting_said = true;
	say(a, 0, "%s: pid %" PRId64 " waits for the guest to come in; this VM is in no view before the guest runs there", called(in), pair_number(in->facts, "pid"));
}

/* Guest, instance and boot into the store; again and again until it holds them. */
static int instance_settle_in(struct analyst *a, struct instance *in, struct error *e)
{
	struct store_instance before = { 0 };
	bool known = false;
	int err;

	if (waits(in)) {
		/* Whether one that was there before us has run is told after its boot. */
		if (a->synced && in->boot.reason == OBSERVE_REASON_CREATED)
			waiting_tell(a, in);
		return 0;
	}
	err = facts_open(in, e);
	if (err < 0)
		return err;
	err = row_copy(&in->row, &before);
	if (err >= 0)
		err = store_begin(a->store);
	if (err < 0) {
		store_instance_release(&before);
		return store_failed(a, err, e);
	}
	err = instance_enter(a, in, e);
	if (err >= 0 && !in->boot_stored) {
		err = boot_known(a, in, &known);
		if (err >= 0 && known)
			err = doubt_recall(in);
		if (err >= 0 && known)
			err = seed_from_store(a, in, &in->boot);
		if (err >= 0)
			err = known ? store_instance_put(a->store, &in->row) : boot_store(a, in, e);
	} else if (err >= 0) {
		err = store_instance_put(a->store, &in->row);
	}
	if (err >= 0)
		err = store_commit(a->store);
	if (err < 0) {
		if (!e->text[0])
			store_failed(a, err, e);
		store_rollback(a->store);
		/* As if it had not been tried: what the row says now is not in the store. */
		store_instance_release(&in->row);
		in->row = before;
		return err;
	}
	store_instance_release(&before);
	instance_entered(a, in);
	instance_announce(a, in);
	if (!in->boot_stored && !known && life_parse(in->row.life) > LIFE_STARTED)
		say(a, 0, "%s: %s, boot %" PRIu32, called(in), life_reason(life_parse(in->row.life), in->facts, in->boot.reason), in->row.boot);
	in->ready = true;
	in->boot_stored = true;
	if (in->returns) {
		if (in->twin_told)
			say(a, 0, "%s: the VM that was this guest has ended: pid %" PRId64 ", which ran beside it, is judged now", called(in), in->row.pid);
		in->returns = in->twin_told = false;
	}
	others_find(a, in);
	return 0;
}

/* It was found between its making and its first vCPU's: what tells how it began came after. History says that too. */
static int boot_told_late(struct analyst *a, struct instance *in, uint32_t reason)
{
	const char *was = life_reason(LIFE_UNKNOWN, in->facts, in->boot.reason);
	enum life life = life_of(in->facts, reason);
	struct buffer is = BUFFER_INIT;
	int err = replace(&in->row.life, life_name(life));

	in->boot.reason = reason;
	if (err >= 0)
		err = boot_reason(a, in, life, &is);
	if (err >= 0)
		err = store_event_mend(a->store, in->guest.row, "boot", was, is.data);
	buffer_release(&is);
	return err;
}

/* The same boot again: its token became known, or the VMM wrote the clock without a reset. */
static int boot_renewed(struct analyst *a, struct instance *in, const struct record_boot *boot, struct error *e)
{
	bool told_late = in->boot.reason == OBSERVE_REASON_FOUND && boot->reason == OBSERVE_REASON_CREATED;
	int err = 0;

	if (!told_late && (!boot->token || boot->token == in->row.boot_token))
		return 0;
	if (told_late && in->twin)
		in->boot.reason = boot->reason;
	else if (told_late)
		err = boot_told_late(a, in, boot->reason);
	if (boot->token)
		in->boot.token = in->row.boot_token = boot->token;
	if (err >= 0)
		err = store_instance_put(a->store, &in->row);
	return err < 0 ? store_trouble(a, store_failed(a, err, e), e) : 0;
}

static int take_boot(struct analyst *a, const struct record_header *h, const void *body, size_t bytes, struct error *e)
{
	struct instance *in = instance_find(a, h->vm);
	struct record_boot boot;
	int err;

	if (!in)
		return error_set(e, EBADMSG, "boot of a VM that the stream has not described");
	memcpy(&boot, body, sizeof boot);
	/* A VM that goes on with another one's memory was not reset, though it is new: firmware has done its work elsewhere. */
	if (life_goes_on(life_of(in->facts, boot.reason)))
		boot.from_reset = 0;
	err = facts_add(in->facts, h, &boot, bytes, NULL);
	if (err < 0)
		return error_set(e, -err, "boot of a guest cannot be used%s", err == -ENOMEM ? ": out of memory" : "");
	if (in->stream_boot == h->boot && in->boot_stored)
		return boot_renewed(a, in, &boot, e);
	/* Told once more, it still is one that waits. */
	if (in->stream_boot == h->boot && in->boot.reason == OBSERVE_REASON_CREATED)
		boot.reason = in->boot.reason;
	if (in->outgoing && in->stream_boot && in->stream_boot != h->boot && life_of(in->facts, boot.reason) == LIFE_RESET)
		outgoing_reset(a, in);
	in->boot = boot;
	in->stream_boot = h->boot;
	in->boot_stored = false;
	boot_clear(in);
	err = instance_settle_in(a, in, e);
	return err < 0 ? store_trouble(a, err, e) : 0;
}

/* Firmware has built its tables: they may say who the guest is, where its host does not. */
static int tables_follow(struct analyst *a, struct instance *in, struct error *e)
{
	int err = instance_who(a, in);

	if (err < 0)
		return error_set(e, ENOMEM, "out of memory");
	if (!in->entered_id || !strcmp(in->entered_id, in->who.id))
		return 0;
	in->ready = false;
	err = instance_settle_in(a, in, e);
	return err < 0 ? store_trouble(a, err, e) : 0;
}

static int take_facts(struct analyst *a, const struct record_header *h, const void *body, size_t bytes, struct error *e)
{
	struct instance *in = instance_find(a, h->vm);
	unsigned news = 0;
	int err;

	if (!in)
		return 0; /* of a VM that has gone meanwhile */
	in->told_ns = a->now_ns;
	err = facts_add(in->facts, h, body, bytes, &news);
	if (err < 0)
		return error_set(e, -err, "a fact of guest %s cannot be used%s", called(in), err == -ENOMEM ? ": out of memory" : "");
	err = h->type == RECORD_FACT ? decoded_follow(a, in, body, bytes, e) : 0;
	if (err < 0)
		return err;
	for (int f = 0; f < FACETS; f++)
		if (news & (1u << f))
			in->news_ns[f] = a->now_ns;
	in->dirty |= news;
	in->left &= in->outgoing || !news;
	if (!in->ran_ns && facts_ran(in->facts)) {
		in->ran_ns = a->now_ns;
		if (!in->ready && in->stream_boot && (err = instance_settle_in(a, in, e)) < 0)
			return store_trouble(a, err, e);
		others_find(a, in);
	}
	return news & (1u << FACET_IDENTITY) && !in->tables_heard ? tables_follow(a, in, e) : 0;
}

static const char *const class_facets[OBSERVE_CLASSES] = {
	[OBSERVE_CLASS_CPUID] = "cpuid", [OBSERVE_CLASS_PORT] = "ports", [OBSERVE_CLASS_MMIO] = "mmio", [OBSERVE_CLASS_PCI_HEADER] = "pci",
	[OBSERVE_CLASS_PCI_BODY] = "pci", [OBSERVE_CLASS_PCI_ABSENT] = "pci", [OBSERVE_CLASS_PCI_PLACED] = "placement", [OBSERVE_CLASS_MSR] = "msr",
	[OBSERVE_CLASS_REGISTER] = "register",
};

/* Told when it begins; the map of a collector that was started again is empty. */
static int map_full(struct analyst *a, uint64_t count, struct error *e)
{
	struct alert alert = { .type = "loss", .host = a->host ? a->host : "-", .severity = SEVERITY_WARNING, .now = now_real(a) };
	struct buffer about = BUFFER_INIT, summary = BUFFER_INIT;
	bool begins = count && (!a->map_full || count < a->map_full);
	int err = 0;

	if (begins) {
		buffer_printf(&about, "map@%s %" PRIu64, a->boot_id ? a->boot_id : "-", count);
		buffer_printf(&summary, "the facts map is full, and facts of guests are lost: %" PRIu64 " so far; a lower monitor.quota leaves room for all", count);
		alert.about = about.data;
		alert.summary = summary.data;
		err = buffer_failed(&about) || buffer_failed(&summary) ? -ENOMEM : alert_add(a->store, &alert);
		if (err >= 0) {
			say(a, 1, "%s", summary.data);
			rang(a);
		}
	}
	buffer_release(&about);
	buffer_release(&summary);
	if (err < 0)
		return store_trouble(a, store_failed(a, err, e), e);
	a->map_full = count;
	return 0;
}

/* What was lost for no guest in particular may have been any guest's. */
static int host_loss(struct analyst *a, const struct record_header *h, const void *body, size_t bytes, const struct record_loss *loss, struct error *e)
{
	int err = 0;

	if (loss->stage == RECORD_LOSS_RING && loss->count > a->ring_full) {
		if (!a->ring_full)
			say(a, 0, "the news ring was full %" PRIu64 " times: those facts came by a sweep, none was lost", loss->count);
		a->ring_full = loss->count;
	}
	for (struct instance *in = a->instances; in && err >= 0 && loss->stage == RECORD_LOSS_MAP; in = in->next)
		err = facts_add(in->facts, h, body, bytes, NULL);
	if (err < 0)
		return error_set(e, -err, "a loss record cannot be used%s", err == -ENOMEM ? ": out of memory" : "");
	a->skips_decoded |= loss->stage == RECORD_LOSS_DECODED;
	/* Old traces do not tell of which programs they were. */
	if (loss->stage == RECORD_LOSS_DECODED || (loss->stage == RECORD_LOSS_MISSED && !a->skips_decoded))
		return skips_follow(a, loss->count, e);
	return loss->stage == RECORD_LOSS_MAP ? map_full(a, loss->count, e) : 0;
}

/* Once per VM and class: one that resets again and again is no reason to tell again and again. An analyst that came later tells the same. */
static int quota_tell(struct analyst *a, const struct instance *in, uint32_t class, const char *reason)
{
	struct store_event event = { .at = now_real(a), .type = (char *)"loss", .guest = in->guest.row, .reason = (char *)reason };
	struct alert alert = { .type = "loss", .host = a->host ? a->host : "-", .guest = &in->guest, .severity = SEVERITY_WARNING, .now = now_real(a) };
	struct buffer about = BUFFER_INIT, summary = BUFFER_INIT;
	int err = store_begin(a->store);

	if (err < 0)
		return err;
	buffer_printf(&about, "%016" PRIx64 "@%s quota %" PRIu32, in->vm, a->boot_id ? a->boot_id : "-", class);
	buffer_printf(&summary, "%s; its other facets and other guests are not affected", reason);
	alert.about = about.data;
	alert.summary = summary.data;
	err = buffer_failed(&about) || buffer_failed(&summary) ? -ENOMEM : store_event_add(a->store, &event);
	if (err >= 0)
		err = alert_add(a->store, &alert);
	if (err >= 0)
		err = store_commit(a->store);
	if (err < 0)
		store_rollback(a->store);
	else
		rang(a);
	buffer_release(&about);
	buffer_release(&summary);
	return err;
}

static int take_loss(struct analyst *a, const struct record_header *h, const void *body, size_t bytes, struct error *e)
{
	struct instance *in = instance_find(a, h->vm);
	struct record_loss loss;
	char reason[160];
	int err;

	memcpy(&loss, body, sizeof loss);
	if (!h->vm)
		return host_loss(a, h, body, bytes, &loss, e);
	if (!in || !loss.count || loss.class >= OBSERVE_CLASSES)
		return 0;
	err = take_facts(a, h, body, bytes, e);
	if (err < 0 || in->lost_said & (1u << loss.class) || !in->ready)
		return err;
	snprintf(reason, sizeof reason, "more %s facts than its quota holds: %" PRIu64 " were refused", class_facets[loss.class], loss.count);
	err = quota_tell(a, in, loss.class, reason);
	if (err < 0)
		return store_trouble(a, store_failed(a, err, e), e);
	in->lost_said |= 1u << loss.class;
	say(a, 1, "%s: %s; its other facets and other guests are not affected", called(in), reason);
	return 0;
}

/* ---- settling */

/* Is the end of a bus scan waited for? Only of a boot seen from its reset, which alone can become complete, and not for ever. */
static bool scan_awaited(const struct analyst *a, const struct instance *in)
{
	uint64_t quiet = in->news_ns[FACET_PCI] > in->ran_ns ? in->news_ns[FACET_PCI] : in->ran_ns;

	return in->scanning && !(in->judged & (1u << FACET_PCI)) && a->now_ns < quiet + PATIENCE * a->options.settle_ns &&
	       a->now_ns < in->ran_ns + a->options.settle_max_ns;
}

/* When anything at all was last news, or the guest began to run. */
static uint64_t quiet_of_all(const struct instance *in)
{
	uint64_t quiet = in->ran_ns;

	for (int f = 0; f < FACETS; f++)
		if (in->news_ns[f] > quiet)
			quiet = in->news_ns[f];
	return quiet;
}

/* What of guest memory a facet comes from; 0: nothing. */
static enum record_area area_of(enum facet_id f)
{
	switch (f) {
	case FACET_ACPI:
	case FACET_NUMA:
		return RECORD_AREA_ACPI;
	case FACET_SMBIOS:
		return RECORD_AREA_SMBIOS;
	case FACET_FIRMWARE:
		return RECORD_AREA_FIRMWARE;
	default:
		return 0;
	}
}

/* Will it still be read, or said to be unreadable? Firmware builds its tables when it likes. */
static bool reading_awaited(const struct analyst *a, const struct instance *in, enum facet_id f)
{
	enum record_area area = area_of(f);

	return a->reads_memory && area && !facts_blind(in->facts, facet_get(f)->name) && !facts_area(in->facts, area, NULL, NULL, NULL);
}

static bool facet_due(const struct analyst *a, const struct instance *in, enum facet_id f, bool end)
{
	bool judged = in->judged & (1u << f), dirty = in->dirty & (1u << f);
	uint64_t since = in->ran_ns, quiet = in->news_ns[f] > in->ran_ns ? in->news_ns[f] : in->ran_ns;

	if (!in->ran_ns || (judged && !dirty))
		return false;
	if (end || f == FACET_IDENTITY)
		return true;
	if (judged)
		since = in->judged_ns[f];
	if (a->now_ns >= since + a->options.settle_max_ns)
		return true;
	if (f == FACET_CPUID)
		return a->now_ns >= quiet + TABLES_QUIET_NS;
	/* Not before the guest has rested as long as the end of a bus scan is waited for. */
	if (!judged && reading_awaited(a, in, f) && a->now_ns < quiet_of_all(in) + PATIENCE * a->options.settle_ns)
		return false;
	/* Firmware shadows itself into RAM while it works and locks it at its end: memory rests when nothing else moves either. */
	if (f == FACET_MEMORY)
		quiet = quiet_of_all(in);
	return a->now_ns >= quiet + a->options.settle_ns;
}

static void tell(struct analyst *a, struct instance *in, const struct judge_outcome *out)
{
	bool settled = in->row.settled;

	if (out->baseline_made) {
		say(a, 0, "%s: fingerprinted, revision %" PRIu32 " %.19s, is its baseline", called(in), in->row.revision, out->digest.text);
		in->said = out->digest;
	} else if (settled && strcmp(in->said.text, out->digest.text)) {
		if (out->no_baseline)
			say(a, 0, "%s: fingerprinted, revision %" PRIu32 " %.19s, no baseline yet: `abidrift accept` makes it one", called(in),
			    in->row.revision, out->digest.text);
		else if (out->suppressed && !strcmp(in->row.state, "same"))
			say(a, 0, "%s: fingerprinted, revision %" PRIu32 " %.19s, same as its baseline but for %zu suppressed change%s", called(in),
			    in->row.revision, out->digest.text, out->suppressed, out->suppressed == 1 ? "" : "s");
		else /* where less is seen the digest is not the revision's */
			say(a, 0, "%s: fingerprinted, revision %" PRIu32 "%s%.19s, %s", called(in), in->row.revision, out->fell ? "" : " ",
			    out->fell ? "" : out->digest.text, !strcmp(in->row.state, "same") ? "same as its baseline" : in->row.state);
		in->said = out->digest;
	}
	if (out->drift_new || out->resolved)
		say(a, out->drift_new, "%s: %s", called(in), out->summary);
	if (out->overrun[0] && strcmp(in->overrun, out->overrun))
		say(a, 1, "%s: %s", called(in), out->overrun);
	memcpy(in->overrun, out->overrun, sizeof in->overrun);
	if (settled && out->fell && !in->said_fell) {
		say(a, 1, "%s: less is seen of it than its baseline holds; `abidrift diff %s` says what and why", called(in), called(in));
		in->said_fell = true;
	}
}

/*
 * What this boot showed first, when an earlier abidrift or another VM of the guest was there to see it. Asked once the guest runs
 * here: until then the boot goes on in the VM that it comes from, and that one may be reset.
 */
static int instance_began(struct analyst *a, struct instance *in, struct error *e)
{
	uint32_t boot = in->row.boot, began = 0;
	int err = 0;

	if (in->began_known)
		return 0;
	if (in->row.settled && in->row.revision)
		err = store_revision_began(a->store, in->guest.row, in->row.revision, boot, &began);
	else if (life_goes_on(life_parse(in->row.life)))
		err = life_before(a->store, &in->row, &boot, &began);
	if (err == -ENOENT)
		err = 0;
	if (err < 0)
		return store_failed(a, err, e);
	/* It was started or reset where nobody saw it: what that boot showed first is not known. */
	if (!in->row.settled && life_goes_on(life_parse(in->row.life)) && in->origin != ORIGIN_STORE) {
		boot += in->origin == ORIGIN_ELSEWHERE && boot > 0;
		began = 0;
	}
	if (boot > in->row.boot)
		in->row.boot = boot;
	in->began = began;
	in->began_known = true;
	return 0;
}

/* A guest that resets again and again, perhaps because of its drift, is never judged as a whole: that is not waited for for ever. */
static bool holds(const struct analyst *a, const struct instance *in)
{
	return !in->gone && (!in->held_ns || a->now_ns < in->held_ns + a->options.settle_max_ns);
}

static void held_follow(const struct analyst *a, struct instance *in, bool held)
{
	if (held && !in->held_ns)
		in->held_ns = a->now_ns;
	/* After a reset it is not seen until its facet is judged again. */
	if (!held && (in->judged == ALL_FACETS || !holds(a, in)))
		in->held_ns = 0;
}

/* Of a guest that moved here it is not abidrift that came late. */
static int moved_cover(const struct instance *in, unsigned judged, struct abi_entries *entries)
{
	enum coverage level = entries->coverage[FACET_PCI].level;

	if (!(judged & (1u << FACET_PCI)) || !life_goes_on(life_parse(in->row.life)) || facts_from_reset(in->facts) || facts_blind(in->facts, "pci") ||
	    facts_skipped(in->facts, FACTS_OF_PCI))
		return 0;
	return entries_cover(entries, FACET_PCI, level, "the guest moved here while it ran: nobody scans the bus before its next reset");
}

/* Is what the guest has in memory still waited for, to see by it where it was? Then nothing is said yet to have changed while it ran. */
static bool origin_awaited(const struct analyst *a, const struct instance *in)
{
	bool awaited = false;

	for (int f = 0; f < FACETS; f++)
		awaited |= (life_tables() & 1u << f) && reading_awaited(a, in, (enum facet_id)f);
	return awaited && a->now_ns < quiet_of_all(in) + PATIENCE * a->options.settle_ns && a->now_ns < in->ran_ns + a->options.settle_max_ns;
}

/* Finds out where a guest was that came with its memory. *ret_open: not yet. */
static int origin_follow(const struct analyst *a, struct instance *in, bool end, bool *ret_open, struct error *e)
{
	struct abi_entries tables = ABI_ENTRIES_INIT;
	bool awaited;
	int err;

	*ret_open = false;
	if (!in->ran_ns || in->origin != ORIGIN_OPEN || !takes_over(in) || life_parse(in->row.life) == LIFE_RESET)
		return 0;
	awaited = !end && origin_awaited(a, in);
	err = awaited ? 0 : abi_derive_of(in->facts, life_tables(), &tables);
	if (err >= 0)
		err = life_origin(a->store, &in->row, awaited ? NULL : &tables, &in->origin, e);
	*ret_open = in->origin == ORIGIN_OPEN;
	entries_release(&tables);
	return err == -ENOMEM ? error_set(e, ENOMEM, "out of memory") : err < 0 && !e->text[0] ? error_set(e, -err, "%s", store_error(a->store)) : err;
}

static int instance_judge(struct analyst *a, struct instance *in, unsigned due, struct error *e)
{
	struct abi_entries entries = ABI_ENTRIES_INIT;
	struct context context = CONTEXT_INIT;
	struct judge_outcome out = { 0 };
	struct judge_input input = {
		.guest = &in->guest, .instance = &in->row, .facts = in->facts, .entries = &entries, .context = &context,
		.judged = in->judged | due, .hold = holds(a, in), .baseline_auto = a->options.baseline_auto,
		.suppress = a->rules, .host = a->host ? a->host : "-", .now = now_real(a),
	};
	int err = facts_open(in, e);

	if (err >= 0)
		err = instance_began(a, in, e);
	if (err < 0)
		return err;
	input.began = in->began;
	err = abi_derive_of(in->facts, input.judged, &entries);
	if (err >= 0)
		err = moved_cover(in, input.judged, &entries);
	if (err >= 0)
		err = instance_context(a, in, &context);
	if (err >= 0)
		err = context_before(a, in, &context);
	/* The host may have changed since: a parameter, microcode. */
	if (err >= 0)
		err = row_context(in, &context);
	if (err >= 0)
		err = judge(a->store, &input, &out, e);
	else
		error_set(e, ENOMEM, "out of memory while fingerprinting guest %s", called(in));
	entries_release(&entries);
	context_release(&context);
	if (err < 0)
		return err;
	in->judged |= due;
	in->dirty &= ~due;
	held_follow(a, in, out.held);
	for (int f = 0; f < FACETS; f++)
		if (due & (1u << f))
			in->judged_ns[f] = a->now_ns;
	if (in->row.settled && !in->began)
		in->began = in->row.revision;
	a->unknown |= out.fell;
	a->failure_count = 0;
	tell(a, in, &out);
	if (out.alerted)
		rang(a);
	return 0;
}

/* Looks once more whether the bus scan is over, if pci is to be judged for the first time and told something new. */
static int scan_look(struct instance *in, struct error *e)
{
	struct abi_entries entries = ABI_ENTRIES_INIT;
	int err;

	if (in->scan_ns == in->news_ns[FACET_PCI])
		return 0;
	err = abi_derive_of(in->facts, 1u << FACET_PCI, &entries);
	if (err < 0)
		return error_set(e, ENOMEM, "out of memory while fingerprinting guest %s", called(in));
	in->scan_ns = in->news_ns[FACET_PCI];
	in->scanning = facts_from_reset(in->facts) && entries.coverage[FACET_PCI].level == COVERAGE_WITNESSED;
	entries_release(&entries);
	return 0;
}

static int instance_due(struct analyst *a, struct instance *in, bool end, unsigned *ret, struct error *e)
{
	unsigned due = 0;
	int err = 0;

	for (int f = 0; f < FACETS; f++)
		if (facet_due(a, in, (enum facet_id)f, end))
			due |= 1u << f;
	if (!end && (due & ~in->judged & PATIENT_FACETS)) {
		if (!(in->judged & (1u << FACET_PCI)))
			err = scan_look(in, e);
		if (scan_awaited(a, in))
			due &= ~PATIENT_FACETS;
	}
	*ret = due;
	return err;
}

/* Of a guest that is gone nothing is missed. */
static int blind_of_gone(struct analyst *a, int64_t row, bool *ret_alerted, struct error *e)
{
	struct store_guest guest = { 0 };
	struct blind_facets is = { .host = a->host ? a->host : "-", .guest = &guest, .because = "it is gone", .now = now_real(a) };
	size_t others = 0;
	int err;

	for (const struct instance *in = a->instances; in; in = in->next)
		others += in->ready && !in->gone && in->guest.row == row;
	if (others)
		return 0;
	err = store_guest_get(a->store, row, &guest);
	err = err < 0 ? store_failed(a, err, e) : blind_follow(a->store, &is, ret_alerted, e);
	store_guest_release(&guest);
	return err;
}

/* reason NULL: that is no history, as is nothing that it did. */
static int instance_end(struct analyst *a, struct store_instance *row, const char *reason, int64_t at, struct error *e)
{
	struct store_event event = { .at = now_real(a), .type = (char *)"stop", .guest = row->guest, .reason = (char *)reason };
	bool alerted = false, twin = store_instance_twin(row);
	int err = store_begin(a->store);

	if (err < 0)
		return store_failed(a, err, e);
	row->running = false;
	row->ended_at = at;
	err = store_instance_put(a->store, row);
	if (err >= 0 && reason)
		err = twin ? twin_event(a, row, reason) : store_event_add(a->store, &event);
	if (err < 0)
		store_failed(a, err, e);
	else
		err = blind_of_gone(a, row->guest, &alerted, e);
	if (err >= 0 && (err = store_commit(a->store)) < 0)
		store_failed(a, err, e);
	if (err < 0)
		store_rollback(a->store);
	else if (alerted)
		rang(a);
	return err;
}

/* Its end goes into the store, with what the store has not taken of its life yet; then it is forgotten. */
static int instance_bury(struct analyst *a, struct instance *in, struct error *e)
{
	int err = 0;

	if (in->stream_boot && !(in->ready && in->boot_stored))
		err = instance_settle_in(a, in, e);
	/* Nothing more comes that its drift could wait for. */
	if (err >= 0 && in->ready && in->held_ns && in->judged && !stands_aside(in))
		err = instance_judge(a, in, 0, e);
	if (err >= 0 && in->ready)
		err = instance_end(a, &in->row, in->twin && !in->twin_told ? NULL : in->gone, now_real(a), e);
	if (err < 0)
		return err;
	instance_unlink(a, in);
	instance_free(in);
	return 0;
}

/* All of it is judged and stored, and where it came from is known: nothing is asked of its facts before the stream tells more, or all are judged again. */
static bool at_rest(const struct instance *in)
{
	return in->judged == ALL_FACETS && !in->dirty && in->ready && in->boot_stored && (in->origin != ORIGIN_OPEN || !takes_over(in));
}

/* Without memory for packing it stays as it is. */
static void facts_close(struct analyst *a, struct instance *in)
{
	if (at_rest(in) && !facts_packed(in->facts) && a->now_ns >= in->told_ns + a->options.settle_ns)
		a->packed |= facts_pack(in->facts) >= 0;
}

/* Most guests rest most of the time: what was packed is as it was judged until the stream tells more. */
static bool is_packed(const struct instance *in)
{
	return facts_packed(in->facts) && in->ready && in->boot_stored && !in->dirty && !in->twin && !in->gone;
}

/* A guest that is gone is freed. */
static int instance_follow(struct analyst *a, struct instance *in, bool end, struct error *e)
{
	unsigned due = 0;
	bool open = false;
	int err = 0;

	if (in->gone)
		return instance_bury(a, in, e);
	if (is_packed(in) && !a->recheck && !end)
		return 0;
	if ((!at_rest(in) || a->recheck) && (err = facts_open(in, e)) < 0)
		return err;
	waits_follow(a, in);
	if (in->stream_boot && !(in->ready && in->boot_stored))
		err = instance_settle_in(a, in, e);
	if (err >= 0 && in->ready && in->twin)
		err = twin_follow(a, in, e);
	if (err < 0 || !in->stream_boot || !in->ready || stands_aside(in))
		return err;
	err = origin_follow(a, in, end, &open, e);
	if (err < 0 || open)
		return err;
	err = instance_due(a, in, end, &due, e);
	if (a->recheck)
		due |= in->judged;
	if (err >= 0 && due)
		err = instance_judge(a, in, due, e);
	if (err >= 0)
		facts_close(a, in);
	return err;
}

static int instances_follow(struct analyst *a, bool end, struct error *e)
{
	struct instance *next;
	bool busy = false, holes = a->packed, rest = true;
	int err = 0;

	a->packed = false;
	for (struct instance *in = a->instances; in && err >= 0 && !busy; in = next) {
		next = in->next;
		rest &= is_packed(in);
		alive(a);
		err = instance_follow(a, in, end, e);
		busy = held(err);
		if (err < 0)
			err = store_trouble(a, err, e);
	}
	a->recheck &= busy;
	a->rest = rest && !busy && !a->packed;
	/* Packing leaves holes in the heap: once no more are made they are given back. */
	if (holes && !a->packed)
		malloc_trim(0);
	return err;
}

/* ---- suppression rules */

/* The configuration was checked by whoever read it; what of it is not understood here hides nothing. */
static int rules_of(struct analyst *a, const void *body, size_t bytes, struct suppressions **ret)
{
	struct suppressions *s = suppressions_new();
	const char *pair, *value, *dot;
	struct error why = ERROR_INIT;
	size_t cursor = 0;
	int err = s ? 0 : -ENOMEM;

	while (err >= 0 && record_pair_next(body, bytes, &cursor, &pair, &value) > 0) {
		char name[128];

		if (strncmp(pair, CONFIG_RULE_PREFIX, strlen(CONFIG_RULE_PREFIX)))
			continue;
		pair += strlen(CONFIG_RULE_PREFIX);
		dot = strrchr(pair, '.');
		snprintf(name, sizeof name, "%.*s", dot ? (int)(dot - pair) : 0, pair);
		err = dot ? suppressions_set(s, name, dot + 1, value, &why) : -EINVAL;
		if (err == -EINVAL) {
			say(a, 1, "the configuration's suppression rules are not used: %s", why.text);
			suppressions_free(s);
			*ret = NULL;
			return 0;
		}
	}
	if (err < 0) {
		suppressions_free(s);
		return err;
	}
	*ret = s;
	return 0;
}

/* A rule that ended before is told once: it is of no use any more. */
static void rules_tell(struct analyst *a)
{
	for (size_t i = 0; i < suppressions_count(a->rules); i++) {
		struct suppression rule = suppressions_get(a->rules, i);
		struct buffer until = BUFFER_INIT;

		if (!rule.until || rule.until > now_real(a))
			continue;
		text_time(&until, rule.until);
		say(a, 1, "suppression rule %s ended %s: it hides nothing any more", rule.name, until.data ? until.data : "");
		buffer_release(&until);
	}
}

static int take_rules(struct analyst *a, const void *body, size_t bytes, struct error *e)
{
	struct suppressions *rules = NULL;

	if (!a->options.replay) {
		if (rules_of(a, body, bytes, &rules) < 0)
			return error_set(e, ENOMEM, "out of memory");
		suppressions_free(a->own_rules);
		a->rules = a->own_rules = rules;
		a->rule_end = suppressions_next_end(a->rules, now_real(a));
		rules_tell(a);
		a->recheck |= a->synced; /* other rules than those that judged what is there */
	}
	return 0;
}

/* What a rule hid until now is looked at again once it ends. */
static void rules_end(struct analyst *a)
{
	if (now_real(a) < a->rule_end)
		return;
	a->recheck = true;
	for (size_t i = 0; i < suppressions_count(a->rules); i++) {
		struct suppression rule = suppressions_get(a->rules, i);

		if (rule.until >= a->rule_end && rule.until <= now_real(a))
			say(a, 0, "suppression rule %s has ended: what it hid counts again", rule.name);
	}
	a->rule_end = suppressions_next_end(a->rules, now_real(a));
}

/* ---- the store beside us */

static int baseline_expire(struct analyst *a, const struct store_guest *guest, struct error *e)
{
	struct store_baseline before = { 0 };
	int err = judge_undo(a->store, guest, a->rules, "expiry", "the accepted baseline has expired", now_real(a), &before, e);

	if (err == -ENOENT) {
		e->text[0] = 0; /* there is none before: it stays */
		return 0;
	}
	if (err >= 0) {
		say(a, 0, "%s: accepted baseline has expired, revision %" PRIu32 " is its baseline again", guest->name ? guest->name : guest->id,
		    before.revision);
		a->recheck = true;
		/* That one may have expired meanwhile too. */
		if (before.expires && before.expires < a->expiry)
			a->expiry = before.expires;
		if (a->options.rang)
			a->options.rang(a->options.context);
	}
	store_baseline_release(&before);
	return err;
}

/* Also finds out when that is to be done next. */
static int baselines_expire(struct analyst *a, struct error *e)
{
	struct store_guest *guests = NULL;
	size_t count = 0;
	int err = store_guests(a->store, &guests, &count);

	if (err < 0)
		return store_failed(a, err, e);
	a->expiry = INT64_MAX;
	for (size_t i = 0; err >= 0 && i < count; i++) {
		struct store_baseline baseline = { 0 };

		if (store_baseline_get(a->store, guests[i].row, &baseline) == 0 && baseline.expires) {
			if (baseline.expires <= now_real(a))
				err = baseline_expire(a, &guests[i], e);
			else if (baseline.expires < a->expiry)
				a->expiry = baseline.expires;
		}
		store_baseline_release(&baseline);
	}
	if (err < 0)
		a->expiry = 0; /* again, with the next poll */
	for (size_t i = 0; i < count; i++)
		store_guest_release(&guests[i]);
	free(guests);
	return err;
}

/* Sums a maintenance window up that is over, and finds out when the next look is due. */
static int window_follow(struct analyst *a, struct error *e)
{
	struct maintenance window;
	int err = store_begin(a->store);

	if (err < 0)
		return store_failed(a, err, e);
	err = maintenance_follow(a->store, a->host ? a->host : "-", now_real(a), &window, e);
	if (err >= 0 && (err = store_commit(a->store)) < 0)
		store_failed(a, err, e);
	if (err < 0) {
		store_rollback(a->store);
		a->window = 0; /* again, with the next poll */
		return err;
	}
	if (window.ends_at != a->window && window.holds)
		say(a, 0, "maintenance window: alerts of drift wait for its end");
	a->window = window.ends_at;
	if (window.alerted) {
		say(a, 0, "maintenance window ended: one alert sums it up");
		if (a->options.rang)
			a->options.rang(a->options.context);
	}
	return 0;
}

/* Of a long history only so much at a time: guests do not wait for what is forgotten. */
static int history_prune(struct analyst *a, struct error *e)
{
	int64_t before = now_real(a) - (int64_t)a->options.keep_ns;
	int err;

	if (!a->options.keep_ns || a->now_ns < a->prune_ns)
		return 0;
	err = store_prune_some(a->store, before, &a->pruning);
	if (!a->pruning)
		a->prune_ns = a->now_ns + (a->options.keep_ns < PRUNE_NS ? a->options.keep_ns : PRUNE_NS);
	return err < 0 ? store_failed(a, err, e) : 0;
}

int analyst_poll(struct analyst *a, struct error *e)
{
	int changed = store_changed(a->store), err = 0;

	if (changed < 0)
		return store_trouble(a, store_failed(a, changed, e), e);
	a->polled_ns = a->now_ns;
	a->recheck |= changed > 0;
	rules_end(a);
	if (changed || now_real(a) >= a->expiry)
		err = baselines_expire(a, e);
	if (err >= 0 && (changed || now_real(a) >= a->window))
		err = window_follow(a, e);
	if (err >= 0 && a->recheck)
		err = instances_follow(a, false, e);
	if (err >= 0)
		err = history_prune(a, e);
	return err < 0 ? store_trouble(a, err, e) : 0;
}

/* ---- the stream */

/* Of two VMs of one guest the end of one is not the guest's. */
static char *gone_reason(const struct instance *in, const char *reason)
{
	struct buffer text = BUFFER_INIT;

	buffer_string(&text, reason ? reason : "no reason given");
	if (stands_aside(in))
		buffer_string(&text, in->twin ? "; the guest runs in another VM" : "; the guest goes on in another VM");
	return buffer_take(&text, NULL);
}

static int take_gone(struct analyst *a, const struct record_header *h, const void *body, size_t bytes, struct error *e)
{
	struct instance *in = instance_find(a, h->vm), *back;
	const char *reason = record_pair_get(body, bytes, "reason");
	int err;

	if (!in || in->gone)
		return 0;
	in->gone = gone_reason(in, reason);
	if (!in->gone)
		return error_set(e, ENOMEM, "out of memory");
	if (in->announced || in->waiting_said)
		say(a, 0, "%s: gone (%s)", called(in), in->gone);
	back = others_return(a, in);
	err = instance_bury(a, in, e);
	if (err >= 0 && back)
		err = back->twin ? twin_return(a, back, e) : outgoing_return(a, back, e);
	return err < 0 ? store_trouble(a, err, e) : 0;
}

/* VMs of this host that the store believes to run and the stream does not know ended while nobody looked. */
static int end_the_missing(struct analyst *a, struct error *e)
{
	struct store_instance *items = NULL;
	size_t count = 0;
	int err = store_instances(a->store, 0, &items, &count);

	if (err < 0)
		return store_failed(a, err, e);
	for (size_t i = 0; err >= 0 && i < count; i++) {
		bool there = false;

		if (!items[i].running || !items[i].host || !a->host || strcmp(items[i].host, a->host))
			continue;
		for (struct instance *in = a->instances; in; in = in->next)
			there |= in->ready && in->row.row == items[i].row;
		if (!there) /* before any that began since */
			err = instance_end(a, &items[i], "ended while it was not watched", a->begun - 1, e);
	}
	store_instances_free(items, count);
	return err;
}

static int take_synced(struct analyst *a, struct error *e)
{
	size_t found = 0;
	int err = end_the_missing(a, e);

	if (err < 0)
		err = store_trouble(a, err, e);
	for (struct instance *in = a->instances; in; in = in->next)
		found += in->ready;
	/* Nothing was told: nothing was skipped so far. */
	if (!a->skips_told)
		skips_known(&a->skips, 0, a->now_ns);
	a->synced = a->skips_told = true;
	if (err >= 0)
		say(a, 0, "ready: %zu guest%s found on %s", found, found == 1 ? "" : "s", a->host ? a->host : "this host");
	return err;
}

/* Says what is another now; a value that is none leaves what was. */
static void follow_ns(struct analyst *a, const void *body, size_t bytes, const char *key, uint64_t *value)
{
	const char *text = record_pair_get(body, bytes, key);
	uint64_t ns;

	if (!text || text_duration(text, &ns) < 0 || ns == *value)
		return;
	*value = ns;
	say(a, 0, "%s is %s now", key, text);
}

static void follow_config(struct analyst *a, const void *body, size_t bytes)
{
	const char *baseline = record_pair_get(body, bytes, "monitor.baseline");
	bool is_auto = baseline && !strcmp(baseline, "auto");

	follow_ns(a, body, bytes, "monitor.settle", &a->options.settle_ns);
	follow_ns(a, body, bytes, "monitor.settle_max", &a->options.settle_max_ns);
	follow_ns(a, body, bytes, "store.keep", &a->options.keep_ns);
	if (baseline && is_auto != a->options.baseline_auto)
		say(a, 0, "monitor.baseline is %s now", baseline);
	if (baseline)
		a->options.baseline_auto = is_auto;
}

static int take_settings(struct analyst *a, const void *body, size_t bytes, struct error *e)
{
	if (a->options.follow_config)
		follow_config(a, body, bytes);
	return take_rules(a, body, bytes, e);
}

static int take_own_settings(struct analyst *a, struct error *e)
{
	struct buffer own = BUFFER_INIT;
	int err = a->options.settings(a->options.context, &own);

	err = err < 0 ? 0 : take_settings(a, own.data, own.size, e);
	buffer_release(&own);
	return err;
}

static int take_config(struct analyst *a, const void *body, size_t bytes, struct error *e)
{
	const char *memory = record_pair_get(body, bytes, "monitor.guest_memory");

	a->reads_memory = memory && !strcmp(memory, "on");
	return a->options.settings ? take_own_settings(a, e) : take_settings(a, body, bytes, e);
}

static int take_tick(struct analyst *a, const void *body, bool hello, struct error *e)
{
	struct record_hello tick;
	int err;

	memcpy(&tick, body, sizeof tick);
	if (hello && tick.format != RECORD_FORMAT)
		return error_set(e, EBADMSG, "the stream has format %" PRIu32 ", this abidrift understands %d: use an abidrift as new as the one that wrote it",
				 tick.format, RECORD_FORMAT);
	a->realtime_offset = tick.realtime_ns - (int64_t)a->now_ns;
	a->hello |= hello;
	if (hello) {
		a->begun = now_real(a);
		a->skips_decoded = false;
		a->rule_end = suppressions_next_end(a->rules, now_real(a));
		if (!a->prune_ns)
			a->prune_ns = a->now_ns + (a->options.keep_ns < PRUNE_FIRST_NS ? a->options.keep_ns : PRUNE_FIRST_NS);
		return 0;
	}
	if (a->skips_told)
		skips_tick(&a->skips, a->now_ns);
	err = a->rest && !a->recheck ? 0 : instances_follow(a, false, e);
	if (err >= 0 && a->now_ns - a->polled_ns >= POLL_NS)
		err = analyst_poll(a, e);
	return err;
}

int analyst_feed(struct analyst *a, const struct record_header *h, const void *body, size_t bytes, struct error *e)
{
	if (!a->hello && h->type != RECORD_HELLO)
		return error_set(e, EBADMSG, "the stream does not begin with a hello record");
	if (h->at_ns > a->now_ns)
		a->now_ns = h->at_ns;
	a->rest &= h->type == RECORD_TICK || h->type == RECORD_STATS;
	switch (h->type) {
	case RECORD_HELLO: return take_tick(a, body, true, e);
	case RECORD_TICK: return take_tick(a, body, false, e);
	case RECORD_HOST: return take_host(a, body, bytes, e);
	case RECORD_CONFIG: return take_config(a, body, bytes, e);
	case RECORD_COVERAGE: return take_coverage(a, h, body, bytes, e);
	case RECORD_VM: return take_vm(a, h, body, bytes, e);
	case RECORD_BOOT: return take_boot(a, h, body, bytes, e);
	case RECORD_FACT:
	case RECORD_CPUID:
	case RECORD_SLOTS:
	case RECORD_MEMORY: return take_facts(a, h, body, bytes, e);
	case RECORD_GONE: return take_gone(a, h, body, bytes, e);
	case RECORD_LOSS: return take_loss(a, h, body, bytes, e);
	case RECORD_SYNCED: return take_synced(a, e);
	case RECORD_STATS: return take_stats(a, body, bytes, e);
	default: return 0;
	}
}

int analyst_end(struct analyst *a, bool gone, struct error *e)
{
	int err = a->options.replay ? instances_follow(a, true, e) : 0;

	for (struct instance *in = a->instances; gone && in && err >= 0; in = in->next)
		if (in->ready)
			err = instance_end(a, &in->row, "the recording ends", now_real(a), e);
	return err;
}

/* Feeds what is whole in `in`; what is not stays there. */
static int feed_buffer(struct analyst *a, struct buffer *in, struct error *e)
{
	size_t done = 0;
	int err = 0;

	while (done < in->size) {
		struct record_header h;
		const void *body;
		size_t bytes, size;
		void *aligned;

		err = record_parse(in->data + done, in->size - done, &h, &body, &bytes, &size, e);
		if (err <= 0)
			break;
		aligned = malloc(bytes ? bytes : 1);
		if (!aligned) {
			err = error_set(e, ENOMEM, "out of memory");
			break;
		}
		memcpy(aligned, body, bytes);
		err = analyst_feed(a, &h, aligned, bytes, e);
		free(aligned);
		if (err < 0)
			break;
		done += size;
		alive(a);
	}
	buffer_consume(in, done);
	return err < 0 ? err : 0;
}

/* Once the stream has begun: with it comes the time by which rules end. */
static int settings_again(struct analyst *a, int fd, struct error *e)
{
	uint64_t rung;

	return read(fd, &rung, sizeof rung) == (ssize_t)sizeof rung && a->hello && a->options.settings ? take_own_settings(a, e) : 0;
}

int analyst_run(struct analyst *a, int stream_fd, int stop_fd, struct error *e)
{
	struct pollfd fds[] = { { .fd = stream_fd, .events = POLLIN }, { .fd = stop_fd, .events = POLLIN },
				{ .fd = a->options.settings ? a->options.settings_fd : -1, .events = POLLIN } };
	struct buffer in = BUFFER_INIT;
	static char chunk[READ_BYTES];
	int err = 0;

	while (err >= 0) {
		ssize_t got;
		int some = poll(fds, sizeof fds / sizeof *fds, QUIET_MS);

		if (some < 0 && errno != EINTR) {
			err = error_set(e, errno, "poll: %s", strerror(errno));
			break;
		}
		alive(a);
		if (some <= 0)
			continue;
		if (fds[1].revents)
			break;
		if (fds[2].revents && (err = settings_again(a, fds[2].fd, e)) < 0)
			break;
		if (!fds[0].revents)
			continue;
		got = read(stream_fd, chunk, sizeof chunk);
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got < 0)
			err = error_set(e, errno, "observation stream: %s", strerror(errno));
		if (got <= 0)
			break;
		buffer_append(&in, chunk, (size_t)got);
		err = buffer_failed(&in) ? error_set(e, ENOMEM, "out of memory") : feed_buffer(a, &in, e);
	}
	buffer_release(&in);
	if (err >= 0)
		err = analyst_end(a, false, e);
	return err < 0 ? err : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What nobody would be told: that a host shows less than before, that less is seen of a guest, that facts were lost, that the store failed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/records.h"
#include "tests/unit/stores.h"
#include "userspace/analyst.h"
#include "userspace/skips.h"

#define KVM_MSR "tracepoint kvm_msr has other arguments on this kernel"

static int64_t clock_ahead_s;
static unsigned rings;

/* Of all that is linked here: the test's clock. */
int clock_gettime(clockid_t id, struct timespec *ret)
{
	if (id != CLOCK_BOOTTIME)
		return (int)syscall(SYS_clock_gettime, id, ret);
	*ret = (struct timespec){ .tv_sec = 1000 + clock_ahead_s };
	return 0;
}

static unsigned waits_said;

static void heard(void *context, int level, const char *line)
{
	(void)context;
	(void)level;
	waits_said += strstr(line, "waits for the guest to come in") != NULL;
}

static void rang(void *context)
{
	(void)context;
	rings++;
}

/* An analyst that is fed by the test. */
struct desk {
	struct store *store;
	struct analyst *analyst;
	struct records stream;
	int64_t row; /* of the last alert that was read */
};

static void feed(struct desk *d)
{
	struct error e = ERROR_INIT;

	while (d->stream.out.size) {
		struct record_header h;
		const void *body;
		size_t bytes, size;

		assert_int_equal(record_parse(d->stream.out.data, d->stream.out.size, &h, &body, &bytes, &size, &e), 1);
		if (analyst_feed(d->analyst, &h, body, bytes, &e) < 0)
			fail_msg("%s", e.text);
		buffer_consume(&d->stream.out, size);
	}
}

/* A monitor begins: host, settings, what the host does not show. */
static void desk_begin(struct desk *d, const char *url, uint64_t at_ns, const char *facet, const char *reason)
{
	const struct analyst_options options = { .settle_ns = 2 * RECORDS_SECOND, .settle_max_ns = 20 * RECORDS_SECOND, .baseline_auto = true, .alive = rang, .say = heard };
	struct error e = ERROR_INIT;

	*d = (struct desk){ .store = open_store(url, STORE_CREATE), .stream = RECORDS_INIT, .row = d->row };
	d->stream.at_ns = at_ns;
	assert_int_equal(store_sink_begin(d->store, "test"), 0);
	assert_int_equal(analyst_new(d->store, &options, &d->analyst, &e), 0);
	records_hello(&d->stream);
	records_host(&d->stream, RECORD_HOST, "hostname", "kvm-1", "boot_id", "b", "kernel.release", "6.1", NULL);
	records_host(&d->stream, RECORD_CONFIG, "monitor.guest_memory", "on", NULL);
	records_host(&d->stream, RECORD_COVERAGE, facet, reason, NULL);
	feed(d);
}

static void desk_open(struct desk *d, const char *url, uint64_t at_ns, const char *facet, const char *reason)
{
	desk_begin(d, url, at_ns, facet, reason);
	records_synced(&d->stream);
	records_host(&d->stream, RECORD_STATS, "lost.map", "0", NULL);
	feed(d);
}

static void desk_close(struct desk *d)
{
	analyst_free(d->analyst);
	store_close(d->store);
	records_release(&d->stream);
}

/* Time passes, a tick every 250 ms. */
static void pass(struct desk *d, unsigned seconds)
{
	for (unsigned i = 0; i < 4 * seconds; i++) {
		d->stream.at_ns += RECORDS_SECOND / 4;
		records_tick(&d->stream);
	}
	feed(d);
}

/* The next alert that nobody read is of this type and severity, and its summary says this; type NULL: there is none. */
static void told(struct desk *d, const char *type, const char *severity, const char *what)
{
	struct store_alert *alerts = NULL;
	size_t count = 0, i = 0;
	char wanted[64];

	assert_int_equal(store_alerts_for(d->store, "test", 64, &alerts, &count), 0);
	while (i < count && alerts[i].row <= d->row)
		i++;
	if (!type && i < count)
		fail_msg("told: %s", alerts[i].json);
	if (type) {
		if (i == count)
			fail_msg("nobody told: %s", what);
		snprintf(wanted, sizeof(wanted), "\"type\":\"%s\"", type);
		if (!strstr(alerts[i].json, wanted) || !strstr(alerts[i].json, what))
			fail_msg("not %s %s: %s", type, what, alerts[i].json);
		snprintf(wanted, sizeof(wanted), "\"severity\":\"%s\"", severity);
		if (!strstr(alerts[i].json, wanted))
			fail_msg("not %s: %s", severity, alerts[i].json);
		d->row = alerts[i].row;
	}
	store_alerts_free(alerts, count);
}

static void lasts(struct desk *d, const char *scope)
{
	struct store_blind *rows = NULL;
	size_t count = 0;

	assert_int_equal(store_blinds(d->store, &rows, &count), 0);
	assert_int_equal(count, scope ? 1 : 0);
	if (scope)
		assert_string_equal(rows[0].scope, scope);
	store_blinds_free(rows, count);
}

/* ---- the host */

static void a_host_that_shows_less_than_before_is_told_once_and_until_it_shows_it_again(void **state)
{
	struct sandbox *box = *state;
	struct desk d = { 0 };

	/* What it never showed is no loss. */
	desk_open(&d, box->url, RECORDS_SECOND, "mmio", "no such tracepoint");
	told(&d, NULL, NULL, NULL);
	desk_close(&d);
	/* A new kernel. */
	desk_open(&d, box->url, 100 * RECORDS_SECOND, "msr", KVM_MSR);
	told(&d, "blind", "warning", "kvm-1: less is seen of its guests than before: msr: " KVM_MSR);
	lasts(&d, "facet/kvm-1/msr");
	desk_close(&d);
	desk_open(&d, box->url, 200 * RECORDS_SECOND, "msr", KVM_MSR);
	told(&d, NULL, NULL, NULL);
	lasts(&d, "facet/kvm-1/msr");
	/* While it runs: attached again. */
	records_host(&d.stream, RECORD_COVERAGE, NULL);
	feed(&d);
	told(&d, "resolved", "info", "kvm-1: seen again: msr");
	lasts(&d, NULL);
	desk_close(&d);
}

static void what_an_operator_switched_off_is_no_blindness(void **state)
{
	struct sandbox *box = *state;
	struct desk d = { 0 };

	desk_open(&d, box->url, RECORDS_SECOND, "mmio", "no such tracepoint");
	desk_close(&d);
	desk_open(&d, box->url, 100 * RECORDS_SECOND, "acpi", "monitor.guest_memory is off");
	told(&d, NULL, NULL, NULL);
	lasts(&d, NULL);
	desk_close(&d);
}

/* ---- a guest */

static const struct inventory_cpuid_entry table[] = { { .function = 0, .regs = { 1, 0x756e6547, 0x6c65746e, 0x49656e69 } },
						      { .function = 1, .regs = { 0x663, 0, 0x2001, 0x178bfbff } } };

/* slots_whole: of its memory all is known. seen: from its first instruction on. */
static void guest_is_there(struct desk *d, uint64_t vm, bool slots_whole, bool seen)
{
	const struct record_slot slot = { .bytes = 1 << 27 };

	d->stream.vm = vm;
	records_vm(&d->stream, "pid", vm == 1 ? "10" : "20", "start", vm == 1 ? "1" : "2", "kind", "qemu", "arg", "qemu", "arg", "-name", "arg", "guest=web-1", NULL);
	records_boot(&d->stream, seen ? OBSERVE_REASON_CREATED : OBSERVE_REASON_FOUND, seen);
	records_cpuid(&d->stream, 0, true, table, 2);
	records_slots(&d->stream, slots_whole, &slot, 1);
	records_port(&d->stream, 0x510, 1, OBSERVE_ANSWERED, 0);
	feed(d);
	pass(d, 15);
}

static void guest_boots(struct desk *d, uint64_t vm, bool slots_whole)
{
	guest_is_there(d, vm, slots_whole, true);
}

static void a_guest_that_began_before_us_is_no_loss_of_sight(void **state)
{
	struct sandbox *box = *state;
	struct desk d = { 0 };

	desk_open(&d, box->url, RECORDS_SECOND, "mmio", "no such tracepoint");
	guest_boots(&d, 1, true);
	records_gone(&d.stream, "its process ended");
	guest_is_there(&d, 2, false, false);
	told(&d, NULL, NULL, NULL);
	lasts(&d, NULL);
	desk_close(&d);
}

static void less_of_a_guest_is_told_once_and_until_it_is_gone(void **state)
{
	struct sandbox *box = *state;
	struct desk d = { 0 };

	desk_open(&d, box->url, RECORDS_SECOND, "mmio", "no such tracepoint");
	guest_boots(&d, 1, true);
	records_gone(&d.stream, "its process ended");
	guest_boots(&d, 2, false);
	told(&d, "blind", "info", "web-1: less is seen of it than its baseline holds: memory: ");
	lasts(&d, "guest/web-1/memory");
	/* Judged again, and in another boot: it is known by now. */
	d.stream.boot = 2;
	records_boot(&d.stream, OBSERVE_REASON_PORT, true);
	records_cpuid(&d.stream, 0, true, table, 2);
	feed(&d);
	pass(&d, 15);
	told(&d, NULL, NULL, NULL);
	records_gone(&d.stream, "its process ended");
	feed(&d);
	told(&d, "resolved", "info", "web-1: no longer missed: memory (it is gone)");
	lasts(&d, NULL);
	desk_close(&d);
}

static void what_is_seen_again_of_a_guest_is_told(void **state)
{
	const struct record_slot slot = { .bytes = 1 << 27 };
	struct sandbox *box = *state;
	struct desk d = { 0 };

	desk_open(&d, box->url, RECORDS_SECOND, "mmio", "no such tracepoint");
	guest_boots(&d, 1, true);
	records_gone(&d.stream, "its process ended");
	guest_boots(&d, 2, false);
	told(&d, "blind", "info", "memory");
	records_slots(&d.stream, true, &slot, 1);
	feed(&d);
	pass(&d, 15);
	told(&d, "resolved", "info", "web-1: seen again: memory");
	lasts(&d, NULL);
	desk_close(&d);
}

static void facts_that_a_guest_lost_are_told_once(void **state)
{
	struct sandbox *box = *state;
	struct desk d = { 0 };

	desk_open(&d, box->url, RECORDS_SECOND, "mmio", "no such tracepoint");
	guest_boots(&d, 1, true);
	for (uint32_t boot = 1; boot < 4; boot++) {
		d.stream.boot = boot;
		if (boot > 1)
			records_boot(&d.stream, OBSERVE_REASON_PORT, true);
		records_loss(&d.stream, RECORD_LOSS_QUOTA, OBSERVE_CLASS_PORT, 5 * boot);
		feed(&d);
		pass(&d, 1);
	}
	told(&d, "loss", "warning", "web-1: more ports facts than its quota holds: 5 were refused");
	told(&d, NULL, NULL, NULL);
	/* An analyst that comes later hears of it once more. */
	desk_close(&d);
	desk_open(&d, box->url, 100 * RECORDS_SECOND, "mmio", "no such tracepoint");
	guest_boots(&d, 1, true);
	records_loss(&d.stream, RECORD_LOSS_QUOTA, OBSERVE_CLASS_PORT, 15);
	feed(&d);
	told(&d, NULL, NULL, NULL);
	desk_close(&d);
}

static void a_full_map_is_told_when_it_begins(void **state)
{
	struct sandbox *box = *state;
	struct desk d = { 0 };

	desk_open(&d, box->url, RECORDS_SECOND, "mmio", "no such tracepoint");
	records_loss(&d.stream, RECORD_LOSS_RING, OBSERVE_CLASSES, 9);
	records_loss(&d.stream, RECORD_LOSS_MAP, OBSERVE_CLASSES, 3);
	records_loss(&d.stream, RECORD_LOSS_MAP, OBSERVE_CLASSES, 4);
	feed(&d);
	told(&d, "loss", "warning", "the facts map is full, and facts of guests are lost: 3 so far");
	told(&d, NULL, NULL, NULL);
	desk_close(&d);
}

/* ---- where a guest goes on */

static const struct machine {
	const char *pid, *start, *name;
} machines[] = { { "10", "1", "guest=web-1" }, { "20", "2", "guest=web-2" } };

static void covered(struct desk *d, uint64_t vm, enum facet_id facet, enum coverage level, const char *reason)
{
	struct store_instance *items = NULL;
	const struct abi_coverage *is = NULL;
	size_t count = 0;

	assert_int_equal(store_instances(d->store, 0, &items, &count), 0);
	for (size_t i = 0; i < count; i++)
		if (items[i].running && !strcmp(items[i].start, machines[vm - 1].start))
			is = &items[i].coverage[facet];
	assert_non_null(is);
	if (is->level != level || !strstr(is->reason, reason))
		fail_msg("vm %u, %s: %s %s", (unsigned)vm, facet_get(facet)->name, coverage_name(is->level), is->reason);
	store_instances_free(items, count);
}

/* VM `vm` of web-1 as it is told when it is met; `option` and its value are the last of its command line. */
static void vm_is_met(struct desk *d, uint64_t vm, uint32_t reason, bool ran, const struct inventory_cpuid_entry *shows, const char *option, const char *value)
{
	const struct record_slot slot = { .bytes = 1 << 27 };

	d->stream.vm = vm;
	d->stream.boot = 1;
	records_vm(&d->stream, "pid", vm == 1 ? "10" : "20", "start", vm == 1 ? "1" : "2", "kind", "qemu", "arg", "qemu", "arg", "-name", "arg", "guest=web-1", "arg",
		   option, "arg", value, NULL);
	records_boot(&d->stream, reason, reason == OBSERVE_REASON_CREATED);
	records_cpuid(&d->stream, 0, ran, shows, 2);
	records_slots(&d->stream, true, &slot, 1);
	feed(d);
}

/* Else a monitor that is restarted while a guest is about to come calls that "found running", and knows nothing of the move. */
static void one_that_waits_when_it_is_found_is_no_life_before_the_guest_comes(void **state)
{
	struct sandbox *box = *state;
	struct desk d = { 0 };

	desk_open(&d, box->url, RECORDS_SECOND, "mmio", "no such tracepoint");
	guest_boots(&d, 1, true);
	desk_close(&d);
	desk_begin(&d, box->url, 100 * RECORDS_SECOND, "mmio", "no such tracepoint");
	vm_is_met(&d, 1, OBSERVE_REASON_FOUND, true, table, "-m", "128");
	vm_is_met(&d, 2, OBSERVE_REASON_FOUND, false, table, "-incoming", "defer");
	records_synced(&d.stream);
	pass(&d, 10);
	assert_int_equal(ask(box->path, "SELECT count(*) FROM instances"), 1);
	records_cpuid(&d.stream, 0, true, table, 2);
	feed(&d);
	pass(&d, 10);
	assert_int_equal(ask(box->path, "SELECT count(*) FROM instances"), 2);
	assert_int_equal(ask(box->path, "SELECT count(*) FROM events WHERE type = 'boot' AND reason LIKE 'migrated in%'"), 1);
	assert_int_equal(ask(box->path, "SELECT count(*) FROM events WHERE type = 'boot' AND reason = 'found running'"), 0);
	assert_int_equal(ask(box->path, "SELECT max(boot) FROM instances"), 1);
	told(&d, NULL, NULL, NULL);
	desk_close(&d);
}

/* Nor is one whose guest came before anybody looked a migration of now. */
static void one_that_runs_when_it_is_found_was_found_running(void **state)
{
	struct sandbox *box = *state;
	struct desk d = { 0 };

	desk_begin(&d, box->url, 100 * RECORDS_SECOND, "mmio", "no such tracepoint");
	vm_is_met(&d, 2, OBSERVE_REASON_FOUND, true, table, "-incoming", "defer");
	records_synced(&d.stream);
	feed(&d);
	pass(&d, 10);
	assert_int_equal(ask(box->path, "SELECT count(*) FROM events WHERE type = 'boot' AND reason = 'found running'"), 1);
	desk_close(&d);
}

/* Over pins its boot is told as one that was seen, before that it has run: each restart would say of each guest that moved that it is to come. */
static void one_that_ran_while_nobody_watched_waits_for_nobody(void **state)
{
	struct sandbox *box = *state;
	struct desk d = { 0 };

	for (int ran = 1; ran >= 0; ran--) {
		waits_said = 0;
		desk_begin(&d, box->url, 100 * RECORDS_SECOND, "mmio", "no such tracepoint");
		vm_is_met(&d, 2, OBSERVE_REASON_CREATED, false, table, "-incoming", "defer");
		if (ran)
			records_cpuid(&d.stream, 0, true, table, 2);
		records_synced(&d.stream);
		feed(&d);
		pass(&d, 10);
		assert_int_equal(waits_said, !ran);
		desk_close(&d);
	}
}

static void version_is(struct desk *d, uint64_t vm, const char *version)
{
	d->stream.vm = vm;
	records_vm(&d->stream, "pid", machines[vm - 1].pid, "start", machines[vm - 1].start, "kind", "qemu", "version", version, "arg", "qemu", "arg", "-name", "arg",
		   "guest=web-1", vm == 2 ? "arg" : NULL, "-incoming", "arg", "defer", NULL);
}

/* Else the baseline holds what a newer VMM shows that the guest was moved to while the monitor was down, and that is never told again. */
static void what_a_guest_shows_that_moved_unseen_is_no_evidence(void **state)
{
	struct sandbox *box = *state;
	struct desk d = { 0 };

	for (int newer = 1; newer >= 0; newer--) {
		const uint64_t at_ns = (newer ? 1 : 200) * RECORDS_SECOND;

		desk_open(&d, box->url, at_ns, "mmio", "no such tracepoint");
		vm_is_met(&d, 1, OBSERVE_REASON_CREATED, true, table, "-m", "128");
		version_is(&d, 1, "7.2.0");
		pass(&d, 15);
		desk_close(&d);
		desk_begin(&d, box->url, at_ns + 100 * RECORDS_SECOND, "mmio", "no such tracepoint");
		version_is(&d, 2, newer ? "10.0.0" : "7.2.0");
		records_boot(&d.stream, OBSERVE_REASON_FOUND, false);
		records_cpuid(&d.stream, 0, true, table, 2);
		records_port(&d.stream, 0x60, 1, OBSERVE_ANSWERED, 0);
		records_synced(&d.stream);
		pass(&d, 15);
		records_gone(&d.stream, "its process ended");
		pass(&d, 1);
		assert_int_equal(ask(box->path, "SELECT count(*) FROM events WHERE type = 'evidence'"), !newer);
		desk_close(&d);
	}
}

static const struct inventory_cpuid_entry poorer[] = { { .function = 0, .regs = { 1, 0x756e6547, 0x6c65746e, 0x49656e69 } },
						       { .function = 1, .regs = { 0x663, 0, 0x2000, 0x178bfbff } } };

static size_t ended_with(const struct sandbox *box, const char *sql_pattern)
{
	char sql[160];

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM events WHERE type = 'stop' AND reason LIKE '%s'", sql_pattern);
	return (size_t)ask(box->path, sql);
}

/* Else a clone that somebody starts by mistake ends the watch over the guest itself, and what the clone lacks alarms as the guest's loss. */
static void a_second_machine_under_its_name_takes_no_guest_over(void **state)
{
	struct sandbox *box = *state;
	struct desk d = { 0 };

	desk_open(&d, box->url, RECORDS_SECOND, "mmio", "no such tracepoint");
	vm_is_met(&d, 1, OBSERVE_REASON_CREATED, true, table, "-m", "128");
	pass(&d, 15);
	vm_is_met(&d, 2, OBSERVE_REASON_CREATED, true, poorer, "-m", "128");
	pass(&d, 15);
	told(&d, "twin", "warning", "web-1: a second VM runs as this guest (pid 20) while it runs in pid 10: ");
	told(&d, NULL, NULL, NULL);
	assert_int_equal(ask(box->path, "SELECT count(*) FROM instances WHERE running AND pid = 20 AND state = 'unknown'"), 1);
	covered(&d, 2, FACET_CPUID, COVERAGE_NONE, "another VM is this guest: pid 10 runs, and this one was not made to take over from it");
	/* The guest itself is judged as ever. */
	d.stream.vm = 1;
	records_cpuid(&d.stream, 0, true, poorer, 2);
	feed(&d);
	pass(&d, 15);
	told(&d, "drift", "critical", "\"running\":true");
	records_cpuid(&d.stream, 0, true, table, 2);
	feed(&d);
	pass(&d, 15);
	told(&d, "resolved", "info", "web-1");
	records_gone(&d.stream, "its process ended");
	feed(&d);
	assert_int_equal(ended_with(box, "its process ended"), 1);
	/* Nobody else is it any more. */
	d.stream.vm = 2;
	pass(&d, 15);
	told(&d, "drift", "critical", "\"running\":false");
	told(&d, NULL, NULL, NULL);
	covered(&d, 2, FACET_CPUID, COVERAGE_COMPLETE, "");
	desk_close(&d);
}

/* Else each restart of the monitor tells it again, or takes the wrong one for the guest; and one that is alone since is never judged. */
static void a_second_machine_stays_one_over_a_restart(void **state)
{
	struct sandbox *box = *state;
	struct desk d = { 0 };

	desk_open(&d, box->url, RECORDS_SECOND, "mmio", "no such tracepoint");
	vm_is_met(&d, 1, OBSERVE_REASON_CREATED, true, table, "-m", "128");
	pass(&d, 15);
	vm_is_met(&d, 2, OBSERVE_REASON_CREATED, true, poorer, "-m", "128");
	pass(&d, 15);
	told(&d, "twin", "warning", "web-1");
	desk_close(&d);

	desk_begin(&d, box->url, 100 * RECORDS_SECOND, "mmio", "no such tracepoint");
	vm_is_met(&d, 2, OBSERVE_REASON_FOUND, true, poorer, "-m", "128");
	vm_is_met(&d, 1, OBSERVE_REASON_FOUND, true, table, "-m", "128");
	records_synced(&d.stream);
	feed(&d);
	pass(&d, 15);
	told(&d, NULL, NULL, NULL);
	assert_int_equal(ask(box->path, "SELECT count(*) FROM instances WHERE running AND pid = 20 AND state = 'unknown' AND life = 'twin'"), 1);
	assert_int_equal(ask(box->path, "SELECT count(*) FROM events WHERE type = 'boot'"), 1);
	desk_close(&d);

	desk_begin(&d, box->url, 200 * RECORDS_SECOND, "mmio", "no such tracepoint");
	vm_is_met(&d, 2, OBSERVE_REASON_FOUND, true, poorer, "-m", "128");
	records_synced(&d.stream);
	feed(&d);
	pass(&d, 15);
	told(&d, "drift", "critical", "\"running\":false");
	assert_int_equal(ask(box->path, "SELECT count(*) FROM instances WHERE running AND pid = 20 AND boot = 2 AND state = 'drift'"), 1);
	desk_close(&d);
}

/* Else a migration is judged by the machine that the guest has left. */
static void a_machine_that_was_made_to_take_over_is_the_guest(void **state)
{
	struct sandbox *box = *state;
	struct desk d = { 0 };

	desk_open(&d, box->url, RECORDS_SECOND, "mmio", "no such tracepoint");
	vm_is_met(&d, 1, OBSERVE_REASON_CREATED, true, table, "-m", "128");
	pass(&d, 15);
	vm_is_met(&d, 2, OBSERVE_REASON_CREATED, true, table, "-incoming", "defer");
	pass(&d, 15);
	d.stream.vm = 1;
	records_cpuid(&d.stream, 0, true, poorer, 2);
	feed(&d);
	pass(&d, 15);
	told(&d, NULL, NULL, NULL);
	records_gone(&d.stream, "its process ended");
	feed(&d);
	assert_int_equal(ended_with(box, "its process ended; the guest goes on in another VM"), 1);
	d.stream.vm = 2;
	records_cpuid(&d.stream, 0, true, poorer, 2);
	feed(&d);
	pass(&d, 15);
	told(&d, "drift", "critical", "web-1");
	desk_close(&d);
}

/* ---- what the kernel skipped */

#define CLASS_STORAGE 0x01000000u
#define CLASS_WRONG 0x0100ff00u /* the programs took the answer of another register for it */

static uint64_t skipped; /* by the kernel since the programs were loaded */

static void kernel_skips(struct desk *d, uint64_t more)
{
	skipped += more;
	records_loss(&d->stream, RECORD_LOSS_MISSED, OBSERVE_CLASSES, skipped);
}

/* A bus with one function, read as a whole. */
static void scan(struct desk *d, uint32_t class)
{
	struct records *s = &d->stream;

	records_pci(s, 0, 0x00, 0x10001af4, 0xf);
	records_pci(s, 0, 0x08, class, 0xf);
	records_pci(s, 0, 0x0c, 0, 0x4);
	records_pci(s, 0, 0x3c, 0, 0x2);
	records_pci_size(s, 0, 0x10, 0xffffffc1);
	records_pci_size(s, 0, 0x14, 0xff000000);
	for (uint16_t reg = 0x18; reg <= 0x24; reg += 4)
		records_pci_size(s, 0, reg, 0);
	records_pci_placed(s, 0, 0x10, 0xc001);
	records_pci_placed(s, 0, 0x14, 0xfd000000);
	records_pci_size(s, 0, 0x30, 0);
	records_pci_absent(s, 0, 0, 0xfffffffe);
	feed(d);
}

static void machine_is(struct desk *d, uint64_t vm)
{
	const struct machine *m = &machines[vm - 1];

	d->stream.vm = vm;
	records_vm(&d->stream, "pid", m->pid, "start", m->start, "kind", "qemu", "arg", "qemu", "arg", "-name", "arg", m->name, NULL);
}

/* Boot `boot` of VM `vm`, but for its scan of the bus. */
static void machine_begins(struct desk *d, uint64_t vm, uint32_t boot)
{
	/* What lies between the RAM and 4 GiB is behind a BAR. */
	const struct record_slot slots[] = { { .bytes = 0xa0000 }, { .gpa = 0xc0000, .bytes = (1 << 27) - 0xc0000 }, { .gpa = 0xfd000000, .bytes = 1 << 24 } };

	d->stream.vm = vm;
	d->stream.boot = boot;
	records_boot(&d->stream, boot == 1 ? OBSERVE_REASON_CREATED : OBSERVE_REASON_PORT, true);
	records_cpuid(&d->stream, 0, true, table, 2);
	records_slots(&d->stream, true, slots, 3);
	records_port(&d->stream, 0x510, 1, OBSERVE_ANSWERED, 0);
	records_port(&d->stream, 0xc000, 1, OBSERVE_ANSWERED, 0); /* the function's */
	feed(d);
}

static void machine_boots(struct desk *d, uint64_t vm, uint32_t boot, uint32_t class)
{
	if (boot == 1)
		machine_is(d, vm);
	machine_begins(d, vm, boot);
	scan(d, class);
	pass(d, 15);
}

/* One scans while the kernel skips events: their number is told with the next look. */
static void machine_boots_badly(struct desk *d, uint64_t vm, uint32_t boot, uint32_t class)
{
	if (boot == 1)
		machine_is(d, vm);
	machine_begins(d, vm, boot);
	scan(d, class);
	d->stream.at_ns += RECORDS_SECOND / 4;
	kernel_skips(d, 40);
	feed(d);
	pass(d, 15);
}

#define SKIPPED "the kernel skipped 40 events"

/* Else each busy host alarms critically of devices that never changed; or, if nobody were told, one that did would pass for the same. */
static void what_was_read_while_events_were_skipped_is_no_drift(void **state)
{
	struct sandbox *box = *state;
	struct desk d = { 0 };

	skipped = 0;
	desk_open(&d, box->url, RECORDS_SECOND, "mmio", "no such tracepoint");
	machine_boots(&d, 1, 1, CLASS_STORAGE);
	covered(&d, 1, FACET_PCI, COVERAGE_COMPLETE, "");
	machine_boots_badly(&d, 1, 2, CLASS_WRONG);
	covered(&d, 1, FACET_PCI, COVERAGE_NONE, SKIPPED " while this was read (recursion_misses): judged again from the next boot on");
	covered(&d, 1, FACET_PORTS, COVERAGE_NONE, SKIPPED);
	covered(&d, 1, FACET_MEMORY, COVERAGE_COMPLETE, "");
	told(&d, "blind", "info", "web-1: less is seen of it than its baseline holds: pci: " SKIPPED);
	told(&d, NULL, NULL, NULL);
	machine_boots(&d, 1, 3, CLASS_STORAGE);
	covered(&d, 1, FACET_PCI, COVERAGE_COMPLETE, "");
	covered(&d, 1, FACET_PORTS, COVERAGE_WITNESSED, "");
	told(&d, "resolved", "info", "web-1: seen again: pci");
	assert_int_equal(ask(box->path, "SELECT count(*) FROM revisions"), 1);
	/* And what really changed is told as ever. */
	machine_boots(&d, 1, 4, CLASS_WRONG);
	told(&d, "drift", "critical", "web-1");
	told(&d, NULL, NULL, NULL);
	desk_close(&d);
}

/* News can lie in the ring until after the look that tells of what was skipped, and longer where the ring was full. */
static void what_comes_later_of_that_time_is_doubtful_too(void **state)
{
	struct sandbox *box = *state;
	struct desk d = { 0 };
	uint64_t then;

	skipped = 0;
	desk_open(&d, box->url, RECORDS_SECOND, "mmio", "no such tracepoint");
	machine_boots(&d, 1, 1, CLASS_STORAGE);
	machine_begins(&d, 1, 2);
	then = d.stream.at_ns;
	kernel_skips(&d, 40);
	pass(&d, 1);
	d.stream.at_ns = then;
	scan(&d, CLASS_WRONG);
	d.stream.at_ns = then + RECORDS_SECOND;
	pass(&d, 15);
	covered(&d, 1, FACET_PCI, COVERAGE_NONE, SKIPPED);
	told(&d, "blind", "info", "web-1");
	told(&d, NULL, NULL, NULL);
	desk_close(&d);
}

/* Else one guest that boots on a busy host takes from all others what is known of them. */
static void what_another_guest_showed_at_another_time_stays(void **state)
{
	struct sandbox *box = *state;
	struct desk d = { 0 };

	skipped = 0;
	desk_open(&d, box->url, RECORDS_SECOND, "mmio", "no such tracepoint");
	machine_boots(&d, 1, 1, CLASS_STORAGE);
	machine_boots_badly(&d, 2, 1, CLASS_STORAGE);
	covered(&d, 1, FACET_PCI, COVERAGE_COMPLETE, "");
	covered(&d, 2, FACET_PCI, COVERAGE_NONE, SKIPPED);
	/* Nor does it matter that more is skipped while no guest reads anything. */
	kernel_skips(&d, 7);
	pass(&d, 15);
	covered(&d, 1, FACET_PCI, COVERAGE_COMPLETE, "");
	covered(&d, 2, FACET_PCI, COVERAGE_NONE, SKIPPED);
	told(&d, NULL, NULL, NULL);
	desk_close(&d);
}

/* Else what is skipped of CPUID, of another guest, takes PCI from each that boots then. */
static void what_was_skipped_of_whole_facts_makes_nothing_doubtful(void **state)
{
	struct sandbox *box = *state;
	struct desk d = { 0 };

	skipped = 0;
	desk_open(&d, box->url, RECORDS_SECOND, "mmio", "no such tracepoint");
	records_loss(&d.stream, RECORD_LOSS_DECODED, OBSERVE_CLASSES, 0);
	machine_boots_badly(&d, 1, 1, CLASS_STORAGE);
	covered(&d, 1, FACET_PCI, COVERAGE_COMPLETE, "");
	machine_begins(&d, 1, 2);
	scan(&d, CLASS_WRONG);
	records_loss(&d.stream, RECORD_LOSS_DECODED, OBSERVE_CLASSES, 3);
	kernel_skips(&d, 3);
	pass(&d, 15);
	covered(&d, 1, FACET_PCI, COVERAGE_NONE, "the kernel skipped 3 events");
	desk_close(&d);
}

/* Else a fact that a sweep finds is judged, where the kernel skipped events at it and ever since. */
static void how_it_began_is_known_while_it_goes_on(void **state)
{
	struct skips s = SKIPS_INIT;
	struct skip_span span;
	uint64_t now = 1000 * RECORDS_SECOND, then = now + RECORDS_SECOND;

	(void)state;
	skips_known(&s, 0, now);
	for (uint64_t n = 1; n <= 10 * SKIPS_MAX; n++) {
		now += RECORD_LOOK_NS;
		assert_true(skips_take(&s, n, now, &span));
		assert_int_equal(span.events, 1);
		assert_true(now - span.from_ns <= 5 * RECORD_LOOK_NS);
		skips_tick(&s, now);
	}
	assert_true(skips_around(&s, then) > 0);
	assert_false(skips_take(&s, 10 * SKIPS_MAX, now, &span));
	/* And what comes much later is another time. */
	now += 100 * RECORDS_SECOND;
	skips_tick(&s, now);
	assert_true(skips_take(&s, 10 * SKIPS_MAX + 1, now, &span));
	assert_int_equal(skips_around(&s, now - 50 * RECORDS_SECOND), 0);
	assert_int_equal(skips_around(&s, now), 1);
}

/* A baseline that was made then lacks what was doubtful, and learns it: it must not hold what is wrong, nor stay without for ever. */
static void a_baseline_that_lacks_what_was_skipped_learns_it(void **state)
{
	struct sandbox *box = *state;
	struct desk d = { 0 };

	skipped = 0;
	desk_open(&d, box->url, RECORDS_SECOND, "mmio", "no such tracepoint");
	machine_boots_badly(&d, 1, 1, CLASS_WRONG);
	covered(&d, 1, FACET_PCI, COVERAGE_NONE, SKIPPED);
	/* Another number of them is nothing that a baseline learns. */
	machine_begins(&d, 1, 2);
	scan(&d, CLASS_WRONG);
	kernel_skips(&d, 99);
	pass(&d, 15);
	assert_int_equal(ask(box->path, "SELECT count(*) FROM events WHERE type = 'evidence'"), 0);
	machine_boots(&d, 1, 3, CLASS_STORAGE);
	covered(&d, 1, FACET_PCI, COVERAGE_COMPLETE, "");
	told(&d, NULL, NULL, NULL);
	assert_int_equal(ask(box->path, "SELECT count(*) FROM revisions"), 1);
	assert_int_equal(ask(box->path, "SELECT count(*) FROM events WHERE type = 'evidence'"), 1);
	machine_boots(&d, 1, 4, CLASS_WRONG);
	told(&d, "drift", "critical", "web-1");
	desk_close(&d);
}

/* A boot that was found doubtful stays so; and a count alone, which may be a month old, makes none doubtful. */
static void an_analyst_that_comes_later_doubts_the_same(void **state)
{
	struct sandbox *box = *state;
	struct desk d = { 0 };
	uint64_t then;

	skipped = 0;
	desk_open(&d, box->url, RECORDS_SECOND, "mmio", "no such tracepoint");
	machine_boots(&d, 1, 1, CLASS_STORAGE);
	machine_boots(&d, 2, 1, CLASS_STORAGE);
	then = d.stream.at_ns;
	machine_boots_badly(&d, 1, 2, CLASS_WRONG);
	told(&d, "blind", "info", "web-1");
	records_host(&d.stream, RECORD_STATS, "lost.missed", "40", NULL);
	feed(&d);
	desk_close(&d);

	/* Its stream begins with all that the kernel side holds, and with the count. */
	desk_begin(&d, box->url, then + 60 * RECORDS_SECOND, "mmio", "no such tracepoint");
	d.stream.at_ns = then - 15 * RECORDS_SECOND;
	machine_is(&d, 2);
	machine_begins(&d, 2, 1);
	scan(&d, CLASS_STORAGE);
	d.stream.at_ns = then;
	machine_is(&d, 1);
	machine_begins(&d, 1, 2);
	scan(&d, CLASS_WRONG);
	d.stream.at_ns = then + 60 * RECORDS_SECOND;
	kernel_skips(&d, 0);
	records_synced(&d.stream);
	feed(&d);
	pass(&d, 15);
	covered(&d, 1, FACET_PCI, COVERAGE_NONE, "the kernel skipped ");
	covered(&d, 2, FACET_PCI, COVERAGE_COMPLETE, "");
	told(&d, NULL, NULL, NULL);
	desk_close(&d);
}

/* ---- a guest that moved, and an analyst that comes later */

/* VM 2 goes on with machine 1 without a scan of its bus. */
static void machine_comes(struct desk *d)
{
	d->stream.vm = 2;
	d->stream.boot = 1;
	records_vm(&d->stream, "pid", "20", "start", "2", "kind", "qemu", "arg", "qemu", "arg", "-name", "arg", machines[0].name, "arg", "-incoming", "arg", "defer", NULL);
	records_boot(&d->stream, OBSERVE_REASON_CREATED, true);
	records_cpuid(&d->stream, 0, true, table, 2);
	records_port(&d->stream, 0x510, 1, OBSERVE_ANSWERED, 0);
	feed(d);
}

/* Else a restart of the monitor calls the devices of a guest complete that only the VM it came from has shown. */
static void a_restart_makes_no_complete_bus_of_a_move(void **state)
{
	static const char why[] = "the guest moved here while it ran: nobody scans the bus before its next reset";
	struct sandbox *box = *state;
	struct desk d = { 0 };
	uint64_t then;

	desk_open(&d, box->url, RECORDS_SECOND, "mmio", "no such tracepoint");
	machine_boots(&d, 1, 1, CLASS_STORAGE);
	covered(&d, 1, FACET_PCI, COVERAGE_COMPLETE, "");
	machine_comes(&d);
	pass(&d, 15);
	d.stream.vm = 1;
	records_gone(&d.stream, "its process ended");
	pass(&d, 2);
	covered(&d, 2, FACET_PCI, COVERAGE_NONE, why);
	then = d.stream.at_ns;
	desk_close(&d);

	desk_begin(&d, box->url, then + 60 * RECORDS_SECOND, "mmio", "no such tracepoint");
	machine_comes(&d);
	records_synced(&d.stream);
	pass(&d, 15);
	covered(&d, 2, FACET_PCI, COVERAGE_NONE, why);
	desk_close(&d);
}

/* ---- the store */

/*
 * While the analyst waits for a store that somebody locked it reads nothing, and the stream's time stands still: what was lost
 * for minutes is not told by it.
 */
static void how_long_the_store_failed_is_told_by_a_clock_that_goes_on(void **state)
{
	struct sandbox *box = *state;
	struct desk d = { 0 };

	desk_open(&d, box->url, RECORDS_SECOND, "mmio", "no such tracepoint");
	assert_int_equal(sqlite3_exec(d.store->db, "PRAGMA query_only = 1", NULL, NULL, NULL), SQLITE_OK);
	records_host(&d.stream, RECORD_STATS, "lost.map", "0", NULL);
	feed(&d);
	assert_int_equal(sqlite3_exec(d.store->db, "PRAGMA query_only = 0", NULL, NULL, NULL), SQLITE_OK);
	clock_ahead_s = 90;
	for (unsigned i = 0; i < 3; i++) {
		records_host(&d.stream, RECORD_STATS, "lost.map", "0", NULL);
		feed(&d);
	}
	told(&d, "store", "warning", "the store could not be written for 90s");
	told(&d, NULL, NULL, NULL);
	desk_close(&d);
	clock_ahead_s = 0;
}

static void a_store_that_failed_is_told_once_it_works(void **state)
{
	struct sandbox *box = *state;
	struct desk d = { 0 };

	desk_open(&d, box->url, RECORDS_SECOND, "mmio", "no such tracepoint");
	/* Every write fails, as on a disk that is full. */
	assert_int_equal(sqlite3_exec(d.store->db, "PRAGMA query_only = 1", NULL, NULL, NULL), SQLITE_OK);
	for (unsigned i = 0; i < 6; i++) {
		pass(&d, 5);
		records_host(&d.stream, RECORD_STATS, "lost.map", "0", NULL);
		feed(&d);
	}
	assert_int_equal(sqlite3_exec(d.store->db, "PRAGMA query_only = 0", NULL, NULL, NULL), SQLITE_OK);
	for (unsigned i = 0; i < 3; i++) {
		pass(&d, 5);
		records_host(&d.stream, RECORD_STATS, "lost.map", "0", NULL);
		feed(&d);
	}
	told(&d, "store", "warning", "the store could not be written for ");
	told(&d, NULL, NULL, NULL);
	desk_close(&d);
}

/* Each guest that is tried takes seconds then: one that rang only when all were would be taken for one that hangs. */
static void a_store_that_somebody_holds_is_tried_once_in_a_tick(void **state)
{
	struct sandbox *box = *state;
	struct desk d = { 0 };
	sqlite3 *other;

	desk_open(&d, box->url, RECORDS_SECOND, "mmio", "no such tracepoint");
	guest_boots(&d, 1, true);
	guest_boots(&d, 2, true);
	store_patience(d.store, 1);
	assert_int_equal(sqlite3_open(box->path, &other), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	/* The host is told again, and with it every guest. */
	assert_int_equal(sqlite3_exec(other, "UPDATE instances SET machine = 'old'; COMMIT; BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	rings = 0;
	records_host(&d.stream, RECORD_HOST, "hostname", "kvm-1", "boot_id", "b", "kernel.release", "6.1", NULL);
	feed(&d);
	assert_int_equal(rings, 1);
	rings = 0;
	records_tick(&d.stream);
	feed(&d);
	assert_int_equal(rings, 1);
	assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(other);
	/* The one that was not tried then is not forgotten. */
	rings = 0;
	records_tick(&d.stream);
	feed(&d);
	assert_int_equal(rings, 2);
	assert_int_equal(ask(box->path, "SELECT count(*) FROM instances WHERE running AND machine IS NOT 'old'"), 2);
	desk_close(&d);
}

#define STORE_TEST(f) cmocka_unit_test_setup_teardown(f, sandbox_setup, sandbox_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(a_host_that_shows_less_than_before_is_told_once_and_until_it_shows_it_again),
		STORE_TEST(what_an_operator_switched_off_is_no_blindness),
		STORE_TEST(a_guest_that_began_before_us_is_no_loss_of_sight),
		STORE_TEST(less_of_a_guest_is_told_once_and_until_it_is_gone),
		STORE_TEST(what_is_seen_again_of_a_guest_is_told),
		STORE_TEST(facts_that_a_guest_lost_are_told_once),
		STORE_TEST(a_full_map_is_told_when_it_begins),
		STORE_TEST(one_that_waits_when_it_is_found_is_no_life_before_the_guest_comes),
		STORE_TEST(one_that_runs_when_it_is_found_was_found_running),
		STORE_TEST(one_that_ran_while_nobody_watched_waits_for_nobody),
		STORE_TEST(what_a_guest_shows_that_moved_unseen_is_no_evidence),
		STORE_TEST(a_second_machine_under_its_name_takes_no_guest_over),
		STORE_TEST(a_second_machine_stays_one_over_a_restart),
		STORE_TEST(a_machine_that_was_made_to_take_over_is_the_guest),
		STORE_TEST(what_was_read_while_events_were_skipped_is_no_drift),
		STORE_TEST(what_comes_later_of_that_time_is_doubtful_too),
		STORE_TEST(what_another_guest_showed_at_another_time_stays),
		STORE_TEST(a_baseline_that_lacks_what_was_skipped_learns_it),
		STORE_TEST(what_was_skipped_of_whole_facts_makes_nothing_doubtful),
		STORE_TEST(how_it_began_is_known_while_it_goes_on),
		STORE_TEST(an_analyst_that_comes_later_doubts_the_same),
		STORE_TEST(a_restart_makes_no_complete_bus_of_a_move),
		STORE_TEST(a_store_that_failed_is_told_once_it_works),
		STORE_TEST(a_store_that_somebody_holds_is_tried_once_in_a_tick),
		STORE_TEST(how_long_the_store_failed_is_told_by_a_clock_that_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What it costs to compare two fingerprints of 5,000 entries, to find the cause of every change, to judge it and to write it down
 * as JSON: with nothing changed, with the changes of a VMM's upgrade, and with every second entry changed. Processor time, medians.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/bench/measure.h"
#include "userspace/abi/context.h"
#include "userspace/abi/entries.h"
#include "userspace/base/buffer.h"
#include "userspace/drift/verdict.h"
#include "userspace/drift/view.h"

#define ENTRIES 5000u
#define ROUNDS 21
#define BOUND_MS 5.0
#define PROMISED 100u /* changes; an upgrade of QEMU makes 10 to 70 */

enum stage { COMPARE, JUDGE, JSON, STAGES };

static const struct shape {
	enum facet_id facet;
	const char *key; /* of a number */
	const char *value;
	unsigned share;  /* of 100 */
} shapes[] = {
	{ FACET_CPUID, "0x%08x.0.ecx", "0x%08x", 10 },       { FACET_PCI, "0000:%02x:00.0/id", "1af4:%04x", 10 },
	{ FACET_PCI, "0000:%02x:00.0/bar0", "mem64 size=0x%x", 10 }, { FACET_ACPI, "SSDT.%u/oem_table_id", "BXPC%u", 10 },
	{ FACET_ACPI, "DSDT/_SB.PCI0.S%02X._ADR", "0x%08x", 30 }, { FACET_SMBIOS, "type17.%u/size", "%u MB", 10 },
	{ FACET_PORTS, "0x%04x/r8", "answered %u", 10 },    { FACET_MSR, "0x%08x", "0x%016x", 10 },
};

/* Every n-th entry another than on the first side; 0: none. */
static int fill(struct abi_entries *entries, unsigned nth)
{
	char key[64], value[64];
	int r = 0;

	for (int f = 0; r >= 0 && f < FACETS; f++)
		r = entries_cover(entries, f, COVERAGE_COMPLETE, "%s", "");
	for (size_t s = 0; s < sizeof(shapes) / sizeof(*shapes); s++)
		for (unsigned i = 0; r >= 0 && i < ENTRIES * shapes[s].share / 100; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			snprintf(key, sizeof(key), shapes[s].key, i);
			snprintf(value, sizeof(value), shapes[s].value, nth && i % nth == 0 ? i + 1 : i);
#pragma GCC diagnostic pop
			r = entries_add(entries, shapes[s].facet, key, value);
		}
	entries_sort(entries);
	return r;
}

static int make_contexts(struct context *from, struct context *to)
{
	static const struct { const char *factor, *from, *to; } factors[] = {
		{ "machine", "pc-q35-5.2", "pc-q35-5.2" }, { "cpu", "EPYC", "EPYC" },
		{ "vmm.kind", "qemu", "qemu" }, { "vmm.version", "5.2.0", "7.2.22" }, { "vmm.build_id", "aa", "bb" },
		{ "kernel", "6.1.0-18", "6.1.0-21" }, { "microcode", "0x1", "0x2" }, { "kvm.kvm_amd.nested", "1", "0" },
		{ "firmware./usr/share/seabios/bios-256k.bin", "262144 aa", "262144 bb" }, { "host", "one", "one" },
		{ "option.smp", "4", "4" }, { "option.m", "4096", "4096" }, { "backend.netdev", "user,id=a", "tap,id=a" },
	};
	struct buffer devices[2] = { BUFFER_INIT, BUFFER_INIT };
	int r = 0;

	/* Sixteen devices, two of which moved. */
	for (unsigned i = 0; i < 16; i++)
		for (unsigned side = 0; side < 2; side++)
			buffer_printf(&devices[side], "%se1000,id=net%u,bus=pcie.0,addr=0x%x,mac=52:54:00:00:00:%02x", i ? "; " : "", i,
				      i + (i > 13 ? side : 0), i);
	for (size_t i = 0; r >= 0 && i < sizeof(factors) / sizeof(*factors); i++) {
		r = context_set(from, factors[i].factor, factors[i].from);
		if (r >= 0)
			r = context_set(to, factors[i].factor, factors[i].to);
	}
	if (buffer_failed(&devices[0]) || buffer_failed(&devices[1]))
		r = -ENOMEM;
	if (r >= 0)
		r = context_set(from, "option.device", devices[0].data);
	if (r >= 0)
		r = context_set(to, "option.device", devices[1].data);
	buffer_release(&devices[0]);
	buffer_release(&devices[1]);
	return r;
}

static int round_of(const struct abi_entries *from, const struct abi_entries *to, const struct context contexts[2], double ms[STAGES], size_t *ret_changes)
{
	const struct drift_options options = { .facets = DRIFT_ALL_FACETS, .same_guest = true };
	struct drift drift = DRIFT_INIT;
	double at[STAGES + 1];
	json_t *json = NULL;
	int r;

	at[COMPARE] = processor_ms();
	r = drift_compare(from, &contexts[0], to, &contexts[1], &options, &drift);
	at[JUDGE] = processor_ms();
	if (r >= 0)
		r = drift_judge(&drift, &(struct drift_circumstances){ .from = &contexts[0], .to = &contexts[1], .now = to, .boot_began = from });
	at[JSON] = processor_ms();
	if (r >= 0 && !(json = drift_json(&drift, SEVERITY_NONE)))
		r = -ENOMEM;
	at[STAGES] = processor_ms();
	for (unsigned s = 0; s < STAGES; s++)
		ms[s] = at[s + 1] - at[s];
	*ret_changes = drift.change_count;
	json_decref(json);
	drift_release(&drift);
	return r;
}

static int measure(const struct abi_entries *from, const struct context contexts[2], unsigned nth)
{
	struct abi_entries to = ABI_ENTRIES_INIT;
	double ms[STAGES][ROUNDS], judged[ROUNDS], one[STAGES], whole;
	char what[96], measured[160], bound[32];
	size_t changes = 0;
	int r = fill(&to, nth);

	for (unsigned i = 0; r >= 0 && i < ROUNDS; i++) {
		r = round_of(from, &to, contexts, one, &changes);
		for (unsigned s = 0; s < STAGES; s++)
			ms[s][i] = one[s];
		judged[i] = one[COMPARE] + one[JUDGE];
	}
	entries_release(&to);
	if (r < 0)
		return r;
	whole = median(judged, ROUNDS);
	snprintf(what, sizeof(what), "two fingerprints of %u entries, %zu of which differ: compared and judged", ENTRIES, changes);
	snprintf(measured, sizeof(measured), "%.2f ms (%.2f and %.2f); as JSON %.2f ms", whole, median(ms[COMPARE], ROUNDS), median(ms[JUDGE], ROUNDS),
		 median(ms[JSON], ROUNDS));
	snprintf(bound, sizeof(bound), "%.0f ms", BOUND_MS);
	bench_row("Comparing", what, measured, changes <= PROMISED ? bound : "", changes <= PROMISED ? whole <= BOUND_MS : -1);
	return 0;
}

int main(void)
{
	static const unsigned nths[] = { 0, 50, 2 };
	struct context contexts[2] = { CONTEXT_INIT, CONTEXT_INIT };
	struct abi_entries from = ABI_ENTRIES_INIT;
	int r = fill(&from, 0);

	if (r >= 0)
		r = make_contexts(&contexts[0], &contexts[1]);
	for (size_t i = 0; r >= 0 && i < sizeof(nths) / sizeof(*nths); i++)
		r = measure(&from, contexts, nths[i]);
	context_release(&contexts[0]);
	context_release(&contexts[1]);
	entries_release(&from);
	if (r < 0)
		fprintf(stderr, "verdict_cost: %s\n", strerror(-r));
	return r < 0;
}

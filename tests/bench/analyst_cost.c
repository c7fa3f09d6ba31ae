/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one judgement of a guest costs the analyst, without the store: facts to entries, entries to text and digests, that text
 * read back as a baseline, the comparison of both and its JSON. Argument: a trace of one guest. Processor time of this process, medians.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/bench/measure.h"
#include "userspace/abi/entries.h"
#include "userspace/abi/facts.h"
#include "userspace/base/buffer.h"
#include "userspace/base/error.h"
#include "userspace/drift/drift.h"
#include "userspace/drift/view.h"
#include "userspace/fingerprint/fingerprint.h"
#include "userspace/stream/trace.h"

#define ROUNDS 31
#define BOUND_MS 50.0
#define TABLE "One guest with all its facets"
#define SKIPPED 77

enum stage { DERIVE, WRITE, PARSE, COMPARE, STAGES };

/* The facts of the VM that has most, as they are at the end of the trace. */
static int facts_read(const char *path, struct guest_facts *facts, struct error *e)
{
	struct trace_reader *reader = NULL;
	struct record_header h;
	const void *body;
	size_t bytes;
	uint64_t vm = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC), r;

	if (fd < 0)
		return error_set(e, errno, "%s: %s", path, strerror(errno));
	r = trace_reader_new(fd, &reader, e);
	while (r >= 0 && (r = trace_reader_next(reader, &h, &body, &bytes, e)) > 0) {
		if (h.type == RECORD_VM && !vm)
			vm = h.vm;
		if (h.vm == vm && vm)
			r = facts_add(facts, &h, body, bytes, NULL);
	}
	trace_reader_free(reader);
	return r;
}

static int round_of(const struct guest_facts *facts, double ms[STAGES], size_t *ret_text)
{
	const struct drift_options options = { .facets = DRIFT_ALL_FACETS, .same_guest = true };
	struct abi_entries now = ABI_ENTRIES_INIT, then = ABI_ENTRIES_INIT;
	struct buffer text = BUFFER_INIT;
	struct drift drift = DRIFT_INIT;
	struct digest digest;
	struct error e = ERROR_INIT;
	json_t *json = NULL;
	double at[STAGES + 1];
	int r;

	at[DERIVE] = processor_ms();
	r = abi_derive(facts, &now);
	at[WRITE] = processor_ms();
	if (r >= 0)
		r = fingerprint_write(&now, &text);
	if (r >= 0)
		fingerprint_digest(&now, &digest);
	at[PARSE] = processor_ms();
	if (r >= 0)
		r = buffer_failed(&text) ? -ENOMEM : fingerprint_parse(text.data, text.size, &then, &e);
	at[COMPARE] = processor_ms();
	if (r >= 0)
		r = drift_compare(&then, NULL, &now, NULL, &options, &drift);
	if (r >= 0 && (json = drift_json(&drift, SEVERITY_NONE)) == NULL)
		r = -ENOMEM;
	at[STAGES] = processor_ms();
	for (unsigned s = 0; s < STAGES; s++)
		ms[s] = at[s + 1] - at[s];
	*ret_text = text.size;
	json_decref(json);
	drift_release(&drift);
	entries_release(&now);
	entries_release(&then);
	buffer_release(&text);
	return r;
}

static double derive_ms(const struct guest_facts *facts, enum facet_id id)
{
	double ms[ROUNDS];

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct abi_entries entries = ABI_ENTRIES_INIT;
		double began = processor_ms();

		facet_get(id)->derive(facts, &entries);
		ms[i] = processor_ms() - began;
		entries_release(&entries);
	}
	return median(ms, ROUNDS);
}

int main(int argc, char **argv)
{
	static const char *const names[STAGES] = { "entries", "text and digests", "baseline read", "compared" };
	double ms[STAGES][ROUNDS], total[ROUNDS], whole;
	struct buffer told = BUFFER_INIT;
	char kib[32];
	struct guest_facts *facts = facts_new();
	struct error e = ERROR_INIT;
	size_t text = 0;
	int r;

	if (argc < 2) {
		printf("skipped: it takes a trace (tests/bench/reach.py records one)\n");
		return SKIPPED;
	}
	r = facts ? facts_read(argv[1], facts, &e) : -ENOMEM;
	for (unsigned i = 0; i < ROUNDS && r >= 0; i++) {
		double one[STAGES];

		r = round_of(facts, one, &text);
		total[i] = 0;
		for (unsigned s = 0; s < STAGES; s++) {
			ms[s][i] = one[s];
			total[i] += one[s];
		}
	}
	if (r < 0) {
		fprintf(stderr, "analyst_cost: %s\n", *e.text ? e.text : strerror(-r));
		return 1;
	}
	whole = median(total, ROUNDS);
	buffer_printf(&told, "%.2f ms:", whole);
	for (unsigned s = 0; s < STAGES; s++)
		buffer_printf(&told, " %s %.2f%s", names[s], median(ms[s], ROUNDS), s + 1 < STAGES ? "," : "");
	bench_row(TABLE, "one judgement of all facets", buffer_failed(&told) ? "" : told.data, "50 ms", whole <= BOUND_MS);
	buffer_release(&told);
	printf("entries by facet:");
	for (int f = 0; f < FACETS; f++)
		printf(" %s %.2f%s", facet_get((enum facet_id)f)->name, derive_ms(facts, (enum facet_id)f), f + 1 < FACETS ? "," : " ms\n");
	snprintf(kib, sizeof(kib), "%.0f KiB", (double)text / 1024);
	bench_row(TABLE, "its fingerprint's text", kib, "256 KiB", text <= 256u << 10);
	facts_free(facts);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a trace costs an analyst, against what it costs to read it: SHA-256 of its bytes, its records decoded, its records fed to an
 * analyst with a new store. Arguments: TRACE STORE ROUNDS. One line of JSON: medians of the rounds, which take turns; processor time of this
 * process. In the last round also what the analyst's memory is when the stream ends, before it is freed.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/measure.h"
#include "userspace/analyst.h"
#include "userspace/base/error.h"
#include "userspace/store/store.h"
#include "userspace/stream/trace.h"

#define ROUNDS_MAX 31
#define SETTLE_NS 1000000000ull
#define SETTLE_MAX_NS 60000000000ull
#define READ_BYTES 262144

enum stage { DIGEST, DECODE, ANALYSE, STAGES };

struct run {
	const char *trace, *store;
	size_t records, bytes;
	double analyst_wall_ms;
	size_t heap_bytes, resident_bytes; /* that came with the analyst */
};

static double wall_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static size_t resident(void)
{
	unsigned long size, pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f && fscanf(f, "%lu %lu", &size, &pages) != 2)
		pages = 0;
	if (f)
		fclose(f);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static int digest(struct run *run, struct error *e)
{
	static unsigned char chunk[READ_BYTES], is[EVP_MAX_MD_SIZE];
	int fd = open(run->trace, O_RDONLY | O_CLOEXEC);
	EVP_MD_CTX *sha = EVP_MD_CTX_new();
	ssize_t got;

	if (fd < 0 || !sha) {
		EVP_MD_CTX_free(sha);
		return error_set(e, errno, "%s: %s", run->trace, strerror(errno));
	}
	run->bytes = 0;
	EVP_DigestInit_ex(sha, EVP_sha256(), NULL);
	while ((got = read(fd, chunk, sizeof chunk)) > 0) {
		EVP_DigestUpdate(sha, chunk, (size_t)got);
		run->bytes += (size_t)got;
	}
	EVP_DigestFinal_ex(sha, is, NULL);
	EVP_MD_CTX_free(sha);
	close(fd);
	return got < 0 ? error_set(e, EIO, "%s cannot be read", run->trace) : 0;
}

/* a NULL: the records are only decoded. */
static int walk(struct run *run, struct analyst *a, struct error *e)
{
	int fd = open(run->trace, O_RDONLY | O_CLOEXEC), err;
	struct trace_reader *reader = NULL;
	struct record_header header;
	const void *body;
	size_t bytes;

	if (fd < 0)
		return error_set(e, errno, "%s: %s", run->trace, strerror(errno));
	err = trace_reader_new(fd, &reader, e);
	if (err < 0) {
		close(fd);
		return err;
	}
	run->records = 0;
	while ((err = trace_reader_next(reader, &header, &body, &bytes, e)) > 0) {
		run->records++;
		err = a ? analyst_feed(a, &header, body, bytes, e) : 0;
		if (err < 0)
			break;
	}
	trace_reader_free(reader);
	return err;
}

static void store_remove(const char *path)
{
	static const char *const suffixes[] = { "", "-wal", "-shm" };
	char name[4096];

	for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
		snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
		unlink(name);
	}
}

static int analyse(struct run *run, struct error *e)
{
	struct analyst_options options = { .settle_ns = SETTLE_NS, .settle_max_ns = SETTLE_MAX_NS, .baseline_auto = true, .replay = true };
	size_t heap = mallinfo2().uordblks + mallinfo2().hblkhd, pages = resident();
	struct analyst *a = NULL;
	struct store *store = NULL;
	double began = wall_ms();
	char url[4096];
	int err;

	store_remove(run->store);
	snprintf(url, sizeof url, "sqlite:%s", run->store);
	err = store_open(url, STORE_CREATE, &store, e);
	if (err >= 0)
		err = analyst_new(store, &options, &a, e);
	if (err >= 0)
		err = walk(run, a, e);
	if (err >= 0)
		err = analyst_end(a, false, e);
	run->analyst_wall_ms = wall_ms() - began;
	run->heap_bytes = mallinfo2().uordblks + mallinfo2().hblkhd - heap;
	run->resident_bytes = resident() - pages;
	analyst_free(a);
	store_close(store);
	return err;
}

static int rounds(struct run *run, size_t count, double ms[STAGES][ROUNDS_MAX], struct error *e)
{
	int err = 0;

	for (size_t i = 0; i < count && err >= 0; i++) {
		double at[STAGES + 1];

		at[DIGEST] = processor_ms();
		err = digest(run, e);
		at[DECODE] = processor_ms();
		if (err >= 0)
			err = walk(run, NULL, e);
		at[ANALYSE] = processor_ms();
		if (err >= 0)
			err = analyse(run, e);
		at[STAGES] = processor_ms();
		for (int s = 0; s < STAGES; s++)
			ms[s][i] = at[s + 1] - at[s];
	}
	return err;
}

int main(int argc, char **argv)
{
	static double ms[STAGES][ROUNDS_MAX];
	struct run run = { 0 };
	struct error e = ERROR_INIT;
	size_t count = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;
	int err;

	if (!count || count > ROUNDS_MAX) {
		fprintf(stderr, "usage: replay_pass TRACE STORE ROUNDS (at most %d)\n", ROUNDS_MAX);
		return 2;
	}
	run.trace = argv[1];
	run.store = argv[2];
	err = rounds(&run, count, ms, &e);
	if (err < 0) {
		fprintf(stderr, "replay_pass: %s\n", *e.text ? e.text : strerror(-err));
		return 1;
	}
	printf("{\"records\": %zu, \"bytes\": %zu, \"digest_ms\": %.3f, \"decode_ms\": %.3f, \"analyst_ms\": %.3f, \"wall_ms\": %.3f, "
	       "\"heap\": %zu, \"resident\": %zu}\n", run.records, run.bytes, median(ms[DIGEST], count), median(ms[DECODE], count),
	       median(ms[ANALYSE], count), run.analyst_wall_ms, run.heap_bytes, run.resident_bytes);
	return 0;
}

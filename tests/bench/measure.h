/* SPDX-License-Identifier: Apache-2.0 */
/* What the benchmarks measure with. */
#ifndef ABIDRIFT_TESTS_BENCH_MEASURE_H
#define ABIDRIFT_TESTS_BENCH_MEASURE_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Of this process. */
static inline double processor_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static inline int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts them. count: at least 1. */
static inline double median(double *values, size_t count)
{
	qsort(values, count, sizeof *values, by_value);
	return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

/* One figure for tests/report.py: the same line, for who runs the bench by itself, and a row in the file that ABIDRIFT_ROWS names.
 * Texts without quotes and backslashes. held: 1 kept, 0 not, below 0 without a bound. */
static inline void bench_row(const char *table, const char *what, const char *measured, const char *bound, int held)
{
	const char *path = getenv("ABIDRIFT_ROWS");
	FILE *f = path ? fopen(path, "a") : NULL;

	printf("%s: %s: %s%s%s%s\n", table, what, measured, *bound ? "; bound " : "", bound, held < 0 ? "" : held ? " (kept)" : " (NOT KEPT)");
	fflush(stdout);
	if (!f)
		return;
	fprintf(f, "{\"table\": \"%s\", \"what\": \"%s\", \"measured\": \"%s\", \"bound\": \"%s\", \"held\": %s}\n", table, what, measured,
		bound, held < 0 ? "null" : held ? "true" : "false");
	fclose(f);
}

#endif

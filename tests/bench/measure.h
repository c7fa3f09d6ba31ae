/* SPDX-License-Identifier: Apache-2.0 */
/* What the benchmarks measure with. */
#ifndef ABIDRIFT_TESTS_BENCH_MEASURE_H
#define ABIDRIFT_TESTS_BENCH_MEASURE_H

#include <stddef.h>
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

#endif

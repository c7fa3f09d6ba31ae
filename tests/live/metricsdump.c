/* SPDX-License-Identifier: Apache-2.0 */
/* metricsdump STORE prometheus|openmetrics: the metrics of a store, without HTTP; their milliseconds on standard error. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "userspace/base/buffer.h"
#include "userspace/base/error.h"
#include "userspace/serve/metrics.h"
#include "userspace/store/store.h"

static double ms(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

int main(int argc, char **argv)
{
	struct buffer out = BUFFER_INIT;
	struct error e = ERROR_INIT;
	struct store *s = NULL;
	double began;

	if (argc != 3) {
		fprintf(stderr, "metricsdump STORE prometheus|openmetrics\n");
		return 2;
	}
	if (store_open(argv[1], STORE_READ, &s, &e) < 0) {
		fprintf(stderr, "%s\n", e.text);
		return 2;
	}
	began = ms(CLOCK_PROCESS_CPUTIME_ID);
	if (metrics_write(s, strcmp(argv[2], "openmetrics") ? METRICS_PROMETHEUS : METRICS_OPENMETRICS, (int64_t)(ms(CLOCK_REALTIME) * 1e6), &out, &e) < 0) {
		fprintf(stderr, "%s\n", e.text);
		return 2;
	}
	fprintf(stderr, "%.3f\n", ms(CLOCK_PROCESS_CPUTIME_ID) - began);
	fwrite(out.data, 1, out.size, stdout);
	buffer_release(&out);
	store_close(s);
	return 0;
}

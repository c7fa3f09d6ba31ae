// SPDX-License-Identifier: Apache-2.0
/* What a user would lose: a Prometheus that is given a format that it did not ask for, or a browser that saves a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/serve/metrics.h"

#define OPEN "application/openmetrics-text"

static void a_client_gets_what_it_prefers(void **state)
{
	static const struct {
		const char *accept;
		enum metrics_format format;
	} rows[] = {
		{ NULL, METRICS_PROMETHEUS },
		{ "", METRICS_PROMETHEUS },
		{ "*/*", METRICS_PROMETHEUS },
		{ "application/*", METRICS_PROMETHEUS },
		/* Browsers */
		{ "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", METRICS_PROMETHEUS },
		/* Prometheus 2.42 (scrape.go), then 2.5x and 3.x */
		{ OPEN ";version=1.0.0," OPEN ";version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", METRICS_OPENMETRICS },
		{ "text/plain;version=0.0.4;q=1,*/*;q=0.1", METRICS_PROMETHEUS },
		{ "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6," OPEN
		  ";version=1.0.0;escaping=allow-utf-8;q=0.5," OPEN ";version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;"
		  "version=0.0.4;q=0.2,*/*;q=0.1", METRICS_OPENMETRICS },
		/* What is asked for less */
		{ OPEN ";q=0.3,text/plain;q=0.7", METRICS_PROMETHEUS },
		{ "text/plain;q=0.3," OPEN ";q=0.7", METRICS_OPENMETRICS },
		{ OPEN, METRICS_OPENMETRICS },
		{ OPEN ";q=0", METRICS_PROMETHEUS },
		{ OPEN ";q=0.000, */*", METRICS_PROMETHEUS },
		{ OPEN ";q=0.001", METRICS_OPENMETRICS },
		{ OPEN " ; version = \"1.0.0\" ; q=1 , text/plain", METRICS_OPENMETRICS },
		{ "APPLICATION/OpenMetrics-Text;VERSION=1.0.0", METRICS_OPENMETRICS },
		/* Of another version */
		{ OPEN ";version=0.0.1", METRICS_PROMETHEUS },
		{ OPEN ";version=2.0.0,text/plain;q=0.1", METRICS_PROMETHEUS },
		/* The more precise range counts, not the better one */
		{ OPEN ";q=0.2,text/*;q=0.1,text/plain;q=0.9", METRICS_PROMETHEUS },
		{ OPEN ";q=0.5,text/*;q=0.9,text/plain;q=0.1", METRICS_OPENMETRICS },
		/* A comma within quotes ends nothing */
		{ "text/plain;x=\"," OPEN "\"", METRICS_PROMETHEUS },
		{ "text/plain;x=\"\\\"," OPEN "\"", METRICS_PROMETHEUS },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (metrics_format(rows[i].accept) != rows[i].format)
			fail_msg("%s", rows[i].accept);
}

static void nonsense_gives_the_plain_format(void **state)
{
	static const char *const rows[] = { ",", ";", "=", ";;;=,=;q", "\"", "\\", OPEN "x", OPEN ";q=x", OPEN ";q=-1", OPEN ";q=", "q=1", " , ,,", "/", "*" };

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (metrics_format(rows[i]) != METRICS_PROMETHEUS)
			fail_msg("%s", rows[i]);
	/* Every beginning of a header, at the very end of its memory. */
	static const char whole[] = OPEN ";version=\"1.0.0\";q=0.75 , text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
	for (size_t size = 0; size < sizeof whole; size++) {
		char *cut = strndup(whole, size);
		metrics_format(cut);
		free(cut);
	}
}

static void a_header_without_end_takes_no_time(void **state)
{
	size_t size = 1 << 20;
	char *text = malloc(size + 1);

	(void)state;
	assert_non_null(text);
	memset(text, ',', size);
	text[size] = 0;
	assert_int_equal(metrics_format(text), METRICS_PROMETHEUS);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_gets_what_it_prefers),
		cmocka_unit_test(nonsense_gives_the_plain_format),
		cmocka_unit_test(a_header_without_end_takes_no_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

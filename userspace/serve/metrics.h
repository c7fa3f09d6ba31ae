/* SPDX-License-Identifier: Apache-2.0 */
/* What the store knows, for Prometheus: the names of docs/interface.md. */
#ifndef ABIDRIFT_SERVE_METRICS_H
#define ABIDRIFT_SERVE_METRICS_H

#include <stdint.h>

struct buffer;
struct error;
struct store;

enum metrics_format {
	METRICS_PROMETHEUS,  /* text format 0.0.4 */
	METRICS_OPENMETRICS, /* 1.0.0 */
};

/* Of an Accept header; NULL: none. */
enum metrics_format metrics_format(const char *accept);
const char *metrics_content_type(enum metrics_format format);
/* now: CLOCK_REALTIME ns. */
int metrics_write(struct store *s, enum metrics_format format, int64_t now, struct buffer *out, struct error *e);

#endif

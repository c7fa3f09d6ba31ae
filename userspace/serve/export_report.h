/* SPDX-License-Identifier: Apache-2.0 */
/* The review page of one guest as one file that needs no server: the page, what it would ask for, and texts for who has no script. */
#ifndef ABIDRIFT_SERVE_EXPORT_REPORT_H
#define ABIDRIFT_SERVE_EXPORT_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "userspace/base/buffer.h"

/* Of all answers together. */
#define EXPORT_ANSWERS_MAX (12u << 20)

struct export_report {
	struct buffer answers; /* members of an object, escaped for a script element */
	struct buffer texts;   /* HTML */
	size_t left_out;       /* answers for which there was no room */
};

#define EXPORT_REPORT_INIT { BUFFER_INIT, BUFFER_INIT, 0 }

void export_report_release(struct export_report *r);
/* path: as the page makes it (dashboards/review/src/api.ts); json: a whole JSON text. */
void export_report_answer(struct export_report *r, const char *path, const char *json, size_t size);
/* A text as the page asks for it with format=text. */
void export_report_answer_text(struct export_report *r, const char *path, const char *text, size_t size);
/* A part for who has no script. */
void export_report_text(struct export_report *r, const char *title, const char *text, size_t size);
/* Appends the document. at: what it tells is as of then. */
void export_report_put(const struct export_report *r, const char *id, const char *name, const char *at, struct buffer *out);
/* How large the document will be. */
size_t export_report_size(const struct export_report *r);
/* As encodeURIComponent. */
void export_uri_put(struct buffer *out, const char *text);

#endif

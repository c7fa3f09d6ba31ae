/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the observation stream goes: a trace file, and at most one analyst. Each has its own sequence. Nothing here waits:
 * what the analyst does not take is queued, and the caller stops making records while output_room() is 0.
 */
#ifndef ABIDRIFT_COLLECT_OUTPUT_H
#define ABIDRIFT_COLLECT_OUTPUT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "userspace/stream/record.h"

struct error;
struct output;

enum output_sink { OUTPUT_TRACE = 1, OUTPUT_ANALYST = 2, OUTPUT_ALL = 3 };

/* Takes over trace_fd (-1: none) on success; listen_fd (-1: none) stays the caller's. peer: who may be the analyst beside root and our own user; 0 = nobody. */
int output_new(int trace_fd, int listen_fd, uid_t peer, struct output **ret, struct error *e);
void output_free(struct output *o); /* an unfinished trace stays INCOMPLETE */

/* Sinks that take records now. */
unsigned output_sinks(const struct output *o);
/* Takes a connection from listen_fd. 1 = there is a new analyst; 0 = nobody, one that may not, or one too many: those are closed. */
int output_accept(struct output *o);
int output_analyst_fd(const struct output *o); /* -1: none */
void output_drop(struct output *o); /* the analyst has gone */

/* One record to each of `sinks` that there is. at_ns is moved on where it would run backwards in a stream. */
void output_put(struct output *o, unsigned sinks, const struct record_header *header, const void *body, size_t bytes,
		const void *more, size_t more_bytes);

/* Bytes that may still be queued before everyone should wait; (size_t)-1 without an analyst. */
size_t output_room(const struct output *o);
size_t output_pending(const struct output *o); /* wants to be told when the analyst's descriptor can be written */
/* Hands on what is queued. -errno: the trace cannot be written. An analyst that is gone is dropped, and is no error. */
int output_flush(struct output *o, struct error *e);
/* What was told is in the trace file: a crash costs no more than what comes from now on. */
void output_save(struct output *o);
uint64_t output_trace_records(const struct output *o);
/* Completes the trace file, if there is one. */
int output_finish(struct output *o, struct error *e);

#endif

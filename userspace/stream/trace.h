/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trace files: a header of TRACE_HEADER_BYTES, then records (record.h).
 *
 *   0  16  "abidrift-trace\0\0"
 *  16   4  format version, 1
 *  20   4  state: 0 = INCOMPLETE, 1 = complete
 *  24   8  bytes of records          (0 while incomplete)
 *  32   8  number of records         (0 while incomplete)
 *  40  24  zero
 *
 * The header says INCOMPLETE until trace_writer_finish wrote and synced everything.
 */
#ifndef ABIDRIFT_STREAM_TRACE_H
#define ABIDRIFT_STREAM_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/stream/record.h"

#define TRACE_FORMAT 1
#define TRACE_HEADER_BYTES 64

struct error;
struct trace_writer;
struct trace_reader;

/* Takes over fd (an empty regular file, opened for writing) on success. -errno. */
int trace_writer_new(int fd, struct trace_writer **ret_writer, struct error *e);
/* Records, whole ones. Buffered. -errno (ENOSPC …): the file stays INCOMPLETE. */
int trace_writer_append(struct trace_writer *w, const void *records, size_t bytes, size_t count);
/* What was appended is in the file: who looks at it, or finds it after a crash, misses nothing. -errno. */
int trace_writer_flush(struct trace_writer *w);
/* Flushes, syncs, marks the file complete. -errno. */
int trace_writer_finish(struct trace_writer *w, struct error *e);
/* Closes; NULL is fine. Unfinished stays INCOMPLETE. */
void trace_writer_free(struct trace_writer *w);

/* Takes over fd (file or pipe) on success. -EBADMSG with e: not a trace, or a newer format. */
int trace_reader_new(int fd, struct trace_reader **ret_reader, struct error *e);
void trace_reader_free(struct trace_reader *r);
/*
 * 1 = a record (header copy, body borrowed until the next call, aligned to 8), 0 = end,
 * -EBADMSG / -errno with e. A file that ends within a record, or is marked incomplete, ends with 0 after its last whole
 * record, and trace_reader_incomplete() is true; a file marked complete whose sizes do not agree is corrupt: -EBADMSG.
 */
int trace_reader_next(struct trace_reader *r, struct record_header *ret_header, const void **ret_body, size_t *ret_bytes, struct error *e);
bool trace_reader_incomplete(const struct trace_reader *r);

#endif

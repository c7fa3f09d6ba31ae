// SPDX-License-Identifier: Apache-2.0
#include "userspace/stream/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "userspace/base/error.h"

#define MAGIC "abidrift-trace\0"
#define STATE_INCOMPLETE 0
#define STATE_COMPLETE 1
#define BUFFER_BYTES (256u << 10)

struct trace_header {
	char magic[16];
	uint32_t format;
	uint32_t state;
	uint64_t bytes;
	uint64_t records;
	uint8_t zero[24];
};

_Static_assert(sizeof(struct trace_header) == TRACE_HEADER_BYTES, "trace_header");
_Static_assert(sizeof(MAGIC) == sizeof(((struct trace_header *)NULL)->magic), "the closing NUL counts");

/* ---- writing */

struct trace_writer {
	int fd;
	int failed;       /* -errno: of the first write that failed, all that follow fail alike */
	bool finished;
	uint64_t bytes;   /* of records, those in the buffer included */
	uint64_t records;
	uint64_t written; /* of records, in the file */
	size_t used;
	char buffer[BUFFER_BYTES];
};

static int write_at(int fd, const void *data, size_t bytes, uint64_t offset)
{
	const char *p = data;

	while (bytes > 0) {
		ssize_t n = pwrite(fd, p, bytes, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		p += n;
		bytes -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

static int write_header(int fd, uint32_t state, uint64_t bytes, uint64_t records)
{
	struct trace_header header = { .magic = MAGIC, .format = TRACE_FORMAT, .state = state, .bytes = bytes, .records = records };

	return write_at(fd, &header, sizeof(header), 0);
}

static int sync_file(int fd)
{
	while (fsync(fd) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

/* Only in a file that can be rewritten can INCOMPLETE become complete. */
static int check_writable(int fd, struct error *e)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fstat(fd, &st) < 0)
		return error_set(e, errno, "cannot write the trace: %m");
	if (!S_ISREG(st.st_mode))
		return error_set(e, EINVAL, "cannot write the trace: not a regular file; give the path of a new file");
	if (flags & O_APPEND)
		return error_set(e, EINVAL, "cannot write the trace: the file is open for appending only; open it for writing");
	if (st.st_size != 0)
		return error_set(e, EEXIST, "cannot write the trace: the file is not empty; give the path of a new file");
	return 0;
}

int trace_writer_new(int fd, struct trace_writer **ret_writer, struct error *e)
{
	int r = check_writable(fd, e);
	if (r < 0)
		return r;
	struct trace_writer *w = malloc(sizeof(*w));
	if (w == NULL)
		return error_set(e, ENOMEM, "cannot write the trace: out of memory");
	/* Not the buffer: 256 KiB of zeros that nobody reads. */
	memset(w, 0, offsetof(struct trace_writer, buffer));
	w->fd = fd;
	r = write_header(fd, STATE_INCOMPLETE, 0, 0);
	if (r < 0) {
		free(w);
		return error_set(e, -r, "cannot write the header of the trace: %s", strerror(-r));
	}
	*ret_writer = w;
	return 0;
}

static int put(struct trace_writer *w, const void *data, size_t bytes)
{
	int r = write_at(w->fd, data, bytes, TRACE_HEADER_BYTES + w->written);

	if (r < 0)
		w->failed = r;
	else
		w->written += bytes;
	return r;
}

int trace_writer_flush(struct trace_writer *w)
{
	size_t used = w->used;

	if (w->failed < 0)
		return w->failed;
	w->used = 0;
	return put(w, w->buffer, used);
}

int trace_writer_append(struct trace_writer *w, const void *records, size_t bytes, size_t count)
{
	if (w->failed < 0)
		return w->failed;
	if (w->finished)
		return -EINVAL;
	if (bytes > sizeof(w->buffer) - w->used) {
		int r = trace_writer_flush(w);
		if (r < 0)
			return r;
	}
	if (bytes > sizeof(w->buffer)) {
		int r = put(w, records, bytes);
		if (r < 0)
			return r;
	} else if (bytes > 0) {
		memcpy(w->buffer + w->used, records, bytes);
		w->used += bytes;
	}
	w->bytes += bytes;
	w->records += count;
	return 0;
}

/* The records have to be on the disk before the header says so, or a power cut could leave a complete file without them. */
static int finish(struct trace_writer *w)
{
	int r = trace_writer_flush(w);
	if (r < 0)
		return r;
	r = sync_file(w->fd);
	if (r < 0)
		return r;
	r = write_header(w->fd, STATE_COMPLETE, w->bytes, w->records);
	if (r >= 0)
		r = sync_file(w->fd);
	if (r < 0)
		(void)write_header(w->fd, STATE_INCOMPLETE, 0, 0);
	return r;
}

int trace_writer_finish(struct trace_writer *w, struct error *e)
{
	if (w->finished)
		return 0;
	if (w->failed >= 0)
		w->failed = finish(w);
	if (w->failed < 0)
		return error_set(e, -w->failed, "cannot write the trace: %s; the file stays INCOMPLETE", strerror(-w->failed));
	w->finished = true;
	return 0;
}

void trace_writer_free(struct trace_writer *w)
{
	if (w == NULL)
		return;
	if (w->failed >= 0 && !w->finished)
		(void)trace_writer_flush(w);
	close(w->fd);
	free(w);
}

/* ---- reading */

struct trace_reader {
	int fd;
	bool complete;       /* so the header says */
	bool incomplete;
	bool ended;
	uint64_t bytes_left; /* only if complete */
	uint64_t records_left;
	struct error corrupt;
	int failed;          /* -errno: why it stopped; told again at every call */
	char *record;        /* malloc()ed, so that the body behind its header of 40 bytes is aligned to 8 */
	size_t record_room;
	size_t begin, end;   /* of what is in the buffer and not yet taken */
	char buffer[BUFFER_BYTES];
};

/* Bytes read into `data`, fewer than asked at the end of the input only; -errno. */
static ssize_t read_some(int fd, void *data, size_t room)
{
	for (;;) {
		ssize_t n = read(fd, data, room);
		if (n >= 0)
			return n;
		if (errno == EAGAIN) {
			/* A pipe that somebody made non-blocking. */
			struct pollfd wait = { .fd = fd, .events = POLLIN };
			if (poll(&wait, 1, -1) < 0 && errno != EINTR)
				return -errno;
		} else if (errno != EINTR) {
			return -errno;
		}
	}
}

/* Takes `bytes` bytes, fewer at the end of the input. Number of bytes, or -errno. */
static ssize_t take(struct trace_reader *r, void *data, size_t bytes)
{
	size_t got = 0;

	while (got < bytes) {
		if (r->begin == r->end) {
			ssize_t n = read_some(r->fd, r->buffer, sizeof(r->buffer));
			if (n < 0)
				return n;
			if (n == 0)
				break;
			r->begin = 0;
			r->end = (size_t)n;
		}
		size_t part = r->end - r->begin;
		if (part > bytes - got)
			part = bytes - got;
		memcpy((char *)data + got, r->buffer + r->begin, part);
		r->begin += part;
		got += part;
	}
	return (ssize_t)got;
}

static int read_header(struct trace_reader *r, struct error *e)
{
	struct trace_header header = { 0 };
	ssize_t n = take(r, &header, sizeof(header));

	if (n < 0)
		return error_set(e, (int)-n, "cannot read the trace: %s", strerror((int)-n));
	if ((size_t)n < sizeof(header.magic) || memcmp(header.magic, MAGIC, sizeof(header.magic)) != 0)
		return error_set(e, EBADMSG, "not an abidrift trace; give a file that `abidrift record` wrote");
	if ((size_t)n < sizeof(header))
		return error_set(e, EBADMSG, "corrupt trace: it ends within its header");
	if (header.format > TRACE_FORMAT)
		return error_set(e, EBADMSG, "the trace has format %u, this abidrift reads up to %u; use the abidrift that wrote it or a newer one",
				 header.format, TRACE_FORMAT);
	if (header.format == 0 || header.state > STATE_COMPLETE)
		return error_set(e, EBADMSG, "corrupt trace: its header has format %u and state %u", header.format, header.state);
	r->complete = header.state == STATE_COMPLETE;
	r->incomplete = !r->complete;
	r->bytes_left = header.bytes;
	r->records_left = header.records;
	return 0;
}

int trace_reader_new(int fd, struct trace_reader **ret_reader, struct error *e)
{
	struct trace_reader *r = malloc(sizeof(*r));
	if (r == NULL)
		return error_set(e, ENOMEM, "cannot read the trace: out of memory");
	memset(r, 0, offsetof(struct trace_reader, buffer));
	r->fd = fd;
	int rc = read_header(r, e);
	if (rc < 0) {
		free(r);
		return rc;
	}
	*ret_reader = r;
	return 0;
}

void trace_reader_free(struct trace_reader *r)
{
	if (r == NULL)
		return;
	close(r->fd);
	free(r->record);
	free(r);
}

static int corrupt(struct trace_reader *r, const char *what)
{
	return error_set(&r->corrupt, EBADMSG, "corrupt trace: %s", what);
}

static int cannot_read(struct trace_reader *r, int code)
{
	return error_set(&r->corrupt, code, "cannot read the trace: %s", strerror(code));
}

/* The input ended, `partial` bytes into a record. */
static int at_end(struct trace_reader *r, size_t partial)
{
	if (!r->complete)
		return 0;
	if (partial > 0 && r->bytes_left == 0)
		return corrupt(r, "bytes follow its last record");
	if (partial > 0 || r->bytes_left > 0)
		return corrupt(r, "it is marked complete, but was cut off");
	if (r->records_left > 0)
		return corrupt(r, "it holds fewer records than its header says");
	return 0;
}

static int make_room(struct trace_reader *r, size_t bytes)
{
	if (bytes <= r->record_room)
		return 0;
	char *record = realloc(r->record, bytes);
	if (record == NULL)
		return cannot_read(r, ENOMEM);
	r->record = record;
	r->record_room = bytes;
	return 0;
}

/* Reads up to `bytes` of the record that is there up to `from`. 1 = there, 0 = the input ended, -errno. */
static int read_record_part(struct trace_reader *r, size_t from, size_t bytes)
{
	int rc = make_room(r, bytes);
	if (rc < 0)
		return rc;
	ssize_t n = take(r, r->record + from, bytes - from);
	if (n < 0)
		return cannot_read(r, (int)-n);
	if ((size_t)n == bytes - from)
		return 1;
	r->ended = true;
	return at_end(r, from + (size_t)n);
}

static int next_record(struct trace_reader *r, struct record_header *ret_header, const void **ret_body, size_t *ret_bytes)
{
	struct error e = ERROR_INIT;
	const void *body;
	size_t body_bytes, size;

	int rc = read_record_part(r, 0, sizeof(struct record_header));
	if (rc <= 0)
		return rc;
	if (r->complete && r->records_left == 0)
		return corrupt(r, r->bytes_left == 0 ? "bytes follow its last record" : "it holds more records than its header says");
	struct record_header header;
	memcpy(&header, r->record, sizeof(header));
	/* A length that is none is for record_parse to tell, and is no reason to read or to allocate. */
	size_t there = sizeof(header);
	if (header.bytes >= sizeof(header) && header.bytes <= RECORD_MAX_BYTES) {
		if (r->complete && header.bytes > r->bytes_left)
			return corrupt(r, "a record goes on beyond the end that its header says");
		rc = read_record_part(r, sizeof(header), header.bytes);
		if (rc <= 0)
			return rc;
		there = header.bytes;
	}
	rc = record_parse(r->record, there, &header, &body, &body_bytes, &size, &e);
	if (rc < 0)
		return error_set(&r->corrupt, EBADMSG, "%s", e.text);
	if (r->complete) {
		r->bytes_left -= size;
		r->records_left--;
	}
	*ret_header = header;
	*ret_body = body;
	*ret_bytes = body_bytes;
	return 1;
}

int trace_reader_next(struct trace_reader *r, struct record_header *ret_header, const void **ret_body, size_t *ret_bytes, struct error *e)
{
	if (r->failed < 0)
		return error_set(e, -r->failed, "%s", r->corrupt.text);
	if (r->ended)
		return 0;
	int rc = next_record(r, ret_header, ret_body, ret_bytes);
	if (rc < 0) {
		r->failed = rc;
		return error_set(e, -rc, "%s", r->corrupt.text);
	}
	return rc;
}

bool trace_reader_incomplete(const struct trace_reader *r)
{
	return r->incomplete;
}

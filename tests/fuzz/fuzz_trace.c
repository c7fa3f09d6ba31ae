// SPDX-License-Identifier: Apache-2.0
/* A trace file from somewhere else. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "userspace/base/error.h"
#include "userspace/stream/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

static void read_all(int fd, size_t size)
{
	struct error e = ERROR_INIT;
	struct trace_reader *reader = NULL;
	struct record_header header;
	const void *body;
	size_t bytes, sum = TRACE_HEADER_BYTES;
	int r = trace_reader_new(fd, &reader, &e);

	if (r < 0) {
		require(e.text[0] != '\0');
		close(fd);
		return;
	}
	while ((r = trace_reader_next(reader, &header, &body, &bytes, &e)) > 0) {
		volatile uint8_t last = bytes > 0 ? ((const uint8_t *)body)[bytes - 1] : 0;
		(void)last;
		require((uintptr_t)body % 8 == 0);
		sum += header.bytes;
	}
	require(sum <= size);
	require((r < 0) == (e.text[0] != '\0'));
	/* What is not all there is never passed off as whole. */
	require(r < 0 || trace_reader_incomplete(reader) || sum == size);
	trace_reader_free(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* So that the fuzzer does not have to guess the header: the first byte says whether it gets one, and which. */
	static const char magic[16] = "abidrift-trace\0";
	int fd = memfd_create("trace", MFD_CLOEXEC);

	if (fd < 0 || size == 0)
		return fd < 0 ? 0 : close(fd);
	size_t body = size - 1, total = body;
	if (data[0] & 1) {
		uint8_t header[TRACE_HEADER_BYTES] = { 0 };
		uint32_t format = TRACE_FORMAT, state = data[0] >> 1 & 1;
		uint64_t bytes = body, records = data[0] >> 2;
		memcpy(header, magic, sizeof(magic));
		memcpy(header + 16, &format, sizeof(format));
		memcpy(header + 20, &state, sizeof(state));
		memcpy(header + 24, &bytes, sizeof(bytes));
		memcpy(header + 32, &records, sizeof(records));
		require(write(fd, header, sizeof(header)) == sizeof(header));
		total += sizeof(header);
	}
	require(write(fd, data + 1, body) == (ssize_t)body);
	require(lseek(fd, 0, SEEK_SET) == 0);
	read_all(fd, total);
	return 0;
}

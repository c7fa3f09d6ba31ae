// SPDX-License-Identifier: Apache-2.0
/*
 * What /proc says of a process that chose its own name, cgroup and unit (stat, comm, status, cgroup), and the text of /proc/cpuinfo: a byte says
 * which, the rest is the file. Each value told is one of a record that reads back.
 */
#include "tests/fuzz/fuzz.h"

#include "userspace/collect/files.h"
#include "userspace/collect/host.h"

static const uint8_t *file_data;
static size_t file_size;

static int given(const char *path, size_t max, struct buffer *out)
{
	(void)path;
	buffer_append(out, file_data, file_size < max ? file_size : max);
	return buffer_failed(out) ? -1 : 0;
}

/* The readers themselves, which are nobody else's to call; their files are what the fuzzer gives. */
#define files_read given
#define files_line given
#include "userspace/collect/process.c"
#undef files_read
#undef files_line

static void check(const struct buffer *pairs)
{
	const char *key, *value;
	size_t cursor = 0;
	int r;

	require(!buffer_failed(pairs));
	while ((r = record_pair_next(pairs->data, pairs->size, &cursor, &key, &value)) > 0) {
		require(key[0] && strlen(value) <= RECORD_VALUE_MAX);
		require(strcmp(key, "uid") || value[0]);
		require(strcmp(key, "unit") || !strchr(value, '/'));
	}
	require(r == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buffer pairs = BUFFER_INIT;
	bool matches = false;
	uint64_t start;
	uint8_t which;
	char *text;

	take(&data, &size, &which, 1);
	file_data = data;
	file_size = size;
	switch (which % 4) {
	case 0:
		process_start(1, &start);
		break;
	case 1:
		describe_cgroup(1, "vm.service", &pairs, &matches);
		break;
	case 2:
		describe_status(1, &pairs);
		break;
	default:
		text = strndup((const char *)data, size);
		require(text != NULL);
		host_describe_cpu(text, &pairs);
		free(text);
	}
	check(&pairs);
	buffer_release(&pairs);
	return 0;
}

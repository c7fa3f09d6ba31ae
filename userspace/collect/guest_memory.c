/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/collect/guest_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "userspace/collect/process.h"

#define PAGE 4096ull
#define PAGES_AT_ONCE 64u
#define PAGEMAP_PRESENT (1ull << 63) /* Documentation/admin-guide/mm/pagemap.rst */

static int process_check(int pid, uint64_t start)
{
	uint64_t now;
	int err = process_start(pid, &now);

	return err < 0 ? err : now == start ? 0 : -ESRCH;
}

int guest_memory_open(int pid, uint64_t start, const struct record_slot *slots, size_t count, struct guest_memory *ret)
{
	struct guest_memory m = { .pid = pid, .pagemap_fd = -1, .pid_fd = -1, .slots = slots, .count = count };
	char path[64];
	int err;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	m.pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (m.pid_fd >= 0)
		m.pagemap_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (m.pagemap_fd < 0) {
		err = errno == ENOENT ? -ESRCH : -errno;
		guest_memory_close(&m);
		return err;
	}
	/* Now that both are open: from here on the descriptor of the process tells, which costs a tenth. */
	err = process_check(pid, start);
	if (err < 0) {
		guest_memory_close(&m);
		return err;
	}
	*ret = m;
	return 0;
}

void guest_memory_close(struct guest_memory *m)
{
	if (m->pagemap_fd >= 0)
		close(m->pagemap_fd);
	if (m->pid_fd >= 0)
		close(m->pid_fd);
	m->pagemap_fd = m->pid_fd = -1;
}

int guest_memory_check(const struct guest_memory *m)
{
	struct pollfd ended = { .fd = m->pid_fd, .events = POLLIN };

	return poll(&ended, 1, 0) ? -ESRCH : 0;
}

static const struct record_slot *slot_of(const struct guest_memory *m, uint64_t gpa)
{
	size_t low = 0, high = m->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (m->slots[middle].gpa <= gpa)
			low = middle + 1;
		else
			high = middle;
	}
	return low && gpa - m->slots[low - 1].gpa < m->slots[low - 1].bytes ? &m->slots[low - 1] : NULL;
}

/* The runs of present pages of [hva, hva + bytes), page by page `present`. */
static unsigned runs_of(uint64_t hva, size_t bytes, uint8_t *to, const bool *present, struct iovec *local, struct iovec *remote)
{
	unsigned runs = 0;
	bool before = false;

	for (size_t at = 0, page = 0; at < bytes; page++) {
		size_t step = PAGE - (hva + at) % PAGE;

		if (step > bytes - at)
			step = bytes - at;
		if (present[page] && before) {
			local[runs - 1].iov_len += step;
			remote[runs - 1].iov_len += step;
		} else if (present[page]) {
			local[runs] = (struct iovec){ to + at, step };
			remote[runs++] = (struct iovec){ (void *)(uintptr_t)(hva + at), step };
		}
		before = present[page];
		at += step;
	}
	return runs;
}

/* Within one slot, at most PAGES_AT_ONCE pages. present[n]: the n-th page begun was read. */
static int read_pages(const struct guest_memory *m, uint64_t hva, uint8_t *to, size_t bytes, bool all, bool *present)
{
	uint64_t map[PAGES_AT_ONCE];
	struct iovec local[PAGES_AT_ONCE], remote[PAGES_AT_ONCE];
	size_t pages = (hva % PAGE + bytes + PAGE - 1) / PAGE, want = 0;
	unsigned runs;
	ssize_t n;

	n = pread(m->pagemap_fd, map, pages * sizeof(map[0]), (off_t)(hva / PAGE * sizeof(map[0])));
	if (n != (ssize_t)(pages * sizeof(map[0])))
		return n < 0 && errno != EINVAL ? -errno : -ESRCH; /* a process that has let go of its memory has no pages */
	for (size_t i = 0; i < pages; i++) {
		present[i] = map[i] & PAGEMAP_PRESENT;
		if (!present[i] && all)
			return -ENODATA;
	}
	runs = runs_of(hva, bytes, to, present, local, remote);
	for (unsigned i = 0; i < runs; i++)
		want += local[i].iov_len;
	if (!want)
		return 0;
	n = process_vm_readv(m->pid, local, runs, remote, runs, 0);
	if (n < 0 && errno != EFAULT)
		return -errno;
	/* Unmapped since. */
	return n == (ssize_t)want ? 0 : -ENODATA;
}

int guest_memory_read(void *context, uint64_t gpa, void *to, size_t bytes, uint32_t *ret_present)
{
	const struct guest_memory *m = context;
	uint32_t mask = 0;

	for (size_t done = 0; done < bytes;) {
		const struct record_slot *slot = slot_of(m, gpa + done);
		uint64_t offset = slot ? gpa + done - slot->gpa : 0, hva = slot ? slot->hva + offset : 0;
		size_t step = bytes - done;
		bool present[PAGES_AT_ONCE] = { false };
		int err;

		if (!slot && !ret_present)
			return -EFAULT;
		if (!slot) {
			done += PAGE - (gpa + done) % PAGE; /* a hole: none of its pages */
			continue;
		}
		if (step > slot->bytes - offset)
			step = slot->bytes - offset;
		if (step > PAGES_AT_ONCE * PAGE - hva % PAGE)
			step = PAGES_AT_ONCE * PAGE - hva % PAGE;
		err = read_pages(m, hva, (uint8_t *)to + done, step, !ret_present, present);
		if (err < 0 && !(err == -ENODATA && ret_present))
			return err;
		for (size_t page = 0; err >= 0 && ret_present && page * PAGE < hva % PAGE + step; page++)
			if (present[page])
				mask |= 1u << ((gpa + done) / PAGE - gpa / PAGE + page);
		done += step;
	}
	if (ret_present)
		*ret_present = mask;
	return 0;
}

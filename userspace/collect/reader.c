/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/collect/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "userspace/base/buffer.h"
#include "userspace/base/capability.h"
#include "userspace/collect/guest_memory.h"
#include "userspace/collect/tables.h"

#define CHUNK_BYTES 65536u
#define END_PATIENCE_MS 100
#define DIGESTS 4u /* firmware images that are remembered: guests of one host have few different ones */

struct question {
	uint64_t start;
	int32_t pid;
	uint32_t areas;
	uint32_t slots; /* struct record_slot [slots] follow */
	uint32_t cut;   /* there may be more */
};

struct answer {
	uint32_t area;
	int32_t error;
	uint32_t bytes; /* of the body that follows */
	uint32_t zero;
};

struct reader {
	int (*confine)(void);
	pid_t pid;
	int fd;
	int epoll_fd;
	uint64_t event;
	unsigned areas;     /* not answered yet */
	uint64_t vm;
	uint32_t boot;
	uint64_t asked_ns;  /* or last heard of, or last seen to work */
	uint64_t began_ns;
	uint64_t used_ns;   /* of a processor, when that was */
	struct buffer in;
	pid_t stuck[READER_STUCK_MAX];
	unsigned stuck_count;
};

/* ---- the process that reads */

struct digest {
	uint8_t *data;
	size_t bytes;
	uint8_t sha256[32];
};

struct worker {
	int fd;
	struct guest_memory memory;
	struct digest digests[DIGESTS];
	unsigned next;
};

/* Comparing bytes costs a tenth of digesting them. */
static void worker_digest(void *context, const void *data, size_t bytes, uint8_t ret[32])
{
	struct worker *w = context;
	struct digest *d;

	for (unsigned i = 0; i < DIGESTS; i++) {
		d = &w->digests[i];
		if (d->data && d->bytes == bytes && !memcmp(d->data, data, bytes)) {
			memcpy(ret, d->sha256, 32);
			return;
		}
	}
	EVP_Digest(data, bytes, ret, NULL, EVP_sha256(), NULL);
	d = &w->digests[w->next];
	free(d->data);
	*d = (struct digest){ .data = malloc(bytes ? bytes : 1), .bytes = bytes };
	if (d->data)
		memcpy(d->data, data, bytes);
	memcpy(d->sha256, ret, 32);
	w->next = (w->next + 1) % DIGESTS;
}

static int worker_read(void *context, uint64_t gpa, void *to, size_t bytes, uint32_t *ret_present)
{
	struct worker *w = context;

	return guest_memory_read(&w->memory, gpa, to, bytes, ret_present);
}

static bool receive(int fd, void *to, size_t bytes)
{
	for (size_t done = 0; done < bytes;) {
		ssize_t n = read(fd, (char *)to + done, bytes - done);

		if (n == 0 || (n < 0 && errno != EINTR))
			return false;
		done += n > 0 ? (size_t)n : 0;
	}
	return true;
}

static bool put(int fd, const void *data, size_t bytes)
{
	for (size_t done = 0; done < bytes;) {
		ssize_t n = send(fd, (const char *)data + done, bytes - done, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return false;
		done += n > 0 ? (size_t)n : 0;
	}
	return true;
}

static int worker_area(struct worker *w, const struct question *q, const struct record_slot *slots, enum record_area area, struct buffer *body)
{
	struct tables_memory m = { .read = worker_read, .digest = worker_digest, .context = w, .slots = slots, .count = q->slots, .cut = q->cut };
	int err = tables_read(&m, area, body);

	return err < 0 ? err : guest_memory_check(&w->memory);
}

/* What is sent at once wakes the collector once. */
static bool worker_put(struct worker *w, enum record_area area, int err, struct buffer *answer)
{
	struct answer a = { .area = area, .error = err };

	if (!err && !buffer_failed(answer))
		a.bytes = (uint32_t)(answer->size - sizeof(a));
	if (answer->size < sizeof(a) || buffer_failed(answer)) {
		a.error = err ? err : -ENOMEM;
		return put(w->fd, &a, sizeof(a));
	}
	memcpy(answer->data, &a, sizeof(a));
	return put(w->fd, answer->data, sizeof(a) + a.bytes);
}

static bool worker_answer(struct worker *w, const struct question *q, const struct record_slot *slots)
{
	int open_err = guest_memory_open(q->pid, q->start, slots, q->slots, &w->memory);
	bool sent = true;

	for (uint32_t area = RECORD_AREA_ACPI; area <= RECORD_AREA_LAST && sent; area++) {
		static const struct answer head;
		struct buffer answer = BUFFER_INIT;
		int err = open_err;

		if (!(q->areas >> area & 1))
			continue;
		buffer_append(&answer, &head, sizeof(head));
		if (!err)
			err = worker_area(w, q, slots, (enum record_area)area, &answer);
		sent = worker_put(w, (enum record_area)area, err, &answer);
		buffer_release(&answer);
	}
	if (!open_err)
		guest_memory_close(&w->memory);
	return sent;
}

static _Noreturn void worker_main(int (*confine)(void), int fd, pid_t parent)
{
	enum { FD = 3 };
	struct record_slot *slots = calloc(READER_SLOTS_MAX, sizeof(*slots));
	struct worker w = { .fd = FD };
	struct question q;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "abidrift-memory");
	if (getppid() != parent || !slots || (fd != FD && dup2(fd, FD) < 0))
		_exit(1);
	syscall(SYS_close_range, FD + 1, ~0u, 0);
	/* Another user's memory (SYS_PTRACE), and the file that tells which of it is resident (DAC_READ_SEARCH). */
	if (capability_keep(CAPABILITY(CAP_SYS_PTRACE) | CAPABILITY(CAP_DAC_READ_SEARCH)) < 0)
		_exit(1);
	if (confine && confine() < 0)
		_exit(1);
	while (receive(w.fd, &q, sizeof(q)) && q.slots <= READER_SLOTS_MAX && receive(w.fd, slots, q.slots * sizeof(*slots)))
		if (!worker_answer(&w, &q, slots))
			break;
	_exit(0);
}

/* ---- the collector's end */

static int worker_start(struct reader *r)
{
	int ends[2], sizes = 4 * (int)CHUNK_BYTES;
	pid_t parent = getpid();

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &sizes, sizeof(sizes));
	setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &sizes, sizeof(sizes));
	r->pid = fork();
	if (r->pid == 0)
		worker_main(r->confine, ends[1], parent);
	close(ends[1]);
	if (r->pid < 0) {
		close(ends[0]);
		return -errno;
	}
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	r->fd = ends[0];
	return r->epoll_fd >= 0 ? reader_watch(r, r->epoll_fd, r->event) : 0;
}

static void reap(struct reader *r)
{
	for (unsigned i = 0; i < r->stuck_count;)
		if (waitpid(r->stuck[i], NULL, WNOHANG) != 0)
			r->stuck[i] = r->stuck[--r->stuck_count];
		else
			i++;
}

static void worker_stop(struct reader *r)
{
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
	if (r->pid > 0) {
		kill(r->pid, SIGKILL);
		r->stuck[r->stuck_count++] = r->pid;
	}
	r->pid = -1;
	buffer_clear(&r->in);
	reap(r);
}

int reader_new(int (*confine)(void), struct reader **ret)
{
	struct reader *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return -ENOMEM;
	r->fd = r->epoll_fd = -1;
	r->confine = confine;
	err = worker_start(r);
	if (err < 0) {
		free(r);
		return err;
	}
	*ret = r;
	return 0;
}

int reader_watch(struct reader *r, int epoll_fd, uint64_t event)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u64 = event };

	r->epoll_fd = epoll_fd;
	r->event = event;
	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, r->fd, &e) < 0 ? -errno : 0;
}

void reader_free(struct reader *r)
{
	struct pollfd ended = { .fd = -1, .events = POLLIN };

	if (!r)
		return;
	if (r->pid > 0)
		ended.fd = (int)syscall(SYS_pidfd_open, r->pid, 0);
	worker_stop(r);
	if (ended.fd >= 0) {
		poll(&ended, 1, END_PATIENCE_MS);
		close(ended.fd);
		reap(r);
	}
	buffer_release(&r->in);
	free(r);
}

bool reader_idle(const struct reader *r)
{
	return !r->areas && r->stuck_count < READER_STUCK_MAX;
}

const char *reader_blind(const struct reader *r)
{
	return r->stuck_count < READER_STUCK_MAX ? NULL : "readers of guest memory hang and cannot be ended; no more are started";
}

uint64_t reader_due(const struct reader *r)
{
	return r->areas ? r->asked_ns + READER_PATIENCE_NS : 0;
}

/* How much of a processor the process that reads has had. */
static uint64_t worker_used_ns(const struct reader *r)
{
	struct timespec used;
	clockid_t clock;

	if (clock_getcpuclockid(r->pid, &clock) || clock_gettime(clock, &used) < 0)
		return 0;
	return (uint64_t)used.tv_sec * 1000000000ull + (uint64_t)used.tv_nsec;
}

/* A process that waits for a page uses no processor. One that does has much to read on a busy host: what it reads is bounded. */
static bool worker_works(struct reader *r, uint64_t now_ns)
{
	uint64_t used = worker_used_ns(r);

	if (now_ns >= r->began_ns + READER_BUSY_NS || used < r->used_ns + READER_WORKED_NS)
		return false;
	r->used_ns = used;
	r->asked_ns = now_ns;
	return true;
}

int reader_ask(struct reader *r, const struct reader_request *request, uint64_t now_ns)
{
	size_t slots = request->count < READER_SLOTS_MAX ? request->count : READER_SLOTS_MAX;
	struct question q = { .start = request->start, .pid = request->pid, .areas = request->areas, .slots = (uint32_t)slots,
		.cut = request->cut || slots < request->count };
	int err = 0;

	if (r->areas || r->stuck_count == READER_STUCK_MAX)
		return -EBUSY;
	if (r->fd < 0)
		err = worker_start(r);
	if (err < 0)
		return err;
	/* It waits for this, and all of it fits into the socket. */
	if (!put(r->fd, &q, sizeof(q)) || !put(r->fd, request->slots, slots * sizeof(*request->slots))) {
		worker_stop(r);
		return -EPIPE;
	}
	r->areas = request->areas;
	r->vm = request->vm;
	r->boot = request->boot;
	r->asked_ns = r->began_ns = now_ns;
	r->used_ns = worker_used_ns(r);
	return 0;
}

/* All areas that were not answered are answered with this. */
static void give_up(struct reader *r, int err, reader_fn fn, void *context)
{
	unsigned areas = r->areas;

	worker_stop(r);
	r->areas = 0;
	for (uint32_t area = RECORD_AREA_ACPI; area <= RECORD_AREA_LAST; area++) {
		if (!(areas >> area & 1))
			continue;
		fn(context, r->vm, r->boot, (enum record_area)area, err, NULL, 0);
		/* Only the first was being read. */
		err = err == -ETIMEDOUT ? -EAGAIN : err;
	}
}

/* One answer out of what came. False: there is none yet. */
static bool take_answer(struct reader *r, reader_fn fn, void *context)
{
	struct answer a;

	if (r->in.size < sizeof(a))
		return false;
	memcpy(&a, r->in.data, sizeof(a));
	if (a.bytes > RECORD_MAX_BYTES || a.area > RECORD_AREA_LAST || !(r->areas >> a.area & 1)) {
		give_up(r, -EBADMSG, fn, context);
		return false;
	}
	if (r->in.size - sizeof(a) < a.bytes)
		return false;
	r->areas &= ~(1u << a.area);
	fn(context, r->vm, r->boot, (enum record_area)a.area, a.error, r->in.data + sizeof(a), a.bytes);
	buffer_consume(&r->in, sizeof(a) + a.bytes);
	return true;
}

void reader_work(struct reader *r, uint64_t now_ns, reader_fn fn, void *context)
{
	/* Here too: where all are stuck nobody asks any more, and one may have been let go. */
	reap(r);
	while (r->fd >= 0) {
		char chunk[CHUNK_BYTES];
		ssize_t n = read(r->fd, chunk, sizeof(chunk));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n > 0) {
			buffer_append(&r->in, chunk, (size_t)n);
			r->asked_ns = now_ns; /* it does not hang: an answer is longer than what the socket holds */
		}
		if (n <= 0 || buffer_failed(&r->in)) {
			give_up(r, -EPIPE, fn, context);
			return;
		}
		while (take_answer(r, fn, context))
			;
	}
	if (r->areas && now_ns >= r->asked_ns + READER_PATIENCE_NS && !worker_works(r, now_ns))
		give_up(r, -ETIMEDOUT, fn, context);
}

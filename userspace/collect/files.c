/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/collect/files.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <openssl/evp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "userspace/base/buffer.h"

#define CHUNK_BYTES 65536u
#define WAY_FOLDERS_MAX 128u
#define WAY_LINKS_MAX 40u /* as the kernel */
#define WAY_STEPS_MAX 1024u /* names, those of links too: 40 links of "./././…" would take the collector's time */
#define REMEMBERED 128u
#define NOTES_MAX_BYTES 65536u
#define PROGRAM_HEADERS_MAX 256u
#define STUCK_MAX 64u

enum purpose { PURPOSE_NONE, PURPOSE_DIGEST, PURPOSE_EXECUTABLE };

struct entry {
	enum purpose purpose;
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime, ctime;
	char digest[65];
	struct executable executable;
};

/* A child that reads what its parent may not wait for, one file after the other: where 1,000 guests are met at once, a child for each cost more than all else. */
struct child {
	pid_t pid; /* 0: there is none */
	int asked, said;
};

struct question {
	uint32_t max;
	char path[60];
};

/* Before so many bytes of the file; size 0: that was all, or status, an errno, says why there is no more. */
struct piece {
	uint32_t size;
	uint32_t status;
};

struct contents {
	struct entry entries[REMEMBERED];
	unsigned next; /* the oldest is replaced */
	pid_t stuck[STUCK_MAX]; /* children that were left behind, or end */
	unsigned stuck_count, reading; /* together, and with the one that waits, STUCK_MAX at most */
	struct child waiting; /* for the next question */
	bool asked;           /* since contents_rest */
};

struct foreign {
	struct contents *contents;
	struct child by;
	struct piece piece;
	size_t had;  /* bytes of `piece` */
	size_t left; /* bytes that follow it */
	struct buffer text;
};

int files_read(const char *path, size_t max, struct buffer *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), err = 0;
	size_t total = 0;

	if (fd < 0)
		return -errno;
	while (total < max) {
		char chunk[4096];
		ssize_t n = read(fd, chunk, max - total < sizeof(chunk) ? max - total : sizeof(chunk));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			err = -errno;
		if (n <= 0)
			break;
		buffer_append(out, chunk, n);
		total += n;
	}
	close(fd);
	return err < 0 ? err : buffer_failed(out) ? -ENOMEM : 0;
}

int files_line(const char *path, size_t max, struct buffer *out)
{
	int err = files_read(path, max, out);

	if (err >= 0 && out->size && out->data[out->size - 1] == '\n')
		out->data[--out->size] = '\0';
	return err;
}

/* Opening a device may do something to it, so the file is looked at before it is opened for reading. */
static int reopen_regular(int handle)
{
	char path[64];
	struct stat st;
	int fd;

	if (fstat(handle, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENOEXEC;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", handle);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}

/* On the way to a file: the folders from the root on, and what of the path is left. */
struct way {
	int folders[WAY_FOLDERS_MAX];
	unsigned depth; /* of folders; [0] is the root */
	unsigned links, steps;
	char rest[PATH_MAX];
};

static void way_back(struct way *w, unsigned depth)
{
	while (w->depth > depth)
		close(w->folders[--w->depth]);
}

/* A link's target stands for it. Those of /proc lead out of any root. */
static int way_link(struct way *w, int link, const char *left)
{
	char target[PATH_MAX];
	struct statfs fs;
	ssize_t n = readlinkat(link, "", target, sizeof(target));
	size_t size = strlen(left) + 1;

	if (n < 0 || fstatfs(link, &fs) < 0)
		return -errno;
	if (++w->links > WAY_LINKS_MAX || fs.f_type == PROC_SUPER_MAGIC)
		return -ELOOP;
	if ((size_t)n + 1 + size > sizeof(w->rest))
		return -ENAMETOOLONG;
	memmove(w->rest + n + 1, left, size);
	memcpy(w->rest, target, (size_t)n);
	w->rest[n] = '/';
	if (target[0] == '/')
		way_back(w, 1);
	return 0;
}

/* The first name of what is left. */
static int way_step(struct way *w)
{
	size_t slashes = strspn(w->rest, "/"), size = strcspn(w->rest + slashes, "/");
	char name[NAME_MAX + 1], left[PATH_MAX];
	struct stat st;
	int fd, err = 0;

	if (size > NAME_MAX || w->depth == WAY_FOLDERS_MAX || ++w->steps > WAY_STEPS_MAX)
		return -ENAMETOOLONG;
	memcpy(name, w->rest + slashes, size);
	name[size] = '\0';
	memcpy(left, w->rest + slashes + size, strlen(w->rest + slashes + size) + 1);
	memcpy(w->rest, left, strlen(left) + 1);
	if (!strcmp(name, "..") && w->depth > 1)
		way_back(w, w->depth - 1);
	if (!size || !strcmp(name, ".") || !strcmp(name, ".."))
		return 0;
	fd = openat(w->folders[w->depth - 1], name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		err = -errno;
	else if (S_ISLNK(st.st_mode))
		err = way_link(w, fd, left);
	else
		w->folders[w->depth++] = fd;
	if (err < 0 || S_ISLNK(st.st_mode))
		close(fd);
	return err;
}

/* Step by step, since the collector's sandbox has no openat2: whether one opens to write cannot be seen from outside. */
int files_open_as(int pid, const char *path)
{
	struct way w = { .depth = 0 };
	int err = 0;

	if (strlen(path) >= sizeof(w.rest))
		return -ENAMETOOLONG;
	snprintf(w.rest, sizeof(w.rest), "/proc/%d/root", pid);
	w.folders[0] = open(w.rest, O_PATH | O_CLOEXEC | O_DIRECTORY);
	if (w.folders[0] < 0)
		return -errno;
	w.depth = 1;
	memcpy(w.rest, path, strlen(path) + 1);
	while (err >= 0 && w.rest[0])
		err = way_step(&w);
	if (err >= 0)
		err = reopen_regular(w.folders[w.depth - 1]);
	way_back(&w, 0);
	return err;
}

struct contents *contents_new(void)
{
	return calloc(1, sizeof(struct contents));
}

static void child_end(struct contents *c, struct child *child)
{
	if (!child->pid)
		return;
	close(child->asked); /* that is its end, unless it hangs */
	close(child->said);
	c->stuck[c->stuck_count++] = child->pid;
	child->pid = 0;
}

static void reap_stuck(struct contents *c)
{
	for (unsigned i = 0; i < c->stuck_count;)
		if (waitpid(c->stuck[i], NULL, WNOHANG) != 0)
			c->stuck[i] = c->stuck[--c->stuck_count];
		else
			i++;
}

void contents_rest(struct contents *c)
{
	if (!c->asked)
		child_end(c, &c->waiting);
	c->asked = false;
	reap_stuck(c);
}

void contents_free(struct contents *c)
{
	if (c && c->waiting.pid) {
		child_end(c, &c->waiting);
		waitpid(c->stuck[c->stuck_count - 1], NULL, 0); /* it reads nothing */
	}
	free(c);
}

static uint32_t read_pieces(const struct question *q, int out)
{
	struct {
		struct piece piece;
		char data[4096 - sizeof(struct piece)];
	} chunk;
	int fd = open(q->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), err = 0;
	ssize_t n = 0;

	if (fd < 0)
		return errno;
	for (size_t total = 0; total < q->max; total += n) {
		n = read(fd, chunk.data, q->max - total < sizeof(chunk.data) ? q->max - total : sizeof(chunk.data));
		if (n < 0)
			err = errno;
		if (n <= 0)
			break;
		chunk.piece = (struct piece){ .size = n };
		if (write(out, &chunk, sizeof(chunk.piece) + n) != (ssize_t)sizeof(chunk.piece) + n)
			_exit(0);
	}
	close(fd);
	return err;
}

/* Nothing of the collector's stays open in a child that hangs: not its programs, not the analyst's connection. */
static _Noreturn void read_for_parent(int asked, int said)
{
	enum { ASKED = 3, SAID = 4 };
	struct question q;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "abidrift-files");
	/* Each may be where the other belongs. */
	asked = fcntl(asked, F_DUPFD, SAID + 1);
	said = fcntl(said, F_DUPFD, SAID + 1);
	if (asked < 0 || said < 0 || dup2(asked, ASKED) < 0 || dup2(said, SAID) < 0)
		_exit(errno);
	syscall(SYS_close_range, SAID + 1, ~0u, 0);
	while (read(ASKED, &q, sizeof(q)) == sizeof(q)) {
		struct piece end = { .status = read_pieces(&q, SAID) };

		if (write(SAID, &end, sizeof(end)) != sizeof(end))
			break;
	}
	_exit(0);
}

static int child_begin(struct child *ret)
{
	int asked[2], said[2], err = 0;

	if (pipe2(asked, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(said, O_CLOEXEC) < 0) {
		err = -errno;
		close(asked[0]);
		close(asked[1]);
		return err;
	}
	ret->pid = fork();
	if (ret->pid == 0)
		read_for_parent(asked[0], said[1]);
	if (ret->pid < 0) {
		err = -errno;
		ret->pid = 0;
	}
	close(asked[0]);
	close(said[1]);
	ret->asked = asked[1];
	ret->said = said[0];
	if (err < 0) {
		close(asked[1]);
		close(said[0]);
	}
	return err;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* What n more bytes are. True: that was all. */
static bool piece_took(struct foreign *f, const char *data, size_t n)
{
	if (f->had < sizeof(f->piece)) {
		memcpy((char *)&f->piece + f->had, data, n);
		f->had += n;
		f->left = f->had == sizeof(f->piece) ? f->piece.size : 0;
		return f->had == sizeof(f->piece) && !f->piece.size;
	}
	buffer_append(&f->text, data, n);
	f->left -= n;
	if (!f->left)
		f->had = 0;
	return false;
}

/* Until all of it was said: 0; -EAGAIN. */
static int read_until(struct foreign *f, int64_t end_ms)
{
	for (;;) {
		struct pollfd ready = { .fd = f->by.said, .events = POLLIN };
		int64_t left = end_ms - now_ms();
		size_t want = f->had < sizeof(f->piece) ? sizeof(f->piece) - f->had : f->left;
		char chunk[4096];
		ssize_t n;

		if (poll(&ready, 1, left > 0 ? (int)left : 0) < 0 && errno != EINTR)
			return -errno;
		if (!ready.revents && left <= 0)
			return -EAGAIN;
		if (!ready.revents)
			continue;
		n = read(f->by.said, chunk, want < sizeof(chunk) ? want : sizeof(chunk));
		if (n == 0)
			return -EIO; /* it was killed, and read less than there is */
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0 && piece_took(f, chunk, n))
			return 0;
	}
}

int foreign_begin(struct contents *c, const char *path, size_t max, struct foreign **ret)
{
	struct question q = { .max = max };
	struct foreign *f;
	int err = 0;

	if (snprintf(q.path, sizeof(q.path), "%s", path) >= (int)sizeof(q.path))
		return -ENAMETOOLONG;
	reap_stuck(c);
	if (c->reading + c->stuck_count + 1 >= STUCK_MAX)
		return -EBUSY;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->contents = c;
	f->by = c->waiting;
	c->waiting.pid = 0;
	c->asked = true;
	/* One that waited may have been killed. */
	if (f->by.pid && (waitpid(f->by.pid, NULL, WNOHANG) != 0 || write(f->by.asked, &q, sizeof(q)) != sizeof(q)))
		child_end(c, &f->by);
	if (!f->by.pid) {
		err = child_begin(&f->by);
		if (err >= 0 && write(f->by.asked, &q, sizeof(q)) != sizeof(q)) {
			err = -EIO;
			child_end(c, &f->by);
		}
	}
	if (err < 0) {
		free(f);
		return err;
	}
	c->reading++;
	*ret = f;
	return 0;
}

int foreign_take(struct foreign **f, int wait_ms, struct buffer *out)
{
	struct foreign *r = *f;
	int err = read_until(r, now_ms() + wait_ms);

	if (err == -EAGAIN)
		return err;
	if (err >= 0) {
		err = -(int)r->piece.status;
		if (!r->contents->waiting.pid) {
			r->contents->waiting = r->by;
			r->by.pid = 0;
		}
	}
	if (err >= 0)
		buffer_append(out, r->text.data, r->text.size);
	if (err >= 0 && (buffer_failed(&r->text) || buffer_failed(out)))
		err = -ENOMEM;
	foreign_drop(r);
	*f = NULL;
	/* Of ours it means to come again; of the child it is an error as any other. */
	return err == -EAGAIN ? -EIO : err;
}

void foreign_drop(struct foreign *f)
{
	if (!f)
		return;
	f->contents->reading--;
	if (f->by.pid)
		kill(f->by.pid, SIGKILL);
	child_end(f->contents, &f->by);
	buffer_release(&f->text);
	free(f);
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static struct entry *remembered(struct contents *c, const struct stat *st, enum purpose purpose)
{
	for (unsigned i = 0; i < REMEMBERED; i++) {
		struct entry *e = &c->entries[i];

		if (e->purpose == purpose && e->dev == st->st_dev && e->ino == st->st_ino && e->size == st->st_size &&
		    same_time(&e->mtime, &st->st_mtim) && same_time(&e->ctime, &st->st_ctim))
			return e;
	}
	return NULL;
}

static void remember(struct contents *c, const struct entry *e)
{
	c->entries[c->next] = *e;
	c->next = (c->next + 1) % REMEMBERED;
}

static ssize_t read_at(int fd, void *data, size_t size, off_t offset)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = pread(fd, (char *)data + done, size - done, offset + done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += n;
	}
	return done;
}

static void hex(char *ret, const unsigned char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
}

static int digest_read(int fd, off_t size, char ret[65])
{
	unsigned char chunk[CHUNK_BYTES], digest[EVP_MAX_MD_SIZE];
	unsigned digest_bytes = 0;
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	int err = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) ? 0 : -ENOMEM;

	for (off_t at = 0; err >= 0 && at < size;) {
		ssize_t n = read_at(fd, chunk, size - at < (off_t)sizeof(chunk) ? (size_t)(size - at) : sizeof(chunk), at);

		if (n <= 0)
			err = n < 0 ? (int)n : -EIO; /* it became shorter meanwhile */
		else if (!EVP_DigestUpdate(md, chunk, n))
			err = -ENOMEM;
		at += n > 0 ? n : 0;
	}
	if (err >= 0 && !EVP_DigestFinal_ex(md, digest, &digest_bytes))
		err = -ENOMEM;
	if (err >= 0)
		hex(ret, digest, 32);
	EVP_MD_CTX_free(md);
	return err;
}

static struct entry entry_of(const struct stat *st, enum purpose purpose)
{
	return (struct entry){ .purpose = purpose, .dev = st->st_dev, .ino = st->st_ino, .size = st->st_size,
		.mtime = st->st_mtim, .ctime = st->st_ctim };
}

int contents_digest(struct contents *c, int fd, char ret[65])
{
	struct entry fresh, *old;
	struct stat st;
	int err;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENOEXEC;
	if (st.st_size > (off_t)CONTENTS_MAX_BYTES)
		return -EFBIG;
	old = remembered(c, &st, PURPOSE_DIGEST);
	if (!old) {
		fresh = entry_of(&st, PURPOSE_DIGEST);
		err = digest_read(fd, st.st_size, fresh.digest);
		if (err < 0)
			return err;
		remember(c, &fresh);
		old = &fresh;
	}
	memcpy(ret, old->digest, sizeof(old->digest));
	return 0;
}

/* Notes are name size, descriptor size, type, then both, each padded to 4 bytes. */
static void build_id_of_notes(const unsigned char *notes, size_t size, char ret[129])
{
	size_t at = 0;

	while (size - at >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr n;
		size_t name, description;

		memcpy(&n, notes + at, sizeof(n));
		at += sizeof(n);
		name = ((size_t)n.n_namesz + 3) & ~(size_t)3;
		description = ((size_t)n.n_descsz + 3) & ~(size_t)3;
		if (name > size - at || description > size - at - name)
			return;
		if (n.n_type == NT_GNU_BUILD_ID && n.n_namesz == 4 && !memcmp(notes + at, "GNU", 4) && n.n_descsz <= 64) {
			hex(ret, notes + at + name, n.n_descsz);
			return;
		}
		at += name + description;
	}
}

static void build_id_read(int fd, char ret[129])
{
	Elf64_Ehdr header;

	if (read_at(fd, &header, sizeof(header), 0) != sizeof(header) || memcmp(header.e_ident, ELFMAG, SELFMAG) ||
	    header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_phentsize != sizeof(Elf64_Phdr))
		return;
	for (unsigned i = 0; i < header.e_phnum && i < PROGRAM_HEADERS_MAX && !ret[0]; i++) {
		unsigned char notes[NOTES_MAX_BYTES];
		Elf64_Phdr p;
		ssize_t n;

		if (read_at(fd, &p, sizeof(p), header.e_phoff + i * sizeof(p)) != sizeof(p))
			return;
		if (p.p_type != PT_NOTE || p.p_filesz > sizeof(notes))
			continue;
		n = read_at(fd, notes, p.p_filesz, p.p_offset);
		if (n > 0)
			build_id_of_notes(notes, n, ret);
	}
}

/* The printable text behind the literal, if that is a version: the literal alone is in other programs, too. */
static bool version_at(const char *text, const char *end, char *ret, size_t ret_size)
{
	size_t length = 0;

	if (text == end || *text < '0' || *text > '9')
		return false;
	while (text + length < end && length < ret_size - 1 && text[length] >= ' ' && text[length] < 0x7f)
		length++;
	snprintf(ret, ret_size, "%.*s", (int)length, text);
	return true;
}

/* What QEMU prints for --version, up to its newline; one literal in every build, distribution's suffix included. */
static void qemu_version_read(int fd, char *ret, size_t ret_size)
{
	static const char literal[] = "QEMU emulator version ";
	enum { OVERLAP = 256 };
	char chunk[CHUNK_BYTES + OVERLAP];
	size_t kept = 0;

	for (off_t at = 0; at < (off_t)CONTENTS_MAX_BYTES;) {
		ssize_t n = read_at(fd, chunk + kept, CHUNK_BYTES, at);
		const char *end = chunk + kept + (n > 0 ? n : 0), *found = chunk;

		if (n <= 0)
			return;
		while ((found = memmem(found, end - found, literal, sizeof(literal) - 1))) {
			/* Too near to the end of the chunk: the next round, which begins with what is kept of this one, has it whole. */
			if (end - found < OVERLAP && n == (ssize_t)CHUNK_BYTES)
				break;
			found += sizeof(literal) - 1;
			if (version_at(found, end, ret, ret_size))
				return;
		}
		kept = end - chunk < OVERLAP ? end - chunk : OVERLAP;
		memmove(chunk, end - kept, kept);
		at += n;
	}
}

int contents_executable(struct contents *c, int fd, struct executable *ret)
{
	struct entry fresh, *old;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENOEXEC;
	old = remembered(c, &st, PURPOSE_EXECUTABLE);
	if (!old) {
		fresh = entry_of(&st, PURPOSE_EXECUTABLE);
		build_id_read(fd, fresh.executable.build_id);
		qemu_version_read(fd, fresh.executable.qemu_version, sizeof(fresh.executable.qemu_version));
		remember(c, &fresh);
		old = &fresh;
	}
	*ret = old->executable;
	return 0;
}

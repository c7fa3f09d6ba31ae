/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/collect/kernel_pins.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <bpf/btf.h>

#include "userspace/base/buffer.h"
#include "userspace/collect/kernel_parts.h"

#define ABOUT "about"
#define MAGIC 0x7466697264696261ull /* "abidrift" */
#define LINK_FORMAT "link_%u_%u_%s" /* owner, how often it was attached before, program */
#define LINK_SCAN "link_%u_%u_%31s"
#define TURNS "turns" /* in a link's name: no link, but what programs that take turns go on with, and ends like one */
#define LINKS (PROGRAMS * KERNEL_TURNS)
#define LINK_NAME_BYTES 32
#define SET_NAME_LENGTH 16
#define LOCK_TRIES 40 /* a worker of one that was just killed may hold the set a little longer */
#define LOCK_PAUSE_NS 50000000
/*
 * Other stores' sets that nobody holds: so many go on, each for so long. Their monitors may only be stopped, or about to start again;
 * but until then each works at every exit of a guest.
 */
#define IDLE_SETS 2
#define IDLE_S 86400
#define ENDED_SETS 60 /* of so many it is still known that they were ended */
#define USED_EVERY_S 60
#define UNPINNED "what guests do while abidrift does not run is not seen"

static const char *const names[] = { "facts", "vms", "news", "counters", "returned", "threads", "ecams", "epochs" };
enum { MAP_FACTS = 0, MAP_EPOCHS = 7, MAPS = sizeof(names) / sizeof(names[0]) };

#define ENDED UINT32_MAX /* somebody ended the set, and left this for its own abidrift to know */

/* Map `about`: an array of one. Its first two fields stay what they are. */
struct about {
	uint64_t magic;
	uint32_t layout;         /* OBSERVE_LAYOUT */
	uint32_t private_layout; /* PRIVATE_LAYOUT */
	uint64_t types;          /* digest of the types in the maps */
	uint32_t links;          /* so many programs are attached, or ENDED */
	uint32_t used_s;         /* an abidrift worked with it last, CLOCK_BOOTTIME: like the set, it does not outlive the host's boot */
	char version[64];
};

struct pins {
	char *folder;
	int root_fd, fd; /* the folder above, and ours, which is locked */
	int maps[MAPS], about; /* -1: not there */
	uint32_t owner;
	bool something;  /* was there when we came */
	bool checked, adopted;
	bool linked[LINKS], turns;
	unsigned attached; /* links pinned by us */
	struct about is;
	char why[160];   /* what was there cannot be used; "": it can */
};

static char *path_of(const struct pins *p, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", p->folder, name) < 0 ? NULL : path;
}

/* A pinned object of ours; -1: it is not there, or not ours. */
static int object_open(const struct pins *p, const char *name)
{
	char *path = path_of(p, name);
	struct stat st;
	int fd = -1;

	if (path && fstatat(p->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid())
		fd = bpf_obj_get(path);
	free(path);
	return fd < 0 ? -1 : fd;
}

static int object_pin(const struct pins *p, const char *name, int fd)
{
	char *path = path_of(p, name);
	int r = path ? bpf_obj_pin(fd, path) : -ENOMEM;

	free(path);
	return r;
}

/* ---- folders */

/* Calls fn with each name; false of fn ends it. */
static void names_of(int fd, bool (*fn)(void *context, const char *name), void *context)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *entry;

	if (!dir && copy >= 0)
		close(copy);
	while (dir && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..") && !fn(context, entry->d_name))
			break;
	if (dir)
		closedir(dir);
}

struct wipe {
	int fd;
	bool links_only;
	const char *spare; /* stays; NULL: nothing does */
	uint32_t keep; /* links of this owner stay; 0: none do */
	bool any, failed;
};

static bool wipe_one(void *context, const char *name)
{
	struct wipe *w = context;
	char program[32];
	unsigned owner, count;
	bool link = sscanf(name, LINK_SCAN, &owner, &count, program) == 3;

	if ((w->links_only && !link) || (w->spare && !strcmp(name, w->spare)) || (link && w->keep && owner == w->keep))
		return true;
	w->any = true;
	w->failed |= unlinkat(w->fd, name, 0) < 0 && errno != ENOENT;
	return true;
}

/* Links first, or programs would go on with maps that nobody finds. -EIO: something is left. */
static int set_wipe(int fd, const char *spare)
{
	struct wipe links = { .fd = fd, .links_only = true }, rest = { .fd = fd, .spare = spare };

	names_of(fd, wipe_one, &links);
	names_of(fd, wipe_one, &rest);
	return links.failed || rest.failed ? -EIO : 0;
}

static bool is_ours(int fd, mode_t unwanted)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_uid == geteuid() && !(st.st_mode & unwanted);
}

/* In a folder with the sticky bit nobody removes what is another's. */
static bool is_sticky(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_mode & S_ISVTX;
}

static bool is_bpffs(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && (uint32_t)fs.f_type == BPF_FS_MAGIC;
}

/* The folder of all sets. Made only within a BPF filesystem: elsewhere nothing could be pinned in it. */
static int root_open(const char *root, char *why, size_t size)
{
	int fd = open(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), above;
	char *slash, *parent;

	if (fd < 0 && errno == ENOENT) {
		parent = strdup(root);
		slash = parent ? strrchr(parent, '/') : NULL;
		if (slash)
			*slash = 0;
		above = slash ? open(*parent ? parent : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
		if (above >= 0 && !is_bpffs(above)) {
			snprintf(why, size, "%.100s is no BPF filesystem: mount -t bpf bpf /sys/fs/bpf", parent);
		} else if (above >= 0 && mkdir(root, 0700) < 0 && errno != EEXIST) {
			snprintf(why, size, "making %.100s: %s", root, strerror(errno));
		} else if (above >= 0) {
			fd = open(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		}
		if (above >= 0)
			close(above);
		free(parent);
	}
	if (fd < 0 && !*why)
		snprintf(why, size, "%.100s: %s", root, strerror(errno));
	if (fd >= 0 && !is_bpffs(fd))
		snprintf(why, size, "%.100s is in no BPF filesystem", root);
	else if (fd >= 0 && !is_ours(fd, is_sticky(fd) ? 0 : S_IWGRP | S_IWOTH))
		snprintf(why, size, "%.100s belongs to somebody else, or others may write there", root);
	if (fd >= 0 && *why) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static bool locks(int fd)
{
	const struct timespec pause = { .tv_nsec = LOCK_PAUSE_NS };

	for (unsigned i = 0; i < LOCK_TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

/* Made, opened and locked; -1 with why. */
static int set_open(int root, const char *name, char *why, size_t size)
{
	struct stat is, was;
	int fd;

	for (;;) {
		if (mkdirat(root, name, 0700) < 0 && errno != EEXIST) {
			snprintf(why, size, "making folder %.40s: %s", name, strerror(errno));
			return -1;
		}
		fd = openat(root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 || !is_ours(fd, 0077)) {
			snprintf(why, size, "folder %.40s: %s", name, fd < 0 ? strerror(errno) : "it belongs to somebody else, or is open to others");
			break;
		}
		if (!locks(fd)) {
			snprintf(why, size, "another abidrift works with folder %.40s", name);
			break;
		}
		/* Whoever held it may have removed it. */
		if (fstat(fd, &is) == 0 && fstatat(root, name, &was, AT_SYMLINK_NOFOLLOW) == 0 && is.st_ino == was.st_ino)
			return fd;
		close(fd);
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Apart from the lock of a collector: locks of the two kinds do not see each other. */
static bool is_held(int fd)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(fd, F_OFD_GETLK, &l) == 0 && l.l_type != F_UNLCK;
}

int kernel_pins_hold(const char *folder)
{
	struct flock l = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	char *root = strdup(folder), *slash = root ? strrchr(root, '/') : NULL, why[200] = "";
	int above = -1, fd = -1;

	if (slash) {
		*slash = 0;
		above = root_open(root, why, sizeof(why));
	}
	/* Why not is said by the collector, which meets the same. */
	if (above >= 0 && (mkdirat(above, slash + 1, 0700) == 0 || errno == EEXIST))
		fd = openat(above, slash + 1, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && fcntl(fd, F_OFD_SETLK, &l) < 0) {
		close(fd);
		fd = -1;
	}
	if (above >= 0)
		close(above);
	free(root);
	return fd;
}

/* ---- what is there */

struct links {
	const struct pins *pins;
	uint32_t owner, newest;
	unsigned alive;
	bool seen[LINKS];
};

static bool link_is_alive(int fd)
{
	struct bpf_link_info info = { 0 };
	uint32_t size = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &size) == 0 && info.type == BPF_LINK_TYPE_RAW_TRACEPOINT && info.prog_id;
}

static const char *link_name(unsigned link, char ret[LINK_NAME_BYTES])
{
	const char *program = kernel_program_name((enum program)(link / KERNEL_TURNS));

	if (link % KERNEL_TURNS)
		snprintf(ret, LINK_NAME_BYTES, "%s_%u", program, link % KERNEL_TURNS);
	else
		snprintf(ret, LINK_NAME_BYTES, "%s", program);
	return ret;
}

static bool link_look(void *context, const char *name)
{
	struct links *l = context;
	char program[32], own[LINK_NAME_BYTES];
	unsigned owner, count;
	int fd;

	if (sscanf(name, LINK_SCAN, &owner, &count, program) != 3)
		return true;
	if (owner > l->newest)
		l->newest = owner;
	if (owner != l->owner)
		return true;
	fd = object_open(l->pins, name);
	for (unsigned n = 0; n < LINKS && fd >= 0; n++) {
		if (strcmp(link_name(n, own), program) || l->seen[n] || !link_is_alive(fd))
			continue;
		l->seen[n] = true;
		l->alive++;
	}
	if (fd >= 0)
		close(fd);
	return true;
}

static bool any_name(void *context, const char *name)
{
	(void)name;
	*(bool *)context = true;
	return false;
}

/* -ENOENT: there is none. -EPROTO: another layout. */
static int about_of(int fd, struct about *ret)
{
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof(info), zero = 0;

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) < 0)
		return -ENOENT;
	if (info.type != BPF_MAP_TYPE_ARRAY || info.key_size != sizeof(zero) || info.value_size != sizeof(*ret))
		return -EPROTO;
	if (bpf_map_lookup_elem(fd, &zero, ret) < 0)
		return -errno;
	if (ret->magic != MAGIC) {
		memset(ret, 0, sizeof(*ret));
		return -EPROTO;
	}
	return 0;
}

static int about_read(struct pins *p)
{
	int r;

	p->about = object_open(p, ABOUT);
	r = about_of(p->about, &p->is);
	if (r < 0)
		return r;
	p->is.version[sizeof(p->is.version) - 1] = 0;
	for (char *c = p->is.version; *c; c++)
		if (*c <= ' ' || *c > '~')
			*c = '?';
	return 0;
}

/* Opens all of it, and finds the number that is to be ours. */
static void look(struct pins *p)
{
	uint32_t key = EPOCHS_OWNER, owner = 0;
	struct links links = { .pins = p };
	int r = about_read(p);

	names_of(p->fd, any_name, &p->something);
	for (size_t i = 0; i < MAPS; i++)
		p->maps[i] = object_open(p, names[i]);
	if (p->maps[MAP_EPOCHS] >= 0)
		(void)bpf_map_lookup_elem(p->maps[MAP_EPOCHS], &key, &owner);
	links.owner = owner;
	names_of(p->fd, link_look, &links);
	p->owner = (owner > links.newest ? owner : links.newest) + 1;
	if (!p->something)
		return;
	if (r < 0)
		snprintf(p->why, sizeof(p->why), "%s", r == -EPROTO ? "they are of another layout" : "they are not whole");
	else if (p->is.layout != OBSERVE_LAYOUT || p->is.private_layout != PRIVATE_LAYOUT)
		snprintf(p->why, sizeof(p->why), "they are of another layout");
	else if (p->is.links == ENDED)
		snprintf(p->why, sizeof(p->why), "another abidrift ended them");
	else if (links.alive != p->is.links)
		snprintf(p->why, sizeof(p->why), "%u of %u programs are still attached", links.alive, p->is.links);
}

/* ---- sets of others */

struct other {
	char name[SET_NAME_LENGTH + 1];
	bool known;      /* has an `about` of ours */
	bool ended;
	uint32_t idle_s; /* nobody worked with it for so long */
};

struct others {
	const struct pins *pins;
	struct other *items;
	size_t count, room;
	uint32_t now_s;
};

static uint32_t boot_s(void)
{
	struct timespec now = { 0 };

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint32_t)now.tv_sec;
}

/* Locked; -1: it is no set of ours, or somebody holds it. */
static int other_open(const struct pins *p, const char *name)
{
	int fd = openat(p->root_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0 && is_ours(fd, 0077) && !is_held(fd) && flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* The caller closes; -1: it has none. */
static int other_about(const struct pins *p, const char *name, struct about *ret)
{
	struct pins other = { .fd = openat(p->root_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) };
	int fd = -1;

	if (other.fd >= 0 && asprintf(&other.folder, "%.*s/%s", (int)(strrchr(p->folder, '/') - p->folder), p->folder, name) >= 0) {
		fd = object_open(&other, ABOUT);
		free(other.folder);
	}
	if (fd >= 0 && about_of(fd, ret) < 0) {
		close(fd);
		fd = -1;
	}
	if (other.fd >= 0)
		close(other.fd);
	return fd;
}

static bool other_look(void *context, const char *name)
{
	struct others *o = context;
	struct about about = { 0 };
	struct other *grown;
	int fd, about_fd;

	if (strlen(name) != SET_NAME_LENGTH || strspn(name, "0123456789abcdef") != SET_NAME_LENGTH ||
	    !strcmp(name, strrchr(o->pins->folder, '/') + 1))
		return true;
	fd = other_open(o->pins, name);
	if (fd < 0)
		return true;
	if (o->count == o->room) {
		grown = reallocarray(o->items, o->room + 64, sizeof(*grown));
		if (!grown) {
			close(fd);
			return false;
		}
		o->items = grown;
		o->room += 64;
	}
	about_fd = other_about(o->pins, name, &about);
	o->items[o->count] = (struct other){ .known = about_fd >= 0, .ended = about_fd >= 0 && about.links == ENDED, .idle_s = o->now_s - about.used_s };
	memcpy(o->items[o->count++].name, name, SET_NAME_LENGTH);
	if (about_fd >= 0)
		close(about_fd);
	close(fd);
	return true;
}

/* Those that go on first, then by how long they are idle. */
static int by_idleness(const void *a, const void *b)
{
	const struct other *x = a, *y = b;

	if (x->ended != y->ended)
		return x->ended ? 1 : -1;
	return x->idle_s < y->idle_s ? -1 : x->idle_s > y->idle_s;
}

/* Its programs end with their links. What it was about stays: its own monitor is to know that it was there. */
static void other_end(const struct pins *p, const struct other *other, struct buffer *notes)
{
	struct about about;
	uint32_t zero = 0;
	int fd = other_open(p, other->name), about_fd;

	if (fd < 0)
		return;
	about_fd = other_about(p, other->name, &about);
	if (about_fd >= 0) {
		about.links = ENDED;
		(void)bpf_map_update_elem(about_fd, &zero, &about, BPF_ANY);
		close(about_fd);
	}
	if (set_wipe(fd, about_fd >= 0 ? ABOUT : NULL) == 0 && (about_fd >= 0 || unlinkat(p->root_fd, other->name, AT_REMOVEDIR) == 0))
		buffer_printf(notes, "ended the kernel side of another store, which no abidrift works with (%.*s/%s)\n",
			      (int)(strrchr(p->folder, '/') - p->folder), p->folder, other->name);
	close(fd);
}

static void other_forget(const struct pins *p, const struct other *other)
{
	int fd = other_open(p, other->name);

	if (fd >= 0 && set_wipe(fd, NULL) == 0)
		(void)unlinkat(p->root_fd, other->name, AT_REMOVEDIR);
	if (fd >= 0)
		close(fd);
}

/*
 * Sets of stores that nobody works with any more go on collecting for nobody, each at a cost for all guests. That of the service is
 * never one of them, nor are a few that may be wanted again.
 */
static void others_end(const struct pins *p, struct buffer *notes)
{
	struct others o = { .pins = p, .now_s = boot_s() };

	names_of(p->root_fd, other_look, &o);
	if (o.count)
		qsort(o.items, o.count, sizeof(*o.items), by_idleness);
	for (size_t i = 0; i < o.count; i++) {
		const struct other *other = &o.items[i];

		if (i >= ENDED_SETS && (other->ended || !other->known))
			other_forget(p, other);
		else if (!other->ended && (i >= IDLE_SETS || !other->known || other->idle_s > IDLE_S))
			other_end(p, other, notes);
	}
	free(o.items);
}

struct pins *pins_open(const char *folder, struct buffer *notes)
{
	struct pins *p = calloc(1, sizeof(*p));
	const char *slash = strrchr(folder, '/');
	char why[200] = "";

	if (!p || !slash || !(p->folder = strdup(folder))) {
		free(p);
		return NULL;
	}
	for (size_t i = 0; i < MAPS; i++)
		p->maps[i] = -1;
	p->about = p->fd = -1;
	p->folder[slash - folder] = 0;
	p->root_fd = root_open(p->folder, why, sizeof(why));
	if (p->root_fd >= 0)
		p->fd = set_open(p->root_fd, slash + 1, why, sizeof(why));
	p->folder[slash - folder] = '/';
	if (p->fd < 0) {
		buffer_printf(notes, "the kernel side is not pinned (%s): %s\n", why, UNPINNED);
		pins_free(p);
		return NULL;
	}
	look(p);
	others_end(p, notes);
	return p;
}

static void close_if(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void forget(struct pins *p)
{
	for (size_t i = 0; i < MAPS; i++) {
		close_if(p->maps[i]);
		p->maps[i] = -1;
	}
	close_if(p->about);
	p->about = -1;
}

void pins_free(struct pins *p)
{
	if (!p)
		return;
	forget(p);
	close_if(p->fd);
	close_if(p->root_fd);
	free(p->folder);
	free(p);
}

/* ---- does it fit? */

__attribute__((format(printf, 2, 0))) static void digest_text(void *context, const char *format, va_list args)
{
	uint64_t *hash = context;
	char text[512];

	/* FNV-1a */
	vsnprintf(text, sizeof(text), format, args);
	for (const char *c = text; *c; c++)
		*hash = (*hash ^ (uint8_t)*c) * 0x100000001b3ull;
}

/* The types of what the maps hold, as C would declare them: names, order and sizes. 0: not known. */
static uint64_t types_digest(const struct abidrift_bpf *skel)
{
	struct btf_dump *dump = btf_dump__new(bpf_object__btf(skel->obj), digest_text, NULL, NULL);
	uint64_t hash = 0xcbf29ce484222325ull;

	if (!dump)
		return 0;
	btf_dump__free(dump);
	dump = btf_dump__new(bpf_object__btf(skel->obj), digest_text, &hash, NULL);
	for (size_t i = 0; dump && i < MAPS; i++) {
		const struct bpf_map *map = bpf_object__find_map_by_name(skel->obj, names[i]);
		const uint32_t types[] = { map ? bpf_map__btf_key_type_id(map) : 0, map ? bpf_map__btf_value_type_id(map) : 0 };

		for (size_t t = 0; t < 2; t++)
			if (types[t] && btf_dump__dump_type(dump, types[t]) < 0)
				hash = 0;
	}
	btf_dump__free(dump);
	return hash;
}

static bool map_fits(int fd, const struct bpf_map *map)
{
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof(info);

	return fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &size) == 0 && info.type == bpf_map__type(map) &&
	       info.key_size == bpf_map__key_size(map) && info.value_size == bpf_map__value_size(map) &&
	       info.max_entries == bpf_map__max_entries(map);
}

uint32_t pins_capacity(const struct pins *p, uint32_t wanted)
{
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof(info);

	/* What a host has of memory changes a little; facts are not given up for that. */
	if (p->maps[MAP_FACTS] < 0 || bpf_obj_get_info_by_fd(p->maps[MAP_FACTS], &info, &size) < 0 || info.max_entries < wanted / 2 ||
	    info.max_entries / 2 > wanted)
		return wanted;
	return info.max_entries;
}

static void check(struct pins *p, const struct abidrift_bpf *skel, struct buffer *notes)
{
	p->checked = true;
	if (!*p->why && p->something && p->is.types != types_digest(skel))
		snprintf(p->why, sizeof(p->why), "they hold other types");
	for (size_t i = 0; i < MAPS && !*p->why && p->something; i++)
		if (!map_fits(p->maps[i], bpf_object__find_map_by_name(skel->obj, names[i])))
			snprintf(p->why, sizeof(p->why), "map %s is missing, or has another size", names[i]);
	p->adopted = p->something && !*p->why;
	if (!p->something)
		return;
	if (p->adopted) {
		buffer_printf(notes, "the kernel side of abidrift %s went on collecting: taken over from %s\n", p->is.version, p->folder);
		return;
	}
	buffer_printf(notes, "the pins in %s%s%s are replaced: %s; what guests did since that abidrift ended is not known, those that run now are witnessed\n",
		      p->folder, *p->is.version ? " of abidrift " : "", p->is.version, p->why);
	forget(p);
	memset(&p->is, 0, sizeof(p->is));
}

int pins_reuse(struct pins *p, struct abidrift_bpf *skel, struct buffer *notes)
{
	int r = 0;

	if (!p->checked)
		check(p, skel, notes);
	for (size_t i = 0; i < MAPS && p->adopted && r >= 0; i++)
		r = bpf_map__reuse_fd(bpf_object__find_map_by_name(skel->obj, names[i]), p->maps[i]);
	return r;
}

bool pins_adopted(const struct pins *p)
{
	return p->adopted;
}

uint32_t pins_owner(const struct pins *p)
{
	return p->owner;
}

/* ---- handing over */

static int about_write(struct pins *p, const struct kernel *k)
{
	uint32_t zero = 0;

	p->is.links = 0;
	for (unsigned n = 0; n < LINKS; n++)
		p->is.links += p->linked[n];
	p->is.used_s = boot_s();
	p->is.magic = MAGIC;
	p->is.layout = OBSERVE_LAYOUT;
	p->is.private_layout = PRIVATE_LAYOUT;
	if (!p->is.types)
		p->is.types = types_digest(k->skel);
	snprintf(p->is.version, sizeof(p->is.version), "%s", ABIDRIFT_VERSION);
	return bpf_map_update_elem(p->about, &zero, &p->is, BPF_ANY) < 0 ? -errno : 0;
}

static int maps_pin(struct pins *p, const struct kernel *k)
{
	int r = 0;

	for (size_t i = 0; i < MAPS && r >= 0; i++)
		r = object_pin(p, names[i], bpf_map__fd(bpf_object__find_map_by_name(k->skel->obj, names[i])));
	return r;
}

static int link_pin(struct pins *p, const char *what, int fd)
{
	char name[64];

	snprintf(name, sizeof(name), LINK_FORMAT, p->owner, p->attached++, what);
	return object_pin(p, name, fd);
}

/* Not only the links: nothing else holds the programs that are entered by others, once we are gone. */
static int links_pin(struct pins *p, const struct kernel *k)
{
	char name[LINK_NAME_BYTES];
	int r = 0;

	if (k->turns && !p->turns) {
		r = link_pin(p, TURNS, bpf_map__fd(k->skel->maps.turns));
		p->turns = r >= 0;
	}
	for (unsigned n = 0; n < LINKS && r >= 0; n++) {
		const struct bpf_link *link = k->links[n / KERNEL_TURNS][n % KERNEL_TURNS];

		if (p->linked[n] || !link)
			continue;
		r = link_pin(p, link_name(n, name), bpf_link__fd(link));
		p->linked[n] = r >= 0;
	}
	return r;
}

/* A whole set has an `about`: it comes last. */
static int about_pin(struct pins *p, const struct kernel *k)
{
	int r;

	if (p->about >= 0)
		return about_write(p, k);
	p->about = bpf_map_create(BPF_MAP_TYPE_ARRAY, ABOUT, sizeof(uint32_t), sizeof(p->is), 1, NULL);
	if (p->about < 0)
		return -errno;
	r = about_write(p, k);
	return r < 0 ? r : object_pin(p, ABOUT, p->about);
}

bool pins_hand_over(struct pins *p, const struct kernel *k, struct buffer *notes)
{
	struct wipe before = { .fd = p->fd, .links_only = true, .keep = p->owner };
	uint32_t key = EPOCHS_OWNER;
	int r = 0, owns;

	/* Not before: where our programs could not be loaded, what was there goes on. */
	if (p->something && !p->adopted)
		r = set_wipe(p->fd, NULL);
	if (r >= 0 && !p->adopted)
		r = maps_pin(p, k);
	if (r >= 0)
		r = links_pin(p, k);
	/* Pinned or not: from here on these programs do the work. */
	owns = bpf_map_update_elem(bpf_map__fd(k->skel->maps.epochs), &key, &p->owner, BPF_ANY) < 0 ? -errno : 0;
	if (r >= 0)
		r = owns;
	if (r >= 0)
		r = about_pin(p, k);
	if (r < 0) {
		(void)set_wipe(p->fd, NULL);
		buffer_printf(notes, "the kernel side is not pinned (%s: %s): %s\n", p->folder, strerror(-r), UNPINNED);
		return false;
	}
	names_of(p->fd, wipe_one, &before);
	return true;
}

void pins_lost(struct pins *p, unsigned program)
{
	memset(&p->linked[program * KERNEL_TURNS], 0, KERNEL_TURNS * sizeof(p->linked[0]));
}

void pins_follow(struct pins *p, const struct kernel *k)
{
	if (links_pin(p, k) >= 0)
		(void)about_write(p, k);
}

void pins_used(struct pins *p)
{
	uint32_t zero = 0, now = boot_s();

	if (p->about < 0 || now - p->is.used_s < USED_EVERY_S)
		return;
	p->is.used_s = now;
	(void)bpf_map_update_elem(p->about, &zero, &p->is, BPF_ANY);
}

// SPDX-License-Identifier: Apache-2.0
/* What can be said about a store's file and folder before SQLite touches them. */
#include "userspace/store/sqlite_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* https://www.sqlite.org/fileformat.html, 1.3 "The Database Header" */
#define HEADER_BYTES 100
#define HEADER_MAGIC "SQLite format 3"
#define HEADER_USER_VERSION 60
#define HEADER_APPLICATION_ID 68
/* SQLite's own bound on a path is 512, with "-journal" behind it. */
#define PATH_BYTES_MAX 500
#define URL_SCHEME "sqlite:"
/* Of the store that has no other name: STORE_DEFAULT_URL. */
#define SERVICE_FOLDER "/var/lib/abidrift"

int store_path_from_url(const char *url, char **ret, struct error *e)
{
	const char *path = url + strlen(URL_SCHEME);
	if (strncmp(url, URL_SCHEME, strlen(URL_SCHEME)) != 0)
		return error_set(e, EINVAL, "store %s: only sqlite:PATH is understood, for example %s", url, STORE_DEFAULT_URL);
	if (!*path)
		return error_set(e, EINVAL, "store %s: the path is missing, for example %s", url, STORE_DEFAULT_URL);

	/* Always absolute: SQLite gives names like ":memory:" and "file:" a meaning of their own. */
	char *absolute = NULL;
	if (*path == '/') {
		absolute = strdup(path);
	} else {
		char *here = getcwd(NULL, 0);
		if (!here)
			return error_set(e, errno, "store %s: the working directory cannot be named: %s", url, strerror(errno));
		if (asprintf(&absolute, "%s/%s", strcmp(here, "/") == 0 ? "" : here, path) < 0)
			absolute = NULL;
		free(here);
	}
	if (!absolute)
		return error_set(e, ENOMEM, "store %s: out of memory", url);
	if (strlen(absolute) > PATH_BYTES_MAX) {
		free(absolute);
		return error_set(e, ENAMETOOLONG, "store: the path is longer than %d bytes: %.100s…", PATH_BYTES_MAX, path);
	}
	*ret = absolute;
	return 0;
}

/* The service's folder is open to its group: whom it is closed to has to be told of that, not to open it. */
static int folder_refuse(const char *path, const char *folder, const struct stat *st, int why, struct error *e)
{
	const struct group *group = st->st_mode & S_IXGRP && st->st_gid ? getgrgid(st->st_gid) : NULL;

	if (group)
		return error_set(e, why, "store %s: the folder %s is closed to user %u (%s); its group %s may read: usermod -aG %s USER, or name another "
				 "store with --store",
				 path, folder, (unsigned)geteuid(), strerror(why), group->gr_name, group->gr_name);
	return error_set(e, why, "store %s: the folder %s is closed to user %u (%s); open it with chmod or chgrp, or name another store with --store", path,
			 folder, (unsigned)geteuid(), strerror(why));
}

/* A folder that somebody makes by hand is theirs, and the service could not write there. */
static int folder_missing(const char *path, const char *folder, struct error *e)
{
	if (!strcmp(folder, SERVICE_FOLDER))
		return error_set(e, ENOENT, "store %s: the folder %s does not exist; start abidrift.service, or run systemd-tmpfiles --create: they give it to "
				 "user abidrift; or name another store with --store", path, folder);
	return error_set(e, ENOENT, "store %s: the folder %s does not exist; make it, or name another store with --store", path, folder);
}

static int folder_reachable(const char *path, const char *folder, struct error *e)
{
	struct stat st;
	if (stat(folder, &st) < 0) {
		if (errno == ENOENT)
			return folder_missing(path, folder, e);
		return error_set(e, errno, "store %s: the folder %s cannot be looked at: %s", path, folder, strerror(errno));
	}
	if (!S_ISDIR(st.st_mode))
		return error_set(e, ENOTDIR, "store %s: %s is not a folder", path, folder);
	if (faccessat(AT_FDCWD, folder, X_OK, AT_EACCESS) < 0)
		return folder_refuse(path, folder, &st, errno, e);
	return 0;
}

int store_path_folder(const char *path, bool for_writing, struct error *e)
{
	char folder[PATH_BYTES_MAX + 1] = "/";
	for (size_t i = 1; path[i]; i++) {
		if (path[i] != '/')
			continue;
		memcpy(folder, path, i);
		folder[i] = '\0';
		int err = folder_reachable(path, folder, e);
		if (err < 0)
			return err;
	}
	if (for_writing && faccessat(AT_FDCWD, folder, W_OK, AT_EACCESS) < 0)
		return error_set(e, errno,
				 "store %s: user %u cannot write in the folder %s (%s); change its owner or mode, or name another store "
				 "with --store",
				 path, (unsigned)geteuid(), folder, strerror(errno));
	return 0;
}

static bool beside(const char *path, const char *suffix, struct stat *ret)
{
	char name[PATH_BYTES_MAX + 16];
	snprintf(name, sizeof(name), "%s%s", path, suffix);
	return stat(name, ret) == 0;
}

bool store_path_in_use(const char *path)
{
	struct stat wal, other;
	if (beside(path, "-wal", &wal) && (wal.st_size > 0 || beside(path, "-shm", &other)))
		return true;
	return beside(path, "-journal", &other) && other.st_size > 0;
}

bool store_path_may_make_files(const char *path)
{
	struct stat st;
	if (store_path_folder(path, true, NULL) < 0 || stat(path, &st) < 0)
		return false;
	/* What root makes, SQLite hands to the owner of the database; what another user made would lock the owner out. */
	return geteuid() == 0 || geteuid() == st.st_uid;
}

int store_path_stamp(const char *path, struct store_stamp *ret)
{
	struct stat st;
	if (stat(path, &st) < 0)
		return -errno;
	*ret = (struct store_stamp){ st.st_dev, st.st_ino, st.st_size, (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec };
	return 0;
}

/*
 * Through SQLite's own file layer: closing a descriptor of ours would drop the locks that another connection of this
 * process holds on the file (POSIX locks belong to the process).
 */
static int header_read(const char *path, unsigned char header[HEADER_BYTES])
{
	sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
	sqlite3_file *file = vfs ? calloc(1, (size_t)vfs->szOsFile) : NULL;
	const char *name = sqlite3_create_filename(path, "", "", 0, NULL);
	int flags = 0;
	int rc = file && name ? vfs->xOpen(vfs, name, file, SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_DB, &flags) : SQLITE_NOMEM;
	if (rc == SQLITE_OK) {
		/* A short file leaves the rest zero. */
		rc = file->pMethods->xRead(file, header, HEADER_BYTES, 0);
		if (rc == SQLITE_IOERR_SHORT_READ)
			rc = SQLITE_OK;
	}
	if (file && file->pMethods)
		file->pMethods->xClose(file);
	sqlite3_free_filename(name);
	free(file);
	return rc == SQLITE_OK ? 0 : rc == SQLITE_NOMEM ? -ENOMEM : -EIO;
}

static uint32_t header_u32(const unsigned char *header, size_t at)
{
	return (uint32_t)header[at] << 24 | (uint32_t)header[at + 1] << 16 | (uint32_t)header[at + 2] << 8 | header[at + 3];
}

int store_format_refuse(const char *path, int64_t found, int known, struct error *e)
{
	return error_set(e, EOPNOTSUPP,
			 "store %s: its format %lld is newer than format %d, the newest that this abidrift knows; use the newer abidrift, "
			 "or name another store with --store",
			 path, (long long)found, known);
}

static int header_check(const char *path, const struct store_setup *setup, struct error *e)
{
	unsigned char header[HEADER_BYTES] = { 0 };
	int err = header_read(path, header);
	if (err < 0)
		return error_set(e, -err, "store %s: the file cannot be read: %s", path, strerror(-err));
	if (memcmp(header, HEADER_MAGIC, sizeof(HEADER_MAGIC)) != 0)
		return error_set(e, EBADMSG, "store %s: the file is not an abidrift store; name another with --store", path);
	uint32_t application = header_u32(header, HEADER_APPLICATION_ID);
	if (application != STORE_APPLICATION_ID)
		return error_set(e, EBADMSG,
				 "store %s: the file is not an abidrift store but another SQLite database (application_id 0x%08x); name "
				 "another with --store",
				 path, application);
	int32_t format = (int32_t)header_u32(header, HEADER_USER_VERSION);
	if (format > setup->format)
		return store_format_refuse(path, format, setup->format, e);
	return 1;
}

int store_path_probe(const char *path, const struct store_setup *setup, struct error *e)
{
	struct stat st;
	if (stat(path, &st) < 0) {
		if (errno == ENOENT)
			return 0;
		return error_set(e, errno, "store %s: %s", path, strerror(errno));
	}
	if (!S_ISREG(st.st_mode))
		return error_set(e, S_ISDIR(st.st_mode) ? EISDIR : EINVAL, "store %s: that is a %s, not a file", path,
				 S_ISDIR(st.st_mode) ? "folder" : "device or pipe");
	if (faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) < 0)
		return error_set(e, errno, "store %s: user %u cannot read the file (%s); run as its owner, or as a member of its group",
				 path, (unsigned)geteuid(), strerror(errno));
	if (st.st_size == 0) {
		struct stat wal;
		/* To SQLite such a pair is a new database, and it deletes the log. */
		if (beside(path, "-wal", &wal) && wal.st_size > 0)
			return error_set(e, EBADMSG,
					 "store %s: the database is damaged (it is empty, but %s-wal is not); save both files, then move "
					 "them away to start anew",
					 path, path);
		return 0;
	}
	return header_check(path, setup, e);
}

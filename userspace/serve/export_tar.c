/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/serve/export_tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>

#include "userspace/base/error.h"
#include "userspace/serve/export_files.h"

#define PATH_BYTES 256
#define MODE 0644
#define SECOND_NS 1000000000

static la_ssize_t put(struct archive *a, void *context, const void *data, size_t size)
{
	struct buffer *out = context;

	buffer_append(out, data, size);
	if (!buffer_failed(out))
		return (la_ssize_t)size;
	archive_set_error(a, ENOMEM, "out of memory");
	return -1;
}

static int file_put(struct archive *a, const char *folder, const struct export_file *file)
{
	struct archive_entry *entry = archive_entry_new();
	char path[PATH_BYTES];
	int err = entry ? ARCHIVE_OK : ARCHIVE_FATAL;

	if (err == ARCHIVE_OK) {
		snprintf(path, sizeof path, "%s/%s", folder, file->path);
		archive_entry_set_pathname(entry, path);
		archive_entry_set_filetype(entry, AE_IFREG);
		archive_entry_set_perm(entry, MODE);
		archive_entry_set_size(entry, (la_int64_t)file->body.size);
		archive_entry_set_mtime(entry, file->at / SECOND_NS, 0);
		err = archive_write_header(a, entry);
	}
	if (err == ARCHIVE_OK && file->body.size && archive_write_data(a, file->body.data, file->body.size) != (la_ssize_t)file->body.size)
		err = ARCHIVE_FATAL;
	archive_entry_free(entry);
	return err;
}

int export_tar_put(const struct export_files *files, const char *folder, struct buffer *out, struct error *e)
{
	struct archive *a = archive_write_new();
	/* Names are short ASCII, files small: nothing needs a newer form, or tables of characters that would be read from files. */
	int err = a ? archive_write_set_format_ustar(a) : ARCHIVE_FATAL;

	if (err == ARCHIVE_OK)
		err = archive_write_add_filter_zstd(a);
	/* What does not fill a block is no tape's. */
	if (err == ARCHIVE_OK)
		err = archive_write_set_bytes_in_last_block(a, 1);
	if (err == ARCHIVE_OK)
		err = archive_write_open(a, out, NULL, put, NULL);
	for (size_t i = 0; err == ARCHIVE_OK && i < files->count; i++)
		err = file_put(a, folder, &files->items[i]);
	if (err == ARCHIVE_OK)
		err = archive_write_close(a);
	if (err != ARCHIVE_OK)
		error_set(e, a && archive_errno(a) > 0 ? archive_errno(a) : ENOMEM, "cannot make the archive: %s",
			  a && archive_error_string(a) ? archive_error_string(a) : "out of memory");
	archive_write_free(a);
	return err == ARCHIVE_OK ? 0 : -EIO;
}

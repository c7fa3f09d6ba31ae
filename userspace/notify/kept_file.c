/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/notify/kept_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "userspace/base/error.h"

struct kept_file {
	char *path;
	char *text;
	size_t size;
	struct stat is; /* when it was read */
};

static void text_forget(char *text, size_t size)
{
	if (text)
		explicit_bzero(text, size);
	free(text);
}

static int text_read(int fd, size_t size, char **ret)
{
	char *text = malloc(size + 1);
	size_t done = 0;

	while (text && done < size) {
		ssize_t got = read(fd, text + done, size - done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			int err = got < 0 ? -errno : -EAGAIN; /* shorter than it was a moment ago: somebody writes it */

			text_forget(text, done);
			return err;
		}
		done += (size_t)got;
	}
	if (!text)
		return -ENOMEM;
	text[size] = 0;
	*ret = text;
	return 0;
}

/* A fifo or a device would hold up whoever reads. */
static int file_read(struct kept_file *f)
{
	int fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), err = 0;
	struct stat is;
	char *text = NULL;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &is) < 0)
		err = -errno;
	else if (!S_ISREG(is.st_mode))
		err = -EINVAL;
	else if (!is.st_size)
		err = -ENODATA;
	else if (is.st_size > KEPT_FILE_MAX)
		err = -EFBIG;
	else
		err = text_read(fd, (size_t)is.st_size, &text);
	close(fd);
	if (err < 0)
		return err;
	text_forget(f->text, f->size);
	f->text = text;
	f->size = (size_t)is.st_size;
	f->is = is;
	return 0;
}

int kept_file_load(const char *path, struct kept_file **ret, struct error *e)
{
	struct kept_file *f = calloc(1, sizeof *f);
	int err = -ENOMEM;

	if (f && (f->path = strdup(path)))
		err = file_read(f);
	if (err < 0) {
		kept_file_free(f);
		return error_set(e, -err, "cannot read %s: %s", path,
				 err == -ENODATA ? "it is empty" : err == -EINVAL ? "it is no regular file" : strerror(-err));
	}
	*ret = f;
	return 0;
}

static bool changed(const struct kept_file *f)
{
	struct stat is;

	return stat(f->path, &is) == 0 && (is.st_ino != f->is.st_ino || is.st_dev != f->is.st_dev || is.st_size != f->is.st_size ||
					   is.st_mtim.tv_sec != f->is.st_mtim.tv_sec || is.st_mtim.tv_nsec != f->is.st_mtim.tv_nsec);
}

const char *kept_file_text(struct kept_file *f, size_t *ret_size, bool *ret_new)
{
	bool is_new = changed(f) && file_read(f) >= 0;

	if (ret_new)
		*ret_new = is_new;
	if (ret_size)
		*ret_size = f->size;
	return f->text;
}

void kept_file_free(struct kept_file *f)
{
	if (!f)
		return;
	text_forget(f->text, f->size);
	free(f->path);
	free(f);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/serve/export_files.h"

#include <stdlib.h>
#include <string.h>

#include "userspace/base/visible_json.h"
#include "userspace/serve/json.h"

#define ROOM_FIRST 64

void export_files_release(struct export_files *f)
{
	for (size_t i = 0; i < f->count; i++) {
		free(f->items[i].path);
		buffer_release(&f->items[i].body);
	}
	free(f->items);
	json_decref(f->left_out);
	*f = (struct export_files)EXPORT_FILES_INIT;
}

void export_files_lack(struct export_files *f, const char *what, const char *why)
{
	if (!f->left_out)
		f->left_out = json_array();
	if (json_array_append_new(f->left_out, json_pack("{s:o, s:o}", "what", json_text(what), "why", json_text(why))) < 0)
		f->failed = true;
}

static bool grow(struct export_files *f)
{
	size_t room = f->room ? 2 * f->room : ROOM_FIRST;
	struct export_file *items = f->count < f->room ? f->items : reallocarray(f->items, room, sizeof *items);

	if (!items)
		return false;
	f->room = f->count < f->room ? f->room : room;
	f->items = items;
	return true;
}

bool export_files_add(struct export_files *f, const char *path, const char *what, int64_t at, struct buffer *body)
{
	struct export_file *file;
	char *name = NULL;

	if (buffer_failed(body) || f->failed || !grow(f) || !(name = strdup(path))) {
		f->failed = true;
		buffer_release(body);
		return false;
	}
	if (f->bytes + f->reserved + body->size > EXPORT_BYTES_MAX) {
		f->full = true;
		export_files_lack(f, path, "all files together would be larger than an archive may be");
		buffer_release(body);
		free(name);
		return false;
	}
	file = &f->items[f->count++];
	*file = (struct export_file){ .path = name, .what = what, .at = at, .body = *body };
	*body = (struct buffer)BUFFER_INIT;
	f->bytes += file->body.size;
	digest_bytes(file->body.data, file->body.size, &file->digest);
	return true;
}

void export_json_put(const json_t *model, struct buffer *out)
{
	visible_json_put(out, model, JSON_COMPACT);
	buffer_string(out, "\n");
}

bool export_files_json(struct export_files *f, const char *path, const char *what, int64_t at, json_t *model)
{
	struct buffer text = BUFFER_INIT;

	export_json_put(model, &text);
	json_decref(model);
	return export_files_add(f, path, what, at, &text);
}

static int by_path(const void *left, const void *right)
{
	const struct export_file *a = left, *b = right;

	return strcmp(a->path, b->path);
}

void export_files_sort(struct export_files *f)
{
	if (f->count)
		qsort(f->items, f->count, sizeof *f->items, by_path);
}

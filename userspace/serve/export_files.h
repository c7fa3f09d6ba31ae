/* SPDX-License-Identifier: Apache-2.0 */
/* The files of an archive while it is put together, bounded as a whole. Paths are ours: nothing that a guest said is in them unmapped. */
#ifndef ABIDRIFT_SERVE_EXPORT_FILES_H
#define ABIDRIFT_SERVE_EXPORT_FILES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/base/buffer.h"
#include "userspace/fingerprint/fingerprint.h"

/* All files together, before they are compressed: half a second of work, for which alerts wait when HTTP asks. */
#define EXPORT_BYTES_MAX (32u << 20)

struct export_file {
	char *path;       /* below the archive's folder */
	const char *what; /* for its reader */
	int64_t at;       /* CLOCK_REALTIME ns: when what it tells of was so */
	struct buffer body;
	struct digest digest;
};

struct export_files {
	struct export_file *items;
	size_t count, room, bytes;
	size_t reserved;  /* bytes, for what is put together last */
	json_t *left_out; /* [{"what","why"}] */
	bool full;        /* something did not fit */
	bool failed;      /* out of memory */
};

#define EXPORT_FILES_INIT { 0 }

void export_files_release(struct export_files *f);
/* Takes over the body, and releases it where it does not fit; that is noted then. false: it is not there. */
bool export_files_add(struct export_files *f, const char *path, const char *what, int64_t at, struct buffer *body);
/* The same of a model, which it takes over, as the verbs print it with --json. */
bool export_files_json(struct export_files *f, const char *path, const char *what, int64_t at, json_t *model);
void export_files_lack(struct export_files *f, const char *what, const char *why);
/* By path. */
void export_files_sort(struct export_files *f);
/* Appends the model's compact text, and a newline. */
void export_json_put(const json_t *model, struct buffer *out);

#endif

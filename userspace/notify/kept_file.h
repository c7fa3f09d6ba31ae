/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file that only root may read (secrets, keys), read before rights are given up. Where it changed and can still be read it is
 * read again, so that a secret can be replaced without a restart.
 */
#ifndef ABIDRIFT_NOTIFY_KEPT_FILE_H
#define ABIDRIFT_NOTIFY_KEPT_FILE_H

#include <stdbool.h>
#include <stddef.h>

struct error;
struct kept_file;

#define KEPT_FILE_MAX (1 << 20)

/* -errno with e: it cannot be read, is empty, or larger than KEPT_FILE_MAX. */
int kept_file_load(const char *path, struct kept_file **ret, struct error *e);
/* What it holds, NUL behind it: borrowed until the next call. *ret_new (may be NULL): it was read anew. */
const char *kept_file_text(struct kept_file *f, size_t *ret_size, bool *ret_new);
/* Overwrites what it held. NULL: nothing. */
void kept_file_free(struct kept_file *f);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Files as a tar archive, compressed with zstd: the same files, the same bytes. */
#ifndef ABIDRIFT_SERVE_EXPORT_TAR_H
#define ABIDRIFT_SERVE_EXPORT_TAR_H

struct buffer;
struct error;
struct export_files;

/* Appends it. folder: where all of it lies, without a slash. -errno with e. */
int export_tar_put(const struct export_files *files, const char *folder, struct buffer *out, struct error *e);

#endif

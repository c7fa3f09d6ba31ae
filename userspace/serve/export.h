/* SPDX-License-Identifier: Apache-2.0 */
/* One guest as an archive that an incident review can be handed: what is known of it, and what that is known from. */
#ifndef ABIDRIFT_SERVE_EXPORT_H
#define ABIDRIFT_SERVE_EXPORT_H

#include <stddef.h>

#include "userspace/base/buffer.h"
#include "userspace/base/error.h"
#include "userspace/fingerprint/fingerprint.h"

struct api_rules;
struct store;

#define EXPORT_FORMAT 1
/* So many revisions; the newest ones beside the baseline, what is now, and those that drift was told of. */
#define EXPORT_REVISIONS_MAX 64
#define EXPORT_NAME_BYTES 96
/*
 * So many entries are compared, those of both sides: some two seconds. A change counts as many as it costs. Counted, not timed: the same
 * is left out wherever and however often an archive is made.
 */
#define EXPORT_COMPARED_MAX 3000000
#define EXPORT_CHANGE_COUNTS 16

struct export {
	struct buffer archive; /* tar, zstd */
	char name[EXPORT_NAME_BYTES]; /* that its file should have: letters, digits, "-", "." and "_", none of them first but a letter */
	size_t files;
	size_t lost;       /* parts that the store could not give: it is damaged */
	struct error why;  /* of the first of them; it may name the store */
	char first[EXPORT_NAME_BYTES]; /* of them, as the manifest calls it */
};

#define EXPORT_INIT { BUFFER_INIT, "", 0, 0, ERROR_INIT, "" }

/*
 * The same store and rules give the same bytes: there is no time in it but those of the store. guest: GUEST alone. -errno with e.
 * A guest without a fingerprint has its history exported. What a damaged store cannot give is left out, and counted.
 */
int api_export(struct store *s, const char *guest, const struct api_rules *rules, struct export *ret, struct error *e);
void export_release(struct export *x);

#endif

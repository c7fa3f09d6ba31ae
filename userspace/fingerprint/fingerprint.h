/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The canonical text of all entries of one guest at one time, and its digests.
 *
 *   abidrift-fingerprint 1
 *   # coverage FACET complete|witnessed|none REASON     (one per facet, every facet, in facet order)
 *   FACET KEY VALUE                                     (sorted as LC_ALL=C)
 *
 * Digest of a facet: SHA-256 of its entry lines. Of the whole: SHA-256 of the sorted lines `FACET sha256:HEX` of the complete
 * facets that have one, identity and placement left out, of pci only its complete keys.
 */
#ifndef ABIDRIFT_FINGERPRINT_FINGERPRINT_H
#define ABIDRIFT_FINGERPRINT_FINGERPRINT_H

#include <stdbool.h>
#include <stddef.h>

#include "userspace/abi/entries.h"

struct buffer;
struct error;

#define FINGERPRINT_FORMAT 1
#define DIGEST_TEXT 72 /* "sha256:" 64 hex NUL */

struct digest {
	char text[DIGEST_TEXT]; /* "" = there is none */
};

void digest_bytes(const void *data, size_t size, struct digest *ret);
/* Is text "sha256:" and 1 to 64 lower-case hex digits? */
bool digest_prefix_valid(const char *text);

/* Entries must be sorted. */
int fingerprint_write(const struct abi_entries *entries, struct buffer *out);
/* Text that anyone may have written: -EBADMSG with line number in e; a newer format is refused by name. Result is sorted. */
int fingerprint_parse(const char *text, size_t size, struct abi_entries *ret, struct error *e);
void fingerprint_facet_digest(const struct abi_entries *entries, enum facet_id facet, struct digest *ret);
void fingerprint_digest(const struct abi_entries *entries, struct digest *ret);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of a stored revision, as the present normaliser sees them: upgrading abidrift is no drift. */
#ifndef ABIDRIFT_STORE_REVISION_H
#define ABIDRIFT_STORE_REVISION_H

#include "userspace/store/store.h"

struct context;

/* From its text if this abidrift's normaliser wrote it, else derived anew from its facts. ret starts empty. -EBADMSG, -ENOMEM. */
int store_revision_entries(const struct store_revision *r, struct abi_entries *ret, struct error *e);
int store_revision_context(const struct store_revision *r, struct context *ret);

/*
 * The revision that boot number `boot` of this guest showed when it was first judged as a whole, given that it shows `revision`
 * now: back over those that were made while it ran. The same number: nothing changed in it.
 */
int store_revision_began(struct store *s, int64_t guest, uint32_t revision, uint32_t boot, uint32_t *ret);

#endif

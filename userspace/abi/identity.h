/* SPDX-License-Identifier: Apache-2.0 */
/* Who a guest is: from the VM pairs of the stream. Pure. Order of sources: docs/facets.md, identity. */
#ifndef ABIDRIFT_ABI_IDENTITY_H
#define ABIDRIFT_ABI_IDENTITY_H

#include <stdbool.h>

struct guest_facts;

struct identity {
	char *id;   /* never NULL: uuid, else name, else anon-PID-FD */
	char *uuid; /* canonical, or NULL */
	char *name; /* unescaped, at most 255 bytes; NULL */
	bool anonymous;
};

void identity_release(struct identity *i);
/* 0 or -ENOMEM. */
int identity_derive(const struct guest_facts *facts, struct identity *ret);

#endif

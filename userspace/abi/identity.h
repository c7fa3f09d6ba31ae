/* SPDX-License-Identifier: Apache-2.0 */
/* Who a guest is: from the VM pairs of the stream, and its SMBIOS tables. Pure. Order of sources: docs/facets.md, identity. */
#ifndef ABIDRIFT_ABI_IDENTITY_H
#define ABIDRIFT_ABI_IDENTITY_H

#include <stdbool.h>

struct guest_facts;

struct identity {
	char *id;   /* never NULL: uuid, else name, else anon-PID-FD */
	char *uuid; /* canonical, or NULL */
	char *name; /* unescaped, at most 255 bytes; NULL */
	bool anonymous;
	bool from_tables; /* the UUID is what the guest's own memory says, and nothing on the host */
};

void identity_release(struct identity *i);
/* From all that is known, the guest's SMBIOS tables included where they were read as a whole. 0 or -ENOMEM. */
int identity_derive(const struct guest_facts *facts, struct identity *ret);
/* As if the tables said this UUID, whatever they say; NULL: none. 0 or -ENOMEM. */
int identity_derive_as(const struct guest_facts *facts, const char *table_uuid, struct identity *ret);

#endif

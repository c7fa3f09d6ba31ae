/* SPDX-License-Identifier: Apache-2.0 */
/* The changes of a diff (JSON) as rows of a page: facet, what of it, lost or gained or changed, and from what to what. */
#ifndef ABIDRIFT_DRIFT_ROWS_H
#define ABIDRIFT_DRIFT_ROWS_H

#include <jansson.h>

#include "userspace/drift/drift.h"

struct page;

#define ROWS_MARGIN 2
#define ROWS_MARK "!"

/* changes: in the order of groups. Rows that are at least `marked` bad have a mark before them; SEVERITY_NONE: none. -ENOMEM. */
int rows_put(struct page *page, const json_t *changes, enum severity marked);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Which option of a VMM names a file as firmware, and which only as a disk's. Hostile text. Private to this folder and its tests. */
#ifndef ABIDRIFT_DRIFT_IMAGE_H
#define ABIDRIFT_DRIFT_IMAGE_H

#include <stdbool.h>

struct context;

/* Does the factor's value name a file called `name` as firmware? `side` is the context that it is of; NULL: not known. */
bool image_is_firmware(const struct context *side, const char *factor, const char *value, const char *name);

#endif

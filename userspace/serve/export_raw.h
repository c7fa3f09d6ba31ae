/* SPDX-License-Identifier: Apache-2.0 */
/* What was read of a guest, in the forms that others' tools read: cpuid -f, iasl -d, dmidecode --from-dump. */
#ifndef ABIDRIFT_SERVE_EXPORT_RAW_H
#define ABIDRIFT_SERVE_EXPORT_RAW_H

#include <stdint.h>

struct export_files;
struct guest_facts;

/* folder ends in a slash; at: of the files. */
void export_raw_add(struct export_files *files, const struct guest_facts *facts, const char *folder, int64_t at);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What moves by itself in a table's body: where firmware allocated memory, and state. Private to this folder. */
#ifndef ABIDRIFT_ABI_ACPI_BLANK_H
#define ABIDRIFT_ABI_ACPI_BLANK_H

#include <stddef.h>
#include <stdint.h>

struct acpi_table;

/* Blanks it in `body`, a copy of all that lies behind the header of `table`. An address becomes 1, so that none (0) stays none. */
void acpi_blank(const struct acpi_table *table, uint8_t *body, size_t bytes);

#endif

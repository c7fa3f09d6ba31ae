/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ABIDRIFT_COMMANDS_PERSON_H
#define ABIDRIFT_COMMANDS_PERSON_H

#include <stddef.h>

/* Who is answerable: the person before sudo, not root. room: for a user without a name. */
const char *person(char *room, size_t size);

#endif

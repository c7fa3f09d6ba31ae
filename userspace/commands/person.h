/* SPDX-License-Identifier: Apache-2.0 */
/* Who it is that decides: the human, also behind sudo. */
#ifndef ABIDRIFT_COMMANDS_PERSON_H
#define ABIDRIFT_COMMANDS_PERSON_H

#include <stddef.h>

struct error;

#define PERSON_BYTES 160

/*
 * The account behind sudo (SUDO_USER), else one's own. Root can say there whatever it likes; who logged in is the kernel's to say
 * (/proc/self/loginuid) and goes through sudo and su: where that is another account, both are named, "bob (logged in as ann)". In *room*.
 * An account without a name is its number. -errno with e where it cannot be looked up: a decision is not kept under half a name.
 */
int person(char *room, size_t size, struct error *e);

#endif

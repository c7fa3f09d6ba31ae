/* SPDX-License-Identifier: Apache-2.0 */
/* A private folder for a store that nobody keeps; it goes with the process, also when a signal ends it. One per process. */
#ifndef ABIDRIFT_COMMANDS_SCRATCH_H
#define ABIDRIFT_COMMANDS_SCRATCH_H

struct error;

/* *ret_url: of a store in there; free() it. */
int scratch_make(char **ret_url, struct error *e);
void scratch_remove(void);

#endif

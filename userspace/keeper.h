/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the store for the messenger, who works with the network and therefore may not: of what forward.h lists, and only if
 * it is what a messenger says. It knows nothing else of the world than its store and the socket on which it is asked.
 */
#ifndef ABIDRIFT_KEEPER_H
#define ABIDRIFT_KEEPER_H

struct error;
struct store;

/*
 * Answers what is asked on fd (a stream socket; made non-blocking) until the other side hangs up. sinks: names of those that have a queue, NULL-terminated.
 * s NULL: the store could not be opened, and e says why; that is the answer. -errno with e: the other side is not what it should be.
 */
int keeper_run(struct store *s, int fd, const char *const *sinks, struct error *e);

#endif

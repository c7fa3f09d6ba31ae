/* SPDX-License-Identifier: Apache-2.0 */
/* The addresses of a host's name without blocking an sd-event loop: the system's own look-up, in a thread. */
#ifndef ABIDRIFT_NOTIFY_LOOKUP_H
#define ABIDRIFT_NOTIFY_LOOKUP_H

#include <systemd/sd-event.h>

struct addrinfo;
struct lookup;

/*
 * done is called once, from the loop, never from within this call; err is of getaddrinfo, list is the receiver's to free
 * (freeaddrinfo). -errno: no thread, no memory.
 */
int lookup_begin(sd_event *loop, const char *host, const char *port, void (*done)(void *context, int err, struct addrinfo *list), void *context,
		 struct lookup **ret);
/* done is not called. The thread ends by itself some time. NULL: nothing. */
void lookup_cancel(struct lookup *l);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* One guest as `ls` lists it. */
#ifndef ABIDRIFT_SERVE_GUEST_H
#define ABIDRIFT_SERVE_GUEST_H

#include <jansson.h>

struct error;
struct store;
struct store_guest;
struct store_instance;

/* instance NULL: never seen to run. -errno with e. */
int guest_json(struct store *s, const struct store_guest *guest, const struct store_instance *instance, json_t **ret, struct error *e);

/* What the next boot of the guest that runs here meets that it has not met yet: [{"code","reason"}], as in `ls`. NULL: out of memory. */
json_t *guest_next_boot(const struct store_instance *instance);

#endif

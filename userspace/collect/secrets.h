/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes secrets out of a VMM's command line before it goes anywhere. Pure. When in doubt a value goes: what is lost is a
 * detail of the context, what stays is in every trace file. Names of secret objects ("password-secret=sec0") stay.
 */
#ifndef ABIDRIFT_COLLECT_SECRETS_H
#define ABIDRIFT_COLLECT_SECRETS_H

struct buffer;

#define SECRETS_REMOVED "<removed>"

/* Appends `argument` without its secrets. `previous` is the argument before it (as it was), NULL for the first. */
void secrets_clean(const char *previous, const char *argument, struct buffer *out);

#endif

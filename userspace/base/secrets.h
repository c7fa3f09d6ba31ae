/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes secrets out of a VMM's command line, and out of strings that it gives its guest, before they go anywhere. Pure. When in doubt a value goes: what is lost is a
 * detail of the context, what stays is in every trace file. Names of secret objects ("password-secret=sec0") stay.
 */
#ifndef ABIDRIFT_BASE_SECRETS_H
#define ABIDRIFT_BASE_SECRETS_H

struct buffer;

#define SECRETS_REMOVED "<removed>"

/*
 * Appends `argument` without its secrets. `previous` is the argument before it (as it was), NULL for the first. Time and result are
 * bounded by the argument's length: at most three times as long, and a few passes over it.
 */
void secrets_clean(const char *previous, const char *argument, struct buffer *out);
/* The same for a text that stands alone: a string of SMBIOS. Cleaning twice changes nothing more; what does not come to rest goes as a whole. */
void secrets_clean_text(const char *text, struct buffer *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that a person copies into a shell: they do what they say, whatever a guest is called. */
#ifndef ABIDRIFT_DRIFT_ADVICE_H
#define ABIDRIFT_DRIFT_ADVICE_H

#include <stdbool.h>

struct buffer;

/* How a command of accept ends: the person says why. */
#define ADVICE_REASON " --reason \"\xe2\x80\xa6\""

/* For printf: a change set's id, which the store made. */
#define ADVICE_ACCEPT_SET "abidrift accept --change-set %s" ADVICE_REASON

/* Is it one word to every shell as it stands there, no option, and nothing that abidrift reads as more than a name ("sha256:…")? */
bool advice_is_plain(const char *text);
/*
 * Any text as one word of any shell: 'a b', and "$(printf 'a\033b')" where it holds what a terminal does not show. $'...' is not
 * known to all of them, and to those it is a quote that ends elsewhere. false: it cannot be said so (it ends in a line end).
 */
bool advice_word(const char *text, struct buffer *out);

#endif

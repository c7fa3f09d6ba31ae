/* SPDX-License-Identifier: Apache-2.0 */
/* What is to blame, and what changed, as a person would say it. All of it is escaped for a terminal. */
#ifndef ABIDRIFT_DRIFT_WORDS_H
#define ABIDRIFT_DRIFT_WORDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct blame;
struct buffer;

#define WORDS_PLENTY 40
#define WORDS_RUNNING "while the guest ran:"
#define WORDS_VALUE 60 /* columns of one value, where a whole page is for it */

/* A text escaped, and cut with an ellipsis to so many columns. */
void words_cut(const char *text, size_t columns, struct buffer *out);
/* The same of a text that is escaped already. */
void words_bound(const char *line, size_t columns, struct buffer *out);
/*
 * "QEMU 5.2.0 → 7.2.22 under pc-q35-5.2", "-cpu EPYC → EPYC,-cx16"; diff gives "vmm" and "machine". `value`: columns of one value;
 * the machine is named only where these are plenty.
 */
void words_blame(const json_t *diff, const struct blame *blame, size_t value, struct buffer *out);
/*
 * The same as what follows "since": "the kernel went from 6.1.0-18 to 6.12.9", "-device e1000 was added", "there is another build of QEMU".
 * Of several values of the factor the first, and how many more. Nothing where nothing is to blame.
 */
void words_since(const json_t *diff, const struct blame *blame, size_t value, struct buffer *out);
/* The words that head a part of the changes, of any blame: "while the guest ran: QEMU 5.2.0 → 7.2.22 under pc-q35-5.2". */
void words_heading(const json_t *diff, const struct blame *blame, struct buffer *out);
/* What else there is to say of a part; NULL: nothing. */
const char *words_note(const struct blame *blame);
/* What else may have done it: "kernel 6.1.0-18 → 6.1.0-21, microcode 0x1 → 0x2"; nothing where there is nothing else. */
void words_besides(const json_t *diff, const struct blame *blame, size_t value, struct buffer *out);

/* Does this factor come along with one that is blamed, as a build id does with a version? Then it is told by that. */
bool words_follows(const struct blame *blame, const char *factor);

/* "QEMU" of "qemu"; "VMM" of what has no name. */
const char *words_vmm(const char *kind);
/* "7.2.22" of "7.2.22 (Debian 1:7.2+dfsg-7)"; with the package where the other one (NULL: none) is the same version of another. */
void words_version(const char *version, const char *other, struct buffer *out);
/* "ACPI", "CPUID", …: how a facet is called in a sentence. */
const char *words_facet(const char *facet);
/* What a change of a value is about: "FADT OEM table id", "BIOS version"; the key where nobody has a better name for it. */
void words_subject(const char *facet, const char *key, struct buffer *out);
/* The part that like changes of several tables, structures or functions share, and how these are called: "OEM table ids", "tables". */
bool words_shared(const char *facet, const char *key, struct buffer *name, const char **ret_unit);
/*
 * A number of a register's field, in hex where it is a leaf or a whole register: these read better as they are written elsewhere. "none"
 * of nothing; `room` holds the text where it is not `value` itself.
 */
#define WORDS_NUMBER 32
const char *words_number(const char *value, char room[WORDS_NUMBER]);
/* "1 → 3"; of values with several words only those that differ; nothing for digests, which tell a person nothing. */
void words_values(const char *from, const char *to, size_t columns, struct buffer *out);

#endif

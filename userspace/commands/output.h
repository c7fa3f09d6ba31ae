/* SPDX-License-Identifier: Apache-2.0 */
/* What verbs print, and the exit codes that they promise. Results go to standard output, everything else to standard error. */
#ifndef ABIDRIFT_COMMANDS_OUTPUT_H
#define ABIDRIFT_COMMANDS_OUTPUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "userspace/serve/member.h"

struct buffer;
struct options;

enum exit_code { EXIT_SAME = 0, EXIT_DRIFT = 1, EXIT_FAILED = 2, EXIT_UNKNOWN = 3 };

/* One line on standard error, `abidrift: …`, with --json {"error":"…"}. Returns EXIT_FAILED. */
int output_error(const struct options *o, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* What begins a line on standard error that the journal takes: its priority, as of syslog (sd-daemon(3)); "" elsewhere. */
enum { PRIORITY_ERROR = 3, PRIORITY_WARNING = 4, PRIORITY_NOTE = 6 };
const char *output_priority(int priority);
/* One human line of a failure that is got over. */
void output_warning(const struct options *o, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* One human line on standard error unless -q. */
void output_note(const struct options *o, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Takes over the model (NULL: out of memory). 0 or EXIT_FAILED, said. */
int output_json(const struct options *o, json_t *model);
int output_text(const struct options *o, const struct buffer *text);
/* May SGR sequences go to standard output? */
bool output_color(const struct options *o);

/* As in every text that is made of the model. */
static inline void output_member(struct buffer *out, const json_t *object, const char *key) { member_put(out, object, key); }
static inline const char *output_string(const json_t *object, const char *key) { return member_string(object, key); }

#endif

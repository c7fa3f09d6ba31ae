/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line: one table of options for all verbs; each verb's row says which it takes. Options and arguments may be
 * mixed, `--` ends options, long options take `--opt value` and `--opt=value`, short ones may be bundled.
 */
#ifndef ABIDRIFT_COMMANDS_OPTIONS_H
#define ABIDRIFT_COMMANDS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

struct buffer;
struct error;

/* Bits of verb.takes, beside what every verb takes. */
enum option_bit {
	OPTION_CONFIG = 1 << 0,
	OPTION_SET = 1 << 1,
	OPTION_LISTEN = 1 << 2,
	OPTION_PRINT_CONFIG = 1 << 3,
	OPTION_FACET = 1 << 4,
	OPTION_FINGERPRINT = 1 << 5,
	OPTION_MIN_SEVERITY = 1 << 6,
	OPTION_SINCE = 1 << 7,
	OPTION_CHANGE_SET = 1 << 8,
	OPTION_REASON = 1 << 9,
	OPTION_EXPIRES = 1 << 10,
	OPTION_UNDO = 1 << 11,
	OPTION_OUTPUT = 1 << 12,
	OPTION_FOR = 1 << 13,
	OPTION_GUEST = 1 << 14,
	OPTION_OLDER = 1 << 15,
	OPTION_VACUUM = 1 << 16,
	OPTION_PART = 1 << 19,
	OPTION_END = 1 << 20,
	OPTION_CHECK = 1 << 21,
	OPTION_COMMON = 1 << 30,
};

struct options {
	/* NULL = not given */
	const char *store, *config, *listen, *facet, *min_severity, *since, *change_set, *reason, *expires, *output, *duration, *guest, *older, *part;
	const char *color; /* auto always never; NULL = auto */
	const char **sets; /* --set, in order */
	size_t set_count;
	bool json, quiet, verbose, help, print_config, check, fingerprint, undo, end, vacuum;
	const char **arguments; /* what is no option, in order */
	size_t argument_count;
};

#define OPTIONS_INIT { 0 }

struct verb {
	const char *name;
	const char *help;     /* one line */
	const char *synopsis; /* what follows `abidrift NAME` in usage; its own options, not those of every verb */
	unsigned takes;       /* enum option_bit */
	size_t arguments_min, arguments_max;
	int (*run)(const struct options *o); /* the exit code */
};

/* Of argv after the verb. -EINVAL with e; *ret then has json set if the line asked for it anywhere. Strings are borrowed from argv. */
int options_parse(const struct verb *verb, int argc, const char *const *argv, struct options *ret, struct error *e);
void options_release(struct options *o);
/* `abidrift VERB -h`: usage, what it does, its options. */
void options_help(const struct verb *verb, struct buffer *out);

#endif

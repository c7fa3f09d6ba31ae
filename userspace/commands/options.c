/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/commands/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/buffer.h"
#include "userspace/base/error.h"

enum option_kind { KIND_FLAG, KIND_TEXT, KIND_LIST, KIND_COLOR };

static const struct option_row {
	const char *name;
	char letter; /* 0 = none */
	enum option_kind kind;
	unsigned bit;
	size_t offset; /* of the field in struct options */
	const char *argument;
	const char *help;
} rows[] = {
#define FIELD(name) offsetof(struct options, name)
	{ "config", 0, KIND_TEXT, OPTION_CONFIG, FIELD(config), "FILE",
	  "read this file (and FILE.d/*.conf) instead of /etc/abidrift/abidrift.conf" },
	{ "set", 0, KIND_LIST, OPTION_SET, FIELD(sets), "SECTION.KEY=VALUE", "a setting over the configuration; may be repeated" },
	{ "print-config", 0, KIND_FLAG, OPTION_PRINT_CONFIG, FIELD(print_config), NULL,
	  "print all settings with their defaults and meaning, and end" },
	{ "check", 0, KIND_FLAG, OPTION_CHECK, FIELD(check), NULL, "only try the settings, and the files that they name; exit 0 or 2" },
	{ "listen", 0, KIND_TEXT, OPTION_LISTEN, FIELD(listen), "ADDR", "where to serve HTTP, or none" },
	{ "part", 0, KIND_TEXT, OPTION_PART, FIELD(part), "PART",
	  "only collector, or analyst (with the messenger): as the two services do" },
	{ "facet", 0, KIND_TEXT, OPTION_FACET, FIELD(facet), "F", "only this facet" },
	{ "fingerprint", 0, KIND_FLAG, OPTION_FINGERPRINT, FIELD(fingerprint), NULL,
	  "print the fingerprint text itself, to keep or to compare later" },
	{ "min-severity", 0, KIND_TEXT, OPTION_MIN_SEVERITY, FIELD(min_severity), "S",
	  "only changes of at least info, warning or critical" },
	{ "since", 0, KIND_TEXT, OPTION_SINCE, FIELD(since), "TIME", "only from this time on: 2026-01-31, 2026-01-31T12:00:00Z, 2h (so long ago) or last-host-change" },
	{ "change-set", 0, KIND_TEXT, OPTION_CHANGE_SET, FIELD(change_set), "ID",
	  "all guests whose drift is of this change set (its first digits)" },
	{ "reason", 0, KIND_TEXT, OPTION_REASON, FIELD(reason), "TEXT", "why, kept with it" },
	{ "expires", 0, KIND_TEXT, OPTION_EXPIRES, FIELD(expires), "DATE", "until when this holds: 2026-01-31 or 2026-01-31T12:00:00Z" },
	{ "undo", 0, KIND_FLAG, OPTION_UNDO, FIELD(undo), NULL, "go back to the baseline before" },
	{ "end", 0, KIND_FLAG, OPTION_END, FIELD(end), NULL, "end it now" },
	{ "output", 'o', KIND_TEXT, OPTION_OUTPUT, FIELD(output), "FILE", "the file to write" },
	{ "for", 0, KIND_TEXT, OPTION_FOR, FIELD(duration), "DURATION", "end after so long: 500ms, 30s, 5m, 1h" },
	{ "guest", 0, KIND_TEXT, OPTION_GUEST, FIELD(guest), "GUEST", "only this guest: its exact UUID, name or id" },
	{ "older", 0, KIND_TEXT, OPTION_OLDER, FIELD(older), "DURATION", "history older than this, instead of store.keep: 90d, 12h" },
	{ "vacuum", 0, KIND_FLAG, OPTION_VACUUM, FIELD(vacuum), NULL, "then make the file as small as what is left; others have to wait for it" },
	{ "store", 0, KIND_TEXT, OPTION_COMMON, FIELD(store), "URL",
	  "sqlite:PATH (else ABIDRIFT_STORE, else store.url of the configuration)" },
	{ "json", 0, KIND_FLAG, OPTION_COMMON, FIELD(json), NULL, "print JSON; errors too" },
	{ "color", 0, KIND_COLOR, OPTION_COMMON, FIELD(color), "WHEN", "auto, always or never" },
	{ "quiet", 'q', KIND_FLAG, OPTION_COMMON, FIELD(quiet), NULL, "say less" },
	{ "verbose", 'v', KIND_FLAG, OPTION_COMMON, FIELD(verbose), NULL, "say more" },
	{ "help", 'h', KIND_FLAG, OPTION_COMMON, FIELD(help), NULL, "this text" },
#undef FIELD
};
#define ROWS (sizeof rows / sizeof *rows)

static const struct option_row *row_by_name(const struct verb *verb, const char *name, size_t length)
{
	for (size_t i = 0; i < ROWS; i++)
		if (rows[i].bit & (verb->takes | OPTION_COMMON) && strlen(rows[i].name) == length && !memcmp(rows[i].name, name, length))
			return &rows[i];
	return NULL;
}

static const struct option_row *row_by_letter(const struct verb *verb, char letter)
{
	for (size_t i = 0; i < ROWS; i++)
		if (rows[i].bit & (verb->takes | OPTION_COMMON) && rows[i].letter && rows[i].letter == letter)
			return &rows[i];
	return NULL;
}

static int list_add(const char ***list, size_t *count, const char *text, struct error *e)
{
	const char **larger = realloc(*list, (*count + 1) * sizeof *larger);

	if (!larger)
		return error_set(e, ENOMEM, "out of memory");
	larger[(*count)++] = text;
	*list = larger;
	return 0;
}

static int option_store(const struct option_row *row, const char *value, struct options *o, struct error *e)
{
	char *field = (char *)o + row->offset;

	if (row->kind == KIND_FLAG) {
		*(bool *)field = true;
		return 0;
	}
	if (!value)
		return error_set(e, EINVAL, "--%s needs a value (%s)", row->name, row->argument);
	switch (row->kind) {
	case KIND_FLAG:
		break;
	case KIND_COLOR:
		if (strcmp(value, "auto") && strcmp(value, "always") && strcmp(value, "never"))
			return error_set(e, EINVAL, "--color %.60s: has to be auto, always or never", value);
		*(const char **)field = value;
		return 0;
	case KIND_TEXT:
		if (!*value)
			return error_set(e, EINVAL, "--%s needs a value (%s)", row->name, row->argument);
		*(const char **)field = value;
		return 0;
	case KIND_LIST:
		return list_add(&o->sets, &o->set_count, value, e);
	}
	return 0;
}

/* Where the parser stands: argv[at]. */
struct line {
	const struct verb *verb;
	int argc;
	const char *const *argv;
	int at;
};

static int unknown(const struct line *l, const char *option, struct error *e)
{
	return error_set(e, EINVAL, "%s: there is no option %.60s (see abidrift %s -h)", l->verb->name, option, l->verb->name);
}

static int parse_long(struct line *l, struct options *o, struct error *e)
{
	const char *word = l->argv[l->at], *name = word + 2, *value = strchr(name, '=');
	size_t length = value ? (size_t)(value - name) : strlen(name);
	const struct option_row *row = row_by_name(l->verb, name, length);

	if (!row)
		return unknown(l, word, e);
	if (row->kind == KIND_FLAG && value)
		return error_set(e, EINVAL, "--%s takes no value", row->name);
	if (row->kind != KIND_FLAG && !value && l->at + 1 >= l->argc)
		return error_set(e, EINVAL, "--%s needs a value (%s)", row->name, row->argument);
	if (row->kind != KIND_FLAG)
		value = value ? value + 1 : l->argv[++l->at];
	return option_store(row, value, o, e);
}

static int parse_short(struct line *l, struct options *o, struct error *e)
{
	for (const char *letter = l->argv[l->at] + 1; *letter; letter++) {
		const struct option_row *row = row_by_letter(l->verb, *letter);
		int err;

		if (!row)
			return unknown(l, l->argv[l->at], e);
		if (row->kind == KIND_FLAG) {
			err = option_store(row, NULL, o, e);
			if (err < 0)
				return err;
			continue;
		}
		if (letter[1])
			return option_store(row, letter + 1, o, e);
		if (l->at + 1 >= l->argc)
			return error_set(e, EINVAL, "-%c needs a value (%s)", row->letter, row->argument);
		return option_store(row, l->argv[++l->at], o, e);
	}
	return 0;
}

/* An error has the form that the line asks for, even if it is found before the parser gets to --json. */
static bool wants_json(int argc, const char *const *argv)
{
	for (int i = 0; i < argc && strcmp(argv[i], "--"); i++)
		if (!strcmp(argv[i], "--json"))
			return true;
	return false;
}

static int arguments_check(const struct verb *verb, const struct options *o, struct error *e)
{
	if (o->help)
		return 0;
	if (o->argument_count < verb->arguments_min)
		return error_set(e, EINVAL, "usage: abidrift %s %s", verb->name, verb->synopsis);
	if (o->argument_count > verb->arguments_max)
		return error_set(e, EINVAL, "%s: there is nothing to do with \"%.120s\" (usage: abidrift %s%s%s)", verb->name,
				 o->arguments[verb->arguments_max], verb->name, *verb->synopsis ? " " : "", verb->synopsis);
	return 0;
}

int options_parse(const struct verb *verb, int argc, const char *const *argv, struct options *ret, struct error *e)
{
	struct line line = { .verb = verb, .argc = argc, .argv = argv };
	bool only_arguments = false;
	int err = 0;

	*ret = (struct options)OPTIONS_INIT;
	for (; line.at < argc && err >= 0; line.at++) {
		const char *word = argv[line.at];

		if (only_arguments || word[0] != '-' || !word[1])
			err = list_add(&ret->arguments, &ret->argument_count, word, e);
		else if (!strcmp(word, "--"))
			only_arguments = true;
		else if (word[1] == '-')
			err = parse_long(&line, ret, e);
		else
			err = parse_short(&line, ret, e);
	}
	if (err >= 0)
		err = arguments_check(verb, ret, e);
	if (err < 0)
		ret->json = wants_json(argc, argv);
	return err;
}

void options_release(struct options *o)
{
	free(o->sets);
	free(o->arguments);
	*o = (struct options)OPTIONS_INIT;
}

static void help_rows(unsigned takes, struct buffer *out)
{
	for (size_t i = 0; i < ROWS; i++) {
		char left[64], letter[5] = "    ";

		if (!(rows[i].bit & takes))
			continue;
		if (rows[i].letter)
			snprintf(letter, sizeof letter, "-%c, ", rows[i].letter);
		snprintf(left, sizeof left, "--%s%s%s", rows[i].name, rows[i].argument ? " " : "",
			 rows[i].argument ? rows[i].argument : "");
		buffer_printf(out, "  %s%-26s %s\n", letter, left, rows[i].help);
	}
}

void options_help(const struct verb *verb, struct buffer *out)
{
	buffer_printf(out, "Usage: abidrift %s%s%s\n\n%s\n", verb->name, *verb->synopsis ? " " : "", verb->synopsis, verb->help);
	if (verb->takes) {
		buffer_string(out, "\nOptions:\n");
		help_rows(verb->takes, out);
	}
	buffer_string(out, "\nOptions of every verb:\n");
	help_rows(OPTION_COMMON, out);
}

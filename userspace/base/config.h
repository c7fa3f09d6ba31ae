/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The settings of abidrift: one table of keys, each with its default, its meaning and what it may be. Read from INI files
 * (`[monitor]`, `settle = 10s`), /etc/abidrift/abidrift.conf and then the files of abidrift.conf.d/ in the order of their
 * names; later ones win. What is not in the table is an error with file and line.
 *
 * Beside the table there are rules, sections with a name of their own: `[suppress NAME]`. Their keys are kept as they stand, with the
 * place where each was said; what they mean is their reader's to check (drift/suppress.h).
 */
#ifndef ABIDRIFT_BASE_CONFIG_H
#define ABIDRIFT_BASE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer;
struct config;
struct error;

#define CONFIG_FILE "/etc/abidrift/abidrift.conf"

/* All keys at their defaults. NULL: out of memory. */
struct config *config_new(void);
void config_free(struct config *c);
/* Who needs no sink's password has none: of URLs with one, only what people are shown of it is left. Reading leaves no copies. */
void config_forget_secrets(struct config *c);
/* path NULL: CONFIG_FILE, which need not exist. Else that file, which must. Then every *.conf of the folder PATH.d, if there is one. */
int config_load(struct config *c, const char *path, struct error *e);
/* One file only. */
int config_read(struct config *c, const char *path, struct error *e);
/* "SECTION.KEY=VALUE", as `--set` takes it; of a rule "suppress.NAME.KEY=VALUE". */
int config_assign(struct config *c, const char *assignment, struct error *e);

/* key is "SECTION.KEY" of the table. Borrowed until the next change. */
const char *config_get(const struct config *c, const char *key);
/* Was it set by a file or an assignment? */
bool config_is_set(const struct config *c, const char *key);
/* Of a key that is a duration; of one that is a number or "auto" (0). */
uint64_t config_ns(const struct config *c, const char *key);
uint64_t config_number(const struct config *c, const char *key);

/* Every pair of these begins so, in config_pairs and in `--set`. */
#define CONFIG_RULE_PREFIX "suppress."

/* A line of a rule. Rules stand in the order in which they were first named, keys of a rule in theirs. */
struct config_rule {
	char *pair;  /* "suppress.NAME.KEY"; "suppress.NAME" for the line that opens a rule, which has no key and no value */
	char *name;
	char *key;   /* NULL: it opens the rule */
	char *value; /* NULL with key */
	char *place; /* "FILE:LINE", "--set" */
};
/* Borrowed until the next change. */
const struct config_rule *config_rules(const struct config *c, size_t *ret_count);

/* All keys with their values, defaults and meaning, then the rules, as a file that config_read accepts. Of user:password@ in URLs *** is left. */
void config_print(const struct config *c, struct buffer *out);
/* As people are shown them: "key", "value", …, NULL, rules behind the rest: borrowed until the next change; free() the list. NULL: out of memory. */
const char **config_pairs(const struct config *c);
/* Those that the stream and a trace carry. */
const char **config_stream_pairs(const struct config *c);

#endif

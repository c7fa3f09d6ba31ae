/* SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <langinfo.h>
#include <locale.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/buffer.h"
#include "userspace/base/error.h"
#include "userspace/base/memory.h"
#include "userspace/commands/options.h"
#include "userspace/commands/output.h"
#include "userspace/commands/verbs.h"
#include "userspace/store/store.h"

/* ABIDRIFT_ALONE: the program that needs nothing on its host, and leaves out what needs a service's libraries. */
static const struct verb verbs[] = {
#ifndef ABIDRIFT_ALONE
	{ "run", "watch every guest of this host, in the foreground",
	  "[--config FILE] [--store URL] [--listen ADDR] [--set SECTION.KEY=VALUE] [--part PART]",
	  OPTION_CONFIG | OPTION_SET | OPTION_LISTEN | OPTION_PRINT_CONFIG | OPTION_CHECK | OPTION_PART, 0, 0, verb_run },
#endif
	{ "doctor", "what can be seen on this host, facet by facet, and how to get the rest", "", OPTION_CONFIG | OPTION_SET, 0, 0, verb_doctor },
	{ "ls", "list guests and their state", "", OPTION_CONFIG, 0, 0, verb_ls },
	{ "show", "a fingerprint, decoded", "GUEST[@REV] [--facet F] [--fingerprint]", OPTION_CONFIG | OPTION_FACET | OPTION_FINGERPRINT, 1,
	  1, verb_show },
	{ "diff", "compare two fingerprints; of one guest: its baseline with what is now", "A [B] [--min-severity S]",
	  OPTION_CONFIG | OPTION_MIN_SEVERITY, 1, 2, verb_diff },
	{ "history", "boots, fingerprints, drift, accepts and host changes, in the order of time", "[GUEST] [--since TIME]",
	  OPTION_CONFIG | OPTION_SINCE, 0, 1, verb_history },
	{ "accept", "make what is now the baseline", "GUEST|--change-set ID [--reason TEXT] [--expires DATE] | --undo",
	  OPTION_CONFIG | OPTION_CHANGE_SET | OPTION_REASON | OPTION_EXPIRES | OPTION_UNDO, 0, 1, verb_accept },
	{ "maintenance", "a window in which alerts of drift wait, to be summed up in one at its end", "[--for DURATION [--reason TEXT] | --end]",
	  OPTION_CONFIG | OPTION_FOR | OPTION_REASON | OPTION_END, 0, 0, verb_maintenance },
#ifndef ABIDRIFT_ALONE
	{ "alert", "alerts that were raised, and what became of each at every sink; or one alert of the type test through them",
	  "list [GUEST] [--since TIME] | test [SINK] [--config FILE] [--set SECTION.KEY=VALUE]", OPTION_CONFIG | OPTION_SET | OPTION_SINCE, 1, 2, verb_alert },
#endif
	{ "record", "the observation stream into a trace file", "-o FILE [--for DURATION] [--guest GUEST]",
	  OPTION_CONFIG | OPTION_SET | OPTION_OUTPUT | OPTION_FOR | OPTION_GUEST, 0, 0, verb_record },
	{ "replay", "a trace file through the analyst: the same results as live, without root and without KVM",
	  "FILE [--store URL] [--min-severity S] [--set SECTION.KEY=VALUE]", OPTION_CONFIG | OPTION_SET | OPTION_MIN_SEVERITY, 1, 1,
	  verb_replay },
	{ "store", "look whether the store is whole; copy it while it is in use; forget old history",
	  "check | backup FILE | prune [--older DURATION] [--vacuum]", OPTION_CONFIG | OPTION_SET | OPTION_OLDER | OPTION_VACUUM, 1, 2, verb_store },
#ifndef ABIDRIFT_ALONE
	{ "export", "everything that an incident review needs, in one archive", "GUEST -o FILE", OPTION_CONFIG | OPTION_OUTPUT, 1, 1, verb_export },
	{ "serve", "the read-only HTTP of run, on any store", "[--store URL] [--listen ADDR] [--set SECTION.KEY=VALUE]",
	  OPTION_CONFIG | OPTION_SET | OPTION_LISTEN, 0, 0, verb_serve },
#endif
	{ "version", "version, features, formats", "", 0, 0, 0, verb_version },
};
#define VERBS (sizeof verbs / sizeof *verbs)

static const char *const left_out[] = {
#ifdef ABIDRIFT_ALONE
	"run", "alert", "export", "serve",
#endif
	NULL,
};

static void usage(struct buffer *out)
{
	buffer_string(out, "Usage: abidrift VERB [OPTION]... [ARGUMENT]...\n\n"
			   "Watches the guests of a KVM host, remembers the ABI that each one is given,\n"
			   "and says what changed.\n\nVerbs:\n");
	for (size_t i = 0; i < VERBS; i++)
		buffer_printf(out, "  %-11s %s\n", verbs[i].name, verbs[i].help);
	buffer_string(out, "\nA GUEST is an id, UUID or name, or a unique beginning of one.\n`abidrift VERB -h` says more of each.\n");
}

static const struct verb *verb_find(const char *name)
{
	for (size_t i = 0; i < VERBS; i++)
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}

static int verb_go(const struct verb *verb, int argc, const char *const *argv)
{
	struct options options;
	struct error e = ERROR_INIT;
	struct buffer text = BUFFER_INIT;
	int code;

	if (options_parse(verb, argc, argv, &options, &e) < 0) {
		code = output_error(&options, "%s", e.text);
	} else if (options.help) {
		options_help(verb, &text);
		code = output_text(&options, &text);
	} else {
		code = verb->run(&options);
	}
	buffer_release(&text);
	options_release(&options);
	return code;
}

static void characters_choose(void)
{
	/* Arrows and guest names are UTF-8, and columns are counted in it, whatever a bare environment says. */
	if (!setlocale(LC_CTYPE, "") || strcmp(nl_langinfo(CODESET), "UTF-8"))
		setlocale(LC_CTYPE, "C.UTF-8");
}

/* As json_set_alloc_funcs() and CRYPTO_set_mem_functions() want them. */
static void *noted(void *data)
{
	if (!data)
		memory_short();
	return data;
}

static void *json_malloc(size_t size) { return noted(malloc(size)); }
static void *crypto_malloc(size_t size, const char *file, int line) { return (void)file, (void)line, noted(malloc(size)); }
static void *crypto_realloc(void *old, size_t size, const char *file, int line) { return (void)file, (void)line, noted(realloc(old, size)); }
static void crypto_free(void *data, const char *file, int line) { (void)file, (void)line, free(data); }

int main(int argc, char **argv)
{
	struct options none = OPTIONS_INIT;
	struct buffer text = BUFFER_INIT;
	const struct verb *verb;
	int code = 0;

	json_set_alloc_funcs(json_malloc, free);
	CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free);
	store_note_memory();
	characters_choose();
	if (argc < 2)
		return output_error(&none, "a verb is missing (see abidrift -h)");
	if (!strcmp(argv[1], "-h") || !strcmp(argv[1], "--help") || !strcmp(argv[1], "help")) {
		usage(&text);
		code = output_text(&none, &text);
		buffer_release(&text);
		return code;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))
		argv[1] = (char *)"version";
	verb = verb_find(argv[1]);
	if (verb)
		return verb_go(verb, argc - 2, (const char *const *)argv + 2);
	for (int i = 1; i < argc; i++)
		none.json |= !strcmp(argv[i], "--json");
	for (size_t i = 0; left_out[i]; i++)
		if (!strcmp(argv[1], left_out[i]))
			return output_error(&none, "%s: not in this build, the one file that needs nothing on its host; install abidrift for it", argv[1]);
	return output_error(&none, "there is no verb \"%.60s\" (see abidrift -h)", argv[1]);
}

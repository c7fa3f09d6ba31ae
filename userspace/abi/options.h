/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VMM command lines: QEMU's options and property lists ("a=b,c=d", a comma in a value doubled), other VMMs' long options.
 * Everything here is hostile text. For this folder, and for drift/, which looks into the options of a context.
 */
#ifndef ABIDRIFT_ABI_OPTIONS_H
#define ABIDRIFT_ABI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

struct buffer;
struct guest_facts;

/* Where an option's text goes. */
enum option_side {
	OPTION_VISIBLE,  /* the guest sees what it says; references to backends (netdev=, drive=, …) apart */
	OPTION_BACKEND,  /* only what backs it */
	OPTION_KEEP,     /* backend, but the properties in `keep` are seen */
	OPTION_NET,      /* -net: a nic is seen, all else backs it */
	OPTION_COUNT,    /* that there is one is seen ("none" is none), its target backs it */
	OPTION_MACHINE,
	OPTION_CPU,
	OPTION_ACCEL,
};

struct option_rule {
	const char *name;
	const char *canonical; /* NULL: name */
	enum option_side side;
	bool flag;             /* takes no value */
	const char *keep;      /* KEEP: " name name … " */
	const char *value;     /* what stands for a flag; NULL: "on" */
};

struct option {
	const char *name;  /* canonical, without dashes; "drive" for a disk image without an option */
	const char *value; /* NULL: none */
	const struct option_rule *rule; /* NULL: unknown */
	bool image;        /* a disk image without an option: value is a path, no properties */
};

/* NULL: unknown. With or without leading dashes. */
const struct option_rule *option_rule_find(const char *name);
/* Next of QEMU's options; *cursor starts at 0. */
bool option_next(const struct guest_facts *facts, size_t *cursor, struct option *ret);
/* Other VMMs: the value of `--name VALUE` or `--name=VALUE`, or NULL. `name` with its dashes. */
const char *option_plain(const struct guest_facts *facts, const char *name);

/* One element of a property list, as it stands there: borrowed, not NUL-terminated. */
struct property {
	const char *text;
	size_t size;
	size_t name_size; /* 0: no '=' */
	const char *value;
	size_t value_size;
};

/* *cursor starts at the value; false = end. */
bool property_next(const char **cursor, struct property *ret);
bool property_is(const struct property *p, const char *name);
/* Is its name one of " name name … "? */
bool property_among(const struct property *p, const char *names);
/* Appends the value of the first property of that name, commas undoubled; with `implied`, a first element without '=' has that name. */
bool property_get(const char *list, const char *name, bool implied, struct buffer *out);

#endif

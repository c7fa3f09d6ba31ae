/* SPDX-License-Identifier: Apache-2.0 */
/* One side of a comparison, as people name it: what was meant, and its fingerprint. */
#ifndef ABIDRIFT_SERVE_SIDE_H
#define ABIDRIFT_SERVE_SIDE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "userspace/abi/context.h"
#include "userspace/abi/entries.h"
#include "userspace/store/store.h"

struct error;

enum side_kind {
	SIDE_NOW,      /* GUEST */
	SIDE_REVISION, /* GUEST@REV */
	SIDE_BASELINE, /* GUEST@baseline */
	SIDE_DIGEST,   /* sha256:… */
	SIDE_FILE,     /* a path */
};

struct side {
	enum side_kind kind;
	const char *path;               /* SIDE_FILE: borrowed from the text */
	struct store_guest guest;       /* .id NULL for a file */
	struct store_instance *instances; /* of the guest: those that run, newest first, else the last one */
	size_t instance_count;
	uint32_t number;                /* revision that is meant; 0: there is none (no fingerprint or no baseline yet) */
	bool learning;                  /* SIDE_NOW: its newest boot has not been judged as a whole, and it runs or had drifted by its end */
	bool loaded;                    /* what follows is filled in */
	struct store_revision revision;
	struct abi_entries entries;
	struct context context;
	bool has_context;
};

#define SIDE_INIT { .kind = SIDE_NOW }

bool side_is_file(const char *text);
/* Finds what `text` means; loads nothing yet but a file. s may be NULL for a file. -errno with e. */
int side_find(struct store *s, const char *text, struct side *ret, struct error *e);
/* Another side of the guest of this one. kind: SIDE_NOW or SIDE_BASELINE. */
int side_sibling(struct store *s, const struct side *of, enum side_kind kind, struct side *ret, struct error *e);
/* The same by the guest's row. */
int side_of_guest(struct store *s, int64_t guest, enum side_kind kind, struct side *ret, struct error *e);
/* Of the guest that is called so: GUEST alone, never more than its name. number: of SIDE_REVISION. */
int side_of_name(struct store *s, const char *guest, enum side_kind kind, uint32_t number, struct side *ret, struct error *e);
/* Its entries and context. -ENOENT with e: there is none yet. */
int side_load(struct store *s, struct side *side, struct error *e);
void side_release(struct side *side);
/* {"name","guest":{"id","uuid","name"},"revision","digest","at","path"}; name: of the guest, else the path. What it has not is null. */
json_t *side_json(const struct side *side);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of an export share. */
#ifndef ABIDRIFT_SERVE_EXPORT_INTERNAL_H
#define ABIDRIFT_SERVE_EXPORT_INTERNAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "userspace/serve/api.h"
#include "userspace/serve/export.h"
#include "userspace/serve/export_files.h"
#include "userspace/serve/export_report.h"
#include "userspace/serve/side.h"

struct export_work {
	struct store *store;
	const struct api_rules *rules;
	struct side now;          /* the guest; its number is 0 where there is no fingerprint */
	const char *id;           /* of the guest */
	struct store_instance *instances; /* all */
	size_t instance_count;
	uint32_t baseline;        /* revision; 0: none */
	int64_t as_of;            /* the newest that the store has of it */
	json_t *list, *history, *alerts; /* models of ls, history and alert list, of this guest only */
	uint32_t revisions[EXPORT_REVISIONS_MAX]; /* that are exported, in their order */
	size_t revision_count;
	struct export_files files;
	struct export_report report;
	struct export *made;      /* counts what is lost */
	size_t compared;          /* work that comparisons were, of EXPORT_COMPARED_MAX */
	bool worn;                /* a comparison that has a file was too much */
};

/* Which revisions are told. */
void export_revisions_choose(struct export_work *w);
/* Their files, and each compared with the one before it. */
void export_revisions_add(struct export_work *w);
void export_baseline_now_add(struct export_work *w);
/* The store has it and cannot give it. The manifest says so without the reason in `e`, which names paths of this host. */
void export_lost(struct export_work *w, const char *what, const struct error *e);
/* README.txt, manifest.json and SHA256SUMS: of all files that are there by then. */
void export_manifest_add(struct export_work *w);

/* GUEST@REV as the verbs and the API take it. */
#define EXPORT_BASELINE UINT32_MAX   /* GUEST@baseline */
#define EXPORT_NOW (UINT32_MAX - 1u) /* GUEST */
void export_side_put(struct buffer *out, const char *id, uint32_t revision);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The privileged side: kernel and guests in, the observation stream out. Runs as a process of its own (`run`), or within `record`. */
#ifndef ABIDRIFT_COLLECTOR_H
#define ABIDRIFT_COLLECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct collector;
struct error;

struct collector_options {
	int listen_fd;       /* `run`: a listening Unix stream socket; a connection of uid 0, of our own or of `peer` is the analyst, if there is none: it gets the snapshot, then live. -1: none */
	uid_t peer;          /* who else may be the analyst; 0 = nobody */
	int trace_fd;        /* `record`: file opened for writing, becomes a trace; -1: none */
	int stop_fd;         /* becomes readable (or hangs up): finish and return */
	uint64_t duration_ns;/* `record`: end after so long; 0 = until stop_fd */
	bool guest_memory;   /* read guests' memory (ACPI, SMBIOS, firmware) */
	const char *guest;   /* `record`: only the guest whose UUID, name or id this is exactly; NULL = all */
	uint32_t facts, ring_bytes, quota; /* as kernel_options; 0 = default */
	const char *pin;     /* as kernel_options; `record` never pins */
	void (*ready)(void *context, size_t guests); /* the first sweep is done: how many guests it found (of those asked for); NULL */
	void *context;
	void (*alive)(void *context); /* at each turn of the loop; NULL */
	const char *const *config; /* NULL-terminated "key", "value", …: handed on as RECORD_CONFIG */
	int reload_fd;       /* readable: reload() empties it, and returns such pairs anew, borrowed until its next call, or NULL: as they are */
	const char *const *(*reload)(void *context); /* NULL: reload_fd is not looked at */
};

/*
 * Opens the kernel side, which needs more rights than the rest: make and remove files, attach. -errno with e. The options, which are
 * borrowed, have to live as long as it does.
 */
int collector_open(const struct collector_options *options, struct collector **ret, struct error *e);
/* What people should know of the kernel side's pins: lines, "" = nothing. Valid as long as c. */
const char *collector_notes(const struct collector *c);
/* As kernel_load_ms. */
double collector_load_ms(const struct collector *c);
/* The kernel side goes on once c is gone. */
bool collector_pinned(const struct collector *c);
/* Runs until stop, once. 0, or -errno with e. *ret_records: how many were written (record). */
int collector_run(struct collector *c, uint64_t *ret_records, struct error *e);
void collector_free(struct collector *c);

#endif

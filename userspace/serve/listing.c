/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/serve/listing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/buffer.h"
#include "userspace/base/text.h"
#include "userspace/serve/member.h"
#include "userspace/serve/table.h"
#include "userspace/store/store.h"

/* Marks behind the state, and what they say below the table. */
#define MARK_UNSTABLE "*"
#define MARK_NEXT_BOOT "+"
#define NAMES_TOLD 3

/* "sha256:" and so many digits tell fingerprints of one store apart; `show`, `diff` and -v have the rest. */
#define DIGEST_SHORT 12
#define DIGEST_START 7

void listing_name(const json_t *guest, struct buffer *out)
{
	member_put(out, guest, member_string(guest, "name") ? "name" : "id");
}

static void name_in_brief(const json_t *guest, struct buffer *out)
{
	member_brief(out, guest, member_string(guest, "name") ? "name" : "id");
}

void listing_vmm(const json_t *guest, bool package, struct buffer *out)
{
	const json_t *vmm = json_object_get(guest, "vmm");
	const char *version = member_string(vmm, "version");

	member_put(out, vmm, "kind");
	if (version) {
		buffer_string(out, " ");
		text_terminal(out, version, package ? strlen(version) : strcspn(version, " "));
	}
	/* In brief a mark says it. */
	if (package && json_is_true(json_object_get(vmm, "replaced")))
		buffer_string(out, " (replaced on disk)");
}

/* "3 0f3a…": a revision and the beginning of its digest. */
static void mark(const json_t *guest, const char *key, struct buffer *out)
{
	const json_t *marked = json_object_get(guest, key);
	const char *digest = member_string(marked, "digest");

	member_put(out, marked, "revision");
	if (digest && strlen(digest) > DIGEST_START)
		buffer_printf(out, " %.*s", DIGEST_SHORT, digest + DIGEST_START);
}

static void state(const json_t *guest, struct buffer *out)
{
	const char *severity = member_string(guest, "severity");

	member_put(out, guest, "state");
	if (member_string(guest, "verdict")) {
		buffer_string(out, ", ");
		member_put(out, guest, "verdict");
	}
	if (severity && strcmp(severity, "none")) {
		buffer_string(out, ", ");
		member_put(out, guest, "severity");
	}
	if (json_array_size(json_object_get(guest, "unstable")) || json_array_size(json_object_get(guest, "next_boot")))
		buffer_string(out, " ");
	if (json_array_size(json_object_get(guest, "unstable")))
		buffer_string(out, MARK_UNSTABLE);
	if (json_array_size(json_object_get(guest, "next_boot")))
		buffer_string(out, MARK_NEXT_BOOT);
}

static void vmm_in_full(const json_t *guest, struct buffer *out)
{
	listing_vmm(guest, true, out);
}

static void vmm_in_brief(const json_t *guest, struct buffer *out)
{
	listing_vmm(guest, false, out);
}

static void cell_of(struct table *t, const json_t *guest, void (*put)(const json_t *guest, struct buffer *out))
{
	struct buffer text = BUFFER_INIT;

	put(guest, &text);
	table_cell(t, text.data ? text.data : "");
	buffer_release(&text);
}

static void cell_of_mark(struct table *t, const json_t *guest, const char *key)
{
	struct buffer text = BUFFER_INIT;

	mark(guest, key, &text);
	table_cell(t, text.data ? text.data : "");
	buffer_release(&text);
}

/* Nothing identifies it, so it never comes back: of interest to nobody who does not ask. */
static bool past(const json_t *guest)
{
	return json_is_true(json_object_get(guest, "anonymous")) && !json_is_true(json_object_get(guest, "running"));
}

/* Another VM is the guest whose name it has. */
static bool is_twin(const json_t *guest)
{
	const char *life = member_string(guest, "life");

	return json_is_true(json_object_get(guest, "running")) && life && !strcmp(life, STORE_LIFE_TWIN);
}

/* ---- what the marks mean, and for whom */

struct told {
	const char *reason;
	struct buffer names;
	size_t count;
};

static struct told *told_find(struct told *told, size_t *count, const char *reason)
{
	for (size_t i = 0; i < *count; i++)
		if (strcmp(told[i].reason, reason) == 0)
			return &told[i];
	told[*count] = (struct told){ .reason = reason };
	return &told[(*count)++];
}

static void told_add(struct told *told, const json_t *guest)
{
	if (told->count++ >= NAMES_TOLD)
		return;
	buffer_string(&told->names, told->names.size ? ", " : "");
	name_in_brief(guest, &told->names);
}

static void told_rows(struct told *told, size_t count, struct buffer *out)
{
	static const char *const two[] = { "GUESTS", "WHY", NULL };
	struct table *t = table_new(two, true);
	struct buffer why = BUFFER_INIT;

	for (size_t i = 0; i < count; i++) {
		if (told[i].count > NAMES_TOLD)
			buffer_printf(&told[i].names, " and %zu more", told[i].count - NAMES_TOLD);
		table_cell(t, told[i].names.data ? told[i].names.data : "");
		buffer_clear(&why);
		text_terminal(&why, told[i].reason, strlen(told[i].reason));
		table_cell(t, why.data ? why.data : "");
	}
	buffer_release(&why);
	table_end(t, "  ", out);
}

/* Each reason once, with the guests that it is true of. */
static void told_text(const json_t *guests, bool more, const char *list, const char *title, struct buffer *out)
{
	const json_t *guest, *reason;
	struct told *told;
	size_t room = 0, count = 0, i, r;

	json_array_foreach(guests, i, guest) room += json_array_size(json_object_get(guest, list));
	told = room ? calloc(room, sizeof(*told)) : NULL;
	if (!told)
		return;
	json_array_foreach(guests, i, guest)
	{
		if (!more && past(guest))
			continue;
		json_array_foreach(json_object_get(guest, list), r, reason)
		{
			const char *text = member_string(reason, "reason");

			if (text)
				told_add(told_find(told, &count, text), guest);
		}
	}
	if (count) {
		buffer_printf(out, "\n%s\n", title);
		told_rows(told, count, out);
	}
	for (i = 0; i < count; i++)
		buffer_release(&told[i].names);
	free(told);
}

void listing_text(const json_t *guests, bool more, struct buffer *out)
{
	static const char *const few[] = { "GUEST", "VMM", "MACHINE", "PID", "BOOT", "STATE", "CHANGES", "BASELINE", "NOW", NULL };
	static const char *const all[] = { "GUEST",   "VMM",      "MACHINE", "PID",     "BOOT", "STATE",
					   "CHANGES", "BASELINE", "NOW",     "SETTLED", "ID",   NULL };
	struct table *t = table_new(more ? all : few, false);
	const json_t *guest;
	size_t i, left_out = 0;

	json_array_foreach(guests, i, guest)
	{
		if (!more && past(guest)) {
			left_out++;
			continue;
		}
		table_brief(t, guest, member_string(guest, "name") ? "name" : "id");
		cell_of(t, guest, more ? vmm_in_full : vmm_in_brief);
		table_member(t, guest, "machine");
		table_member(t, guest, "pid");
		table_member(t, guest, "boot");
		cell_of(t, guest, state);
		table_member(t, guest, "changes");
		cell_of_mark(t, guest, "baseline");
		cell_of_mark(t, guest, "current");
		if (more) {
			table_member(t, guest, "settled");
			table_member(t, guest, "id");
		}
	}
	table_end(t, "", out);
	if (left_out)
		buffer_printf(out, "(%zu without name or UUID that %s gone: -v lists %s too)\n", left_out, left_out == 1 ? "is" : "are",
			      left_out == 1 ? "it" : "them");
	json_array_foreach(guests, i, guest) if (is_twin(guest))
	{
		buffer_string(out, "\n");
		name_in_brief(guest, out);
		buffer_string(out, ": pid ");
		member_put(out, guest, "pid");
		buffer_string(out, " is not this guest, which runs in another VM; give one of them another UUID and name\n");
	}
	told_text(guests, more, "unstable", MARK_UNSTABLE " no stable Guest ABI:", out);
	told_text(guests, more, "next_boot", MARK_NEXT_BOOT " the next boot meets another host side:", out);
}

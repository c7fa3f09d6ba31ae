/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/serve/side.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "userspace/base/buffer.h"
#include "userspace/base/error.h"
#include "userspace/base/text.h"
#include "userspace/serve/json.h"
#include "userspace/store/revision.h"

#define FORCED_NAME "guest:"
#define DIGEST_START "sha256:"
#define FILE_BYTES_MAX (64u << 20)

bool side_is_file(const char *text)
{
	return strchr(text, '/') && strncmp(text, FORCED_NAME, strlen(FORCED_NAME));
}

void side_release(struct side *side)
{
	store_guest_release(&side->guest);
	store_instances_free(side->instances, side->instance_count);
	store_revision_release(&side->revision);
	entries_release(&side->entries);
	context_release(&side->context);
	*side = (struct side)SIDE_INIT;
}

static int file_read(const char *path, struct buffer *out, struct error *e)
{
	char chunk[65536];
	struct stat st;
	ssize_t got = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;

	if (fd < 0 && errno == ENOENT)
		return error_set(e, ENOENT, "there is no fingerprint file %s (what holds a / is a path; if it is a guest's name, write guest:%s)", path,
				 path);
	if (fd < 0)
		return error_set(e, errno, "cannot read the fingerprint %s: %s", path, strerror(errno));
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
		err = error_set(e, EISDIR, "cannot read the fingerprint %s: it is a folder", path);
	while (err >= 0 && (got = read(fd, chunk, sizeof chunk)) > 0) {
		buffer_append(out, chunk, (size_t)got);
		if (out->size > FILE_BYTES_MAX)
			err = error_set(e, EFBIG, "%s is too large for a fingerprint (%u MiB are the most)", path, FILE_BYTES_MAX >> 20);
	}
	if (err >= 0 && got < 0)
		err = error_set(e, errno, "cannot read the fingerprint %s: %s", path, strerror(errno));
	if (err >= 0 && buffer_failed(out))
		err = error_set(e, ENOMEM, "out of memory");
	close(fd);
	return err;
}

static int file_load(const char *path, struct side *side, struct error *e)
{
	struct buffer text = BUFFER_INIT;
	struct error why = ERROR_INIT;
	int err = file_read(path, &text, e);

	side->kind = SIDE_FILE;
	side->path = path;
	if (err >= 0) {
		err = fingerprint_parse(text.data ? text.data : "", text.size, &side->entries, &why);
		if (err < 0)
			err = error_set(e, -err, "%s: %s", path, *why.text ? why.text : strerror(-err));
	}
	if (err >= 0) {
		fingerprint_digest(&side->entries, &side->revision.digest);
		side->loaded = true;
	}
	buffer_release(&text);
	return err;
}

/* An anonymous guest has no past: a baseline of another life is not its baseline. */
static int baseline_number(struct store *s, struct side *side, struct error *e)
{
	struct store_baseline baseline = { 0 };
	int err = store_baseline_get(s, side->guest.row, &baseline);

	side->number = 0;
	if (err == -ENOENT)
		return 0;
	if (err < 0)
		return error_set(e, -err, "%s", store_error(s));
	if (!side->guest.anonymous || !side->instance_count || baseline.at >= side->instances[0].began_at)
		side->number = baseline.revision;
	store_baseline_release(&baseline);
	return 0;
}

/* The guest is known: what of it is meant. */
static int guest_side(struct store *s, struct side *side, enum side_kind kind, uint32_t number, struct error *e)
{
	int err = store_instances_now(s, side->guest.row, &side->instances, &side->instance_count);
	const struct store_instance *newest;

	if (err < 0)
		return error_set(e, -err, "%s", store_error(s));
	side->kind = kind;
	side->number = number;
	if (kind == SIDE_BASELINE)
		return baseline_number(s, side, e);
	if (kind != SIDE_NOW)
		return 0;
	newest = side->instance_count ? &side->instances[0] : NULL;
	side->number = newest && newest->revision ? newest->revision : side->guest.revisions;
	/* A guest that drifted and died of it has no fingerprint of that boot: the one before would say that all is as it was. */
	side->learning = newest && !newest->settled && (newest->running || (newest->state && !strcmp(newest->state, "drift")));
	return 0;
}

int side_of_guest(struct store *s, int64_t guest, enum side_kind kind, struct side *ret, struct error *e)
{
	struct side side = SIDE_INIT;
	int err = store_guest_get(s, guest, &side.guest);

	err = err < 0 ? error_set(e, -err, "%s", store_error(s)) : guest_side(s, &side, kind, 0, e);
	if (err < 0) {
		side_release(&side);
		return err;
	}
	*ret = side;
	return 0;
}

int side_sibling(struct store *s, const struct side *of, enum side_kind kind, struct side *ret, struct error *e)
{
	return side_of_guest(s, of->guest.row, kind, ret, e);
}

static int digest_side(struct store *s, const char *text, struct side *side, struct error *e)
{
	int err;

	if (!digest_prefix_valid(text))
		return error_set(e, EINVAL, "%.100s is no digest: sha256: and 1 to 64 of 0-9a-f", text);
	err = store_revision_by_digest(s, text, &side->revision, e);
	if (err == -ENOENT)
		return error_set(e, ENOENT, "there is no fingerprint with the digest %s in this store", text);
	if (err < 0)
		return e && *e->text ? err : error_set(e, -err, "%s", store_error(s));
	err = store_guest_get(s, side->revision.guest, &side->guest);
	if (err < 0)
		return error_set(e, -err, "%s", store_error(s));
	return guest_side(s, side, SIDE_DIGEST, side->revision.revision, e);
}

/* The part behind the last '@', if it can be one: a revision from 1, or "baseline". */
static const char *suffix_of(const char *text, enum side_kind *ret_kind, uint32_t *ret_number)
{
	const char *at = strrchr(text, '@');
	uint64_t number;

	if (!at || at == text)
		return NULL;
	if (!strcmp(at + 1, "baseline")) {
		*ret_kind = SIDE_BASELINE;
		return at;
	}
	if (!at[1] || strspn(at + 1, "0123456789") != strlen(at + 1) || at[1] == '0' || text_u64(at + 1, &number) < 0 ||
	    number > UINT32_MAX)
		return NULL;
	*ret_kind = SIDE_REVISION;
	*ret_number = (uint32_t)number;
	return at;
}

static int resolve(struct store *s, const char *text, size_t length, struct store_guest *ret, struct error *e)
{
	char *name = strndup(text, length);
	int err = name ? store_guest_resolve(s, name, ret, e) : -ENOMEM;

	if (err == -ENOENT && !(e && *e->text))
		error_set(e, ENOENT, "there is no guest %s in this store (abidrift ls lists them)", name);
	else if (err < 0 && e && !*e->text)
		error_set(e, -err, "%s", name ? store_error(s) : "out of memory");
	free(name);
	return err;
}

static int guest_find(struct store *s, const char *text, struct side *side, struct error *e)
{
	enum side_kind kind = SIDE_NOW;
	uint32_t number = 0;
	const char *suffix = suffix_of(text, &kind, &number);
	const char *at = strrchr(text, '@');
	int err;

	/* With guest: the whole may be a name that holds an '@'; only if there is none such it has a revision. */
	if (suffix && !strncmp(text, FORCED_NAME, strlen(FORCED_NAME)) && resolve(s, text, strlen(text), &side->guest, NULL) >= 0)
		return guest_side(s, side, SIDE_NOW, 0, e);
	err = resolve(s, text, suffix ? (size_t)(suffix - text) : strlen(text), &side->guest, e);
	if (err == -ENOENT && at && !suffix)
		return error_set(e, ENOENT, "there is no guest %.200s, and \"%.60s\" is no revision: a number from 1, or baseline", text,
				 at + 1);
	return err < 0 ? err : guest_side(s, side, kind, number, e);
}

int side_of_name(struct store *s, const char *guest, enum side_kind kind, uint32_t number, struct side *ret, struct error *e)
{
	struct side side = SIDE_INIT;
	int err = *guest ? resolve(s, guest, strlen(guest), &side.guest, e) : error_set(e, EINVAL, "a guest has to be named");

	if (err >= 0)
		err = guest_side(s, &side, kind, number, e);
	if (err < 0) {
		side_release(&side);
		return err;
	}
	*ret = side;
	return 0;
}

int side_find(struct store *s, const char *text, struct side *ret, struct error *e)
{
	struct side side = SIDE_INIT;
	int err;

	if (!*text)
		err = error_set(e, EINVAL, "a guest has to be named");
	else if (side_is_file(text))
		err = file_load(text, &side, e);
	else if (!strncmp(text, DIGEST_START, strlen(DIGEST_START)))
		err = digest_side(s, text, &side, e);
	else
		err = guest_find(s, text, &side, e);
	if (err < 0) {
		side_release(&side);
		return err;
	}
	*ret = side;
	return 0;
}

static int nothing_there(const struct side *side, struct error *e)
{
	const char *who = side->guest.name ? side->guest.name : side->guest.id;

	if (side->kind == SIDE_BASELINE)
		return error_set(e, ENOENT, "guest %s has no baseline yet", who);
	return error_set(e, ENOENT, "guest %s has no fingerprint yet: it has not settled since abidrift first saw it", who);
}

/* Now's is that of the guest's present or last life: a revision keeps the one that it was first made under. */
static int context_of(struct side *side)
{
	const struct store_instance *newest = side->kind == SIDE_NOW && side->instance_count ? &side->instances[0] : NULL;

	if (newest && newest->context && newest->revision == side->number)
		return context_parse(newest->context, strlen(newest->context), &side->context);
	return store_revision_context(&side->revision, &side->context);
}

int side_load(struct store *s, struct side *side, struct error *e)
{
	int err = 0;

	if (side->loaded)
		return 0;
	if (!side->number)
		return nothing_there(side, e);
	if (!side->revision.text) {
		err = store_revision_get(s, side->guest.row, side->number, &side->revision);
		if (err == -ENOENT)
			return error_set(e, ENOENT, "guest %s has no revision %u (its newest is %u)",
					 side->guest.name ? side->guest.name : side->guest.id, side->number, side->guest.revisions);
		if (err < 0)
			return error_set(e, -err, "%s", store_error(s));
	}
	err = store_revision_entries(&side->revision, &side->entries, e);
	/* Derived anew, it is another text, which has another digest. */
	if (err >= 0 && side->revision.normaliser != ABI_NORMALISER)
		fingerprint_digest(&side->entries, &side->revision.digest);
	if (err >= 0)
		err = context_of(side);
	if (err < 0)
		return e && *e->text ? err
				     : error_set(e, -err, "revision %u of guest %s cannot be read: %s", side->number, side->guest.id,
						 strerror(-err));
	side->has_context = true;
	side->loaded = true;
	return 0;
}

json_t *side_json(const struct side *side)
{
	json_t *guest = json_null();
	const char *name = side->path;

	if (side->guest.id) {
		guest = json_pack("{s:o, s:o, s:o}", "id", json_text(side->guest.id), "uuid", json_text(side->guest.uuid), "name",
				  json_text(side->guest.name));
		name = side->guest.name ? side->guest.name : side->guest.id;
	}
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "name", json_text(name), "guest", guest, "revision", json_number(side->number),
			 "digest", json_text(side->revision.digest.text), "at", json_time(side->revision.at), "path",
			 json_text(side->path));
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/store/revision.h"

#include <errno.h>

#include "userspace/abi/context.h"
#include "userspace/abi/facts.h"
#include "userspace/base/error.h"

static int derive_anew(const struct store_revision *r, struct abi_entries *ret, struct error *e)
{
	struct guest_facts *facts = NULL;
	int err = facts_parse(r->facts, r->facts_size, &facts, e);
	if (err < 0)
		return err;
	err = abi_derive(facts, ret);
	facts_free(facts);
	return err;
}

int store_revision_entries(const struct store_revision *r, struct abi_entries *ret, struct error *e)
{
	if (r->normaliser != ABI_NORMALISER && r->facts_size)
		return derive_anew(r, ret, e);
	return fingerprint_parse(r->text, r->text_size, ret, e);
}

int store_revision_began(struct store *s, int64_t guest, uint32_t revision, uint32_t boot, uint32_t *ret)
{
	struct store_revision r = { 0 };
	uint32_t began = revision;
	bool more = true;
	int err = 0;

	while (more && (err = store_revision_get(s, guest, began, &r)) >= 0) {
		more = r.running && r.boot == boot && began > 1;
		began -= more;
		store_revision_release(&r);
	}
	/* Those before may have been forgotten. */
	if (err == -ENOENT && began < revision) {
		began++;
		err = 0;
	}
	if (err >= 0)
		*ret = began;
	return err < 0 ? err : 0;
}

int store_revision_context(const struct store_revision *r, struct context *ret)
{
	return context_parse(r->context, r->context_size, ret);
}

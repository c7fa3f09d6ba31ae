/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/serve/change_sets.h"

#include <errno.h>
#include <stdlib.h>

#include "userspace/base/error.h"
#include "userspace/drift/advice.h"
#include "userspace/drift/change_set.h"
#include "userspace/serve/json.h"
#include "userspace/store/store.h"

/* Of several guests one is as good as the other. */
static int set_json(struct store *s, const struct store_change_set *set, json_t **ret, struct error *e)
{
	json_t *diff, *one = NULL;
	char *text = NULL;
	int err = store_drift_get(s, set->guest, &text, NULL, NULL);

	/* Resolved meanwhile. */
	*ret = NULL;
	if (err == -ENOENT)
		return 0;
	if (err < 0)
		return error_set(e, -err, "%s", store_error(s));
	diff = json_stored(text);
	free(text);
	one = change_set_json(diff, set->id, CHANGE_SET_COLUMNS);
	if (one && json_object_set_new(one, "guests", json_integer((json_int_t)set->guests)) >= 0 &&
	    json_object_set_new(one, "headline", change_set_headline(diff, set->guests)) >= 0 &&
	    json_object_set_new(one, "since", json_time(set->since)) >= 0 &&
	    json_object_set_new(one, "accept", json_sprintf(ADVICE_ACCEPT_SET, set->id)) >= 0)
		err = json_object_set_new(one, "causes", change_set_causes(diff));
	else
		err = -ENOMEM;
	json_decref(diff);
	if (err < 0) {
		json_decref(one);
		return error_set(e, ENOMEM, "out of memory");
	}
	*ret = one;
	return 0;
}

int change_sets_json(struct store *s, json_t **ret, struct error *e)
{
	struct store_change_set *sets = NULL;
	json_t *list = json_array(), *one;
	size_t count = 0;
	int err = list ? store_change_sets(s, &sets, &count) : error_set(e, ENOMEM, "out of memory");

	if (err < 0 && !*e->text)
		error_set(e, -err, "%s", store_error(s));
	for (size_t i = 0; err >= 0 && i < count; i++) {
		err = set_json(s, &sets[i], &one, e);
		if (err >= 0 && one && json_array_append_new(list, one) < 0)
			err = error_set(e, ENOMEM, "out of memory");
	}
	store_change_sets_free(sets, count);
	if (err < 0) {
		json_decref(list);
		return err;
	}
	*ret = list;
	return 0;
}

int maintenance_json(struct store *s, json_t **ret, struct error *e)
{
	struct store_maintenance m = { 0 };
	int err = store_maintenance_get(s, &m);

	if (err < 0 && err != -ENOENT)
		return error_set(e, -err, "%s", store_error(s));
	*ret = err == -ENOENT ? json_null()
			      : json_pack("{s:o, s:o, s:o, s:o}", "begin", json_time(m.begins_at), "end", json_time(m.ends_at), "by", json_text(m.by),
					  "reason", json_text(m.reason));
	store_maintenance_release(&m);
	return *ret ? 0 : error_set(e, ENOMEM, "out of memory");
}

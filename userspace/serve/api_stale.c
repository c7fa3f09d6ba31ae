/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "userspace/base/error.h"
#include "userspace/serve/api.h"
#include "userspace/serve/json.h"
#include "userspace/store/store.h"
#include "userspace/stream/record.h"

/* Three heartbeats. */
#define SILENT_NS (3 * (int64_t)RECORD_STATS_NS)

int api_stale(struct store *s, int64_t now, json_t **ret, struct error *e)
{
	struct store_status *items = NULL;
	size_t count = 0;
	json_t *list;
	int err = s ? store_statuses_stale(s, now - SILENT_NS, &items, &count) : 0;

	if (err < 0)
		return error_set(e, -err, "%s", store_error(s));
	list = json_array();
	err = list ? 0 : -ENOMEM;
	for (size_t i = 0; err >= 0 && i < count; i++)
		err = json_array_append_new(list, json_pack("{s:o, s:o}", "host", json_text(items[i].host), "at", json_time(items[i].at)));
	store_statuses_free(items, count);
	if (err < 0) {
		json_decref(list);
		return error_set(e, ENOMEM, "out of memory");
	}
	*ret = list;
	return 0;
}

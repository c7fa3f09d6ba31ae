/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/commands/since.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "userspace/base/error.h"
#include "userspace/base/text.h"
#include "userspace/commands/options.h"
#include "userspace/commands/settings.h"
#include "userspace/serve/api.h"

#define LAST_HOST_CHANGE "last-host-change"

static bool last_change(const struct options *o) { return o->since && !strcmp(o->since, LAST_HOST_CHANGE); }

static int parse(const struct options *o, int64_t *ret, struct error *e)
{
	*ret = 0;
	if (!o->since || last_change(o) || text_since_parse(o->since, settings_now(), ret) >= 0)
		return 0;
	return error_set(e, EINVAL, "--since %.60s: has to be a time like 2026-01-31 or 2026-01-31T12:00:00Z, a duration like 2h, or " LAST_HOST_CHANGE, o->since);
}

int since_check(const struct options *o, struct error *e)
{
	int64_t since;

	return parse(o, &since, e);
}

int since_read(const struct options *o, struct store *s, int64_t *ret_since, struct error *e)
{
	return last_change(o) ? api_last_host_change(s, ret_since, e) : parse(o, ret_since, e);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/notify/alertmanager.h"

#include <errno.h>
#include <stddef.h>

int alertmanager_load(const struct config *c, struct alertmanager **ret, struct error *e)
{
	(void)c;
	(void)e;
	*ret = NULL;
	return 0;
}

void alertmanager_free(struct alertmanager *a)
{
	(void)a;
}

int alertmanager_begin(struct alertmanager *a, const struct sink_host *host, struct store *store, void (*say)(void *context, const char *line), void *context,
		       struct error *e)
{
	(void)a, (void)host, (void)store, (void)say, (void)context, (void)e;
	return 0;
}

int alertmanager_follow(struct alertmanager *a, int64_t now, struct error *e)
{
	(void)a, (void)now, (void)e;
	return 0;
}

int64_t alertmanager_due(const struct alertmanager *a)
{
	(void)a;
	return INT64_MAX;
}

bool alertmanager_busy(const struct alertmanager *a)
{
	(void)a;
	return false;
}

int alertmanager_test(struct alertmanager *a, const char *id, void (*heard)(void *context, const char *sink, const struct sink_answer *answer), void *context,
		      struct error *e)
{
	(void)a, (void)id, (void)heard, (void)context, (void)e;
	return -ENOENT;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/drift/stability.h"

#include <stdlib.h>

int stability_derive(const struct context *c, struct stability *ret)
{
	(void)c;
	*ret = (struct stability)STABILITY_INIT;
	return 0;
}

void stability_release(struct stability *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->items[i].text);
	free(s->items);
	*s = (struct stability)STABILITY_INIT;
}

const char *stability_excuse(const struct drift_change *change, const struct drift_cause *cause, const struct context *from,
			     const struct context *to)
{
	(void)change, (void)cause, (void)from, (void)to;
	return NULL;
}

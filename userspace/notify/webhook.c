/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>

#include "userspace/notify/sink.h"

static bool webhook_wanted(const struct config *c)
{
	(void)c;
	return false;
}

const struct sink_kind sink_webhook = { .name = "webhook", .window = 1, .wanted = webhook_wanted };

/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>

#include "userspace/notify/sink.h"

static bool syslog_wanted(const struct config *c)
{
	(void)c;
	return false;
}

const struct sink_kind sink_syslog = { .name = "syslog", .window = 1, .wanted = syslog_wanted };

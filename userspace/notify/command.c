/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>

#include "userspace/notify/sink.h"

static bool command_wanted(const struct config *c)
{
	(void)c;
	return false;
}

const struct sink_kind sink_command = { .name = "command", .window = 1, .wanted = command_wanted };

/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/sandbox.h"

int sandbox_collector(struct error *e)
{
	(void)e;
	return 0;
}

int sandbox_analyst(const char *store_path, struct error *e)
{
	(void)store_path, (void)e;
	return 0;
}

int sandbox_messenger(const char *store_path, struct error *e)
{
	(void)store_path, (void)e;
	return 0;
}

int sandbox_keeper(const char *store_path, struct error *e)
{
	(void)store_path, (void)e;
	return 0;
}

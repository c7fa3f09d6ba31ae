/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/base/capability.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NUMBERS 64u

static int get(uint64_t *ret_effective, uint64_t *ret_permitted)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct has[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

	if (syscall(SYS_capget, &header, has) < 0)
		return -errno;
	*ret_effective = (uint64_t)has[1].effective << 32 | has[0].effective;
	*ret_permitted = (uint64_t)has[1].permitted << 32 | has[0].permitted;
	return 0;
}

uint64_t capability_effective(void)
{
	uint64_t effective = 0, permitted;

	return get(&effective, &permitted) < 0 ? 0 : effective;
}

void capability_bound(uint64_t keep)
{
	for (unsigned c = 0; c < NUMBERS; c++)
		if (!(keep >> c & 1))
			prctl(PR_CAPBSET_DROP, (unsigned long)c, 0, 0, 0);
}

int capability_keep(uint64_t keep)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { { 0 } };
	uint64_t effective = 0, permitted = 0;
	int err;

	capability_bound(keep);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	err = get(&effective, &permitted);
	if (err < 0)
		return err;
	for (unsigned i = 0; i < 2; i++)
		data[i].effective = data[i].permitted = (uint32_t)((keep & permitted) >> (32 * i));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(SYS_capset, &header, data) < 0)
		return -errno;
	return 0;
}

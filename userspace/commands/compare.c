/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/commands/compare.h"

#include <errno.h>

#include "userspace/base/error.h"
#include "userspace/commands/options.h"
#include "userspace/commands/output.h"

int compare_severity(const struct options *o, enum severity *ret, struct error *e)
{
	*ret = SEVERITY_NONE;
	if (!o->min_severity || severity_parse(o->min_severity, ret) >= 0)
		return 0;
	return error_set(e, EINVAL, "--min-severity %.60s: has to be info, warning or critical", o->min_severity);
}

int compare_code(enum drift_result result)
{
	switch (result) {
	case DRIFT_SAME:
		return EXIT_SAME;
	case DRIFT_DRIFT:
		return EXIT_DRIFT;
	case DRIFT_UNKNOWN:
		return EXIT_UNKNOWN;
	}
	return EXIT_FAILED;
}

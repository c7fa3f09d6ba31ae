/* SPDX-License-Identifier: Apache-2.0 */
/* Included before all else where the number of the rules is used: build/tests/stores/other_rules is an abidrift of other rules. */
#include "userspace/abi/entries.h"

#undef ABI_NORMALISER
#define ABI_NORMALISER 1000u

// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/memory.h"

static unsigned shortages;

void memory_short(void) { __atomic_add_fetch(&shortages, 1, __ATOMIC_RELAXED); }
unsigned memory_shortages(void) { return __atomic_load_n(&shortages, __ATOMIC_RELAXED); }

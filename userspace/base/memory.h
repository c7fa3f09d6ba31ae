/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocations that failed in this process: of buffers, lists, the store and, where main() says so, of JSON and digests. What is made
 * with many small ones (an answer, what one transaction stores) asks once, at its end, whether it lacks something.
 */
#ifndef ABIDRIFT_BASE_MEMORY_H
#define ABIDRIFT_BASE_MEMORY_H

void memory_short(void); /* one failed */
unsigned memory_shortages(void);

#endif

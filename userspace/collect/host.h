/* SPDX-License-Identifier: Apache-2.0 */
/* The host's side of the context, as HOST pairs (stream/record.h). */
#ifndef ABIDRIFT_COLLECT_HOST_H
#define ABIDRIFT_COLLECT_HOST_H

struct buffer;

/* Appends all pairs; what cannot be read is left out. -ENOMEM. */
int host_describe(struct buffer *pairs);
/* Of the text of /proc/cpuinfo: cpu.vendor, cpu.model, cpu.signature, cpu.microcode of the first processor. Changes `text`. Pure. */
void host_describe_cpu(char *text, struct buffer *pairs);

#endif

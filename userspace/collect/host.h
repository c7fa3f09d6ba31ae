/* SPDX-License-Identifier: Apache-2.0 */
/* The host's side of the context, as HOST pairs (stream/record.h). */
#ifndef ABIDRIFT_COLLECT_HOST_H
#define ABIDRIFT_COLLECT_HOST_H

#include <stddef.h>

struct buffer;

/* Appends all pairs; what cannot be read is left out. -ENOMEM. */
int host_describe(struct buffer *pairs);
/* Of the text of /proc/cpuinfo: cpu.vendor, cpu.model, cpu.signature, cpu.microcode of the first processor. Changes `text`. Pure. */
void host_describe_cpu(char *text, struct buffer *pairs);

/*
 * The release of the kernel that the host boots next ("6.1.0-28-amd64"), as far as its files say: what the links vmlinuz and
 * boot/vmlinuz below `root` ("" for the host's own) name, else the newest boot/vmlinuz-RELEASE. Links are read, never followed.
 * -ENOENT: cannot be told.
 */
int host_kernel_installed(const char *root, char *ret, size_t size);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When which guest's memory is read, and which reading stands. Firmware builds its tables some time after a reset, and those of
 * the boot before may still lie there meanwhile: so a boot is read again, ever more seldom, until a whole reading has been
 * confirmed by another one while the guest was quiet. Later the operating system may use that memory: then nothing is read.
 * What is not whole never replaces what is, and is told only when patience is over.
 */
#ifndef ABIDRIFT_COLLECT_READINGS_H
#define ABIDRIFT_COLLECT_READINGS_H

#include <stdbool.h>
#include <stdint.h>

struct kernel;
struct output;
struct reader;
struct vm;
struct vms;

struct readings {
	struct kernel *kernel; /* all borrowed */
	struct reader *reader; /* NULL: guest memory is not read */
	struct vms *vms;
};

/* A VM or a boot begins; `running`: it may have begun long ago. Forgets what was read before. */
void readings_begin(struct vm *vm, bool running, uint64_t now_ns);
/* A fact was seen of it. */
void readings_news(struct vm *vm, uint64_t now_ns);
/* Its slots are others than before. */
void readings_slots(struct vm *vm, uint64_t now_ns);
/* Takes what the reader answered, and gives it the next VM. What is new of a VM becomes dirty. */
void readings_work(struct readings *r, uint64_t now_ns);
/* When readings_work is due at the latest; 0 = nothing is. */
uint64_t readings_due(const struct readings *r);

#endif

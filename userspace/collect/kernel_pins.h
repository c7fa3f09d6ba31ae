/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel side that outlives its abidrift: maps and links in a folder of a BPF filesystem, until the next one takes them over.
 *
 * Every start loads programs of its own. They do nothing until they own the maps: one number in map `epochs`, which each program
 * compares with its own. So the maps change hands by one write, at which the programs before and after are both attached; then the
 * old links go. A crash between any two steps leaves a set that can be taken over, or is seen not to be one.
 */
#ifndef ABIDRIFT_COLLECT_KERNEL_PINS_H
#define ABIDRIFT_COLLECT_KERNEL_PINS_H

#include <stdbool.h>
#include <stdint.h>

struct abidrift_bpf;
struct buffer;
struct kernel;
struct pins;

/*
 * Opens the set (a folder in a folder, both made where they are not there), and holds it as long as it lives; ends sets beside it
 * that nobody has worked with for long, and of many those that were left first. NULL: we work without. What people should know goes to notes, a line each.
 */
struct pins *pins_open(const char *folder, struct buffer *notes);
void pins_free(struct pins *pins); /* what is pinned stays */

/* The capacity of the facts map that is there, where one like `wanted` would do; else wanted. */
uint32_t pins_capacity(const struct pins *pins, uint32_t wanted);
/* Before loading: gives skel the maps that are there. That they cannot be used is noted, once; they go on until pins_hand_over(). */
int pins_reuse(struct pins *pins, struct abidrift_bpf *skel, struct buffer *notes);
/* Maps of an earlier abidrift are in use. */
bool pins_adopted(const struct pins *pins);
/* The number by which programs know that they own the maps. */
uint32_t pins_owner(const struct pins *pins);
/*
 * Once all is attached: pins it, makes k's programs the owners, and removes what was there before. False: it could not be pinned
 * (noted); nothing of it is left then, and k works without.
 */
bool pins_hand_over(struct pins *pins, const struct kernel *k, struct buffer *notes);
/* A link (enum program) is no more. */
void pins_lost(struct pins *pins, unsigned program);
/* Links were attached later, or again: they are pinned, too. Makes no folders and removes nothing. */
void pins_follow(struct pins *pins, const struct kernel *k);
/* Somebody works with it, still: to be called every few seconds. */
void pins_used(struct pins *pins);

#endif

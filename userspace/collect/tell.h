/* SPDX-License-Identifier: Apache-2.0 */
/* Makes the records of the stream out of what the collector knows (record.h), for the sinks that are named. */
#ifndef ABIDRIFT_COLLECT_TELL_H
#define ABIDRIFT_COLLECT_TELL_H

#include <stddef.h>
#include <stdint.h>

#include "userspace/stream/record.h"

struct buffer;
struct output;
struct vm;

/* HELLO or TICK. */
void tell_clock(struct output *o, unsigned sinks, enum record_type type);
/* A record about the host: pairs, or nothing (SYNCED). */
void tell_host(struct output *o, unsigned sinks, enum record_type type, const struct buffer *pairs);
/* A VM that `sinks` do not know: all but its facts. Its owner has been described. */
void tell_vm_whole(struct output *o, unsigned sinks, const struct vm *vm);
/* What is dirty of a VM, to those who know it; nothing is dirty then. */
void tell_vm_news(struct output *o, struct vm *vm);
void tell_fact(struct output *o, unsigned sinks, const struct vm *vm, uint64_t at_ns, const struct observe_key *key, const struct observe_value *value);
void tell_gone(struct output *o, const struct vm *vm, const char *reason);
/* vm NULL: about the whole host. */
void tell_loss(struct output *o, unsigned sinks, const struct vm *vm, enum record_loss_stage stage, uint32_t class, uint64_t count);

uint64_t tell_now(void); /* CLOCK_MONOTONIC */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of a notice: labels, which identify it for Alertmanager, and annotations, which explain it. Names of guests and hosts are
 * bounded and shown as on a terminal, so they are valid UTF-8; features, keys and digests are in annotations only.
 */
#ifndef ABIDRIFT_NOTIFY_NOTICE_TEXT_H
#define ABIDRIFT_NOTIFY_NOTICE_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct store_blind;
struct store_drift;
struct store_guest;

/* Guests that drift alike, at least one. alone: labels name that one. diff: the drift of the first. NULL: out of memory. */
json_t *notice_drift(const struct store_drift *const *guests, size_t count, bool alone, const json_t *diff);
/* guest NULL: it is about the host, or nobody knows that guest. */
json_t *notice_blind(const struct store_blind *blind, const struct store_guest *guest);
/* An end that is none: from now on other notices tell of `on` of its guests. */
void notice_superseded(json_t *notice, size_t on);
/* Ends by itself; id: of the alert "test". */
json_t *notice_test(const char *host, const char *id);

#endif

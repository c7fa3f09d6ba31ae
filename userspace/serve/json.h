/* SPDX-License-Identifier: Apache-2.0 */
/* Values of the model. All are new references; NULL only where memory ran out. */
#ifndef ABIDRIFT_SERVE_JSON_H
#define ABIDRIFT_SERVE_JSON_H

#include <jansson.h>
#include <stdint.h>

/* NULL and "" are null ("what is not known is null"). Bytes that are no UTF-8 become U+FFFD. */
json_t *json_text(const char *text);
/* CLOCK_REALTIME ns; 0 is null. */
json_t *json_time(int64_t realtime_ns);
/* 0 is null. */
json_t *json_number(int64_t number);
/* A stored JSON text; NULL and what cannot be read are null. */
json_t *json_stored(const char *text);

#endif

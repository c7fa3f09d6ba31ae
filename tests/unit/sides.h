/* SPDX-License-Identifier: Apache-2.0 */
/* Fingerprints for tests, from the lines of their text after the first. */
#ifndef ABIDRIFT_TESTS_SIDES_H
#define ABIDRIFT_TESTS_SIDES_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#include "userspace/base/buffer.h"
#include "userspace/base/error.h"
#include "userspace/fingerprint/fingerprint.h"

static inline void side_make(const char *lines, struct abi_entries *ret)
{
	struct buffer text = BUFFER_INIT;
	struct error e = ERROR_INIT;

	buffer_printf(&text, "abidrift-fingerprint %d\n%s", FINGERPRINT_FORMAT, lines);
	if (fingerprint_parse(text.data, text.size, ret, &e) < 0)
		fail_msg("%s in:\n%s", e.text, lines);
	buffer_release(&text);
}

static inline char *side_text(const struct abi_entries *entries)
{
	struct buffer text = BUFFER_INIT;

	assert_int_equal(fingerprint_write(entries, &text), 0);
	return buffer_take(&text, NULL);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Any text into the parser; what it takes must be written in one form, and have the digest of that form. libFuzzer. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/buffer.h"
#include "userspace/base/error.h"
#include "userspace/fingerprint/fingerprint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct abi_entries entries = ABI_ENTRIES_INIT, again = ABI_ENTRIES_INIT;
	struct buffer first = BUFFER_INIT, second = BUFFER_INIT;
	struct digest digest, digest_again;
	struct error e = ERROR_INIT;

	if (fingerprint_parse((const char *)data, size, &entries, &e) < 0)
		return 0;
	if (fingerprint_write(&entries, &first) < 0 || fingerprint_parse(first.data, first.size, &again, &e) < 0 ||
	    fingerprint_write(&again, &second) < 0 || first.size != second.size || memcmp(first.data, second.data, first.size) != 0)
		abort();
	fingerprint_digest(&entries, &digest);
	fingerprint_digest(&again, &digest_again);
	if (strcmp(digest.text, digest_again.text) != 0)
		abort();
	buffer_release(&first);
	buffer_release(&second);
	entries_release(&entries);
	entries_release(&again);
	return 0;
}

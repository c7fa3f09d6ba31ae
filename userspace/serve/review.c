/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/serve/review.h"

#include <errno.h>
#include <stddef.h>
#include <zlib.h>

#include "userspace/base/buffer.h"

/* The files of BUILD/review, by the assembler: a folder of the compiler's -I has them. */
#define EMBED(name, file)                                                                                                      \
	__asm__(".section .rodata\n" #name "_start:\n.incbin \"review/" file "\"\n" #name "_end:\n.byte 0\n.previous\n");       \
	extern const unsigned char name##_start[] __attribute__((visibility("hidden")));                                       \
	extern const unsigned char name##_end[] __attribute__((visibility("hidden")))

EMBED(review_html, "index.html.gz");
EMBED(review_script, "review.js.gz");
EMBED(review_style, "review.css.gz");
EMBED(review_icon, "favicon.svg.gz");

static const struct {
	const unsigned char *start, *end;
} parts[] = {
	[REVIEW_HTML] = { review_html_start, review_html_end },
	[REVIEW_SCRIPT] = { review_script_start, review_script_end },
	[REVIEW_STYLE] = { review_style_start, review_style_end },
	[REVIEW_ICON] = { review_icon_start, review_icon_end },
};

/* zlib: 15 bits of window, and 16 for a gzip header. */
#define GZIP_WINDOW (15 + 16)

bool review_built(void)
{
	return parts[REVIEW_HTML].end > parts[REVIEW_HTML].start;
}

const void *review_packed(enum review_part part, size_t *ret_bytes)
{
	*ret_bytes = (size_t)(parts[part].end - parts[part].start);
	return parts[part].start;
}

int review_text(enum review_part part, struct buffer *out)
{
	z_stream z = { .next_in = (z_const Bytef *)parts[part].start, .avail_in = (uInt)(parts[part].end - parts[part].start) };
	unsigned char piece[16384];
	int step = Z_OK;

	if (!z.avail_in)
		return -ENOENT;
	if (inflateInit2(&z, GZIP_WINDOW) != Z_OK)
		return -ENOMEM;
	while (step == Z_OK) {
		z.next_out = piece;
		z.avail_out = sizeof piece;
		step = inflate(&z, Z_NO_FLUSH);
		buffer_append(out, piece, sizeof piece - z.avail_out);
	}
	inflateEnd(&z);
	return step == Z_STREAM_END && !buffer_failed(out) ? 0 : -ENOMEM;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Words on lines of 80 columns: wrapped at spaces, escaped for a terminal, coloured if asked. */
#ifndef ABIDRIFT_DRIFT_PAGE_H
#define ABIDRIFT_DRIFT_PAGE_H

#include <stdbool.h>
#include <stddef.h>

struct buffer;

#define PAGE_COLUMNS 80

enum page_style {
	PAGE_PLAIN,
	PAGE_LOST,
	PAGE_GAINED,
	PAGE_CHANGED,
	PAGE_BOLD,
	PAGE_FAINT,
};

struct page {
	struct buffer *out;
	bool color;
	size_t column; /* of the next character, from 0 */
	size_t indent; /* where a wrapped line goes on */
	bool glue;     /* the next word follows without a space, whatever the column */
};

/* Columns that a text takes once it is escaped: characters, all taken as one column wide. */
size_t page_width(const char *text);
/* A word after a space, on the next line if it does not fit; words longer than a line stay whole. */
void page_word(struct page *p, enum page_style style, const char *text);
/* All the words of a text. */
void page_words(struct page *p, enum page_style style, const char *text);
void page_format(struct page *p, enum page_style style, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Text at the beginning of a column `width` wide, with two spaces behind it. */
void page_cell(struct page *p, enum page_style style, const char *text, size_t width);
/* From here on wrapped lines go on at this column. */
void page_hang(struct page *p);
/* A line that begins at a column; the one before is ended. */
void page_line(struct page *p, size_t column);
void page_end(struct page *p);

#endif

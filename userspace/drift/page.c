/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/drift/page.h"

#include <stdarg.h>
#include <string.h>

#include "userspace/base/buffer.h"
#include "userspace/base/text.h"

static const char *const sgr[] = {
	[PAGE_PLAIN] = "",
	[PAGE_LOST] = "\033[31m",
	[PAGE_GAINED] = "\033[32m",
	[PAGE_CHANGED] = "\033[33m",
	[PAGE_BOLD] = "\033[1m",
	[PAGE_FAINT] = "\033[2m",
};

static size_t characters(const char *text, size_t size)
{
	size_t count = 0;

	for (size_t i = 0; i < size; i++)
		count += ((unsigned char)text[i] & 0xc0) != 0x80;
	return count;
}

size_t page_width(const char *text)
{
	struct buffer shown = BUFFER_INIT;
	size_t width;

	text_terminal(&shown, text, strlen(text));
	width = characters(shown.data, shown.size);
	buffer_release(&shown);
	return width;
}

static void put(struct page *p, enum page_style style, const char *text, size_t size)
{
	bool styled = p->color && style != PAGE_PLAIN && size > 0;
	size_t before;

	if (styled)
		buffer_string(p->out, sgr[style]);
	before = p->out->size;
	text_terminal(p->out, text, size);
	if (!buffer_failed(p->out))
		p->column += characters(p->out->data + before, p->out->size - before);
	if (styled)
		buffer_string(p->out, "\033[0m");
}

static void space(struct page *p, size_t count)
{
	buffer_printf(p->out, "%*s", (int)count, "");
	p->column += count;
}

static void word(struct page *p, enum page_style style, const char *text, size_t size)
{
	struct buffer shown = BUFFER_INIT;
	size_t width;

	if (size == 0)
		return;
	text_terminal(&shown, text, size);
	width = characters(shown.data, shown.size);
	buffer_release(&shown);
	if (!p->glue && p->column > 0) {
		if (p->column + 1 + width > PAGE_COLUMNS)
			page_line(p, p->indent);
		else
			space(p, 1);
	}
	p->glue = false;
	put(p, style, text, size);
}

void page_word(struct page *p, enum page_style style, const char *text)
{
	word(p, style, text, strlen(text));
}

void page_words(struct page *p, enum page_style style, const char *text)
{
	while (*text) {
		size_t size = strcspn(text, " ");

		word(p, style, text, size);
		text += size;
		text += strspn(text, " ");
	}
}

void page_format(struct page *p, enum page_style style, const char *format, ...)
{
	struct buffer text = BUFFER_INIT;
	va_list args;

	va_start(args, format);
	buffer_vprintf(&text, format, args);
	va_end(args);
	if (!buffer_failed(&text) && text.size)
		word(p, style, text.data, text.size);
	buffer_release(&text);
}

void page_cell(struct page *p, enum page_style style, const char *text, size_t width)
{
	size_t begin = p->column;

	put(p, style, text, strlen(text));
	space(p, (p->column - begin < width ? width - (p->column - begin) : 0) + 2);
	p->glue = true;
}

void page_hang(struct page *p)
{
	p->indent = p->column;
	p->glue = true;
}

void page_line(struct page *p, size_t column)
{
	page_end(p);
	space(p, column);
	p->glue = true;
}

void page_end(struct page *p)
{
	if (p->column > 0)
		buffer_string(p->out, "\n");
	p->column = 0;
}

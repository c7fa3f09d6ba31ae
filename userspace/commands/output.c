/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/commands/output.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "userspace/base/buffer.h"
#include "userspace/base/memory.h"
#include "userspace/base/text.h"
#include "userspace/base/visible_json.h"
#include "userspace/commands/options.h"

static void error_json(const char *text)
{
	struct buffer clean = BUFFER_INIT;
	json_t *model;
	char *line;

	text_utf8(&clean, text, strlen(text));
	model = json_pack("{s:s}", "error", clean.data ? clean.data : "");
	line = visible_json(model, JSON_COMPACT);
	fprintf(stderr, "%s\n", line ? line : "{\"error\":\"out of memory\"}");
	free(line);
	json_decref(model);
	buffer_release(&clean);
}

/* systemd names the stream that it gave; standard error may have been put elsewhere since. */
static bool to_the_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device &&
	       st.st_ino == inode;
}

const char *output_priority(int priority)
{
	if (priority > PRIORITY_WARNING || !to_the_journal())
		return "";
	return priority == PRIORITY_WARNING ? "<4>" : "<3>";
}

/* One write per line, so that lines of several processes do not mix. */
static void line_put(int priority, const char *text)
{
	struct buffer line = BUFFER_INIT;

	buffer_string(&line, output_priority(priority));
	buffer_string(&line, "abidrift: ");
	text_terminal(&line, text, strlen(text));
	buffer_string(&line, "\n");
	if (!buffer_failed(&line))
		fwrite(line.data, 1, line.size, stderr);
	fflush(stderr);
	buffer_release(&line);
}

static void say(bool json, int priority, const char *format, va_list args) __attribute__((format(printf, 3, 0)));
static void say(bool json, int priority, const char *format, va_list args)
{
	struct buffer text = BUFFER_INIT;

	buffer_vprintf(&text, format, args);
	if (json)
		error_json(text.data ? text.data : "out of memory");
	else
		line_put(priority, text.data ? text.data : "out of memory");
	buffer_release(&text);
}

int output_error(const struct options *o, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(o->json, PRIORITY_ERROR, format, args);
	va_end(args);
	return EXIT_FAILED;
}

void output_warning(const struct options *o, const char *format, ...)
{
	va_list args;

	if (o->quiet)
		return;
	va_start(args, format);
	say(false, PRIORITY_WARNING, format, args);
	va_end(args);
}

void output_note(const struct options *o, const char *format, ...)
{
	va_list args;

	if (o->quiet)
		return;
	va_start(args, format);
	say(false, PRIORITY_NOTE, format, args);
	va_end(args);
}

/* What is printed whole, or not: verbs end soon, so no shortage is of something else. */
static int output_bytes(const struct options *o, const char *data, size_t size)
{
	if (memory_shortages())
		return output_error(o, "out of memory");
	if (fwrite(data, 1, size, stdout) == size && fflush(stdout) == 0)
		return 0;
	return output_error(o, "cannot write to standard output: %s", strerror(errno));
}

int output_json(const struct options *o, json_t *model)
{
	char *text = visible_json(model, isatty(STDOUT_FILENO) ? JSON_INDENT(2) : JSON_COMPACT);
	int code;

	json_decref(model);
	if (!text)
		return output_error(o, "out of memory");
	code = output_bytes(o, text, strlen(text));
	free(text);
	return code ? code : output_bytes(o, "\n", 1);
}

int output_text(const struct options *o, const struct buffer *text)
{
	if (buffer_failed(text))
		return output_error(o, "out of memory");
	return text->size ? output_bytes(o, text->data, text->size) : 0;
}

bool output_color(const struct options *o)
{
	const char *none = getenv("NO_COLOR"), *terminal = getenv("TERM");

	if (o->color && strcmp(o->color, "auto"))
		return !strcmp(o->color, "always");
	return isatty(STDOUT_FILENO) && !(none && *none) && terminal && strcmp(terminal, "dumb");
}

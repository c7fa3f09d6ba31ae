/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/notify/syslog_message.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "userspace/base/buffer.h"
#include "userspace/base/text.h"
#include "userspace/base/visible_json.h"
#include "userspace/notify/sink.h"

/* The enterprise number that RFC 5612 keeps for examples: abidrift has none of its own. */
#define SD_ID "abidrift@32473"
/* RFC 5424, 6: what fits into HOSTNAME and MSGID. */
#define HOSTNAME_MAX 255
#define MSGID_MAX 32
/* Of one parameter and of the text behind them: together they and the header stay far below SYSLOG_MESSAGE_MAX. */
#define PARAM_MAX 512
#define TEXT_MAX 2048
#define BYTE_ORDER_MARK "\xef\xbb\xbf"

static const struct {
	const char *name;
	int facility;
} facilities[] = {
	{ "user", LOG_USER },     { "mail", LOG_MAIL },     { "daemon", LOG_DAEMON }, { "auth", LOG_AUTH },         { "syslog", LOG_SYSLOG },
	{ "lpr", LOG_LPR },       { "news", LOG_NEWS },     { "uucp", LOG_UUCP },     { "cron", LOG_CRON },         { "authpriv", LOG_AUTHPRIV },
	{ "ftp", LOG_FTP },       { "local0", LOG_LOCAL0 }, { "local1", LOG_LOCAL1 }, { "local2", LOG_LOCAL2 },     { "local3", LOG_LOCAL3 },
	{ "local4", LOG_LOCAL4 }, { "local5", LOG_LOCAL5 }, { "local6", LOG_LOCAL6 }, { "local7", LOG_LOCAL7 },
};

static const struct {
	const char *severity;
	int priority;
} priorities[] = { { "critical", LOG_CRIT }, { "warning", LOG_WARNING }, { "info", LOG_INFO }, { "none", LOG_INFO } };

int syslog_facility(const char *name)
{
	for (size_t i = 0; i < sizeof facilities / sizeof *facilities; i++)
		if (!strcmp(facilities[i].name, name))
			return facilities[i].facility;
	return -EINVAL;
}

int syslog_priority(const char *severity)
{
	for (size_t i = 0; severity && i < sizeof priorities / sizeof *priorities; i++)
		if (!strcmp(priorities[i].severity, severity))
			return priorities[i].priority;
	return LOG_WARNING;
}

/* NULL: there is none, or it is null. */
static const char *member(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

/* A field of the header: visible ASCII, never empty. */
static void field_put(struct buffer *out, const char *text, size_t max)
{
	size_t length = text ? strlen(text) : 0;

	if (!length)
		buffer_string(out, "-");
	for (size_t i = 0; i < length && i < max; i++)
		buffer_append(out, text[i] > ' ' && text[i] < 0x7f ? &text[i] : "?", 1);
	buffer_string(out, " ");
}

static void time_put(struct buffer *out, const char *at)
{
	int64_t parsed;

	/* What text_time writes is a TIMESTAMP as it stands. */
	if (!at || text_time_parse(at, &parsed) < 0)
		buffer_string(out, "- ");
	else
		field_put(out, at, HOSTNAME_MAX);
}

/* How much of it can stay without cutting a sequence of UTF-8 in two. */
static size_t cut(const struct buffer *b, size_t max)
{
	size_t size = b->size;

	if (size <= max)
		return size;
	for (size = max; size && ((unsigned char)b->data[size] & 0xc0) == 0x80;)
		size--;
	return size;
}

/* RFC 5424, 6.3.3: of a parameter's value these three are escaped, and nothing else. */
static void value_escape(struct buffer *out, const char *data, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (data[i] == '"' || data[i] == '\\' || data[i] == ']')
			buffer_string(out, "\\");
		buffer_append(out, &data[i], 1);
	}
}

/* What is not known has no parameter. */
static void param_put(struct buffer *out, const char *name, const char *value, struct buffer *room)
{
	if (!value)
		return;
	buffer_clear(room);
	text_terminal(room, value, strlen(value));
	buffer_printf(out, " %s=\"", name);
	value_escape(out, room->data, cut(room, PARAM_MAX));
	buffer_string(out, "\"");
	if (buffer_failed(room))
		out->failed = true;
}

/* The alert whole, if it fits behind `used` bytes; else how long it would have been. */
static void alert_put(struct buffer *out, const struct sink_alert *alert, size_t used, struct buffer *room)
{
	struct buffer value = BUFFER_INIT;

	buffer_clear(room);
	/* In visible ASCII: receivers rewrite all else in ways of their own. */
	visible_json_put(room, alert->json, JSON_COMPACT);
	value_escape(&value, room->data, room->size);
	if (room->size && used + value.size + strlen(" alert=\"\"") <= SYSLOG_MESSAGE_MAX) {
		buffer_string(out, " alert=\"");
		buffer_append(out, value.data, value.size);
		buffer_string(out, "\"");
	} else {
		buffer_printf(out, " alert_left_out=\"%zu\"", strlen(alert->line));
	}
	if (buffer_failed(room) || buffer_failed(&value))
		out->failed = true;
	buffer_release(&value);
}

static void header_put(struct buffer *out, const json_t *json, int facility, int pid)
{
	/* A facility is shifted already. */
	buffer_printf(out, "<%d>1 ", facility | syslog_priority(member(json, "severity")));
	time_put(out, member(json, "at"));
	field_put(out, member(json, "host"), HOSTNAME_MAX);
	buffer_printf(out, "abidrift %d ", pid);
	field_put(out, member(json, "type"), MSGID_MAX);
}

void syslog_message(struct buffer *out, const struct sink_alert *alert, int facility, int pid)
{
	const json_t *json = alert->json, *guest = json_object_get(json, "guest");
	const char *summary = member(json, "summary");
	struct buffer room = BUFFER_INIT, text = BUFFER_INIT;
	size_t begin = out->size, text_size;

	buffer_string(&text, BYTE_ORDER_MARK);
	if (summary)
		text_terminal(&text, summary, strlen(summary));
	text_size = cut(&text, TEXT_MAX);
	header_put(out, json, facility, pid);
	buffer_string(out, "[" SD_ID);
	param_put(out, "id", alert->id, &room);
	param_put(out, "guest", member(guest, "name"), &room);
	param_put(out, "uuid", member(guest, "uuid"), &room);
	param_put(out, "severity", member(json, "severity"), &room);
	param_put(out, "verdict", member(json, "verdict"), &room);
	param_put(out, "change_set", member(json, "change_set"), &room);
	alert_put(out, alert, out->size - begin + strlen("] ") + text_size, &room);
	buffer_string(out, "] ");
	buffer_append(out, text.data, text_size);
	if (buffer_failed(&text))
		out->failed = true;
	buffer_release(&text);
	buffer_release(&room);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/serve/export_report.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "userspace/base/text.h"
#include "userspace/serve/export_files.h"
#include "userspace/serve/review.h"

#define SHA256_BYTES 32
#define BASE64_BYTES 48
/* The page itself: more than it ever is. */
#define PAGE_BYTES (1u << 20)
/* Each of the texts; the archive has them whole. */
#define TEXT_BYTES_MAX (1u << 20)

static const char plain_style[] = "body{font:14px/1.45 system-ui,sans-serif;margin:1rem}pre{overflow:auto}";

void export_report_release(struct export_report *r)
{
	buffer_release(&r->answers);
	buffer_release(&r->texts);
}

void export_uri_put(struct buffer *out, const char *text)
{
	struct buffer utf8 = BUFFER_INIT;

	/* The page has the id out of JSON, where it is UTF-8 whatever it was. */
	text_utf8(&utf8, text, strlen(text));
	for (size_t i = 0; i < utf8.size; i++) {
		unsigned char c = (unsigned char)utf8.data[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("-_.!~*'()", c)))
			buffer_append(out, &c, 1);
		else
			buffer_printf(out, "%%%02X", c);
	}
	out->failed |= utf8.failed;
	buffer_release(&utf8);
}

/* ---- answers */

/*
 * JSON in a script element: whatever could end that, or begin a comment in it, lies in a string, where it can be written so.
 * U+2028 and U+2029 end a line in a script.
 */
static void json_put(struct buffer *out, const char *json, size_t size)
{
	size_t from = 0;

	for (size_t i = 0; i < size; i++) {
		bool separator = size - i > 2 && !memcmp(json + i, "\xe2\x80", 2) && (json[i + 2] == '\xa8' || json[i + 2] == '\xa9');

		if (!separator && json[i] != '<' && json[i] != '>' && json[i] != '&')
			continue;
		buffer_append(out, json + from, i - from);
		if (separator) {
			buffer_string(out, json[i + 2] == '\xa8' ? "\\u2028" : "\\u2029");
			i += 2;
		} else {
			buffer_printf(out, "\\u%04x", (unsigned)json[i]);
		}
		from = i + 1;
	}
	buffer_append(out, json + from, size - from);
}

static void string_put(struct buffer *out, const char *text, size_t size)
{
	struct buffer utf8 = BUFFER_INIT;
	json_t *value;
	char *json;

	text_utf8(&utf8, text ? text : "", size);
	value = buffer_failed(&utf8) ? NULL : json_stringn(utf8.size ? utf8.data : "", utf8.size);
	json = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
	if (json)
		json_put(out, json, strlen(json));
	out->failed |= !json;
	free(json);
	json_decref(value);
	buffer_release(&utf8);
}

static bool answer_begin(struct export_report *r, const char *path, size_t size)
{
	if (r->answers.size + size > EXPORT_ANSWERS_MAX) {
		r->left_out++;
		return false;
	}
	buffer_string(&r->answers, r->answers.size ? ",\n" : "");
	string_put(&r->answers, path, strlen(path));
	buffer_string(&r->answers, ":");
	return true;
}

void export_report_answer(struct export_report *r, const char *path, const char *json, size_t size)
{
	if (answer_begin(r, path, size))
		json_put(&r->answers, json, size);
}

void export_report_answer_text(struct export_report *r, const char *path, const char *text, size_t size)
{
	if (answer_begin(r, path, size))
		string_put(&r->answers, text, size);
}

size_t export_report_size(const struct export_report *r)
{
	return r->answers.size + r->texts.size + PAGE_BYTES;
}

/* ---- for who has no script */

static void html_put(struct buffer *out, const char *text, size_t size)
{
	size_t from = 0;

	for (size_t i = 0; i < size; i++) {
		const char *name = text[i] == '<' ? "&lt;" : text[i] == '>' ? "&gt;" : text[i] == '&' ? "&amp;" : text[i] == '"' ? "&quot;" : NULL;

		if (!name)
			continue;
		buffer_append(out, text + from, i - from);
		buffer_string(out, name);
		from = i + 1;
	}
	buffer_append(out, text + from, size - from);
}

static void html_string(struct buffer *out, const char *text)
{
	struct buffer clean = BUFFER_INIT;

	text_terminal(&clean, text, strlen(text));
	html_put(out, clean.data ? clean.data : "", clean.size);
	buffer_release(&clean);
}

void export_report_text(struct export_report *r, const char *title, const char *text, size_t size)
{
	bool cut = size > TEXT_BYTES_MAX;

	if (cut)
		size = TEXT_BYTES_MAX;
	/* Not within a character. */
	while (cut && size && ((unsigned char)text[size] & 0xc0) == 0x80)
		size--;
	buffer_printf(&r->texts, "<section><h2>%s</h2>\n<pre>", title);
	if (size)
		html_put(&r->texts, text, size);
	buffer_printf(&r->texts, "</pre>%s</section>\n", cut ? "\n<p>The rest is in the archive's text files.</p>" : "");
}

/* ---- the document */

/* What a policy calls an inline script or style by. false: there is none such that could be inlined. */
static bool hash_put(const struct buffer *text, char ret[BASE64_BYTES])
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned size = 0;

	return EVP_Digest(text->data ? text->data : "", text->size, sum, &size, EVP_sha256(), NULL) == 1 && size == SHA256_BYTES &&
	       EVP_EncodeBlock((unsigned char *)ret, sum, (int)size) > 0;
}

/* Would it end its element, or begin what hides the end of it? */
static bool inlineable(const struct buffer *text)
{
	for (size_t i = 0; i < text->size; i++)
		if (text->data[i] == '<' && (!strncasecmp(text->data + i, "</s", 3) || !strncmp(text->data + i, "<!--", 4)))
			return false;
	return text->size > 0;
}

static bool page_read(struct buffer *script, struct buffer *style)
{
	return review_text(REVIEW_SCRIPT, script) >= 0 && review_text(REVIEW_STYLE, style) >= 0 && inlineable(script) && inlineable(style);
}

static void head_put(const char *name, const char *at, const char *script_hash, const char *style_hash, struct buffer *out)
{
	buffer_string(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
			   "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; base-uri 'none'; form-action 'none'");
	if (script_hash)
		buffer_printf(out, "; script-src 'sha256-%s'", script_hash);
	buffer_printf(out, "; style-src 'sha256-%s'\">\n", style_hash);
	buffer_string(out, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n"
			   "<meta name=\"referrer\" content=\"no-referrer\">\n<title>");
	html_string(out, name);
	buffer_printf(out, ", %s: abidrift</title>\n", at);
}

static void answers_put(const struct export_report *r, const char *id, const char *at, struct buffer *out)
{
	buffer_string(out, "<script type=\"application/json\" id=\"answers\">{\"guest\":");
	string_put(out, id, strlen(id));
	buffer_string(out, ",\"at\":");
	string_put(out, at, strlen(at));
	buffer_string(out, ",\"answers\":{");
	buffer_append(out, r->answers.data ? r->answers.data : "", r->answers.size);
	buffer_string(out, "}}</script>\n");
}

void export_report_put(const struct export_report *r, const char *id, const char *name, const char *at, struct buffer *out)
{
	struct buffer script = BUFFER_INIT, style = BUFFER_INIT;
	char script_hash[BASE64_BYTES] = "", style_hash[BASE64_BYTES] = "";
	bool page = page_read(&script, &style) && hash_put(&script, script_hash);

	if (!page) {
		buffer_clear(&style);
		buffer_string(&style, plain_style);
	}
	if (!hash_put(&style, style_hash))
		out->failed = true;
	head_put(name, at, page ? script_hash : NULL, style_hash, out);
	buffer_string(out, "<style>");
	buffer_append(out, style.data ? style.data : "", style.size);
	buffer_string(out, "</style>\n</head>\n<body>\n<div id=\"page\">\n<h1>");
	html_string(out, name);
	buffer_printf(out, "</h1>\n<p>As of %s.</p>\n", at);
	buffer_append(out, r->texts.data ? r->texts.data : "", r->texts.size);
	buffer_string(out, "</div>\n");
	if (page) {
		answers_put(r, id, at, out);
		buffer_string(out, "<script>");
		buffer_append(out, script.data, script.size);
		buffer_string(out, "</script>\n");
	}
	buffer_string(out, "</body>\n</html>\n");
	out->failed |= r->answers.failed || r->texts.failed || script.failed || style.failed;
	buffer_release(&script);
	buffer_release(&style);
}

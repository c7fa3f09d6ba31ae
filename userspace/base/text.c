// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/text.h"

#include <errno.h>
#include <string.h>

#include "userspace/base/buffer.h"
#include "userspace/base/utf8.h"

#define NS_PER_MS 1000000ull
#define NS_PER_S 1000000000ull
#define SECONDS_PER_DAY 86400
#define UUID_DIGITS 32

/* ---- escaping */

static void put_hex(struct buffer *out, const char *data, size_t size)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < size; i++) {
		uint8_t byte = (uint8_t)data[i];
		char escape[4] = { '\\', 'x', digits[byte >> 4], digits[byte & 0xf] };
		buffer_append(out, escape, sizeof(escape));
	}
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool needs_escape(char c, bool key)
{
	uint8_t byte = (uint8_t)c;

	return byte < 0x20 || byte >= 0x7f || byte == '\\' || (key && byte == ' ');
}

void text_escape(struct buffer *out, const char *data, size_t size, bool key)
{
	size_t i = 0;

	while (i < size) {
		size_t plain = i;
		while (i < size && !needs_escape(data[i], key))
			i++;
		buffer_append(out, data + plain, i - plain);
		if (i < size)
			put_hex(out, data + i++, 1);
	}
}

int text_unescape(struct buffer *out, const char *data, size_t size)
{
	struct buffer bytes = BUFFER_INIT;

	for (size_t i = 0; i < size;) {
		const char *escape = memchr(data + i, '\\', size - i);
		size_t plain = escape ? (size_t)(escape - data) - i : size - i;
		int high, low;
		char c;

		/* Nearly all of it, and a list of guests reads much of this. */
		if (plain) {
			buffer_append(&bytes, data + i, plain);
			i += plain;
			continue;
		}
		high = size - i >= 4 && data[i + 1] == 'x' ? hex_value(data[i + 2]) : -1;
		low = high >= 0 ? hex_value(data[i + 3]) : -1;
		if (low < 0) {
			buffer_release(&bytes);
			return -EINVAL;
		}
		c = (char)(high << 4 | low);
		buffer_append(&bytes, &c, 1);
		i += 4;
	}
	if (buffer_failed(&bytes))
		out->failed = true;
	else
		buffer_append(out, bytes.data, bytes.size);
	buffer_release(&bytes);
	return 0;
}

/* One character, or the escape of what is none; returns its bytes. */
static size_t put_terminal(struct buffer *out, const char *data, size_t size)
{
	uint32_t code;
	size_t length = utf8_next(data, size, &code);

	if (length > 0 && utf8_printable(code)) {
		buffer_append(out, data, length);
	} else {
		length = length > 0 ? length : 1;
		put_hex(out, data, length);
	}
	return length;
}

void text_terminal(struct buffer *out, const char *data, size_t size)
{
	for (size_t at = 0; at < size;)
		at += put_terminal(out, data + at, size - at);
}

void text_terminal_brief(struct buffer *out, const char *data, size_t size, size_t columns)
{
	struct buffer one = BUFFER_INIT;
	size_t fits = 0; /* bytes that leave room for the mark */

	for (size_t at = 0, wide = 0; at < size && wide <= columns;) {
		buffer_clear(&one);
		at += put_terminal(&one, data + at, size - at);
		if (buffer_failed(&one))
			break;
		wide += (signed char)one.data[0] < 0 ? 2 : one.size;
		if (wide < columns)
			fits = at;
		else if (wide <= columns && at == size)
			fits = size;
	}
	out->failed |= buffer_failed(&one);
	buffer_release(&one);
	text_terminal(out, data, fits);
	if (fits < size)
		buffer_string(out, "\xe2\x80\xa6"); /* U+2026 */
}

void text_utf8(struct buffer *out, const char *data, size_t size)
{
	static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

	while (size > 0) {
		uint32_t code;
		size_t length = utf8_next(data, size, &code);
		if (length > 0) {
			buffer_append(out, data, length);
		} else {
			length = 1;
			buffer_string(out, replacement);
		}
		data += length;
		size -= length;
	}
}

void text_utf8_escape(struct buffer *out, const char *data, size_t size)
{
	while (size > 0) {
		uint32_t code;
		size_t length = utf8_next(data, size, &code);
		if (length > 0) {
			buffer_append(out, data, length);
		} else {
			length = 1;
			put_hex(out, data, length);
		}
		data += length;
		size -= length;
	}
}

/* ---- numbers and durations */

/* Digits of `base` from *text on, at least one; moves *text behind them. */
static int parse_digits(const char **text, unsigned int base, uint64_t *ret)
{
	const char *p = *text;
	uint64_t value = 0;
	bool overflow = false;

	for (;; p++) {
		int digit = hex_value(*p);
		if (digit < 0 || (unsigned int)digit >= base)
			break;
		overflow = overflow || __builtin_mul_overflow(value, base, &value) || __builtin_add_overflow(value, (uint64_t)digit, &value);
	}
	if (p == *text)
		return -EINVAL;
	*text = p;
	*ret = value;
	return overflow ? -ERANGE : 0;
}

int text_u64(const char *text, uint64_t *ret)
{
	uint64_t value = 0;
	unsigned int base = 10;

	if (text[0] == '0' && text[1] == 'x') {
		base = 16;
		text += 2;
	}
	int r = parse_digits(&text, base, &value);
	if (r == -EINVAL || *text != '\0')
		return -EINVAL;
	if (r < 0)
		return r;
	*ret = value;
	return 0;
}

static const struct unit {
	const char *name;
	uint64_t ns;
} units[] = {
	{ "d", 86400 * NS_PER_S },
	{ "h", 3600 * NS_PER_S },
	{ "m", 60 * NS_PER_S },
	{ "s", NS_PER_S },
	{ "ms", NS_PER_MS },
};

#define UNITS (sizeof(units) / sizeof(units[0]))

int text_duration(const char *text, uint64_t *ret_ns)
{
	uint64_t number = 0, ns;
	int r = parse_digits(&text, 10, &number);

	if (r == -EINVAL)
		return r;
	for (size_t i = 0; i < UNITS; i++) {
		if (strcmp(text, units[i].name) != 0)
			continue;
		if (r < 0 || __builtin_mul_overflow(number, units[i].ns, &ns))
			return -ERANGE;
		*ret_ns = ns;
		return 0;
	}
	return -EINVAL;
}

void text_duration_put(struct buffer *out, uint64_t ns)
{
	const struct unit *unit = &units[UNITS - 1];

	if (ns == 0) {
		buffer_string(out, "0s");
		return;
	}
	for (size_t i = 0; i < UNITS; i++) {
		if (ns % units[i].ns == 0) {
			unit = &units[i];
			break;
		}
	}
	buffer_printf(out, "%llu%s", (unsigned long long)(ns / unit->ns), unit->name);
}

/* ---- times: the proleptic Gregorian calendar in eras of 400 years that begin on 1 March, so that a leap day ends its year */

#define DAYS_PER_ERA 146097
#define DAYS_FROM_0000_03_01_TO_1970 719468

static int64_t days_from_date(int64_t year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

	return era * DAYS_PER_ERA + day_of_era - DAYS_FROM_0000_03_01_TO_1970;
}

static void date_from_days(int64_t days, int *ret_year, int *ret_month, int *ret_day)
{
	int64_t z = days + DAYS_FROM_0000_03_01_TO_1970;
	int64_t era = (z >= 0 ? z : z - (DAYS_PER_ERA - 1)) / DAYS_PER_ERA;
	int64_t day_of_era = z - era * DAYS_PER_ERA;
	int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t shifted_month = (5 * day_of_year + 2) / 153;
	int month = (int)(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);

	*ret_year = (int)(year_of_era + era * 400 + (month <= 2 ? 1 : 0));
	*ret_month = month;
	*ret_day = (int)(day_of_year - (153 * shifted_month + 2) / 5 + 1);
}

void text_time(struct buffer *out, int64_t realtime_ns)
{
	int64_t seconds = realtime_ns / (int64_t)NS_PER_S, ns = realtime_ns % (int64_t)NS_PER_S;
	int year, month, day;

	/* Down, not towards zero: times before 1970 have their fraction counted forward as well. */
	if (ns < 0) {
		ns += (int64_t)NS_PER_S;
		seconds--;
	}
	int64_t days = seconds / SECONDS_PER_DAY, in_day = seconds % SECONDS_PER_DAY;
	if (in_day < 0) {
		in_day += SECONDS_PER_DAY;
		days--;
	}
	date_from_days(days, &year, &month, &day);
	buffer_printf(out, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", year, month, day, (int)(in_day / 3600), (int)(in_day / 60 % 60),
		      (int)(in_day % 60), (int)(ns / (int64_t)NS_PER_MS));
}

/* `count` decimal digits, then the character `then`. */
static bool parse_part(const char **text, int count, char then, int *ret)
{
	int value = 0;

	for (int i = 0; i < count; i++) {
		char c = *(*text)++;
		if (c < '0' || c > '9')
			return false;
		value = value * 10 + (c - '0');
	}
	*ret = value;
	if (**text != then)
		return false;
	if (then != '\0')
		(*text)++;
	return true;
}

static int days_in_month(int year, int month)
{
	static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return month == 2 && leap ? 29 : days[month - 1];
}

/* `12:00:00Z` or `12:00:00.000Z` to the end of the text. */
static bool parse_time_of_day(const char *text, int64_t *ret_ns)
{
	int hour, minute, second, ms = 0;

	if (!parse_part(&text, 2, ':', &hour) || !parse_part(&text, 2, ':', &minute))
		return false;
	const char *seconds = text;
	if (!parse_part(&text, 2, 'Z', &second)) {
		text = seconds;
		if (!parse_part(&text, 2, '.', &second) || !parse_part(&text, 3, 'Z', &ms))
			return false;
	}
	if (*text != '\0' || hour > 23 || minute > 59 || second > 59)
		return false;
	*ret_ns = ((int64_t)(hour * 60 + minute) * 60 + second) * (int64_t)NS_PER_S + ms * (int64_t)NS_PER_MS;
	return true;
}

int text_time_parse(const char *text, int64_t *ret_realtime_ns)
{
	/* Whole years that 64-bit nanoseconds around 1970 can hold. */
	const int first_year = 1678, last_year = 2261;
	int year, month, day;
	int64_t in_day_ns = 0;

	if (!parse_part(&text, 4, '-', &year) || !parse_part(&text, 2, '-', &month))
		return -EINVAL;
	const char *day_text = text;
	if (!parse_part(&text, 2, '\0', &day)) {
		text = day_text;
		if (!parse_part(&text, 2, 'T', &day) || !parse_time_of_day(text, &in_day_ns))
			return -EINVAL;
	}
	if (year < first_year || year > last_year || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
		return -EINVAL;
	*ret_realtime_ns = days_from_date(year, month, day) * SECONDS_PER_DAY * (int64_t)NS_PER_S + in_day_ns;
	return 0;
}

int text_since_parse(const char *text, int64_t now, int64_t *ret_realtime_ns)
{
	uint64_t ns;

	if (text_duration(text, &ns) < 0)
		return text_time_parse(text, ret_realtime_ns);
	*ret_realtime_ns = now > 0 && ns < (uint64_t)now ? now - (int64_t)ns : 0;
	return 0;
}

/* ---- names */

int text_uuid(const char *text, char out[37])
{
	char uuid[37];
	size_t size = strlen(text), digits = 0, used = 0;

	if (size >= 2 && text[0] == '{' && text[size - 1] == '}') {
		text++;
		size -= 2;
	}
	bool dashes = size == UUID_DIGITS + 4;
	if (!dashes && size != UUID_DIGITS)
		return -EINVAL;
	for (size_t i = 0; i < size; i++) {
		bool dash_here = dashes && (i == 8 || i == 13 || i == 18 || i == 23);
		int value = hex_value(text[i]);
		if (dash_here ? text[i] != '-' : value < 0)
			return -EINVAL;
		if (dash_here)
			continue;
		if (digits == 8 || digits == 12 || digits == 16 || digits == 20)
			uuid[used++] = '-';
		uuid[used++] = "0123456789abcdef"[value];
		digits++;
	}
	uuid[used] = '\0';
	memcpy(out, uuid, sizeof(uuid));
	return 0;
}

bool text_glob(const char *pattern, const char *text)
{
	const char *after_star = NULL, *star_text = NULL;

	/* Only the last star is ever widened, so that the time is bounded by the product of the lengths. */
	while (*text != '\0') {
		if (*pattern == '*') {
			after_star = ++pattern;
			star_text = text;
		} else if (*pattern == '?' || *pattern == *text) {
			pattern++;
			text++;
		} else if (after_star != NULL) {
			pattern = after_star;
			text = ++star_text;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

// SPDX-License-Identifier: Apache-2.0
/*
 * A configuration file, a file of its folder of drop-ins and a --set, with NUL between them. What is taken is written as a file that reads as the
 * same, where its rules of suppression are rules; what is not taken is told in one line.
 */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>

#include "userspace/base/config.h"
#include "userspace/drift/suppress.h"

static void require_line(const struct error *e)
{
	require(e->text[0] && !strchr(e->text, '\n'));
}

static int read_text(struct config *c, const char *text, size_t size)
{
	struct error e = ERROR_INIT;
	int fd = file_of(text, size), err;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	err = config_read(c, path, &e);
	if (err < 0)
		require_line(&e);
	close(fd);
	return err;
}

static bool read_rules(const struct config *c)
{
	struct suppressions *s = suppressions_new();
	struct error e = ERROR_INIT;
	const struct config_rule *rules;
	const char *rule = NULL;
	size_t count;
	int err = 0;

	require(s != NULL);
	rules = config_rules(c, &count);
	for (size_t i = 0; err >= 0 && i < count; i++)
		err = suppressions_set(s, rules[i].name, rules[i].key, rules[i].value, &e);
	if (err >= 0)
		err = suppressions_check(s, &rule, &e);
	if (err < 0)
		require_line(&e);
	for (size_t i = 0; err >= 0 && i < suppressions_count(s); i++)
		require(suppressions_get(s, i).reason != NULL);
	suppressions_free(s);
	return err >= 0;
}

static void write_and_read(const struct config *c)
{
	struct config *back = config_new();
	struct buffer text = BUFFER_INIT, second = BUFFER_INIT;
	const char **pairs = config_pairs(c);

	require(back && pairs);
	config_print(c, &text);
	require(!buffer_failed(&text) && read_text(back, text.data, text.size) == 0);
	config_print(back, &second);
	require(same_bytes(&text, &second));
	free(pairs);
	buffer_release(&text);
	buffer_release(&second);
	config_free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config *c = config_new();
	struct error e = ERROR_INIT;
	char *first = take_until(&data, &size, 0), *second = take_until(&data, &size, 0), *assignment = take_until(&data, &size, 0);
	int err = 0;

	require(c != NULL);
	err = read_text(c, first, strlen(first));
	if (err >= 0 && second[0])
		err = read_text(c, second, strlen(second));
	if (err >= 0 && assignment[0] && (err = config_assign(c, assignment, &e)) < 0)
		require_line(&e);
	if (err >= 0 && read_rules(c))
		write_and_read(c);
	free(first);
	free(second);
	free(assignment);
	config_free(c);
	return 0;
}

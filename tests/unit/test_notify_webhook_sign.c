/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures against the vector that the libraries of Standard Webhooks share, and files of secrets as people write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "userspace/base/buffer.h"
#include "userspace/base/error.h"
#include "userspace/notify/kept_file.h"
#include "userspace/notify/webhook_sign.h"

/* github.com/standard-webhooks/standard-webhooks, the test of its libraries */
#define VECTOR_SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define VECTOR_ID "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define VECTOR_TIME 1614265330
#define VECTOR_BODY "{\"test\": 2432232314}"
#define VECTOR_SIGNATURE "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

static int parse(const char *text, struct webhook_secrets **ret, struct error *e)
{
	return webhook_secrets_parse(text, strlen(text), ret, e);
}

static void assert_signed(const char *file, const char *wanted)
{
	struct webhook_secrets *s = NULL;
	struct buffer out = BUFFER_INIT;

	assert_int_equal(parse(file, &s, NULL), 0);
	assert_int_equal(webhook_sign(s, VECTOR_ID, VECTOR_TIME, VECTOR_BODY, strlen(VECTOR_BODY), &out), 0);
	assert_string_equal(out.data, wanted);
	buffer_release(&out);
	webhook_secrets_free(s);
}

/* A receiver that uses any of the libraries accepts what we sign. */
static void test_signature_is_the_specifications(void **state)
{
	(void)state;
	assert_signed(VECTOR_SECRET, VECTOR_SIGNATURE);
}

static void test_each_secret_signs_in_order_whatever_ends_its_line(void **state)
{
	(void)state;
	assert_signed("# the new one\r\n\r\n" VECTOR_SECRET "\r\n" VECTOR_SECRET " \t\n\n" VECTOR_SECRET, VECTOR_SIGNATURE " " VECTOR_SIGNATURE " " VECTOR_SIGNATURE);
}

static void test_what_is_no_secret_is_refused_by_its_line_and_not_repeated(void **state)
{
	static const char *const bad[] = {
		"nosuch_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_TWZLUQ==", /* 4 bytes */
		"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", /* a digit less */
		"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa-_", /* of another alphabet */
		"whsec_MfKQ9r8GKYqrTwjU=D8ILPZIo2LaLaSw", "whsec_ fKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2La====",
		"whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=", /* 65 bytes */
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct webhook_secrets *s = NULL;
		struct error e = ERROR_INIT;
		char text[256];

		snprintf(text, sizeof text, VECTOR_SECRET "\n%s\n", bad[i]);
		assert_int_equal(parse(text, &s, &e), -EINVAL);
		assert_null(s);
		assert_non_null(strstr(e.text, "line 2 "));
		assert_true(strlen(bad[i]) < 7 || !strstr(e.text, bad[i]));
	}
}

static void test_64_bytes_are_the_most(void **state)
{
	static const char longest[] = "whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQQ==";
	struct webhook_secrets *s = NULL;

	(void)state;
	assert_int_equal(parse(longest, &s, NULL), 0);
	webhook_secrets_free(s);
}

static void test_no_secret_and_too_many_are_mistakes(void **state)
{
	struct webhook_secrets *s = NULL;
	struct buffer many = BUFFER_INIT;
	struct error e = ERROR_INIT;

	(void)state;
	assert_int_equal(parse("", &s, &e), -EINVAL);
	assert_int_equal(parse("# " VECTOR_SECRET "\n", &s, &e), -EINVAL);
	for (int i = 0; i <= WEBHOOK_SECRETS_MAX; i++)
		buffer_string(&many, VECTOR_SECRET "\n");
	assert_int_equal(webhook_secrets_parse(many.data, many.size, &s, &e), -EINVAL);
	assert_null(s);
	buffer_release(&many);
}

/* ---- files */

static void put(const char *path, const char *text)
{
	char fresh[64];
	FILE *f;

	snprintf(fresh, sizeof fresh, "%s.new", path);
	f = fopen(fresh, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	assert_int_equal(fclose(f), 0);
	assert_int_equal(rename(fresh, path), 0);
}

static int folder_make(void **state)
{
	static char folder[] = "/tmp/abidrift-kept-XXXXXX";

	memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
	*state = mkdtemp(folder);
	return *state ? 0 : -1;
}

static int folder_remove(void **state)
{
	char path[64];

	snprintf(path, sizeof path, "%s/f", (char *)*state);
	remove(path);
	return rmdir(*state);
}

static void test_a_file_that_changed_is_read_again_and_one_that_is_gone_is_kept(void **state)
{
	struct kept_file *f = NULL;
	bool is_new = true;
	char path[60];
	size_t size;

	snprintf(path, sizeof path, "%s/f", (char *)*state);
	put(path, "one");
	assert_int_equal(kept_file_load(path, &f, NULL), 0);
	assert_string_equal(kept_file_text(f, &size, &is_new), "one");
	assert_int_equal(size, 3);
	assert_false(is_new);
	put(path, "three");
	assert_string_equal(kept_file_text(f, &size, &is_new), "three");
	assert_int_equal(size, 5);
	assert_true(is_new);
	/* One that is being replaced: emptied first, or away for a moment. */
	assert_int_equal(truncate(path, 0), 0);
	assert_string_equal(kept_file_text(f, &size, &is_new), "three");
	assert_false(is_new);
	assert_int_equal(unlink(path), 0);
	assert_string_equal(kept_file_text(f, NULL, NULL), "three");
	kept_file_free(f);
}

static void test_what_is_no_file_is_refused_without_waiting(void **state)
{
	struct kept_file *f = NULL;
	struct error e = ERROR_INIT;
	char path[60];

	snprintf(path, sizeof path, "%s/f", (char *)*state);
	assert_int_equal(kept_file_load(path, &f, &e), -ENOENT);
	assert_non_null(strstr(e.text, path));
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(kept_file_load(path, &f, &e), -EINVAL);
	assert_int_equal(kept_file_load(*state, &f, &e), -EINVAL);
	assert_int_equal(unlink(path), 0);
	put(path, "");
	assert_int_equal(kept_file_load(path, &f, &e), -ENODATA);
	assert_int_equal(truncate(path, KEPT_FILE_MAX + 1), 0);
	assert_int_equal(kept_file_load(path, &f, &e), -EFBIG);
	assert_null(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signature_is_the_specifications),
		cmocka_unit_test(test_each_secret_signs_in_order_whatever_ends_its_line),
		cmocka_unit_test(test_what_is_no_secret_is_refused_by_its_line_and_not_repeated),
		cmocka_unit_test(test_64_bytes_are_the_most),
		cmocka_unit_test(test_no_secret_and_too_many_are_mistakes),
		cmocka_unit_test_setup_teardown(test_a_file_that_changed_is_read_again_and_one_that_is_gone_is_kept, folder_make, folder_remove),
		cmocka_unit_test_setup_teardown(test_what_is_no_file_is_refused_without_waiting, folder_make, folder_remove),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

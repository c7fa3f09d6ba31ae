/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What went wrong, for a person: what was tried, on what, what failed, what to
 * do; one line. Library functions return 0 or -errno and, where a person needs
 * more than the errno, fill a struct error that the caller gives (may be NULL).
 */
#ifndef ABIDRIFT_BASE_ERROR_H
#define ABIDRIFT_BASE_ERROR_H

struct error {
	char text[512];
};

#define ERROR_INIT { "" }

/* Sets the text (control bytes become '?') and returns -code, so that it ends a function: return error_set(e, EINVAL, "..."). An errno
   that was not set is an error all the same: -EIO. */
int error_set(struct error *e, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* So that a checker that looks at one file knows too: what error_set() gave is an error. */
static inline int error_is(int err)
{
	if (err >= 0)
		__builtin_unreachable();
	return err;
}

#define error_set(...) error_is(error_set(__VA_ARGS__))

#endif

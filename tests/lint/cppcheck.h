/* SPDX-License-Identifier: Apache-2.0 */
/* What cppcheck, which reads no header of a library, has to know of them to read the code at all. */
#ifndef ABIDRIFT_LINT_CPPCHECK_H
#define ABIDRIFT_LINT_CPPCHECK_H

#define json_array_foreach(array, index, value) for (index = 0; index < json_array_size(array) && (value = json_array_get(array, index)); index++)
#define json_object_foreach(object, key, value) \
	for (key = json_object_iter_key(json_object_iter(object)); key && (value = json_object_iter_value(0)); key = json_object_iter_key(0))

#endif

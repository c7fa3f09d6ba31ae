/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/collect/arguments.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/text.h"

#define VALUE_MAX_BYTES 4096u
#define NODE_DEPTH_MAX 4 /* a format node over a protocol node, and filters */
#define FLASH_UNITS 2
#define MACHINES_MAX 8u /* of each of its options; libvirt gives one */
#define NODES_MAX 256u  /* a guest with 64 disks has 128 */

/* The values of -blockdev: found once, since each flash unit is looked for among all of them. */
struct nodes {
	size_t count;
	const char *list[NODES_MAX];
};

int arguments_split(const char *block, size_t size, struct arguments *ret)
{
	struct arguments a = ARGUMENTS_INIT;
	size_t count = 0;

	for (const char *p = block; p < block + size; p += strlen(p) + 1)
		count++;
	if (count) {
		a.list = calloc(count, sizeof(*a.list));
		if (!a.list)
			return -ENOMEM;
	}
	for (const char *p = block; a.count < count; p += strlen(p) + 1)
		a.list[a.count++] = p;
	*ret = a;
	return 0;
}

void arguments_release(struct arguments *a)
{
	free(a->list);
	*a = (struct arguments)ARGUMENTS_INIT;
}

/* The value of the option at `i`, or NULL: it is another option, or none. */
static const char *value_at(const struct arguments *a, size_t i, const char *option)
{
	size_t size = strlen(option);
	const char *p = a->list[i];

	if (!p || *p != '-')
		return NULL;
	p += p[1] == '-' ? 2 : 1;
	if (strncmp(p, option, size))
		return NULL;
	if (p[size] == '=')
		return p + size + 1;
	return !p[size] && i + 1 < a->count ? a->list[i + 1] : NULL;
}

const char *arguments_next(const struct arguments *a, const char *option, size_t *cursor)
{
	for (size_t i = *cursor + 1; i < a->count; i++) {
		const char *value = value_at(a, i, option);

		if (value) {
			*cursor = i;
			return value;
		}
	}
	return NULL;
}

/* key=value of a comma list, two commas being one. An empty key is the list's first element if that has no key. */
static bool list_get(const char *text, const char *key, char ret[VALUE_MAX_BYTES])
{
	size_t key_size = strlen(key);

	for (bool first = true; *text; first = false) {
		const char *value = NULL;
		size_t used = 0;

		if (key_size && !strncmp(text, key, key_size) && text[key_size] == '=')
			value = text + key_size + 1;
		else if (!key_size && first && strcspn(text, "=") >= strcspn(text, ","))
			value = text;
		for (const char *p = value ? value : text;; p++) {
			if (*p == ',' && p[1] == ',')
				p++;
			else if (!*p || *p == ',') {
				text = p + (*p == ',');
				break;
			}
			if (value && used < VALUE_MAX_BYTES - 1)
				ret[used++] = *p;
		}
		if (value) {
			ret[used] = '\0';
			return true;
		}
	}
	return false;
}

/* The first "key": value of a JSON text, at whatever depth; strings without their escapes, others as they are. */
static bool json_get(const char *text, const char *key, char ret[VALUE_MAX_BYTES])
{
	size_t key_size = strlen(key), used = 0;

	for (const char *p = strchr(text, '"'); p; p = strchr(p + 1, '"')) {
		const char *value;

		if (strncmp(p + 1, key, key_size) || p[1 + key_size] != '"')
			continue;
		value = p + key_size + 2;
		value += strspn(value, " \t");
		if (*value != ':')
			continue;
		value++;
		value += strspn(value, " \t");
		if (*value == '{' || *value == '[')
			return false;
		if (*value == '"') {
			for (value++; *value && *value != '"' && used < VALUE_MAX_BYTES - 1; value++) {
				if (*value == '\\' && value[1])
					value++;
				ret[used++] = *value;
			}
		} else {
			while (*value && !strchr(",}] \t", *value) && used < VALUE_MAX_BYTES - 1)
				ret[used++] = *value++;
		}
		ret[used] = '\0';
		return true;
	}
	return false;
}

static bool get(const char *text, const char *key, char ret[VALUE_MAX_BYTES])
{
	return text[0] == '{' ? json_get(text, key, ret) : list_get(text, key, ret);
}

static bool same_uuid(const char *a, const char *b)
{
	char x[37], y[37];

	return text_uuid(a, x) >= 0 && text_uuid(b, y) >= 0 && !strcmp(x, y);
}

static bool name_matches(const char *value, const char *guest)
{
	char name[VALUE_MAX_BYTES];

	return !strcmp(value, guest) || ((get(value, "guest", name) || get(value, "", name)) && !strcmp(name, guest));
}

bool arguments_match(const struct arguments *a, const char *guest)
{
	static const char *const plain[] = { "id", "api-sock", "api-socket", "socket", "s" };

	for (size_t i = 1; i < a->count; i++) {
		const char *value;
		char uuid[VALUE_MAX_BYTES], type[VALUE_MAX_BYTES];

		value = value_at(a, i, "uuid");
		if (value && same_uuid(value, guest))
			return true;
		value = value_at(a, i, "smbios");
		if (value && get(value, "type", type) && !strcmp(type, "1") && get(value, "uuid", uuid) && same_uuid(uuid, guest))
			return true;
		value = value_at(a, i, "name");
		if (value && name_matches(value, guest))
			return true;
		for (size_t n = 0; n < sizeof(plain) / sizeof(plain[0]); n++) {
			value = value_at(a, i, plain[n]);
			if (value && !strcmp(value, guest))
				return true;
		}
	}
	return false;
}

static bool is_on(const char *value)
{
	return !strcmp(value, "on") || !strcmp(value, "true") || !strcmp(value, "yes");
}

static void nodes_find(const struct arguments *a, struct nodes *ret)
{
	const char *text;
	size_t cursor = 0;

	ret->count = 0;
	while (ret->count < NODES_MAX && (text = arguments_next(a, "blockdev", &cursor)))
		ret->list[ret->count++] = text;
}

/* The file behind a block node: through the nodes that it refers to. */
static bool node_file(const struct nodes *nodes, const char *node, int depth, char ret[VALUE_MAX_BYTES], bool *read_only)
{
	char name[VALUE_MAX_BYTES], below[VALUE_MAX_BYTES];

	for (size_t n = 0; depth && n < nodes->count; n++) {
		const char *text = nodes->list[n];

		if (!get(text, "node-name", name) || strcmp(name, node))
			continue;
		if (get(text, "read-only", name) && is_on(name))
			*read_only = true;
		if (get(text, "filename", ret) || get(text, "file.filename", ret))
			return true;
		return get(text, "file", below) && node_file(nodes, below, depth - 1, ret, read_only);
	}
	return false;
}

static int firmware_of_machine(const struct nodes *nodes, const char *machine, arguments_firmware_fn fn, void *context)
{
	static const char *const keys[FLASH_UNITS] = { "pflash0", "pflash1" };

	for (unsigned unit = 0; unit < FLASH_UNITS; unit++) {
		char node[VALUE_MAX_BYTES], path[VALUE_MAX_BYTES];
		bool read_only = false;
		int err;

		if (!get(machine, keys[unit], node) || !node_file(nodes, node, NODE_DEPTH_MAX, path, &read_only))
			continue;
		err = unit && !read_only ? 0 : fn(context, path);
		if (err < 0)
			return err;
	}
	return 0;
}

static int firmware_of_machines(const struct arguments *a, arguments_firmware_fn fn, void *context)
{
	static const char *const options[] = { "machine", "M" };
	struct nodes nodes;
	const char *text;
	int err = 0;

	nodes_find(a, &nodes);
	for (size_t o = 0; o < sizeof(options) / sizeof(options[0]); o++) {
		size_t cursor = 0;

		for (unsigned n = 0; err >= 0 && n < MACHINES_MAX && (text = arguments_next(a, options[o], &cursor)); n++)
			err = firmware_of_machine(&nodes, text, fn, context);
	}
	return err;
}

static int firmware_of_drives(const struct arguments *a, arguments_firmware_fn fn, void *context)
{
	unsigned flash = 0;
	size_t cursor = 0;
	const char *text;

	while ((text = arguments_next(a, "drive", &cursor))) {
		char value[VALUE_MAX_BYTES], path[VALUE_MAX_BYTES];
		unsigned unit;
		bool read_only;
		int err;

		if (!get(text, "if", value) || strcmp(value, "pflash"))
			continue;
		unit = get(text, "unit", value) ? (unsigned)strtoul(value, NULL, 10) : flash;
		flash++;
		read_only = (get(text, "readonly", value) || get(text, "read-only", value)) && is_on(value);
		if ((unit && !read_only) || (!get(text, "file", path) && !get(text, "file.filename", path)))
			continue;
		err = fn(context, path);
		if (err < 0)
			return err;
	}
	return 0;
}

int arguments_firmware(const struct arguments *a, arguments_firmware_fn fn, void *context)
{
	static const char *const options[] = { "bios", "firmware" };
	const char *path;
	int err = 0;

	for (size_t o = 0; o < sizeof(options) / sizeof(options[0]); o++) {
		size_t cursor = 0;

		while (err >= 0 && (path = arguments_next(a, options[o], &cursor)))
			err = fn(context, path);
	}
	if (err >= 0)
		err = firmware_of_drives(a, fn, context);
	if (err >= 0)
		err = firmware_of_machines(a, fn, context);
	return err < 0 ? err : 0;
}

/* hw/i386/pc_piix.c and pc_q35.c since QEMU 2.0; ubuntu: Ubuntu's own types of either. */
static bool is_pc(const char *machine)
{
	return !strcmp(machine, "pc") || !strcmp(machine, "q35") || !strncmp(machine, "pc-i440fx-", 10) || !strncmp(machine, "pc-q35-", 7) ||
	       !strncmp(machine, "ubuntu", 6);
}

const char *arguments_default_firmware(const struct arguments *a, bool x86)
{
	static const char *const images[] = { "bios", "pflash" }, *const machines[] = { "machine", "M" };
	char value[VALUE_MAX_BYTES];
	const char *text;
	bool pc = x86;

	for (size_t o = 0; o < sizeof(images) / sizeof(images[0]); o++) {
		size_t cursor = 0;

		if (arguments_next(a, images[o], &cursor))
			return NULL;
	}
	for (size_t cursor = 0; (text = arguments_next(a, "drive", &cursor));)
		if (get(text, "if", value) && !strcmp(value, "pflash"))
			return NULL;
	for (size_t o = 0; o < sizeof(machines) / sizeof(machines[0]); o++)
		for (size_t cursor = 0; (text = arguments_next(a, machines[o], &cursor));) {
			if (get(text, "pflash0", value) || get(text, "firmware", value))
				return NULL;
			if (get(text, "type", value) || get(text, "", value))
				pc = is_pc(value);
		}
	return pc ? "bios-256k.bin" : NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Root buses by their names in QEMU: pci.0 (i440fx), pcie.0 (q35). A root port's only slot is 0, so it needs no address (PCI Express
 * 4.0, 7.3.1). A bridge's bus has the name of the bridge's id (QEMU docs/pcie.txt).
 */
#include "userspace/drift/devices.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/options.h"

#define SEPARATOR "; "
#define DEPTH_MAX 8
#define PCI_SLOTS 32
#define PCI_FUNCTIONS 8

void devices_release(struct devices *d)
{
	free(d->items);
	*d = (struct devices)DEVICES_INIT;
}

static void field_set(char *field, size_t room, const char *text, size_t size)
{
	if (size >= room)
		size = 0;
	memcpy(field, text, size);
	field[size] = '\0';
}

#define FIELD_SET(field, text, size) field_set(field, sizeof(field), text, size)

static void json_field(char *field, size_t room, json_t *value)
{
	if (json_is_string(value))
		field_set(field, room, json_string_value(value), strlen(json_string_value(value)));
}

/* A number is slot and function in one. */
static void json_addr(struct device *d, json_t *value)
{
	json_int_t number = json_integer_value(value);

	if (!json_is_integer(value))
		json_field(d->addr, sizeof(d->addr), value);
	else if (number >= 0 && number < PCI_SLOTS * PCI_FUNCTIONS)
		snprintf(d->addr, sizeof(d->addr), "%x.%x", (unsigned)number / PCI_FUNCTIONS, (unsigned)number % PCI_FUNCTIONS);
}

/* libvirt writes -device as JSON. How much of the text it took; 0: it is none. */
static size_t device_json(const char *text, struct device *ret)
{
	json_error_t e;
	json_t *object = text[0] == '{' ? json_loads(text, JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK, &e) : NULL;

	if (!json_is_object(object)) {
		json_decref(object);
		return 0;
	}
	json_field(ret->driver, sizeof(ret->driver), json_object_get(object, "driver"));
	json_field(ret->id, sizeof(ret->id), json_object_get(object, "id"));
	json_field(ret->bus, sizeof(ret->bus), json_object_get(object, "bus"));
	json_addr(ret, json_object_get(object, "addr"));
	json_decref(object);
	return e.position > 0 ? (size_t)e.position : 0;
}

static void device_plain(const char *text, size_t size, struct device *ret)
{
	char *copy = strndup(text, size);
	const char *cursor = copy;
	struct property p;
	bool first = true;

	for (; copy && property_next(&cursor, &p); first = false) {
		if (property_is(&p, "driver") || (first && p.name_size == 0))
			FIELD_SET(ret->driver, p.value, p.value_size);
		else if (property_is(&p, "id"))
			FIELD_SET(ret->id, p.value, p.value_size);
		else if (property_is(&p, "bus"))
			FIELD_SET(ret->bus, p.value, p.value_size);
		else if (property_is(&p, "addr"))
			FIELD_SET(ret->addr, p.value, p.value_size);
	}
	free(copy);
}

int devices_parse(const char *list, struct devices *ret)
{
	struct devices d = DEVICES_INIT;
	size_t room = 0;

	while (list && *list && d.count < DEVICES_MAX) {
		struct device device = { .addr = "" }, *items;
		size_t json = device_json(list, &device);
		const char *end = strstr(list + json, SEPARATOR);

		end = end ? end : list + strlen(list);
		if (!json)
			device_plain(list, (size_t)(end - list), &device);
		if (d.count == room) {
			room = room ? room * 2 : 16;
			items = realloc(d.items, room * sizeof(*items));
			if (!items) {
				devices_release(&d);
				return -ENOMEM;
			}
			d.items = items;
		}
		d.items[d.count++] = device;
		list = *end ? end + strlen(SEPARATOR) : end;
	}
	*ret = d;
	return 0;
}

/* "SLOT" or "SLOT.FUNCTION", in hex with or without 0x. */
static bool address_parse(const char *addr, unsigned *ret_slot, unsigned *ret_function)
{
	char *end;
	unsigned long slot = strtoul(addr, &end, 16), function = 0;

	if (end == addr)
		return false;
	if (*end == '.') {
		addr = end + 1;
		function = strtoul(addr, &end, 16);
		if (end == addr)
			return false;
	}
	if (*end || slot >= PCI_SLOTS || function >= PCI_FUNCTIONS)
		return false;
	*ret_slot = (unsigned)slot;
	*ret_function = (unsigned)function;
	return true;
}

static bool is_root(const char *bus)
{
	return !bus[0] || strcmp(bus, "pci.0") == 0 || strcmp(bus, "pcie.0") == 0;
}

static bool is_port(const struct device *bridge)
{
	return strstr(bridge->driver, "root-port") || strstr(bridge->driver, "downstream") || strcmp(bridge->driver, "ioh3420") == 0;
}

static const struct device *find(const struct devices *d, const char *id)
{
	for (size_t i = 0; i < d->count; i++)
		if (strcmp(d->items[i].id, id) == 0)
			return &d->items[i];
	return NULL;
}

bool devices_path(const struct devices *d, size_t n, char ret[DEVICE_PATH_MAX])
{
	const struct device *at = &d->items[n], *bridge;
	char path[DEVICE_PATH_MAX] = "", longer[DEVICE_PATH_MAX];
	unsigned slot, function;

	/* Expander buses (pxb) have a number of their own that firmware does not tell here: they have no address on a known bus. */
	for (int depth = 0; depth < DEPTH_MAX; depth++) {
		bool root = is_root(at->bus);

		bridge = root ? NULL : find(d, at->bus);
		if (!root && (!bridge || strncmp(bridge->driver, "pxb", 3) == 0))
			return false;
		slot = function = 0;
		if (at->addr[0] ? !address_parse(at->addr, &slot, &function) : root || !is_port(bridge))
			return false;
		if (snprintf(longer, sizeof(longer), root ? "0000:00:%02x.%x%s" : "/%02x.%x%s", slot, function, path) >= DEVICE_PATH_MAX)
			return false;
		memcpy(path, longer, sizeof(path));
		if (root) {
			memcpy(ret, path, sizeof(path));
			return true;
		}
		at = bridge;
	}
	return false;
}

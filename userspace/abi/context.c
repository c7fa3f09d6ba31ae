/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the host's and the VM's pairs to factors. QEMU's options are taken apart: what the guest sees is option.NAME, what only
 * backs it is backend.NAME, so that a change of a backend alone never looks like the user's own doing. One option can have
 * both: references to backends (netdev=, drive=, …) are taken out of -device, the file out of -drive.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/context.h"
#include "userspace/abi/facts.h"
#include "userspace/abi/options.h"
#include "userspace/base/buffer.h"
#include "userspace/base/text.h"

/* Properties by which visible options name a backend. */
#define BACKEND_REFERENCES \
	" netdev drive chardev memdev hostmem audiodev tpmdev fsdev rng cryptodev iothread logfile vhostfd vhostfds memory-backend "

/* ---- one list of factors */

void context_release(struct context *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->count; i++) {
		free(c->items[i].factor);
		free(c->items[i].value);
	}
	free(c->items);
	*c = (struct context)CONTEXT_INIT;
}

static size_t factor_place(const struct context *c, const char *factor)
{
	size_t low = 0, high = c->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (strcmp(c->items[middle].factor, factor) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool factor_at(const struct context *c, size_t place, const char *factor)
{
	return place < c->count && strcmp(c->items[place].factor, factor) == 0;
}

int context_set(struct context *c, const char *factor, const char *value)
{
	size_t place = factor_place(c, factor), room;
	struct context_factor *items;
	char *name = NULL, *copy = strdup(value);

	if (!copy)
		return -ENOMEM;
	if (factor_at(c, place, factor)) {
		free(c->items[place].value);
		c->items[place].value = copy;
		return 0;
	}
	name = strdup(factor);
	if (!name)
		goto fail;
	if (c->count == c->room) {
		room = c->room ? c->room * 2 : 32;
		items = realloc(c->items, room * sizeof(*items));
		if (!items)
			goto fail;
		c->items = items;
		c->room = room;
	}
	memmove(&c->items[place + 1], &c->items[place], (c->count - place) * sizeof(*c->items));
	c->items[place] = (struct context_factor){ .factor = name, .value = copy };
	c->count++;
	return 0;
fail:
	free(name);
	free(copy);
	return -ENOMEM;
}

const char *context_get(const struct context *c, const char *factor)
{
	size_t place = factor_place(c, factor);

	return factor_at(c, place, factor) ? c->items[place].value : NULL;
}

/* ---- parts: factors that occur several times, joined at the end */

struct part {
	char *factor;
	char *value;
	size_t number;
};

struct parts {
	struct part *items;
	size_t count;
	size_t room;
};

static void parts_release(struct parts *p)
{
	for (size_t i = 0; i < p->count; i++) {
		free(p->items[i].factor);
		free(p->items[i].value);
	}
	free(p->items);
}

static int parts_add(struct parts *p, const char *prefix, const char *name, const char *value)
{
	struct buffer factor = BUFFER_INIT;
	struct part part = { .number = p->count };
	struct part *items;
	size_t room;

	if (p->count == p->room) {
		room = p->room ? p->room * 2 : 64;
		items = realloc(p->items, room * sizeof(*items));
		if (!items)
			return -ENOMEM;
		p->items = items;
		p->room = room;
	}
	buffer_string(&factor, prefix);
	buffer_string(&factor, name);
	part.factor = buffer_take(&factor, NULL);
	buffer_release(&factor);
	part.value = strdup(value);
	if (!part.factor || !part.value) {
		free(part.factor);
		free(part.value);
		return -ENOMEM;
	}
	p->items[p->count++] = part;
	return 0;
}

static int by_factor(const void *va, const void *vb)
{
	const struct part *a = va, *b = vb;
	int order = strcmp(a->factor, b->factor);

	return order ? order : (a->number > b->number) - (a->number < b->number);
}

static int parts_join(struct parts *p, struct context *c)
{
	struct buffer value = BUFFER_INIT;
	int r = 0;

	if (p->count)
		qsort(p->items, p->count, sizeof(*p->items), by_factor);
	for (size_t i = 0; i < p->count && r >= 0; i++) {
		bool last = i + 1 == p->count || strcmp(p->items[i].factor, p->items[i + 1].factor) != 0;

		buffer_string(&value, p->items[i].value);
		buffer_string(&value, last ? "" : "; ");
		if (!last)
			continue;
		r = buffer_failed(&value) ? -ENOMEM : context_set(c, p->items[i].factor, value.data);
		buffer_clear(&value);
	}
	buffer_release(&value);
	return r;
}

/* ---- QEMU's options */

static void list_append(struct buffer *list, const struct property *p)
{
	if (list->size)
		buffer_string(list, ",");
	buffer_append(list, p->text, p->size);
}

static int add_side(struct parts *parts, const char *prefix, const char *name, const struct buffer *list)
{
	if (buffer_failed(list))
		return -ENOMEM;
	return list->size ? parts_add(parts, prefix, name, list->data) : 0;
}

static void json_append(struct buffer *list, json_t *object)
{
	char *text = json_object_size(object) ? json_dumps(object, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

	if (text)
		buffer_string(list, text);
	free(text);
}

/* libvirt writes -device as JSON. false: it is none. */
static bool split_json(const char *value, struct buffer *seen, struct buffer *backend)
{
	json_t *object = value[0] == '{' ? json_loads(value, JSON_REJECT_DUPLICATES, NULL) : NULL, *references, *member;
	const char *key;
	void *next;

	if (!json_is_object(object)) {
		json_decref(object);
		return false;
	}
	references = json_object();
	json_object_foreach_safe(object, next, key, member)
	{
		struct property p = { .text = key, .name_size = strlen(key) };

		if (!property_among(&p, BACKEND_REFERENCES))
			continue;
		json_object_set(references, key, member);
		json_object_del(object, key);
	}
	json_append(seen, object);
	json_append(backend, references);
	json_decref(references);
	json_decref(object);
	return true;
}

/* Properties among `names` to one list, the rest to the other. */
static void split(const char *value, const char *names, struct buffer *among, struct buffer *rest)
{
	struct property p;

	while (property_next(&value, &p))
		list_append(property_among(&p, names) ? among : rest, &p);
}

static int add_visible(struct parts *parts, const struct option *o)
{
	struct buffer seen = BUFFER_INIT, backend = BUFFER_INIT;
	/* In these a file or drive is the guest's own: what firmware and kernel it starts with. */
	bool whole = !o->rule || !(strcmp(o->name, "device") == 0 || strcmp(o->name, "numa") == 0);
	int r;

	if (!o->value)
		return parts_add(parts, "option.", o->name, "on");
	if (whole)
		return parts_add(parts, "option.", o->name, o->value);
	if (!split_json(o->value, &seen, &backend))
		split(o->value, BACKEND_REFERENCES, &backend, &seen);
	r = add_side(parts, "option.", o->name, &seen);
	if (r >= 0)
		r = add_side(parts, "backend.", o->name, &backend);
	buffer_release(&seen);
	buffer_release(&backend);
	return r;
}

/* A drive that only a -device makes visible (if=none) is nothing by itself. */
static bool drive_unseen(const struct option *o, const struct buffer *seen)
{
	return strcmp(o->name, "drive") == 0 && seen->data && strstr(seen->data, "if=none");
}

static int add_kept(struct parts *parts, const struct option *o)
{
	struct buffer seen = BUFFER_INIT, backend = BUFFER_INIT;
	bool none = o->value && strcmp(o->value, "none") == 0;
	int r;

	if (o->image)
		buffer_string(&backend, o->value);
	else if (o->value && !none)
		split(o->value, o->rule->keep, &seen, &backend);
	if (drive_unseen(o, &seen)) {
		buffer_string(&backend, backend.size ? "," : "");
		buffer_string(&backend, seen.data);
		buffer_clear(&seen);
	} else if (seen.size == 0) {
		/* That there is one, of the machine's default kind, is seen. */
		buffer_string(&seen, none ? "none" : "default");
	}
	r = add_side(parts, "option.", o->name, &seen);
	if (r >= 0)
		r = add_side(parts, "backend.", o->name, &backend);
	buffer_release(&seen);
	buffer_release(&backend);
	return r;
}

static int add_net(struct parts *parts, const struct option *o)
{
	struct buffer seen = BUFFER_INIT, backend = BUFFER_INIT;
	int r;

	if (!o->value || (strncmp(o->value, "nic", 3) != 0 && strcmp(o->value, "none") != 0))
		return parts_add(parts, "backend.", o->name, o->value ? o->value : "");
	split(o->value, BACKEND_REFERENCES, &backend, &seen);
	r = add_side(parts, "option.", o->name, &seen);
	if (r >= 0)
		r = add_side(parts, "backend.", o->name, &backend);
	buffer_release(&seen);
	buffer_release(&backend);
	return r;
}

static int add_machine(struct parts *parts, const struct option *o, char **machine)
{
	struct buffer seen = BUFFER_INIT, backend = BUFFER_INIT, accel = BUFFER_INIT;
	const char *cursor = o->value ? o->value : "";
	struct property p;
	bool first = true;
	int r = 0;

	for (; property_next(&cursor, &p); first = false) {
		if (property_is(&p, "type") || (first && p.name_size == 0)) {
			free(*machine);
			*machine = strndup(p.value, p.value_size);
			r = *machine ? r : -ENOMEM;
		} else if (property_is(&p, "accel")) {
			buffer_clear(&accel);
			buffer_append(&accel, p.value, p.value_size);
		} else {
			list_append(property_among(&p, BACKEND_REFERENCES) ? &backend : &seen, &p);
		}
	}
	if (r >= 0)
		r = add_side(parts, "option.", "machine", &seen);
	if (r >= 0)
		r = add_side(parts, "backend.", "machine", &backend);
	if (r >= 0)
		r = add_side(parts, "backend.", "accel", &accel);
	buffer_release(&seen);
	buffer_release(&backend);
	buffer_release(&accel);
	return r;
}

/* QEMU's last -cpu counts; machine properties add up. */
struct qemu {
	struct parts parts;
	char *machine;
	const char *cpu;
};

static int add_option(struct qemu *q, const struct option *o)
{
	int r;

	switch (o->rule ? o->rule->side : OPTION_VISIBLE) {
	case OPTION_BACKEND:
		return parts_add(&q->parts, "backend.", o->name, o->value ? o->value : "on");
	case OPTION_ACCEL:
		return parts_add(&q->parts, "backend.", o->name, o->value ? o->value : "");
	case OPTION_KEEP:
		return add_kept(&q->parts, o);
	case OPTION_NET:
		return add_net(&q->parts, o);
	case OPTION_COUNT:
		r = parts_add(&q->parts, "option.", o->name, o->value && strcmp(o->value, "none") == 0 ? "none" : "present");
		return r < 0 ? r : parts_add(&q->parts, "backend.", o->name, o->value ? o->value : "");
	case OPTION_MACHINE:
		return add_machine(&q->parts, o, &q->machine);
	case OPTION_CPU:
		q->cpu = o->value;
		return 0;
	case OPTION_VISIBLE:
	default:
		return add_visible(&q->parts, o);
	}
}

static int add_qemu(struct context *c, const struct guest_facts *facts)
{
	struct qemu q = { .machine = NULL };
	struct option option;
	size_t cursor = 0;
	int r = 0;

	while (r >= 0 && option_next(facts, &cursor, &option))
		r = add_option(&q, &option);
	if (r >= 0)
		r = parts_join(&q.parts, c);
	if (r >= 0 && q.machine)
		r = context_set(c, "machine", q.machine);
	if (r >= 0 && q.cpu)
		r = context_set(c, "cpu", q.cpu);
	parts_release(&q.parts);
	free(q.machine);
	return r;
}

static int add_args(struct context *c, const struct guest_facts *facts)
{
	struct buffer all = BUFFER_INIT;
	const char *arg;
	int r = 0;

	for (size_t n = 1; (arg = facts_arg(facts, n)); n++) {
		buffer_string(&all, n > 1 ? " " : "");
		buffer_string(&all, arg);
	}
	if (buffer_failed(&all))
		r = -ENOMEM;
	else if (all.size)
		r = context_set(c, "option.args", all.data);
	buffer_release(&all);
	return r;
}

/* ---- host and VMM */

struct name {
	const char *key;
	const char *factor;
};

static const struct name host_names[] = {
	{ "hostname", "host" },
	{ "kernel.release", "kernel" },
	{ "kernel.version", "kernel.version" },
	{ "kernel.installed", "kernel.installed" },
	{ "cpu.model", "host_cpu" },
	{ "cpu.vendor", "host_cpu.vendor" },
	{ "cpu.signature", "host_cpu.signature" },
	{ "cpu.microcode", "microcode" },
	{ "abidrift", "abidrift" },
};

static const struct name vm_names[] = {
	{ "kind", "vmm.kind" },         { "version", "vmm.version" },   { "build_id", "vmm.build_id" },
	{ "exe", "vmm.path" },          { "replaced", "vmm.replaced" },
};

#define NAMES(table) (sizeof(table) / sizeof((table)[0]))

static int add_host(struct context *c, const void *pairs, size_t bytes)
{
	const char *key, *value;
	size_t cursor = 0;
	int got, r = 0;

	while (r >= 0 && (got = record_pair_next(pairs, bytes, &cursor, &key, &value)) != 0) {
		if (got < 0)
			return got;
		if (strncmp(key, "kvm.", 4) == 0)
			r = context_set(c, key, value);
		for (size_t i = 0; i < NAMES(host_names) && r >= 0; i++)
			if (strcmp(key, host_names[i].key) == 0)
				r = context_set(c, host_names[i].factor, value);
	}
	return r;
}

/* "PATH SIZE SHA256": a path may hold spaces, the rest not. */
static int add_firmware(struct parts *parts, const char *value)
{
	const char *end = value + strlen(value), *p = end;
	struct buffer path = BUFFER_INIT;
	int r;

	for (unsigned spaces = 0; p > value; p--)
		if (*p == ' ' && ++spaces == 2)
			break;
	if (p == value)
		return 0;
	buffer_append(&path, value, (size_t)(p - value));
	r = buffer_failed(&path) ? -ENOMEM : parts_add(parts, "firmware.", path.data, p + 1);
	buffer_release(&path);
	return r;
}

static int add_vm(struct context *c, const struct guest_facts *facts)
{
	struct parts firmware = { .items = NULL };
	const char *kind = facts_vm(facts, "kind"), *key, *value;
	size_t cursor = 0;
	int r = 0;

	for (size_t i = 0; i < NAMES(vm_names) && r >= 0; i++) {
		value = facts_vm(facts, vm_names[i].key);
		if (value)
			r = context_set(c, vm_names[i].factor, value);
	}
	while (r >= 0 && facts_vm_next(facts, &cursor, &key, &value))
		if (strcmp(key, "firmware") == 0)
			r = add_firmware(&firmware, value);
	if (r >= 0)
		r = parts_join(&firmware, c);
	parts_release(&firmware);
	if (r < 0)
		return r;
	return kind && strcmp(kind, "qemu") == 0 ? add_qemu(c, facts) : add_args(c, facts);
}

int context_derive(const void *host_pairs, size_t host_bytes, const struct guest_facts *facts, struct context *ret)
{
	struct context c = CONTEXT_INIT;
	int r;

	r = host_bytes ? add_host(&c, host_pairs, host_bytes) : 0;
	if (r >= 0 && facts)
		r = add_vm(&c, facts);
	if (r < 0) {
		context_release(&c);
		return r;
	}
	*ret = c;
	return 0;
}

/* ---- as text */

int context_write(const struct context *c, struct buffer *out)
{
	for (size_t i = 0; i < c->count; i++) {
		text_escape(out, c->items[i].factor, strlen(c->items[i].factor), true);
		buffer_string(out, " ");
		text_escape(out, c->items[i].value, strlen(c->items[i].value), false);
		buffer_string(out, "\n");
	}
	return buffer_failed(out) ? -ENOMEM : 0;
}

/* A NUL inside would end the string early: such a text was not written by context_write. */
static int unescape(struct buffer *out, const char *data, size_t size)
{
	int r;

	buffer_clear(out);
	r = text_unescape(out, data, size);
	if (buffer_failed(out))
		return -ENOMEM;
	return r < 0 || memchr(out->data ? out->data : "", '\0', out->size) ? -EBADMSG : 0;
}

static int parse_line(struct context *c, const char *line, size_t size)
{
	const char *space = memchr(line, ' ', size);
	struct buffer factor = BUFFER_INIT, value = BUFFER_INIT;
	int r = space ? 0 : -EBADMSG;

	if (r >= 0)
		r = unescape(&factor, line, (size_t)(space - line));
	if (r >= 0)
		r = unescape(&value, space + 1, size - (size_t)(space - line) - 1);
	if (r >= 0)
		r = context_set(c, factor.data ? factor.data : "", value.data ? value.data : "");
	buffer_release(&factor);
	buffer_release(&value);
	return r;
}

int context_parse(const char *text, size_t size, struct context *ret)
{
	struct context c = CONTEXT_INIT;
	const char *end = text + size, *newline;
	int r = 0;

	for (const char *line = text; line < end && r >= 0; line = newline + 1) {
		newline = memchr(line, '\n', (size_t)(end - line));
		if (!newline) {
			r = -EBADMSG;
			break;
		}
		r = parse_line(&c, line, (size_t)(newline - line));
	}
	if (r < 0) {
		context_release(&c);
		return r;
	}
	*ret = c;
	return 0;
}

bool context_option_visible(const char *option)
{
	const struct option_rule *rule = option_rule_find(option);

	if (!rule)
		return true;
	return rule->side != OPTION_BACKEND && rule->side != OPTION_ACCEL && strcmp(rule->name, "drive") != 0;
}

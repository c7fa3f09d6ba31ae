/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A block is walked twice: first for what it declares, since a name says only to a reader who knows the methods how many terms
 * follow it, and since a device's resources may come before its id; then for what is wanted of it.
 */
#include "userspace/abi/aml.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "userspace/abi/aml_internal.h"
#include "userspace/abi/entries.h"
#include "userspace/base/buffer.h"

struct frame {
	size_t end;
	uint32_t node;
	bool conditional; /* within an If, Else or While: may exist or not */
};

struct declared {
	uint16_t code;     /* AML_OP_NAME, AML_OP_METHOD, or a block's */
	uint32_t node;
	bool conditional;
	uint64_t operands[2];               /* a Processor's number and its register block's address */
	const struct aml_constant *constant; /* a Name's value, or what a Method returns and does nothing else; type AML_OTHER: no constant */
};

struct walk {
	struct aml_cursor c;
	struct aml_space space;
	struct frame stack[AML_DEPTH_MAX];
	unsigned depth; /* frames in use, the block itself included */
	size_t refused;
	int (*declare)(struct walk *w, const struct declared *d);
	/* of the two users of a walk */
	struct abi_entries *out;
	const char *table;
	size_t objects, text;
	uint8_t *writable;
};

static const struct block {
	uint16_t code;
	const char *head; /* n = name, T = term, b, w, d = bytes */
	const char *what; /* NULL: no object of its own */
} blocks[] = {
	{ AML_OP_SCOPE, "n", NULL },
	{ AML_OP_DEVICE, "n", "Device" },
	{ AML_OP_PROCESSOR, "nbdb", "Processor" },
	{ AML_OP_POWER_RESOURCE, "nbw", "PowerResource" },
	{ AML_OP_THERMAL_ZONE, "n", "ThermalZone" },
	{ AML_OP_IF, "T", NULL },
	{ AML_OP_ELSE, "", NULL },
	{ AML_OP_WHILE, "T", NULL },
};

static const struct block *block_of(uint16_t code)
{
	for (size_t i = 0; i < sizeof(blocks) / sizeof(*blocks); i++)
		if (blocks[i].code == code)
			return &blocks[i];
	return NULL;
}

static bool take_head(struct walk *w, const char *head, struct aml_name *ret_name, uint64_t ret_operands[3])
{
	unsigned n = 0;

	for (; *head; head++) {
		bool taken = *head == 'n' ? aml_take_name(&w->c, ret_name) : *head == 'T' ? aml_skip_term(&w->c) :
			     aml_take(&w->c, *head == 'b' ? 1 : *head == 'w' ? 2 : 4, &ret_operands[n++]);
		if (!taken)
			return false;
	}
	return true;
}

/* The place is the block's end when its inside is refused, so that what follows is read. */
static int open_block(struct walk *w, const struct block *block)
{
	const struct frame *outer = &w->stack[w->depth - 1];
	struct frame inner = { .node = outer->node, .conditional = outer->conditional || strchr("T", *block->head) };
	struct declared d = { .code = block->code };
	struct aml_name name = { 0 };
	uint64_t operands[3] = { 0 };

	if (!aml_take_package(&w->c, &inner.end))
		return -EBADMSG;
	w->c.end = inner.end;
	if (w->depth >= AML_DEPTH_MAX || !take_head(w, block->head, &name, operands))
		goto refuse;
	if (block->code == AML_OP_SCOPE)
		inner.node = aml_space_find(&w->space, outer->node, &name);
	if (*block->head == 'n' && (block->code != AML_OP_SCOPE || inner.node == AML_NONE))
		inner.node = aml_space_enter(&w->space, outer->node, &name);
	if (inner.node == AML_NONE || (block->what && inner.node == AML_ROOT))
		goto refuse;
	w->stack[w->depth++] = inner;
	if (!block->what)
		return 0;
	w->space.nodes[inner.node].declared = true;
	w->space.nodes[inner.node].device |= block->code == AML_OP_DEVICE;
	d.node = inner.node;
	d.conditional = inner.conditional;
	memcpy(d.operands, operands, sizeof(d.operands));
	return w->declare(w, &d);
refuse:
	w->refused++;
	w->c.at = inner.end;
	return 0;
}

static int declare_value(struct walk *w, uint16_t code, const struct aml_name *name, uint8_t arguments, const struct aml_constant *constant)
{
	const struct frame *frame = &w->stack[w->depth - 1];
	struct declared d = { .code = code, .conditional = frame->conditional, .constant = constant };

	d.node = aml_space_enter(&w->space, frame->node, name);
	if (d.node == AML_NONE || d.node == AML_ROOT) {
		w->refused++;
		return 0;
	}
	w->space.nodes[d.node].declared = true;
	w->space.nodes[d.node].arguments = arguments;
	return w->declare(w, &d);
}

static int read_name(struct walk *w)
{
	struct aml_constant constant;
	struct aml_name name;

	if (!aml_take_name(&w->c, &name) || !aml_take_constant(&w->c, &constant))
		return -EBADMSG;
	return declare_value(w, AML_OP_NAME, &name, 0, &constant);
}

/* A method is not executed; one that only returns a constant is as good as a Name. */
static int read_method(struct walk *w)
{
	struct aml_constant constant = { .type = AML_OTHER };
	struct aml_cursor body = w->c;
	struct aml_name name;
	uint64_t flags;

	if (!aml_take_package(&body, &body.end))
		return -EBADMSG;
	w->c.at = body.end;
	if (!aml_take_name(&body, &name) || !aml_take(&body, 1, &flags)) {
		w->refused++;
		return 0;
	}
	if (body.at < body.end && body.data[body.at] == AML_OP_RETURN) {
		body.at++;
		if (!aml_take_constant(&body, &constant) || body.at != body.end)
			constant.type = AML_OTHER;
	}
	return declare_value(w, AML_OP_METHOD, &name, flags & 7, &constant);
}

static int read_term(struct walk *w)
{
	size_t start = w->c.at;
	const struct block *block;
	uint16_t code;

	if (!aml_space_step(&w->space) || !aml_take_operator(&w->c, &code))
		return -EBADMSG;
	if (code == AML_OP_NAME)
		return read_name(w);
	if (code == AML_OP_METHOD)
		return read_method(w);
	block = block_of(code);
	if (block)
		return open_block(w, block);
	w->c.at = start;
	return aml_skip_term(&w->c) ? 0 : -EBADMSG;
}

/* What cannot be read ends the innermost block only. 0 or -ENOMEM. */
static int walk_block(struct walk *w, size_t bytes)
{
	w->c.at = 0;
	w->refused = 0;
	w->space.steps = 0;
	w->stack[0] = (struct frame){ .end = bytes, .node = AML_ROOT };
	w->depth = 1;
	while (w->depth > 0) {
		const struct frame *frame = &w->stack[w->depth - 1];
		int r;

		if (w->c.at >= frame->end) {
			w->depth--;
			continue;
		}
		w->c.end = frame->end;
		w->c.scope = frame->node;
		r = read_term(w);
		if (r == -ENOMEM || w->space.failed)
			return -ENOMEM;
		if (r < 0) {
			w->refused++;
			w->c.at = frame->end;
		}
	}
	return 0;
}

static bool is_named(const struct aml_space *s, uint32_t node, const char segment[4])
{
	uint32_t value = (uint32_t)segment[0] | (uint32_t)segment[1] << 8 | (uint32_t)segment[2] << 16 | (uint32_t)segment[3] << 24;

	return s->nodes[node].segment == value;
}

static int know_host_bridge(struct walk *w, const struct declared *d)
{
	if (d->constant && (is_named(&w->space, d->node, "_HID") || is_named(&w->space, d->node, "_CID")) && aml_value_host_bridge(d->constant))
		w->space.nodes[w->space.nodes[d->node].parent].host_bridge = true;
	return 0;
}

static int first_walk(struct walk *w, const uint8_t *aml, size_t bytes)
{
	int r = aml_space_init(&w->space);

	if (r < 0)
		return r;
	w->c = (struct aml_cursor){ .data = aml, .space = &w->space };
	w->declare = know_host_bridge;
	return walk_block(w, bytes);
}

/* A device that another block declares may be a host bridge too. */
static bool is_host_bridge(const struct aml_space *s, uint32_t node)
{
	return s->nodes[node].host_bridge || !s->nodes[node].device;
}

static const struct identity {
	const char name[5];
	enum aml_form form;
	bool silent; /* a method of this name says nothing about the machine: most are how a device is switched */
} identities[] = {
	{ "_ADR", AML_FORM_ADDRESS, false },
	{ "_BBN", AML_FORM_DECIMAL, false },
	{ "_CID", AML_FORM_ID, false },
	{ "_CRS", AML_FORM_RESOURCES, true },
	{ "_DDN", AML_FORM_TEXT, false },
	{ "_HID", AML_FORM_ID, false },
	{ "_PXM", AML_FORM_DECIMAL, false },
	{ "_SEG", AML_FORM_DECIMAL, false },
	{ "_STA", AML_FORM_HEX, false },
	{ "_STR", AML_FORM_TEXT, false },
	{ "_SUN", AML_FORM_DECIMAL, false },
	{ "_UID", AML_FORM_DECIMAL, false },
};

static bool identity_value(struct walk *w, const struct declared *d, struct buffer *value)
{
	uint32_t parent = w->space.nodes[d->node].parent;

	for (size_t i = 0; i < sizeof(identities) / sizeof(*identities); i++) {
		if (!is_named(&w->space, d->node, identities[i].name))
			continue;
		if (aml_value_put(value, d->constant, identities[i].form, !is_host_bridge(&w->space, parent)))
			return value->size > 0 || identities[i].form != AML_FORM_RESOURCES;
		if (d->code != AML_OP_METHOD || identities[i].silent)
			return false;
		buffer_string(value, "method");
		return true;
	}
	return false;
}

static bool object_value(struct walk *w, const struct declared *d, struct buffer *value)
{
	if (d->constant)
		return identity_value(w, d, value);
	buffer_string(value, block_of(d->code)->what);
	if (d->code == AML_OP_PROCESSOR)
		buffer_printf(value, " id=%" PRIu64, d->operands[0]);
	if (d->code == AML_OP_PROCESSOR && d->operands[1] != 0)
		buffer_printf(value, " pblk=0x%" PRIx64, d->operands[1]);
	if (d->conditional)
		buffer_string(value, " (conditional)");
	return true;
}

static int add_entry(struct walk *w, const struct declared *d)
{
	struct buffer key = BUFFER_INIT, value = BUFFER_INIT;
	int r = 0;

	if (!object_value(w, d, &value) || buffer_failed(&value))
		goto out;
	buffer_printf(&key, "%s/", w->table);
	aml_space_path(&w->space, d->node, &key);
	/* A NUL would end the text: nothing behind it reaches the entry, as nothing reaches whoever reads the string. */
	buffer_append(&value, "", 1);
	if (w->objects >= AML_OBJECTS_MAX || w->text + key.size + value.size > AML_TEXT_MAX) {
		w->refused++;
		goto out;
	}
	w->objects++;
	w->text += key.size + value.size;
	if (!buffer_failed(&key) && !buffer_failed(&value))
		r = entries_add(w->out, FACET_ACPI, key.data, value.data);
out:
	if (buffer_failed(&key) || buffer_failed(&value))
		r = -ENOMEM;
	buffer_release(&key);
	buffer_release(&value);
	return r;
}

int aml_devices_add(const uint8_t *aml, size_t bytes, const char *table, struct abi_entries *out, size_t *ret_refused)
{
	struct walk w = { .out = out, .table = table };
	int r = first_walk(&w, aml, bytes);

	if (r == 0) {
		w.declare = add_entry;
		r = walk_block(&w, bytes);
	}
	aml_space_release(&w.space);
	if (r == 0 && ret_refused)
		*ret_refused = w.refused;
	return r;
}

static int blank_value(struct walk *w, const struct declared *d)
{
	const struct aml_constant *constant = d->constant;
	uint8_t *value;

	if (!constant || !constant->data)
		return 0;
	value = w->writable + (constant->data - w->c.data);
	if (d->code == AML_OP_NAME && constant->type == AML_INTEGER && (is_named(&w->space, d->node, "VGIA") || is_named(&w->space, d->node, "MEMA")))
		memset(value, 0, constant->width);
	if (constant->type == AML_BUFFER && is_named(&w->space, d->node, "_CRS") && is_host_bridge(&w->space, w->space.nodes[d->node].parent))
		aml_value_blank_windows(value, constant->bytes);
	return 0;
}

void aml_blank(uint8_t *aml, size_t bytes)
{
	struct walk w = { .writable = aml };

	if (first_walk(&w, aml, bytes) == 0) {
		w.declare = blank_value;
		(void)walk_block(&w, bytes);
	}
	aml_space_release(&w.space);
}

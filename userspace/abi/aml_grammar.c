/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/abi/aml_internal.h"

#include <string.h>

#include "userspace/abi/aml.h"

/* What follows an operator: b, w, d, q = so many bytes; s = a string; n = a name; T = a term; P = a package length with all that it covers. */
struct operator {
	uint16_t code;
	const char *operands;
};

/* ACPI 6.5, table 20.2 and 20.2.5. Blocks that hold objects are not here: who walks them looks into them. */
static const struct operator operators[] = {
	{ 0x00, "" }, { 0x01, "" }, { 0xff, "" },                                                     /* Zero, One, Ones */
	{ 0x0a, "b" }, { 0x0b, "w" }, { 0x0c, "d" }, { 0x0e, "q" }, { 0x0d, "s" },
	{ 0x06, "nn" },                                                                               /* Alias */
	{ 0x11, "P" }, { 0x12, "P" }, { 0x13, "P" },                                                  /* Buffer, Package, VarPackage */
	{ 0x15, "nbb" },                                                                              /* External */
	{ 0x60, "" }, { 0x61, "" }, { 0x62, "" }, { 0x63, "" }, { 0x64, "" }, { 0x65, "" }, { 0x66, "" }, { 0x67, "" }, /* Local0 to Local7 */
	{ 0x68, "" }, { 0x69, "" }, { 0x6a, "" }, { 0x6b, "" }, { 0x6c, "" }, { 0x6d, "" }, { 0x6e, "" },               /* Arg0 to Arg6 */
	{ 0x70, "TT" }, { 0x71, "T" },                                                                /* Store, RefOf */
	{ 0x72, "TTT" }, { 0x73, "TTT" }, { 0x74, "TTT" }, { 0x75, "T" }, { 0x76, "T" }, { 0x77, "TTT" }, { 0x78, "TTTT" }, /* Add … Divide */
	{ 0x79, "TTT" }, { 0x7a, "TTT" }, { 0x7b, "TTT" }, { 0x7c, "TTT" }, { 0x7d, "TTT" }, { 0x7e, "TTT" }, { 0x7f, "TTT" },
	{ 0x80, "TT" }, { 0x81, "TT" }, { 0x82, "TT" },                                               /* Not, FindSetLeftBit, FindSetRightBit */
	{ 0x83, "T" }, { 0x84, "TTT" }, { 0x85, "TTT" }, { 0x86, "TT" }, { 0x87, "T" }, { 0x88, "TTT" }, /* DerefOf, ConcatRes, Mod, Notify, SizeOf, Index */
	{ 0x89, "TbTbTT" },                                                                           /* Match */
	{ 0x8a, "TTn" }, { 0x8b, "TTn" }, { 0x8c, "TTn" }, { 0x8d, "TTn" }, { 0x8f, "TTn" },          /* CreateDWordField … CreateQWordField */
	{ 0x8e, "T" },                                                                                /* ObjectType */
	{ 0x90, "TT" }, { 0x91, "TT" }, { 0x92, "T" }, { 0x93, "TT" }, { 0x94, "TT" }, { 0x95, "TT" }, /* LAnd … LLess */
	{ 0x96, "TT" }, { 0x97, "TT" }, { 0x98, "TT" }, { 0x99, "TT" }, { 0x9c, "TTT" }, { 0x9d, "TT" }, { 0x9e, "TTTT" }, /* ToBuffer … Mid */
	{ 0x9f, "" }, { 0xa3, "" }, { 0xa4, "T" }, { 0xa5, "" }, { 0xcc, "" },                        /* Continue, Noop, Return, Break, BreakPoint */
	{ 0x5b01, "nb" }, { 0x5b02, "n" },                                                            /* Mutex, Event */
	{ 0x5b12, "TT" }, { 0x5b13, "TTTn" },                                                         /* CondRefOf, CreateField */
	{ 0x5b1f, "TTTTTT" }, { 0x5b20, "nT" }, { 0x5b21, "T" }, { 0x5b22, "T" }, { 0x5b23, "Tw" },   /* LoadTable, Load, Stall, Sleep, Acquire */
	{ 0x5b24, "T" }, { 0x5b25, "TT" }, { 0x5b26, "T" }, { 0x5b27, "T" }, { 0x5b28, "TT" }, { 0x5b29, "TT" }, { 0x5b2a, "T" },
	{ 0x5b30, "" }, { 0x5b31, "" }, { 0x5b32, "bdT" }, { 0x5b33, "" },                            /* Revision, Debug, Fatal, Timer */
	{ 0x5b80, "nbTT" }, { 0x5b81, "P" }, { 0x5b86, "P" }, { 0x5b87, "P" }, { 0x5b88, "nTTT" },    /* OpRegion, Field, IndexField, BankField, DataRegion */
};

static const char *operands_of(uint16_t code)
{
	for (size_t i = 0; i < sizeof(operators) / sizeof(*operators); i++)
		if (operators[i].code == code)
			return operators[i].operands;
	return NULL;
}

bool aml_take(struct aml_cursor *c, unsigned width_bytes, uint64_t *ret)
{
	uint64_t value = 0;

	if (c->end - c->at < width_bytes)
		return false;
	for (unsigned i = 0; i < width_bytes; i++)
		value |= (uint64_t)c->data[c->at + i] << 8 * i;
	c->at += width_bytes;
	*ret = value;
	return true;
}

bool aml_take_operator(struct aml_cursor *c, uint16_t *ret)
{
	uint64_t first, second;

	if (!aml_take(c, 1, &first))
		return false;
	*ret = (uint16_t)first;
	if (first != AML_OP_EXTENDED)
		return true;
	if (!aml_take(c, 1, &second))
		return false;
	*ret = (uint16_t)(AML_OP_EXTENDED << 8 | second);
	return true;
}

bool aml_take_package(struct aml_cursor *c, size_t *ret_end)
{
	size_t start = c->at, length;
	uint64_t lead, more;
	unsigned following;

	if (!aml_take(c, 1, &lead))
		return false;
	following = (unsigned)(lead >> 6);
	if (!aml_take(c, following, &more))
		return false;
	length = following ? (size_t)(lead & 0xf) | (size_t)more << 4 : (size_t)(lead & 0x3f);
	/* It counts its own bytes. */
	if (length < c->at - start || length > c->end - start)
		return false;
	*ret_end = start + length;
	return true;
}

static bool lead_character(uint8_t b)
{
	return (b >= 'A' && b <= 'Z') || b == '_';
}

static bool name_begins(uint8_t b)
{
	return lead_character(b) || b == '\\' || b == '^' || b == 0x2e || b == 0x2f;
}

static bool segments_valid(const uint8_t *p, unsigned count)
{
	for (unsigned i = 0; i < 4 * count; i++)
		if (!lead_character(p[i]) && (i % 4 == 0 || p[i] < '0' || p[i] > '9'))
			return false;
	return true;
}

bool aml_take_name(struct aml_cursor *c, struct aml_name *ret)
{
	uint64_t b;

	*ret = (struct aml_name){ .root = c->at < c->end && c->data[c->at] == '\\' };
	if (ret->root)
		c->at++;
	while (!ret->root && c->at < c->end && c->data[c->at] == '^') {
		ret->parents++;
		c->at++;
	}
	if (!aml_take(c, 1, &b))
		return false;
	if (b == 0x00)
		return true;
	if (b == 0x2e)
		ret->count = 2;
	else if (b == 0x2f) {
		if (!aml_take(c, 1, &b) || b == 0)
			return false;
		ret->count = (unsigned)b;
	} else {
		ret->count = 1;
		c->at--;
	}
	if (c->end - c->at < 4 * (size_t)ret->count)
		return false;
	ret->segments = c->data + c->at;
	c->at += 4 * (size_t)ret->count;
	return segments_valid(ret->segments, ret->count);
}

static bool skip_string(struct aml_cursor *c)
{
	const uint8_t *nul = memchr(c->data + c->at, 0, c->end - c->at);

	if (!nul)
		return false;
	c->at = (size_t)(nul - c->data) + 1;
	return true;
}

static bool skip_terms(struct aml_cursor *c, unsigned count, unsigned depth);

static bool skip_operand(struct aml_cursor *c, char kind, unsigned depth)
{
	struct aml_name name;
	uint64_t value;

	switch (kind) {
	case 'b':
		return aml_take(c, 1, &value);
	case 'w':
		return aml_take(c, 2, &value);
	case 'd':
		return aml_take(c, 4, &value);
	case 'q':
		return aml_take(c, 8, &value);
	case 's':
		return skip_string(c);
	case 'n':
		return aml_take_name(c, &name);
	case 'P':
		return aml_take_package(c, &c->at);
	default:
		return skip_terms(c, 1, depth + 1);
	}
}

/* A name stands for its value, or, if it is a method's, for a call with so many terms behind it. */
static bool skip_use(struct aml_cursor *c, unsigned depth)
{
	struct aml_name name;
	uint32_t node;

	if (!aml_take_name(c, &name))
		return false;
	node = aml_space_find(c->space, c->scope, &name);
	return node == AML_NONE || skip_terms(c, c->space->nodes[node].arguments, depth + 1);
}

static bool skip_terms(struct aml_cursor *c, unsigned count, unsigned depth)
{
	uint16_t code;

	if (depth > AML_DEPTH_MAX)
		return false;
	for (; count > 0; count--) {
		const char *operands;

		if (c->at >= c->end || !aml_space_step(c->space))
			return false;
		if (name_begins(c->data[c->at])) {
			if (!skip_use(c, depth))
				return false;
			continue;
		}
		if (!aml_take_operator(c, &code) || !(operands = operands_of(code)))
			return false;
		for (; *operands; operands++)
			if (!skip_operand(c, *operands, depth))
				return false;
	}
	return true;
}

bool aml_skip_term(struct aml_cursor *c)
{
	return skip_terms(c, 1, 0);
}

/* 1 = got it; 0 = it is no integer (nothing was taken); -1 = cut off. */
static int take_integer(struct aml_cursor *c, struct aml_constant *ret)
{
	static const struct {
		uint8_t code, width;
		uint64_t value;
	} forms[] = { { 0x00, 0, 0 }, { 0x01, 0, 1 }, { 0xff, 0, UINT64_MAX }, { 0x0a, 1, 0 }, { 0x0b, 2, 0 }, { 0x0c, 4, 0 }, { 0x0e, 8, 0 } };

	for (size_t i = 0; c->at < c->end && i < sizeof(forms) / sizeof(*forms); i++) {
		if (c->data[c->at] != forms[i].code)
			continue;
		*ret = (struct aml_constant){ .type = AML_INTEGER, .integer = forms[i].value, .width = forms[i].width, .data = c->data + c->at + 1, .bytes = forms[i].width };
		c->at++;
		return ret->width == 0 || aml_take(c, ret->width, &ret->integer) ? 1 : -1;
	}
	return 0;
}

static bool take_buffer(struct aml_cursor *c, struct aml_constant *ret)
{
	struct aml_cursor inside = *c;
	struct aml_constant length;

	if (!aml_take_package(&inside, &inside.end))
		return false;
	c->at = inside.end;
	/* Behind a length that is computed it is not known where the bytes begin. */
	if (take_integer(&inside, &length) <= 0)
		return true;
	ret->type = AML_BUFFER;
	ret->data = inside.data + inside.at;
	ret->bytes = inside.end - inside.at;
	ret->length = length.integer > ret->bytes ? (size_t)length.integer : ret->bytes;
	return true;
}

static bool take_package(struct aml_cursor *c, struct aml_constant *ret)
{
	struct aml_cursor inside = *c;
	uint64_t count;

	if (!aml_take_package(&inside, &inside.end))
		return false;
	c->at = inside.end;
	if (!aml_take(&inside, 1, &count))
		return true;
	*ret = (struct aml_constant){ .type = AML_PACKAGE, .data = inside.data + inside.at, .bytes = inside.end - inside.at };
	return true;
}

static bool take_string(struct aml_cursor *c, struct aml_constant *ret)
{
	size_t start = c->at;

	if (!skip_string(c))
		return false;
	*ret = (struct aml_constant){ .type = AML_STRING, .data = c->data + start, .bytes = c->at - start - 1 };
	return true;
}

bool aml_take_constant(struct aml_cursor *c, struct aml_constant *ret)
{
	int integer;

	*ret = (struct aml_constant){ .type = AML_OTHER };
	integer = take_integer(c, ret);
	if (integer != 0)
		return integer > 0;
	if (c->at >= c->end)
		return false;
	switch (c->data[c->at++]) {
	case 0x0d:
		return take_string(c, ret);
	case 0x11:
		return take_buffer(c, ret);
	case 0x12:
		return take_package(c, ret);
	default:
		c->at--;
		return aml_skip_term(c);
	}
}

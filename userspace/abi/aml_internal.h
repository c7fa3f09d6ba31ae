/* SPDX-License-Identifier: Apache-2.0 */
/* How a definition block is read: its grammar, its namespace, its constants. Private to aml*.c. */
#ifndef ABIDRIFT_ABI_AML_INTERNAL_H
#define ABIDRIFT_ABI_AML_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer;

#define AML_OP_ALIAS 0x06u
#define AML_OP_NAME 0x08u
#define AML_OP_SCOPE 0x10u
#define AML_OP_METHOD 0x14u
#define AML_OP_IF 0xa0u
#define AML_OP_ELSE 0xa1u
#define AML_OP_WHILE 0xa2u
#define AML_OP_RETURN 0xa4u
#define AML_OP_EXTENDED 0x5bu /* prefix: the operator is 0x5b00 | next byte */
#define AML_OP_DEVICE 0x5b82u
#define AML_OP_PROCESSOR 0x5b83u
#define AML_OP_POWER_RESOURCE 0x5b84u
#define AML_OP_THERMAL_ZONE 0x5b85u

/* ---- aml_space.c: the namespace of one block, as far as it was read */
#define AML_ROOT 0u
#define AML_NONE UINT32_MAX

struct aml_node {
	uint32_t parent;
	uint32_t segment;   /* four characters as they are in memory, little-endian */
	uint32_t chain;     /* next of the same hash; AML_ROOT = end */
	uint8_t depth;      /* root 0 */
	uint8_t arguments;  /* of a method */
	bool declared;      /* an object of this block; else only a part of a path */
	bool device;
	bool host_bridge;   /* a device with the id of a PCI host bridge */
};

struct aml_space {
	struct aml_node *nodes;
	uint32_t *heads;
	uint32_t count, room;
	bool failed;        /* no memory */
	uint32_t steps;     /* AML_STEPS_MAX at most; what reads the block counts here too */
};

struct aml_name {
	bool root;
	unsigned parents;        /* carets */
	unsigned count;          /* segments */
	const uint8_t *segments; /* 4 bytes each, borrowed */
};

int aml_space_init(struct aml_space *s);
void aml_space_release(struct aml_space *s);
/* Counts a step; false: there were too many. */
bool aml_space_step(struct aml_space *s);
/* The object that a name means within a scope: one lone segment is looked for outwards too. AML_NONE: not known here. */
uint32_t aml_space_find(struct aml_space *s, uint32_t scope, const struct aml_name *name);
/* The object that a name declares within a scope; made where it is new. AML_NONE: a bound is reached, or carets lead out of the root. */
uint32_t aml_space_enter(struct aml_space *s, uint32_t scope, const struct aml_name *name);
/* `_SB.PCI0.S18`; nothing for the root. */
void aml_space_path(const struct aml_space *s, uint32_t node, struct buffer *out);

/* ---- aml_grammar.c: every function is false, and leaves the place undefined, where the block does not go on that way */
struct aml_cursor {
	const uint8_t *data;
	size_t at, end;
	uint32_t scope; /* in which names are looked up */
	struct aml_space *space;
};

bool aml_take(struct aml_cursor *c, unsigned width_bytes, uint64_t *ret);
bool aml_take_operator(struct aml_cursor *c, uint16_t *ret);
/* A package length; *ret_end is where what it covers ends, within c->end. */
bool aml_take_package(struct aml_cursor *c, size_t *ret_end);
bool aml_take_name(struct aml_cursor *c, struct aml_name *ret);
/* Any term that is no block and makes no object: one operator with all its operands, or a name with its arguments. */
bool aml_skip_term(struct aml_cursor *c);

enum aml_type {
	AML_INTEGER,
	AML_STRING,
	AML_BUFFER,
	AML_PACKAGE,
	AML_OTHER, /* a reference, or something to be computed */
};

struct aml_constant {
	enum aml_type type;
	uint64_t integer;
	unsigned width;      /* bytes of an integer's constant; 0 = part of the operator */
	const uint8_t *data; /* string without its NUL, buffer's bytes, package's elements; of an integer, its bytes. Borrowed */
	size_t bytes;
	size_t length;       /* of a buffer as declared: zeros follow `bytes` */
};

bool aml_take_constant(struct aml_cursor *c, struct aml_constant *ret);

/* ---- aml_values.c */
enum aml_form {
	AML_FORM_ID,        /* EISA id or string; packages of them */
	AML_FORM_DECIMAL,   /* a number, or a string */
	AML_FORM_ADDRESS,   /* 32 bits in hex */
	AML_FORM_HEX,
	AML_FORM_TEXT,      /* string, or buffer of UTF-16 */
	AML_FORM_RESOURCES, /* a resource template */
};

/* Appends the value as text, at most AML_VALUE_MAX bytes; false: not of that form (nothing was appended). `windows`: address windows too. */
bool aml_value_put(struct buffer *out, const struct aml_constant *constant, enum aml_form form, bool windows);
/* Is this the id of a PCI host bridge (PNP0A03, PNP0A08, ACPI0016)? */
bool aml_value_host_bridge(const struct aml_constant *constant);
/* Zeroes the bounds of all address windows of a resource template. */
void aml_value_blank_windows(uint8_t *data, size_t bytes);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/abi/pci_fields.h"

#include "userspace/base/buffer.h"

#define WHOLE 0xf
#define LOWER_HALF 0x3
#define UPPER_HALF 0xc
#define FIELDS(...) (const struct pci_field[]){ __VA_ARGS__, { 0, 0, NULL } }

static const struct pci_cap_register registers[] = {
	{ 0x01, false, 0, UPPER_HALF, 0, ".power", 0xfff80000,
	  FIELDS({ 19, 1, "pme-clock" }, { 21, 1, "dsi" }, { 22, 3, "aux-current" }, { 25, 1, "d1" }, { 26, 1, "d2" }, { 27, 1, "pme-d0" },
		 { 28, 1, "pme-d1" }, { 29, 1, "pme-d2" }, { 30, 1, "pme-d3hot" }, { 31, 1, "pme-d3cold" }) },
	/* Of the control and status register the one bit that is a promise. */
	{ 0x01, false, 4, 0x1, 0, ".reset", 0x8, FIELDS({ 3, 1, "no-soft-reset" }) },
	{ 0x10, false, 0x04, WHOLE, 0, ".device", 0xf003ffff,
	  FIELDS({ 0, 3, "payload" }, { 3, 2, "phantom" }, { 5, 1, "extended-tag" }, { 6, 3, "l0s" }, { 9, 3, "l1" },
		 { 12, 1, "attention-button" }, { 13, 1, "attention-indicator" }, { 14, 1, "power-indicator" }, { 15, 1, "role-based-errors" },
		 { 28, 1, "flr" }) },
	{ 0x10, false, 0x0c, WHOLE, 0, ".link_features", 0xfffffc00,
	  FIELDS({ 10, 2, "aspm" }, { 12, 3, "l0s" }, { 15, 3, "l1" }, { 18, 1, "clock-power" }, { 19, 1, "surprise-down" },
		 { 20, 1, "active-reporting" }, { 21, 1, "bandwidth-notification" }, { 22, 1, "aspm-compliance" }, { 24, 8, "port" }) },
	{ 0x10, false, 0x24, WHOLE, 2, ".device2", 0xffffffff,
	  FIELDS({ 0, 4, "timeout-ranges" }, { 4, 1, "timeout-disable" }, { 5, 1, "ari-forwarding" }, { 6, 1, "atomic-routing" },
		 { 7, 1, "atomic32" }, { 8, 1, "atomic64" }, { 9, 1, "cas128" }, { 10, 1, "no-ro-pr-pr" }, { 11, 1, "ltr" }, { 12, 2, "tph" },
		 { 16, 1, "tag10-completer" }, { 17, 1, "tag10-requester" }, { 18, 2, "obff" }, { 20, 1, "extended-format" },
		 { 21, 1, "prefix" }, { 22, 2, "prefixes" }) },
	{ 0x10, false, 0x2c, WHOLE, 2, ".link2", 0x018001fe, FIELDS({ 1, 7, "speeds" }, { 8, 1, "crosslink" }, { 23, 1, "retimer" }, { 24, 1, "retimers" }) },
	{ 0x12, false, 0, UPPER_HALF, 0, ".sata", 0x00ff0000, FIELDS({ 20, 4, "major" }, { 16, 4, "minor" }) },
	{ 0x12, false, 4, WHOLE, 0, ".registers", 0x00ffffff, FIELDS({ 0, 4, "bar" }, { 4, 20, "offset" }) },
	{ 0x13, false, 0, UPPER_HALF, 0, ".features", 0x03ff0000, FIELDS({ 16, 8, "length" }, { 24, 1, "transactions-pending" }, { 25, 1, "flr" }) },

	{ 0x01, true, 0x18, WHOLE, 0, ".errors", 0x000012a0,
	  FIELDS({ 5, 1, "ecrc-generation" }, { 7, 1, "ecrc-check" }, { 9, 1, "multiple-headers" }, { 12, 1, "timeout-log" }) },
	{ 0x02, true, 0x04, WHOLE, 0, ".channels", 0x00000f77, FIELDS({ 0, 3, "extended" }, { 4, 3, "low-priority" }, { 8, 2, "clock" }, { 10, 2, "table" }) },
	{ 0x09, true, 0x04, WHOLE, 0, ".channels", 0x00000f77, FIELDS({ 0, 3, "extended" }, { 4, 3, "low-priority" }, { 8, 2, "clock" }, { 10, 2, "table" }) },
	{ 0x0d, true, 0x04, LOWER_HALF, 0, ".services", 0x0000ffff,
	  FIELDS({ 0, 1, "validation" }, { 1, 1, "blocking" }, { 2, 1, "request-redirect" }, { 3, 1, "completion-redirect" },
		 { 4, 1, "upstream-forwarding" }, { 5, 1, "egress-control" }, { 6, 1, "direct-translated" }, { 8, 8, "egress-bits" }) },
	{ 0x0e, true, 0x04, LOWER_HALF, 0, ".functions", 0x0000ff03, FIELDS({ 0, 1, "mfvc-groups" }, { 1, 1, "acs-groups" }, { 8, 8, "next" }) },
	{ 0x0f, true, 0x04, LOWER_HALF, 0, ".translation", 0x0000007f, FIELDS({ 0, 5, "queue" }, { 5, 1, "page-aligned" }, { 6, 1, "global" }, { 7, 1, "relaxed" }) },
	{ 0x10, true, 0x04, WHOLE, 0, ".capabilities", 0xffe00007, FIELDS({ 0, 1, "migration" }, { 1, 1, "ari-preserved" }, { 2, 1, "tag10" }, { 21, 11, "interrupt" }) },
	{ 0x10, true, 0x0c, WHOLE, 0, ".functions", 0xffffffff, FIELDS({ 16, 16, "total" }, { 0, 16, "initial" }) },
	{ 0x10, true, 0x14, WHOLE, 0, ".routing", 0xffffffff, FIELDS({ 0, 16, "offset" }, { 16, 16, "stride" }) },
	{ 0x10, true, 0x1c, WHOLE, 0, ".pages", 0xffffffff, FIELDS({ 0, 32, "sizes" }) },
	{ 0x13, true, 0x08, WHOLE, 0, ".requests", 0xffffffff, FIELDS({ 0, 32, "capacity" }) },
	{ 0x17, true, 0x04, WHOLE, 0, ".hints", 0x07ff0707,
	  FIELDS({ 0, 1, "no-table" }, { 1, 1, "vector" }, { 2, 1, "device" }, { 8, 1, "extended" }, { 9, 2, "location" }, { 16, 11, "table" }) },
	{ 0x1b, true, 0x04, LOWER_HALF, 0, ".features", 0x00001f06, FIELDS({ 1, 1, "execute" }, { 2, 1, "privileged" }, { 8, 5, "bits" }) },
	{ 0x1d, true, 0x04, LOWER_HALF, 0, ".features", 0x00000fff, FIELDS({ 0, 5, "interrupt" }, { 5, 1, "root-port" }, { 6, 1, "poisoned" }, { 7, 1, "software" }, { 8, 4, "log" }) },
	{ 0x1e, true, 0x04, WHOLE, 0, ".features", 0x00ffffff,
	  FIELDS({ 0, 1, "pm-l1.2" }, { 1, 1, "pm-l1.1" }, { 2, 1, "aspm-l1.2" }, { 3, 1, "aspm-l1.1" }, { 4, 1, "supported" }, { 8, 8, "restore" },
		 { 16, 2, "power-on-scale" }, { 19, 5, "power-on" }) },
	{ 0x1f, true, 0x04, WHOLE, 0, ".features", 0x0000ffff, FIELDS({ 0, 1, "requester" }, { 1, 1, "responder" }, { 2, 1, "root" }, { 8, 8, "granularity" }) },
	{ 0x25, true, 0x04, WHOLE, 0, ".features", 0x807fffff, FIELDS({ 0, 1, "scaled-flow-control" }, { 31, 1, "exchange" }) },
};

const struct pci_cap_register *pci_cap_register_next(unsigned id, bool extended, size_t *cursor)
{
	while (*cursor < sizeof(registers) / sizeof(registers[0])) {
		const struct pci_cap_register *reg = &registers[(*cursor)++];

		if (reg->id == id && reg->extended == extended)
			return reg;
	}
	return NULL;
}

void pci_fields_put(const struct pci_cap_register *reg, uint32_t value, struct buffer *out)
{
	uint32_t rest = value & reg->mask;
	size_t before = out->size;

	for (const struct pci_field *f = reg->fields; f->width; f++) {
		uint32_t bits = f->width < 32 ? (1u << f->width) - 1 : 0xffffffff, number = (value & reg->mask) >> f->shift & bits;

		rest &= ~(bits << f->shift);
		if (f->width > 1)
			buffer_printf(out, "%s%s=%s%x", out->size > before ? " " : "", f->name, number > 9 ? "0x" : "", number);
		else if (number)
			buffer_printf(out, "%s%s", out->size > before ? " " : "", f->name);
	}
	if (rest)
		buffer_printf(out, "%sother=0x%x", out->size > before ? " " : "", rest);
	if (out->size == before)
		buffer_string(out, "none");
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/collect/tables_internal.h"

/* ACPI 6.5, 5.2.5.3: RSDP. */
#define RSDP_SIGNATURE "RSD PTR "
#define RSDP_WORD 0x20445352u /* its first half */
#define RSDP_OLD_BYTES 20u
#define RSDP_BYTES 36u
#define RSDP_REVISION 15
#define RSDP_RSDT 16
#define RSDP_LENGTH 20
#define RSDP_XSDT 24
/* 5.2.6: the header that all tables but FACS have. */
#define HEADER_BYTES 36u
#define HEADER_LENGTH 4
/* 5.2.9: FADT; its 64-bit pointers, where they are not 0, count instead. */
#define FADT_FACS 36
#define FADT_DSDT 40
#define FADT_X_FACS 132
#define FADT_X_DSDT 140
#define FADT_X_BYTES 148u
#define FADT_MIN_BYTES 44u
/* 5.2.10. */
#define FACS_MIN_BYTES 64u

/* Where the extended BIOS data area begins, as a segment, and where the pointer to that is. */
#define EBDA_POINTER_GPA 0x40e
#define EBDA_SEARCH_BYTES 0x400u
#define LOW_GPA 0x80000
#define LOW_TOP 0xa0000
#define AFTER_LOW_TOP 0xa1000 /* cloud-hypervisor's is at 0xa0000 */
#define BIOS_GPA 0xe0000

struct acpi {
	struct walk *w;
	uint64_t seen[TABLES_MAX];
	unsigned count;
	bool has_fadt;
};

struct search {
	unsigned tried;
	bool prefers_new;   /* where there are RSDPs of both ACPI 1.0 and 2.0 */
	uint64_t old;       /* the first of ACPI 1.0 */
	bool has_old;
	uint64_t partial;   /* the first that led to tables, not to all of them */
	bool has_partial;
	char refused[sizeof(((struct walk *)0)->reason)];
};

static bool seen(struct acpi *a, uint64_t gpa)
{
	for (unsigned i = 0; i < a->count; i++)
		if (a->seen[i] == gpa)
			return true;
	if (a->count == TABLES_MAX) {
		walk_fault(a->w, "the table at 0x%" PRIx64 " is left out: more than %u tables", gpa, TABLES_MAX);
		return true;
	}
	a->seen[a->count++] = gpa;
	return false;
}

/* For a reason; the signature is the guest's word. */
static void name_of(const uint8_t *signature, char ret[5])
{
	for (int i = 0; i < 4; i++)
		ret[i] = signature[i] > ' ' && signature[i] < 0x7f ? (char)signature[i] : '?';
	ret[4] = '\0';
}

/* The table at gpa, checked; NULL: it is refused (said). free() it. */
static uint8_t *table_read(struct walk *w, uint64_t gpa, const char *wanted, uint32_t *ret_bytes)
{
	uint8_t header[8], *table;
	const char *why = NULL;
	char name[5] = "";
	uint32_t bytes;
	bool facs;
	int err = walk_read(w, gpa, header, sizeof(header));

	if (err < 0) {
		walk_fault(w, "the %s at 0x%" PRIx64 ": %s", wanted ? wanted : "table", gpa, walk_why(w, err));
		return NULL;
	}
	name_of(header, name);
	bytes = tables_u32(header + HEADER_LENGTH);
	facs = !memcmp(header, "FACS", 4);
	if (wanted && memcmp(header, wanted, 4)) {
		walk_fault(w, "the %s at 0x%" PRIx64 ": its signature is %s", wanted, gpa, name);
		return NULL;
	}
	if (bytes < (facs ? FACS_MIN_BYTES : HEADER_BYTES) || bytes > TABLES_TABLE_BYTES) {
		walk_fault(w, "%s at 0x%" PRIx64 ": a length of %u bytes", name, gpa, bytes);
		return NULL;
	}
	table = malloc(bytes);
	if (!table) {
		w->error = -ENOMEM;
		return NULL;
	}
	err = walk_read(w, gpa, table, bytes);
	if (err < 0)
		why = walk_why(w, err);
	else if (memcmp(table, header, sizeof(header)))
		why = "it changed while it was read";
	else if (!facs && tables_sum(table, bytes))
		why = "its checksum is wrong";
	if (why) {
		walk_fault(w, "%s at 0x%" PRIx64 ": %s", name, gpa, why);
		free(table);
		return NULL;
	}
	*ret_bytes = bytes;
	return table;
}

static void take_pointed(struct acpi *a, uint64_t gpa, const char *wanted)
{
	uint32_t bytes;
	uint8_t *table;

	if (a->w->error || !gpa || seen(a, gpa))
		return;
	table = table_read(a->w, gpa, wanted, &bytes);
	if (table)
		walk_part(a->w, RECORD_PART_TABLE, gpa, table, bytes);
	free(table);
}

static void take_fadt(struct acpi *a, const uint8_t *fadt, uint32_t bytes)
{
	uint64_t facs, dsdt;

	if (bytes < FADT_MIN_BYTES) {
		walk_fault(a->w, "FACP: a length of %u bytes", bytes);
		return;
	}
	a->has_fadt = true;
	facs = tables_u32(fadt + FADT_FACS);
	dsdt = tables_u32(fadt + FADT_DSDT);
	if (bytes >= FADT_X_BYTES && tables_u64(fadt + FADT_X_DSDT))
		dsdt = tables_u64(fadt + FADT_X_DSDT);
	if (bytes >= FADT_X_BYTES && tables_u64(fadt + FADT_X_FACS))
		facs = tables_u64(fadt + FADT_X_FACS);
	if (!dsdt)
		walk_fault(a->w, "FACP points to no DSDT");
	take_pointed(a, dsdt, "DSDT");
	take_pointed(a, facs, "FACS");
}

static void take_table(struct acpi *a, uint64_t gpa)
{
	uint32_t bytes;
	uint8_t *table;

	if (a->w->error || !gpa || seen(a, gpa))
		return;
	table = table_read(a->w, gpa, NULL, &bytes);
	if (table && walk_part(a->w, RECORD_PART_TABLE, gpa, table, bytes) && !memcmp(table, "FACP", 4))
		take_fadt(a, table, bytes);
	free(table);
}

/* What a root table points to, `width` bytes an entry. */
static void take_entries(struct acpi *a, const uint8_t *root, uint32_t bytes, unsigned width)
{
	if (!root)
		return;
	for (uint32_t at = HEADER_BYTES; at + width <= bytes && !a->w->error; at += width)
		take_table(a, width == 8 ? tables_u64(root + at) : tables_u32(root + at));
}

static uint8_t *root_read(struct acpi *a, uint64_t gpa, const char *wanted, uint32_t *ret_bytes)
{
	uint8_t *root;

	if (!gpa || a->w->error || seen(a, gpa))
		return NULL;
	root = table_read(a->w, gpa, wanted, ret_bytes);
	if (root)
		walk_part(a->w, RECORD_PART_TABLE, gpa, root, *ret_bytes);
	return root;
}

/* The pointer itself; 0 = it is none. */
static unsigned rsdp_read(struct walk *w, uint64_t gpa, uint8_t rsdp[RSDP_BYTES])
{
	int err = walk_read(w, gpa, rsdp, RSDP_OLD_BYTES);

	if (err < 0)
		walk_fault(w, "the RSDP at 0x%" PRIx64 ": %s", gpa, walk_why(w, err));
	else if (memcmp(rsdp, RSDP_SIGNATURE, 8) || tables_sum(rsdp, RSDP_OLD_BYTES))
		walk_fault(w, "the RSDP at 0x%" PRIx64 ": its checksum is wrong", gpa);
	else if (rsdp[RSDP_REVISION] < 2)
		return RSDP_OLD_BYTES;
	else if (walk_read(w, gpa, rsdp, RSDP_BYTES) < 0 || tables_u32(rsdp + RSDP_LENGTH) != RSDP_BYTES || tables_sum(rsdp, RSDP_BYTES))
		walk_fault(w, "the RSDP at 0x%" PRIx64 ": its extended checksum is wrong", gpa);
	else
		return RSDP_BYTES;
	return 0;
}

/* All behind one RSDP; its size, or 0: it is none. The tables of the XSDT first: where there are both it is the one that counts. */
static unsigned take_rsdp(struct walk *w, uint64_t gpa)
{
	struct acpi a = { .w = w };
	uint32_t rsdt_bytes = 0, xsdt_bytes = 0;
	uint8_t rsdp[RSDP_BYTES], *rsdt, *xsdt = NULL;
	unsigned bytes;
	bool good;

	walk_again(w);
	bytes = rsdp_read(w, gpa, rsdp);
	if (!bytes)
		return 0;
	walk_part(w, RECORD_PART_RSDP, gpa, rsdp, bytes);
	rsdt = root_read(&a, tables_u32(rsdp + RSDP_RSDT), "RSDT", &rsdt_bytes);
	if (bytes == RSDP_BYTES)
		xsdt = root_read(&a, tables_u64(rsdp + RSDP_XSDT), "XSDT", &xsdt_bytes);
	good = rsdt || xsdt;
	take_entries(&a, xsdt, xsdt_bytes, 8);
	take_entries(&a, rsdt, rsdt_bytes, 4);
	if (good && !a.has_fadt)
		walk_fault(w, "RSDT and XSDT lead to no FACP");
	if (!good)
		walk_fault(w, "the RSDP at 0x%" PRIx64 " points to no tables", gpa);
	free(rsdt);
	free(xsdt);
	return good && a.has_fadt ? bytes : 0;
}

static bool try_rsdp(struct walk *w, uint64_t gpa, void *context)
{
	struct search *s = context;
	uint8_t signature[8];
	unsigned good;

	if (walk_read(w, gpa, signature, sizeof(signature)) < 0 || memcmp(signature, RSDP_SIGNATURE, sizeof(signature)))
		return false;
	if (s->tried++ >= TABLES_CANDIDATES)
		return false;
	good = take_rsdp(w, gpa);
	if (good && !w->faults && (good == RSDP_BYTES || !s->prefers_new))
		return true;
	if (good && !w->faults && !s->has_old) {
		s->has_old = true;
		s->old = gpa;
	} else if (good && w->faults && !s->has_partial) {
		s->has_partial = true;
		s->partial = gpa;
	}
	if (!good && !s->refused[0])
		memcpy(s->refused, w->reason, sizeof(s->refused));
	return false;
}

static bool search_low(struct walk *w, const struct walk_anchors *anchors)
{
	uint8_t segment[2];
	uint64_t ebda = 0;

	if (walk_search(w, BIOS_GPA, TABLES_MIB, false, anchors))
		return true;
	if (walk_read(w, EBDA_POINTER_GPA, segment, sizeof(segment)) >= 0)
		ebda = (uint64_t)tables_u16(segment) << 4;
	if (ebda >= TABLES_PAGE && ebda < LOW_GPA) {
		uint64_t page = ebda & ~(uint64_t)(TABLES_PAGE - 1);

		if (walk_search(w, page, ebda + EBDA_SEARCH_BYTES, false, anchors))
			return true;
	}
	return walk_search(w, LOW_GPA, LOW_TOP, false, anchors) || walk_search(w, LOW_TOP, AFTER_LOW_TOP, false, anchors);
}

/* UEFI's: in memory that the operating system may reclaim. */
static bool search_high(struct walk *w, uint64_t top, struct search *s)
{
	struct walk_anchors anchors = { .first = RSDP_WORD, .second = RSDP_WORD, .align = TABLES_UEFI_ALIGN, .fn = try_rsdp, .context = s };

	s->prefers_new = true;
	return walk_search(w, top - TABLES_MIB > TABLES_SEARCH_BYTES ? top - TABLES_SEARCH_BYTES : TABLES_MIB, top, true, &anchors) ||
	       (s->has_old && take_rsdp(w, s->old));
}

int tables_read_acpi(const struct tables_memory *m, struct buffer *body)
{
	struct search s = { 0 };
	struct walk_anchors anchors = { .first = RSDP_WORD, .second = RSDP_WORD, .align = TABLES_ANCHOR_ALIGN, .fn = try_rsdp, .context = &s };
	struct walk w;
	uint64_t top;
	bool uefi;

	walk_begin(&w, m, RECORD_AREA_ACPI, body);
	uefi = walk_may_be_uefi(&w);
	top = walk_low_top(&w);
	if (search_low(&w, &anchors))
		return walk_end(&w);
	if (uefi && top && search_high(&w, top, &s))
		return walk_end(&w);
	if (s.has_partial) {
		take_rsdp(&w, s.partial);
	} else {
		walk_again(&w);
		walk_fault(&w, "no RSDP was found below 1 MiB%s%s%s", uefi ? ", nor in the 64 MiB below the top of low memory" : "",
			   s.refused[0] ? "; one was refused: " : "", s.refused);
	}
	return walk_end(&w);
}

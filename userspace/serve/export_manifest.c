/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/facet.h"
#include "userspace/base/text.h"
#include "userspace/base/visible_json.h"
#include "userspace/serve/export_internal.h"
#include "userspace/serve/json.h"

#define DIGEST_START 7 /* "sha256:" */

static const char readme[] =
	"What abidrift knows of one guest: which machine it was given, what changed of it, when and why.\n"
	"\n"
	"report.html        all of it to look at, in a browser, without a server: begin here\n"
	"manifest.json      what this is and of when, every file with its size and SHA-256, and what was left out and why\n"
	"SHA256SUMS         verify all files with: sha256sum -c SHA256SUMS\n"
	"guest.json         who the guest is, where it runs, its state (abidrift ls)\n"
	"show.txt, .json    what it is given now (abidrift show)\n"
	"history.txt, .json what happened to it and to its host (abidrift history)\n"
	"alerts.json        alerts that were raised of it, and whom they reached (abidrift alert list)\n"
	"diffs/             comparisons with verdict and cause (abidrift diff): baseline-now, and each revision with the one before it\n"
	"revisions/N/       a fingerprint and what it was made from:\n"
	"  fingerprint.txt  the entries. The SHA-256 of the lines of one facet is its digest in show.json; docs/interface.md says how\n"
	"                   the digest of the whole is made. `abidrift diff ./fingerprint.txt OTHER` compares it\n"
	"  show.json        the same decoded, with digests, coverage and its reasons\n"
	"  context.json     the host's side: kernel, CPU, VMM, machine type, options\n"
	"  cpuid.raw        the CPUID tables: cpuid -f cpuid.raw\n"
	"  acpi/*.dat       the ACPI tables: iasl -d acpi/dsdt.dat (all: acpi/*.dat)\n"
	"  acpi/rsdp.bin    the pointer by which the guest finds them (RSDP), which is no table: xxd acpi/rsdp.bin\n"
	"  smbios.bin       the SMBIOS tables: dmidecode --from-dump smbios.bin\n"
	"  memory.json      the memory slots; firmware.json: size and SHA-256 of what is read-only\n"
	"  facts.bin        all of it as it was seen, in abidrift's own records (docs/trace-format.md)\n"
	"\n"
	"The tables are as KVM and the firmware have them, before anything was normalised: bits that differ from vCPU to vCPU (APIC ids)\n"
	"and addresses that move from boot to boot are in them, and in no fingerprint. Passwords and other secrets of command lines, secrets\n"
	"in strings of SMBIOS and the product key of an MSDM table were taken out where they were read, and \"<removed>\" or zeros stand there.\n"
	"All strings are the guest's or its VMM's own: do not trust them.\n";

static json_t *hosts_json(const struct export_work *w)
{
	json_t *hosts = json_array();

	for (size_t i = 0; i < w->instance_count; i++) {
		json_t *host = json_text(w->instances[i].host);
		bool there = json_is_null(host);

		for (size_t k = 0; k < json_array_size(hosts) && !there; k++)
			there = json_equal(json_array_get(hosts, k), host);
		if (there)
			json_decref(host);
		else
			json_array_append_new(hosts, host);
	}
	return hosts;
}

/* When the monitor of each of its hosts last spoke: until then, nothing else happened to the guest. */
static json_t *reported_json(const struct export_work *w)
{
	json_t *reported = json_array();
	struct store_status *items = NULL;
	size_t count = 0;

	store_statuses(w->store, &items, &count);
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < w->instance_count; k++)
			if (!strcmp(items[i].host, w->instances[k].host)) {
				json_array_append_new(reported, json_pack("{s:o, s:o}", "host", json_text(items[i].host), "at", json_time(items[i].at)));
				break;
			}
	store_statuses_free(items, count);
	return reported;
}

static json_t *files_json(const struct export_files *f)
{
	json_t *list = json_array();

	for (size_t i = 0; i < f->count; i++)
		json_array_append_new(list, json_pack("{s:s, s:I, s:s, s:s}", "path", f->items[i].path, "bytes", (json_int_t)f->items[i].body.size,
						      "digest", f->items[i].digest.text, "what", f->items[i].what));
	return list;
}

static json_t *marked(const struct export_work *w, const char *key)
{
	json_t *guest = json_array_get(json_object_get(w->list, "guests"), 0), *mark = json_object_get(guest, key);

	return mark ? json_incref(mark) : json_null();
}

static json_t *manifest_json(const struct export_work *w)
{
	const struct store_guest *guest = &w->now.guest;
	json_t *revisions = json_array();

	for (size_t i = 0; i < w->revision_count; i++)
		json_array_append_new(revisions, json_integer(w->revisions[i]));
	return json_pack("{s:i, s:s, s:s, s:i, s:{s:o, s:o, s:o}, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "format", EXPORT_FORMAT, "product", "abidrift",
			 "version", ABIDRIFT_VERSION, "normaliser", ABI_NORMALISER, "guest", "id", json_text(guest->id), "uuid", json_text(guest->uuid),
			 "name", json_text(guest->name), "hosts", hosts_json(w), "reported", reported_json(w), "as_of", json_time(w->as_of), "baseline", marked(w, "baseline"),
			 "current", marked(w, "current"), "revisions", revisions, "files", files_json(&w->files), "left_out",
			 w->files.left_out ? json_incref(w->files.left_out) : json_array());
}

void export_manifest_add(struct export_work *w)
{
	struct buffer text = BUFFER_INIT;
	json_t *manifest;
	char *pretty;

	if (!w->now.number)
		export_files_lack(&w->files, "revisions", "the guest has no fingerprint yet: it has not settled since abidrift first saw it");
	export_files_lack(&w->files, "secrets", "removed where they were read, so that they are nowhere: of the VMM's command line, of strings of SMBIOS, and "
						"the product key of an MSDM table");
	export_files_lack(&w->files, "firmware code", "its size and SHA-256 are told, its bytes are not kept");
	buffer_string(&text, readme);
	export_files_add(&w->files, "README.txt", "what each file is", w->as_of, &text);
	export_files_sort(&w->files);
	manifest = manifest_json(w);
	pretty = visible_json(manifest, JSON_INDENT(1));
	json_decref(manifest);
	if (!pretty) {
		w->files.failed = true;
		return;
	}
	buffer_string(&text, pretty);
	buffer_string(&text, "\n");
	free(pretty);
	export_files_add(&w->files, "manifest.json", "this list", w->as_of, &text);
	export_files_sort(&w->files);
	for (size_t i = 0; i < w->files.count; i++)
		buffer_printf(&text, "%s  %s\n", w->files.items[i].digest.text + DIGEST_START, w->files.items[i].path);
	export_files_add(&w->files, "SHA256SUMS", "", w->as_of, &text);
}

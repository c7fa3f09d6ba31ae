// SPDX-License-Identifier: Apache-2.0
/*
 * A VMM's command line as /proc/PID/cmdline has it, behind a byte that says which VMM and how a secret is added to it. It is cleaned, told of in
 * a VM record, and read for the guest's identity, context and facets; the added secret must be nowhere in what is left.
 */
#include "tests/fuzz/fuzz.h"

#include "userspace/abi/context.h"
#include "userspace/abi/identity.h"
#include "userspace/abi/options.h"
#include "userspace/base/secrets.h"
#include "userspace/collect/arguments.h"
#include "userspace/stream/record.h"

#define PLANT "xQ7plantedSecretZ9"

static const char *const kinds[] = { "qemu", "firecracker", "cloud-hypervisor", "crosvm", "kvmtool", "other" };

static int count_one(void *context, const char *path)
{
	size_t *count = context;

	require(path != NULL);
	return ++*count > 64 ? -1 : 0;
}

/* One more argument, or two, that hold a secret behind what the fuzzer wrote last. */
static void plant(struct buffer *block, unsigned how, const char *last)
{
	bool plain = last[0] && !strpbrk(last, "\"'\\{[") && last[strlen(last) - 1] != ',';
	bool url = plain && !strpbrk(last, "/?#@ \t:%,");

	switch (how) {
	case 1:
		buffer_printf(block, "-object%csecret,id=a%s%s,data=" PLANT, 0, plain ? "," : "", plain ? last : "");
		break;
	case 2:
		buffer_printf(block, "--token=" PLANT);
		break;
	case 3:
		buffer_printf(block, "-append%croot=/dev/vda %s" PLANT, 0, last);
		break;
	case 4:
		buffer_printf(block, "-drive%cfile=http://%s:" PLANT "@host/disk,if=virtio", 0, url ? last : "user");
		break;
	case 5:
		buffer_printf(block, "-object%c{\"qom-type\":\"secret\",\"id\":\"%s\",\"data\":\"" PLANT "\"}", 0, plain ? last : "s");
		break;
	case 6:
		buffer_printf(block, "-drive%cfile=rbd:pool/%s:id=admin:key=" PLANT, 0, plain && !strpbrk(last, ",:") ? last : "image");
		break;
	case 7:
		buffer_printf(block, "-smbios%ctype=11,value=io.systemd.credential:%s=" PLANT, 0, plain && !strpbrk(last, ",=") ? last : "login");
		break;
	default:
		return;
	}
	buffer_append(block, "", 1);
}

static void clean(const struct arguments *a, struct buffer *pairs)
{
	struct buffer out = BUFFER_INIT, again = BUFFER_INIT;

	for (size_t i = 0; i < a->count; i++) {
		buffer_clear(&out);
		buffer_clear(&again);
		secrets_clean(i ? a->list[i - 1] : NULL, a->list[i], &out);
		require(out.size <= 3 * strlen(a->list[i]) + 2 * sizeof(SECRETS_REMOVED));
		record_pair_put(pairs, "arg", out.size ? out.data : "");
		buffer_clear(&out);
		secrets_clean_text(a->list[i], &out);
		secrets_clean_text(out.size ? out.data : "", &again);
		require(same_bytes(&out, &again));
	}
	buffer_release(&out);
	buffer_release(&again);
}

static void read_options(const struct guest_facts *f)
{
	struct buffer value = BUFFER_INIT;
	struct option o;

	for (size_t cursor = 0; option_next(f, &cursor, &o);) {
		const char *at = o.value;
		struct property p;

		while (at && property_next(&at, &p))
			require(p.name_size <= p.size && p.value_size <= p.size);
		buffer_clear(&value);
		if (o.value)
			property_get(o.value, "id", true, &value);
	}
	option_plain(f, "--cpus");
	buffer_release(&value);
}

static void read_context(const struct guest_facts *f)
{
	struct buffer host = BUFFER_INIT, text = BUFFER_INIT, second = BUFFER_INIT;
	struct context c = CONTEXT_INIT, back = CONTEXT_INIT;
	struct identity who;

	record_pair_put(&host, "kernel.release", "6.1.0");
	require(context_derive(host.data, host.size, f, &c) == 0 && context_write(&c, &text) == 0);
	require(context_parse(text.data, text.size, &back) == 0 && context_write(&back, &second) == 0 && same_bytes(&text, &second));
	require(!text.size || !memmem(text.data, text.size, PLANT, strlen(PLANT)));
	require(identity_derive(f, &who) == 0);
	identity_release(&who);
	context_release(&c);
	context_release(&back);
	buffer_release(&host);
	buffer_release(&text);
	buffer_release(&second);
}

static void tell(const struct arguments *a, const char *kind)
{
	struct record_header header = { .type = RECORD_VM, .vm = 1 };
	struct guest_facts *f = facts_of_boot();
	struct buffer pairs = BUFFER_INIT;

	record_pair_put(&pairs, "pid", "1");
	record_pair_put(&pairs, "kind", kind);
	record_pair_put(&pairs, "exe", "/usr/bin/qemu-system-x86_64");
	clean(a, &pairs);
	require(!buffer_failed(&pairs) && !memmem(pairs.data, pairs.size, PLANT, strlen(PLANT)));
	require(facts_add(f, &header, pairs.data, pairs.size, NULL) == 0);
	read_options(f);
	read_context(f);
	derive_and_check(f);
	facts_free(f);
	buffer_release(&pairs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buffer block = BUFFER_INIT;
	struct arguments a = ARGUMENTS_INIT;
	size_t firmware = 0, text;
	char *last;

	if (size < 2 || memmem(data, size, PLANT, strlen(PLANT)))
		return 0;
	buffer_append(&block, data + 1, size - 1);
	if (block.data[block.size - 1])
		buffer_append(&block, "", 1);
	for (text = block.size - 1; text > 0 && block.data[text - 1]; text--)
		;
	last = strdup(block.data + text);
	require(last != NULL);
	plant(&block, data[0] >> 5, last);
	require(!buffer_failed(&block) && arguments_split(block.data, block.size, &a) == 0);
	arguments_match(&a, last);
	arguments_firmware(&a, count_one, &firmware);
	arguments_default_firmware(&a, data[0] & 1);
	tell(&a, kinds[(data[0] & 31) % (sizeof(kinds) / sizeof(kinds[0]))]);
	arguments_release(&a);
	buffer_release(&block);
	free(last);
	return 0;
}

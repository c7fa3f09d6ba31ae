// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/facts_feed.h"
#include "userspace/abi/context.h"

#define ARGS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static struct context context_of(const char *kind, const char *const *args)
{
	struct records s = RECORDS_INIT;
	struct buffer body = BUFFER_INIT;
	struct guest_facts *f;
	struct context c;

	record_pair_put(&body, "kind", kind);
	record_pair_put(&body, "arg", "/usr/bin/vmm");
	for (; *args; args++)
		record_pair_put(&body, "arg", *args);
	records_add(&s, RECORD_VM, 1, 0, body.data, body.size, NULL, 0);
	f = feed(&s);
	assert_int_equal(context_derive(NULL, 0, f, &c), 0);
	facts_free(f);
	buffer_release(&body);
	records_release(&s);
	return c;
}

static void assert_factor(const struct context *c, const char *factor, const char *value)
{
	const char *held = context_get(c, factor);

	if (!value) {
		assert_null(held);
		return;
	}
	assert_non_null(held);
	assert_string_equal(held, value);
}

static void the_machine_is_what_was_given(void **state)
{
	struct context c = context_of("qemu", ARGS("-M", "pc-q35-7.2,accel=kvm,smm=off,memory-backend=ram0", "-cpu", "qemu64,-cx16", "-m", "512"));

	(void)state;
	assert_factor(&c, "machine", "pc-q35-7.2");
	assert_factor(&c, "option.machine", "smm=off");
	assert_factor(&c, "backend.machine", "memory-backend=ram0");
	assert_factor(&c, "backend.accel", "kvm");
	assert_factor(&c, "cpu", "qemu64,-cx16");
	assert_factor(&c, "option.m", "512");
	assert_factor(&c, "vmm.kind", "qemu");
	context_release(&c);
	c = context_of("qemu", ARGS("--machine", "accel=kvm,type=q35,usb=off", "-machine", "dump-guest-core=off", "-enable-kvm"));
	assert_factor(&c, "machine", "q35");
	assert_factor(&c, "option.machine", "usb=off; dump-guest-core=off");
	assert_factor(&c, "backend.accel", "kvm; kvm");
	context_release(&c);
	c = context_of("qemu", ARGS("-m", "512"));
	assert_factor(&c, "machine", NULL);
	assert_factor(&c, "cpu", NULL);
	context_release(&c);
}

/* Do the contexts differ, and only in backend.*? */
static void assert_only_backend(struct context a, struct context b)
{
	size_t differs = 0;

	for (size_t i = 0; i < a.count; i++) {
		const char *other = context_get(&b, a.items[i].factor);

		if (other && strcmp(other, a.items[i].value) == 0)
			continue;
		assert_int_equal(strncmp(a.items[i].factor, "backend.", 8), 0);
		differs++;
	}
	for (size_t i = 0; i < b.count; i++)
		if (!context_get(&a, b.items[i].factor)) {
			assert_int_equal(strncmp(b.items[i].factor, "backend.", 8), 0);
			differs++;
		}
	assert_int_not_equal(differs, 0);
	context_release(&a);
	context_release(&b);
}

static void a_change_of_backends_alone_is_nobodys_intention(void **state)
{
	(void)state;
	assert_only_backend(context_of("qemu", ARGS("-netdev", "user,id=n0", "-device", "e1000,netdev=n0,mac=52:54:00:00:00:01")),
			    context_of("qemu", ARGS("-netdev", "tap,id=tap0", "-device", "e1000,netdev=tap0,mac=52:54:00:00:00:01")));
	assert_only_backend(context_of("qemu", ARGS("-drive", "file=/a.img,if=virtio,format=raw,cache=none")),
			    context_of("qemu", ARGS("-drive", "format=qcow2,file=/b.qcow2,if=virtio")));
	assert_only_backend(context_of("qemu", ARGS("-hda", "/a.img")), context_of("qemu", ARGS("-hda", "/b.img")));
	assert_only_backend(context_of("qemu", ARGS("-drive", "if=none,id=d0,file=/a")),
			    context_of("qemu", ARGS("-drive", "if=none,id=d0,file=/a", "-drive", "if=none,id=d1,file=/b")));
	assert_only_backend(context_of("qemu", ARGS("-object", "memory-backend-ram,id=m,size=1G", "-S")),
			    context_of("qemu", ARGS("-object", "memory-backend-memfd,id=m,size=1G,share=on")));
	assert_only_backend(context_of("qemu", ARGS("-serial", "stdio", "-nic", "user,model=e1000")),
			    context_of("qemu", ARGS("-serial", "file:/tmp/x", "-nic", "tap,model=e1000,ifname=t0")));
	assert_only_backend(context_of("qemu", ARGS("-net", "nic,model=e1000", "-net", "user")),
			    context_of("qemu", ARGS("-net", "nic,model=e1000", "-net", "tap,ifname=t0")));
	assert_only_backend(context_of("qemu", ARGS("-device", "{\"driver\":\"e1000\",\"netdev\":\"n0\",\"addr\":\"0x3\"}")),
			    context_of("qemu", ARGS("-device", "{\"driver\":\"e1000\",\"netdev\":\"n1\",\"addr\":\"0x3\"}")));
	assert_only_backend(context_of("qemu", ARGS("-name", "a", "-daemonize", "disk.img")), context_of("qemu", ARGS("-name", "b", "other.img")));
	assert_only_backend(context_of("qemu", ARGS("-accel", "kvm")), context_of("qemu", ARGS("-accel", "tcg")));
}

static void what_the_guest_sees_is_an_option(void **state)
{
	struct context c = context_of("qemu", ARGS("-device", "e1000,netdev=n0,addr=3", "-device", "virtio-blk-pci,drive=d0", "-smp", "4", "-nodefaults",
						   "-drive", "if=virtio,index=1,file=a,,b", "-nic", "none", "-serial", "none", "-serial", "stdio",
						   "-drive", "if=pflash,unit=0,file=/fw", "-made-up", "x", "-flag", "-vga", "std"));

	(void)state;
	assert_factor(&c, "option.device", "e1000,addr=3; virtio-blk-pci");
	assert_factor(&c, "backend.device", "netdev=n0; drive=d0");
	assert_factor(&c, "option.smp", "4");
	assert_factor(&c, "option.nodefaults", "on");
	assert_factor(&c, "option.drive", "if=virtio,index=1; if=pflash,unit=0");
	assert_factor(&c, "backend.drive", "file=a,,b; file=/fw");
	assert_factor(&c, "option.nic", "none");
	assert_factor(&c, "option.serial", "none; present");
	assert_factor(&c, "backend.serial", "none; stdio");
	assert_factor(&c, "option.made-up", "x");
	assert_factor(&c, "option.flag", "on");
	assert_factor(&c, "option.vga", "std");
	context_release(&c);
	assert_true(context_option_visible("-device"));
	assert_true(context_option_visible("never-heard-of"));
	assert_false(context_option_visible("--netdev"));
	assert_false(context_option_visible("object"));
}

static void other_vmms_keep_their_arguments(void **state)
{
	struct context c = context_of("firecracker", ARGS("--id", "fc", "--config-file", "/c.json"));

	(void)state;
	assert_factor(&c, "option.args", "--id fc --config-file /c.json");
	assert_factor(&c, "vmm.kind", "firecracker");
	context_release(&c);
}

static void the_host_is_part_of_it(void **state)
{
	struct records s = RECORDS_INIT;
	struct buffer host = BUFFER_INIT;
	struct guest_facts *f;
	struct context c;

	(void)state;
	records_pairs_body(&host, "hostname", "h1", "kernel.release", "6.1.0", "kernel.version", "#1 SMP", "cpu.model", "EPYC", "cpu.signature", "23-1-2",
			   "cpu.microcode", "0x1", "kvm.kvm.ignore_msrs", "N", "kvm.kvm_amd.nested", "1", "machine_id", "m", "abidrift", "0.1.0", NULL);
	records_vm(&s, "kind", "qemu", "exe", "/usr/bin/qemu", "version", "7.2.22", "build_id", "ab12", "replaced", "1", "firmware",
		   "/a path/bios.bin 262144 00ff", "firmware", "/short -", "firmware", "/OVMF.fd 4194304 -", NULL);
	f = feed(&s);
	assert_int_equal(context_derive(host.data, host.size, f, &c), 0);
	assert_factor(&c, "host", "h1");
	assert_factor(&c, "kernel", "6.1.0");
	assert_factor(&c, "kernel.version", "#1 SMP");
	assert_factor(&c, "host_cpu", "EPYC");
	assert_factor(&c, "host_cpu.signature", "23-1-2");
	assert_factor(&c, "microcode", "0x1");
	assert_factor(&c, "kvm.kvm.ignore_msrs", "N");
	assert_factor(&c, "kvm.kvm_amd.nested", "1");
	assert_factor(&c, "machine_id", NULL);
	assert_factor(&c, "abidrift", "0.1.0");
	assert_factor(&c, "vmm.version", "7.2.22");
	assert_factor(&c, "vmm.build_id", "ab12");
	assert_factor(&c, "vmm.path", "/usr/bin/qemu");
	assert_factor(&c, "vmm.replaced", "1");
	assert_factor(&c, "firmware./a path/bios.bin", "262144 00ff");
	assert_factor(&c, "firmware./OVMF.fd", "4194304 -");
	for (size_t i = 1; i < c.count; i++)
		assert_true(strcmp(c.items[i - 1].factor, c.items[i].factor) < 0);
	context_release(&c);
	assert_int_equal(context_derive(host.data, host.size - 1, f, &c), -EBADMSG);
	facts_free(f);
	buffer_release(&host);
	records_release(&s);
}

static void a_context_reads_back_the_same(void **state)
{
	struct context c = CONTEXT_INIT, back;
	struct buffer text = BUFFER_INIT, again = BUFFER_INIT;

	(void)state;
	assert_int_equal(context_set(&c, "option.device", "a b\n\\"), 0);
	assert_int_equal(context_set(&c, "firmware./a path", "1"), 0);
	assert_int_equal(context_set(&c, "cpu", ""), 0);
	assert_int_equal(context_set(&c, "cpu", "host"), 0);
	assert_int_equal(context_set(&c, "backend.x", ""), 0);
	assert_int_equal(context_write(&c, &text), 0);
	assert_int_equal(context_parse(text.data, text.size, &back), 0);
	assert_int_equal(back.count, 4);
	assert_factor(&back, "option.device", "a b\n\\");
	assert_factor(&back, "firmware./a path", "1");
	assert_int_equal(context_write(&back, &again), 0);
	assert_string_equal(text.data, again.data);
	context_release(&back);
	assert_int_equal(context_parse(text.data, text.size - 1, &back), -EBADMSG);
	assert_int_equal(context_parse("cpu\n", 4, &back), -EBADMSG);
	assert_int_equal(context_parse("cpu \\xzz\n", 9, &back), -EBADMSG);
	assert_int_equal(context_parse("cpu a\\x00b\n", 11, &back), -EBADMSG);
	context_release(&c);
	buffer_release(&text);
	buffer_release(&again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_machine_is_what_was_given),
		cmocka_unit_test(a_change_of_backends_alone_is_nobodys_intention),
		cmocka_unit_test(what_the_guest_sees_is_an_option),
		cmocka_unit_test(other_vmms_keep_their_arguments),
		cmocka_unit_test(the_host_is_part_of_it),
		cmocka_unit_test(a_context_reads_back_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

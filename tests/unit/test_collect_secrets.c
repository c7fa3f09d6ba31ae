/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "userspace/base/buffer.h"
#include "userspace/collect/secrets.h"

static void check(const char *previous, const char *argument, const char *expected)
{
	struct buffer out = BUFFER_INIT;

	secrets_clean(previous, argument, &out);
	assert_false(buffer_failed(&out));
	assert_string_equal(out.size ? out.data : "", expected);
	buffer_release(&out);
}

struct row { const char *previous, *argument, *expected; };

static void check_all(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		check(rows[i].previous, rows[i].argument, rows[i].expected);
}

#define CHECK(rows) check_all(rows, sizeof(rows) / sizeof((rows)[0]))

static void test_no_password_of_a_qemu_option_reaches_the_stream(void **state)
{
	static const struct row rows[] = {
		{ "-object", "secret,id=sec0,data=letmein", "secret,id=sec0,data=<removed>" },
		{ "--object", "secret,id=sec0,data=let,,me,,in,format=raw", "secret,id=sec0,data=<removed>,format=raw" },
		{ "-object", "{\"qom-type\":\"secret\",\"id\":\"s\",\"data\":\"l\\\"e,t\",\"format\":\"raw\"}",
		  "{\"qom-type\":\"secret\",\"id\":\"s\",\"data\":\"<removed>\",\"format\":\"raw\"}" },
		{ "-set", "object.sec0.data=x", "object.sec0.data=<removed>" },
		{ "-spice", "port=5900,password=a:b@c?d&e,addr=::1", "port=5900,password=<removed>,addr=::1" },
		{ "-iscsi", "user=u,password=p", "user=u,password=<removed>" },
		{ "-drive", "file=x.qcow2,encrypt.passphrase=z,if=none", "file=x.qcow2,encrypt.passphrase=<removed>,if=none" },
		{ "-drive", "file=rbd:pool/disk:id=admin:key=AQB==:mon_host=a\\:1,format=raw",
		  "file=rbd:pool/disk:id=admin:key=<removed>:mon_host=a\\:1,format=raw" },
		{ "-blockdev", "{\"driver\":\"https\",\"url\":\"https://u:p@h/x\",\"cookie\" : \"a=b\",\"password\":17}",
		  "{\"driver\":\"https\",\"url\":\"https://u:<removed>@h/x\",\"cookie\" : \"<removed>\",\"password\":<removed>}" },
		{ "-drive", "file=json:{\"driver\":\"luks\",,\"key\":\"k\",,\"a\":1},if=none", "file=json:{\"driver\":\"luks\",,\"key\":\"<removed>\",,\"a\":1},if=none" },
		{ "-blockdev", "{\"f\":\"json:{\\\"password\\\":\\\"a\\\\\\\"b\\\",\\\"x\\\":\\\"y\\\"}\"}", "{\"f\":\"json:{\\\"password\\\":\\\"<removed>\\\",\\\"x\\\":\\\"y\\\"}\"}" },
		{ "-blockdev", "{\"filename\":\"rbd:p/d:key=K:conf=c\"}", "{\"filename\":\"rbd:p/d:key=<removed>:conf=c\"}" },
		{ "-append", "root=/dev/sda luks.key=abc", "<removed>" },
		{ "-fw_cfg", "name=opt/org.example,string=topsecret", "name=opt/org.example,string=<removed>" },
		{ "-smbios", "type=11,value=io.systemd.credential:pw=hunter2", "type=11,value=io.systemd.credential:pw=<removed>" },
	};

	(void)state;
	CHECK(rows);
}

static void test_no_credentials_of_a_url_reach_the_stream(void **state)
{
	static const struct row rows[] = {
		{ "-drive", "file=nbd://user:pa@ss@host:10809/x,format=raw", "file=nbd://user:<removed>@host:10809/x,format=raw" },
		{ "-drive", "file=iscsi://me%geheim@10.0.0.1/iqn.x/0", "file=iscsi://me%<removed>@10.0.0.1/iqn.x/0" },
		{ "-cdrom", "https://h/p?token=abc&file=1", "https://h/p?token=<removed>&file=1" },
		{ "-cdrom", "https://h/p?x=1&sig=abc", "https://h/p?x=1&sig=<removed>" },
	};

	(void)state;
	CHECK(rows);
}

static void test_no_token_of_another_vmm_reaches_the_stream(void **state)
{
	static const struct row rows[] = {
		{ "--api-token", "abc", "<removed>" },
		{ NULL, "--api-token=abc", "--api-token=<removed>" },
		{ "x", "--client-secret=a=b", "--client-secret=<removed>" },
		{ "--cmdline", "console=ttyS0", "<removed>" },
		{ NULL, "--params=init=/x", "--params=<removed>" },
		{ "--disk", "path=/d,access_key=k", "path=/d,access_key=<removed>" },
	};

	(void)state;
	CHECK(rows);
}

static void test_what_tells_the_abi_stays_in_the_command_line(void **state)
{
	static const struct row rows[] = {
		{ NULL, "/usr/bin/qemu-system-x86_64", "/usr/bin/qemu-system-x86_64" },
		{ "-name", "guest=web,debug-threads=on", "guest=web,debug-threads=on" },
		{ "-vnc", "unix:/run/v,password=on", "unix:/run/v,password=on" },
		{ "-vnc", ":1,password", ":1,password" },
		{ "-smbios", "type=1,uuid=4dea22b3-1d52-d8f3-2516-782e98ab3fa0,serial=x", "type=1,uuid=4dea22b3-1d52-d8f3-2516-782e98ab3fa0,serial=x" },
		{ "-drive", "file=disk.qcow2,key-secret=sec0,file.password-secret=sec1", "file=disk.qcow2,key-secret=sec0,file.password-secret=sec1" },
		{ "-object", "tls-creds-x509,id=t,passwordid=sec0", "tls-creds-x509,id=t,passwordid=sec0" },
		{ "-machine", "pc-q35-7.2,accel=kvm,aes-key-wrap=on", "pc-q35-7.2,accel=kvm,aes-key-wrap=on" },
		{ "-cpu", "Skylake,-hle,+x2apic,hv-vendor-id=abc", "Skylake,-hle,+x2apic,hv-vendor-id=abc" },
		{ "-device", "{\"driver\":\"e1000\",\"mac\":\"52:54:00:00:00:01\",\"bus\":\"pcie.0\"}", "{\"driver\":\"e1000\",\"mac\":\"52:54:00:00:00:01\",\"bus\":\"pcie.0\"}" },
		{ "-k", "en-us", "en-us" },
		{ "-m", "size=1024,slots=2,maxmem=4G", "size=1024,slots=2,maxmem=4G" },
		{ "-drive", "file=ssh://user@host/d", "file=ssh://user@host/d" },
	};

	(void)state;
	CHECK(rows);
}

/* Every cut of a hostile argument: the sanitizers of a DEV build look on. */
static void test_no_malformed_argument_is_read_past_its_end(void **state)
{
	static const char hostile[] = "a={\"password\":\"x\\\\\\\"y\"}:key=\\\\,,,://u:%@?token=\\\"secret\\\":\\\"";

	(void)state;
	for (size_t size = 0; size <= sizeof(hostile) - 1; size++) {
		char cut[sizeof(hostile)];
		struct buffer out = BUFFER_INIT;

		memcpy(cut, hostile, size);
		cut[size] = '\0';
		for (size_t from = 0; from <= size; from++)
			secrets_clean(from % 2 ? "-object" : cut, cut + from, &out);
		assert_false(buffer_failed(&out));
		buffer_release(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_password_of_a_qemu_option_reaches_the_stream),
		cmocka_unit_test(test_no_credentials_of_a_url_reach_the_stream),
		cmocka_unit_test(test_no_token_of_another_vmm_reaches_the_stream),
		cmocka_unit_test(test_what_tells_the_abi_stays_in_the_command_line),
		cmocka_unit_test(test_no_malformed_argument_is_read_past_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

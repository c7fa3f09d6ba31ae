/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "userspace/base/buffer.h"
#include "userspace/base/secrets.h"

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

/* Forms that a parser of a VMM takes, and few people write. */
static void test_no_odd_form_gets_a_secret_past(void **state)
{
	static const struct row rows[] = {
		{ "-object", "{'qom-type':'secret','id':'s','data':'let,me\\'in','x':'y'}", "{'qom-type':'secret','id':'s','data':'<removed>','x':'y'}" },
		{ "-blockdev", "{\"driver\":\"https\",\"p\\u0061ssword\":\"letmein\",\"a\":1}", "{\"driver\":\"https\",\"p\\u0061ssword\":\"<removed>\",\"a\":1}" },
		{ "-blockdev", "{\"secret\":{\"a\":\"x\\\"}\",\"b\":[\"letmein\"]},\"node-name\":\"n\"}", "{\"secret\":<removed>,\"node-name\":\"n\"}" },
		{ "-blockdev", "{\"my password\" : \"letmein\"}", "{\"my password\" : \"<removed>\"}" },
		{ "-object", "qom-type=secret,id=s,DATA=letmein", "qom-type=secret,id=s,DATA=<removed>" },
		{ NULL, "--object=secret,id=s,data=letmein", "--object=secret,id=s,data=<removed>" },
		{ "-drive", "file=https://h/d?X-Amz-Credential=letmein&X-Amz-Signature=letmein&a=b",
		  "file=https://h/d?X-Amz-Credential=<removed>&X-Amz-Signature=<removed>&a=b" },
		{ "-netdev", "l2tpv3,id=n,src=a,dst=b,rxcookie=0x17,txcookie=0x18,cookie64=on", "l2tpv3,id=n,src=a,dst=b,rxcookie=<removed>,txcookie=<removed>,cookie64=on" },
		{ "-device", "isa-applesmc,osk=letmein", "isa-applesmc,osk=<removed>" },
		{ "--platform", "uuid=u,oem_strings=[io.systemd.credential:a=letmein,b]", "uuid=u,oem_strings=[io.systemd.credential:a=<removed>,b]" },
		{ "--platform", "oem_strings=[\"io.systemd.credential:a=let,me\",\"b\"]", "oem_strings=[\"io.systemd.credential:a=<removed>\",\"b\"]" },
		{ "--disk", "[\"a\",password=letmein,b=\"c\"]", "[\"a\",password=<removed>,b=\"c\"]" },
		{ "-smbios", "type=11,value=io.systemd.stub.kernel-cmdline-extra=luks=letmein", "type=11,value=io.systemd.stub.kernel-cmdline-extra=<removed>" },
		{ "-smbios", "type=1,serial=ds=nocloud;s=http://u:letmein@h/", "type=1,serial=ds=nocloud;s=http://u:<removed>@h/" },
		{ "--param", "rd.luks.key=letmein", "<removed>" },
		{ "-incoming", "exec:curl -H \"Authorization: Bearer letmein\" https://h/,x", "exec:<removed>" },
		{ "-incoming", "{\"channel-type\":\"main\",\"addr\":{\"transport\":\"exec\",\"args\":[\"sh\",\"-c\",\"curl -u a:letmein\"]}}",
		  "{\"channel-type\":\"main\",\"addr\":{\"transport\":\"exec\",\"args\":<removed>}}" },
		{ "-netdev", "user,id=n,guestfwd=tcp:10.0.2.9:80-cmd:curl -u bob:letmein h,restrict=on", "user,id=n,guestfwd=<removed>,restrict=on" },
		{ "-netdev", "user,id=n,guestfwd=tcp:10.0.2.9:80-cmd:curl -H \"a: letmein\" h", "user,id=n,guestfwd=<removed>" },
		{ "-netdev", "passt,id=n,param=--pw letmein", "passt,id=n,param=<removed>" },
		{ "-device", "usb-mtp,x-pw=letmein", "usb-mtp,x-pw=<removed>" },
		{ "-global", "secret.data=letmein", "secret.data=<removed>" },
		{ "-global", "driver=secret,property=data,value=letmein", "driver=secret,property=data,value=<removed>" },
		{ "-global", "value=letmein,property=a,property=password,driver=x", "value=<removed>,property=a,property=password,driver=x" },
		{ "--boot-args", "letmein", "<removed>" },
		{ NULL, "/usr/bin/qemu -object secret,id=s,data=letmein -append letmein", "/usr/bin/qemu <removed>" },
	};

	(void)state;
	CHECK(rows);
}

/* Strings of SMBIOS stand alone, and are cleaned by the collector and once more by whoever derives from them. */
static void test_a_string_that_stands_alone_is_cleaned_once_for_ever(void **state)
{
	static const struct { const char *text, *expected; } rows[] = {
		{ "io.systemd.credential:passwd.hashed-password.root=$6$x", "io.systemd.credential:passwd.hashed-password.root=<removed>" },
		{ "io.systemd.credential.binary:a=bGV0bWVpbg==", "io.systemd.credential.binary:a=<removed>" },
		{ "ds=nocloud;h=web;password=letmein;s=http://h/", "ds=nocloud;h=web;password=<removed>;s=http://h/" },
		{ "QEMU, \"pc\" (i440FX)", "QEMU, \"pc\" (i440FX)" }, { "", "" }, { "Intel(R) Xeon(R) @ 2.60GHz", "Intel(R) Xeon(R) @ 2.60GHz" },
		{ "h=web key=\",\"letmein", "h=web key=<removed>" }, /* the quotes end no value */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buffer once = BUFFER_INIT, twice = BUFFER_INIT;

		secrets_clean_text(rows[i].text, &once);
		assert_string_equal(once.size ? once.data : "", rows[i].expected);
		secrets_clean_text(once.size ? once.data : "", &twice);
		assert_string_equal(twice.size ? twice.data : "", rows[i].expected);
		buffer_release(&once);
		buffer_release(&twice);
	}
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
		{ "-acpitable", "sig=SLIC,file=/x", "sig=SLIC,file=/x" },
		{ "-global", "driver=e1000,property=mac,value=x", "driver=e1000,property=mac,value=x" },
		{ "-incoming", "tcp:0:4444", "tcp:0:4444" },
		{ "-m", "size=1024,slots=2,maxmem=4G", "size=1024,slots=2,maxmem=4G" },
		{ "-drive", "file=ssh://user@host/d", "file=ssh://user@host/d" },
	};

	(void)state;
	CHECK(rows);
}

struct form { const char *previous, *before, *after; };

/* What a secret may look like; each holds the marker in one piece. */
#define MARKER "M4rkErOfASecret"
static const char *const secrets_seen[] = { MARKER, "x" MARKER "=", "password" MARKER, "data=" MARKER, "a:b" MARKER "/+", MARKER " secret", "=" MARKER };

/* Secrets of all kinds in all places of made-up command lines: options before and behind, in any order. */
static void test_no_made_up_command_line_keeps_its_secret(void **state)
{
	static const struct form forms[] = {
		{ "-object", "secret,id=s,data=", "" }, { "-object", "data=", ",qom-type=secret,id=s" }, { "--object", "secret,format=raw,data=", ",id=s" },
		{ "-object", "{\"qom-type\":\"secret\",\"data\":\"", "\",\"id\":\"s\"}" }, { "-object", "{ 'data' : '", "' }" },
		{ "-spice", "addr=::1,password=", ",port=5" }, { "-iscsi", "password=", "" }, { "-drive", "if=none,encrypt.key=", ",file=x" },
		{ "-drive", "file.password=", "" }, { "-drive", "file=json:{\"password\":\"", "\"}" }, { "-blockdev", "{\"a\":{\"b\":{\"cookie\":\"", "\"}}}" },
		{ "-blockdev", "{\"f\":\"json:{\\\"password\\\":\\\"", "\\\"}\"}" }, { "-append", "root=/dev/sda ", " quiet" }, { "-append", "-object ", "" },
		{ "-fw_cfg", "name=opt/a,string=", "" }, { "-smbios", "type=11,value=io.systemd.credential:a=", "" },
		{ "-set", "object.s.data=", "" }, { "-global", "x.password=", "" }, { NULL, "--api-key=", "" }, { "--token", "", "" }, { "-p", "", "" },
		{ NULL, "--cmdline=", "" }, { "-netdev", "user,id=n,psk=", "" }, { "-vnc", ":1,password=", "" }, { "-chardev", "socket,id=c,auth_token=", "" },
	};
	static const char *const others[] = { "-m", "-nodefaults", "size=1024", "-device", "e1000,mac=52:54:00:00:00:01", "-name", "guest=w", "'", "{", "\\", ",,", "" };
	unsigned seed = 1;

	(void)state;
	for (unsigned n = 0; n < 60000; n++) {
		const struct form *f;
		const char *secret, *line[6];
		struct buffer argument = BUFFER_INIT, out = BUFFER_INIT;
		unsigned count = 0;

		seed = seed * 1103515245 + 12345;
		f = &forms[(seed >> 16) % (sizeof(forms) / sizeof(forms[0]))];
		secret = secrets_seen[(seed >> 8) % (sizeof(secrets_seen) / sizeof(secrets_seen[0]))];
		buffer_printf(&argument, "%s%s%s", f->before, secret, f->after);
		line[count++] = "/usr/bin/qemu-system-x86_64";
		line[count++] = others[(seed >> 20) % (sizeof(others) / sizeof(others[0]))];
		if (f->previous)
			line[count++] = f->previous;
		line[count++] = argument.data;
		line[count++] = others[(seed >> 12) % (sizeof(others) / sizeof(others[0]))];
		for (unsigned i = 0; i < count; i++) {
			buffer_append(&out, "", 1);
			secrets_clean(i ? line[i - 1] : NULL, line[i], &out);
		}
		if (memmem(out.data, out.size, MARKER, strlen(MARKER)))
			fail_msg("%s %s", f->previous ? f->previous : "", argument.data);
		buffer_release(&argument);
		buffer_release(&out);
	}
}

/* A VMM may write what it likes into its command line, and a guest into its tables: whoever cleans it has others to look after. */
static void test_no_argument_takes_long_or_grows_much(void **state)
{
	static const char *const pieces[] = { "\\", "\"", "\\\"", "'", "://", "://:@", "io.systemd.", "io.systemd.a=", ":key=", "?sig=&", "\"key\":", "\"key\":\"", "\"secret\":{",
		" ", ",", ",,", "{", "[\"", "a", ":", "?a&" };
	enum { BYTES = 256 << 10 };
	char *text = malloc(BYTES + 1);

	(void)state;
	assert_non_null(text);
	for (size_t a = 0; a < sizeof(pieces) / sizeof(pieces[0]); a++)
		for (size_t b = 0; b < sizeof(pieces) / sizeof(pieces[0]); b++) {
			size_t size = 0, first = strlen(pieces[a]), second = strlen(pieces[b]);
			struct buffer out = BUFFER_INIT;

			for (; size + first + second <= BYTES; size += first + second) {
				memcpy(text + size, pieces[a], first);
				memcpy(text + size + first, pieces[b], second);
			}
			text[size] = '\0';
			/* Minutes, if each place were looked at as often as there are others; tests/run ends it then. */
			secrets_clean("-object", text, &out);
			assert_true(out.size <= 3 * size + 64);
			/* One quote makes it a text with quotes. */
			buffer_clear(&out);
			text[size - 1] = '"';
			secrets_clean("-object", text, &out);
			assert_true(out.size <= 3 * size + 64);
			buffer_release(&out);
		}
	free(text);
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
		cmocka_unit_test(test_no_odd_form_gets_a_secret_past),
		cmocka_unit_test(test_a_string_that_stands_alone_is_cleaned_once_for_ever),
		cmocka_unit_test(test_no_made_up_command_line_keeps_its_secret),
		cmocka_unit_test(test_no_argument_takes_long_or_grows_much),
		cmocka_unit_test(test_no_credentials_of_a_url_reach_the_stream),
		cmocka_unit_test(test_no_token_of_another_vmm_reaches_the_stream),
		cmocka_unit_test(test_what_tells_the_abi_stays_in_the_command_line),
		cmocka_unit_test(test_no_malformed_argument_is_read_past_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/smbios_feed.h"
#include "userspace/abi/identity.h"

#define UUID "11111111-2222-3333-4444-55555555abcd"

/* A guest of that kind with these arguments and, after an empty one, other pairs. */
static struct identity identify(const char *kind, const char *const *args, const char *unit, const char *cgroup)
{
	struct records s = RECORDS_INIT;
	struct buffer body = BUFFER_INIT;
	struct guest_facts *f;
	struct identity i;

	record_pair_put(&body, "pid", "4711");
	record_pair_put(&body, "fd", "9");
	record_pair_put(&body, "kind", kind);
	record_pair_put(&body, "arg", "vmm");
	for (; *args; args++)
		record_pair_put(&body, "arg", *args);
	if (unit)
		record_pair_put(&body, "unit", unit);
	if (cgroup)
		record_pair_put(&body, "cgroup", cgroup);
	records_add(&s, RECORD_VM, 1, 0, body.data, body.size, NULL, 0);
	f = feed(&s);
	assert_int_equal(identity_derive(f, &i), 0);
	facts_free(f);
	buffer_release(&body);
	records_release(&s);
	return i;
}

#define ARGS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void assert_identity(struct identity i, const char *id, const char *uuid, const char *name)
{
	assert_string_equal(i.id, id);
	assert_int_equal(!i.uuid, !uuid);
	if (uuid)
		assert_string_equal(i.uuid, uuid);
	assert_int_equal(!i.name, !name);
	if (name)
		assert_string_equal(i.name, name);
	assert_int_equal(i.anonymous, !uuid && !name);
	identity_release(&i);
}

static void qemu_guests_are_known_by_uuid_and_name(void **state)
{
	(void)state;
	assert_identity(identify("qemu", ARGS("-name", "guest=web,debug-threads=on", "-uuid", "11111111222233334444 55555555abcd"), NULL, NULL),
			"web", NULL, "web");
	assert_identity(identify("qemu", ARGS("-name", "guest=web,debug-threads=on", "--uuid", "11111111-2222-3333-4444-55555555ABCD"), NULL, NULL),
			UUID, UUID, "web");
	assert_identity(identify("qemu", ARGS("-name", "plain"), NULL, NULL), "plain", NULL, "plain");
	assert_identity(identify("qemu", ARGS("-name", "debug-threads=on,guest=a,,b"), NULL, NULL), "a,b", NULL, "a,b");
	/* What looks like an option may be another option's value. */
	assert_identity(identify("qemu", ARGS("-fw_cfg", "-uuid", "-serial", "-name", "-S"), NULL, NULL), "anon-4711-9", NULL, NULL);
}

static void proxmox_guests_are_known_by_smbios_and_id(void **state)
{
	(void)state;
	assert_identity(identify("qemu", ARGS("-id", "104", "-name", "db,debug-threads=on", "-smbios", "type=1,uuid=" UUID), NULL, NULL),
			UUID, UUID, "db");
	assert_identity(identify("qemu", ARGS("-id", "104", "-no-shutdown"), NULL, NULL), "104", NULL, "104");
	assert_identity(identify("qemu", ARGS("-smbios", "type=2,uuid=" UUID, "-id", "7"), NULL, NULL), "7", NULL, "7");
	assert_identity(identify("qemu", ARGS("-uuid", "00000000-0000-0000-0000-000000000000", "-id", "7"), NULL, NULL), "7", NULL, "7");
}

static void other_vmms_are_known_by_their_id_or_socket(void **state)
{
	(void)state;
	assert_identity(identify("firecracker", ARGS("--id", "fc-1", "--api-sock", "/run/a.sock"), NULL, NULL), "fc-1", NULL, "fc-1");
	assert_identity(identify("firecracker", ARGS("--id=fc-2"), NULL, NULL), "fc-2", NULL, "fc-2");
	assert_identity(identify("firecracker", ARGS("--id", "anonymous-instance"), NULL, NULL), "anon-4711-9", NULL, NULL);
	assert_identity(identify("cloud-hypervisor", ARGS("--api-socket", "path=/run/web.sock"), NULL, NULL), "web", NULL, "web");
	assert_identity(identify("cloud-hypervisor", ARGS("--api-socket", "/run/ch/api.sock"), NULL, NULL), "anon-4711-9", NULL, NULL);
	assert_identity(identify("cloud-hypervisor", ARGS("--platform", "serial_number=1,uuid=" UUID), NULL, NULL), UUID, UUID, NULL);
	assert_identity(identify("kvmtool", ARGS("run", "--name", "tool"), NULL, NULL), "tool", NULL, "tool");
}

static void a_unit_of_its_own_names_a_guest_and_a_login_does_not(void **state)
{
	(void)state;
	assert_identity(identify("other", ARGS("x"), "guest-web.service", "/system.slice/guest-web.service"),
			"guest-web.service", NULL, "guest-web.service");
	assert_identity(identify("other", ARGS("x"), NULL, "/machines/web-3"), "web-3", NULL, "web-3");
	assert_identity(identify("other", ARGS("x"), "session-3.scope", "/user.slice/user-0.slice/session-3.scope"),
			"anon-4711-9", NULL, NULL);
	assert_identity(identify("other", ARGS("x"), "user@1000.service", "/user.slice/user@1000.service/app"), "anon-4711-9", NULL, NULL);
	assert_identity(identify("other", ARGS("x"), NULL, "/"), "anon-4711-9", NULL, NULL);
}

/* A machine of which only a file that QEMU reads says the UUID. */
static void what_the_host_says_counts_before_what_the_tables_say(void **state)
{
	static const uint8_t machine[] = { 1, 0, 0, 2, 0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 6, 0, 0 };
	uint8_t unset[sizeof(machine)] = { 1, 0, 0, 2 };
	const struct {
		const char *uuid, *want;
		const uint8_t *body;
		bool torn, from_tables;
	} cases[] = {
		{ NULL, "00112233-4455-6677-8899-aabbccddeeff", machine, false, true },
		{ UUID, UUID, machine, false, false },
		{ NULL, "web", machine, true, false },
		{ NULL, "web", unset, false, false },
		{ "00000000-0000-0000-0000-000000000000", "00112233-4455-6677-8899-aabbccddeeff", machine, false, true },
	};

	(void)state;
	for (size_t n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {
		struct smbios_feed feed_of = SMBIOS_FEED_INIT;
		struct records s = RECORDS_INIT;
		struct abi_entries e;
		struct guest_facts *f;
		struct identity i;

		records_vm(&s, "kind", "qemu", "arg", "qemu", "arg", "-name", "arg", "web", cases[n].uuid ? "arg" : NULL, "-uuid", "arg", cases[n].uuid, NULL);
		records_boot(&s, OBSERVE_REASON_CREATED, true);
		smbios_put(&feed_of, 1, 0x100, cases[n].body, sizeof(machine), "Maker\0S-1\0");
		feed_of.torn = cases[n].torn;
		smbios_record(&s, &feed_of);
		f = feed(&s);
		assert_int_equal(identity_derive(f, &i), 0);
		assert_string_equal(i.id, cases[n].want);
		assert_int_equal(i.from_tables, cases[n].from_tables);
		assert_string_equal(i.name, "web");
		/* Two sources that contradict each other are both shown. */
		e = derive(f);
		assert_int_equal(value_of(&e, FACET_IDENTITY, "uuid") != NULL, cases[n].uuid && !cases[n].from_tables);
		assert_non_null(value_of(&e, FACET_IDENTITY, "type1.0/uuid"));
		assert_string_equal(value_of(&e, FACET_IDENTITY, "type1.0/serial"), "S-1");
		entries_release(&e);
		identity_release(&i);
		facts_free(f);
		records_release(&s);
		buffer_release(&feed_of.table);
	}
}

/* JSON can hold nothing else, and whoever takes an id from there has to find the guest by it. */
static void a_name_is_utf8_and_tells_apart_what_is_not(void **state)
{
	char name[1000], *at = name;

	(void)state;
	assert_identity(identify("qemu", ARGS("-name", "b\xfcro"), NULL, NULL), "b\\xfcro", NULL, "b\\xfcro");
	assert_identity(identify("qemu", ARGS("-name", "b\xf6ro"), NULL, NULL), "b\\xf6ro", NULL, "b\\xf6ro");
	assert_identity(identify("qemu", ARGS("-name", "b\xc3\xbcro"), NULL, NULL), "b\xc3\xbcro", NULL, "b\xc3\xbcro");
	/* Of 254 bytes and a character of three, the character does not fit. */
	for (int i = 0; i < 254; i++)
		*at++ = 'x';
	memcpy(at, "\xe6\x97\xa5", sizeof("\xe6\x97\xa5"));
	struct identity i = identify("qemu", ARGS("-name", name), NULL, NULL);
	assert_int_equal(strlen(i.name), 254);
	identity_release(&i);
}

static void a_name_is_bounded_and_escaped(void **state)
{
	struct records s = RECORDS_INIT;
	struct abi_entries e;
	char name[1000];
	struct identity i;

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	i = identify("qemu", ARGS("-name", name), NULL, NULL);
	assert_int_equal(strlen(i.name), 255);
	identity_release(&i);
	records_vm(&s, "kind", "qemu", "arg", "qemu", "arg", "-name", "arg", "a\nb", "arg", "-uuid", "arg", UUID, NULL);
	e = derive_stream(&s);
	assert_string_equal(value_of(&e, FACET_IDENTITY, "name"), "a\\x0ab");
	assert_string_equal(value_of(&e, FACET_IDENTITY, "uuid"), UUID);
	assert_int_equal(e.coverage[FACET_IDENTITY].level, COVERAGE_WITNESSED);
	entries_release(&e);
	records_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(qemu_guests_are_known_by_uuid_and_name),
		cmocka_unit_test(proxmox_guests_are_known_by_smbios_and_id),
		cmocka_unit_test(other_vmms_are_known_by_their_id_or_socket),
		cmocka_unit_test(a_unit_of_its_own_names_a_guest_and_a_login_does_not),
		cmocka_unit_test(what_the_host_says_counts_before_what_the_tables_say),
		cmocka_unit_test(a_name_is_utf8_and_tells_apart_what_is_not),
		cmocka_unit_test(a_name_is_bounded_and_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

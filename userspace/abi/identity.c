/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a guest is. UUID: -uuid, else -smbios type=1,uuid=, else cloud-hypervisor's --platform uuid=, else what SMBIOS type 1 in
 * the guest's memory says. Name: -name, else -id
 * (Proxmox), else the VMM's own --id or --name, else its API socket's name, else its unit, else its cgroup's leaf. Never a hash
 * of a path or of options: that merges guests that are alike, and makes a new guest of every upgrade.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/entries.h"
#include "userspace/abi/facets_internal.h"
#include "userspace/abi/facts.h"
#include "userspace/abi/identity.h"
#include "userspace/abi/options.h"
#include "userspace/base/buffer.h"
#include "userspace/base/text.h"

#define IDENTITY_NAME_MAX 255u
#define NIL_UUID "00000000-0000-0000-0000-000000000000"
#define UUID_TEXT 37

void identity_release(struct identity *i)
{
	if (!i)
		return;
	free(i->id);
	free(i->uuid);
	free(i->name);
	*i = (struct identity){ 0 };
}

static bool uuid_valid(const char *text, char out[UUID_TEXT]) { return text && text_uuid(text, out) == 0 && strcmp(out, NIL_UUID) != 0; }

static bool smbios_uuid(const char *value, char out[UUID_TEXT])
{
	struct buffer type = BUFFER_INIT, uuid = BUFFER_INIT;
	bool found;

	found = property_get(value, "type", false, &type) && type.data && strcmp(type.data, "1") == 0 &&
		property_get(value, "uuid", false, &uuid) && uuid_valid(uuid.data, out);
	buffer_release(&type);
	buffer_release(&uuid);
	return found;
}

static bool find_uuid(const struct guest_facts *facts, char out[UUID_TEXT])
{
	struct buffer platform = BUFFER_INIT;
	struct option option;
	size_t cursor = 0;
	const char *value;
	bool found = false;

	/* Of repeated options QEMU takes the last. */
	while (option_next(facts, &cursor, &option))
		if (strcmp(option.name, "uuid") == 0)
			found = uuid_valid(option.value, out) || found;
	for (cursor = 0; !found && option_next(facts, &cursor, &option);)
		if (strcmp(option.name, "smbios") == 0 && option.value)
			found = smbios_uuid(option.value, out);
	value = found ? NULL : option_plain(facts, "--platform");
	if (value && property_get(value, "uuid", false, &platform))
		found = uuid_valid(platform.data, out);
	buffer_release(&platform);
	return found;
}

static void name_of_qemu(const struct guest_facts *facts, struct buffer *name)
{
	struct option option;
	size_t cursor = 0;
	const char *id = NULL;

	while (option_next(facts, &cursor, &option)) {
		if (strcmp(option.name, "name") == 0 && option.value) {
			buffer_clear(name);
			(void)property_get(option.value, "guest", true, name);
		} else if (strcmp(option.name, "id") == 0) {
			id = option.value;
		}
	}
	if (name->size == 0 && id)
		buffer_string(name, id);
}

static const char *last_component(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool among(const char *text, const char *const *list)
{
	for (; *list; list++)
		if (text_glob(*list, text))
			return true;
	return false;
}

static void name_of_socket(const struct guest_facts *facts, struct buffer *name)
{
	static const char *const options[] = { "--api-socket", "--api-sock", "--socket", "-s" };
	static const char *const generic[] = { "", "api*", "firecracker*", "cloud-hypervisor*", "crosvm*", "vm.sock*", "control.sock*", NULL };
	static const char *const suffixes[] = { ".sock", ".socket" };
	const char *path = NULL, *leaf;
	size_t size;

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]) && !path; i++)
		path = option_plain(facts, options[i]);
	if (!path)
		return;
	if (strncmp(path, "path=", 5) == 0)
		path += 5;
	leaf = last_component(path);
	if (among(leaf, generic))
		return;
	size = strcspn(leaf, ",");
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
		if (size > strlen(suffixes[i]) && strncmp(leaf + size - strlen(suffixes[i]), suffixes[i], strlen(suffixes[i])) == 0) {
			size -= strlen(suffixes[i]);
			break;
		}
	buffer_append(name, leaf, size);
}

static void name_of_other(const struct guest_facts *facts, struct buffer *name)
{
	static const char *const options[] = { "--id", "--name", "-n" };
	/* Firecracker's own default. */
	static const char *const generic[] = { "", "anonymous-instance", NULL };

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		const char *value = option_plain(facts, options[i]);

		if (value && !among(value, generic)) {
			buffer_string(name, value);
			return;
		}
	}
	name_of_socket(facts, name);
}

/* Units and cgroups that hold more than one guest: a login, a daemon that starts guests, a slice. */
static bool shared_unit(const char *unit)
{
	static const char *const shared[] = {
		"", "*.slice", "session-*.scope", "user@*.service", "init.scope", "libvirtd.service", "virtqemud.service", "virtstoraged.service",
		"ssh.service", "sshd.service", "ssh@*.service", "cron.service", "docker.service", "containerd.service", "kubelet.service",
		"pvedaemon.service", "pve-guests.service", "qmeventd.service", "getty@*.service", "abidrift*.service", "vte-spawn-*", "app-*",
		"run-*.scope", "emulator", "vcpu*", "libvirt", NULL,
	};

	return among(unit, shared);
}

static void name_of_unit(const struct guest_facts *facts, struct buffer *name)
{
	const char *unit = facts_vm(facts, "unit"), *cgroup = facts_vm(facts, "cgroup"), *leaf = cgroup ? last_component(cgroup) : NULL;

	if (unit && !shared_unit(unit))
		buffer_string(name, unit);
	/* A cgroup within a login's is the login's doing. */
	else if (leaf && !shared_unit(leaf) && !text_glob("*/session-*.scope/*", cgroup) && !text_glob("*/user@*.service/*", cgroup))
		buffer_string(name, leaf);
}

/* UTF-8, so that JSON has the very id that a guest is asked for by. NULL: no memory. */
static char *name_kept(const struct buffer *name)
{
	struct buffer kept = BUFFER_INIT;
	size_t size;
	char *taken;

	text_utf8_escape(&kept, name->data, name->size);
	taken = buffer_take(&kept, &size);
	if (!taken || size <= IDENTITY_NAME_MAX)
		return taken;
	for (size = IDENTITY_NAME_MAX; ((unsigned char)taken[size] & 0xc0) == 0x80;)
		size--;
	taken[size] = '\0';
	return taken;
}

static int find_name(const struct guest_facts *facts, char **ret)
{
	const char *kind = facts_vm(facts, "kind");
	struct buffer name = BUFFER_INIT;
	int r = 0;

	if (kind && strcmp(kind, "qemu") == 0)
		name_of_qemu(facts, &name);
	else
		name_of_other(facts, &name);
	if (name.size == 0)
		name_of_unit(facts, &name);
	if (buffer_failed(&name)) {
		r = -ENOMEM;
	} else if (name.size > 0) {
		*ret = name_kept(&name);
		r = *ret ? 0 : -ENOMEM;
	}
	buffer_release(&name);
	return r;
}

static int anonymous_id(const struct guest_facts *facts, char **ret)
{
	const char *pid = facts_vm(facts, "pid"), *fd = facts_vm(facts, "fd");
	struct buffer id = BUFFER_INIT;

	buffer_printf(&id, "anon-%.20s-%.20s", pid ? pid : "0", fd ? fd : "0");
	*ret = buffer_take(&id, NULL);
	buffer_release(&id);
	return *ret ? 0 : -ENOMEM;
}

int identity_derive_as(const struct guest_facts *facts, const char *table_uuid, struct identity *ret)
{
	struct identity i = { 0 };
	char uuid[UUID_TEXT];
	bool told = find_uuid(facts, uuid);
	int r = 0;

	i.from_tables = !told && table_uuid;
	if (told || table_uuid) {
		i.uuid = strdup(told ? uuid : table_uuid);
		r = i.uuid ? 0 : -ENOMEM;
	}
	if (r >= 0)
		r = find_name(facts, &i.name);
	if (r >= 0 && !i.uuid && !i.name) {
		i.anonymous = true;
		r = anonymous_id(facts, &i.id);
	} else if (r >= 0) {
		i.id = strdup(i.uuid ? i.uuid : i.name);
		r = i.id ? 0 : -ENOMEM;
	}
	if (r < 0) {
		identity_release(&i);
		return r;
	}
	*ret = i;
	return 0;
}

int identity_derive(const struct guest_facts *facts, struct identity *ret)
{
	char uuid[UUID_TEXT];
	bool whole;

	/* Half a table may hold half a UUID. */
	if (facts_area(facts, RECORD_AREA_SMBIOS, &whole, NULL, NULL) && whole && smbios_table_uuid(facts, uuid))
		return identity_derive_as(facts, uuid, ret);
	return identity_derive_as(facts, NULL, ret);
}

int identity_facet_derive(const struct guest_facts *facts, struct abi_entries *out)
{
	const char *blind = facts_blind(facts, "identity");
	struct identity i;
	bool whole;
	int r;

	if (blind)
		return entries_cover(out, FACET_IDENTITY, COVERAGE_NONE, "%s", blind);
	if (!facts_arg(facts, 0) && !facts_vm(facts, "kind"))
		return entries_cover(out, FACET_IDENTITY, COVERAGE_NONE, "nothing is known of the guest's process yet");
	r = identity_derive(facts, &i);
	if (r < 0)
		return r;
	/* A NIC's address is known only where the guest asked for it: what is not listed is not known. */
	r = entries_cover(out, FACET_IDENTITY, COVERAGE_WITNESSED, "only what the VMM's process%s",
			  facts_area(facts, RECORD_AREA_SMBIOS, &whole, NULL, NULL) && whole ? " and the guest's SMBIOS tables tell" : " tells");
	/* What the tables say is under their own key. */
	if (r >= 0 && i.uuid && !i.from_tables)
		r = entries_add(out, FACET_IDENTITY, "uuid", i.uuid);
	if (r >= 0 && i.name)
		r = entries_add(out, FACET_IDENTITY, "name", i.name);
	if (r >= 0)
		r = smbios_identity_add(facts, out);
	if (r >= 0)
		r = nics_identity_add(facts, out);
	identity_release(&i);
	return r;
}

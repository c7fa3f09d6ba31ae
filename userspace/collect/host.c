/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/collect/host.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "userspace/base/buffer.h"
#include "userspace/collect/files.h"
#include "userspace/stream/record.h"

#define SMALL_FILE_BYTES 4096u
#define CPUINFO_BYTES 16384u /* the first processor only */
#define MODULES "/sys/module"

static void pair_of_file(struct buffer *pairs, const char *key, const char *path)
{
	struct buffer text = BUFFER_INIT;

	if (files_line(path, SMALL_FILE_BYTES, &text) >= 0 && text.size)
		record_pair_put(pairs, key, text.data);
	buffer_release(&text);
}

void host_describe_cpu(char *text, struct buffer *pairs)
{
	static const struct { const char *name, *key; } fields[] = {
		{ "vendor_id", "cpu.vendor" }, { "model name", "cpu.model" }, { "microcode", "cpu.microcode" },
	};
	static const char *const signature_names[3] = { "cpu family", "model", "stepping" };
	char *end, *rest, signature[128];
	const char *parts[3] = { NULL, NULL, NULL };

	end = strstr(text, "\n\n");
	if (end)
		*end = '\0';
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		char *colon = strchr(line, ':');
		const char *value;

		if (!colon)
			continue;
		value = colon + 1 + (colon[1] == ' ');
		while (colon > line && (colon[-1] == '\t' || colon[-1] == ' '))
			colon--;
		*colon = '\0';
		for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
			if (!strcmp(line, fields[i].name))
				record_pair_put(pairs, fields[i].key, value);
		for (size_t i = 0; i < 3; i++)
			if (!strcmp(line, signature_names[i]))
				parts[i] = value;
	}
	if (parts[0] && parts[1] && parts[2]) {
		snprintf(signature, sizeof(signature), "%s-%s-%s", parts[0], parts[1], parts[2]);
		record_pair_put(pairs, "cpu.signature", signature);
	}
}

static int visible(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static int kvm_module(const struct dirent *d)
{
	return !strcmp(d->d_name, "kvm") || !strncmp(d->d_name, "kvm_", 4);
}

static void free_names(struct dirent **names, int count)
{
	while (count-- > 0)
		free(names[count]);
	free(names);
}

/* Sorted, so that equal hosts give equal bytes. */
static void describe_kvm(struct buffer *pairs)
{
	struct dirent **modules = NULL;
	int module_count = scandir(MODULES, &modules, kvm_module, alphasort);

	for (int m = 0; m < module_count; m++) {
		struct dirent **parameters = NULL;
		char path[1024], key[600];
		int count;

		snprintf(path, sizeof(path), MODULES "/%s/parameters", modules[m]->d_name);
		count = scandir(path, &parameters, visible, alphasort);
		for (int i = 0; i < count; i++) {
			snprintf(path, sizeof(path), MODULES "/%s/parameters/%s", modules[m]->d_name, parameters[i]->d_name);
			snprintf(key, sizeof(key), "kvm.%s.%s", modules[m]->d_name, parameters[i]->d_name);
			pair_of_file(pairs, key, path);
		}
		free_names(parameters, count);
	}
	free_names(modules, module_count);
}

int host_describe(struct buffer *pairs)
{
	struct buffer cpuinfo = BUFFER_INIT;
	struct utsname u;

	if (uname(&u) == 0) {
		record_pair_put(pairs, "hostname", u.nodename);
		record_pair_put(pairs, "arch", u.machine);
		record_pair_put(pairs, "kernel.release", u.release);
		record_pair_put(pairs, "kernel.version", u.version);
	}
	pair_of_file(pairs, "machine_id", "/etc/machine-id");
	pair_of_file(pairs, "boot_id", "/proc/sys/kernel/random/boot_id");
	if (files_read("/proc/cpuinfo", CPUINFO_BYTES, &cpuinfo) >= 0 && cpuinfo.size)
		host_describe_cpu(cpuinfo.data, pairs);
	buffer_release(&cpuinfo);
	describe_kvm(pairs);
	record_pair_put(pairs, "abidrift", ABIDRIFT_VERSION);
	return buffer_failed(pairs) ? -ENOMEM : 0;
}

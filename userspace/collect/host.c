/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/collect/host.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "userspace/base/buffer.h"
#include "userspace/collect/files.h"
#include "userspace/stream/record.h"

#define SMALL_FILE_BYTES 4096u
#define CPUINFO_BYTES 16384u /* the first processor only */
#define MODULES "/sys/module"
#define KERNEL_PREFIX "vmlinuz-"
#define KERNELS_MAX 4096u /* names of a folder that are looked at */

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

/* ---- the kernel that boots next */

/* Not kernels that a boot loader takes by itself: package managers' copies, and RHEL's rescue image. */
static int kernel_name(const char *name)
{
	static const char *const others[] = { ".old", ".bak", ".dpkg-", ".rpm", "~", ".sig", ".hmac", "-rescue-", "-recovery" };
	size_t prefix = sizeof(KERNEL_PREFIX) - 1;

	if (strncmp(name, KERNEL_PREFIX, prefix) || name[prefix] < '0' || name[prefix] > '9')
		return 0;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strstr(name, others[i]))
			return 0;
	return 1;
}

/* Does the text at `at` begin a candidate's mark ("-rc6" sorts before the release it leads to)? */
static int rank(const char *at)
{
	return !strncmp(at, "-rc", 3) ? -1 : *at ? 1 : 0;
}

/* Runs of digits as numbers, as boot loaders sort releases. */
static int release_compare(const char *a, const char *b)
{
	for (;;) {
		size_t m = strspn(a, "0123456789"), n = strspn(b, "0123456789");

		if (m && n) {
			for (; m > 1 && *a == '0'; m--)
				a++;
			for (; n > 1 && *b == '0'; n--)
				b++;
			if (m != n || memcmp(a, b, m))
				return m != n ? (m > n ? 1 : -1) : memcmp(a, b, m);
			a += m;
			b += n;
		} else if (*a != *b || rank(a) != rank(b)) {
			return rank(a) != rank(b) ? rank(a) - rank(b) : (unsigned char)*a - (unsigned char)*b;
		} else if (!*a) {
			return 0;
		} else {
			a++;
			b++;
		}
	}
}

static int release_keep(const char *name, char *ret, size_t size)
{
	const char *release = name + sizeof(KERNEL_PREFIX) - 1;

	if (strlen(release) >= size)
		return -ENAMETOOLONG;
	memcpy(ret, release, strlen(release) + 1);
	return 0;
}

/* What the link names, if a kernel of that name is there. */
static int kernel_linked(const char *root, const char *link, char *ret, size_t size)
{
	char path[4096], target[1024];
	const char *name;
	struct stat there;
	ssize_t n;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", root, link) >= sizeof(path))
		return -ENAMETOOLONG;
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	name = strrchr(target, '/');
	name = name ? name + 1 : target;
	if (!kernel_name(name) || (size_t)snprintf(path, sizeof(path), "%s/boot/%s", root, name) >= sizeof(path))
		return -ENOENT;
	if (lstat(path, &there) < 0 || !S_ISREG(there.st_mode))
		return -ENOENT;
	return release_keep(name, ret, size);
}

static int kernel_newest(const char *root, char *ret, size_t size)
{
	char path[4096], best[256] = "";
	struct dirent *entry;
	DIR *folder;

	if ((size_t)snprintf(path, sizeof(path), "%s/boot", root) >= sizeof(path))
		return -ENAMETOOLONG;
	folder = opendir(path);
	if (!folder)
		return -errno;
	for (unsigned i = 0; i < KERNELS_MAX && (entry = readdir(folder)); i++)
		if (kernel_name(entry->d_name) && (entry->d_type == DT_REG || entry->d_type == DT_UNKNOWN) &&
		    (!best[0] || release_compare(entry->d_name, best) > 0))
			snprintf(best, sizeof(best), "%s", entry->d_name);
	closedir(folder);
	return best[0] ? release_keep(best, ret, size) : -ENOENT;
}

int host_kernel_installed(const char *root, char *ret, size_t size)
{
	int err = kernel_linked(root, "vmlinuz", ret, size);

	if (err < 0)
		err = kernel_linked(root, "boot/vmlinuz", ret, size);
	if (err < 0)
		err = kernel_newest(root, ret, size);
	return err < 0 ? -ENOENT : 0;
}

int host_describe(struct buffer *pairs)
{
	struct buffer cpuinfo = BUFFER_INIT;
	char installed[256];
	struct utsname u;

	if (uname(&u) == 0) {
		record_pair_put(pairs, "hostname", u.nodename);
		record_pair_put(pairs, "arch", u.machine);
		record_pair_put(pairs, "kernel.release", u.release);
		record_pair_put(pairs, "kernel.version", u.version);
	}
	if (host_kernel_installed("", installed, sizeof(installed)) >= 0)
		record_pair_put(pairs, "kernel.installed", installed);
	pair_of_file(pairs, "machine_id", "/etc/machine-id");
	pair_of_file(pairs, "boot_id", "/proc/sys/kernel/random/boot_id");
	if (files_read("/proc/cpuinfo", CPUINFO_BYTES, &cpuinfo) >= 0 && cpuinfo.size)
		host_describe_cpu(cpuinfo.data, pairs);
	buffer_release(&cpuinfo);
	describe_kvm(pairs);
	record_pair_put(pairs, "abidrift", ABIDRIFT_VERSION);
	return buffer_failed(pairs) ? -ENOMEM : 0;
}

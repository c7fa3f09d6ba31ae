/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/commands/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "userspace/abi/pci_names.h"
#include "userspace/base/config.h"
#include "userspace/base/error.h"
#include "userspace/commands/options.h"
#include "userspace/drift/suppress.h"
#include "userspace/fingerprint/fingerprint.h"

#define PCI_IDS "/usr/share/misc/pci.ids"
#define PIN_SERVICE "service"
#define PCI_IDS_MAX (64 << 20)

static const char *rule_place(const struct config_rule *rules, size_t count, const char *name)
{
	for (size_t i = 0; name && i < count; i++)
		if (!strcmp(rules[i].name, name))
			return rules[i].place;
	return "configuration";
}

static int rules_make(const struct config *c, struct suppressions **ret, struct error *e)
{
	struct suppressions *s = suppressions_new();
	struct error why = ERROR_INIT;
	const char *place = NULL, *name = NULL;
	const struct config_rule *rules;
	size_t count;
	int err = s ? 0 : -ENOMEM;

	rules = config_rules(c, &count);
	for (size_t i = 0; err >= 0 && i < count; i++) {
		place = rules[i].place;
		err = suppressions_set(s, rules[i].name, rules[i].key, rules[i].value, &why);
	}
	if (err >= 0 && (err = suppressions_check(s, &name, &why)) < 0)
		place = rule_place(rules, count, name);
	if (err < 0) {
		suppressions_free(s);
		return place ? error_set(e, -err, "%s: %s", place, why.text) : error_set(e, ENOMEM, "out of memory");
	}
	*ret = s;
	return 0;
}

static int rules_check(const struct config *c, struct error *e)
{
	struct suppressions *s = NULL;
	int err = rules_make(c, &s, e);

	suppressions_free(s);
	return err;
}

int settings_load(const struct options *o, struct config **ret, struct error *e)
{
	struct config *c = config_new();
	int err = c ? config_load(c, o->config, e) : error_set(e, ENOMEM, "out of memory");

	for (size_t i = 0; err >= 0 && i < o->set_count; i++)
		err = config_assign(c, o->sets[i], e);
	if (err >= 0)
		err = rules_check(c, e);
	if (err < 0) {
		config_free(c);
		return err;
	}
	*ret = c;
	return 0;
}

int settings_suppressions(const struct options *o, const struct config *config, struct suppressions **ret, struct error *e)
{
	struct config *own = NULL;
	int err = config ? 0 : settings_load(o, &own, e);

	if (err >= 0)
		err = rules_make(config ? config : own, ret, e);
	config_free(own);
	return err;
}

int settings_store_url(const struct options *o, const struct config *config, char **ret, struct error *e)
{
	const char *environment = getenv("ABIDRIFT_STORE"), *url = o->store;
	struct config *own = NULL;
	int err = 0;

	if (!url && environment && *environment)
		url = environment;
	/* One that was named has to be good, also where nothing of it is needed. */
	if (!config && (!url || o->config))
		err = settings_load(o, &own, e);
	if (err < 0)
		return err;
	if (!url)
		url = config_get(config ? config : own, "store.url");
	*ret = strdup(url);
	config_free(own);
	return *ret ? 0 : error_set(e, ENOMEM, "out of memory");
}

int settings_store(const struct options *o, enum store_mode mode, struct store **ret, struct error *e)
{
	char *url = NULL;
	int err = settings_store_url(o, NULL, &url, e);

	if (err >= 0)
		err = store_open(url, mode, ret, e);
	free(url);
	return err;
}

int settings_pin(const struct config *config, const char *store_path, char **ret, struct error *e)
{
	char *path = store_path ? realpath(store_path, NULL) : NULL, *folder = NULL;
	struct digest digest = { PIN_SERVICE };
	const char *root = config_get(config, "monitor.pin"), *name = store_path ? path ? path : store_path : NULL;

	*ret = NULL;
	if (!strcmp(root, "off")) {
		free(path);
		return 0;
	}
	/* Two ways to one store lead to one folder. A BPF filesystem takes no dots in names, so it is a number. */
	if (name)
		digest_bytes(name, strlen(name), &digest);
	if (asprintf(&folder, "%s/%.16s", root, digest.text + (name ? strlen("sha256:") : 0)) < 0)
		folder = NULL;
	free(path);
	if (!folder)
		return error_set(e, ENOMEM, "out of memory");
	*ret = folder;
	return 0;
}

static int64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t settings_now(void)
{
	return clock_ns(CLOCK_REALTIME);
}

int64_t settings_monotonic(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

void settings_pci_names(void)
{
	struct stat st;
	void *text;
	int fd = open(PCI_IDS, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	/* Mapped until the process ends: only the pages that a look-up touches are ever read. */
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 && st.st_size < PCI_IDS_MAX) {
		text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (text != MAP_FAILED)
			pci_names_use(text, (size_t)st.st_size);
	}
	close(fd);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a command line, the environment and the configuration come to: settings, and the store that is meant. */
#ifndef ABIDRIFT_COMMANDS_SETTINGS_H
#define ABIDRIFT_COMMANDS_SETTINGS_H

#include <stdint.h>

#include "userspace/store/store.h"

struct config;
struct error;
struct options;
struct suppressions;

/* Configuration with --set over it. Its rules are checked. */
int settings_load(const struct options *o, struct config **ret, struct error *e);
/* The suppression rules of a configuration (config NULL: it is read for this). suppressions_free() them. */
int settings_suppressions(const struct options *o, const struct config *config, struct suppressions **ret, struct error *e);
/* --store, else ABIDRIFT_STORE, else store.url of the configuration (config NULL: it is read for this). free() it. */
int settings_store_url(const struct options *o, const struct config *config, char **ret, struct error *e);
/* Opens that store. */
int settings_store(const struct options *o, enum store_mode mode, struct store **ret, struct error *e);
/*
 * Where the kernel side is pinned: a folder of the store at this path in the folder that monitor.pin names; NULL: of the service.
 * *ret NULL: nowhere. free() it.
 */
int settings_pin(const struct config *config, const char *store_path, char **ret, struct error *e);
/* CLOCK_REALTIME, ns. */
int64_t settings_now(void);
/* CLOCK_MONOTONIC, ns. */
int64_t settings_monotonic(void);
/* Lets PCI ids be named, where this host has the list of names. */
void settings_pci_names(void);

#endif

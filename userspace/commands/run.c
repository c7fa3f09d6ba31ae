/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "userspace/base/buffer.h"
#include "userspace/base/config.h"
#include "userspace/base/error.h"
#include "userspace/commands/options.h"
#include "userspace/commands/output.h"
#include "userspace/commands/privilege.h"
#include "userspace/commands/service.h"
#include "userspace/commands/settings.h"
#include "userspace/commands/supervise.h"
#include "userspace/commands/verbs.h"
#include "userspace/serve/http_listen.h"

static void ready(void *context)
{
	struct run *r = context;

	output_note(r->options, "ready");
	r->notified = true;
	sd_notify(0, "READY=1\nSTATUS=");
}

/* What cannot be read, or be worked with, changes nothing. */
static bool reload(void *context)
{
	struct run *r = context;
	struct config *config = NULL;
	struct error e = ERROR_INIT;
	int err;

	if (r->notified)
		sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)settings_monotonic() / 1000);
	err = service_reread(r, r->part, &config, &e);
	if (err >= 0 && (err = service_try(r, config, &e)) < 0)
		config_free(config);
	if (err >= 0)
		err = service_take(r, config, &e);
	if (err >= 0)
		err = service_hand_on(r, &e);
	if (err < 0) {
		output_error(r->options, "%s; the settings stay as they were", *e.text ? e.text : strerror(-err));
		if (r->notified)
			sd_notifyf(0, "STATUS=settings refused: %s", e.text);
		return false;
	}
	output_note(r->options, "settings read again");
	if (r->notified)
		sd_notify(0, "STATUS=");
	supervise_alive(r->reload_fd);
	return true;
}

static void reloaded(void *context)
{
	const struct run *r = context;

	if (r->notified)
		sd_notify(0, "READY=1");
}

/* Whoever still waits for the collector to answer learns that it will not. */
static void stopping(void *context)
{
	struct run *r = context;

	sd_notify(0, "STOPPING=1");
	if (r->listen_fd >= 0)
		close(r->listen_fd);
	r->listen_fd = -1;
}

static int watch(struct run *r)
{
	struct supervision supervision = { .options = r->options, .context = r, .ready = ready, .reload = reload, .reloaded = reloaded,
					   .stopping = stopping };
	const struct service *services;
	struct error e = ERROR_INIT;
	size_t count;
	int err = prepare(r, &e);

	if (err >= 0)
		err = privilege_supervisor(&e);
	if (err < 0)
		return output_error(r->options, "%s", *e.text ? e.text : strerror(-err));
	output_note(r->options, "store %s", r->url);
	supervision.ready_fd = r->ready_fd;
	services = services_of(r->part, &count);
	return supervise(services, count, &supervision);
}

static int print_config(const struct run *r)
{
	struct buffer text = BUFFER_INIT;
	json_t *model = json_object();
	const char **pairs;
	int code;

	if (!r->options->json) {
		json_decref(model);
		config_print(r->config, &text);
		code = output_text(r->options, &text);
		buffer_release(&text);
		return code;
	}
	pairs = config_pairs(r->config);
	for (size_t i = 0; pairs && pairs[i]; i += 2)
		json_object_set_new(model, pairs[i], json_string(pairs[i + 1]));
	free(pairs);
	return output_json(r->options, model);
}

/* What a start or a reload would refuse, refused before: by who has their user. A collector knows no secret. */
static int check(const struct run *r)
{
	struct error e = ERROR_INIT;

	if (r->part != PART_COLLECTOR && service_try(r, r->config, &e) < 0)
		return output_error(r->options, "%s", e.text);
	return 0;
}

static int part_of(const struct options *o, enum part *ret)
{
	if (o->part && strcmp(o->part, "collector") && strcmp(o->part, "analyst"))
		return output_error(o, "--part %.60s: has to be collector or analyst", o->part);
	*ret = !o->part ? PART_ALL : !strcmp(o->part, "collector") ? PART_COLLECTOR : PART_ANALYST;
	return 0;
}

/*
 * At once: what is read from here on may be secret, and no other process of the same user is to look in here or to write here. A wish
 * to read the settings again that comes too early waits until somebody takes it, instead of ending us.
 */
static void begin(void)
{
	sigset_t again;

	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	sigemptyset(&again);
	sigaddset(&again, SIGHUP);
	sigprocmask(SIG_BLOCK, &again, NULL);
}

int verb_run(const struct options *o)
{
	struct run r = { .options = o, .pin_fd = -1, .lock_fd = -1, .listen_fd = -1, .bell_fd = -1, .ready_fd = -1, .reload_fd = -1, .settings_fd = -1,
			 .alive_fd = -1, .http = HTTP_LISTENER_INIT };
	struct error e = ERROR_INIT;
	int code = part_of(o, &r.part);

	if (!o->print_config)
		begin();
	if (!code && settings_load(o, &r.config, &e) < 0)
		code = output_error(o, "%s", e.text);
	if (!code)
		code = o->print_config ? print_config(&r) : o->check ? check(&r) : r.part == PART_COLLECTOR ? part_collector(&r) : watch(&r);
	http_listener_close(&r.http);
	free(r.pairs);
	free(r.pin);
	if (r.pin_fd >= 0)
		close(r.pin_fd);
	free(r.url);
	config_free(r.config);
	return code;
}

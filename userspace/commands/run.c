/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
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
	const struct run *r = context;

	output_note(r->options, "ready");
	sd_notify(0, "READY=1");
}

/* Whoever still waits for the collector to answer learns that it will not. */
static void stopping(void *context)
{
	struct run *r = context;

	sd_notify(0, "STOPPING=1");
	close(r->listen_fd);
	r->listen_fd = -1;
}

static int watch(struct run *r)
{
	struct supervision supervision = { .options = r->options, .context = r, .ready = ready, .stopping = stopping };
	struct error e = ERROR_INIT;
	int err = prepare(r, &e);

	if (err >= 0)
		err = privilege_supervisor(&e);
	if (err < 0)
		return output_error(r->options, "%s", *e.text ? e.text : strerror(-err));
	output_note(r->options, "store %s", r->url);
	supervision.ready_fd = r->ready_fd;
	return supervise(services, services_count, &supervision);
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

int verb_run(const struct options *o)
{
	struct run r = { .options = o, .lock_fd = -1, .listen_fd = -1, .bell_fd = -1, .ready_fd = -1, .http = HTTP_LISTENER_INIT };
	struct error e = ERROR_INIT;
	int code = settings_load(o, &r.config, &e) < 0 ? output_error(o, "%s", e.text) : 0;

	if (!code)
		code = o->print_config ? print_config(&r) : watch(&r);
	http_listener_close(&r.http);
	free(r.pairs);
	free(r.pin);
	free(r.url);
	config_free(r.config);
	return code;
}

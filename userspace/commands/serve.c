/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "userspace/base/config.h"
#include "userspace/base/error.h"
#include "userspace/commands/options.h"
#include "userspace/commands/output.h"
#include "userspace/commands/privilege.h"
#include "userspace/commands/settings.h"
#include "userspace/commands/verbs.h"
#include "userspace/drift/suppress.h"
#include "userspace/sandbox.h"
#include "userspace/serve/http.h"
#include "userspace/serve/http_listen.h"

#define URL_SCHEME "sqlite:"

struct serve {
	struct config *config;
	struct suppressions *rules;
	char *url;
	struct http_listener listener;
	struct http *http;
	sd_event *loop;
};

/* Rights that root came with are of no use here: what is left is to read the store, which its owner may. */
static int rights_drop(const struct serve *s, struct error *e)
{
	struct privilege_user owner = { .uid = 0 };
	struct stat st;

	if (geteuid() != 0 || strncmp(s->url, URL_SCHEME, strlen(URL_SCHEME)) || stat(s->url + strlen(URL_SCHEME), &st) < 0)
		return 0; /* store_open says what is wrong */
	owner.uid = st.st_uid;
	owner.gid = st.st_gid;
	return privilege_drop(&owner, e);
}

static int loop_make(struct serve *s, struct error *e)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP };
	sigset_t set;
	int err = sd_event_new(&s->loop);

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		sigaddset(&set, ends[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	/* Without a handler of ours the loop ends. */
	for (size_t i = 0; i < sizeof ends / sizeof *ends && err >= 0; i++)
		err = sd_event_add_signal(s->loop, NULL, ends[i], NULL, NULL);
	return err < 0 ? error_set(e, -err, "event loop: %s", strerror(-err)) : 0;
}

/* Whether there is a store that can be read is asked at once, and not by the first client. */
static int store_try(const struct serve *s, struct error *e)
{
	struct store *store = NULL;
	int err = store_open(s->url, STORE_READ, &store, e);

	store_close(store);
	return err;
}

static int begin(const struct options *o, struct serve *s, struct error *e)
{
	int err = settings_load(o, &s->config, e);

	if (err >= 0)
		err = settings_suppressions(o, s->config, &s->rules, e);
	if (err >= 0)
		err = settings_store_url(o, s->config, &s->url, e);
	if (err >= 0)
		err = http_listen(s->config, o->listen ? o->listen : config_get(s->config, "serve.listen"), &s->listener, e);
	if (err >= 0 && s->listener.fd < 0)
		err = error_set(e, EINVAL, "serve.listen is none: there is nothing to serve on; name a place with --listen");
	if (err >= 0)
		err = http_load(s->config, &s->listener, &s->http, e);
	if (err >= 0)
		err = rights_drop(s, e);
	if (err >= 0)
		err = sandbox_server(s->url + strcspn(s->url, ":") + 1, e);
	if (err >= 0)
		err = store_try(s, e);
	if (err >= 0)
		err = loop_make(s, e);
	return err < 0 ? err : http_begin(s->http, s->url, s->rules, s->loop, e);
}

int verb_serve(const struct options *o)
{
	struct serve s = { .listener = HTTP_LISTENER_INIT };
	struct error e = ERROR_INIT;
	int err, code = 0;

	settings_pci_names();
	err = begin(o, &s, &e);
	if (err >= 0) {
		output_note(o, "store %s", s.url);
		output_note(o, "listening on %s", s.listener.text);
		err = sd_event_loop(s.loop);
		if (err < 0)
			error_set(&e, -err, "event loop: %s", strerror(-err));
	}
	if (err < 0)
		code = output_error(o, "%s", *e.text ? e.text : strerror(-err));
	http_free(s.http);
	http_listener_close(&s.listener);
	sd_event_unref(s.loop);
	suppressions_free(s.rules);
	free(s.url);
	config_free(s.config);
	return code;
}

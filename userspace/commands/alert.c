/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/alert.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "userspace/base/buffer.h"
#include "userspace/base/config.h"
#include "userspace/base/error.h"
#include "userspace/base/text.h"
#include "userspace/commands/attendants.h"
#include "userspace/commands/options.h"
#include "userspace/commands/output.h"
#include "userspace/commands/privilege.h"
#include "userspace/commands/settings.h"
#include "userspace/commands/since.h"
#include "userspace/commands/verbs.h"
#include "userspace/notify/notify.h"
#include "userspace/notify/sink.h"
#include "userspace/serve/alerts_text.h"
#include "userspace/serve/api.h"
#include "userspace/store/store.h"
#include "userspace/serve/table.h"

#define SUMMARY "this is a test of alerts, sent by hand: nothing happened"

static const char *const results[] = {
	[SINK_DELIVERED] = "delivered", [SINK_LATER] = "later", [SINK_REFUSED] = "refused", [SINK_FAILED] = "failed", [SINK_STOPPED] = "stopped",
};

struct trial {
	json_t *heard; /* [{"sink","result","text"}] */
	bool all; /* took it */
};

static void heard(void *context, const char *sink, const struct sink_answer *answer)
{
	struct trial *trial = context;
	const char *said = answer->text && *answer->text ? answer->text : NULL;
	struct buffer text = BUFFER_INIT;

	if (said)
		text_utf8(&text, said, strlen(said));
	trial->all = trial->all && answer->result == SINK_DELIVERED;
	if (json_array_append_new(trial->heard, json_pack("{s:s, s:s, s:s?}", "sink", sink, "result", results[answer->result], "text", said ? text.data : NULL)) < 0)
		trial->all = false;
	buffer_release(&text);
}

static int alert_make(json_t **ret, struct error *e)
{
	struct utsname name;
	struct alert alert = { .type = "test", .host = name.nodename, .severity = SEVERITY_INFO, .summary = SUMMARY, .now = settings_now() };

	if (uname(&name) < 0)
		return error_set(e, errno, "this host's name is not known: %s", strerror(errno));
	*ret = alert_json(&alert);
	return *ret ? 0 : error_set(e, ENOMEM, "out of memory");
}

/* What the messenger may is what counts: it is not root. Our standard output is not the monitor's: only who asks for it by name gets the line there. */
static int sinks_load(const struct options *o, const char *sink, struct notify **ret, struct attendant *runner, struct error *e)
{
	struct privilege_user user;
	struct config *config = NULL;
	int err = settings_load(o, &config, e);
	bool root = geteuid() == 0;

	if (err >= 0 && !sink)
		err = config_assign(config, "stdout.enable=off", e);
	if (err >= 0 && root)
		err = privilege_user(&user, e);
	if (err >= 0 && (!sink || !strcmp(sink, "command")))
		err = attendant_runner(config, root ? &user : NULL, runner, e);
	if (err >= 0)
		err = notify_load(config, ret, e);
	config_free(config);
	if (err >= 0)
		notify_runner(*ret, runner->fd);
	if (err >= 0 && root)
		err = privilege_drop(&user, e);
	return err;
}

static void table_text(const json_t *sinks, struct buffer *out)
{
	static const char *const headings[] = { "SINK", "RESULT", "WHAT CAME BACK", NULL };
	struct table *t = table_new(headings, false);
	const json_t *sink;
	size_t i;

	json_array_foreach(sinks, i, sink) {
		table_member(t, sink, "sink");
		table_member(t, sink, "result");
		table_member(t, sink, "text");
	}
	table_end(t, "", out);
}

static int told(const struct options *o, json_t *alert, const struct trial *trial)
{
	struct buffer text = BUFFER_INIT;
	int code;

	if (o->json)
		return output_json(o, json_pack("{s:O, s:O}", "alert", alert, "sinks", trial->heard));
	if (!o->quiet)
		table_text(trial->heard, &text);
	code = output_text(o, &text);
	buffer_release(&text);
	return code;
}

static int test_alert(const struct options *o)
{
	const char *sink = o->argument_count > 1 ? o->arguments[1] : NULL;
	struct trial trial = { json_array(), true };
	struct error e = ERROR_INIT;
	struct attendant runner = ATTENDANT_INIT;
	struct notify *notify = NULL;
	json_t *alert = NULL;
	int code, err = sinks_load(o, sink, &notify, &runner, &e);

	if (err >= 0)
		err = alert_make(&alert, &e);
	if (err >= 0) {
		signal(SIGPIPE, SIG_IGN);
		err = notify_test(notify, sink, alert, heard, &trial, &e);
	}
	notify_free(notify);
	attendant_end(&runner);
	if (err < 0)
		code = output_error(o, "%s", *e.text ? e.text : strerror(-err));
	else
		code = told(o, alert, &trial);
	json_decref(alert);
	json_decref(trial.heard);
	return code || !trial.all ? EXIT_FAILED : 0;
}

/* ---- those that were raised */

static int list_alerts(const struct options *o)
{
	struct error e = ERROR_INIT;
	struct buffer text = BUFFER_INIT;
	struct api_newest part = { 0 };
	struct store *store = NULL;
	json_t *model = NULL;
	int code, err = since_check(o, &e);

	if (err >= 0)
		err = settings_store(o, STORE_READ, &store, &e);
	if (err >= 0)
		err = since_read(o, store, &part.since, &e);
	if (err >= 0)
		err = api_alerts(store, o->argument_count > 1 ? o->arguments[1] : NULL, &part, &model, &e);
	store_close(store);
	if (err < 0)
		return output_error(o, "%s", e.text);
	if (o->json)
		return output_json(o, model);
	if (!o->quiet || json_array_size(json_object_get(model, "alerts")))
		alerts_text(json_object_get(model, "alerts"), &text);
	code = output_text(o, &text);
	buffer_release(&text);
	json_decref(model);
	return code;
}

int verb_alert(const struct options *o)
{
	const char *what = o->arguments[0];

	if (!strcmp(what, "list"))
		return o->set_count ? output_error(o, "alert list: --set is for alert test: what was raised is not a matter of settings (--store, --config)") : list_alerts(o);
	if (!strcmp(what, "test"))
		return o->since ? output_error(o, "alert test: --since is for alert list") : test_alert(o);
	return output_error(o, "alert: there is nothing to do with \"%.60s\" (usage: abidrift alert test [SINK], or abidrift alert list [GUEST])", what);
}

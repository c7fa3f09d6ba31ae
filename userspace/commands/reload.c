/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "userspace/base/buffer.h"
#include "userspace/base/config.h"
#include "userspace/base/error.h"
#include "userspace/commands/options.h"
#include "userspace/commands/output.h"
#include "userspace/commands/service.h"
#include "userspace/commands/settings.h"
#include "userspace/drift/suppress.h"
#include "userspace/notify/notify.h"
#include "userspace/serve/http.h"
#include "userspace/stream/record.h"

/* Taken at the start alone; `collector`: by the collector, else by the analyst's side. */
static const struct { const char *key; bool collector; } lasting[] = {
	{ "monitor.guest_memory", true }, { "monitor.quota", true }, { "monitor.ring", true }, { "monitor.pin", true }, { "store.url", false }, { "serve.listen", false },
};

static int keep(const struct run *r, const char *key, bool tell, struct config *config, struct error *e)
{
	const char *was = config_get(r->config, key), *is = config_get(config, key);
	char *assignment = NULL;
	int err;

	if (!strcmp(was, is))
		return 0;
	if (tell)
		output_note(r->options, "%s: another value takes a restart; %s stays until then", key, was);
	if (asprintf(&assignment, "%s=%s", key, was) < 0)
		return error_set(e, ENOMEM, "out of memory");
	err = config_assign(config, assignment, e);
	free(assignment);
	return err;
}

int service_reread(const struct run *r, enum part tell, struct config **ret, struct error *e)
{
	struct config *config = NULL;
	int err = settings_load(r->options, &config, e);

	for (size_t i = 0; err >= 0 && i < sizeof lasting / sizeof *lasting; i++)
		err = keep(r, lasting[i].key, tell == PART_ALL || tell == (lasting[i].collector ? PART_COLLECTOR : PART_ANALYST), config, e);
	if (err < 0) {
		config_free(config);
		return err;
	}
	*ret = config;
	return 0;
}

int service_take(struct run *r, struct config *config, struct error *e)
{
	const char **pairs = config_stream_pairs(config);

	if (!pairs) {
		config_free(config);
		return error_set(e, ENOMEM, "out of memory");
	}
	free(r->pairs);
	config_free(r->config);
	r->pairs = pairs;
	r->config = config;
	r->reloaded = true;
	return 0;
}

int service_hand_on(const struct run *r, struct error *e)
{
	struct buffer body = BUFFER_INIT;
	int err = 0;

	if (r->settings_fd < 0)
		return 0;
	for (size_t i = 0; r->pairs[i]; i += 2)
		record_pair_put(&body, r->pairs[i], r->pairs[i + 1]);
	if (buffer_failed(&body))
		err = error_set(e, ENOMEM, "out of memory");
	else if (ftruncate(r->settings_fd, 0) < 0 || pwrite(r->settings_fd, body.data, body.size, 0) != (ssize_t)body.size)
		err = error_set(e, ENOMEM, "the settings cannot be handed on: %s", strerror(errno));
	buffer_release(&body);
	return err;
}

/* ---- what may fail, or changes who we are, is tried by somebody else */

static void act_there(int (*act)(const void *context, struct error *e), const void *context, int fd)
{
	struct error e = ERROR_INIT;
	int err = act(context, &e);
	ssize_t put;

	if (err < 0 && !*e.text)
		error_set(&e, -err, "%s", strerror(-err));
	put = err < 0 ? write(fd, e.text, strlen(e.text)) : 0;
	_exit(err < 0 ? -err & 0x7f : put < 0 ? EIO : 0);
}

int service_apart(int (*act)(const void *context, struct error *e), const void *context, struct error *e)
{
	char why[sizeof e->text] = "";
	int report[2], status = 0;
	ssize_t got;
	pid_t pid;

	if (pipe2(report, O_CLOEXEC) < 0)
		return error_set(e, errno, "pipe: %s", strerror(errno));
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		act_there(act, context, report[1]);
	close(report[1]);
	if (pid < 0) {
		close(report[0]);
		return error_set(e, errno, "fork: %s", strerror(errno));
	}
	got = read(report[0], why, sizeof why - 1);
	close(report[0]);
	waitpid(pid, &status, 0);
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	return error_set(e, WIFEXITED(status) ? WEXITSTATUS(status) : EACCES, "%s", got > 0 ? why : "it ended without a word");
}

struct attempt {
	const struct run *run;
	const struct config *config;
};

static int messenger_try(const void *context, struct error *e)
{
	const struct attempt *a = context;
	struct suppressions *rules = NULL;
	struct notify *notify = NULL;
	struct http *http = NULL;
	int err = notify_load(a->config, &notify, e);

	if (err >= 0)
		err = http_load(a->config, &a->run->http, &http, e);
	return err < 0 ? err : settings_suppressions(a->run->options, a->config, &rules, e);
}

int service_try(const struct run *r, const struct config *config, struct error *e)
{
	const struct attempt attempt = { r, config };

	return service_apart(messenger_try, &attempt, e);
}

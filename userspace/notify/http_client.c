/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/notify/http_client.h"

#include <errno.h>
#include <stddef.h>

int http_client_new(sd_event *loop, struct http_client **ret, struct error *e)
{
	(void)loop, (void)e;
	*ret = NULL;
	return 0;
}

void http_client_free(struct http_client *c)
{
	(void)c;
}

int http_client_send(struct http_client *c, const struct http_request *request, void (*done)(void *context, const struct http_reply *reply), void *context,
		     struct http_call **ret, struct error *e)
{
	(void)c, (void)request, (void)done, (void)context, (void)ret, (void)e;
	return -ENOSYS;
}

void http_call_cancel(struct http_call *call)
{
	(void)call;
}

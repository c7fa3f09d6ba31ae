/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the command sink's program, in a process of its own: the messenger, which works with the network, can then be forbidden
 * to run anything. What is run is fixed when it begins; asked for, over a stream socket, is only that it be run with an alert.
 */
#ifndef ABIDRIFT_NOTIFY_RUNNER_H
#define ABIDRIFT_NOTIFY_RUNNER_H

struct config;
struct error;

/* Question and answer (base/message.h), one at a time. */
#define RUNNER_ASK "tttt"   /* id, type, severity; the alert's line */
#define RUNNER_ANSWER "it"  /* enum sink_result; what to tell people */

/* Until the other side hangs up: what runs then is killed. -errno with e. */
int runner_run(const struct config *c, int fd, struct error *e);

#endif

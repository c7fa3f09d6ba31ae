/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An alert as a message of RFC 5424. Pure. All that a guest chose (its name, what it was called in a summary) is escaped: a message
 * is one line of valid UTF-8 without control characters.
 */
#ifndef ABIDRIFT_NOTIFY_SYSLOG_MESSAGE_H
#define ABIDRIFT_NOTIFY_SYSLOG_MESSAGE_H

#include <stdint.h>

struct buffer;
struct sink_alert;

/* A receiver should take so much (RFC 5425, 4.3.1), and rsyslog cuts off what is longer. */
#define SYSLOG_MESSAGE_MAX 8000

/* As syslog(3) names them; not kern, which is the kernel's. -EINVAL. */
int syslog_facility(const char *name);
/* Of an alert's severity, also for the journal: LOG_CRIT, LOG_WARNING or LOG_INFO. */
int syslog_priority(const char *severity);
/* Appends the message, at most SYSLOG_MESSAGE_MAX bytes, without framing. pid: of the sender. */
void syslog_message(struct buffer *out, const struct sink_alert *alert, int facility, int pid);

#endif

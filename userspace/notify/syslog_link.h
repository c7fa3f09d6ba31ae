/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connection to a syslog receiver, within an sd-event loop: TLS or TCP to a host, or a Unix socket of this one. Nothing here
 * blocks: names are looked up by a thread, connecting and handshake wait in the loop. A TLS peer is verified always.
 */
#ifndef ABIDRIFT_NOTIFY_SYSLOG_LINK_H
#define ABIDRIFT_NOTIFY_SYSLOG_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

struct error;
struct syslog_link;

struct syslog_peer {
	const char *address; /* tls:HOST:PORT, tcp:HOST:PORT, unix:PATH */
	const char *ca_file, *cert_file, *key_file; /* "": the system's authorities, no certificate; read by syslog_link_new */
};

/* Both are called from the loop or from within the calls below. */
struct syslog_link_events {
	void *context;
	/* It is open, or takes more, or something came in. */
	void (*moved)(void *context);
	/* It is closed, or could not be opened. Open it again when there is something to send. */
	void (*broke)(void *context, const char *why);
};

enum syslog_framing {
	SYSLOG_COUNTED, /* RFC 5425 and RFC 6587: the length before each message */
	SYSLOG_LINES,   /* a newline behind each: Unix stream */
	SYSLOG_SINGLE,  /* a datagram each */
};

/* -EINVAL, -errno with e: the address or one of the files is wrong. */
int syslog_link_new(const struct syslog_peer *peer, struct syslog_link **ret, struct error *e);
/* Closes without telling. NULL: nothing. */
void syslog_link_free(struct syslog_link *l);
void syslog_link_begin(struct syslog_link *l, sd_event *loop, const struct syslog_link_events *events);

/* Nothing, where it is open or being opened. */
void syslog_link_open(struct syslog_link *l);
/* Messages can be written. */
bool syslog_link_is_open(const struct syslog_link *l);
/* Of an open one. */
enum syslog_framing syslog_link_framing(const struct syslog_link *l);
/* How many bytes were taken; 0: not now (moved is called later), or it broke. A datagram is taken whole. */
size_t syslog_link_write(struct syslog_link *l, const void *data, size_t size);
/* Bytes that ever went into this connection, on the wire, and how many of them its far end took. Datagrams: when the kernel did. */
uint64_t syslog_link_sent(const struct syslog_link *l);
uint64_t syslog_link_acknowledged(const struct syslog_link *l);
/* Hears what the far end said; false: it broke, and that was told. */
bool syslog_link_alive(struct syslog_link *l);
/* Closes it, and tells. */
void syslog_link_break(struct syslog_link *l, const char *why);
/* As configured. */
const char *syslog_link_name(const struct syslog_link *l);

#endif

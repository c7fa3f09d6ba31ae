/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is connected, for how long, and who makes room for whom. A connection waits (for a whole request: it is new, idle, or its
 * client trickles bytes) or is answered; either has an end, however lively it is.
 */
#ifndef ABIDRIFT_SERVE_HTTP_CLIENTS_H
#define ABIDRIFT_SERVE_HTTP_CLIENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct MHD_Connection;

#define HTTP_CLIENTS_MAX 64
/* Of one user (Unix) or one address (TCP). */
#define HTTP_CLIENTS_SHARE 32
/* Those that were told to go and are not gone yet are beside the others. */
#define HTTP_CLIENTS_ROOM (HTTP_CLIENTS_MAX + 16)
/* What clients are sent at once, by one peer and by all; bodies below the least are not counted. */
#define HTTP_BODY_COUNTED (64u << 10)
#define HTTP_PEER_BYTES (48u << 20)
#define HTTP_ALL_BYTES (144u << 20)
#define HTTP_WAIT_MS 10000
#define HTTP_ANSWER_MS 60000

struct http_client {
	int fd;
	struct http_peer {
		int family;
		unsigned char id[16]; /* user or address */
	} peer;
	bool answering, doomed;
	struct MHD_Connection *held_back; /* its request waits for the next turn of the loop; NULL: it does not */
	bool resumed; /* and then it is its turn */
	bool known, trusted; /* its certificate was looked at; and is good */
	int64_t since_ms;    /* it waits, or is answered */
	uint64_t turn;       /* order of the same */
	const void *body;    /* what it is sent, if that is large; many may be sent the same. NULL: none */
	size_t body_bytes;
	char *target;        /* of its request; NULL: none, or too long */
	bool target_too_long;
};

struct http_clients {
	struct http_client *items[HTTP_CLIENTS_ROOM];
	size_t count;
	uint64_t turn;
};

/* Of a connected socket. */
struct http_peer http_peer_of(int fd, const struct sockaddr *address);
/* NULL: no memory or no room. */
struct http_client *http_clients_add(struct http_clients *all, int fd, const struct http_peer *peer, int64_t now_ms);
struct http_client *http_clients_find(const struct http_clients *all, int fd);
void http_clients_remove(struct http_clients *all, struct http_client *client);
/* It waits again, or is answered now. */
void http_client_turn(struct http_clients *all, struct http_client *client, bool answering, int64_t now_ms);
/* Who waits longest for a turn of the loop; NULL: nobody. */
struct http_client *http_clients_held_back(const struct http_clients *all);
/* Is there no room for one more of this peer before somebody goes? */
bool http_clients_full(const struct http_clients *all, const struct http_peer *peer);
/* Before this peer gets one more: ends as many as it takes. True: ended one. */
bool http_clients_make_room(struct http_clients *all, const struct http_peer *peer);
/* Bytes of all that this peer (NULL: everybody) is sent, each body once; what those that go are sent is not counted. */
size_t http_clients_held(const struct http_clients *all, const struct http_peer *peer);
/* This client is sent that body: ends others where it is too much, those of its own peer first, then of the peer that holds the most. */
void http_client_sent(struct http_clients *all, struct http_client *client, const void *body, size_t bytes);
/* Ends those whose time is over. True: ended one. */
bool http_clients_expire(struct http_clients *all, int64_t now_ms);
/* When that is to be asked next; INT64_MAX: nobody is here. */
int64_t http_clients_due(const struct http_clients *all);

#endif

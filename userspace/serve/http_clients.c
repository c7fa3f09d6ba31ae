/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/serve/http_clients.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

struct http_peer http_peer_of(int fd, const struct sockaddr *address)
{
	struct http_peer peer = { .family = address->sa_family };
	struct ucred user = { .uid = (uid_t)-1 };
	socklen_t size = sizeof user;

	if (address->sa_family == AF_INET) {
		memcpy(peer.id, &((const struct sockaddr_in *)(const void *)address)->sin_addr, sizeof(struct in_addr));
	} else if (address->sa_family == AF_INET6) {
		/* Whoever has one address of a network has the other 2^64 too. */
		memcpy(peer.id, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, 8);
	} else {
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &user, &size);
		memcpy(peer.id, &user.uid, sizeof user.uid);
	}
	return peer;
}

static bool same_peer(const struct http_peer *a, const struct http_peer *b)
{
	return a->family == b->family && !memcmp(a->id, b->id, sizeof a->id);
}

struct http_client *http_clients_add(struct http_clients *all, int fd, const struct http_peer *peer, int64_t now_ms)
{
	struct http_client *client = all->count < HTTP_CLIENTS_ROOM ? calloc(1, sizeof *client) : NULL;

	if (!client)
		return NULL;
	client->fd = fd;
	client->peer = *peer;
	http_client_turn(all, client, false, now_ms);
	all->items[all->count++] = client;
	return client;
}

struct http_client *http_clients_find(const struct http_clients *all, int fd)
{
	for (size_t i = 0; i < all->count; i++)
		if (all->items[i]->fd == fd)
			return all->items[i];
	return NULL;
}

void http_clients_remove(struct http_clients *all, struct http_client *client)
{
	for (size_t i = 0; i < all->count; i++) {
		if (all->items[i] != client)
			continue;
		all->items[i] = all->items[--all->count];
		free(client->target);
		free(client);
		return;
	}
}

void http_client_turn(struct http_clients *all, struct http_client *client, bool answering, int64_t now_ms)
{
	client->answering = answering;
	client->body = NULL;
	client->resumed = false;
	client->since_ms = now_ms;
	client->turn = ++all->turn;
}

struct http_client *http_clients_held_back(const struct http_clients *all)
{
	struct http_client *found = NULL;

	for (size_t i = 0; i < all->count; i++)
		if (all->items[i]->held_back && (!found || all->items[i]->turn < found->turn))
			found = all->items[i];
	return found;
}

/* The server sees its end at the next look at its socket, and takes it from the list. */
static void doom(struct http_client *client)
{
	client->doomed = true;
	shutdown(client->fd, SHUT_RDWR);
}

/* Of this peer (NULL: of all), those that go not counted. */
static size_t connections(const struct http_clients *all, const struct http_peer *peer)
{
	size_t count = 0;

	for (size_t i = 0; i < all->count; i++)
		count += !all->items[i]->doomed && (!peer || same_peer(&all->items[i]->peer, peer));
	return count;
}

/* Who waits before who is answered, and then the oldest. */
static bool goes_before(const struct http_client *a, const struct http_client *b)
{
	return a->answering != b->answering ? !a->answering : a->turn < b->turn;
}

/* Of this peer; NULL: of all peers that have as many connections as any. */
static struct http_client *victim(const struct http_clients *all, const struct http_peer *peer)
{
	struct http_client *found = NULL;
	size_t most = 0;

	for (size_t i = 0; i < all->count; i++) {
		struct http_client *c = all->items[i];
		size_t count;

		if (c->doomed || (peer && !same_peer(&c->peer, peer)))
			continue;
		count = connections(all, &c->peer);
		if (!found || count > most || (count == most && goes_before(c, found))) {
			found = c;
			most = count;
		}
	}
	return found;
}

static bool share_full(const struct http_clients *all, const struct http_peer *peer)
{
	return connections(all, peer) >= HTTP_CLIENTS_SHARE;
}

bool http_clients_full(const struct http_clients *all, const struct http_peer *peer)
{
	return share_full(all, peer) || connections(all, NULL) >= HTTP_CLIENTS_MAX;
}

bool http_clients_make_room(struct http_clients *all, const struct http_peer *peer)
{
	struct http_client *goes = http_clients_full(all, peer) ? victim(all, share_full(all, peer) ? peer : NULL) : NULL;

	if (goes)
		doom(goes);
	return goes;
}

/* ---- what they are sent */

static bool holds(const struct http_client *c, const struct http_peer *peer)
{
	return !c->doomed && c->body && (!peer || same_peer(&c->peer, peer));
}

size_t http_clients_held(const struct http_clients *all, const struct http_peer *peer)
{
	size_t bytes = 0;

	for (size_t i = 0; i < all->count; i++) {
		bool again = false;

		if (!holds(all->items[i], peer))
			continue;
		for (size_t k = 0; k < i && !again; k++)
			again = holds(all->items[k], peer) && all->items[k]->body == all->items[i]->body;
		bytes += again ? 0 : all->items[i]->body_bytes;
	}
	return bytes;
}

static bool larger(const struct http_client *a, const struct http_client *b)
{
	return a->body_bytes != b->body_bytes ? a->body_bytes > b->body_bytes : a->turn < b->turn;
}

/* Of this peer (NULL: of the one that holds the most), who holds the most, and then the oldest. */
static struct http_client *holder(const struct http_clients *all, const struct http_peer *peer, const struct http_client *but)
{
	struct http_client *found = NULL;
	size_t most = 0;

	for (size_t i = 0; i < all->count; i++) {
		struct http_client *c = all->items[i];
		size_t bytes;

		if (c == but || !holds(c, peer))
			continue;
		bytes = http_clients_held(all, &c->peer);
		if (!found || bytes > most || (bytes == most && larger(c, found))) {
			found = c;
			most = bytes;
		}
	}
	return found;
}

static void make_memory(struct http_clients *all, const struct http_peer *peer, const struct http_client *but, size_t bound)
{
	struct http_client *goes;

	while (http_clients_held(all, peer) > bound && (goes = holder(all, peer, but)))
		doom(goes);
}

void http_client_sent(struct http_clients *all, struct http_client *client, const void *body, size_t bytes)
{
	if (bytes < HTTP_BODY_COUNTED)
		return;
	client->body = body;
	client->body_bytes = bytes;
	make_memory(all, &client->peer, client, HTTP_PEER_BYTES);
	make_memory(all, NULL, client, HTTP_ALL_BYTES);
}

static int64_t end_of(const struct http_client *c)
{
	return c->since_ms + (c->answering ? HTTP_ANSWER_MS : HTTP_WAIT_MS);
}

bool http_clients_expire(struct http_clients *all, int64_t now_ms)
{
	bool any = false;

	for (size_t i = 0; i < all->count; i++) {
		if (all->items[i]->doomed || end_of(all->items[i]) > now_ms)
			continue;
		doom(all->items[i]);
		any = true;
	}
	return any;
}

int64_t http_clients_due(const struct http_clients *all)
{
	int64_t due = INT64_MAX;

	for (size_t i = 0; i < all->count; i++)
		if (!all->items[i]->doomed && end_of(all->items[i]) < due)
			due = end_of(all->items[i]);
	return due;
}

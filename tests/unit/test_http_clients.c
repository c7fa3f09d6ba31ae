// SPDX-License-Identifier: Apache-2.0
/* Who makes room for whom: whoever takes the most goes first, and nobody is ended for what others hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "userspace/serve/http_clients.h"

#define NOBODYS_FD (-1)
#define MIB (1u << 20)

static struct http_peer peer(unsigned char number)
{
	return (struct http_peer){ .family = AF_INET, .id = { number } };
}

static struct http_client *add(struct http_clients *all, unsigned char number, bool answering)
{
	struct http_peer of = peer(number);
	struct http_client *c = http_clients_add(all, NOBODYS_FD, &of, 0);

	assert_non_null(c);
	http_client_turn(all, c, answering, 0);
	return c;
}

static void release(struct http_clients *all)
{
	while (all->count)
		http_clients_remove(all, all->items[0]);
}

static size_t doomed(const struct http_clients *all)
{
	size_t count = 0;

	for (size_t i = 0; i < all->count; i++)
		count += all->items[i]->doomed;
	return count;
}

static void test_of_equals_who_waits_longest_goes(void **state)
{
	struct http_clients all = { 0 };
	struct http_peer third = peer(3);
	struct http_client *waits;

	(void)state;
	/* Peer 1, which is found first, is answered on all it has; peer 2 only waits. */
	for (size_t i = 0; i < HTTP_CLIENTS_MAX / 2 - 1; i++)
		add(&all, 1, true);
	waits = add(&all, 2, false);
	while (all.count < HTTP_CLIENTS_MAX - 2)
		add(&all, 2, false);
	add(&all, 4, false);
	assert_false(http_clients_full(&all, &third));
	assert_false(http_clients_make_room(&all, &third));
	add(&all, 4, false);
	assert_true(http_clients_full(&all, &third));
	assert_true(http_clients_make_room(&all, &third));
	assert_int_equal(doomed(&all), 1);
	assert_true(waits->doomed);
	release(&all);
}

static void test_a_share_that_is_full_costs_its_owner_alone(void **state)
{
	struct http_clients all = { 0 };
	struct http_peer first = peer(1), second = peer(2);
	struct http_client *oldest = add(&all, 2, false), *own = add(&all, 1, true);

	(void)state;
	while (all.count < HTTP_CLIENTS_SHARE + 1)
		add(&all, 1, true);
	assert_false(http_clients_full(&all, &second));
	assert_true(http_clients_make_room(&all, &first));
	assert_true(own->doomed);
	assert_false(oldest->doomed);
	release(&all);
}

static void test_a_body_is_counted_once(void **state)
{
	struct http_clients all = { 0 };
	struct http_peer first = peer(1);
	char body, other;

	(void)state;
	for (int i = 0; i < 30; i++)
		http_client_sent(&all, add(&all, 1, true), &body, 40 * MIB);
	http_client_sent(&all, add(&all, 2, true), &other, 40 * MIB);
	assert_int_equal(http_clients_held(&all, &first), 40 * MIB);
	assert_int_equal(http_clients_held(&all, NULL), 80 * MIB);
	assert_int_equal(doomed(&all), 0);
	/* It is small: nobody goes for it, and it is nobody's burden. */
	http_client_sent(&all, add(&all, 1, true), &other, HTTP_BODY_COUNTED - 1);
	assert_int_equal(http_clients_held(&all, &first), 40 * MIB);
	/* The next request of the same connection. */
	http_client_turn(&all, all.items[30], false, 0);
	assert_int_equal(http_clients_held(&all, NULL), 40 * MIB);
	release(&all);
}

static void test_who_holds_the_most_goes_and_of_its_peer_alone(void **state)
{
	struct http_clients all = { 0 };
	char bodies[64];
	struct http_client *honest = add(&all, 9, true), *small = add(&all, 1, true), *large = add(&all, 1, true), *next = add(&all, 1, true);

	(void)state;
	http_client_sent(&all, honest, &bodies[0], 40 * MIB);
	http_client_sent(&all, small, &bodies[1], 10 * MIB);
	http_client_sent(&all, large, &bodies[2], 30 * MIB);
	assert_int_equal(doomed(&all), 0);
	http_client_sent(&all, next, &bodies[3], 10 * MIB);
	assert_true(large->doomed);
	assert_int_equal(doomed(&all), 1);
	/* One that is larger than a share is sent all the same, alone. */
	http_client_sent(&all, next, &bodies[4], HTTP_PEER_BYTES + 1);
	assert_true(small->doomed);
	assert_false(next->doomed || honest->doomed);
	release(&all);
}

static void test_many_peers_together(void **state)
{
	struct http_clients all = { 0 };
	char bodies[64];
	struct http_client *honest = add(&all, 9, true);

	(void)state;
	http_client_sent(&all, honest, &bodies[63], MIB);
	for (unsigned char i = 0; i < 60; i++) {
		struct http_client *c = add(&all, i % 6 + 10, true);

		http_client_sent(&all, c, &bodies[i], 12 * MIB);
		assert_false(c->doomed);
		assert_true(http_clients_held(&all, NULL) <= HTTP_ALL_BYTES);
	}
	assert_false(honest->doomed);
	release(&all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_of_equals_who_waits_longest_goes), cmocka_unit_test(test_a_share_that_is_full_costs_its_owner_alone),
		cmocka_unit_test(test_a_body_is_counted_once),		 cmocka_unit_test(test_who_holds_the_most_goes_and_of_its_peer_alone),
		cmocka_unit_test(test_many_peers_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

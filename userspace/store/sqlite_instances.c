// SPDX-License-Identifier: Apache-2.0
#include "userspace/store/sqlite_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void store_instance_release(struct store_instance *i)
{
	if (!i)
		return;
	free(i->host);
	free(i->start);
	free(i->vm);
	free(i->state);
	free(i->vmm);
	free(i->machine);
	free(i->context);
	free(i->life);
	for (int facet = 0; facet < FACETS; facet++)
		free(i->coverage[facet].reason);
	*i = (struct store_instance){ 0 };
}

bool store_instance_twin(const struct store_instance *i)
{
	return i->life && !strcmp(i->life, STORE_LIFE_TWIN);
}

void store_instances_free(struct store_instance *items, size_t count)
{
	for (size_t i = 0; i < count; i++)
		store_instance_release(&items[i]);
	free(items);
}

static const char * or (const char *text, const char *otherwise)
{
	return text ? text : otherwise;
}

static void bind_instance(struct query *q, const struct store_instance *i)
{
	query_int(q, i->guest);
	query_text(q, or (i->host, ""));
	query_int(q, i->pid);
	query_int(q, i->fd);
	query_text(q, or (i->start, ""));
	query_text(q, or (i->vm, ""));
	query_int(q, i->running);
	query_int(q, i->began_at);
	query_int(q, i->ended_at);
	query_int(q, i->boot);
	query_int(q, (int64_t)i->boot_token);
	query_int(q, i->settled);
	query_text(q, or (i->state, "learning"));
	query_text(q, severity_name(i->severity));
	query_int(q, i->changes);
	query_ref(q, i->revision);
	query_text(q, or (i->vmm, "{}"));
	query_text(q, i->machine);
	query_text(q, i->context);
	query_text(q, i->life);
}

static int put_row(struct store *s, const struct store_instance *i, int64_t *ret_row)
{
	if (!i->row) {
		struct query q = query_start(s, "INSERT INTO instances (guest, host, pid, fd, start, vm, running, began_at, ended_at, "
						"boot, boot_token, settled, state,"
						" severity, changes, revision, vmm, machine, context, life) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
						"?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
		bind_instance(&q, i);
		int err = query_run(&q);
		if (!err)
			*ret_row = sqlite3_last_insert_rowid(s->db);
		return err;
	}
	struct query q = query_start(s, "UPDATE instances SET guest = ?, host = ?, pid = ?, fd = ?, start = ?, vm = ?, running = ?, "
					"began_at = ?, ended_at = ?, boot = ?,"
					" boot_token = ?, settled = ?, state = ?, severity = ?, changes = ?, revision = ?, vmm = ?, "
					"machine = ?, context = ?, life = ? WHERE row = ?");
	bind_instance(&q, i);
	query_int(&q, i->row);
	int err = query_run(&q);
	if (!err && query_changes(&q) == 0)
		err = error_set(&s->error, ENOENT, "store %s: there is no such instance", s->path);
	*ret_row = i->row;
	return err;
}

static int put_coverage(struct store *s, int64_t instance, const struct abi_coverage coverage[FACETS])
{
	for (int facet = 0; facet < FACETS; facet++) {
		/* What stays as it was is not written again. */
		struct query q = query_start(s, "INSERT INTO coverage (instance, facet, coverage, reason) VALUES (?, ?, ?, ?) ON CONFLICT "
						"(instance, facet)"
						" DO UPDATE SET coverage = excluded.coverage, reason = excluded.reason"
						" WHERE coverage != excluded.coverage OR reason != excluded.reason");
		query_int(&q, instance);
		query_text(&q, facet_get((enum facet_id)facet)->name);
		query_text(&q, coverage_name(coverage[facet].level));
		query_text(&q, or (coverage[facet].reason, ""));
		int err = query_run(&q);
		if (err < 0)
			return err;
	}
	return 0;
}

static int raise_boots(struct store *s, int64_t guest, uint32_t boot)
{
	struct query q = query_start(s, "UPDATE guests SET boots = ?2 WHERE row = ?1 AND boots < ?2");
	query_int(&q, guest);
	query_int(&q, boot);
	return query_run(&q);
}

int store_instance_put(struct store *s, struct store_instance *i)
{
	bool own;
	int64_t row = 0;
	int err = store_enter(s, true, &own);
	if (err < 0)
		return err;
	err = put_row(s, i, &row);
	if (!err)
		err = put_coverage(s, row, i->coverage);
	if (!err)
		err = raise_boots(s, i->guest, i->boot);
	err = store_leave(s, own, err);
	if (!err)
		i->row = row;
	return err;
}

static void instance_columns(struct query *q, struct store_instance *i)
{
	i->row = column_int(q);
	i->guest = column_int(q);
	i->host = column_must(q);
	i->pid = column_int(q);
	i->fd = column_int(q);
	i->start = column_must(q);
	i->vm = column_must(q);
	i->running = column_int(q) != 0;
	i->began_at = column_int(q);
	i->ended_at = column_int(q);
	i->boot = (uint32_t)column_int(q);
	i->boot_token = (uint64_t)column_int(q);
	i->settled = column_int(q) != 0;
	i->state = column_must(q);
	char *severity = column_must(q);
	if (severity && severity_parse(severity, &i->severity) < 0)
		i->severity = SEVERITY_NONE;
	free(severity);
	i->changes = (uint32_t)column_int(q);
	i->revision = (uint32_t)column_int(q);
	i->vmm = column_must(q);
	i->machine = column_text(q);
	i->context = column_text(q);
	i->life = column_text(q);
}

static int get_coverage(struct store *s, struct store_instance *i)
{
	struct query q = query_start(s, "SELECT facet, coverage, reason FROM coverage WHERE instance = ?");
	query_int(&q, i->row);
	while (query_next(&q) > 0) {
		char *name = column_must(&q), *level = column_must(&q), *reason = column_must(&q);
		const struct facet *facet = name ? facet_find(name) : NULL;
		if (facet && level && coverage_parse(level, &i->coverage[facet->id].level) == 0) {
			free(i->coverage[facet->id].reason);
			i->coverage[facet->id].reason = reason;
			reason = NULL;
		}
		free(name);
		free(level);
		free(reason);
	}
	/* Promised: never NULL. */
	for (int facet = 0; facet < FACETS && !q.err; facet++)
		if (!i->coverage[facet].reason && !(i->coverage[facet].reason = strdup("")))
			q.err = store_fail(s, SQLITE_NOMEM);
	return query_end(&q);
}

#define INSTANCES                                                                                                                         \
	"SELECT row, guest, host, pid, fd, start, vm, running, began_at, ended_at, boot, boot_token, settled, state, severity, changes, " \
	"revision, vmm, machine, context, life FROM instances"
#define NEWEST_FIRST " ORDER BY " GUEST_FIRST("")

/* What a list is made by. */
enum which { ALL, RUNNING, NEWEST };

static int list_of(struct query *q, struct store_instance **items, size_t *count)
{
	while (query_next(q) > 0) {
		struct store_instance *grown = reallocarray(*items, *count + 1, sizeof(*grown));
		if (!grown) {
			q->err = store_fail(q->s, SQLITE_NOMEM);
			break;
		}
		*items = grown;
		grown[*count] = (struct store_instance){ 0 };
		instance_columns(q, &grown[(*count)++]);
		if (q->err)
			break;
	}
	return query_end(q);
}

static int list(struct store *s, int64_t guest, enum which which, struct store_instance **items, size_t *count)
{
	/* Of those that run there are few: they are put in order by newest_first, which costs less than a sorter. */
	static const char *const of_guest[] = {
		[ALL] = INSTANCES " WHERE guest = ?1" NEWEST_FIRST,
		[RUNNING] = INSTANCES " WHERE guest = ?1 AND running = 1",
		[NEWEST] = INSTANCES " WHERE row = (SELECT row FROM instances WHERE guest = ?1" NEWEST_FIRST " LIMIT 1)",
	};
	struct query q = query_start(s, guest ? of_guest[which] : INSTANCES " WHERE ?1 = 0" NEWEST_FIRST);
	query_int(&q, guest);
	return list_of(&q, items, count);
}

/* As NEWEST_FIRST. */
static int newest_first(const void *left, const void *right)
{
	const struct store_instance *a = left, *b = right;
	bool a_twin = store_instance_twin(a), b_twin = store_instance_twin(b);

	if (a_twin != b_twin)
		return a_twin ? 1 : -1;
	if (a->began_at != b->began_at)
		return a->began_at < b->began_at ? 1 : -1;
	return a->row < b->row ? 1 : a->row > b->row ? -1 : 0;
}

static int list_now(struct store *s, int64_t guest, struct store_instance **items, size_t *count)
{
	int err = list(s, guest, RUNNING, items, count);

	if (!err && !*count)
		err = list(s, guest, NEWEST, items, count);
	if (*count > 1)
		qsort(*items, *count, sizeof(**items), newest_first);
	return err;
}

static int instances(struct store *s, int64_t guest, bool now, struct store_instance **ret, size_t *ret_count)
{
	struct store_instance *items = NULL;
	size_t count = 0;
	bool own;
	int err = store_enter(s, false, &own);
	if (err < 0)
		return err;
	err = now ? list_now(s, guest, &items, &count) : list(s, guest, ALL, &items, &count);
	for (size_t i = 0; i < count && !err; i++)
		err = get_coverage(s, &items[i]);
	err = store_leave(s, own, err);
	if (err < 0) {
		store_instances_free(items, count);
		return err;
	}
	*ret = items;
	*ret_count = count;
	return 0;
}

int store_instances(struct store *s, int64_t guest, struct store_instance **ret, size_t *ret_count)
{
	return instances(s, guest, false, ret, ret_count);
}

int store_instances_now(struct store *s, int64_t guest, struct store_instance **ret, size_t *ret_count)
{
	return instances(s, guest, true, ret, ret_count);
}

int store_instances_like(struct store *s, const struct store_instance *i, const char *vm, struct store_instance **ret, size_t *ret_count)
{
	struct store_instance *items = NULL;
	size_t count = 0;
	/* Few VMs have no UUID on a host where others have one, and rows of those alone are looked at. */
	struct query q = query_start(s, INSTANCES " WHERE guest IN (SELECT row FROM guests WHERE uuid IS NOT NULL)"
						  " AND (pid = ?1 OR substr(vm, 1, length(?2)) = ?2)" NEWEST_FIRST);
	query_int(&q, i->pid);
	query_text(&q, vm);
	int err = list_of(&q, &items, &count);
	if (err < 0) {
		store_instances_free(items, count);
		return err;
	}
	*ret = items;
	*ret_count = count;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/collector.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <unistd.h>

#include "userspace/base/buffer.h"
#include "userspace/base/error.h"
#include "userspace/collect/discovery.h"
#include "userspace/collect/files.h"
#include "userspace/collect/host.h"
#include "userspace/collect/kernel.h"
#include "userspace/collect/output.h"
#include "userspace/collect/reader.h"
#include "userspace/collect/readings.h"
#include "userspace/collect/stats.h"
#include "userspace/collect/tell.h"
#include "userspace/sandbox.h"

#define MS 1000000ull
#define S (1000 * MS)
#define DRAIN_NS (100 * MS)
#define COUNT_NS RECORD_LOOK_NS
#define SWEEP_NS (30 * S)
#define MISSED_NS S             /* sooner, where there was no descriptor or memory to look at a process */
#define FACTS_SWEEPS 10         /* sweeps between two comparisons of all facts when nothing was dropped: 100,000 facts cost 50 ms */
#define PASS_NS (20 * MS)       /* between two walks over the facts map, at least; and no more than a fifth of the time */
#define PASS_SHARE 4
#define CLEAN_NS (500 * MS)     /* between two walks that only remove facts */
#define SAVE_NS S               /* a trace's file is at most so much behind */
#define NEWS_AT_ONCE 4096u
#define FACT_RECORD_BYTES (sizeof(struct record_header) + sizeof(struct record_fact))
#define PASS_RESERVE_BYTES (1u << 20)

/* What an event of the loop is about; anything below is a process id. */
enum event { EVENT_KERNEL = -1, EVENT_LISTEN = -2, EVENT_STOP = -3, EVENT_ANALYST = -4, EVENT_READER = -5, EVENT_RELOAD = -6 };

struct collector {
	const struct collector_options *options;
	struct kernel *kernel;
	struct output *output;
	struct contents *contents;
	struct discovery discovery;
	struct reader *reader; /* NULL: guest memory is not read */
	struct readings readings;
	int epoll_fd;
	struct buffer host, config, coverage;
	uint64_t counters[OBSERVE_COUNTERS];
	struct kernel_missed missed;
	uint64_t end_ns, drain_ns, tick_ns, count_ns, stats_ns, sweep_ns, pass_ns, clean_ns, save_ns;
	unsigned sweeps;
	unsigned unsynced;  /* sinks whose snapshot is not complete */
	bool swept;         /* the first sweep is done */
	bool pass_due;
	bool stop;
	bool drain;         /* the ring asked to be drained, or was not empty */
	bool writing;       /* the loop is to tell when the analyst takes more */
};

static int watch(const struct collector *c, int fd, uint32_t events, enum event event)
{
	struct epoll_event e = { .events = events, .data.u64 = (uint64_t)(int64_t)event };

	return epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, fd, &e) < 0 ? -errno : 0;
}

static void describe_coverage(struct collector *c)
{
	static const struct { const char *facet; enum observe_kind kind; } witnessed[] = {
		{ "msr", OBSERVE_MSR }, { "ports", OBSERVE_PORT }, { "mmio", OBSERVE_MMIO }, { "pci", OBSERVE_PCI }, { "placement", OBSERVE_PCI },
	};
	static const char *const of_memory[] = { "acpi", "smbios", "numa", "firmware" };
	const char *blind = kernel_blind_inventory(c->kernel), *unread = c->options->guest_memory ? blind : "monitor.guest_memory is off";

	if (blind) {
		record_pair_put(&c->coverage, "cpuid", blind);
		record_pair_put(&c->coverage, "memory", blind);
	}
	for (size_t i = 0; unread && i < sizeof(of_memory) / sizeof(of_memory[0]); i++)
		record_pair_put(&c->coverage, of_memory[i], unread);
	for (size_t i = 0; i < sizeof(witnessed) / sizeof(witnessed[0]); i++) {
		blind = kernel_blind(c->kernel, witnessed[i].kind);
		if (blind)
			record_pair_put(&c->coverage, witnessed[i].facet, blind);
	}
}

static int open_parts(struct collector *c, struct error *e)
{
	const struct collector_options *o = c->options;
	int err = o->guest_memory ? reader_new(sandbox_reader, &c->reader) : 0;

	if (err < 0)
		return error_set(e, -err, "starting the reader of guest memory: %s", strerror(-err));
	err = output_new(o->trace_fd, o->listen_fd, o->peer, &c->output, e);
	if (err < 0)
		return err;
	c->contents = contents_new();
	c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (!c->contents || c->epoll_fd < 0)
		return error_set(e, c->contents ? errno : ENOMEM, "starting the collector: %s", c->contents ? strerror(errno) : "no memory");
	/* Edges only: facts that came without a wake-up wait for the next drain, whatever else wakes the loop. */
	err = watch(c, kernel_fd(c->kernel), EPOLLIN | EPOLLET, EVENT_KERNEL);
	if (err >= 0 && o->listen_fd >= 0)
		err = watch(c, o->listen_fd, EPOLLIN, EVENT_LISTEN);
	if (err >= 0 && o->stop_fd >= 0)
		err = watch(c, o->stop_fd, EPOLLIN | EPOLLHUP, EVENT_STOP);
	if (err >= 0 && o->reload)
		err = watch(c, o->reload_fd, EPOLLIN, EVENT_RELOAD);
	if (err >= 0 && c->reader)
		err = reader_watch(c->reader, c->epoll_fd, (uint64_t)(int64_t)EVENT_READER);
	if (err < 0)
		return error_set(e, -err, "watching the collector's descriptors: %s", strerror(-err));
	return 0;
}

static void describe_config(struct buffer *out, const char *const *pairs)
{
	for (; pairs && pairs[0] && pairs[1]; pairs += 2)
		record_pair_put(out, pairs[0], pairs[1]);
}

static int begin(struct collector *c, struct error *e)
{
	int err = open_parts(c, e);

	if (err < 0)
		return err;
	c->discovery = (struct discovery){ .kernel = c->kernel, .output = c->output, .contents = c->contents,
		.guest = c->options->guest, .epoll_fd = c->epoll_fd };
	c->readings = (struct readings){ .kernel = c->kernel, .reader = c->reader, .vms = &c->discovery.vms };
	if (getrandom(&c->discovery.vms.seed, sizeof(c->discovery.vms.seed), 0) < 0)
		c->discovery.vms.seed = tell_now();
	host_describe(&c->host);
	describe_coverage(c);
	describe_config(&c->config, c->options->config);
	if (buffer_failed(&c->host) || buffer_failed(&c->coverage) || buffer_failed(&c->config))
		return error_set(e, ENOMEM, "no memory for the description of this host");
	if (c->options->duration_ns)
		c->end_ns = tell_now() + c->options->duration_ns;
	return 0;
}

int collector_open(const struct collector_options *o, struct collector **ret, struct error *e)
{
	const struct kernel_options kernel = { .facts = o->facts, .ring_bytes = o->ring_bytes, .quota = o->quota, .pin = o->pin };
	struct collector *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return error_set(e, ENOMEM, "out of memory");
	c->options = o;
	c->epoll_fd = -1;
	err = kernel_new(&kernel, &c->kernel, e);
	if (err < 0) {
		collector_free(c);
		return err;
	}
	*ret = c;
	return 0;
}

const char *collector_notes(const struct collector *c)
{
	return kernel_notes(c->kernel);
}

double collector_load_ms(const struct collector *c)
{
	return kernel_load_ms(c->kernel);
}

bool collector_pinned(const struct collector *c)
{
	return kernel_pinned(c->kernel);
}

void collector_free(struct collector *c)
{
	if (!c)
		return;
	discovery_release(&c->discovery);
	reader_free(c->reader);
	if (c->epoll_fd >= 0)
		close(c->epoll_fd);
	contents_free(c->contents);
	output_free(c->output);
	kernel_free(c->kernel);
	buffer_release(&c->host);
	buffer_release(&c->config);
	buffer_release(&c->coverage);
	free(c);
}

static void tell_losses(struct collector *c, unsigned sinks)
{
	static const struct { enum record_loss_stage stage; enum observe_counter counter; } stages[] = {
		{ RECORD_LOSS_RING, OBSERVE_COUNT_DROPPED }, { RECORD_LOSS_MAP, OBSERVE_COUNT_MAP_FULL }, { RECORD_LOSS_VCPU, OBSERVE_COUNT_NO_VCPU },
	};

	for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++)
		if (c->counters[stages[i].counter])
			tell_loss(c->output, sinks, NULL, stages[i].stage, OBSERVE_CLASSES, c->counters[stages[i].counter]);
	/* First those that matter for what was seen, also that there were none: else all would. */
	if (c->missed.all) {
		tell_loss(c->output, sinks, NULL, RECORD_LOSS_DECODED, OBSERVE_CLASSES, c->missed.decoded);
		tell_loss(c->output, sinks, NULL, RECORD_LOSS_MISSED, OBSERVE_CLASSES, c->missed.all);
	}
}

/* A stream begins; the VMs follow as far as there is room, and SYNCED when all have been told. */
static void stream_begin(struct collector *c, unsigned sink)
{
	for (struct vm *vm = c->discovery.vms.list; vm; vm = vm->next) {
		vm->announced &= ~sink;
		vm->facts_due &= ~sink;
	}
	tell_clock(c->output, sink, RECORD_HELLO);
	tell_host(c->output, sink, RECORD_HOST, &c->host);
	tell_host(c->output, sink, RECORD_CONFIG, &c->config);
	tell_host(c->output, sink, RECORD_COVERAGE, &c->coverage);
	c->unsynced |= sink;
}

static void synced(struct collector *c)
{
	unsigned ready = c->unsynced & output_sinks(c->output);

	for (const struct vm *vm = c->discovery.vms.list; vm; vm = vm->next)
		ready &= vm->sweep ? ~vm->announced : ~vm->facts_due;
	if (!ready || !c->swept || (discovery_waits(&c->discovery) && !c->discovery.ending))
		return;
	tell_losses(c, ready);
	tell_host(c->output, ready, RECORD_SYNCED, NULL);
	c->unsynced &= ~ready;
	if (ready & OUTPUT_ANALYST)
		c->stats_ns = 0;
}

static int take_news(void *context, const struct observe_news *news)
{
	struct collector *c = context;
	struct vm *vm;

	if (!output_room(c->output))
		return -EAGAIN; /* what stays in the ring is not lost; what the ring cannot hold is found by a sweep */
	vm = discovery_news(&c->discovery, news);
	if (vm && news->type == OBSERVE_NEWS_FACT && vm->announced && shadow_note(&vm->shadow, &news->key, &news->value))
		tell_fact(c->output, vm->announced, vm, news->at_ns, &news->key, &news->value);
	return 0;
}

static void drain(struct collector *c, uint64_t now)
{
	int n;

	if (!c->drain && now < c->drain_ns)
		return;
	n = kernel_drain(c->kernel, take_news, c, NEWS_AT_ONCE);
	c->drain = n >= (int)NEWS_AT_ONCE;
	c->drain_ns = now + DRAIN_NS;
}

static int pass_fact(void *context, const struct observe_key *key, const struct observe_value *value)
{
	struct collector *c = context;
	struct vm *vm = vms_find(&c->discovery.vms, key->vm);
	unsigned sinks;

	if (!vm || key->kind > OBSERVE_KIND_LAST)
		return 0;
	if (value->boot > vm->boot)
		c->discovery.compare = true;
	if (value->boot == vm->boot)
		vm_fact(vm, key);
	if (!vm->in_pass || value->boot != vm->boot)
		return 0;
	sinks = vm->facts_due & vm->announced;
	if (shadow_note(&vm->shadow, key, value))
		sinks = vm->announced;
	if (sinks)
		tell_fact(c->output, sinks, vm, value->changed_ns, key, value);
	return 0;
}

/* As many of the VMs that wait for it as there is room for; at least one. */
static bool pass_choose(struct collector *c)
{
	size_t room = output_room(c->output), need = 0;
	bool any = false;

	c->pass_due = false;
	if (room <= PASS_RESERVE_BYTES) {
		c->pass_due = true;
		return false;
	}
	for (struct vm *vm = c->discovery.vms.list; vm; vm = vm->next) {
		struct observe_vm seen;

		vm->in_pass = false;
		if (!vm->announced || (!vm->facts_due && !vm->sweep))
			continue;
		if (room != (size_t)-1 && kernel_vm_get(c->kernel, vm->kvm, &seen) >= 0)
			for (unsigned class = 0; class < OBSERVE_CLASSES; class++)
				need += (vm->facts_due || !vm->shadow.used ? seen.facts[class] : seen.facts[class] / 8) * FACT_RECORD_BYTES;
		if (any && need > room - PASS_RESERVE_BYTES) {
			c->pass_due = true;
			break;
		}
		vm->in_pass = any = true;
	}
	return any;
}

/* A walk over the facts map, for the VMs of which not all may have been told. */
static void pass(struct collector *c, uint64_t now)
{
	uint64_t took;

	for (const struct vm *vm = c->discovery.vms.list; vm && !c->pass_due; vm = vm->next)
		c->pass_due = vm->announced && (vm->facts_due || vm->sweep);
	if (!c->pass_due || now < c->pass_ns || !pass_choose(c))
		return;
	if (kernel_facts(c->kernel, 0, pass_fact, c) < 0)
		c->pass_due = true;
	else
		for (struct vm *vm = c->discovery.vms.list; vm; vm = vm->next)
			if (vm->in_pass) {
				vm->facts_due = 0;
				vm->sweep = vm->in_pass = false;
			}
	took = tell_now() - now;
	c->pass_ns = now + took + (took * PASS_SHARE > PASS_NS ? took * PASS_SHARE : PASS_NS);
}

/* What guests that are gone left behind, and those that reset. */
static void clean(struct collector *c, uint64_t now)
{
	uint64_t took;

	if (!kernel_litter(c->kernel) || now < c->clean_ns)
		return;
	kernel_facts(c->kernel, 0, NULL, NULL);
	took = tell_now() - now;
	c->clean_ns = now + took + (took * PASS_SHARE > CLEAN_NS ? took * PASS_SHARE : CLEAN_NS);
}

static int count_overflow(void *context, const struct observe_vm *seen)
{
	struct collector *c = context;
	struct vm *vm = vms_find(&c->discovery.vms, seen->vm);

	if (!vm || seen->boot != vm->boot)
		return 0;
	for (uint32_t class = 0; class < OBSERVE_CLASSES; class++) {
		if (seen->overflow[class] == vm->overflow[class])
			continue;
		vm->overflow[class] = seen->overflow[class];
		tell_loss(c->output, vm->announced, vm, RECORD_LOSS_QUOTA, class, vm->overflow[class]);
	}
	return 0;
}

static void count(struct collector *c, uint64_t now)
{
	uint64_t counters[OBSERVE_COUNTERS];
	struct kernel_missed missed;
	bool lost = false;

	if (now < c->count_ns || !output_room(c->output))
		return;
	c->count_ns = now + COUNT_NS;
	if (kernel_counters(c->kernel, counters) < 0 || kernel_missed(c->kernel, &missed) < 0)
		return;
	if (counters[OBSERVE_COUNT_DROPPED] != c->counters[OBSERVE_COUNT_DROPPED]) {
		c->discovery.compare = true;
		for (struct vm *vm = c->discovery.vms.list; vm; vm = vm->next)
			vm->sweep = true;
	}
	if (counters[OBSERVE_COUNT_OVERFLOW] != c->counters[OBSERVE_COUNT_OVERFLOW] ||
	    counters[OBSERVE_COUNT_MAP_FULL] != c->counters[OBSERVE_COUNT_MAP_FULL])
		kernel_vms(c->kernel, count_overflow, c);
	/* Maybe full of what is no more. */
	if (counters[OBSERVE_COUNT_MAP_FULL] != c->counters[OBSERVE_COUNT_MAP_FULL])
		c->discovery.compare = true;
	for (unsigned i = 0; i < OBSERVE_COUNT_FACTS; i++)
		lost |= i != OBSERVE_COUNT_OVERFLOW && counters[i] != c->counters[i];
	lost |= missed.all != c->missed.all || missed.decoded != c->missed.decoded;
	memcpy(c->counters, counters, sizeof(counters));
	c->missed = missed;
	if (lost)
		tell_losses(c, output_sinks(c->output) & ~c->unsynced);
}

/* To an analyst alone: of a trace they would be the recorder's, and its bytes another time others. At once when one has come. */
static void tell_stats(struct collector *c, uint64_t now)
{
	unsigned sinks = output_sinks(c->output) & OUTPUT_ANALYST & ~c->unsynced;
	struct buffer pairs = BUFFER_INIT;

	if (!sinks || now < c->stats_ns || !output_room(c->output))
		return;
	c->stats_ns = now + RECORD_STATS_NS;
	if (stats_describe(c->kernel, c->counters, &c->missed, &pairs) >= 0)
		tell_host(c->output, sinks, RECORD_STATS, &pairs);
	buffer_release(&pairs);
}

/* Are we still attached? What is not seen any more, or is from now on, is told. */
static void check_kernel(struct collector *c)
{
	struct buffer before = c->coverage;

	if (!kernel_check(c->kernel))
		return;
	c->coverage = (struct buffer)BUFFER_INIT;
	describe_coverage(c);
	if (buffer_failed(&c->coverage)) {
		buffer_release(&c->coverage);
		c->coverage = before;
		return;
	}
	if (before.size != c->coverage.size || (before.size && memcmp(before.data, c->coverage.data, before.size)))
		tell_host(c->output, output_sinks(c->output), RECORD_COVERAGE, &c->coverage);
	buffer_release(&before);
}

static void sweep(struct collector *c, uint64_t now)
{
	struct buffer host = BUFFER_INIT;

	if (c->discovery.missed && c->sweep_ns > now + MISSED_NS)
		c->sweep_ns = now + MISSED_NS;
	c->discovery.missed = false;
	if (now < c->sweep_ns || !output_room(c->output))
		return;
	c->sweep_ns = now + SWEEP_NS;
	c->sweeps++;
	discovery_sweep(&c->discovery);
	if (c->swept) {
		check_kernel(c);
		for (struct vm *vm = c->discovery.vms.list; vm && c->sweeps % FACTS_SWEEPS == 0; vm = vm->next)
			vm->sweep = true;
		/* Module parameters can be changed, and microcode loaded, while guests run. */
		if (host_describe(&host) >= 0 && (host.size != c->host.size || memcmp(host.data, c->host.data, host.size))) {
			struct buffer old = c->host;

			c->host = host;
			host = old;
			tell_host(c->output, output_sinks(c->output), RECORD_HOST, &c->host);
		}
	}
	buffer_release(&host);
	if (!c->swept && c->options->ready) {
		size_t guests = 0;

		for (const struct vm *vm = c->discovery.vms.list; vm; vm = vm->next)
			guests += discovery_wanted(&c->discovery, vm);
		c->options->ready(c->options->context, guests);
	}
	c->swept = true;
}

static void tick(struct collector *c, uint64_t now)
{
	if (now < c->tick_ns || !output_room(c->output))
		return;
	c->tick_ns = now + RECORD_TICK_NS;
	tell_clock(c->output, output_sinks(c->output), RECORD_TICK);
	contents_rest(c->contents);
	if (now >= c->save_ns) {
		output_save(c->output);
		c->save_ns = now + SAVE_NS;
	}
}

static void accept_analyst(struct collector *c)
{
	if (output_accept(c->output) <= 0)
		return;
	watch(c, output_analyst_fd(c->output), EPOLLRDHUP, EVENT_ANALYST);
	c->writing = false;
	stream_begin(c, OUTPUT_ANALYST);
}

/* Another configuration is the analyst's, and whoever reads the trace. What the collector itself takes from it waits for its next start. */
static void reload(struct collector *c)
{
	const char *const *pairs = c->options->reload(c->options->context);
	struct buffer config = BUFFER_INIT;

	describe_config(&config, pairs);
	if (!pairs || buffer_failed(&config) ||
	    (config.size == c->config.size && (!config.size || !memcmp(config.data, c->config.data, config.size)))) {
		buffer_release(&config);
		return;
	}
	buffer_release(&c->config);
	c->config = config;
	tell_host(c->output, output_sinks(c->output), RECORD_CONFIG, &c->config);
}

/* An analyst says nothing, so what it could have written is left alone. */
static void analyst_event(struct collector *c, uint32_t events)
{
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		output_drop(c->output);
}

static int flush(struct collector *c, struct error *e)
{
	struct epoll_event event = { .data.u64 = (uint64_t)(int64_t)EVENT_ANALYST };
	int err = output_flush(c->output, e), fd = output_analyst_fd(c->output);
	bool writing = output_pending(c->output) > 0;

	if (!(output_sinks(c->output) & OUTPUT_ANALYST))
		c->unsynced &= ~OUTPUT_ANALYST;
	if (fd >= 0 && writing != c->writing) {
		event.events = EPOLLRDHUP | (writing ? EPOLLOUT : 0);
		epoll_ctl(c->epoll_fd, EPOLL_CTL_MOD, fd, &event);
		c->writing = writing;
	}
	return err;
}

static int wait_ms(const struct collector *c, uint64_t now)
{
	uint64_t next = c->drain_ns, reading = readings_due(&c->readings);

	if (c->drain && output_room(c->output))
		return 0;
	if (c->tick_ns < next)
		next = c->tick_ns;
	if (c->end_ns && c->end_ns < next)
		next = c->end_ns;
	if (reading && reading < next)
		next = reading;
	if (c->pass_due && c->pass_ns < next)
		next = c->pass_ns;
	for (const struct owner *o = c->discovery.vms.owners; o; o = o->next) {
		if (o->due_ns && o->due_ns < next)
			next = o->due_ns;
		if (o->vms && o->slots_due_ns && o->slots_due_ns < next)
			next = o->slots_due_ns;
	}
	/* Behind a slow analyst things are due and cannot be done: no reason to hurry. */
	if (!output_room(c->output))
		return DRAIN_NS / MS;
	return next <= now ? 0 : (int)((next - now) / MS) + 1;
}

/* Events; ended processes are told after what they left in the ring. */
static int turn(struct collector *c)
{
	enum { EVENTS = 64 };
	struct epoll_event events[EVENTS];
	int ended[EVENTS], ended_count = 0, n;

	n = epoll_wait(c->epoll_fd, events, EVENTS, wait_ms(c, tell_now()));
	if (n < 0 && errno != EINTR)
		return -errno;
	for (int i = 0; i < n; i++) {
		int event = (int)(int64_t)events[i].data.u64;

		switch (event) {
		case EVENT_KERNEL:
			c->drain = true;
			break;
		case EVENT_LISTEN:
			accept_analyst(c);
			break;
		case EVENT_STOP:
			c->stop = true;
			break;
		case EVENT_RELOAD:
			reload(c);
			break;
		case EVENT_READER:
			break; /* readings_work looks */
		case EVENT_ANALYST:
			analyst_event(c, events[i].events);
			break;
		default:
			ended[ended_count++] = event;
		}
	}
	if (ended_count)
		c->drain = true;
	if (output_room(c->output))
		drain(c, tell_now());
	while (ended_count)
		discovery_ended(&c->discovery, ended[--ended_count]);
	return 0;
}

static void work(struct collector *c)
{
	uint64_t now = tell_now();

	sweep(c, now);
	if (output_room(c->output))
		discovery_work(&c->discovery, now);
	/* Also behind a slow analyst: an answer that is left lying would wake the loop again and again, and seem to take too long. */
	readings_work(&c->readings, tell_now());
	count(c, now);
	if (c->discovery.compare)
		discovery_compare(&c->discovery);
	clean(c, tell_now());
	if (discovery_announce(&c->discovery)) {
		pass(c, tell_now());
		synced(c);
	}
	tell_stats(c, now);
	tick(c, now);
	if (c->end_ns && now >= c->end_ns)
		c->stop = true;
}

/* The last news, and what a full ring kept back: a trace ends with all that was seen until now. */
static void finish(struct collector *c)
{
	c->drain = c->discovery.ending = true;
	drain(c, tell_now());
	c->count_ns = c->pass_ns = 0;
	count(c, tell_now());
	/* What the kernel skipped is told with the look after that. */
	c->count_ns = 0;
	count(c, tell_now());
	if (c->discovery.compare)
		discovery_compare(&c->discovery);
	discovery_announce(&c->discovery);
	pass(c, tell_now());
	synced(c);
	tell_clock(c->output, output_sinks(c->output), RECORD_TICK);
}

int collector_run(struct collector *c, uint64_t *ret_records, struct error *e)
{
	int err = begin(c, e);

	if (err >= 0 && (output_sinks(c->output) & OUTPUT_TRACE))
		stream_begin(c, OUTPUT_TRACE);
	while (err >= 0 && !c->stop) {
		work(c);
		err = flush(c, e);
		if (c->options->alive)
			c->options->alive(c->options->context);
		if (err >= 0 && !c->stop) {
			err = turn(c);
			if (err < 0)
				error_set(e, -err, "waiting for events: %s", strerror(-err));
		}
	}
	if (err >= 0) {
		finish(c);
		err = output_finish(c->output, e);
	}
	if (err >= 0 && ret_records)
		*ret_records = output_trace_records(c->output);
	return err < 0 ? err : 0;
}

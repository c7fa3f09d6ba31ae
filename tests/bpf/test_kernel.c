/* SPDX-License-Identifier: Apache-2.0 */
/* What a user would lose: a guest that ran before abidrift, a slot of many, or news that nobody took. On VMs made here. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/kvm.h>
#include <linux/magic.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "userspace/base/error.h"
#include "userspace/collect/kernel.h"

#define PAGE 4096u
#define ENTRIES 3u
#define MANY_SLOTS 700u
/* linux/kvm.h has them since 6.8: KVM_CAP_VM_TYPES, KVM_X86_SW_PROTECTED_VM */
#define CAP_VM_TYPES 235
#define SW_PROTECTED_VM 1

static struct kernel *kernel;

static int begin(void **state)
{
	const struct kernel_options options = { .facts = 8192, .ring_bytes = 1 << 16, .turns = getenv("ABIDRIFT_TURNS") };
	struct error e = ERROR_INIT;
	int r;

	(void)state;
	r = kernel_new(&options, &kernel, &e);
	if (r < 0)
		print_message("skipped: %s\n", e.text);
	return 0;
}

static int end(void **state)
{
	(void)state;
	kernel_free(kernel);
	kernel = NULL;
	return 0;
}

static int kvm_or_skip(void)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (!kernel || fd < 0) {
		print_message("skipped: %s\n", kernel ? "no /dev/kvm" : "BPF is refused");
		if (fd >= 0)
			close(fd);
		skip();
	}
	return fd;
}

/* A VM with this many read-only slots of a page each, every second page; *ret_memory is for unmapping. */
static int vm_new(int kvm, unsigned slots, void **ret_memory)
{
	int vm = ioctl(kvm, KVM_CREATE_VM, 0);
	void *memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(vm >= 0 && memory != MAP_FAILED);
	for (unsigned i = 0; i < slots; i++) {
		struct kvm_userspace_memory_region region = {
			.slot = i, .flags = KVM_MEM_READONLY, .guest_phys_addr = 2ull * PAGE * i, .memory_size = PAGE,
			.userspace_addr = (uint64_t)(uintptr_t)memory,
		};

		assert_int_equal(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), 0);
	}
	*ret_memory = memory;
	return vm;
}

static int vcpu_new(int vm, int id)
{
	struct { struct kvm_cpuid2 head; struct kvm_cpuid_entry2 entries[ENTRIES]; } table = {
		.head.nent = ENTRIES,
		.entries = { { .function = 0, .eax = 2 }, { .function = 1, .eax = 0x663, .edx = (uint32_t)id }, { .function = 2, .index = 0, .ebx = 7 } },
	};
	int vcpu = ioctl(vm, KVM_CREATE_VCPU, id);

	assert_true(vcpu >= 0);
	assert_int_equal(ioctl(vcpu, KVM_SET_CPUID2, &table), 0);
	return vcpu;
}

/* The kernel's own word for a vCPU's table, which it may have edited. */
struct table {
	struct kvm_cpuid2 head;
	struct kvm_cpuid_entry2 entries[OBSERVE_CPUID_MAX];
};

static bool is_table(const struct table *t, const struct inventory_cpuid *head, const struct inventory_cpuid_entry *entries)
{
	bool same = head->count == t->head.nent && head->count >= ENTRIES;

	for (uint32_t i = 0; same && i < head->count; i++) {
		const struct kvm_cpuid_entry2 *e = &t->entries[i];
		const uint32_t regs[4] = { e->eax, e->ebx, e->ecx, e->edx };

		same = e->function == entries[i].function && e->index == entries[i].index && e->flags == entries[i].flags &&
			memcmp(regs, entries[i].regs, sizeof(regs)) == 0;
	}
	return same;
}

struct seen {
	struct table tables_by_kernel[2];
	int vm_fd; /* the one that is looked for */
	uint64_t kvm;
	struct inventory_vm vm;
	unsigned vms, vcpus, tables, slots, wrong;
	bool slot[MANY_SLOTS];
};

static int see(void *context, const struct inventory_header *h, const void *body)
{
	struct seen *s = context;

	if (h->type == INVENTORY_VM && h->fd == s->vm_fd) {
		s->vms++;
		s->kvm = h->kvm;
		memcpy(&s->vm, body, sizeof(s->vm));
	} else if (h->type == INVENTORY_SLOT && h->fd == s->vm_fd) {
		const struct inventory_slot *slot = body;

		s->slots++;
		if (slot->id >= MANY_SLOTS || slot->gpa != 2ull * PAGE * slot->id || slot->bytes != PAGE || slot->flags != KVM_MEM_READONLY ||
		    slot->generation != s->vm.slots_generation || s->slot[slot->id])
			s->wrong++;
		else
			s->slot[slot->id] = true;
	} else if (h->type == INVENTORY_VCPU) {
		const struct inventory_vcpu *vcpu = body;

		s->vcpus++;
		s->wrong += vcpu->vcpu_id > 1 || vcpu->cpuid_entries != s->tables_by_kernel[vcpu->vcpu_id].head.nent || vcpu->tid != 0;
	} else if (h->type == INVENTORY_CPUID) {
		const struct inventory_cpuid *head = body;
		const struct inventory_cpuid_entry *entries = (const void *)(head + 1);

		s->tables++;
		s->wrong += head->vcpu_id > 1 || !is_table(&s->tables_by_kernel[head->vcpu_id], head, entries);
	}
	return 0;
}

static void all_of_a_vm_that_never_ran_is_found(void **state)
{
	int kvm = kvm_or_skip(), vm, vcpus[2];
	struct seen s = { 0 };
	void *memory;

	(void)state;
	vm = vm_new(kvm, 3, &memory);
	vcpus[0] = vcpu_new(vm, 0);
	vcpus[1] = vcpu_new(vm, 1);
	for (unsigned i = 0; i < 2; i++) {
		s.tables_by_kernel[i].head.nent = OBSERVE_CPUID_MAX;
		assert_int_equal(ioctl(vcpus[i], KVM_GET_CPUID2, &s.tables_by_kernel[i]), 0);
	}
	s.vm_fd = vm;
	assert_int_equal(kernel_inventory(kernel, (uint32_t)getpid(), KERNEL_WANT_ALL, see, &s), 0);
	assert_int_equal(s.vms, 1);
	assert_int_equal(s.vcpus, 2);
	assert_int_equal(s.tables, 2);
	assert_int_equal(s.slots, 3);
	assert_int_equal(s.vm.slots, 3);
	assert_int_equal(s.vm.online_vcpus, 2);
	assert_int_equal(s.vm.is_private, 0);
	assert_int_equal(s.wrong, 0);
	/* A process that is not there has none. */
	memset(&s, 0, sizeof(s));
	assert_int_equal(kernel_inventory(kernel, 0x3ffffff, KERNEL_WANT_ALL, see, &s), 0);
	assert_int_equal(s.vms + s.vcpus + s.tables + s.slots, 0);
	close(vcpus[0]);
	close(vcpus[1]);
	close(vm);
	close(kvm);
	munmap(memory, PAGE);
}

/* Its memory would be read for tables otherwise, and what comes back is none of the guest's. */
static void a_guest_with_private_memory_is_told(void **state)
{
	int kvm = kvm_or_skip(), vm, types = ioctl(kvm, KVM_CHECK_EXTENSION, CAP_VM_TYPES);
	struct seen s = { 0 };

	(void)state;
	if (types < 0 || !(types & 1 << SW_PROTECTED_VM)) {
		close(kvm);
		print_message("skipped: this KVM has no VMs with private memory\n");
		skip();
	}
	vm = ioctl(kvm, KVM_CREATE_VM, SW_PROTECTED_VM);
	assert_true(vm >= 0);
	s.vm_fd = vm;
	assert_int_equal(kernel_inventory(kernel, (uint32_t)getpid(), KERNEL_WANT_VMS, see, &s), 0);
	assert_int_equal(s.vms, 1);
	assert_int_equal(s.vm.is_private, 1);
	close(vm);
	close(kvm);
}

static void hundreds_of_slots_come_whole(void **state)
{
	int kvm = kvm_or_skip(), vm;
	struct seen s = { 0 };
	void *memory;

	(void)state;
	vm = vm_new(kvm, MANY_SLOTS, &memory);
	s.vm_fd = vm;
	/* All processes, and this one. */
	for (unsigned pass = 0; pass < 2; pass++) {
		memset(&s, 0, sizeof(s));
		s.vm_fd = vm;
		assert_int_equal(kernel_inventory(kernel, pass ? (uint32_t)getpid() : 0, KERNEL_WANT_VMS | KERNEL_WANT_SLOTS, see, &s), 0);
		assert_int_equal(s.vms, 1);
		assert_int_equal(s.slots, MANY_SLOTS);
		assert_int_equal(s.vm.slots, MANY_SLOTS);
		assert_int_equal(s.wrong, 0);
	}
	close(vm);
	close(kvm);
	munmap(memory, PAGE);
}

static int refuse(void *context, const struct observe_news *news)
{
	/* Other guests of this host are none of this test's. */
	if (news->tgid != (uint32_t)getpid())
		return 0;
	++*(int *)context;
	return -EAGAIN;
}

static int take(void *context, const struct observe_news *news)
{
	struct observe_news *last = context;

	if (news->tgid == (uint32_t)getpid())
		*last = *news;
	return 0;
}

static int forget_mine(void *context, const struct observe_vm *vm)
{
	if (vm->tgid == (uint32_t)getpid())
		*(struct observe_vm *)context = *vm;
	return 0;
}

/* A VM that never ran and is made again at the same address is taken for the same one: what earlier tests left has to go. */
static void start_anew(void)
{
	struct observe_vm mine;

	do {
		memset(&mine, 0, sizeof(mine));
		assert_true(kernel_vms(kernel, forget_mine, &mine) >= 0);
		if (mine.vm)
			kernel_forget(kernel, mine.kvm, mine.vm);
	} while (mine.vm);
}

static void news_that_was_not_taken_comes_again(void **state)
{
	int kvm = kvm_or_skip(), vm, vcpu, refused = 0;
	struct observe_news last = { 0 };
	struct observe_vm seen;
	void *memory;

	(void)state;
	start_anew();
	while (kernel_drain(kernel, take, &last, 0) > 0)
		;
	memset(&last, 0, sizeof(last));
	vm = vm_new(kvm, 1, &memory);
	vcpu = vcpu_new(vm, 0);
	assert_int_equal(kernel_drain(kernel, refuse, &refused, 0), -EAGAIN);
	assert_int_equal(kernel_drain(kernel, refuse, &refused, 0), -EAGAIN);
	assert_int_equal(refused, 2);
	while (!last.type)
		assert_int_equal(kernel_drain(kernel, take, &last, 1), 1);
	assert_int_equal(last.type, OBSERVE_NEWS_VM);
	assert_int_equal(last.reason, OBSERVE_REASON_CREATED);
	assert_true(kernel_drain(kernel, take, &last, 0) >= 1);
	assert_int_equal(last.type, OBSERVE_NEWS_VCPU);
	assert_int_equal(kernel_vm_get(kernel, last.kvm, &seen), 0);
	assert_int_equal(seen.vm, last.key.vm);
	/* The inventory finds the VM with the same id. */
	assert_int_equal(kernel_vm_add(kernel, last.kvm, (uint32_t)getpid(), &seen), 0);
	assert_int_equal(seen.vm, last.key.vm);
	assert_int_equal(kernel_forget(kernel, last.kvm, last.key.vm + 1), 0);
	assert_int_equal(kernel_vm_get(kernel, last.kvm, &seen), 0);
	assert_int_equal(kernel_forget(kernel, last.kvm, last.key.vm), 0);
	assert_int_equal(kernel_vm_get(kernel, last.kvm, &seen), -ENOENT);
	close(vcpu);
	close(vm);
	close(kvm);
	munmap(memory, PAGE);
}

static void a_window_can_be_told_for_any_vm(void **state)
{
	(void)state;
	if (!kernel)
		skip();
	assert_int_equal(kernel_ecam_set(kernel, 7, 0, 0), 0);
	assert_int_equal(kernel_ecam_set(kernel, 7, 0xb0000000, 256u << 20), 0);
	assert_int_equal(kernel_ecam_set(kernel, 7, 0xb0000000, 256u << 20), 0);
	assert_int_equal(kernel_ecam_set(kernel, 7, 0, 0), 0);
	assert_int_equal(kernel_ecam_set(kernel, 7, 0xe0000000, 64u << 20), 0);
	assert_int_equal(kernel_forget(kernel, 0, 7), 0);
}

static void what_cannot_be_seen_has_a_reason(void **state)
{
	uint64_t counters[OBSERVE_COUNTERS], entries;
	struct kernel_missed missed;

	(void)state;
	if (!kernel)
		skip();
	assert_null(kernel_blind(kernel, OBSERVE_MSR));
	assert_int_equal(kernel_counters(kernel, counters), 0);
	assert_int_equal(kernel_missed(kernel, &missed), 0);
	assert_int_equal(kernel_capacity(kernel, &entries), 0);
	assert_int_equal(entries, 8192);
}

/* Descriptors of this process that are links to a raw tracepoint; *ret_one: one of them. */
static unsigned links_count(int *ret_one)
{
	char path[64], line[256];
	unsigned count = 0;

	for (int fd = 0; fd < 256; fd++) {
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
		f = fopen(path, "re");
		while (f && fgets(line, sizeof(line), f))
			if (strstr(line, "link_type:") && strstr(line, "raw_tracepoint")) {
				*ret_one = fd;
				count++;
			}
		if (f)
			fclose(f);
	}
	return count;
}

static void what_was_detached_is_attached_again(void **state)
{
	int kvm = kvm_or_skip(), one = -1, other = -1, nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	unsigned links = links_count(&one);

	(void)state;
	assert_true(nothing >= 0 && links > 0);
	assert_false(kernel_check(kernel));
	/* The link's last descriptor is gone, and so is the link. */
	assert_int_equal(dup2(nothing, one), one);
	assert_int_equal(links_count(&other), links - 1);
	assert_true(kernel_check(kernel));
	assert_int_equal(links_count(&other), links);
	assert_null(kernel_blind(kernel, OBSERVE_CPUID));
	assert_null(kernel_blind(kernel, OBSERVE_PORT));
	assert_false(kernel_check(kernel));
	close(nothing);
	close(kvm);
}

struct of_us {
	struct observe_vm vm;
	int count;
};

static int look_for_us(void *context, const struct observe_vm *seen)
{
	struct of_us *us = context;

	if (seen->tgid == (uint32_t)getpid()) {
		us->vm = *seen;
		us->count++;
	}
	return 0;
}

/* Guests of others run on this host, too. */
static int only_vm(struct kernel *k, struct observe_vm *ret)
{
	struct of_us us = { .count = 0 };

	assert_int_equal(kernel_vms(k, look_for_us, &us), 0);
	*ret = us.vm;
	return us.count;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static struct kernel *pinned_new(const char *folder)
{
	const struct kernel_options options = { .facts = 8192, .ring_bytes = 1 << 16, .turns = getenv("ABIDRIFT_TURNS"), .pin = folder };
	struct error e = ERROR_INIT;
	struct kernel *k = NULL;

	if (kernel_new(&options, &k, &e) < 0)
		fail_msg("%s", e.text);
	return k;
}

static bool no_bpffs(void)
{
	struct statfs where;

	return statfs("/sys/fs/bpf", &where) < 0 || where.f_type != BPF_FS_MAGIC || access("/sys/fs/bpf", W_OK) < 0;
}

/* A guest that comes, and one that is known already goes on under its name; of two that want one set, one works alone. */
static void a_set_is_taken_over_by_one(void **state)
{
	char root[64], folder[96];
	struct kernel *first, *second;
	struct observe_vm seen, again;
	int kvm = kvm_or_skip(), vm, vcpu;
	void *memory;

	(void)state;
	if (no_bpffs()) {
		close(kvm);
		print_message("skipped: no BPF filesystem\n");
		skip();
	}
	snprintf(root, sizeof(root), "/sys/fs/bpf/abidrift-test-%d", getpid());
	snprintf(folder, sizeof(folder), "%s/0123456789abcdef", root);
	first = pinned_new(folder);
	assert_true(kernel_pinned(first));
	assert_string_equal(kernel_notes(first), "");
	second = pinned_new(folder);
	assert_false(kernel_pinned(second));
	assert_non_null(strstr(kernel_notes(second), "another abidrift works with"));
	kernel_free(second);
	kernel_free(first);

	/* Nobody is there: the kernel side is. */
	vm = vm_new(kvm, 1, &memory);
	vcpu = vcpu_new(vm, 0);
	first = pinned_new(folder);
	assert_true(kernel_pinned(first));
	assert_non_null(strstr(kernel_notes(first), "taken over"));
	assert_int_equal(only_vm(first, &seen), 1);
	assert_int_equal(seen.reason, OBSERVE_REASON_CREATED);
	kernel_free(first);
	first = pinned_new(folder);
	assert_int_equal(only_vm(first, &again), 1);
	assert_memory_equal(&seen, &again, sizeof(seen));
	kernel_free(first);
	munmap(memory, PAGE);
	close(vcpu);
	close(vm);
	close(kvm);
	assert_int_equal(nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* Another monitor starts, and ends. */
static void another_starts(const char *folder)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		kernel_free(pinned_new(folder));
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void a_set_whose_collector_is_started_again_is_not_left_behind(void **state)
{
	char root[64], ours[96], theirs[96], about[112], facts[112];
	int held;

	(void)state;
	if (!kernel || no_bpffs()) {
		print_message("skipped: BPF is refused, or there is no BPF filesystem\n");
		skip();
	}
	snprintf(root, sizeof(root), "/sys/fs/bpf/abidrift-test-%d", getpid());
	snprintf(ours, sizeof(ours), "%s/0123456789abcdef", root);
	snprintf(theirs, sizeof(theirs), "%s/fedcba9876543210", root);
	held = kernel_pins_hold(ours);
	assert_true(held >= 0);
	kernel_free(pinned_new(ours));
	/* One that says nothing of itself does not stay for its monitor to come back, unless somebody holds it. */
	snprintf(about, sizeof(about), "%s/about", ours);
	snprintf(facts, sizeof(facts), "%s/facts", ours);
	assert_int_equal(unlink(about), 0);
	another_starts(theirs);
	assert_int_equal(access(facts, F_OK), 0);
	close(held);
	another_starts(theirs);
	assert_int_not_equal(access(facts, F_OK), 0);
	assert_int_equal(nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_detached_is_attached_again),
		cmocka_unit_test(all_of_a_vm_that_never_ran_is_found),
		cmocka_unit_test(a_guest_with_private_memory_is_told),
		cmocka_unit_test(hundreds_of_slots_come_whole),
		cmocka_unit_test(news_that_was_not_taken_comes_again),
		cmocka_unit_test(a_window_can_be_told_for_any_vm),
		cmocka_unit_test(what_cannot_be_seen_has_a_reason),
		cmocka_unit_test(a_set_is_taken_over_by_one),
		cmocka_unit_test(a_set_whose_collector_is_started_again_is_not_left_behind),
	};

	return cmocka_run_group_tests(tests, begin, end);
}

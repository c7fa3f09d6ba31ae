/* SPDX-License-Identifier: Apache-2.0 */
/* What the collector puts together and compares: inventory, VMs, shadow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "userspace/base/buffer.h"
#include "userspace/collect/host.h"
#include "userspace/collect/inventory.h"
#include "userspace/collect/shadow.h"
#include "userspace/collect/vms.h"

#define KVM 0xffff888000001000ull

static void add(struct inventory *i, uint32_t type, int fd, const void *body, uint32_t bytes)
{
	struct inventory_header h = { .type = type, .bytes = bytes, .kvm = KVM, .vm = 7, .tgid = 42, .fd = fd };

	assert_int_equal(inventory_add(i, &h, body), 0);
}

static void add_vm(struct inventory *i, int fd, uint64_t generation, uint32_t slots)
{
	struct inventory_vm vm = { .slots_generation = generation, .online_vcpus = 1, .slots = slots };

	add(i, INVENTORY_VM, fd, &vm, sizeof(vm));
}

static void add_slot(struct inventory *i, uint16_t id, uint16_t as_id, uint64_t gpa, uint64_t generation)
{
	struct inventory_slot slot = { .gpa = gpa, .bytes = 4096, .id = id, .as_id = as_id, .generation = generation };

	add(i, INVENTORY_SLOT, 5, &slot, sizeof(slot));
}

static void add_vcpu(struct inventory *i, uint32_t vcpu_id, uint32_t tid, uint32_t eax)
{
	struct inventory_vcpu vcpu = { .vcpu_id = vcpu_id, .tid = tid, .tsc_written_ns = 99 };
	struct { struct inventory_cpuid c; struct inventory_cpuid_entry e; } table = { { vcpu_id, 1 }, { .function = 1, .regs = { eax } } };

	add(i, INVENTORY_VCPU, 6, &vcpu, sizeof(vcpu));
	add(i, INVENTORY_CPUID, 6, &table, sizeof(table));
}

static struct inventory whole(uint32_t eax)
{
	struct inventory i = INVENTORY_INIT;

	add_vcpu(&i, 1, 101, eax);
	add_vcpu(&i, 0, 100, eax);
	add_vm(&i, 5, 3, 2);
	add_slot(&i, 1, 0, 0x100000, 3);
	add_slot(&i, 0, 0, 0, 3);
	assert_int_equal(inventory_finish(&i), 0);
	return i;
}

static void test_a_vm_with_two_descriptors_is_one_vm_with_each_slot_once(void **state)
{
	struct inventory i = INVENTORY_INIT;

	(void)state;
	for (int fd = 9; fd > 7; fd--) {
		add_vm(&i, fd, 3, 2);
		add_slot(&i, 1, 0, 0x100000, 3);
		add_slot(&i, 0, 0, 0, 3);
		add_slot(&i, 0, 1, 0, 3);
	}
	assert_int_equal(inventory_finish(&i), 0);
	assert_int_equal(i.count, 1);
	assert_int_equal(i.vms[0].fd, 8);
	assert_int_equal(i.vms[0].slot_count, 2);
	assert_int_equal(i.vms[0].slots[0].gpa, 0);
	assert_true(found_slots_complete(&i.vms[0]));
	inventory_release(&i);
}

static void test_slots_that_changed_while_they_were_read_are_not_taken_for_the_memory_layout(void **state)
{
	struct inventory i = INVENTORY_INIT;

	(void)state;
	add_vm(&i, 5, 3, 2);
	add_slot(&i, 0, 0, 0, 3);
	add_slot(&i, 1, 0, 0x100000, 4);
	assert_int_equal(inventory_finish(&i), 0);
	assert_false(found_slots_complete(&i.vms[0]));
	inventory_release(&i);
}

static void test_malformed_inventory_records_are_left_out(void **state)
{
	struct inventory i = INVENTORY_INIT;
	struct inventory_cpuid huge = { 0, 1000000 };

	(void)state;
	add(&i, INVENTORY_CPUID, 6, &huge, sizeof(huge));
	add(&i, 77, 6, &huge, sizeof(huge));
	add(&i, INVENTORY_VM, 6, &huge, 4);
	assert_int_equal(inventory_finish(&i), 0);
	assert_int_equal(i.count, 1);
	assert_int_equal(i.vms[0].vcpu_count, 0);
	inventory_release(&i);
}

static void test_a_changed_table_is_told_and_an_unchanged_one_is_not(void **state)
{
	struct inventory i = whole(1);
	struct owner owner = { .process = PROCESS_INIT };
	struct observe_vm seen = { .vm = 7, .kvm = KVM, .boot = 1 };
	struct vms vms = { 0 };
	struct vm *vm;

	(void)state;
	assert_true(found_settled(&i.vms[0]));
	assert_int_equal(vms_add(&vms, &seen, &owner, &vm), 0);
	assert_ptr_equal(vms_find(&vms, 7), vm);
	assert_ptr_equal(vms_find_kvm(&vms, KVM), vm);
	assert_int_equal(vm_update(vm, &i.vms[0], 1), 0);
	assert_int_equal(vm->table_count, 2);
	assert_int_equal(vm->tables[0].vcpu_id, 0);
	assert_true(vm->tables[0].dirty && vm->tables[0].ran);
	assert_int_equal(vm->dirty, VM_DIRTY_VM | VM_DIRTY_BOOT | VM_DIRTY_SLOTS | VM_DIRTY_PARTS);
	assert_int_equal(vm->token, 99);
	vm->dirty = 0;
	vm->tables[0].dirty = vm->tables[1].dirty = false;
	assert_int_equal(vm_update(vm, &i.vms[0], 1), 0);
	assert_int_equal(vm->dirty, 0);
	assert_false(vm->tables[0].dirty || vm->tables[1].dirty);
	inventory_release(&i);
	i = whole(2);
	assert_int_equal(vm_update(vm, &i.vms[0], 1), 0);
	assert_true(vm->tables[0].dirty && vm->tables[1].dirty && (vm->dirty & VM_DIRTY_PARTS));
	vm->tables[0].dirty = vm->tables[1].dirty = false;
	vm->dirty = 0;
	/* A new boot: all of it again. */
	vm_boot(vm, 2, OBSERVE_REASON_VMM, true, 5);
	assert_true(vm->tables[0].dirty && (vm->dirty & VM_DIRTY_PARTS) && (vm->dirty & VM_DIRTY_SLOTS) && (vm->dirty & VM_DIRTY_BOOT));
	assert_int_equal(vm->token, 0);
	vms_remove(&vms, vm);
	assert_null(vms_find(&vms, 7));
	inventory_release(&i);
}

static struct inventory with_slots(unsigned slots, uint64_t generation)
{
	struct inventory i = INVENTORY_INIT;

	add_vm(&i, 5, generation, slots);
	for (unsigned id = 0; id < slots; id++)
		add_slot(&i, (uint16_t)id, 0, id * 4096, generation);
	assert_int_equal(inventory_finish(&i), 0);
	return i;
}

static size_t slots_told(struct vm *vm, unsigned slots, uint64_t generation, uint64_t now)
{
	struct inventory i = with_slots(slots, generation);

	assert_int_equal(vm_update(vm, &i.vms[0], now), 0);
	inventory_release(&i);
	return vm->slot_count;
}

/* QEMU takes all of a guest's RAM away and gives it back when firmware switches a page: an alarm of lost memory would follow. */
static void test_memory_that_is_away_for_a_moment_is_not_lost(void **state)
{
	struct owner owner = { .process = PROCESS_INIT };
	struct observe_vm seen = { .vm = 7, .kvm = KVM, .boot = 1 };
	struct vms vms = { 0 };
	struct vm *vm;

	(void)state;
	assert_int_equal(vms_add(&vms, &seen, &owner, &vm), 0);
	assert_int_equal(slots_told(vm, 3, 1, 1000), 3);
	vm->dirty = 0;
	assert_int_equal(slots_told(vm, 1, 2, 2000), 3);
	assert_int_equal(slots_told(vm, 1, 2, 3000), 3);
	assert_true(vm->doubt_ns && !vm->dirty);
	/* It is back: the doubt is over, and begins anew the next time. */
	assert_int_equal(slots_told(vm, 3, 3, 2000 + VM_DOUBT_NS), 3);
	assert_true(!vm->doubt_ns && !vm->dirty);
	assert_int_equal(slots_told(vm, 2, 4, 3000 + VM_DOUBT_NS), 3);
	/* What stays away is gone, and what comes is told at once. */
	assert_int_equal(slots_told(vm, 2, 4, 3000 + 2 * VM_DOUBT_NS), 2);
	assert_true(!vm->doubt_ns && (vm->dirty & VM_DIRTY_SLOTS));
	assert_int_equal(slots_told(vm, 4, 5, 3001 + 2 * VM_DOUBT_NS), 4);
	vms_remove(&vms, vm);
}

static void test_a_sweep_finds_what_the_ring_dropped_and_repeats_nothing(void **state)
{
	struct shadow s = { .seed = 11 };
	struct observe_key key = { .vm = 7, .kind = OBSERVE_PORT, .width = 1 };
	struct observe_value value = { .boot = 1, .flags = OBSERVE_ANSWERED };

	(void)state;
	for (uint32_t n = 0; n < 3000; n++) {
		key.selector = n;
		value.data[0] = n;
		assert_true(shadow_note(&s, &key, &value));
	}
	for (uint32_t n = 0; n < 3000; n++) {
		key.selector = n;
		value.data[0] = n + (n == 1234);
		assert_int_equal(shadow_note(&s, &key, &value), n == 1234);
	}
	/* What turned out to be state is not sent for its value, only once a boot. */
	value.flags |= OBSERVE_VOLATILE;
	assert_true(shadow_note(&s, &key, &value));
	value.data[0]++;
	assert_false(shadow_note(&s, &key, &value));
	value.boot = 2;
	assert_true(shadow_note(&s, &key, &value));
	shadow_release(&s);
}

static void test_the_host_cpu_is_told_by_its_first_processor(void **state)
{
	char text[] = "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 85\nmodel name\t: Xeon: Gold\n"
		      "stepping\t: 7\nmicrocode\t: 0x5003604\n\nprocessor\t: 1\nvendor_id\t: Other\n";
	struct buffer pairs = BUFFER_INIT;

	(void)state;
	host_describe_cpu(text, &pairs);
	assert_string_equal(record_pair_get(pairs.data, pairs.size, "cpu.vendor"), "GenuineIntel");
	assert_string_equal(record_pair_get(pairs.data, pairs.size, "cpu.model"), "Xeon: Gold");
	assert_string_equal(record_pair_get(pairs.data, pairs.size, "cpu.signature"), "6-85-7");
	assert_string_equal(record_pair_get(pairs.data, pairs.size, "cpu.microcode"), "0x5003604");
	buffer_release(&pairs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_vm_with_two_descriptors_is_one_vm_with_each_slot_once),
		cmocka_unit_test(test_slots_that_changed_while_they_were_read_are_not_taken_for_the_memory_layout),
		cmocka_unit_test(test_malformed_inventory_records_are_left_out),
		cmocka_unit_test(test_a_changed_table_is_told_and_an_unchanged_one_is_not),
		cmocka_unit_test(test_memory_that_is_away_for_a_moment_is_not_lost),
		cmocka_unit_test(test_a_sweep_finds_what_the_ring_dropped_and_repeats_nothing),
		cmocka_unit_test(test_the_host_cpu_is_told_by_its_first_processor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Creations and resets. No tracepoint tells them, but kvm_write_tsc_offset (vcpu_id, previous, next) fires when a vCPU is
 * created, and when a VMM writes the state after a reset into it; hardly ever otherwise.
 */
#include "facts.bpf.h"
#include "turns.bpf.h"

#define EXIT_SHUTDOWN 8      /* KVM_EXIT_SHUTDOWN: triple fault */
#define EXIT_SYSTEM_EVENT 24 /* KVM_EXIT_SYSTEM_EVENT */

static __always_inline bool vcpu_ran(__u64 vcpu)
{
	struct kvm_vcpu *v = (void *)vcpu;

	return testing ? fake.ran : BPF_CORE_READ(v, pid) != NULL;
}

static __always_inline __u32 vcpu_index(__u64 vcpu)
{
	struct kvm_vcpu *v = (void *)vcpu;

	return testing ? fake.vcpu_idx : (__u32)BPF_CORE_READ(v, vcpu_idx);
}

static __always_inline __u32 vcpus_online(__u64 kvm)
{
	struct kvm *k = (void *)kvm;

	return testing ? fake.online : (__u32)BPF_CORE_READ(k, online_vcpus.counter);
}

/*
 * The VM that had this address before had run, or belonged to another process: this is another one. Not so where another
 * vCPU of this very VM ran before its first one did; a VMM can do that as often as it likes.
 */
static __always_inline bool is_recreated(struct subject *s)
{
	struct vm_state *vm = s->vm;

	if (!vm || is_anothers(s))
		return true;
	if (!(vm->seen.flags & OBSERVE_VM_RAN) && vm->seen.boot <= 1)
		return false;
	return vcpus_online(s->kvm) <= 1 || s->now - vm->seen.created_ns > RECREATED_NS;
}

/* A vCPU that never ran: it is being created, or the VMM (QEMU: three times) writes its first state. */
static __noinline int created(struct subject *s)
{
	struct vm_state *vm = s->vm;

	if (vcpu_index(s->vcpu) == 0) {
		if (is_recreated(s)) {
			vm_begin(s, OBSERVE_REASON_CREATED, true);
		} else if (vm && !(vm->seen.flags & (OBSERVE_VM_FROM_RESET | OBSERVE_VM_RAN))) {
			/* The inventory was quicker: it could not know how this VM began. */
			vm->seen.flags |= OBSERVE_VM_FROM_RESET;
			vm->seen.reason = OBSERVE_REASON_CREATED;
			signal_vm(s, OBSERVE_NEWS_VM);
		}
	} else if (!vm) {
		vm_begin(s, OBSERVE_REASON_FOUND, false);
	}
	return s->vm ? signal_vm(s, OBSERVE_NEWS_VCPU) : 0;
}

/* A VM that was found running had run before, whether it has shown anything since or not. */
static __always_inline bool ran_in_boot(const struct vm_state *vm)
{
	return (vm->seen.flags & OBSERVE_VM_RAN) || (vm->seen.boot == 1 && vm->seen.reason == OBSERVE_REASON_FOUND);
}

ON("kvm_write_tsc_offset", resets, TURNS_RESETS)
{
	__u64 vcpu = current_vcpu_read();
	__u32 reason = OBSERVE_REASON_VMM;
	struct subject s;

	if (!subject_of(&s, vcpu))
		return 0;
	if (!vcpu_ran(vcpu))
		return created(&s);
	if (!s.vm || !ran_in_boot(s.vm) || s.vcpu_id != boot_vcpu_id(s.kvm) || !vcpu_at_reset_vector(vcpu))
		return 0;
	if (s.vm->seen.flags & VM_STATE_SHUTDOWN)
		reason = OBSERVE_REASON_SHUTDOWN;
	else if (s.vm->seen.flags & OBSERVE_VM_PENDING)
		reason = OBSERVE_REASON_PORT;
	return boot_begin(&s, reason);
}

/* (reason, errno): at the end of every KVM_RUN. */
ON("kvm_userspace_exit", shutdowns, TURNS_SHUTDOWNS)
{
	__u32 reason = ctx->args[0];
	struct subject s;
	__u64 vcpu;

	if ((reason != EXIT_SHUTDOWN && reason != EXIT_SYSTEM_EVENT) || (__s32)ctx->args[1] < 0)
		return 0;
	vcpu = vcpu_of_thread();
	/* Not enter(): a VMM that runs a vCPU on after its shutdown without resetting it gets the same exit again. */
	if (!subject_of(&s, vcpu ? vcpu : current_vcpu_read()) || !s.vm || s.vm->seen.tgid != s.tgid)
		return 0;
	s.vm->suspect = s.vcpu;
	s.vm->seen.flags |= reason == EXIT_SHUTDOWN ? VM_STATE_SHUTDOWN : OBSERVE_VM_PENDING;
	forget_caches();
	return 0;
}

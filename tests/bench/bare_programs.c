/* SPDX-License-Identifier: Apache-2.0 */
/* An empty program on each tracepoint that abidrift's hang on, until its input ends: what the kernel itself takes to call any program there. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "tests/bench/cost.skel.h"

static const char *const tracepoints[] = { "kvm_cpuid", "kvm_pio", "kvm_mmio", "kvm_fast_mmio", "kvm_msr", "kvm_write_tsc_offset", "kvm_userspace_exit" };
#define TRACEPOINTS (sizeof(tracepoints) / sizeof(*tracepoints))

/* One that this kernel lacks costs nothing. */
static int attach(const struct bpf_program *program, struct bpf_link **links)
{
	for (size_t i = 0; i < TRACEPOINTS; i++) {
		links[i] = bpf_program__attach_raw_tracepoint(program, tracepoints[i]);
		if (!links[i] && errno != ENOENT)
			return -errno;
	}
	return 0;
}

int main(void)
{
	struct bpf_link *links[TRACEPOINTS] = { NULL };
	struct cost_bpf *cost = cost_bpf__open_and_load();
	int r = cost ? attach(cost->progs.empty, links) : -errno;
	char end;

	if (r == 0) {
		printf("attached\n");
		fflush(stdout);
		while (read(STDIN_FILENO, &end, 1) > 0)
			;
	} else {
		fprintf(stderr, "bare_programs: %s\n", strerror(-r));
	}
	for (size_t i = 0; i < TRACEPOINTS; i++)
		bpf_link__destroy(links[i]);
	cost_bpf__destroy(cost);
	return r < 0;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where emulated network adapters show their MAC address: the programs keep reads of these bytes, userspace/abi/nics.c puts
 * them together. Included after observe.h.
 *
 * Sources: Intel 8254x software developer's manual 13.4.60 (RAL, RAH); Realtek RTL8139 data sheet, 5 (IDR0-5); AMD Am79C970A data
 * sheet, "APROM"; virtio 1.1, 4.1.4.8 (legacy: device configuration behind the MSI-X vectors where MSI-X is on) and 5.1.4;
 * QEMU hw/net/vmxnet3.h (BAR1 MACL, MACH).
 */
#ifndef ABIDRIFT_BPF_NIC_REGISTERS_H
#define ABIDRIFT_BPF_NIC_REGISTERS_H

#include "observe.h"

/* A run of MAC bytes at one place. An adapter may have several: pieces of one address, or another place for it. */
struct nic_registers {
	__u32 id;      /* device << 16 | vendor */
	__u16 offset;  /* in the BAR */
	__u8 bar;
	__u8 space;    /* enum observe_space */
	__u8 bytes;
	__u8 mac_byte; /* which byte of the address is at `offset` */
	__u8 width;    /* only accesses of so many bytes mean this; 0 = any */
	__u8 place;    /* pieces of one place have one number; the lowest whole place counts */
};

#define NIC_ID(vendor, device) ((__u32)(device) << 16 | (vendor))
#define NIC_VIRTIO_TRANSITIONAL NIC_ID(0x1af4, 0x1000)
#define NIC_VIRTIO NIC_ID(0x1af4, 0x1041)
#define NIC_REGISTERS 14
#define NIC_MAC_BYTES 6

static const struct nic_registers nic_registers[NIC_REGISTERS] = {
	{ NIC_ID(0x8086, 0x1008), 0x5400, 0, OBSERVE_SPACE_MEMORY, 6, 0, 0, 0 }, /* 82544GC */
	{ NIC_ID(0x8086, 0x100e), 0x5400, 0, OBSERVE_SPACE_MEMORY, 6, 0, 0, 0 }, /* 82540EM: e1000 */
	{ NIC_ID(0x8086, 0x100f), 0x5400, 0, OBSERVE_SPACE_MEMORY, 6, 0, 0, 0 }, /* 82545EM */
	{ NIC_ID(0x8086, 0x10d3), 0x5400, 0, OBSERVE_SPACE_MEMORY, 6, 0, 0, 0 }, /* 82574L: e1000e */
	{ NIC_ID(0x8086, 0x10c9), 0x5400, 0, OBSERVE_SPACE_MEMORY, 6, 0, 0, 0 }, /* 82576: igb */
	{ NIC_ID(0x10ec, 0x8139), 0x00, 0, OBSERVE_SPACE_PORT, 6, 0, 0, 0 },
	{ NIC_ID(0x10ec, 0x8139), 0x00, 1, OBSERVE_SPACE_MEMORY, 6, 0, 0, 1 },
	{ NIC_ID(0x1022, 0x2000), 0x00, 0, OBSERVE_SPACE_PORT, 6, 0, 0, 0 },
	{ NIC_ID(0x1022, 0x2000), 0x00, 1, OBSERVE_SPACE_MEMORY, 6, 0, 0, 1 },
	{ NIC_ID(0x15ad, 0x07b0), 0x28, 1, OBSERVE_SPACE_MEMORY, 4, 0, 4, 0 }, /* vmxnet3 */
	{ NIC_ID(0x15ad, 0x07b0), 0x30, 1, OBSERVE_SPACE_MEMORY, 2, 4, 4, 0 },
	/* Legacy virtio: two vectors are before the configuration while MSI-X is on, and are read as words. */
	{ NIC_VIRTIO_TRANSITIONAL, 0x14, 0, OBSERVE_SPACE_PORT, 6, 0, 1, 0 },
	{ NIC_VIRTIO_TRANSITIONAL, 0x18, 0, OBSERVE_SPACE_PORT, 6, 0, 1, 1 },
	{ 0, 0, 0, 0, 0, 0, 0, 0 },
};

#endif

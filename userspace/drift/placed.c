/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/drift/placed.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/options.h"
#include "userspace/base/buffer.h"
#include "userspace/base/glob.h"
#include "userspace/drift/elements.h"

#define ROOT_FUNCTION_BYTES 12u /* "0000:00:04.0" */
#define HOP_BYTES 5u            /* "/00.0" */

/*
 * What QEMU calls a device and the ids that it answers. Sources: QEMU 5.2 to 10.0, docs/specs/pci-ids, include/hw/pci/pci_ids.h and
 * the devices' own PCI class data; virtio 1.2, 4.1.2.1 (0x1040 and the device's type; transitional ones from 0x1000).
 */
struct kind {
	const char *factor;
	const char *driver; /* glob */
	const char *ids;    /* glob */
};

static const struct kind known[] = {
	{ "option.vga", "std", "1234:1111" }, { "option.vga", "qxl", "1b36:0100" }, { "option.vga", "cirrus", "1013:00b8" },
	{ "option.vga", "vmware", "15ad:0405" }, { "option.vga", "virtio", "1af4:1050" },
	{ "option.watchdog", "i6300esb", "8086:25ab" },
	{ "option.soundhw", "hda", "8086:2668" }, { "option.soundhw", "ac97", "8086:2415" }, { "option.soundhw", "es1370", "1274:5000" },
	{ "option.balloon", "virtio*", "1af4:1002|1af4:1045" },
	{ "option.nic|option.net", "virtio", "1af4:1000|1af4:1041" },
	{ "*", "virtio-net*", "1af4:1000|1af4:1041" }, { "*", "virtio-blk*|vhost-user-blk*", "1af4:1001|1af4:1042" },
	{ "*", "virtio-balloon*", "1af4:1002|1af4:1045" }, { "*", "virtio-serial*", "1af4:1003|1af4:1043" },
	{ "*", "virtio-scsi*|vhost-scsi*|vhost-user-scsi*", "1af4:1004|1af4:1048" }, { "*", "virtio-rng*|vhost-user-rng*", "1af4:1005|1af4:1044" },
	{ "*", "virtio-9p*", "1af4:1009|1af4:1049" }, { "*", "vhost-vsock*|vhost-user-vsock*", "1af4:1012|1af4:1053" },
	{ "*", "virtio-gpu*|virtio-vga*|vhost-user-gpu*|vhost-user-vga", "1af4:1050" },
	{ "*", "virtio-keyboard*|virtio-mouse*|virtio-tablet*|virtio-multitouch*|virtio-input-host*|vhost-user-input*", "1af4:1052" },
	{ "*", "virtio-crypto*", "1af4:1054" }, { "*", "virtio-iommu*", "1af4:1057" }, { "*", "virtio-mem*", "1af4:1058" },
	{ "*", "virtio-sound*", "1af4:1059" }, { "*", "vhost-user-fs*", "1af4:105a" }, { "*", "virtio-pmem*", "1af4:105b" },
	{ "*", "ivshmem-plain|ivshmem-doorbell", "1af4:1110" },
	{ "*", "pci-bridge", "1b36:0001" }, { "*", "pci-bridge-seat", "1b36:000a" }, { "*", "cxl-rp", "8086:7075" },
	{ "*", "cxl-type3", "8086:0d93" }, { "*", "ati-vga", "1002:5046|1002:5159" }, { "*", "pci-serial", "1b36:0002" }, { "*", "pci-serial-2x", "1b36:0003" },
	{ "*", "pci-serial-4x", "1b36:0004" }, { "*", "pci-testdev", "1b36:0005" }, { "*", "rocker", "1b36:0006" },
	{ "*", "sdhci-pci", "1b36:0007" }, { "*", "pcie-root-port", "1b36:000c" }, { "*", "qemu-xhci", "1b36:000d" },
	{ "*", "pcie-pci-bridge", "1b36:000e" }, { "*", "nvme", "1b36:0010|8086:5845" }, { "*", "pvpanic-pci", "1b36:0011" },
	{ "*", "acpi-erst", "1b36:0012" }, { "*", "ufs", "1b36:0013" }, { "*", "qxl|qxl-vga", "1b36:0100" },
	{ "*", "VGA|secondary-vga|bochs-display", "1234:1111" }, { "*", "edu", "1234:11e8" }, { "*", "cirrus-vga", "1013:00b8" },
	{ "*", "vmware-svga", "15ad:0405" },
	{ "*", "e1000|e1000-82540em", "8086:100e" }, { "*", "e1000-82544gc", "8086:1008|8086:100c" }, { "*", "e1000-82545em", "8086:100f" },
	{ "*", "e1000e", "8086:10d3" }, { "*", "igb", "8086:10c9" }, { "*", "rtl8139", "10ec:8139" }, { "*", "ne2k_pci", "10ec:8029" },
	{ "*", "pcnet", "1022:2000" }, { "*", "tulip", "1011:0019" }, { "*", "vmxnet3", "15ad:07b0" },
	{ "*", "i82557?|i82558?|i82559a|i82559b|i82559c|i82550", "8086:1229|8086:1209" }, { "*", "i82801", "8086:2449" },
	{ "*", "i82551|i82559er|i82562", "8086:1209" },
	{ "*", "ioh3420", "8086:3420" }, { "*", "x3130-upstream", "104c:8232" }, { "*", "xio3130-downstream", "104c:8233" },
	{ "*", "i82801b11-bridge", "8086:244e" },
	{ "*", "ahci|ich9-ahci", "8086:2922" }, { "*", "piix3-ide*", "8086:7010" }, { "*", "piix4-ide", "8086:7111" },
	{ "*", "lsi53c895a|lsi", "1000:0012" }, { "*", "lsi53c810", "1000:0001" }, { "*", "mptsas1068", "1000:0054" },
	{ "*", "megasas", "1000:0060" }, { "*", "megasas-gen2", "1000:005b|1000:0079" }, { "*", "pvscsi", "15ad:07c0" },
	{ "*", "am53c974|dc390", "1022:2020" },
	{ "*", "piix3-usb-uhci", "8086:7020" }, { "*", "piix4-usb-uhci", "8086:7112" }, { "*", "ich9-usb-uhci1", "8086:2934" },
	{ "*", "ich9-usb-uhci2", "8086:2935" }, { "*", "ich9-usb-uhci3", "8086:2936" }, { "*", "ich9-usb-uhci4", "8086:2937" },
	{ "*", "ich9-usb-uhci5", "8086:2938" }, { "*", "ich9-usb-uhci6", "8086:2939" }, { "*", "ich9-usb-ehci1", "8086:293a" },
	{ "*", "ich9-usb-ehci2", "8086:293c" }, { "*", "usb-ehci", "8086:24cd" }, { "*", "nec-usb-xhci", "1033:0194" },
	{ "*", "pci-ohci", "106b:003f" },
	{ "*", "intel-hda", "8086:2668" }, { "*", "ich9-intel-hda", "8086:293e" }, { "*", "AC97", "8086:2415" },
	{ "*", "ES1370", "1274:5000" }, { "*", "i6300esb", "8086:25ab" },
};

/* -nic and -net say "model=", the others what -device says. */
static int device_of(const char *element, struct device *ret)
{
	struct devices one = DEVICES_INIT;
	struct buffer model = BUFFER_INIT;
	int r = devices_parse(element, &one);

	*ret = (struct device){ .addr = "" };
	if (r < 0)
		return r;
	if (one.count)
		*ret = one.items[0];
	devices_release(&one);
	if (property_get(element, "model", false, &model) && model.size < sizeof(ret->driver) && !buffer_failed(&model))
		memcpy(ret->driver, model.data ? model.data : "", model.size + 1);
	r = buffer_failed(&model) ? -ENOMEM : 0;
	buffer_release(&model);
	return r;
}

int placed_read(const char *factor, const struct element_list *all, struct placed **ret)
{
	struct devices devices = { .items = calloc(all->count + 1, sizeof(*devices.items)), .count = all->count };
	struct placed *placed = calloc(all->count + 1, sizeof(*placed));
	int r = devices.items && placed ? 0 : -ENOMEM;

	for (size_t i = 0; r >= 0 && i < all->count; i++)
		r = device_of(all->items[i], &devices.items[i]);
	for (size_t i = 0; r >= 0 && i < all->count; i++) {
		if (!devices.items[i].driver[0] || !devices_path(&devices, i, placed[i].path))
			placed[i].path[0] = '\0';
		for (size_t k = 0; !placed[i].ids && k < sizeof(known) / sizeof(known[0]); k++)
			if (glob_match(known[k].factor, factor) && glob_match(known[k].driver, devices.items[i].driver))
				placed[i].ids = known[k].ids;
	}
	devices_release(&devices);
	if (r < 0) {
		free(placed);
		return r;
	}
	*ret = placed;
	return 0;
}

static bool shaped(const char *text, const char *shape)
{
	for (; *shape; shape++, text++)
		if (*shape == 'x' ? !isxdigit((unsigned char)*text) : *text != *shape)
			return false;
	return true;
}

size_t function_path_size(const char *key)
{
	size_t size = ROOT_FUNCTION_BYTES;

	if (!shaped(key, "xxxx:xx:xx.x"))
		return 0;
	while (shaped(key + size, "/xx.x"))
		size += HOP_BYTES;
	return key[size] == '\0' || key[size] == '/' ? size : 0;
}

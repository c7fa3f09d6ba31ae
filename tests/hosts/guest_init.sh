#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# Init of a Linux guest: does what its console tells it, one line at a time, and says when each is done. What the guest sees of
# itself goes to its NVMe disk as a tar; drivers of its other devices are modules, to be loaded late.
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; mount -t tmpfs tmp /tmp
touch /tmp/insmod.log

load() {
	for m in $(cat /modules); do insmod "$m" 2>>/tmp/insmod.log; done
}

see_pci() {
	for d in /sys/bus/pci/devices/*; do
		mkdir -p "pci/${d##*/}"
		head -c 512 "$d/config" >"pci/${d##*/}/config"
		cat "$d/resource" >"pci/${d##*/}/resource"
		readlink -f "$d" >"pci/${d##*/}/path"
	done
}

see_tables() {
	mkdir dmi acpi acpi/dynamic
	cp /sys/firmware/dmi/tables/* dmi
	for f in /sys/class/dmi/id/*; do [ -f "$f" ] && [ "${f##*/}" != uevent ] && cat "$f" >"dmi/${f##*/}"; done
	for f in /sys/firmware/acpi/tables/* /sys/firmware/acpi/tables/dynamic/*; do [ -f "$f" ] && cat "$f" >"acpi/${f#/sys/firmware/acpi/tables/}"; done
	for n in /sys/devices/system/node/node*; do
		mkdir -p "numa/${n##*/}"
		for f in cpulist meminfo distance; do cat "$n/$f" >"numa/${n##*/}/$f"; done
	done
	grep -r . /sys/devices/system/cpu/cpu[0-9]*/topology >topology 2>/dev/null
}

see_rest() {
	for f in cpuinfo iomem ioports; do cat "/proc/$f" >"$f"; done
	cpuid -r >cpuid
	for n in /sys/class/net/*; do
		[ -e "$n/device" ] && echo "$(basename "$(readlink -f "$n/device/..")") $(basename "$(readlink -f "$n/device")") $(cat "$n/address")"
	done >macs
	for f in /sys/firmware/qemu_fw_cfg/by_key/*; do [ -d "$f" ] && echo "$(cat "$f/key") $(cat "$f/size") $(cat "$f/name")"; done >fw_cfg
	for m in $(cat /msrs); do
		value=$(dd if=/dev/cpu/0/msr bs=8 count=1 iflag=skip_bytes skip=$((m)) 2>/dev/null | xxd -p)
		echo "$m ${value:-#GP}"
	done >msr
	dmesg >dmesg
	cp /tmp/insmod.log .
	[ ! -f /tmp/lspci ] || cp /tmp/lspci .
}

list_pci() {
	for _ in $(seq "$1"); do lspci -Dnxxxx >/tmp/lspci || return; done
}

see() {
	rm -rf /tmp/see
	mkdir /tmp/see
	cd /tmp/see || return
	see_pci
	see_tables
	see_rest
	tar -cf /dev/nvme0n1 .
	sync
	cd /
}

echo GUEST-UP
while read -r verb argument; do
	case $verb in
	see) see ;;
	load) load ;;
	lspci) list_pci "$argument" ;;
	rescan) echo 1 >/sys/bus/pci/rescan ;;
	replug)
		echo 1 >"/sys/bus/pci/devices/$argument/remove"
		echo 1 >/sys/bus/pci/rescan ;;
	rebind)
		driver=$(readlink -f "/sys/bus/pci/devices/$argument/driver")
		echo "$argument" >"$driver/unbind"
		echo "$argument" >"$driver/bind" ;;
	kexec)
		mkdir -p /tmp/next
		tar -xf /dev/vda -C /tmp/next
		guest_kexec /tmp/next/kernel /tmp/next/initrd "$(cat /proc/cmdline)" ;;
	reboot) reboot -f ;;
	esac
	echo "GUEST-DONE $verb $?"
done

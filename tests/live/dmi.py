# SPDX-License-Identifier: Apache-2.0
"""The oracle for SMBIOS: dmidecode's own output for a table, and what it would print if abidrift's entries were the table.

Where both are equal, every line that dmidecode prints is in the entries, with that value; `unused` are entries of which it prints nothing."""
import os
import re
import struct
import subprocess


def fix_entry(entry, address):
    """The entry point with its table at `address`, checksums right."""
    e = bytearray(entry)
    if e[:5] == b"_SM3_":
        struct.pack_into("<Q", e, 16, address)
        e[5] = 0
        e[5] = -sum(e) & 255
    else:
        struct.pack_into("<I", e, 24, address)
        e[0x15] = 0
        e[0x15] = -sum(e[16:31]) & 255
        e[4] = 0
        e[4] = -sum(e) & 255
    return bytes(e)


def entry64(table, version=(3, 5, 0)):
    return fix_entry(b"_SM3_\0" + bytes([24, *version, 1, 0]) + struct.pack("<IQ", len(table), 0), 32)


def structure(kind, body, handle=1, strings=()):
    text = b"".join(s + b"\0" for s in strings) or b"\0"
    return bytes([kind, len(body) + 4]) + struct.pack("<H", handle) + bytes(body) + text + b"\0"


def dmidecode(path, entry, table):
    """[(handle, type, {label: text or list of texts})] of the table."""
    with open(path, "wb") as f:
        f.write(fix_entry(entry, 32).ljust(32, b"\0") + table)
    out = subprocess.run(["dmidecode", "--from-dump", path], capture_output=True, text=True, env=dict(os.environ, LC_ALL="C")).stdout
    found = []
    for block in out.split("\n\n"):
        lines = block.strip("\n").split("\n")
        m = re.match(r"Handle 0x([0-9A-F]{4}), DMI type (\d+), (\d+) bytes", lines[0])
        if not m:
            continue
        fields, last = {}, None
        for line in lines[2:]:
            if line.startswith("\t\t"):
                if not isinstance(fields[last], list):
                    fields[last] = []
                fields[last].append(line.strip())
            else:
                last, _, value = line.strip("\t").partition(":")
                fields[last] = value[1:]
        # The processor's ID in other words, for families that it knows.
        for label in ("Signature", "Flags") if m[2] == "4" else ():
            fields.pop(label, None)
        found.append((int(m[1], 16), int(m[2]), fields))
    return found


def printable(escaped):
    """An escaped value as dmidecode shows a string: what is not printable ASCII is a dot."""
    raw = re.sub(rb"\\x([0-9a-f]{2})", lambda m: bytes([int(m[1], 16)]), escaped.encode())
    return "".join(chr(b) if 32 <= b < 127 else "." for b in raw)


class Structure:
    """The entries of one structure."""
    def __init__(self, kind):
        self.kind, self.values, self.meanings, self.used = kind, {}, {}, set()

    def has(self, key):
        return key in self.values

    def number(self, key):
        self.used.add(key)
        return int(self.values[key], 0)

    def said(self, key):
        self.used.add(key)
        return self.meanings[key] or "<OUT OF SPEC>"

    def said_or_number(self, key):
        return self.meanings[key] if self.meanings[key] and self.number(key) is not None else str(self.number(key))

    def said_or_hex(self, key, form="0x%04X"):
        return self.meanings[key] if self.meanings[key] and self.number(key) is not None else form % self.number(key)

    def flags(self, key, none="None"):
        self.used.add(key)
        return self.meanings[key].split(", ") if self.meanings[key] else none

    def string(self, key):
        self.used |= {key, key + ".number"}
        if self.has(key + ".number"):
            return "<BAD INDEX>"
        return printable(self.values[key]) if self.has(key) else "Not Specified"

    def unused(self):
        return set(self.values) - self.used


def structures(shown):
    """{(type, instance): Structure} of `show --json`, facets smbios and identity."""
    found = {}
    for facet in shown["facets"]:
        if facet["facet"] in ("smbios", "identity"):
            for e in facet["entries"]:
                m = re.match(r"type(\d+)\.(\d+)/(.*)", e["key"])
                if m:
                    s = found.setdefault((int(m[1]), int(m[2])), Structure(int(m[1])))
                    s.values[m[3]], s.meanings[m[3]] = e["value"], e["meaning"] or ""
    return found


# ---- how dmidecode prints what the entries say. Each takes a Structure and an (ordered) dict to fill.

def bios(s, out):
    out["Vendor"], out["Version"], out["Release Date"] = s.string("vendor"), s.string("version"), s.string("release_date")
    if s.number("start_segment"):
        out["Address"], out["Runtime Size"] = s.said("start_segment").split(", ")
    out["ROM Size"] = s.said("extended_rom_size" if s.number("rom_size") == 255 and s.has("extended_rom_size") else "rom_size")
    s.used.add("extended_rom_size")
    flags = s.flags("characteristics", [])
    out["Characteristics"] = flags[:1] if s.number("characteristics") & 8 else flags
    for more in ("characteristics_1", "characteristics_2"):
        out["Characteristics"] = out["Characteristics"] + (s.flags(more, []) if s.has(more) else [])
    out["Characteristics"] = out["Characteristics"] or ""
    for label, key in (("BIOS Revision", "revision"), ("Firmware Revision", "ec_revision")):
        if s.has(key + "_minor"):
            numbers = s.number(key + "_major"), s.number(key + "_minor")
            if 255 not in numbers:
                out[label] = "%d.%d" % numbers


def machine(s, out):
    for label, key in (("Manufacturer", "manufacturer"), ("Product Name", "product_name"), ("Version", "version"), ("Serial Number", "serial")):
        out[label] = s.string(key)
    if s.has("uuid"):
        s.used.add("uuid")
        digits = set(s.values["uuid"]) - {"-"}
        out["UUID"] = "Not Settable" if digits == {"0"} else "Not Present" if digits == {"f"} else s.values["uuid"]
        out["Wake-up Type"] = s.said("wake_up_type")
    if s.has("handle") and s.longer:
        out["SKU Number"], out["Family"] = s.string("sku"), s.string("family")


def contained(s, name, form):
    items = [s.values[f"{name}.{i}"] for i in range(len(s.values)) if f"{name}.{i}" in s.values]
    s.used |= {f"{name}.{i}" for i in range(len(items))}
    return [form(bytes.fromhex(i)) for i in items]


def board(s, out):
    for label, key in (("Manufacturer", "manufacturer"), ("Product Name", "product_name"), ("Version", "version"), ("Serial Number", "serial"),
                       ("Asset Tag", "asset_tag")):
        out[label] = s.string(key)
    out["Features"] = s.flags("features")
    out["Location In Chassis"] = s.string("location_in_chassis")
    out["Chassis Handle"] = s.said_or_hex("chassis_handle")
    out["Type"] = s.said("board_type")
    if s.has("contained_handles"):
        out["Contained Object Handles"] = contained(s, "contained_handle", lambda b: "0x%04X" % int.from_bytes(b, "little")) or "0"
        s.number("contained_handles")


def chassis(s, out):
    out["Manufacturer"] = s.string("manufacturer")
    kind, _, lock = s.said("chassis_type").partition(", lock")
    locked = bool(s.number("chassis_type") & 0x80)
    out["Type"], out["Lock"] = kind or "<OUT OF SPEC>", "Present" if locked else "Not Present"
    for label, key in (("Version", "version"), ("Serial Number", "serial"), ("Asset Tag", "asset_tag")):
        out[label] = s.string(key)
    for label, key in (("Boot-up State", "bootup_state"), ("Power Supply State", "power_supply_state"), ("Thermal State", "thermal_state"),
                       ("Security Status", "security_status")):
        out[label] = s.said(key)
    out["OEM Information"] = "0x%08X" % s.number("oem_information")
    out["Height"], out["Number Of Power Cords"] = s.said("height"), s.said_or_number("power_cords")
    if s.has("contained_elements"):
        count = s.number("contained_elements")
        out["Contained Elements"] = str(count)
        s.used |= {"contained_element_bytes"} | {f"contained_element.{i}" for i in range(count)}
        out["SKU Number"] = s.string("sku")


def processor(s, out):
    out["Socket Designation"], out["Type"] = s.string("socket"), s.said("processor_type")
    family = "family_2" if s.has("family_2") and s.number("family") == 0xfe else "family"
    out["Family"] = "<OUT OF SPEC>" if s.number(family) == 0xfe else s.said(family)  # 0xfe sends on to family_2
    s.used.add("family_2")
    out["Manufacturer"] = s.string("manufacturer")
    out["ID"] = " ".join("%02X" % b for b in s.number("processor_id").to_bytes(8, "little"))
    out["Version"], out["Voltage"] = s.string("version"), s.said("voltage")
    for label, key in (("External Clock", "external_clock"), ("Max Speed", "max_speed"), ("Current Speed", "current_speed")):
        out[label] = s.said(key)
    out["Status"] = s.said("status")
    if s.number("status") & 0x40 and "," not in out["Status"]:
        out["Status"] += ", <OUT OF SPEC>"
    out["Upgrade"] = s.said("upgrade")
    for level in "123":
        out[f"L{level} Cache Handle"] = s.said_or_hex(f"l{level}_cache_handle")
    for label, key in (("Serial Number", "serial"), ("Asset Tag", "asset_tag"), ("Part Number", "part_number")):
        out[label] = s.string(key)
    for label, key in (("Core Count", "core_count"), ("Core Enabled", "core_enabled"), ("Thread Count", "thread_count")):
        if s.number(key):
            out[label] = str(s.number(key + "_2" if s.number(key) == 255 and s.has(key + "_2") else key))
        s.used.add(key + "_2")
    out["Characteristics"] = s.flags("characteristics")


def cache(s, out):
    out["Socket Designation"] = s.string("socket")
    enabled, socketed, level, location, mode = s.said("configuration").split(", ")
    out["Configuration"], out["Operational Mode"] = f"{enabled}, {socketed}, {level}", mode
    out["Location"] = "<OUT OF SPEC>" if location == "Reserved" else location
    for label, key in (("Installed Size", "installed_size"), ("Maximum Size", "maximum_size")):
        out[label] = s.said(key + "_2" if s.has(key + "_2") else key)
        s.used |= {key}
    out["Supported SRAM Types"] = s.flags("supported_sram")
    out["Installed SRAM Type"] = " ".join(s.flags("installed_sram", ["None"]))
    out["Speed"], out["Error Correction Type"] = s.said("speed"), s.said("error_correction")
    out["System Type"], out["Associativity"] = s.said("cache_type"), s.said("associativity")


def port(s, out):
    out["Internal Reference Designator"], out["Internal Connector Type"] = s.string("internal_designator"), s.said("internal_connector")
    out["External Reference Designator"], out["External Connector Type"] = s.string("external_designator"), s.said("external_connector")
    out["Port Type"] = s.said("port_type")


def address(s):
    return "%04x:%02x:%s" % (s.number("segment"), s.number("bus"), s.said("devfn"))


def slot(s, out):
    out["Designation"] = s.string("designation")
    width = s.said("bus_width")
    out["Type"] = ("" if width in ("Other", "Unknown") else width + " ") + s.said("slot_type")
    out["Current Usage"], out["Length"] = s.said("usage"), s.said("length")
    kind = s.number("slot_type")
    if kind == 0x07:
        out["ID"] = "Adapter %d, Socket %d" % (s.number("id") & 0xff, s.number("id") >> 8)
    elif kind in (0x04, 0x05, 0x06, 0x0e, 0x0f, 0x10, 0x11, 0x12, 0x13, 0x1f, 0x20, 0x21, 0x22, 0x23) or 0xa5 <= kind <= 0xc4 and kind != 0xb7:
        out["ID"] = str(s.number("id") & 0xff)
    s.used.add("id")
    if s.number("characteristics_1") & 1:
        out["Characteristics"] = "Unknown"
    elif s.number("characteristics_1") or s.number("characteristics_2"):
        out["Characteristics"] = s.flags("characteristics_1", []) + s.flags("characteristics_2", [])
    else:
        out["Characteristics"] = "None"
    s.used.add("characteristics_2")
    if s.has("devfn"):
        out["Bus Address"] = address(s)


def oem_strings(s, out):
    for i in range(1, s.number("strings") + 1):
        out[f"String {i}"] = s.string(f"string.{i}") if s.has(f"string.{i}") else "<BAD INDEX>"


def memory_array(s, out):
    for label, key in (("Location", "location"), ("Use", "use"), ("Error Correction Type", "error_correction")):
        out[label] = s.said(key)
    wide = s.has("extended_maximum_capacity") and s.number("maximum_capacity") == 1 << 31
    out["Maximum Capacity"] = s.said("extended_maximum_capacity" if wide else "maximum_capacity")
    s.used.add("extended_maximum_capacity")
    out["Error Information Handle"], out["Number Of Devices"] = s.said_or_hex("error_handle"), str(s.number("devices"))


def memory_device(s, out):
    out["Array Handle"], out["Error Information Handle"] = "0x%04X" % s.number("array_handle"), s.said_or_hex("error_handle")
    out["Total Width"], out["Data Width"] = s.said("total_width"), s.said("data_width")
    wide = s.number("size") == 0x7fff and s.has("extended_size")
    out["Size"] = s.said("extended_size" if wide else "size")
    s.used.add("extended_size")
    out["Form Factor"], out["Set"] = s.said("form_factor"), s.said_or_number("set")
    out["Locator"], out["Bank Locator"] = s.string("locator"), s.string("bank_locator")
    out["Type"], out["Type Detail"] = s.said("memory_type"), " ".join(s.flags("type_detail", ["None"]))
    if s.number("size") == 0:
        s.used |= set(s.values)  # no module: no more is printed
        return
    for label, key in (("Speed", "speed"), ("Configured Memory Speed", "configured_speed")):
        if s.has(key):
            wide = s.number(key) == 0xffff
            out[label] = (s.said("extended_" + key) if s.has("extended_" + key) else "Unknown") if wide else s.said(key)
            s.used.add("extended_" + key)
    if s.has("speed"):
        for label, key in (("Manufacturer", "manufacturer"), ("Serial Number", "serial"), ("Asset Tag", "asset_tag"), ("Part Number", "part_number")):
            out[label] = s.string(key)
    if s.has("attributes"):
        out["Rank"] = s.said("attributes").replace(" ranks", "")
    for label, key in (("Minimum Voltage", "minimum_voltage"), ("Maximum Voltage", "maximum_voltage"), ("Configured Voltage", "configured_voltage")):
        if s.has(key):
            out[label] = s.said(key)
    if s.has("technology"):
        out["Memory Technology"] = s.said("technology")
    if s.has("operating_modes"):
        out["Memory Operating Mode Capability"] = " ".join(s.flags("operating_modes", ["None"]))
        out["Firmware Version"] = s.string("firmware_version")
    for label, key, form in (("Module Manufacturer ID", "module_manufacturer", ""), ("Module Product ID", "module_product", "0x%04X"),
                             ("Memory Subsystem Controller Manufacturer ID", "controller_manufacturer", ""),
                             ("Memory Subsystem Controller Product ID", "controller_product", "0x%04X")):
        if s.has(key):
            out[label] = s.said_or_hex(key, form)
    for label, key in (("Non-Volatile Size", "non_volatile_size"), ("Volatile Size", "volatile_size"), ("Cache Size", "cache_size"),
                       ("Logical Size", "logical_size")):
        if s.has(key):
            out[label] = s.said(key)


def range_size(count):
    unit = 0
    while count and count % 1024 == 0:
        count, unit = count // 1024, unit + 1
    return f"{count} {['bytes', 'kB', 'MB', 'GB', 'TB'][unit]}"


def mapped_address(s, out):
    if s.number("start") == 0xffffffff and s.has("extended_end"):
        start, end = s.number("extended_start"), s.number("extended_end")
        out["Starting Address"], out["Ending Address"] = "0x%016Xk" % start, "0x%016Xk" % end
    else:
        start, end = s.number("start") * 1024, s.number("end") * 1024 + 1023
        out["Starting Address"], out["Ending Address"] = "0x%011X" % start, "0x%011X" % end
    out["Range Size"] = range_size(end - start + 1)
    out["Physical Array Handle"], out["Partition Width"] = "0x%04X" % s.number("array_handle"), str(s.number("partition_width"))
    s.used |= {"extended_start", "extended_end", "end"}


def boot(s, out):
    number = s.number("status")
    out["Status"] = "OEM-specific" if 128 <= number < 192 else "Product-specific" if number >= 192 else s.said("status")
    s.used.add("reserved")


def ipmi(s, out):
    out["Interface Type"] = s.said("interface")
    out["Specification Version"] = s.said("revision")
    out["I2C Slave Address"] = s.said("i2c_address").replace("I2C address ", "")
    absent = s.number("storage_address") == 255
    out["NV Storage Device" if absent else "NV Storage Device Address"] = s.said_or_number("storage_address")
    base = s.number("base_address")
    if s.number("interface") == 4:
        out["Base Address"] = "0x%02X (SMBus)" % (base >> 1)
        s.used |= {"base_modifier", "irq"}
        return
    out["Base Address"] = f"0x{base & ~1 | s.number('base_modifier') >> 4 & 1:016X} (" + (s.meanings["base_address"] or "Memory-mapped") + ")"
    spacing, *interrupt = s.said("base_modifier").split(", ")
    out["Register Spacing"] = "<OUT OF SPEC>" if spacing == "Reserved" else spacing
    if interrupt:
        out["Interrupt Polarity"], out["Interrupt Trigger Mode"] = interrupt
    if s.number("irq"):
        out["Interrupt Number"] = str(s.number("irq"))


def onboard(s, out):
    out["Reference Designation"] = s.string("designation")
    kind, _, status = s.said("device_type").rpartition(", ")
    out["Type"], out["Status"] = kind or "<OUT OF SPEC>", status
    out["Type Instance"], out["Bus Address"] = str(s.number("type_instance")), address(s)


PRINT = {0: bios, 1: machine, 2: board, 3: chassis, 4: processor, 7: cache, 8: port, 9: slot, 11: oem_strings, 16: memory_array, 17: memory_device,
         19: mapped_address, 32: boot, 38: ipmi, 41: onboard, 127: lambda s, out: None}


def printed(s):
    """{label: text or list} as dmidecode would print it."""
    out = {}
    s.longer = True
    PRINT[s.kind](s, out)
    s.used |= {"handle"}
    return out

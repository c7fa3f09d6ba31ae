# SPDX-License-Identifier: Apache-2.0
"""What drifts, as a table for people: changes in groups, as rows; machine types as columns; one table for each pair of versions."""
import collections
import re

# First match wins; what matches nothing is shown as its facet's "else", so that no change is left out.
GROUPS = (
    ("CPU signature", "cpuid", r"0x[08]0000001\.0\.eax"),
    ("cache descriptors, leaves 2 and 4", "cpuid", r"0x0000000[24]\."),
    ("physical address bits", "cpuid", r"0x80000008\.0\.eax"),
    ("features of KVM itself", "cpuid", r"0x40000001\."),
    ("features of the CPU", "cpuid", r"0x(80000008\.0\.ebx|80000007|80000021)"),
    ("NVMe: BARs", "pci", r"0000:00:08\.0/bar"),
    ("virtio-rng, virtio-balloon: MSI-X", "pci", r"0000:00:(09|0a)\.0/bar"),
    ("OEM table ids", "acpi", r"\w+(\.\d+)?/oem_table_id"),
    ("FADT: 8042 flag", "acpi", r"FACP/boot_arch"),
    ("FADT: ACPI is on without SMI", "acpi", r"FACP/(smi_cmd|acpi_enable|acpi_disable)"),
    ("MADT: revision", "acpi", r"APIC/revision"),
    ("DSDT: LPC bridge and its devices", "acpi", r"DSDT/_SB\.PCI0\.(ISA|SF8|S08)\b"),
    ("DSDT: window of PCI configuration", "acpi", r"DSDT/_SB\.DRAC\b"),
    ("DSDT: SMBus", "acpi", r"DSDT/_SB\.PCI0\.(SMB0|SFB)\b"),
    ("DSDT: other functions of the chipset", "acpi", r"DSDT/_SB\.PCI0\.(SFA|S09|S0B)\b"),
    ("DSDT: hot-plug registers", "acpi", r"DSDT/_SB\.PCI0\.PHPR\b"),
    ("DSDT: devices behind root ports", "acpi", r"DSDT/_SB\.PCI0\.S(20|28)\.S00\b"),
    ("DSDT: _ADR of the root bridge", "acpi", r"DSDT/_SB\.PCI0\._ADR"),
    ("tables' bodies and lengths", "acpi", r"\w+(\.\d+)?/(body|length)"),
    ("machine's version", "smbios", r"type[1-4]\.\d+/version"),
    ("processor family", "smbios", r"type4\.\d+/family"),
    ("processor id", "smbios", r"type4\.\d+/processor_id"),
    ("BIOS version", "smbios", r"type0\.\d+/version"),
    ("SeaBIOS", "firmware", r"rom/0x00000000fffc0000(\.version)?$"),
)
KINDS = (("gained", "+"), ("lost", "−"), ("changed", "~"))
SHORT = 34


def group(change):
    """(facet, title) that a change belongs to."""
    for title, facet, key in GROUPS:
        if facet == change["facet"] and re.match(key, change["key"]):
            return facet, title
    return change["facet"], "else"


def order(row):
    facet, title = row
    titles = [(f, t) for t, f, _ in GROUPS]
    facets = list(dict.fromkeys(f for f, _ in titles))
    return (facets.index(facet) if facet in facets else len(facets), titles.index(row) if row in titles else len(titles))


def cell(changes):
    counts = collections.Counter(c["change"] for c in changes)
    return " ".join(f"{sign}{counts[kind]}" for kind, sign in KINDS if counts[kind])


def example(changes):
    """A change that tells most in a line: one with two short values; else one that came or went."""
    def told(c):
        short = all(len(c[side] or "") <= SHORT for side in ("from", "to"))
        return (c["change"] != "changed" or not short, not c["key"].startswith("FACP/"), c["change"] == "lost")
    c = min(changes, key=told)
    if c["change"] != "changed":
        value = c["to"] or c["from"]
        return f"`{c['key']}` {c['change']}" + (f": {value}" if len(value) <= SHORT else "")
    if len(c["from"]) > SHORT or len(c["to"]) > SHORT:
        return f"`{c['key']}`"
    return f"`{c['key']}` {c['from']} → {c['to']}"


def markdown(rows):
    widths = [max(len(r[n]) for r in rows) for n in range(len(rows[0]))]
    lines = ["| " + " | ".join(text.ljust(w) for text, w in zip(r, widths)) + " |" for r in rows]
    return "\n".join([lines[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *lines[1:]])


def pair_table(columns):
    """columns: {machine type: changes}."""
    rows = collections.defaultdict(lambda: collections.defaultdict(list))
    for name, changes in columns.items():
        for c in changes:
            rows[group(c)][name].append(c)
    out = [["facet", "what", *columns, "for example"]]
    for row in sorted(rows, key=order):
        out.append([*row, *(cell(rows[row][name]) or "–" for name in columns), example([c for cs in rows[row].values() for c in cs])])
    out.append(["", "all entries", *(str(len(changes)) for changes in columns.values()), ""])
    return markdown(out)


def cpu_table(found, pairs):
    """found: {CPU model: {pair: changes}}; only CPUID counts."""
    rows = [["CPU model", *(f"{a} → {b}" for a, b in pairs)]]
    for cpu, diffs in found.items():
        rows.append([f"`{cpu}`", *(cell([c for c in diffs[p] if c["facet"] == "cpuid"]) or "nothing" for p in pairs)])
    return markdown(rows)

// SPDX-License-Identifier: Apache-2.0
/* Every operator that may stand outside of methods, every form of name and constant, every kind of resource. */
DefinitionBlock ("", "DSDT", 2, "ABIDR", "EVERY", 0x00000001)
{
    External (\OUTS.DEVX, DeviceObj)
    External (MTHX, MethodObj)
    Name (TOTL, 0x12345678)
    Name (BIGN, 0x1122334455667788)
    Name (WRDN, 0x1234)
    Name (STRN, "a string")
    Name (BUFN, Buffer (0x20) { 1, 2, 3 })
    Name (PKGN, Package (0x03) { 0x01, "two", Package () { TOTL, Buffer () { 0x5b, 0x82 } } })
    Alias (TOTL, ALII)
    Mutex (MUTX, 3)
    Event (EVNT)
    Method (TWOA, 2, Serialized) { Return (Add (Arg0, Arg1)) }
    OperationRegion (REGA, SystemIO, 0x0CD8, 0x0C)
    OperationRegion (REGB, SystemMemory, Add (TOTL, 0x10), ShiftLeft (One, 4))
    OperationRegion (REGC, SystemMemory, TWOA (TOTL, 4), TWOA (TWOA (1, 2), 3))
    Field (REGA, ByteAcc, NoLock, Preserve) { F001, 8, Offset (0x04), F002, 4, , 4, F003, 32 }
    IndexField (F001, F003, ByteAcc, NoLock, Preserve) { IX01, 8 }
    BankField (REGA, F002, 1, ByteAcc, NoLock, Preserve) { BK01, 8 }
    CreateDWordField (BUFN, 0x00, CDWF)
    CreateWordField (BUFN, 0x04, CWDF)
    CreateByteField (BUFN, 0x06, CBYF)
    CreateBitField (BUFN, 0x40, CBIF)
    CreateQWordField (BUFN, 0x08, CQWF)
    CreateField (BUFN, 0x50, 0x07, CFLD)
    DataTableRegion (DATR, "OEM1", "ABIDR", "TABLE")
    Scope (\_SB)
    {
        Device (PCI0)
        {
            Name (_HID, EisaId ("PNP0A08"))
            Name (_CID, EisaId ("PNP0A03"))
            Name (_UID, One)
            Name (_BBN, 0x00)
            Name (_SEG, Zero)
            Name (_CRS, ResourceTemplate ()
            {
                WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode, 0x0000, 0x0000, 0x00FF, 0x0000, 0x0100)
                IO (Decode16, 0x0CF8, 0x0CF8, 0x01, 0x08)
                DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, Cacheable, ReadWrite, 0, 0x80000000, 0xFEBFFFFF, 0, 0x7EC00000)
                QWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, Cacheable, ReadWrite, 0, 0x100000000, 0x8FFFFFFFF, 0, 0x800000000)
            })
            Device (S18)
            {
                Name (_ADR, 0x00030000)
                Name (_SUN, 3)
                Method (_STA) { Return (0x0B) }
                Method (_UID) { Return ("three") }
                Method (_PXM) { If (LEqual (TOTL, 1)) { Return (1) } Return (2) }
            }
            Method (CRSX) { }
        }
        Device (LNKS)
        {
            Name (_HID, "ACPI0004")
            Name (_CID, Package () { "ONE0001", EisaId ("PNP0C01"), 0x0A })
            Name (_STR, Unicode ("link device"))
            Name (_DDN, "LINK")
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x0060, 0x0060, 0x01, 0x01)
                IO (Decode16, 0x0100, 0x0200, 0x10, 0x08)
                FixedIO (0x0070, 0x02)
                IRQNoFlags () { 1, 12 }
                DMA (Compatibility, NotBusMaster, Transfer8) { 2 }
                Interrupt (ResourceConsumer, Level, ActiveHigh, Exclusive) { 0x00000010, 0x11 }
                Memory24 (ReadWrite, 0x1000, 0x2000, 0x0100, 0x0010)
                Memory32 (ReadWrite, 0x10000000, 0x20000000, 0x1000, 0x1000)
                Memory32Fixed (ReadWrite, 0xFED00000, 0x00000400)
                QWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, Cacheable, ReadWrite, 0, 0x100000000, 0x1000000FF, 0, 0x100)
            })
        }
        ThermalZone (TZ01) { Name (_STR, Unicode ("zone")) Name (_UID, 7) }
        PowerResource (PWR1, 0x01, 0x0002) { Method (_STA) { Return (One) } }
        Processor (CPU0, 0x05, 0x00000810, 0x06) { Name (_UID, 5) Name (_PXM, 2) }
    }
    Scope (\_SB.PCI0.S18) { Device (DEEP) { Name (_ADR, 0xFFFFFFFF) } Device (^^SIBL) { Name (_ADR, 0x00040001) } }
    Scope (\) { Device (ROOT) { Name (_HID, "ROOT0001") } }
    Scope (_SB) { Scope (PCI0) { Scope (S18) { Scope (LNKS) { Device (OUTR) { Name (_UID, 1) } } } } Device (PCI0.S20) { Name (_ADR, 0x00040000) } Device (\_SB.PCI0.S18.DEEP.MORE) { Name (_ADR, 2) } }
    Store (TWOA (1, 2), TOTL)
    If (LOr (LEqual (TWOA (TOTL, 3), 0x05), CondRefOf (EVNT)))
    {
        Device (\_SB.MAYB) { Name (_HID, "MAYB0001") }
    }
    Else
    {
        Scope (\_SB) { Device (ELSY) { Name (_UID, 2) } }
    }
    Notify (\_SB.PCI0, 0x01)
    Name (VGIA, 0x0FFFF000)
    Scope (\_SB) { Device (LAST) { Name (_UID, 0x0102030405060708) } }
}

// SPDX-License-Identifier: Apache-2.0
/**
 * Changes as people think of them, as the CLI's rows are: one for a CPUID leaf, for a PCI function, an ACPI table or device or an
 * SMBIOS structure that came or went, and for the same change of many tables; though each of its keys is a change.
 */
import type { Change } from '../model'

export interface Indexed {
  /** Into the diff's changes: what links and folds name it by. */
  index: number
  c: Change
}

export interface Item {
  kind: 'one' | 'leaf' | 'whole' | 'like'
  /** What all parts share: "0x00000001.0", "0000:00:03.0", "DSDT", "*" + "/body". */
  subject: string
  parts: Indexed[]
}

/** Header fields that an editor of tables writes into all of them. */
const ACPI_SHARED = /^(revision|oem_id|oem_table_id|oem_revision|creator_id|creator_revision|length|body)$/

/** The three leaves of the brand: of one of them nobody can read it. */
const BRAND_LEAVES = '0x80000002-4'

const before = (key: string, at: number) => (at > 0 ? key.slice(0, at) : '')
const isDigest = (value: string | null) => /^sha256:/.test(value ?? '')

/** What of the key a device of an ACPI namespace has: "DSDT/_SB.PCI0.S18" of "DSDT/_SB.PCI0.S18._ADR". */
function deviceOf(key: string): string {
  const dot = key.lastIndexOf('.')
  return key.includes('/') && dot > key.indexOf('/') && key[dot + 1] === '_' ? key.slice(0, dot) : key
}

/** The thing that came or went with this change, by which of its keys everybody knows that; null: this key alone did. */
function wholeOf({ facet, key, change }: Change, has: (facet: string, change: string, key: string) => boolean): string | null {
  if (change === 'changed') return null
  const head = before(key, key.indexOf('/'))
  if (facet === 'pci') {
    const path = before(key, key.lastIndexOf('/'))
    return path && has(facet, change, path + '/id') ? path : null
  }
  if (facet === 'smbios') return head && has(facet, change, head + '/handle') ? head : null
  if (facet !== 'acpi' || !head) return null
  if (has(facet, change, head + '/length')) return head
  const device = deviceOf(key)
  return has(facet, change, device) ? device : null
}

/** What is shared by like changes of several tables, structures or functions; null: told alone. */
function likeOf(c: Change): string | null {
  const { facet, key } = c
  const slash = key.lastIndexOf('/')
  if (c.change !== 'changed' || c.fields.length || c.moved.length || slash < 1) return null
  const tail = key.slice(slash)
  if (facet === 'smbios') return key.slice(0, key.indexOf('.') + 1) + '*' + tail
  return facet === 'pci' || (facet === 'acpi' && ACPI_SHARED.test(tail.slice(1))) ? '*' + tail : null
}

/** What became of the thing that it is told of: a longer brand has registers more, and is another one, as a shorter one is. */
export function changeOf(c: Change): Change['change'] {
  return c.string?.name === 'brand' && c.string.from !== null && c.string.to !== null ? 'changed' : c.change
}

export function itemsOf(changes: Indexed[]): Item[] {
  const keys = new Set(changes.map(({ c }) => `${c.facet} ${c.change} ${c.key}`))
  const has = (facet: string, change: string, key: string) => keys.has(`${facet} ${change} ${key}`)
  const items = new Map<string, Item>()
  for (const at of changes) {
    const { c } = at
    let kind: Item['kind'] = 'one', subject = c.key, more = ''
    const whole = wholeOf(c, has), like = whole === null ? likeOf(c) : null
    if (c.facet === 'cpuid' && c.string?.name === 'brand') {
      kind = 'leaf'
      subject = BRAND_LEAVES
      more = JSON.stringify(c.string)
    } else if (c.facet === 'cpuid') {
      kind = 'leaf'
      subject = /^([^.]*\.[^.]*)\.[^.]*$/.exec(c.key)?.[1] ?? c.key
    } else if (whole !== null) {
      kind = 'whole'
      subject = whole
    } else if (like !== null) {
      kind = 'like'
      subject = like
      more = isDigest(c.to) ? '' : `${c.to}`
    }
    const id = [c.facet, changeOf(c), kind, subject, more].join('\n')
    const item = items.get(id)
    if (item) item.parts.push(at)
    else items.set(id, { kind, subject, parts: [at] })
  }
  for (const item of items.values()) {
    const only = item.parts[0]
    if (item.kind === 'like' && item.parts.length === 1 && only) {
      item.kind = 'one'
      item.subject = only.c.key
    }
  }
  return [...items.values()]
}

/** Of several registers of one string the first tells all of it. */
export function isFirstOfString(item: Item, c: Change): boolean {
  const text = JSON.stringify(c.string)
  return item.parts.find((p) => JSON.stringify(p.c.string) === text)?.c === c
}

/** What follows the subject in the key of a part: "ecx", "bar0"; of like ones, what goes before: "APIC". */
export function partOf(item: Item, c: Change): string {
  if (item.subject === BRAND_LEAVES) return ''
  if (item.kind === 'like') return before(c.key, c.key.lastIndexOf('/'))
  return c.key.length > item.subject.length ? c.key.slice(item.subject.length + 1) : ''
}

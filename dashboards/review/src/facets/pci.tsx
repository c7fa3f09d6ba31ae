// SPDX-License-Identifier: Apache-2.0
/** PCI as the tree that it is: what hangs behind a bridge stands within it. */
import { useContext } from 'preact/hooks'
import type { Entry, Facet } from '../model'
import { count, Text } from '../parts'
import { Entries, Fold, FoldAll, holds, inBytes, useShown, Viewed } from './common'

interface PciFunction {
  path: string
  /** Its last part, which is what its place in the tree leaves open. */
  name: string
  title: string | null
  entries: Map<string, Entry>
  placed: Map<string, Entry>
  behind: PciFunction[]
}

const split = (key: string): [string, string] => {
  const at = key.lastIndexOf('/')
  return at < 0 ? ['', key] : [key.slice(0, at), key.slice(at + 1)]
}

function functionsOf(pci: Facet, placement: Facet | undefined): PciFunction[] {
  const all = new Map<string, PciFunction>()
  const roots: PciFunction[] = []
  const titles = new Map((pci.groups ?? []).map((g) => [g.id, g.title]))
  const find = (path: string): PciFunction => {
    // From the root on: a bridge of which nothing else is known has a place, too.
    let above: PciFunction | null = null
    for (let at = path.indexOf('/'); ; at = path.indexOf('/', at + 1)) {
      const part = at < 0 ? path : path.slice(0, at)
      let known = all.get(part)
      if (!known) {
        known = { path: part, name: above ? part.slice(above.path.length + 1) : part, title: titles.get(part) ?? null, entries: new Map(), placed: new Map(), behind: [] }
        all.set(part, known)
        ;(above ? above.behind : roots).push(known)
      }
      above = known
      if (at < 0) return known
    }
  }
  for (const e of pci.entries) {
    const [path, name] = split(e.key)
    find(path).entries.set(name, e)
  }
  for (const e of placement?.entries ?? []) {
    const [path, name] = split(e.key)
    all.get(path)?.placed.set(name, e)
  }
  return roots
}

function titleOf(f: PciFunction): string {
  if (f.title) return f.title
  const get = (name: string) => f.entries.get(name)
  const id = get('id')
  const kind = get('class')
  const words = [
    [kind?.meaning ?? kind?.value, id?.meaning].filter(Boolean).join(': '),
    id && `[${id.value}]`,
    get('revision') && `rev ${get('revision')?.value}`,
  ]
  return words.filter(Boolean).join(' ') || 'nothing else is known of it'
}

const holdsLinked = (f: PciFunction, key: string | null): boolean => holds([...f.entries.values()], key) || f.behind.some((b) => holdsLinked(b, key))

/** Without leading zeros: these lines are to be read, the entries have them whole. */
const shortened = (text: string): string => text.replace(/^0x0+(?=[0-9a-f])/, '0x')

const RANGE = /^(bar\d|rom)$/
const CAPABILITY = /^(cap|ext)\.[0-9a-f]+@0x[0-9a-f]+$/

/** The facts in one line: what it takes of the address space, and what it can. */
function Facts({ f }: { f: PciFunction }) {
  const { linked } = useContext(Viewed)
  const own = [...f.entries.values()]
  const ranges = [...f.entries].filter(([name]) => RANGE.test(name))
  const windows = [...f.placed].filter(([name]) => !RANGE.test(name))
  const capabilities = [...f.entries].filter(([name]) => CAPABILITY.test(name))
  // The title tells of these, where there is one.
  const pin = f.title ? undefined : f.entries.get('pin')
  return (
    <ul class="facts">
      {!f.title && f.entries.has('multifunction') && <li>multifunction</li>}
      {pin && <li>pin {pin.value}</li>}
      {ranges.map(([name, e]) => (
        <li key={name}>
          <b>{name}</b> <Text text={inBytes(e.value)} />
          {f.placed.has(name) && (
            <>
              {' '}
              at <code>{shortened(f.placed.get(name)?.value ?? '')}</code>
            </>
          )}
        </li>
      ))}
      {windows.map(([name, e]) => (
        <li key={name}>
          <b>{name.replace('_', ' ')}</b> <Text text={inBytes(shortened(e.value))} />
        </li>
      ))}
      {capabilities.length > 0 && <li class="faint">{capabilities.map(([name, e]) => e.meaning ?? name).join(', ')}</li>}
      {own.length > 0 && (
        <li class="whole">
          <Fold id={f.path} holds={holds(own, linked)} summary={`all ${count(own.length, 'entry', 'entries')}`} class="inline">
            {() => <Entries caption={`Entries of ${f.path}`} entries={own} label={(e) => split(e.key)[1]} more={(e) => (inBytes(e.value) === e.value ? null : inBytes(e.value))} />}
          </Fold>
        </li>
      )}
    </ul>
  )
}

function Function({ f }: { f: PciFunction }) {
  return (
    <li>
      <h4 class="function">
        <code>{f.name}</code> <Text text={titleOf(f)} />
      </h4>
      <Facts f={f} />
      {f.behind.length > 0 && <Behind f={f} />}
    </li>
  )
}

function Behind({ f }: { f: PciFunction }) {
  const { linked } = useContext(Viewed)
  return (
    <Fold id={`${f.path}/`} open holds={f.behind.some((b) => holdsLinked(b, linked))} summary={`${count(f.behind.length, 'function')} behind it`} class="behind">
      {() => <Tree functions={f.behind} />}
    </Fold>
  )
}

function Tree({ functions }: { functions: PciFunction[] }) {
  const { linked } = useContext(Viewed)
  const [shown, rest] = useShown(functions, (f) => holdsLinked(f, linked))
  return (
    <ul class="tree">
      {shown.map((f) => (
        <Function key={f.path} f={f} />
      ))}
      {rest && <li>{rest}</li>}
    </ul>
  )
}

export function Pci({ facet, placement }: { facet: Facet; placement: Facet | undefined }) {
  return (
    <>
      <FoldAll />
      <Tree functions={functionsOf(facet, placement)} />
    </>
  )
}

// SPDX-License-Identifier: Apache-2.0
/** ACPI table by table; what definition blocks declare, as the tree of names that it is. */
import { useContext } from 'preact/hooks'
import type { Entry, Facet } from '../model'
import { count, Text } from '../parts'
import { Entries, entryOf, Fold, FoldAll, grouped, holds, Key, natural, useShown, Value, Viewed, within } from './common'
import type { Grouped } from './common'

/** Told in the heading. */
const HEADER = ['revision', 'length', 'oem_id', 'oem_table_id', 'oem_revision', 'creator_id', 'creator_revision']
/** Of a device, in the order in which people look for them. */
const PROPERTY = /^_(HID|CID|UID|ADR|SUN|BBN|SEG|PXM|STA|STR|DDN|CRS)$/
const LONG = 48

interface Named {
  name: string
  path: string
  entry: Entry | null
  properties: [string, Entry][]
  within: Named[]
}

/** Segments of names are of four capitals, digits and underscores; names of fields are not. */
const isObject = (name: string): boolean => /^[\\^]*[A-Z_]/.test(name)

function namespace(id: string, entries: Entry[]): Named[] {
  const roots: Named[] = []
  const all = new Map<string, Named>()
  for (const e of entries) {
    const path = within(id, e.key)
    const dot = path.lastIndexOf('.')
    const last = path.slice(dot + 1)
    const property = dot > 0 && PROPERTY.test(last)
    const parts = (property ? path.slice(0, dot) : path).split('.')
    let list = roots
    let node: Named | undefined
    let name = ''
    for (const part of parts) {
      name = name ? `${name}.${part}` : part
      node = all.get(name)
      if (!node) {
        node = { name: part, path: name, entry: null, properties: [], within: [] }
        all.set(name, node)
        list.push(node)
      }
      list = node.within
    }
    if (!node) continue
    if (property) node.properties.push([last, e])
    else node.entry = e
  }
  return roots
}

const holdsNamed = (n: Named, key: string | null): boolean => n.entry?.key === key || holds(n.properties.map(([, e]) => e), key) || n.within.some((w) => holdsNamed(w, key))

function Property({ name, entry }: { name: string; entry: Entry }) {
  const { linked } = useContext(Viewed)
  const value = <Value text={entry.value} />
  return (
    <li class={linked === entry.key ? 'linked' : undefined}>
      <Key entry={entry} text={name} />{' '}
      {entry.value.length > LONG ? (
        <Fold id={entry.key} holds={linked === entry.key} summary={count(entry.value.split(', ').length, 'item')} class="inline">
          {() => value}
        </Fold>
      ) : (
        value
      )}
      {entry.meaning && (
        <>
          {' '}
          <Text text={entry.meaning} />
        </>
      )}
    </li>
  )
}

function Object({ node, id }: { node: Named; id: string }) {
  const { linked } = useContext(Viewed)
  return (
    <li>
      {node.entry ? (
        <span class={linked === node.entry.key ? 'linked' : undefined}>
          <Key entry={node.entry} text={node.name} /> <Text text={node.entry.value} />
        </span>
      ) : (
        <code>{node.name}</code>
      )}
      {node.properties.length > 0 && (
        <ul class="facts">
          {node.properties.map(([name, e]) => (
            <Property key={name} name={name} entry={e} />
          ))}
        </ul>
      )}
      {node.within.length > 0 && (
        <Fold id={`${id}/${node.path}`} open={node.within.length <= 12} holds={node.within.some((n) => holdsNamed(n, linked))} summary={count(node.within.length, 'object') + ' within'} class="behind">
          {() => <Objects nodes={node.within} id={id} />}
        </Fold>
      )}
    </li>
  )
}

function Objects({ nodes, id }: { nodes: Named[]; id: string }) {
  const { linked } = useContext(Viewed)
  const [shown, rest] = useShown(nodes, (n) => holdsNamed(n, linked))
  return (
    <ul class="tree objects">
      {shown.map((n) => (
        <Object key={n.path} node={n} id={id} />
      ))}
      {rest && <li>{rest}</li>}
    </ul>
  )
}

function headOf(g: Grouped): string {
  const get = (name: string) => entryOf(g.entries, `${g.id}/${name}`)?.value
  const together = (what: string, ...names: string[]) => {
    const values = names.map(get).filter(Boolean)
    return values.length ? `${what} ${values.join(' ')}` : null
  }
  return [together('revision', 'revision'), together('length', 'length'), together('OEM', 'oem_id', 'oem_table_id', 'oem_revision'), together('creator', 'creator_id', 'creator_revision')]
    .filter(Boolean)
    .join(', ')
}

function Table({ group: g }: { group: Grouped }) {
  const { linked } = useContext(Viewed)
  const kind = (e: Entry): number => {
    const name = within(g.id, e.key)
    return HEADER.includes(name) ? 0 : isObject(name) ? 1 : 2
  }
  const [header, objects] = [0, 1].map((n) => g.entries.filter((e) => kind(e) === n)) as [Entry[], Entry[]]
  const others = g.entries.filter((e) => kind(e) === 2).sort((a, b) => natural(a.key, b.key))
  const title = g.title ?? entryOf(g.entries, `${g.id}/revision`)?.meaning
  return (
    <section class="group table">
      <h4>
        <code>
          <Text text={g.id || 'other'} />
        </code>{' '}
        {title && <Text text={title} />}
      </h4>
      {header.length > 0 && (
        <Fold id={`${g.id}/header`} holds={holds(header, linked)} summary={<Text text={headOf(g)} />}>
          {() => <Entries caption={`Header of ${g.id}`} entries={header} label={(e) => within(g.id, e.key)} />}
        </Fold>
      )}
      {others.length > 0 && (
        <Fold id={g.id} open={others.length <= 6} holds={holds(others, linked)} summary={count(others.length, 'field')}>
          {() => <Entries caption={`Fields of ${g.id}`} entries={others} label={(e) => within(g.id, e.key)} />}
        </Fold>
      )}
      {objects.length > 0 && (
        <Fold id={`${g.id}/objects`} open holds={holds(objects, linked)} summary={`Namespace, ${count(objects.length, 'entry', 'entries')}`}>
          {() => <Objects nodes={namespace(g.id, objects)} id={g.id} />}
        </Fold>
      )}
    </section>
  )
}

export function Acpi({ facet }: { facet: Facet }) {
  return (
    <>
      <FoldAll />
      {grouped(facet, (key) => key.split('/')[0] ?? '').map((g) => (
        <Table key={g.id} group={g} />
      ))}
    </>
  )
}

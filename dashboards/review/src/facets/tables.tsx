// SPDX-License-Identifier: Apache-2.0
/** SMBIOS, NUMA, and the facets that are tables. */
import { useContext } from 'preact/hooks'
import type { Entry, Facet } from '../model'
import { count, Text, Wide } from '../parts'
import { Entries, Fold, FoldAll, grouped, hex, holds, inBytes, Key, natural, useShown, Viewed, within } from './common'

export function Smbios({ facet }: { facet: Facet }) {
  const { linked } = useContext(Viewed)
  const groups = grouped(facet, (key) => (key.includes('/') ? (key.split('/')[0] ?? '') : '')).sort((a, b) => natural(a.id, b.id))
  const [shown, rest] = useShown(groups, (g) => holds(g.entries, linked))
  return (
    <>
      <FoldAll />
      {shown.map((g) =>
        g.id ? (
          <section class="group" key={g.id}>
            <Fold id={g.id} open holds={holds(g.entries, linked)} summary={<Heading code={g.id} title={g.title} />}>
              {() => <Entries caption={`Fields of ${g.id}`} entries={g.entries} label={(e) => within(g.id, e.key)} />}
            </Fold>
          </section>
        ) : (
          <Entries key="" caption="Of the tables as a whole" entries={g.entries} />
        ),
      )}
      {rest}
    </>
  )
}

const Heading = ({ code, title }: { code: string; title: string | null }) => (
  <h4>
    <code>
      <Text text={code} />
    </code>{' '}
    {title && <Text text={title} />}
  </h4>
)

const numeric = (a: string, b: string): number => (hex(a) ?? BigInt(/^\d{1,15}$/.test(a) ? a : 0)) < (hex(b) ?? BigInt(/^\d{1,15}$/.test(b) ? b : 0)) ? -1 : 1

function Distances({ entries }: { entries: Entry[] }) {
  const { linked } = useContext(Viewed)
  const cells = new Map(entries.map((e) => [e.key, e]))
  const names = [...new Set(entries.flatMap((e) => e.key.split('/').slice(1, 3)))].sort(numeric)
  return (
    <Wide name="Distances between nodes">
      <table class="matrix">
        <caption>From the node of a row to that of a column (SLIT); 10 is the node itself</caption>
        <thead>
          <tr>
            <th scope="col">from \ to</th>
            {names.map((n) => (
              <th scope="col" key={n}>
                {n}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {names.map((from) => (
            <tr key={from}>
              <th scope="row">{from}</th>
              {names.map((to) => {
                const e = cells.get(`distance/${from}/${to}`)
                return (
                  <td key={to} class={[from === to && 'self', e && e.key === linked && 'linked'].filter(Boolean).join(' ') || undefined}>
                    {e ? <Key entry={e} text={e.value} /> : '–'}
                  </td>
                )
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </Wide>
  )
}

function Topology({ entries }: { entries: Entry[] }) {
  const get = (name: string) => entries.find((e) => e.key === `topology/${name}`)?.value
  const [sockets, dies, cores, threads] = ['sockets', 'dies_per_socket', 'cores_per_die', 'threads_per_core'].map(get)
  return (
    <section class="group">
      <h4>Topology</h4>
      {sockets && dies && cores && threads && (
        <p>
          {count(Number(sockets), 'socket')} × {count(Number(dies), 'die')} × {count(Number(cores), 'core')} × {count(Number(threads), 'thread')}
        </p>
      )}
      <Entries caption="Topology" entries={entries} label={(e) => within('topology', e.key).replace(/_/g, ' ')} />
    </section>
  )
}

const isDistance = (e: Entry): boolean => /^distance\/[^/]+\/[^/]+$/.test(e.key)

const nodeCount = (distances: Entry[]): number => new Set(distances.map((e) => e.key.split('/')[1])).size

export function Numa({ facet }: { facet: Facet }) {
  const { linked } = useContext(Viewed)
  const part = (prefix: string) => facet.entries.filter((e) => e.key.startsWith(prefix))
  const contradictions = part('contradiction/')
  const topology = part('topology/')
  const distances = facet.entries.filter(isDistance)
  const nodes = new Map<string, Entry[]>()
  const others: Entry[] = []
  for (const e of facet.entries) {
    if (/^(contradiction|topology)\//.test(e.key) || isDistance(e)) continue
    const node = /^node\d+(?=\/)/.exec(e.key)?.[0]
    const known = node && nodes.get(node)
    if (known) known.push(e)
    else if (node) nodes.set(node, [e])
    else others.push(e)
  }
  return (
    <>
      {contradictions.length > 0 && (
        <section class="group">
          <h4>Contradictions: what one table says and another does not</h4>
          <Entries caption="Contradictions" entries={contradictions} label={(e) => within('contradiction', e.key)} />
        </section>
      )}
      {topology.length > 0 && <Topology entries={topology} />}
      {nodes.size === 0 && facet.coverage !== 'none' && <p class="faint">No table of nodes (SRAT): to its system this guest has one.</p>}
      {[...nodes]
        .sort(([a], [b]) => numeric(a.slice(4), b.slice(4)))
        .map(([id, entries]) => (
          <section class="group" key={id}>
            <h4>{id.replace('node', 'Node ')}</h4>
            <Entries caption={id} entries={entries} label={(e) => within(id, e.key)} />
          </section>
        ))}
      {distances.length > 0 && (
        <section class="group">
          <Fold id="distances" open={nodeCount(distances) <= 32} holds={holds(distances, linked)} summary={<h4>Distances between nodes</h4>}>
            {() => <Distances entries={distances} />}
          </Fold>
        </section>
      )}
      <Entries caption="Others" entries={others} />
    </>
  )
}

interface Run {
  first: bigint
  last: bigint
  /** "r8 r32", of all of them. */
  widths: string
  value: string
  entries: Entry[]
}

/** Neighbours that were read alike are one range. `step`: how far neighbours lie apart. */
function runs(entries: Entry[], step: bigint): { runs: Run[]; others: Entry[] } {
  const at = new Map<bigint, Map<string, Entry>>()
  const others: Entry[] = []
  for (const e of entries) {
    const m = /^(0x[0-9a-f]+)\/(r\d+)$/.exec(e.key)
    const place = hex(m?.[1])
    if (place === null || !m?.[2]) others.push(e)
    else at.set(place, (at.get(place) ?? new Map<string, Entry>()).set(m[2], e))
  }
  const found: Run[] = []
  /** By where each would go on, and how it reads. */
  const open = new Map<string, Run>()
  for (const [place, widths] of [...at].sort(([a], [b]) => (a < b ? -1 : 1)))
    for (const value of new Set([...widths.values()].map((e) => e.value))) {
      const these = [...widths].filter(([, e]) => e.value === value).sort(([a], [b]) => Number(a.slice(1)) - Number(b.slice(1)))
      const names = these.map(([name]) => name.slice(1)).join(', ')
      let run = open.get(`${place} ${names} ${value}`)
      if (run) {
        run.last = place
        run.entries.push(...these.map(([, e]) => e))
      } else found.push((run = { first: place, last: place, widths: names, value, entries: these.map(([, e]) => e) }))
      open.set(`${place + step} ${names} ${value}`, run)
    }
  return { runs: found, others }
}

/** Ports or pages. `digits`: how an address of it is written. */
export function Reads({ facet, step, what }: { facet: Facet; step: bigint; what: string }) {
  const { linked } = useContext(Viewed)
  const { runs: all, others } = runs(facet.entries, step)
  const [rows, rest] = useShown(all, (r) => holds(r.entries, linked))
  const digits = step > 1n ? 16 : 4
  const text = (n: bigint) => '0x' + n.toString(16).padStart(digits, '0')
  return (
    <>
      <Entries caption="Registers that identify" entries={others} />
      {rows.length > 0 && (
        <table class="entries">
          <caption>
            {what} that the guest read. <i>absent</i>: only ones came back, three times or more
          </caption>
          <thead>
            <tr>
              <th scope="col">{what}</th>
              <th scope="col">Bits a read</th>
              <th scope="col">Answer</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((r) => (
              <tr key={`${r.first}/${r.widths}/${r.value}`} class={holds(r.entries, linked) ? 'linked' : undefined}>
                <th scope="row">
                  {r.entries.length === 1 && r.entries[0] ? (
                    <Key entry={r.entries[0]} text={text(r.first)} />
                  ) : (
                    <Fold id={`${r.first}/${r.widths}/${r.value}`} holds={holds(r.entries, linked)} summary={<code>{r.first === r.last ? text(r.first) : `${text(r.first)} – ${text(r.last + step - 1n)}`}</code>}>
                      {() => (
                        <ul>
                          {r.entries.map((e) => (
                            <li key={e.key}>
                              <Key entry={e} />
                            </li>
                          ))}
                        </ul>
                      )}
                    </Fold>
                  )}
                </th>
                <td>{r.widths}</td>
                <td>
                  <Text text={r.value} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {rest}
    </>
  )
}

export function Placement({ facet, pci }: { facet: Facet; pci: Facet | undefined }) {
  const kinds = new Map((pci?.entries ?? []).map((e) => [e.key, e.value]))
  return (
    <>
      <p class="faint">Where firmware and the guest's system put it. It is never drift by itself.</p>
      <Entries
        caption="Where BARs and windows were put"
        entries={facet.entries}
        more={(e) => <Text text={kinds.has(e.key) ? inBytes(kinds.get(e.key) ?? '') : (/ (size=0x[0-9a-f]+)/.exec(e.value)?.[1] ?? '').replace(/.+/, inBytes)} />}
      />
    </>
  )
}

export function Plain({ facet }: { facet: Facet }) {
  return <Entries caption={`Entries of ${facet.facet}`} entries={facet.entries} more={(e) => (e.meaning ? null : inBytes(e.value) === e.value ? null : inBytes(/size=0x[0-9a-f]+/.exec(e.value)?.[0] ?? ''))} />
}

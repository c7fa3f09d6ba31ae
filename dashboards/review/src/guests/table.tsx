// SPDX-License-Identifier: Apache-2.0
import { Component } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import type { Guest } from '../model'
import { Name, SeverityTag, StateTag, Text, nameOf, number, timeText, Wide } from '../parts'
import { change, diffLink, guestLink, sideOf } from '../url'
import { COLUMNS, type Column, type Row } from './list'

function Changes({ guest }: { guest: Guest }) {
  if (guest.state !== 'drift' && guest.state !== 'unknown') return <span class="faint">{number(guest.changes)}</span>
  return (
    <a href={diffLink(sideOf(guest.id))} aria-label={guest.state === 'drift' ? `${number(guest.changes)}, the diff of ${nameOf(guest)}` : `why: the diff of ${nameOf(guest)}`}>
      {guest.state === 'drift' ? number(guest.changes) : 'why'}
    </a>
  )
}

function Stable({ guest }: { guest: Guest }) {
  const why = [...guest.unstable, ...guest.next_boot].map((r) => r.reason).join('; ')
  return (
    <span title={why || undefined}>
      {guest.stable === null ? <span class="faint">not known</span> : guest.stable ? 'stable' : `unstable: ${guest.unstable.map((r) => r.code).join(', ')}`}
      {guest.next_boot.length > 0 && <span class="under">next boot: {guest.next_boot.map((r) => r.code).join(', ')}</span>}
    </span>
  )
}

interface LineProps {
  row: Row
  old: boolean
}

/**
 * Drawn again only when it says something else. Its parts are called as the functions that they are: as components they would cost a
 * list of a thousand more than all the rest of it.
 */
class Line extends Component<LineProps> {
  shouldComponentUpdate(next: LineProps) {
    return next.row !== this.props.row || next.old !== this.props.old
  }
  render({ row, old }: LineProps) {
    const g = row.guest
    return (
      <tr>
        <th scope="row">
          <a href={guestLink(g.id)}>
            {Name({ guest: g })}
          </a>
          {g.anonymous && <span class="under">anonymous: it has neither UUID nor name</span>}
          {row.note && <span class="under">{row.note}</span>}
        </th>
        <td data-label="State">
          {StateTag({ state: g.state })}
        </td>
        <td data-label="Verdict">{g.severity !== 'none' && SeverityTag({ severity: g.severity, verdict: g.verdict })}</td>
        <td data-label="Changes" class="number">
          {Changes({ guest: g })}
        </td>
        <td data-label="VMM" title={g.vmm?.version ?? undefined}>
          {Text({ text: row.vmm || 'unknown' })}
          {g.vmm?.replaced && <span class="under">its program was replaced</span>}
        </td>
        <td data-label="Machine">
          {Text({ text: g.machine ?? 'unknown' })}
        </td>
        <td data-label="Host">
          {Text({ text: g.host ?? 'unknown' })}
          {old && <span class="under">not heard of</span>}
        </td>
        <td data-label="Runs">
          {g.running ? 'yes' : 'no'}
          {g.boot !== null && <span class="faint">, boot {g.boot}</span>}
        </td>
        <td data-label="Guest ABI">
          {Stable({ guest: g })}
        </td>
        <td data-label="Drifts since">{g.drift_since && <time dateTime={g.drift_since}>{timeText(g.drift_since)}</time>}</td>
      </tr>
    )
  }
}

function Head({ column, sort }: { column: Column; sort: string | undefined }) {
  const on = sort === column.id || sort === '-' + column.id
  const down = on && (sort === column.id) === !!column.down
  // Its own order, the other way round, the worst first again.
  const next = !on ? column.id : sort === column.id ? '-' + column.id : null
  return (
    <th scope="col" aria-sort={on ? (down ? 'descending' : 'ascending') : undefined}>
      <button type="button" class="sort" onClick={() => change({ sort: next })}>
        {column.label}
        <span aria-hidden="true">{on ? (down ? ' ▼' : ' ▲') : ''}</span>
      </button>
    </th>
  )
}

/** So many are drawn at once; the others when the browser has painted these, and nobody types. */
const FIRST = 60
const NEXT = 100
const PAUSE_MS = 120

/** How many of the rows are drawn by now. It begins again where `what` is another. */
function useGrowth(all: number, what: unknown): number {
  const [drawn, setDrawn] = useState({ what, rows: FIRST })
  const rows = drawn.what === what ? drawn.rows : FIRST
  const more = rows < all
  useEffect(() => {
    if (!more) return undefined
    const timer = setTimeout(() => setDrawn({ what, rows: rows + NEXT }), rows === FIRST ? PAUSE_MS : 0)
    return () => clearTimeout(timer)
  }, [what, rows, more])
  return rows
}

/** `what` it is a list of: filters, search, order. */
export function Table({ rows, sort, oldHosts, what }: { rows: Row[]; sort: string | undefined; oldHosts: string[]; what: string }) {
  const drawn = useGrowth(rows.length, what)
  return (
    <Wide name="Table of guests">
      <table class={rows.length > FIRST ? 'guests many' : 'guests'}>
        <caption class="unseen">Guests, {sort ? 'in the order that its heads say' : 'the worst first'}</caption>
        <thead>
          <tr>
            {COLUMNS.map((c) => (
              <Head key={c.id} column={c} sort={sort} />
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, drawn).map((r) => (
            <Line key={r.key} row={r} old={r.guest.running && r.guest.host !== null && oldHosts.includes(r.guest.host)} />
          ))}
        </tbody>
      </table>
    </Wide>
  )
}

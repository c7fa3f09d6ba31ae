// SPDX-License-Identifier: Apache-2.0
/** The same events as lines: what is read aloud, and what leads on. */
import { useEffect, useRef } from 'preact/hooks'
import { isHeld, paths } from '../api'
import type { Event, Factor } from '../model'
import { count, Name, SeverityTag, Text, When, Wide } from '../parts'
import { change, diffLink, guestLink, sideOf } from '../url'
import { type Happening, type Kind, KINDS } from './happenings'

const MOST = 6

function Factors({ factors }: { factors: Factor[] }) {
  if (!factors.length) return null
  return (
    <ul class="factors">
      {factors.slice(0, MOST).map((f, i) => (
        <li key={i}>
          <Text text={f.factor} /> <code>{f.from === null ? 'none' : <Text text={f.from} />}</code> → <code>{f.to === null ? 'none' : <Text text={f.to} />}</code>
        </li>
      ))}
      {factors.length > MOST && <li>and {factors.length - MOST} more</li>}
    </ul>
  )
}

/** Of drift what is to blame for it, which of a list is only what differs; else what differs in the context. */
function factorsOf(e: Event): Factor[] {
  const best = new Map<string, Factor>()
  for (const c of e.changes ?? []) {
    const f = c.cause?.[0]
    if (f) best.set([f.factor, f.from, f.to].join('\n'), f)
  }
  return best.size ? [...best.values()] : (e.context ?? [])
}

function What({ h }: { h: Happening }) {
  return (
    <>
      <strong>{KINDS[h.kind]}</strong> {h.alert?.type && h.alert.type !== 'drift' && <>({h.alert.type}) </>}
      {h.severity && <SeverityTag severity={h.severity} verdict={h.alert?.verdict ?? null} />}
      {h.kind === 'drift' && <> {count(h.event?.changes?.length ?? 0, 'change')}</>}
    </>
  )
}

function Why({ h, id }: { h: Happening; id: string }) {
  const e = h.event
  if (h.alert)
    return (
      <>
        <Text text={h.alert.summary} />
        {h.alert.sinks?.length > 0 && (
          <ul class="factors">
            {h.alert.sinks.map((s) => (
              <li key={s.sink}>
                {s.sink}: {s.state === 'done' ? 'done' : `waiting, ${count(s.attempts, 'attempt')}`}
                {s.why && <>; {s.why}</>}
              </li>
            ))}
          </ul>
        )}
      </>
    )
  const others = e?.guests?.filter((g) => g.id !== id) ?? []
  return (
    <>
      {h.kind === 'host' && e?.reason ? (
        <>
          on host <Text text={e.reason} />
        </>
      ) : (
        <Text text={e?.reason ?? ''} />
      )}
      {e && <Factors factors={factorsOf(e)} />}
      {e?.guests?.some((g) => g.id === id) && <div>This guest drifted because of it.</div>}
      {others.length > 0 && (
        <div>
          {count(others.length, 'other guest')} drifted because of it:{' '}
          {others.slice(0, 5).map((g, i) => (
            <>
              {i > 0 && ', '}
              {isHeld(paths.guest(g.id)) ? (
                <a href={guestLink(g.id)}>
                  <Name guest={g} />
                </a>
              ) : (
                <Name guest={g} />
              )}
            </>
          ))}
          {others.length > 5 && ' …'}
        </div>
      )}
    </>
  )
}

function Leads({ event, id, before }: { event: Event | null; id: string; before: number | null }) {
  const revision = event?.revision
  if (!revision) return null
  const [from, to] = [sideOf(id, before), sideOf(id, revision)]
  return (
    <>
      {isHeld(paths.guest(id, revision)) ? <a href={guestLink(id, { rev: revision })}>revision {revision}</a> : <>revision {revision}</>}
      {before !== null && (event.type === 'fingerprint' || event.type === 'drift') && isHeld(paths.diff(from, to)) && (
        <>
          {' '}
          <a href={diffLink(from, to)}>
            compare {before} → {revision}
          </a>
        </>
      )}
    </>
  )
}

export const FEW = 12

interface EventsProps {
  id: string
  /** Newest first. */
  shown: Happening[]
  more: boolean
  selected: string | undefined
  /** The revision before this one, as far as it is known. */
  before: (revision: number) => number | null
}

export function Events({ id, shown, more, selected, before }: EventsProps) {
  const row = useRef<HTMLTableRowElement>(null)
  const chosen = shown.find((h) => h.key === selected)
  useEffect(() => {
    row.current?.focus({ preventScroll: true })
    row.current?.scrollIntoView({ block: 'nearest' })
  }, [chosen?.key])
  const cut = more ? shown : shown.filter((h, i) => i < FEW || h === chosen)
  return (
    <>
      <Wide name="List of events">
        <table class="events">
          <caption>Events, newest first</caption>
          <thead>
            <tr>
              <th scope="col">Time</th>
              <th scope="col">What</th>
              <th scope="col">Why</th>
              <th scope="col">By</th>
              <th scope="col">Leads to</th>
            </tr>
          </thead>
          <tbody>
            {cut.map((h) => (
              <tr key={h.key} ref={h === chosen ? row : null} tabIndex={h === chosen ? -1 : undefined} aria-current={h === chosen ? 'true' : undefined}>
                <th scope="row">
                  <When at={h.at} />
                </th>
                <td>
                  <What h={h} />
                </td>
                <td class="why">
                  <Why h={h} id={id} />
                </td>
                <td class="by">
                  <Text text={h.event?.by ?? ''} />
                </td>
                <td class="leads">
                  <Leads event={h.event} id={id} before={h.event?.revision ? before(h.event.revision) : null} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Wide>
      {shown.length > cut.length && (
        <button type="button" class="small" onClick={() => change({ events: 'all' })}>
          Show all {shown.length}
        </button>
      )}
      {more && shown.length > FEW && (
        <button type="button" class="small" onClick={() => change({ events: null })}>
          Show the newest {FEW}
        </button>
      )}
    </>
  )
}

/** Which kinds are listed and drawn: those of `types`, or all. */
export function Kinds({ counts, types }: { counts: Map<Kind, number>; types: Set<Kind> }) {
  const all = [...counts.keys()]
  const toggle = (kind: Kind) => {
    const base = types.size ? types : new Set(all)
    const next = all.filter((k) => (k === kind ? !base.has(k) : base.has(k)))
    change({ types: next.length === all.length || !next.length ? null : next.join(',') })
  }
  return (
    <fieldset class="kinds">
      <legend>Kinds of events</legend>
      {all.map((kind) => (
        <label key={kind}>
          <input type="checkbox" checked={!types.size || types.has(kind)} onChange={() => toggle(kind)} /> {KINDS[kind]} ({counts.get(kind)})
        </label>
      ))}
    </fieldset>
  )
}

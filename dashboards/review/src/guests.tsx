// SPDX-License-Identifier: Apache-2.0
/** What drifts now, and all guests with their state. */
import { useMemo, useRef } from 'preact/hooks'
import './guests.css'
import { paths, useAnswer } from './api'
import type { Guest, GuestList, Severity } from './model'
import { Banner, Empty, Failed, Loading, SEVERITIES, Text, When, count, number, useTitle } from './parts'
import { CLEAR, Filters } from './guests/filters'
import { FILTERS, filter, rowsOf, sort, worstFirst, type Row } from './guests/list'
import { ChangeSets } from './guests/sets'
import { Table } from './guests/table'
import { link, useQuery, type Params } from './url'

/** The state of all in one line; each part of it is a link to those guests. */
function Sum({ guests }: { guests: Guest[] }) {
  const of = (state: string) => guests.filter((g) => g.state === state)
  const drift = of('drift')
  const stopped = guests.filter((g) => !g.running).length
  const severities = SEVERITIES.map((s) => [s, drift.filter((g) => g.severity === s).length] as [Severity, number]).filter(([, n]) => n)
  const parts = [
    drift.length > 0 && (
      <>
        <a href={link([], { state: 'drift' })}>{number(drift.length)} drift</a> (
        {severities.map(([s, n], i) => (
          <>
            {i > 0 && ', '}
            <a href={link([], { severity: s, state: 'drift' })}>
              {number(n)} {s}
            </a>
          </>
        ))}
        )
      </>
    ),
    of('unknown').length > 0 && <a href={link([], { state: 'unknown' })}>{number(of('unknown').length)} unknown</a>,
    of('learning').length > 0 && <a href={link([], { state: 'learning' })}>{number(of('learning').length)} learning</a>,
    of('same').length > 0 && <a href={link([], { state: 'same' })}>{number(of('same').length)} as {of('same').length === 1 ? 'its baseline' : 'their baselines'}</a>,
  ].filter(Boolean)
  return (
    <p class="sum">
      <strong>{count(guests.length, 'guest')}</strong>: {parts.map((p, i) => (i ? <>, {p}</> : p))}
      {stopped > 0 && (
        <>
          ; <a href={link([], { running: 'no' })}>{number(stopped)} of them {stopped === 1 ? 'does' : 'do'} not run</a>
        </>
      )}
    </p>
  )
}

function Banners({ list }: { list: GuestList }) {
  const { maintenance, stale } = list
  return (
    <>
      {stale.map((s) => (
        <Banner key={s.host} kind="warning">
          <strong>
            The monitor of <Text text={s.host} /> has said nothing since <When at={s.at} />.
          </strong>{' '}
          What is shown of its guests is as it was then. On that host: <code>systemctl status abidrift</code>
        </Banner>
      ))}
      {maintenance && (
        <Banner kind="info">
          <strong>
            Maintenance until <When at={maintenance.end} />
          </strong>
          , begun <When at={maintenance.begin} />
          {maintenance.by && (
            <>
              {' '}
              by <Text text={maintenance.by} />
            </>
          )}
          {maintenance.reason && (
            <>
              : <Text text={maintenance.reason} />
            </>
          )}
          . Alerts are held back until it ends; drift is seen and kept all the same.
        </Banner>
      )}
    </>
  )
}

/** A link to it was kept, or it was accepted meanwhile. */
function SetGone({ id }: { id: string }) {
  return (
    <>
      No guest drifts with change set{' '}
      <code>
        <Text text={id} />
      </code>{' '}
      now: it was accepted, or went away by itself; the history of its guests says which.
    </>
  )
}

function List({ list, params }: { list: GuestList; params: Params }) {
  const before = useRef<Row[]>([])
  const rows = useMemo(() => (before.current = rowsOf(list.guests, before.current)), [list])
  const sorted = useMemo(() => sort(rows, params.sort), [rows, params.sort])
  const sets = useMemo(() => [...list.change_sets].sort(worstFirst), [list])
  const { query, search, clear } = useQuery(params)
  const { rows: shown, choices } = filter(sorted, params, query, sets)
  const gone = params.set && !sets.some((s) => s.id === params.set) ? params.set : null
  const heading = useRef<HTMLHeadingElement>(null)
  const toList = (e: MouseEvent) => {
    if (e.ctrlKey || e.metaKey || e.shiftKey || e.button) return
    setTimeout(() => heading.current?.focus())
  }
  return (
    <>
      <ChangeSets sets={sets} guests={list.guests} params={params} toList={toList} />
      <section aria-labelledby="list">
        <h2 id="list" ref={heading} tabIndex={-1}>
          All guests
        </h2>
        <Filters params={params} choices={choices} sets={sets} query={query} search={search} clear={() => clear(CLEAR)} />
        <p class="shown" role="status">
          {number(shown.length)} of {number(rows.length)} shown
        </p>
        {shown.length > 0 ? (
          <Table rows={shown} sort={params.sort} oldHosts={list.stale.map((s) => s.host)} what={[query, params.sort, ...FILTERS.map((f) => params[f.param])].join('\n')} />
        ) : (
          <Empty>
            {gone ? <SetGone id={gone} /> : 'No guest matches these filters.'}{' '}
            <button
              type="button"
              onClick={() => {
                clear(CLEAR)
                heading.current?.focus()
              }}
            >
              Clear filters
            </button>
          </Empty>
        )}
      </section>
    </>
  )
}

export function GuestsView({ params }: { params: Params }) {
  const { value, failure, at } = useAnswer<GuestList>(paths.guests(), true)
  const drift = value ? value.guests.filter((g) => g.state === 'drift').length : 0
  useTitle(value ? `${drift ? number(drift) : 'no'} drift` : 'Guests')
  return (
    <>
      <h1>Guests</h1>
      {failure && <Failed failure={failure} what="The list of guests" at={value ? at : null} />}
      {!value && !failure && <Loading what="guests" />}
      {value && <Banners list={value} />}
      {value && value.guests.length > 0 && <Sum guests={value.guests} />}
      {value && value.guests.length > 0 && <List list={value} params={params} />}
      {value && value.guests.length === 0 && (
        <Empty>
          <strong>No guest has been seen yet.</strong> <code>abidrift run</code> watches every KVM guest of its host and lists it here from its first exit on.{' '}
          <code>abidrift doctor</code> says what can be seen on this host.
        </Empty>
      )}
    </>
  )
}


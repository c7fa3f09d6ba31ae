// SPDX-License-Identifier: Apache-2.0
/** Boots, host changes, drifts, accepts and alerts of one guest, to scale; and the same as a list. */
import { useEffect, useMemo, useState } from 'preact/hooks'
import './timeline.css'
import { paths, report, useAnswer } from './api'
import type { Alerts, Event, Guest, History, RevisionMark } from './model'
import { count, Empty, Failed, Loading, seen } from './parts'
import { Drawing } from './timeline/drawing'
import { boots, drifts, happeningsOf, type Happening, type Kind, KINDS, merge } from './timeline/happenings'
import { Events, Kinds } from './timeline/list'
import { type Range, rangeOf, rangeParams, zoomed } from './timeline/scale'
import { change, link, parse, type Params } from './url'

/** Parts of a history, newest first; one that a link needs is asked for without being told to. */
const PARTS_MOST = 20

/** So many events that were not asked for are held of a guest that is looked at for days; then only the newest are. */
const HELD_MOST = 2000

/** What goes on is drawn until now; it moves that often. */
const NOW_MS = 30_000

const PRESETS: [string, string][] = [
  ['1h', 'Last hour'],
  ['1d', 'Last day'],
  ['30d', 'Last 30 days'],
]

function useNow(): number {
  const [now, set] = useState(() => (report ? Date.parse(report.at) : Date.now()))
  useEffect(() => {
    if (report) return
    const timer = window.setInterval(() => set(Date.now()), NOW_MS)
    return () => clearInterval(timer)
  }, [])
  return now
}

interface Known {
  id: string
  /** Oldest first. */
  events: Event[]
  /** Where older ones begin; null: there are none. */
  before: string | null
  /** How many older parts are among them. */
  parts: number
}

/** With what the newest answer says. Where it does not reach back to what is known (nobody asked for a while), it is all that is known: no hole. */
function known(h: Known, id: string, value: History): Known {
  const [first] = value.events
  const newest = h.events[h.events.length - 1]
  const hole = !!value.before && !!first && !!newest && Date.parse(first.at) > Date.parse(newest.at)
  if (h.id !== id || !h.events.length || hole) return { id, events: value.events, before: value.before ?? null, parts: 0 }
  const events = merge([h.events, value.events])
  const most = HELD_MOST + h.parts * value.events.length
  return events.length > most && value.before ? { id, events: value.events, before: value.before, parts: 0 } : { ...h, events }
}

/** All that is known of the history, in the order of time; and how to get older events, where there are any. */
function useHistory(id: string, since: string | undefined) {
  const newest = useAnswer<History>(paths.history(id), true)
  const [held, hold] = useState<Known>({ id, events: [], before: null, parts: 0 })
  const [asked, ask] = useState<string | null>(null)
  const [presses, press] = useState(0)
  const older = useAnswer<History>(asked && paths.history(id, asked), false, presses)
  useEffect(() => {
    const value = newest.value
    if (value) hold((h) => known(h, id, value))
  }, [newest.value, id])
  useEffect(() => {
    const value = older.value
    if (!value || !asked) return
    hold((h) => (h.id === id && h.before === asked ? { id, events: merge([value.events, h.events]), before: value.before ?? null, parts: h.parts + 1 } : h))
    ask(null)
  }, [older.value])
  const ours = held.id === id ? held : { events: [], before: null, parts: 0 }
  const oldest = ours.events[0]?.at
  const wanted = since !== undefined && oldest !== undefined && Date.parse(since) < Date.parse(oldest)
  useEffect(() => {
    if (wanted && ours.before && !asked && ours.parts < PARTS_MOST) ask(ours.before)
  }, [wanted, ours.before, asked])
  const more = () => {
    ask(ours.before)
    press(presses + 1)
  }
  return { newest, events: ours.events, before: ours.before, asking: asked !== null && !older.failure, failure: older.failure, more }
}

/** Without what happened before the guest was met, and to other hosts than its own. */
function concerning(events: Event[], guest: Guest | null): Event[] {
  const first = events.findIndex((e) => e.guest !== null)
  return first < 0 ? [] : events.filter((e, i) => i >= first && (e.type !== 'host' || !guest?.host || e.reason === guest.host))
}

/** The drawing in words. */
function inWords(all: Happening[], range: Range): string {
  const counts = new Map<Kind, number>()
  for (const h of all) counts.set(h.kind, (counts.get(h.kind) ?? 0) + 1)
  const text = (Object.keys(KINDS) as Kind[]).filter((k) => counts.has(k)).map((k) => `${counts.get(k)} × ${KINDS[k]}`)
  const { since, until } = rangeParams(range)
  const clean = (t: string) => t.replace('T', ' ').replace(/(\.\d+)?Z$/, '')
  return `${clean(since)} to ${clean(until)} UTC: ${text.join(', ') || 'nothing happened'}.`
}

interface TimelineProps {
  id: string
  params: Params
  guest: Guest | null
  revisions: RevisionMark[]
  /** Nothing is known of it after that: it ended, or its monitor fell silent. */
  until?: string | null
}

export function Timeline({ id, params, guest, revisions, until }: TimelineProps) {
  const now = useNow()
  const since = /^\d{4}/.test(params.since ?? '') ? params.since : undefined
  const { newest, events, before, asking, failure, more } = useHistory(id, since)
  const alerts = useAnswer<Alerts>(paths.alerts(id), true)
  const all = useMemo(() => happeningsOf(concerning(events, guest), alerts.value?.alerts ?? []), [events, alerts.value, guest?.host])
  const types = useMemo(() => new Set((params.types ?? '').split(',').filter((t): t is Kind => t in KINDS)), [params.types])
  const wanted = useMemo(() => (types.size ? all.filter((h) => types.has(h.kind)) : all), [all, types])

  const first = all[0]?.ms ?? now
  const last = all[all.length - 1]?.ms ?? now
  // A clock of a browser that is behind the host's takes nothing away.
  const end = until || (guest && !guest.running) ? Math.max(last, Date.parse(until ?? '') || last) : Math.max(now, last)
  const range = rangeOf(params, first, params.since && !params.until ? Math.max(now, last) : end)
  const eventful: Range = { from: first - Math.max((last - first) / 40, 500), to: last + Math.max((last - first) / 40, 500) }
  const inRange = wanted.filter((h) => h.ms >= range.from && h.ms <= range.to)
  const selected = params.event
  const listed = wanted.filter((h) => (h.ms >= range.from && h.ms <= range.to) || h.key === selected).reverse()
  const counts = useMemo(() => {
    const map = new Map<Kind, number>()
    for (const kind of Object.keys(KINDS) as Kind[]) {
      const n = all.filter((h) => h.kind === kind).length
      if (n) map.set(kind, n)
    }
    return map
  }, [all])
  const spans = useMemo(() => ({ boots: boots(all, guest, revisions), drifts: drifts(all, guest) }), [all, guest, revisions])

  const numbers = [...revisions.map((r) => r.revision), ...all.flatMap((h) => (h.kind === 'fingerprint' && h.event?.revision ? [h.event.revision] : []))]
  const revisionBefore = (n: number) => numbers.reduce<number | null>((best, r) => (r < n && (best === null || r > best) ? r : best), null)
  const path = parse(location.hash).path
  const to = (changes: Record<string, string | null>) => link(path, { ...params, ...changes })
  const zoom = (wider: number, moved: number) => change(rangeParams(zoomed(range, wider, moved)))
  const words = (h: Happening) =>
    [h.at, KINDS[h.kind], h.event?.revision && `revision ${h.event.revision}`, h.severity, h.kind === 'drift' && count(h.event?.changes?.length ?? 0, 'change'), seen(h.event?.reason ?? h.alert?.summary ?? '')]
      .filter(Boolean)
      .join(', ')

  return (
    <section aria-labelledby="timeline" class="timeline">
      <h2 id="timeline">Timeline</h2>
      {newest.failure && !newest.value && <Failed failure={newest.failure} what="The history" />}
      {newest.failure && newest.value && newest.failure.status > 0 && <Failed failure={newest.failure} what="What happened since" />}
      {alerts.failure && alerts.failure.status > 0 && alerts.failure.status !== 404 && <Failed failure={alerts.failure} what="The list of alerts" />}
      {newest.loading && <Loading what="the history" />}
      {newest.value && !all.length && <Empty>Nothing is recorded of this guest: no boot was seen yet, or it is older than store.keep.</Empty>}
      {all.length > 0 && (
        <>
          <div class="controls">
            <span class="buttons" role="group" aria-label="Range of time">
              <button type="button" class="small" onClick={() => zoom(1, -0.5)} aria-label="Earlier">
                ←
              </button>
              <button type="button" class="small" onClick={() => zoom(0.5, 0)} aria-label="Zoom in">
                +
              </button>
              <button type="button" class="small" onClick={() => zoom(2, 0)} aria-label="Zoom out">
                −
              </button>
              <button type="button" class="small" onClick={() => zoom(1, 0.5)} aria-label="Later">
                →
              </button>
            </span>
            <span class="presets">
              {PRESETS.map(([value, label]) => (
                <a key={value} href={to({ since: value, until: null })} aria-current={params.since === value && !params.until ? 'true' : undefined}>
                  {label}
                </a>
              ))}
              {last > first && (
                <a href={to({ ...rangeParams(eventful) })} aria-current={params.since === rangeParams(eventful).since && params.until === rangeParams(eventful).until ? 'true' : undefined}>
                  First to last event
                </a>
              )}
              <a href={to({ since: null, until: null })} aria-current={!params.since && !params.until ? 'true' : undefined}>
                All
              </a>
            </span>
            <span id="timeline-words" class="faint">
              {inWords(inRange, range)}
              {before && ' Older events are not loaded.'}
              {alerts.value?.before && ' Only the newest alerts are among them: abidrift alert list has all.'}
            </span>
          </div>
          <Drawing
            all={wanted}
            {...spans}
            range={range}
            end={end}
            selected={selected}
            words={words}
            linkTo={(h) => to({ event: h.key })}
            linkInto={(r) => to({ ...rangeParams(r) })}
            onZoom={zoom}
            describedBy="timeline-words timeline-keys"
          />
          <p id="timeline-keys" class="faint keys">
            Times are UTC. In the drawing: arrows go from mark to mark, Enter leads to its line, + and − zoom, [ and ] move.
          </p>
          <Kinds counts={counts} types={types} />
          {listed.length ? <Events id={guest?.id ?? id} shown={listed} more={params.events === 'all'} selected={selected} before={revisionBefore} /> : <Empty>Nothing of these kinds happened in this time.</Empty>}
          {failure && <Failed failure={failure} what="The older part of the history" />}
          {before && (
            <button type="button" class="small" onClick={more} disabled={asking}>
              {asking ? 'Loading older events …' : 'Older events'}
            </button>
          )}
        </>
      )}
    </section>
  )
}

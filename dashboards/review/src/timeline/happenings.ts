// SPDX-License-Identifier: Apache-2.0
/** History and alerts of one guest as what is drawn and listed: marks, boots, drifts. */
import type { Alert, Event, Guest, RevisionMark, Severity } from '../model'
import { count, SEVERITIES } from '../parts'

export type Kind = Event['type'] | 'alert'

export interface Happening {
  /** Names it in a link. */
  key: string
  kind: Kind
  at: string
  ms: number
  severity: Severity | null
  event: Event | null
  alert: Alert | null
}

/** In the order of the lanes. */
export const KINDS: Record<Kind, string> = {
  boot: 'boot',
  stop: 'stop',
  twin: 'another VM',
  drift: 'drift',
  resolved: 'resolved',
  fingerprint: 'revision',
  accept: 'accept',
  undo: 'accept undone',
  alert: 'alert',
  host: 'host changed',
  maintenance: 'maintenance',
  evidence: 'evidence',
  loss: 'facts lost',
}

const worst = (all: (Severity | null)[]) => all.reduce<Severity | null>((w, s) => (s && (!w || SEVERITIES.indexOf(s) < SEVERITIES.indexOf(w)) ? s : w), null)
export const worstOf = (all: Happening[]) => worst(all.map((h) => h.severity))

/** What tells one event from all others, as far as JSON tells it. */
const eventName = (e: Event) => [e.at, e.type, e.revision, e.guest, e.reason, e.change_set].join('\n')

/** Answers of the same history, newer and older ones: each event once, in the order of time. */
export function merge(lists: Event[][]): Event[] {
  const seen = new Map<string, Event>()
  // Two that are alike in one answer are two; the same one in two answers is one.
  for (const list of lists) {
    const here = new Map<string, number>()
    for (const e of list) {
      const name = eventName(e)
      const nth = here.get(name) ?? 0
      here.set(name, nth + 1)
      seen.set(`${name}\n${nth}`, e)
    }
  }
  // Stable: what happened at one moment stays in the order that it was told in.
  return [...seen.values()].sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0))
}

export function happeningsOf(events: Event[], alerts: Alert[]): Happening[] {
  const all: Happening[] = [
    ...events.map((event) => ({
      key: '',
      kind: event.type,
      at: event.at,
      ms: Date.parse(event.at),
      severity: event.type === 'drift' ? worst((event.changes ?? []).map((c) => c.severity)) : null,
      event,
      alert: null,
    })),
    ...alerts.map((alert) => ({ key: '', kind: 'alert' as const, at: alert.at, ms: Date.parse(alert.at), severity: alert.severity, event: null, alert })),
  ].filter((h) => !Number.isNaN(h.ms))
  all.sort((a, b) => a.ms - b.ms)
  const used = new Map<string, number>()
  for (const h of all) {
    const name = h.alert ? h.alert.id : `${h.kind}@${h.at}`
    const nth = (used.get(name) ?? 0) + 1
    used.set(name, nth)
    h.key = nth > 1 ? `${name}.${nth}` : name
  }
  return all
}

/** From `from` to `to`; to null: nobody saw its end. */
export interface Span {
  from: number
  to: number | null
  /** It goes on. */
  open: boolean
  label: string
  severity: Severity | null
}

/** A VM that comes in with another one's memory begins no boot. */
const goesOn = (reason: string | null) => /^(migrated|restored|the VM that it had moved to)/.test(reason ?? '')
/** Nor does the end of the VM that it left end one. */
const left = (h: Happening) => h.kind === 'stop' && /the guest goes on in another VM$/.test(h.event?.reason ?? '')
const begins = (reason: string | null) => /^(started|reset)/.test(reason ?? '')

/** The events of a boot do not tell its number: what is known of the present one and of revisions is, and what follows from these. */
export function boots(all: Happening[], guest: Guest | null, revisions: RevisionMark[]): Span[] {
  const spans: (Span & { number: number | null; reason: string | null })[] = []
  let open = -1
  for (const h of all) {
    if ((h.kind !== 'boot' && h.kind !== 'stop') || left(h)) continue
    const last = spans[open]
    if (last) {
      last.to = h.ms
      last.open = false
      open = -1
    }
    if (h.kind === 'boot') open = spans.push({ from: h.ms, to: null, open: true, label: '', severity: null, number: null, reason: h.event?.reason ?? null }) - 1
  }
  for (const r of revisions) {
    const at = Date.parse(r.at)
    const holds = spans.find((s) => s.from <= at && (s.to === null || at < s.to))
    if (holds && r.boot !== null) holds.number ??= r.boot
  }
  const newest = spans[spans.length - 1]
  if (newest && guest?.boot) newest.number = guest.boot
  for (let i = spans.length - 1; i > 0; i--) {
    const [before, s] = [spans[i - 1], spans[i]]
    if (!before || !s || s.number === null || before.number !== null) continue
    if (goesOn(s.reason)) before.number = s.number
    else if (begins(s.reason) && s.number > 1) before.number = s.number - 1
  }
  for (const s of spans) {
    s.label = s.number === null ? '' : `boot ${s.number}`
    if (s.open && guest && !guest.running) s.open = false
  }
  return spans
}

export function drifts(all: Happening[], guest: Guest | null): Span[] {
  const spans: Span[] = []
  let last: Span | null = null
  for (const h of all) {
    if (!['drift', 'resolved', 'accept', 'undo'].includes(h.kind)) continue
    if (last) {
      last.to = h.ms
      last.open = false
      last = null
    }
    if (h.kind !== 'drift') continue
    last = { from: h.ms, to: null, open: true, severity: h.severity, label: `${h.severity ?? 'drift'}, ${count(h.event?.changes?.length ?? 0, 'change')}` }
    spans.push(last)
  }
  if (last && guest && guest.state !== 'drift') last.open = false
  return spans
}

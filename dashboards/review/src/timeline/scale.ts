// SPDX-License-Identifier: Apache-2.0
/** Time to places: ranges, ticks of UTC, and marks that are too close to each other. */
import type { Params } from '../url'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const UNITS: Record<string, number> = { s: SECOND, m: MINUTE, h: HOUR, d: DAY }

export interface Range {
  from: number
  to: number
}

const NARROWEST = 2 * SECOND
const WIDEST = 40 * 366 * DAY

/** A time as the API takes it: RFC 3339, or so long before `end` ("2h"). */
function moment(text: string | undefined, end: number): number | null {
  const ago = /^(\d{1,6})([smhd])$/.exec(text ?? '')
  if (ago) return end - Number(ago[1]) * (UNITS[ago[2] ?? ''] ?? 0)
  const ms = Date.parse(text ?? '')
  return Number.isNaN(ms) ? null : ms
}

/** What the link asks for; all from `first` to `end` where it does not. */
export function rangeOf(params: Params, first: number, end: number): Range {
  const to = moment(params.until, end) ?? end
  const from = moment(params.since, to) ?? Math.min(first, to)
  const width = Math.max(to - from, NARROWEST)
  // Marks at the edges are whole.
  return { from: to - width - (params.since ? 0 : width / 40), to: to + (params.until ? 0 : width / 40) }
}

/** As short as it can be: whole seconds where nobody sees less. */
const written = (ms: number, width: number) => new Date(ms).toISOString().replace(width > 5 * MINUTE ? /\.\d+Z$/ : /^$/, 'Z')

export function rangeParams({ from, to }: Range): { since: string; until: string } {
  return { since: written(from, to - from), until: written(to, to - from) }
}

/** So much wider about its middle, and moved by so much of its width. */
export function zoomed({ from, to }: Range, wider: number, moved = 0): Range {
  const width = Math.min(Math.max((to - from) * wider, NARROWEST), WIDEST)
  const middle = (from + to) / 2 + (to - from) * moved
  return { from: Math.round(middle - width / 2), to: Math.round(middle + width / 2) }
}

const STEPS = [1, 2, 5, 10, 15, 30].map((n) => n * SECOND).concat(
  [1, 2, 5, 10, 15, 30].map((n) => n * MINUTE),
  [1, 2, 3, 6, 12].map((n) => n * HOUR),
  [1, 2, 7, 14].map((n) => n * DAY),
)
/** Months. */
const LONG_STEPS = [1, 3, 6, 12, 24, 60, 120]
const MONTH = 30.44 * DAY

export interface Tick {
  at: number
  label: string
}

function labelOf(ms: number, step: number): string {
  const [date = '', time = ''] = new Date(ms).toISOString().split('T')
  if (step >= DAY) return date
  return ms % DAY === 0 ? date : time.slice(0, step < MINUTE ? 8 : 5)
}

/** So many months after the year 0. */
const monthAt = (n: number) => Date.UTC(Math.floor(n / 12), n % 12)

export function ticks({ from, to }: Range, most: number): Tick[] {
  const wanted = (to - from) / Math.max(most, 1)
  const step = STEPS.find((s) => s >= wanted)
  const list: Tick[] = []
  if (step) {
    for (let at = Math.ceil(from / step) * step; at <= to; at += step) list.push({ at, label: labelOf(at, step) })
    return list
  }
  const months = LONG_STEPS.find((n) => n * MONTH >= wanted) ?? 240
  const start = new Date(from)
  let month = Math.ceil((start.getUTCFullYear() * 12 + start.getUTCMonth()) / months) * months
  for (let at = monthAt(month); at <= to && list.length < 200; month += months, at = monthAt(month))
    if (at >= from) list.push({ at, label: new Date(at).toISOString().slice(0, months >= 12 ? 4 : 7) })
  return list
}

export interface Placed<T> {
  x: number
  items: T[]
}

/** Those that begin less than `room` after the first of a heap join it. `items` are in the order of time. */
export function heaps<T extends { ms: number }>(items: T[], place: (ms: number) => number, room: number): Placed<T>[] {
  const list: Placed<T>[] = []
  for (const item of items) {
    const x = place(item.ms)
    const last = list[list.length - 1]
    if (last && x - last.x < room) last.items.push(item)
    else list.push({ x, items: [item] })
  }
  return list
}

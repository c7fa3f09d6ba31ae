// SPDX-License-Identifier: Apache-2.0
/** The lanes, to scale. It says nothing that the list of events does not. */
import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { Severity } from '../model'
import { type Happening, type Kind, KINDS, type Span, worstOf } from './happenings'
import { heaps, type Placed, type Range, ticks } from './scale'

interface Lane {
  name: string
  kinds: Kind[]
  /** Shown even where it is empty. */
  always?: boolean
}
const LANES: Lane[] = [
  { name: 'Boots', kinds: ['boot', 'stop'], always: true },
  { name: 'Drift', kinds: ['drift', 'resolved'], always: true },
  { name: 'Revisions', kinds: ['fingerprint'], always: true },
  { name: 'Accepts', kinds: ['accept', 'undo'] },
  { name: 'Alerts', kinds: ['alert'] },
  { name: 'Host', kinds: ['host', 'maintenance'] },
  { name: 'Evidence', kinds: ['evidence', 'loss', 'twin'] },
]

/** Signs in a box of 12 by 12 around 0,0: which kind it is does not hang on a colour. */
const SIGNS: Record<Kind, string> = {
  boot: 'M-4,-5.5 L5.5,0 L-4,5.5 Z',
  stop: 'M-4.5,-4.5 H4.5 V4.5 H-4.5 Z',
  drift: 'M0,-6 L6,5 H-6 Z',
  resolved: 'M-5.5,0 L-1.5,4.5 L5.5,-4',
  fingerprint: 'M0,-6 L6,0 L0,6 L-6,0 Z',
  accept: 'M-5.5,0 L-1.5,4.5 L5.5,-4',
  undo: 'M5,-3 H-3 L0,-6 M-3,-3 L0,0 M5,-3 V4 H-3',
  alert: 'M0,-6 L6,5 H-6 Z',
  host: 'M-5.5,-5 H5.5 V-1 H-5.5 Z M-5.5,1 H5.5 V5 H-5.5 Z',
  maintenance: 'M-5,-5 L5,5 M-5,5 L5,-5',
  evidence: 'M-5,0 H5 M0,-5 V5',
  loss: 'M0,-6 V2 M0,4.5 V6',
  twin: 'M-5,-5 H1 V5 H-5 Z M1,-2 H5 V5 H1',
}
const CRITICAL = 'M-5,-5 L5,5 M-5,5 L5,-5 M-5.5,-5.5 H5.5 V5.5 H-5.5 Z'
const INFO = 'M-5,0 A5,5 0 1 0 5,0 A5,5 0 1 0 -5,0 Z'
const bySeverity: Partial<Record<Severity, string>> = { critical: CRITICAL, info: INFO, none: INFO }
/** An alert has the sign of what it tells of. */
function signOf(h: Happening): string {
  const kind: Kind = h.alert?.type === 'drift' || h.alert?.type === 'resolved' ? h.alert.type : h.alert ? 'loss' : h.kind
  return (kind === 'drift' && h.severity && bySeverity[h.severity]) || SIGNS[kind]
}

/** How much wider, and moved by how much of the width. */
const ZOOMS: Record<string, [number, number]> = { '+': [0.5, 0], '=': [0.5, 0], '-': [2, 0], '[': [1, -0.5], ']': [1, 0.5] }

const AXIS = 22
const ROOM = 17

interface DrawingProps {
  /** In the order of time; all of it, also what is out of range. */
  all: Happening[]
  boots: Span[]
  drifts: Span[]
  range: Range
  /** What goes on goes on until then. */
  end: number
  selected: string | undefined
  words: (h: Happening) => string
  linkTo: (h: Happening) => string
  linkInto: (range: Range) => string
  onZoom: (wider: number, moved: number) => void
  describedBy: string
}

export function Drawing({ all, boots, drifts, range, end, selected, words, linkTo, linkInto, onZoom, describedBy }: DrawingProps) {
  const box = useRef<HTMLDivElement>(null)
  const [width, setWidth] = useState(0)
  const [focused, setFocused] = useState('')
  useLayoutEffect(() => {
    if (!box.current) return
    setWidth(box.current.clientWidth)
    const watch = new ResizeObserver(() => box.current && setWidth(box.current.clientWidth))
    watch.observe(box.current)
    return () => watch.disconnect()
  }, [])

  const narrow = width < 560
  const left = narrow ? 8 : 84
  const laneHeight = narrow ? 42 : 28
  const lanes = LANES.filter((l) => l.always || all.some((h) => l.kinds.includes(h.kind)))
  const height = AXIS + lanes.length * laneHeight + 4
  const right = Math.max(width - 10, left + 1)
  const place = (ms: number) => left + ((ms - range.from) / (range.to - range.from)) * (right - left)
  const clip = (x: number) => Math.min(Math.max(x, left), right)
  const middle = (i: number) => AXIS + i * laneHeight + (narrow ? 26 : laneHeight / 2)
  const inRange = all.filter((h) => h.ms >= range.from && h.ms <= range.to)
  const marks = lanes.map((l) => heaps(inRange.filter((h) => l.kinds.includes(h.kind)), place, ROOM))
  const keyOf = (p: Placed<Happening>) => p.items[0]?.key ?? ''
  const shown = marks.flat()
  const stop = keyOf(shown.find((p) => keyOf(p) === focused) ?? shown.find((p) => p.items.some((h) => h.key === focused)) ?? shown[0] ?? { x: 0, items: [] })

  /** One stop of Tab for all marks; arrows go between them. */
  const keep = useRef(false)
  useLayoutEffect(() => {
    if (!keep.current || !box.current) return
    keep.current = false
    // What had the focus may be out of range, or in a heap.
    const svg = box.current.querySelector('svg')
    ;(svg?.querySelector<SVGAElement>('a[tabindex="0"]') ?? svg)?.focus()
  })
  const onKeyDown = (e: KeyboardEvent) => {
    if (e.ctrlKey || e.metaKey || e.altKey) return
    const zoom = ZOOMS[e.key]
    if (zoom) {
      keep.current = true
      onZoom(...zoom)
    } else if (!move(e.key)) return
    e.preventDefault()
  }
  const move = (key: string): boolean => {
    const lane = marks.findIndex((row) => row.some((p) => keyOf(p) === stop))
    const row = marks[lane]
    const at = row?.findIndex((p) => keyOf(p) === stop) ?? -1
    const from = row?.[at]
    if (!row || !from) return false
    let to: Placed<Happening> | undefined
    if (key === 'ArrowLeft') to = row[at - 1]
    else if (key === 'ArrowRight') to = row[at + 1]
    else if (key === 'Home') to = row[0]
    else if (key === 'End') to = row[row.length - 1]
    else if (key === 'ArrowUp' || key === 'ArrowDown') {
      const others = key === 'ArrowUp' ? marks.slice(0, lane).reverse() : marks.slice(lane + 1)
      to = others.find((o) => o.length)?.reduce((best, p) => (Math.abs(p.x - from.x) < Math.abs(best.x - from.x) ? p : best))
    } else return false
    if (to) {
      const key = keyOf(to)
      setFocused(key)
      for (const a of box.current?.querySelectorAll<SVGAElement>('a[data-key]') ?? []) if (a.dataset.key === key) a.focus()
    }
    return true
  }

  const spans = (list: Span[], lane: number, kind: string) =>
    list.map((s) => {
      const until = s.to ?? (s.open ? end : s.from)
      if (until < range.from || s.from > range.to) return null
      const [x, x2] = [clip(place(s.from)), clip(place(until))]
      const room = x2 - x
      const from = Math.min(9, room)
      return (
        <g key={s.from} class={`span ${kind} severity-${s.severity ?? 'none'}${s.open ? ' open' : ''}`}>
          <rect x={x} y={middle(lane) - 9} width={Math.max(room, 1)} height={18} rx={2} />
          {s.severity && <rect x={x} y={middle(lane) - 9} width={Math.max(room, 1)} height={18} rx={2} class="hatch" fill={`url(#hatch-${s.severity})`} />}
          {room > s.label.length * 6.6 + 24 && (
            <text x={x + from + 6} y={middle(lane) + 4}>
              {s.label}
            </text>
          )}
        </g>
      )
    })

  return (
    <div class="drawing" ref={box}>
      {width > 0 && (
        <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="group" tabindex={-1} aria-label="Timeline" aria-describedby={describedBy} onKeyDown={onKeyDown}>
          <defs>
            <pattern id="hatch-critical" width="6" height="6" patternUnits="userSpaceOnUse">
              <path d="M0,6 L6,0 M0,0 L6,6" class="severity-critical" />
            </pattern>
            <pattern id="hatch-warning" width="6" height="6" patternUnits="userSpaceOnUse">
              <path d="M0,6 L6,0" class="severity-warning" />
            </pattern>
            <pattern id="hatch-info" width="8" height="8" patternUnits="userSpaceOnUse">
              <path d="M3,4 h2" class="severity-info" />
            </pattern>
          </defs>
          <g class="axis" aria-hidden="true">
            {ticks(range, (right - left) / 92).map((t, i, list) => (
              <g key={t.at}>
                <line x1={place(t.at)} x2={place(t.at)} y1={AXIS - 6} y2={height} />
                {(i < list.length - 1 || place(t.at) < width - 34) && (
                  <text x={Math.max(place(t.at), left + (narrow ? 24 : 0))} y={12} text-anchor="middle">
                    {t.label}
                  </text>
                )}
              </g>
            ))}
            {end >= range.from && end <= range.to && <line class="end" x1={place(end)} x2={place(end)} y1={AXIS - 6} y2={height} />}
          </g>
          {lanes.map((l, i) => (
            <g key={l.name} class="lane">
              <line x1={left} x2={right} y1={middle(i)} y2={middle(i)} class="floor" />
              <text x={narrow ? 0 : 2} y={narrow ? middle(i) - 13 : middle(i) + 4} class="name" aria-hidden="true">
                {l.name}
              </text>
              <g aria-hidden="true">{l.name === 'Boots' ? spans(boots, i, 'boot') : l.name === 'Drift' ? spans(drifts, i, 'drift') : null}</g>
              {(marks[i] ?? []).map((p) => {
                const key = keyOf(p)
                const first = p.items[0]
                if (!first) return null
                const one = p.items.length === 1
                const last = p.items[p.items.length - 1] ?? first
                const severity = worstOf(p.items)
                const says = one
                  ? words(first)
                  : `${p.items.length} ${new Set(p.items.map((h) => h.kind)).size === 1 ? KINDS[first.kind] + ' events' : 'events'}, ${first.at} to ${last.at}`
                const width = last.ms - first.ms
                const href = one || width < 1 ? linkTo(first) : linkInto({ from: first.ms - width * 0.2, to: last.ms + width * 0.2 })
                return (
                  <g key={key} transform={`translate(${p.x},${middle(i)})`}>
                    <a
                      href={href}
                      class={`mark ${one ? (first.alert?.type === 'resolved' ? 'resolved' : first.kind) : 'heap'} severity-${severity ?? 'none'}`}
                      data-key={key}
                      tabindex={key === stop ? 0 : -1}
                      aria-label={says}
                      aria-current={p.items.some((h) => h.key === selected) ? 'true' : undefined}
                      onFocus={() => setFocused(key)}
                    >
                      <title>{says}</title>
                      <circle r="10" class="halo" />
                      {one ? (
                        <path d={signOf(first)} class="sign" />
                      ) : (
                        <>
                          <circle r="8.5" class="count" />
                          <text y="3.5" text-anchor="middle">
                            {p.items.length > 99 ? '99+' : p.items.length}
                          </text>
                        </>
                      )}
                    </a>
                  </g>
                )
              })}
            </g>
          ))}
        </svg>
      )}
    </div>
  )
}

// SPDX-License-Identifier: Apache-2.0
/**
 * The guest's physical address space, drawn to scale. It is cut where it holds nothing for long: a strip is linear and has its own
 * scale, what lies between two strips is named with its size. What is too narrow to be seen is drawn MIN_PX wide.
 */
import { useContext, useEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { Entry, Facet } from '../model'
import { count, Text } from '../parts'
import { about, address, bytes, hex, Key, sized, useShown, Viewed } from './common'

type Kind = 'ram' | 'rom' | 'mixed' | 'window' | 'bar' | 'acpi' | 'mmio'

const KINDS: Record<Kind, string> = {
  ram: 'RAM',
  rom: 'ROM',
  mixed: 'RAM and ROM',
  window: 'bridge window',
  bar: 'PCI BAR',
  acpi: 'named by ACPI',
  mmio: 'MMIO the guest read',
}

interface Area {
  from: bigint
  /** Behind its last byte. */
  end: bigint
  kind: Kind
  label: string
  facet: string
  entry: Entry
  number: number
}

/** A gap longer than this is cut out. */
const GAP = 64n << 20n
/** Where a strip ends in any case, if nothing lies across: what is below 1 MiB, the PC's fixed devices below 4 GiB, and above. */
const BOUNDS = [1n << 20n, 0xfec00000n, 1n << 32n]
const PAGE = 0x1000n
/** More is in the table only. */
const STRIPS_MAX = 24
const DRAWN_MAX = 600

const MIN_PX = 3
const LANE_PX = 22
const LANES_MAX = 5

function ranges(facets: Map<string, Facet>): Area[] {
  const areas: Area[] = []
  const add = (facet: string, entry: Entry, kind: Kind, label: string, from: bigint | null, size: bigint | null) => {
    if (from !== null && size !== null && size > 0n) areas.push({ from, end: from + size, kind, label, facet, entry, number: 0 })
  }
  const entries = (name: string) => facets.get(name)?.entries ?? []
  const versions = new Map(entries('firmware').map((e) => [e.key, e.value]))
  const bars = new Map(entries('pci').map((e) => [e.key, e.value]))

  for (const e of entries('memory')) {
    const kind = e.value.endsWith(' rom') ? 'rom' : e.value.endsWith(' ram') ? 'ram' : 'mixed'
    const version = versions.get(`rom/${e.key}.version`)
    add('memory', e, kind, KINDS[kind] + (version ? ` ${version}` : ''), hex(e.key), sized(e.value))
  }
  for (const e of entries('placement')) {
    if (e.key.startsWith('window/')) add('placement', e, 'bar', 'memory behind a BAR', hex(e.key.slice(7)), sized(e.value))
    else if (e.key.endsWith('/mem_window') || e.key.endsWith('/pref_window')) add('placement', e, 'window', e.key, hex(e.value.split(' ')[0]), sized(e.value))
    else {
      const what = bars.get(e.key)
      if (what && !what.startsWith('io')) add('placement', e, 'bar', e.key, hex(e.value), sized(what))
    }
  }
  for (const e of entries('acpi')) {
    const [table = '', name = ''] = e.key.split('/')
    const buses = table === 'MCFG' && /buses=([0-9a-f]{2})-([0-9a-f]{2})/.exec(e.value)
    if (buses) add('acpi', e, 'acpi', `PCI configuration (ECAM) ${name}`, sized(e.value, 'base'), BigInt(parseInt(buses[2] ?? '', 16) - parseInt(buses[1] ?? '', 16) + 1) << 20n)
    else if (table === 'HPET' && name === 'address') add('acpi', e, 'acpi', 'HPET', hex(/memory (0x[0-9a-f]+)/.exec(e.value)?.[1]), 0x400n)
    else if (table === 'APIC' && name.startsWith('ioapic.')) add('acpi', e, 'acpi', `I/O APIC ${name.slice(7)}`, sized(e.value, 'address'), PAGE)
    else if (table === 'APIC' && name === 'lapic_address') add('acpi', e, 'acpi', 'local APIC', hex(e.value), PAGE)
    else if (name.endsWith('._CRS'))
      for (const m of e.value.matchAll(/\bmem (0x[0-9a-f]+)-(0x[0-9a-f]+)/g)) {
        const from = hex(m[1]), last = hex(m[2])
        if (from !== null && last !== null) add('acpi', e, 'acpi', name.slice(0, -5), from, last - from + 1n)
      }
  }
  for (const e of entries('mmio')) {
    const page = /^(0x[0-9a-f]+)\/r\d+$/.exec(e.key)?.[1]
    if (page && e.value === 'answered') add('mmio', e, 'mmio', 'page', hex(page), PAGE)
    else if (e.key.endsWith('.virtio_mmio')) add('mmio', e, 'mmio', 'virtio-mmio', hex(e.key.split('.')[0]), 0x200n)
  }
  areas.sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : a.end > b.end ? -1 : a.end < b.end ? 1 : 0))
  areas.forEach((a, i) => (a.number = i + 1))
  return areas
}

interface Strip {
  from: bigint
  end: bigint
  areas: Area[]
}

function strips(areas: Area[]): Strip[] {
  const all: Strip[] = []
  for (const a of areas) {
    const last = all[all.length - 1]
    const cut = !last || (a.from >= last.end && (a.from - last.end > GAP || BOUNDS.some((b) => last.end <= b && b <= a.from)))
    if (cut) all.push({ from: a.from, end: a.end, areas: [a] })
    else {
      last.areas.push(a)
      if (a.end > last.end) last.end = a.end
    }
  }
  return all
}

interface Drawn {
  area: Area
  x: number
  width: number
  lane: number
}

function drawn(strip: Strip, width: number): Drawn[] {
  const span = Number(strip.end - strip.from)
  const free: number[] = []
  return strip.areas.slice(0, DRAWN_MAX).map((area) => {
    const w = Math.max(MIN_PX, (Number(area.end - area.from) / span) * width)
    const x = Math.min((Number(area.from - strip.from) / span) * width, width - w)
    // Memory lies lowest; what covers it or lies within a window stands below that.
    let lane = area.kind === 'ram' || area.kind === 'rom' || area.kind === 'mixed' ? 0 : 1
    while (lane + 1 < LANES_MAX && (free[lane] ?? -1) > x) lane++
    free[lane] = Math.max(free[lane] ?? 0, x + w)
    return { area, x, width: w, lane }
  })
}

/** Beginnings of equal parts of the strip, at round addresses. */
function ticks(strip: Strip, width: number): { x: number; text: string }[] {
  const span = strip.end - strip.from
  const wanted = BigInt(Math.max(2, Math.floor(width / 150)))
  let step = 1n
  while (step * wanted < span) step <<= 1n
  const found: { x: number; text: string }[] = []
  for (let at = ((strip.from + step - 1n) / step) * step; at < strip.end; at += step)
    found.push({ x: (Number(at - strip.from) / Number(span)) * width, text: address(at) })
  return found
}

const CHARACTER_PX = 7.3

/** "3", "5-9": what has no room for its name, where it lies. */
function marks(items: Drawn[]): { x: number; text: string }[] {
  const found: { x: number; first: number; last: number }[] = []
  for (const d of items.filter((i) => !fits(i)).sort((a, b) => a.x - b.x)) {
    const x = d.x + d.width / 2
    const last = found[found.length - 1]
    if (last && x - last.x < 9 * CHARACTER_PX) {
      last.first = Math.min(last.first, d.area.number)
      last.last = Math.max(last.last, d.area.number)
    } else found.push({ x, first: d.area.number, last: d.area.number })
  }
  return found.map((m) => ({ x: m.x, text: m.first === m.last ? `${m.first}` : `${m.first}–${m.last}` }))
}

const labelOf = (a: Area): string => `${a.number} ${a.label} ${about(a.end - a.from)}`
const fits = (d: Drawn): boolean => d.width > labelOf(d.area).length * CHARACTER_PX + 8

function StripView({ strip, width }: { strip: Strip; width: number }) {
  const items = drawn(strip, width)
  const lowest = Math.min(...items.map((d) => d.lane))
  for (const d of items) d.lane -= lowest
  const lanes = Math.max(...items.map((d) => d.lane)) + 1
  const marked = marks(items)
  const markY = lanes * LANE_PX + 12
  const axisY = lanes * LANE_PX + (marked.length ? 18 : 3)
  const from = address(strip.from), last = address(strip.end - 1n)
  const end = (x: number, text: string) => (x < (text.length * CHARACTER_PX) / 2 ? 'start' : x > width - (text.length * CHARACTER_PX) / 2 ? 'end' : 'middle')
  return (
    <figure class="strip">
      <figcaption>
        <code>
          {from} – {last}
        </code>
        , {about(strip.end - strip.from)}
      </figcaption>
      <svg width={width} height={axisY + 18} role="img" aria-label={`${from} to ${last}: ${strip.areas.slice(0, 12).map(labelOf).join('; ')}${strip.areas.length > 12 ? '; and more, see the table' : ''}`}>
        {items.map((d) => (
          <g key={d.area.number}>
            <title>{`${labelOf(d.area)}, ${address(d.area.from)}–${address(d.area.end - 1n)}`}</title>
            <rect class={`area-${d.area.kind}`} x={d.x} y={d.lane * LANE_PX + 1} width={d.width} height={LANE_PX - 3} />
            <rect class="area-pattern" fill={`url(#area-${d.area.kind})`} x={d.x} y={d.lane * LANE_PX + 1} width={d.width} height={LANE_PX - 3} />
            {fits(d) && (
              <text x={d.x + 5} y={d.lane * LANE_PX + 15}>
                {labelOf(d.area)}
              </text>
            )}
          </g>
        ))}
        {marked.map((m) => (
          <text key={m.text} class="mark" x={m.x} y={markY} text-anchor={end(m.x, m.text)}>
            {m.text}
          </text>
        ))}
        <line class="axis" x1={0} x2={width} y1={axisY} y2={axisY} />
        {ticks(strip, width).map((t) => (
          <g key={t.text}>
            <line class="axis" x1={t.x} x2={t.x} y1={axisY} y2={axisY + 4} />
            <text class="tick" x={t.x} y={axisY + 15} text-anchor={end(t.x, t.text)}>
              {t.text}
            </text>
          </g>
        ))}
      </svg>
    </figure>
  )
}

/** One drawing of each pattern, which all strips use. */
const Patterns = () => (
  <svg class="patterns" width="0" height="0" aria-hidden="true">
    <defs>
      <pattern id="area-ram" width="8" height="8" patternUnits="userSpaceOnUse" />
      <pattern id="area-rom" width="6" height="6" patternUnits="userSpaceOnUse">
        <path d="M0 6L6 0" />
      </pattern>
      <pattern id="area-mixed" width="12" height="6" patternUnits="userSpaceOnUse">
        <path d="M0 6L6 0" />
      </pattern>
      <pattern id="area-window" width="6" height="6" patternUnits="userSpaceOnUse">
        <circle cx="3" cy="3" r="0.8" />
      </pattern>
      <pattern id="area-bar" width="4" height="4" patternUnits="userSpaceOnUse">
        <path d="M2 0V4" />
      </pattern>
      <pattern id="area-acpi" width="4" height="4" patternUnits="userSpaceOnUse">
        <path d="M0 2H4" />
      </pattern>
      <pattern id="area-mmio" width="6" height="6" patternUnits="userSpaceOnUse">
        <path d="M0 0L6 6M0 6L6 0" />
      </pattern>
    </defs>
  </svg>
)

const Swatch = ({ kind }: { kind: Kind }) => (
  <svg class="swatch" width="22" height="13" aria-hidden="true">
    <rect class={`area-${kind}`} x="0.5" y="0.5" width="21" height="12" />
    <rect class="area-pattern" fill={`url(#area-${kind})`} x="0.5" y="0.5" width="21" height="12" />
  </svg>
)

function Gap({ size }: { size: bigint }) {
  return <p class="gap">{size > 0n ? `⋯ ${about(size)} with nothing known in it, left out ⋯` : 'next strip, another scale'}</p>
}

function Map_({ areas }: { areas: Area[] }) {
  const box = useRef<HTMLDivElement>(null)
  // Drawn at once, as wide as it will be or nearly: what is below it would else move away from who came by a link to it.
  const [width, setWidth] = useState(() => Math.min(1152, (document.querySelector('main')?.clientWidth ?? 800) - 32))
  useEffect(() => {
    if (!box.current) return
    const seen = new ResizeObserver(([e]) => e && setWidth(Math.floor(e.contentRect.width)))
    seen.observe(box.current)
    return () => seen.disconnect()
  }, [])
  const all = strips(areas)
  return (
    <div class="map" ref={box}>
      <Patterns />
      <ul class="legend">
        {(Object.keys(KINDS) as Kind[])
          .filter((k) => areas.some((a) => a.kind === k))
          .map((k) => (
            <li key={k}>
              <Swatch kind={k} /> {KINDS[k]}
            </li>
          ))}
      </ul>
      <p class="faint">Each strip is linear, with its own scale. Numbers are those of the table below.</p>
      {width > 0 &&
        all.slice(0, STRIPS_MAX).map((s, i) => (
          <div key={i}>
            {i > 0 && <Gap size={s.from - (all[i - 1]?.end ?? 0n)} />}
            <StripView strip={s} width={width} />
          </div>
        ))}
      {all.length > STRIPS_MAX && <p class="gap">{count(all.length - STRIPS_MAX, 'strip')} more: see the table.</p>}
    </div>
  )
}

export function Memory({ facets }: { facets: Map<string, Facet> }) {
  const { linked } = useContext(Viewed)
  const areas = useMemo(() => ranges(facets), [facets])
  const unread = (facets.get('memory')?.entries ?? []).filter((e) => hex(e.key) === null || sized(e.value) === null)
  const [shown, rest] = useShown(areas, (a) => a.facet === 'memory' && a.entry.key === linked)
  const total = areas.filter((a) => a.kind === 'ram').reduce((n, a) => n + a.end - a.from, 0n)
  return (
    <>
      <p>{about(total)} of RAM. What lies over it is placed there by firmware or the guest's system, and is no part of this facet.</p>
      <Map_ areas={areas} />
      <table class="entries areas" role="table">
        <caption>All of it, by address</caption>
        <thead>
          <tr>
            <th scope="col">No.</th>
            <th scope="col">Addresses</th>
            <th scope="col">Size</th>
            <th scope="col">Kind</th>
            <th scope="col">What</th>
          </tr>
        </thead>
        <tbody>
          {shown.map((a) => (
            <Row key={a.number} area={a} />
          ))}
          {unread.map((e) => (
            <tr key={e.key}>
              <td />
              <th scope="row">
                <Key entry={e} facet="memory" />
              </th>
              <td colSpan={3}>
                <Text text={e.value} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {rest}
    </>
  )
}

function Row({ area: a }: { area: Area }) {
  const what = a.label === KINDS[a.kind] ? a.facet : a.label
  return (
    <tr role="row" class={`kind-${a.kind}`}>
      <td role="cell" class="number">{a.number}</td>
      <th scope="row" role="rowheader">
        <Key entry={a.entry} facet={a.facet} text={`${address(a.from)} – ${address(a.end - 1n)}`} />
      </th>
      <td role="cell">{bytes(a.end - a.from)}</td>
      <td role="cell">
        <Swatch kind={a.kind} /> {KINDS[a.kind]}
      </td>
      <td role="cell">
        <Text text={what} />
        {a.facet !== 'memory' && <span class="faint"> ({a.facet})</span>}
      </td>
    </tr>
  )
}

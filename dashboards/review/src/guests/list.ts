// SPDX-License-Identifier: Apache-2.0
/** Which guests are shown, in which order, and how many another choice would show. */
import { FACETS, type ChangeSet, type Guest, type State } from '../model'
import { seen, SEVERITIES } from '../parts'
import type { Params } from '../url'

/** One instance of a guest: two VMs that have one id are two rows. */
export interface Row {
  guest: Guest
  key: string
  /** Searched, in lower case. */
  text: string
  /** Says which one it is, where others have the same name or id. */
  note: string | null
  vmm: string
}

const STATE_ORDER: State[] = ['drift', 'unknown', 'learning', 'same']
const VERDICT_ORDER = ['violation', 'unexplained', 'exempt', 'intended']
/** What a filter's choice is called where the guest has no such value. */
const NONE = '(unknown)'

const rank = <T>(order: readonly T[], value: T): number => (order.indexOf(value) + order.length + 1) % (order.length + 1)
const collator = new Intl.Collator('en', { numeric: true })
export const label = (g: Guest): string => (g.name?.trim() ? g.name : g.id)

/** Kind and version without what its packager adds in brackets. */
function vmmShort(g: Guest): string {
  const { kind, version } = g.vmm ?? {}
  return [kind, version?.replace(/\s*\(.*/s, '')].filter(Boolean).join(' ')
}

const vmmWhole = (g: Guest): string => [g.vmm?.kind, g.vmm?.version].filter(Boolean).join(' ') || NONE

const tally = (values: Iterable<string>): Map<string, number> => {
  const counts = new Map<string, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return counts
}

function same(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || !a || !b) return false
  const x = a as Record<string, unknown>
  const y = b as Record<string, unknown>
  const keys = Object.keys(x)
  return keys.length === Object.keys(y).length && keys.every((k) => same(x[k], y[k]))
}

/** Rows of the answer. What has not changed since `before` is the very same row, and is not drawn again. */
export function rowsOf(guests: Guest[], before: Row[]): Row[] {
  const old = new Map(before.map((r) => [r.key, r]))
  const ids = tally(guests.map((g) => g.id))
  const names = tally(guests.map(label))
  const builds = new Map<string, Set<string>>()
  const keys = new Set<string>()
  for (const g of guests) builds.set(vmmShort(g), (builds.get(vmmShort(g)) ?? new Set()).add(vmmWhole(g)))
  return guests.map((guest) => {
    let key = `${guest.id} ${guest.host} ${guest.pid} ${guest.began}`
    while (keys.has(key)) key += '+'
    keys.add(key)
    const twins = ids.get(guest.id) ?? 1
    const row: Row = {
      guest,
      key,
      text: [guest.name, seen(label(guest)), guest.uuid, guest.id, guest.machine, guest.host].join('\n').toLowerCase(),
      note: twins > 1 ? `one of ${twins} with this id` + (guest.pid ? `, pid ${guest.pid}` : '') : (names.get(label(guest)) ?? 1) > 1 ? guest.id : null,
      // Two builds of one version are told apart by the packager's words.
      vmm: (builds.get(vmmShort(guest))?.size ?? 1) > 1 ? vmmWhole(guest) : vmmShort(guest),
    }
    const was = old.get(key)
    return was && same(was, row) ? was : row
  })
}

export interface Filter {
  param: string
  label: string
  /** What it can be set to so that the guest is shown. */
  values: (row: Row) => readonly string[]
  word: (value: string, sets: ChangeSet[]) => string
  order: (a: string, b: string) => number
}

const by = (order: readonly string[]) => (a: string, b: string) => rank(order, a) - rank(order, b)
const plain = (value: string) => seen(value)
const yesNo = (yes: string, no: string) => (value: string) => (value === 'yes' ? yes : value === 'no' ? no : 'not known')
const uncovered = new WeakMap<Guest, string[]>()

function uncoveredOf(g: Guest): string[] {
  let facets = uncovered.get(g)
  if (!facets) uncovered.set(g, (facets = FACETS.filter((f) => g.coverage[f] !== 'complete')))
  return facets
}

const fieldFilter = (param: string, name: string, value: (row: Row) => string | null | undefined, order: Filter['order'] = collator.compare): Filter => ({
  param,
  label: name,
  values: (row) => [value(row) || NONE],
  word: plain,
  order,
})

export const FILTERS: Filter[] = [
  fieldFilter('state', 'State', (r) => r.guest.state, by(STATE_ORDER)),
  fieldFilter('severity', 'Severity', (r) => r.guest.severity, by(SEVERITIES)),
  { ...fieldFilter('verdict', 'Verdict', (r) => r.guest.verdict ?? 'none', by(VERDICT_ORDER)) },
  fieldFilter('vmm', 'VMM', (r) => vmmWhole(r.guest)),
  fieldFilter('machine', 'Machine', (r) => r.guest.machine),
  fieldFilter('host', 'Host', (r) => r.guest.host),
  {
    ...fieldFilter('stable', 'Guest ABI', (r) => (r.guest.stable === null ? NONE : r.guest.stable ? 'yes' : 'no'), by(['no', NONE, 'yes'])),
    word: yesNo('stable', 'unstable'),
  },
  { ...fieldFilter('running', 'Running', (r) => (r.guest.running ? 'yes' : 'no'), by(['yes', 'no'])), word: yesNo('runs', 'does not run') },
  { param: 'coverage', label: 'Not complete', values: (r) => uncoveredOf(r.guest), word: plain, order: by(FACETS) },
  {
    param: 'set',
    label: 'Change set',
    values: (r) => (r.guest.change_set ? [r.guest.change_set] : []),
    word: (id, sets) => {
      const set = sets.find((s) => s.id === id)
      return set ? `${set.severity}: ${seen(set.headline || set.summary)}` : `${id}: none drifts with it now`
    },
    order: (a, b) => (a < b ? -1 : 1),
  },
]

export interface Choice {
  value: string
  guests: number
}

export interface Shown {
  rows: Row[]
  /** By parameter: its choices, and how many guests each shows under all the other filters. */
  choices: Record<string, Choice[]>
}

export const worstFirst = (a: ChangeSet, b: ChangeSet) =>
  rank(SEVERITIES, a.severity) - rank(SEVERITIES, b.severity) || b.guests - a.guests || (a.id < b.id ? -1 : 1)

/** `sets`: the worst first. */
export function filter(rows: Row[], params: Params, query: string, sets: ChangeSet[]): Shown {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean)
  const counts = FILTERS.map(() => new Map<string, number>())
  const shown: Row[] = []
  for (const row of rows) {
    const misses = words.every((w) => row.text.includes(w)) ? 0 : 2
    let missed = misses
    let which = -1
    const values = FILTERS.map((f, i) => {
      const has = f.values(row)
      const wanted = params[f.param]
      if (wanted && !has.includes(wanted)) {
        missed++
        which = i
      }
      return has
    })
    if (!missed) shown.push(row)
    values.forEach((has, i) => {
      const one = !missed || (missed === 1 && which === i) ? 1 : 0
      for (const value of has) counts[i]?.set(value, (counts[i]?.get(value) ?? 0) + one)
    })
  }
  const choices: Record<string, Choice[]> = {}
  FILTERS.forEach((f, i) => {
    const wanted = params[f.param]
    if (wanted && !counts[i]?.has(wanted)) counts[i]?.set(wanted, 0)
    choices[f.param] = [...(counts[i] ?? [])].map(([value, guests]) => ({ value, guests })).sort((a, b) => f.order(a.value, b.value))
  })
  const places = new Map(sets.map((s, i) => [s.id, i]))
  choices.set?.sort((a, b) => (places.get(a.value) ?? sets.length) - (places.get(b.value) ?? sets.length))
  return { rows: shown, choices }
}

type Order = (a: Row, b: Row) => number
const numbers = (value: (g: Guest) => number): Order => (a, b) => value(a.guest) - value(b.guest)
const texts = (value: (r: Row) => string | null | undefined): Order => (a, b) => collator.compare(value(a) ?? '', value(b) ?? '')
const newest: Order = (a, b) => {
  const [x, y] = [a.guest.drift_since ?? '', b.guest.drift_since ?? '']
  return x === y ? 0 : x > y ? -1 : 1
}

export interface Column {
  id: string
  label: string
  order: Order
  /** Its order begins at the greatest: what matters most is first. */
  down?: boolean
}

export const COLUMNS: Column[] = [
  { id: 'name', label: 'Guest', order: texts((r) => label(r.guest)) },
  { id: 'state', label: 'State', order: numbers((g) => rank(STATE_ORDER, g.state)) },
  { id: 'severity', label: 'Verdict', order: numbers((g) => rank(SEVERITIES, g.severity) * 8 + rank(VERDICT_ORDER, g.verdict ?? '')), down: true },
  { id: 'changes', label: 'Changes', order: numbers((g) => -g.changes), down: true },
  { id: 'vmm', label: 'VMM', order: texts((r) => vmmWhole(r.guest)) },
  { id: 'machine', label: 'Machine', order: texts((r) => r.guest.machine) },
  { id: 'host', label: 'Host', order: texts((r) => r.guest.host) },
  { id: 'running', label: 'Runs', order: numbers((g) => (g.running ? 0 : 1)) },
  { id: 'stable', label: 'Guest ABI', order: numbers((g) => rank<boolean | null>([false, null, true], g.stable)) },
  { id: 'since', label: 'Drifts since', order: newest, down: true },
]

const ORDER = new Map(COLUMNS.map((c) => [c.id, c.order]))

/** `sort`: the column, with - before it the other way round; else the worst first. */
export function sort(rows: Row[], by?: string): Row[] {
  const get = (id: string) => ORDER.get(id) as Order
  const chosen = ORDER.get(by?.replace(/^-/, '') ?? '')
  const turn = by?.startsWith('-') ? -1 : 1
  const orders = ['state', 'severity', 'changes', 'name'].map(get)
  return [...rows].sort((a, b) => {
    const first = chosen ? turn * chosen(a, b) : 0
    if (first) return first
    for (const order of orders) {
      const next = order(a, b)
      if (next) return next
    }
    return a.key < b.key ? -1 : 1
  })
}

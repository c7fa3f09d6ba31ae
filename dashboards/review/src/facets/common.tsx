// SPDX-License-Identifier: Apache-2.0
/** What the views of all facets share: entries with their links, folds that the URL remembers, numbers and sizes. */
import { createContext } from 'preact'
import type { ComponentChildren } from 'preact'
import { useContext, useEffect, useRef, useState } from 'preact/hooks'
import type { Entry, Facet, FieldValue, Group } from '../model'
import { Text } from '../parts'
import { change, link, parse } from '../url'
import type { Params } from '../url'

/** What is looked at. */
export interface View {
  facet: string
  params: Params
  /** The entry that was linked to. */
  linked: string | null
  folds: Set<string>
}

export const Viewed = createContext<View>({ facet: '', params: {}, linked: null, folds: new Set() })

/** A link to the same page with other parameters. */
export const here = (params: Params, other: Record<string, string | null>): string => link(parse(location.hash).path, { ...params, ...other })

/** To one entry. What was searched for and folded is left behind. */
export const entryLink = (params: Params, facet: string, key: string): string => here(params, { facet, key, q: null, fold: null })

const ALL = '*'
const NO = '-'

export function foldsOf(text: string | undefined): Set<string> {
  return new Set(
    (text ?? '')
      .split(',')
      .filter(Boolean)
      .map((id) => {
        try {
          return decodeURIComponent(id)
        } catch {
          return id
        }
      }),
  )
}

/** `*` opens all and `-` closes all; an id is of a fold that the reader turned over from that. Commas separate, so none is in an id. */
const foldText = (folds: Set<string>): string => [...folds].map(encodeURIComponent).join(',')

/** Is it open, and what turns it over. `first`: without the reader's doing. */
export function useFold(id: string, first: boolean): [boolean, () => void] {
  const { folds } = useContext(Viewed)
  const turn = () => {
    const next = new Set(folds)
    if (!next.delete(id)) next.add(id)
    change({ fold: foldText(next) })
  }
  return [first !== folds.has(id), turn]
}

/** `holds`: has the entry that was linked to, so it is open at first. What is folded is not built: a guest may have thousands of entries. */
export function Fold(props: { id: string; open?: boolean; holds?: boolean; summary: ComponentChildren; class?: string; children: () => ComponentChildren }) {
  const { folds } = useContext(Viewed)
  const [open, turn] = useFold(props.id, folds.has(ALL) || !!props.holds || (!folds.has(NO) && !!props.open))
  return (
    <details class={props.class} open={open} onToggle={(e) => e.currentTarget.open !== open && turn()}>
      <summary>{props.summary}</summary>
      {open && props.children()}
    </details>
  )
}

export function FoldAll() {
  return (
    <p class="fold-all">
      <button type="button" class="small" onClick={() => change({ fold: ALL })}>
        Unfold all
      </button>{' '}
      <button type="button" class="small" onClick={() => change({ fold: NO })}>
        Fold all
      </button>
    </p>
  )
}

/** Leads to where it is shown, and has the focus when it was linked to. */
export function useLinked<T extends HTMLElement>(entryKey: string): { linked: boolean; ref: { current: T | null } } {
  const { linked } = useContext(Viewed)
  const ref = useRef<T>(null)
  const is = linked === entryKey
  useEffect(() => {
    if (!is || !ref.current) return
    ref.current.focus({ preventScroll: true })
    ref.current.scrollIntoView({ block: 'center' })
  }, [is])
  return { linked: is, ref }
}

/** The key of an entry, or what of it is not said already, as the link to it. */
export function Key({ entry, text, facet }: { entry: Entry; text?: string; facet?: string }) {
  const view = useContext(Viewed)
  const { linked, ref } = useLinked<HTMLAnchorElement>(entry.key)
  const mine = !facet || facet === view.facet
  return (
    <a ref={mine ? ref : undefined} class={'key' + (linked && mine ? ' linked' : '')} href={entryLink(view.params, facet ?? view.facet, entry.key)} aria-current={linked && mine ? 'true' : undefined}>
      <Text text={text ?? entry.key} />
    </a>
  )
}

export const Value = ({ text }: { text: string }) => (
  <code>
    <Text text={text} />
  </code>
)

const SHOWN = 400

/** The first of a long list, and a button for the rest. Where `holds` says that what was linked to lies behind: what stands around it. */
export function useShown<T>(list: T[], holds: (item: T) => boolean): [T[], ComponentChildren] {
  const [all, setAll] = useState(false)
  if (all || list.length <= SHOWN) return [list, null]
  const at = list.findIndex(holds)
  const from = at < SHOWN ? 0 : at - SHOWN / 4
  return [
    list.slice(from, from + SHOWN),
    <button type="button" onClick={() => setAll(true)}>
      Show all {list.length.toLocaleString('en')}
    </button>,
  ]
}

/** Rows of key, value and meaning. `label`: what of a key is shown; `more`: what stands in the last column beside the meaning. */
export function Entries(props: { caption: string; entries: Entry[]; label?: (e: Entry) => string; more?: (e: Entry) => ComponentChildren; keyHead?: string; valueHead?: string }) {
  const { linked } = useContext(Viewed)
  const [shown, rest] = useShown(props.entries, (e) => e.key === linked)
  if (!shown.length) return null
  const meant = !!props.more || props.entries.some((e) => e.meaning)
  const table = (
    <table class="entries">
      <caption class="unseen">{props.caption}</caption>
      <thead class="unseen">
        <tr>
          <th scope="col">{props.keyHead ?? 'Key'}</th>
          <th scope="col">{props.valueHead ?? 'Value'}</th>
          {meant && <th scope="col">Meaning</th>}
        </tr>
      </thead>
      <tbody>
        {shown.map((e) => (
          <tr key={e.key} class={linked === e.key ? 'linked' : undefined}>
            <th scope="row">
              <Key entry={e} text={props.label?.(e)} />
            </th>
            <td>
              <Value text={e.value} />
            </td>
            {meant && (
              <td>
                {e.meaning && <Text text={e.meaning} />}
                {props.more?.(e)}
              </td>
            )}
          </tr>
        ))}
      </tbody>
    </table>
  )
  return rest ? (
    <>
      {table}
      {rest}
    </>
  ) : (
    table
  )
}

export interface Grouped {
  id: string
  title: string | null
  entries: Entry[]
}

/** The entries by what they belong to, in the order of the text. `by` tells it of a key where the answer does not; '' is none. */
export function grouped(facet: Facet, by: (key: string) => string): Grouped[] {
  const groups = new Map<string, Grouped>((facet.groups ?? []).map((g: Group) => [g.id, { ...g, entries: [] }]))
  for (const e of facet.entries) {
    const id = e.group ?? by(e.key)
    let group = groups.get(id)
    if (!group) groups.set(id, (group = { id, title: null, entries: [] }))
    group.entries.push(e)
  }
  return [...groups.values()].filter((g) => g.entries.length)
}

/** A key without what its group's heading says. */
export const within = (id: string, key: string): string => (key.startsWith(id) && key.length > id.length ? key.slice(id.length).replace(/^[./]/, '') : key)

/** Numbers in names by their value: lapic.2 before lapic.10. */
export const natural = new Intl.Collator('en', { numeric: true }).compare

export const holds = (entries: Entry[], key: string | null): boolean => key !== null && entries.some((e) => e.key === key)

/** Named parts of a register: from its fields, else from the words about it. */
export function namedOf(e: Entry): FieldValue[] {
  if (e.fields) return e.fields
  if (!e.meaning || e.meaning.startsWith('"') || !/^0x[0-9a-f]{8}\./.test(e.key)) return []
  return e.meaning.split(', ').map((word) => {
    const [name = '', value] = word.split('=')
    return { name, bits: '', value: value ?? '1' }
  })
}

/** One bit, by its name alone. */
export const isFlag = (e: Entry, f: FieldValue): boolean => (e.fields ? f.value === '1' && !f.bits.includes(':') : !e.meaning?.split(', ').includes(`${f.name}=${f.value}`))

/** A number as it is written in hex; null: it is none. */
export const hex = (text: string | undefined): bigint | null => (text && /^0x[0-9a-f]{1,16}$/i.test(text) ? BigInt(text) : null)

/** The value of `name=0x…` in it. */
export const sized = (text: string, name = 'size'): bigint | null => hex(new RegExp(`(?:^| )${name}=(0x[0-9a-f]+)`).exec(text)?.[1])

export const address = (n: bigint): string => '0x' + n.toString(16)

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

/** The largest unit that leaves no rest, as the command line has it. */
export function bytes(n: bigint): string {
  let unit = 0
  while (unit + 1 < UNITS.length && n && n % 1024n === 0n) {
    n /= 1024n
    unit++
  }
  return `${n} ${UNITS[unit]}`
}

/** To be read at a glance, where the number itself stands elsewhere. */
export function about(n: bigint): string {
  let unit = 0
  let value = Number(n)
  for (; value >= 1024 && unit + 1 < UNITS.length; value /= 1024) unit++
  return `${Number.isInteger(value) ? '' : '≈ '}${value.toFixed(Number.isInteger(value) ? 0 : 1)} ${UNITS[unit]}`
}

/** `mem32 size=0x20000` as `mem32 128 KiB`. */
export function inBytes(text: string): string {
  const size = sized(text)
  return size === null ? text : text.replace(/size=0x[0-9a-f]+/, bytes(size))
}

export const entryOf = (entries: Entry[], key: string): Entry | undefined => entries.find((e) => e.key === key)

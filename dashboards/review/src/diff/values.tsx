// SPDX-License-Identifier: Apache-2.0
import type { Change } from '../model'
import { Text } from '../parts'

/** Of a longer text the rest is shown where somebody opens its row. */
const LONG = 240

export const SIGNS: Record<Change['change'], string> = { changed: '~', lost: '−', gained: '+' }

/** As much of a digest as the CLI shows: it tells that something differs, and nobody reads all of it. */
const short = (text: string) => text.replace(/\b(sha256[:=][0-9a-f]{12})[0-9a-f]{52}\b/g, '$1…')

/** A name or key; no line is broken for what nobody reads. All of it is behind "more", and in the list of guests. */
export function Short({ text }: { text: string }) {
  if (text.length <= LONG) return <Text text={text} />
  return (
    <>
      <Text text={text.slice(0, LONG)} />
      <span class="faint">… {(text.length - LONG).toLocaleString('en')} more characters</span>
    </>
  )
}

/** A value of one side; null: it is not there. */
export function Value({ text, whole = false }: { text: string | null; whole?: boolean }) {
  if (text === null) return <span class="faint">none</span>
  if (text === '') return <span class="faint">empty</span>
  return <code class={whole ? 'whole' : undefined}>{whole ? <Text text={text} /> : <Short text={short(text)} />}</code>
}

function Arrow() {
  return (
    <span class="arrow">
      <span aria-hidden="true"> → </span>
      <span class="unseen"> then </span>
    </span>
  )
}

/** From what to what; of what came or went, what it was. */
export function Pair({ from, to, whole }: { from: string | null; to: string | null; whole?: boolean }) {
  if (from !== null && to !== null)
    return (
      <>
        <Value text={from} whole={whole} />
        <Arrow />
        <Value text={to} whole={whole} />
      </>
    )
  return <Value text={from ?? to} whole={whole} />
}

/** The first hypervisor leaf: no count or width is so large. */
const HEX_FROM = 0x40000000

/** Leaves and whole registers read better as they are written elsewhere: in hex, as the CLI's. */
export const numberText = (value: string | null): string =>
  value === null ? 'none' : /^\d+$/.test(value) && Number(value) >= HEX_FROM ? '0x' + BigInt(value).toString(16) : value

/** "rtm 1 → 0 (ebx[11])". */
export function Fields({ c }: { c: Change }) {
  return (
    <ul class="fields">
      {c.fields.map((f) => {
        const bit = !f.bits.includes(':')
        const sign = bit && f.from === '1' ? '−' : bit && f.from === '0' ? '+' : '~'
        return (
          <li>
            <span class={`sign sign-${sign === '−' ? 'lost' : sign === '+' ? 'gained' : 'changed'}`} aria-hidden="true">
              {sign}
            </span>{' '}
            <code>
              <Text text={f.name} />
            </code>{' '}
            {numberText(f.from)}
            <Arrow />
            {numberText(f.to)} <span class="faint">({f.bits})</span>
          </li>
        )
      })}
    </ul>
  )
}

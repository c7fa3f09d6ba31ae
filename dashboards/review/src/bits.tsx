// SPDX-License-Identifier: Apache-2.0
/** Registers as people read them in a manual: a cell for each bit, the highest first. */
import './bits.css'

interface NamedBits {
  name: string
  /** "ecx[5]", "eax[7:0]", "[11]" */
  bits: string
}

/** A bit-field of a register that has one value, or two. */
interface RegisterField extends NamedBits {
  from?: string | null
  to?: string | null
  value?: string
}

const BLOCK = 8

/** Its bits from the lowest, of "0x" and digits; null: it is no such value. A width is told by the digits. */
export function bitsOf(value: string | null | undefined): number[] | null {
  const digits = /^0x([0-9a-f]{2}|[0-9a-f]{4}|[0-9a-f]{8}|[0-9a-f]{16})$/i.exec(value ?? '')?.[1]
  if (!digits) return null
  const bits: number[] = []
  for (let i = digits.length - 1; i >= 0; i--) {
    const digit = parseInt(digits.charAt(i), 16)
    for (let b = 0; b < 4; b++) bits.push((digit >> b) & 1)
  }
  return bits
}

/** Can these two be shown, bit over bit? One of them may be missing. */
export function areRegisters(from: string | null | undefined, to: string | null | undefined): boolean {
  const a = bitsOf(from), b = bitsOf(to)
  return a && b ? a.length === b.length : (!!a && to == null) || (!!b && from == null)
}

/** [highest, lowest] of each part of "ecx[15:12]" or "eax[27:20,11:8]"; none where it names none. */
export function rangesOf(bits: string): [number, number][] {
  const inside = /\[([\d:,]+)\]/.exec(bits)?.[1] ?? ''
  return inside
    .split(',')
    .filter(Boolean)
    .map((part) => {
      const [high = '', low = high] = part.split(':')
      return [Number(high), Number(low)]
    })
}

const told = (f: RegisterField): string =>
  f.value !== undefined ? `${f.name} ${f.value}` : `${f.name} ${f.from ?? 'none'} → ${f.to ?? 'none'}`

function Block({ high, from, to, fields }: { high: number; from: number[] | null; to: number[] | null; fields: RegisterField[] }) {
  const numbers = Array.from({ length: BLOCK }, (_, i) => high - i)
  const differs = (n: number) => from !== null && to !== null && from[n] !== to[n]
  const row = (bits: number[]) => numbers.map((n) => <span class={differs(n) ? 'bit differs' : bits[n] ? 'bit one' : 'bit'}>{bits[n]}</span>)
  const here = fields.filter((f) => {
    const top = rangesOf(f.bits)[0]?.[0] ?? -1
    return top <= high && top > high - BLOCK
  })
  return (
    <div class="bit-block">
      <div class="bit-row bit-numbers">
        {numbers.map((n) => (
          <span class={differs(n) ? 'bit marked' : 'bit'}>{n}</span>
        ))}
      </div>
      {from && <div class="bit-row">{row(from)}</div>}
      {from && to && (
        <div class="bit-row bit-signs">
          {numbers.map((n) => (
            <span class="bit">{differs(n) ? (to[n] ? '+' : '−') : ''}</span>
          ))}
        </div>
      )}
      {to && <div class="bit-row">{row(to)}</div>}
      {here.map((f) => (
        <div class="bit-field">
          <span class="faint">{f.bits.replace(/^[^[]*\[|\]$/g, '')}</span> {told(f)}
        </div>
      ))}
    </div>
  )
}

/**
 * A register before and after, one above the other; with one of the two, that one alone. Nothing where they are no registers. What
 * an ear hears is the list of what differs, not 64 digits.
 */
export function BitRows({ name, from, to, fields }: { name: string; from: string | null; to: string | null; fields: RegisterField[] }) {
  const before = bitsOf(from), after = bitsOf(to)
  if (!areRegisters(from, to)) return null
  const width = (before ?? after ?? []).length
  const differ = before && after ? before.map((bit, n) => [n, bit, after[n]]).filter(([, a, b]) => a !== b) : []
  const label =
    before && after
      ? `${name}, ${width} bits, ${from} before, ${to} after. ` + differ.map(([n, a, b]) => `bit ${n}: ${a} → ${b}`).join(', ')
      : `${name}, ${width} bits, ${from ?? to}`
  return (
    <div class="bits" role="img" aria-label={[label, ...fields.map(told)].join('. ')}>
      <div class="bit-side" aria-hidden="true">
        <span class="bit-name">{name}</span>
        {before && <span>{after ? 'before' : 'value'}</span>}
        {before && after && <span> </span>}
        {after && <span>{before ? 'after' : 'value'}</span>}
      </div>
      <div class="bit-blocks" aria-hidden="true">
        {Array.from({ length: width / BLOCK }, (_, i) => (
          <Block high={width - 1 - i * BLOCK} from={before} to={after} fields={fields} />
        ))}
      </div>
    </div>
  )
}

// SPDX-License-Identifier: Apache-2.0
/** CPUID leaf by leaf: registers in hex, features by name, numbers with their values. */
import { useContext } from 'preact/hooks'
import type { Entry, Facet, FieldValue } from '../model'
import { areRegisters, BitRows } from '../bits'
import { count, Text } from '../parts'
import { entryLink, Fold, grouped, hex, holds, isFlag, Key, namedOf, useFold, useShown, Value, Viewed, within } from './common'

/** `0x00000007.0` of `0x00000007.0.ebx/vcpu.1`. */
const leafOf = (key: string): string => /^(0x[0-9a-f]{8}(?:\.\d+)?)\./.exec(key)?.[1] ?? ''

const isZero = (e: Entry): boolean => hex(e.value) === 0n && !e.key.includes('/')

/** A register's features as chips, its numbers beside them, its characters as they are. */
export function Named({ entry }: { entry: Entry }) {
  const fields = namedOf(entry)
  // A model-specific register's own name stands before its parts.
  const name = fields.length && !leafOf(entry.key) ? entry.meaning?.split(': ')[0] : null
  const flags = fields.filter((f) => isFlag(entry, f))
  const numbers = fields.filter((f) => !isFlag(entry, f))
  if (!fields.length) return entry.meaning ? <Text text={entry.meaning} /> : null
  return (
    <>
      {name && <Text text={name} />}
      {numbers.length > 0 && (
        <ul class="numbers">
          {numbers.map((f) => (
            <li key={f.name} title={f.bits || undefined}>
              <Text text={f.name} /> <strong>{f.value}</strong>
            </li>
          ))}
        </ul>
      )}
      {flags.length > 0 && (
        <ul class="chips">
          {flags.map((f) => (
            <li key={f.name} title={f.bits || undefined}>
              <Text text={f.name} />
            </li>
          ))}
        </ul>
      )}
    </>
  )
}

function Features({ entries }: { entries: Entry[] }) {
  const { params } = useContext(Viewed)
  const features = new Map<string, Entry>()
  for (const e of entries) for (const f of namedOf(e)) if (isFlag(e, f) && !features.has(f.name)) features.set(f.name, e)
  if (!features.size) return null
  const sorted = [...features].sort(([a], [b]) => (a < b ? -1 : 1))
  return (
    <Fold id="features" summary={`All ${count(features.size, 'feature')} by name`}>
      {() => (
        <ul class="chips">
          {sorted.map(([name, e]) => (
            <li key={name}>
              <a href={entryLink(params, 'cpuid', e.key)}>
                <Text text={name} />
              </a>
            </li>
          ))}
        </ul>
      )}
    </Fold>
  )
}

/** A field of two parts, `eax[27:20,11:8]`, stands below its first, and names both. */
const inOnePlace = (f: FieldValue): FieldValue => {
  const parts = /^([^[]*\[)([^,\]]+),([^\]]+)\]$/.exec(f.bits)
  return parts ? { ...f, name: `${f.name} (${parts[2]}, ${parts[3]})`, bits: `${parts[1]}${parts[2]}]` } : f
}

/** A register's value turns its bits over. */
function Register({ entry: e, label }: { entry: Entry; label: string }) {
  const { linked } = useContext(Viewed)
  const [open, turn] = useFold(`${e.key}/bits`, false)
  const is = linked === e.key ? 'linked' : undefined
  return (
    <>
      <tr class={is}>
        <th scope="row">
          <Key entry={e} text={label} />
        </th>
        <td>
          {areRegisters(e.value, null) ? (
            <button type="button" class="bare" aria-expanded={open} onClick={turn} title="its bits">
              <Value text={e.value} />
            </button>
          ) : (
            <Value text={e.value} />
          )}
        </td>
        <td>
          <Named entry={e} />
        </td>
      </tr>
      {open && (
        <tr class={is}>
          <td colSpan={3}>
            <BitRows name={label} from={e.value} to={null} fields={(e.fields ?? []).map(inOnePlace)} />
          </td>
        </tr>
      )}
    </>
  )
}

function Registers({ caption, entries, label }: { caption: string; entries: Entry[]; label: (e: Entry) => string }) {
  const { linked } = useContext(Viewed)
  const [shown, rest] = useShown(entries, (e) => e.key === linked)
  if (!shown.length) return null
  return (
    <>
      <table class="entries registers">
        <caption class="unseen">{caption}</caption>
        <thead class="unseen">
          <tr>
            <th scope="col">Register</th>
            <th scope="col">Value</th>
            <th scope="col">Features and fields</th>
          </tr>
        </thead>
        <tbody>
          {shown.map((e) => (
            <Register key={e.key} entry={e} label={label(e)} />
          ))}
        </tbody>
      </table>
      {rest}
    </>
  )
}

export const Msr = ({ facet }: { facet: Facet }) => <Registers caption="Model-specific registers that the guest read" entries={facet.entries} label={(e) => e.key} />

function Leaf({ id, title, entries }: { id: string; title: string | null; entries: Entry[] }) {
  const { linked } = useContext(Viewed)
  const said = entries.filter((e) => !isZero(e))
  const zero = entries.filter(isZero)
  return (
    <section class="group">
      <h4>
        <code>{id || 'other'}</code> {title && <Text text={title} />}
      </h4>
      <Registers caption={`Registers of leaf ${id}`} entries={said} label={(e) => within(id, e.key)} />
      {zero.length > 0 && (
        <p class={'zeros faint' + (holds(zero, linked) ? ' linked' : '')}>
          0:{' '}
          {zero.map((e) => (
            <span key={e.key}>
              <Key entry={e} text={within(id, e.key)} />{' '}
            </span>
          ))}
        </p>
      )}
    </section>
  )
}

export function Cpuid({ facet }: { facet: Facet }) {
  return (
    <>
      <Features entries={facet.entries} />
      {grouped(facet, leafOf).map((g) => (
        <Leaf key={g.id} {...g} />
      ))}
    </>
  )
}

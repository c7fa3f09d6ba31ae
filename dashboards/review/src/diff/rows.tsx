// SPDX-License-Identifier: Apache-2.0
/** The rows of a part of a comparison: as the CLI's, each with all that is known of it behind "more". */
import { areRegisters, BitRows, bitsOf, rangesOf } from '../bits'
import type { Change, Factor, Moved, Spelling } from '../model'
import { seen, SeverityTag, Text, Wide } from '../parts'
import { Fold, More, Part, SHOWN } from '../fold'
import { changeOf, isFirstOfString, itemsOf, partOf, type Indexed, type Item } from './items'
import { Fields, numberText, Pair, Short, SIGNS, Value } from './values'

export interface Look {
  open: Set<string>
  /** Registers are drawn bit by bit without being asked for. */
  bits: boolean
  /** Said above the rows already: they say it only where they differ from it. */
  said: { verdict: Change['verdict']; severity: Change['severity'] } | null
  /** Rows say what is to blame: no heading does. */
  blames: boolean
  /** What is to blame for a change, in the words of the CLI's heading. */
  blame: (index: number) => string | null
}

/** A register is drawn of what has named bits, or is a register by its facet: no one reads the length of a table bit by bit. */
export const isRegister = (c: Change): boolean => (c.fields.length > 0 || c.facet === 'cpuid' || c.facet === 'msr') && areRegisters(c.from, c.to)

/** Do the named fields tell all that differs? */
function fieldsSay(c: Change): boolean {
  if (!c.fields.length || c.change !== 'changed') return false
  const a = bitsOf(c.from), b = bitsOf(c.to)
  const ranges = c.fields.flatMap((f) => rangesOf(f.bits))
  if (!a || !b || a.length !== b.length) return false
  return a.every((bit, n) => bit === b[n] || ranges.some(([high, low]) => n <= high && n >= low))
}

export function MovedTable({ moved, caption }: { moved: Moved[]; caption: string }) {
  return (
    <Wide name={caption}>
      <table class="plain">
        <caption class="unseen">{caption}</caption>
        <thead>
          <tr>
            <th scope="col">Placement</th>
            <th scope="col">Before</th>
            <th scope="col">After</th>
          </tr>
        </thead>
        <tbody>
          {moved.map((m) => (
            <tr>
              <th scope="row">
                <code>
                  <Text text={m.key} />
                </code>
              </th>
              <td>{m.from === null ? 'not placed' : <Value text={m.from} />}</td>
              <td>{m.to === null ? 'not placed' : <Value text={m.to} />}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Wide>
  )
}

export function FactorWords({ factor: f }: { factor: Factor }) {
  return (
    <>
      <code>
        <Text text={f.factor} />
      </code>{' '}
      <Pair from={f.from ?? '(none)'} to={f.to ?? '(none)'} whole />
      {f.why && (
        <>
          : <Text text={f.why} />
        </>
      )}
    </>
  )
}

/** All that is known of one change. */
function Details({ at: { index, c }, look }: { at: Indexed; look: Look }) {
  const blame = look.blame(index)
  return (
    <div class="details">
      <dl>
        <dt>{c.facet}</dt>
        <dd>
          <code class="whole">
            <Text text={c.key} />
          </code>{' '}
          {c.change}
        </dd>
        <dt>before</dt>
        <dd>{c.from === null ? <span class="faint">not there</span> : <Value text={c.from} whole />}</dd>
        <dt>after</dt>
        <dd>{c.to === null ? <span class="faint">not there</span> : <Value text={c.to} whole />}</dd>
        {c.meaning && <dt>meaning</dt>}
        {c.meaning && (
          <dd class="whole">
            <Text text={c.meaning} />
          </dd>
        )}
        {c.verdict && <dt>verdict</dt>}
        {c.verdict && (
          <dd>
            <SeverityTag severity={c.severity} verdict={c.verdict} />
          </dd>
        )}
        {!!c.cause?.length && <dt>cause</dt>}
        {c.cause?.map((f) => (
          <dd>
            <FactorWords factor={f} />
          </dd>
        ))}
        {c.cause?.length === 0 && <dt>cause</dt>}
        {c.cause?.length === 0 && <dd>{blame ? <Text text={blame} /> : 'none is known'}</dd>}
        {c.reason && <dt>{c.verdict === 'exempt' ? 'exempt' : 'reason'}</dt>}
        {c.reason && (
          <dd>
            <Text text={c.reason} />
          </dd>
        )}
        {c.impact && <dt>impact</dt>}
        {c.impact && (
          <dd>
            <Text text={c.impact} />
          </dd>
        )}
        {c.suppressed_by && <dt>suppressed by</dt>}
        {c.suppressed_by && (
          <dd>
            <Text text={c.suppressed_by} />
          </dd>
        )}
        {(c.running || c.firmware) && <dt>note</dt>}
        {c.running && <dd>It changed while the guest ran.</dd>}
        {c.firmware && <dd>It arrived with firmware: the machine itself is the same.</dd>}
      </dl>
      {!look.bits && isRegister(c) && <BitRows name={nameOfRegister(c)} from={c.from} to={c.to} fields={c.fields} />}
      {c.moved.length > 0 && <MovedTable moved={c.moved} caption={`What moved with ${seen(c.key.slice(0, 100))}`} />}
    </div>
  )
}

const nameOfRegister = (c: Change) => (c.facet === 'cpuid' ? c.key.slice(c.key.lastIndexOf('.') + 1) : c.key)

/** What is said of one change on its line. */
function Said({ c }: { c: Change }) {
  return (
    <>
      {!fieldsSay(c) && <Pair from={c.from} to={c.to} />}
      {!c.fields.length && c.meaning && (
        <span class="faint">
          {' '}
          (<Short text={c.meaning} />)
        </span>
      )}
      {c.fields.length > 0 && <Fields c={c} />}
    </>
  )
}

/** brand "AMD EPYC Processor" → "AMD EPYC-Rome Processor" */
function Spelt({ string }: { string: Spelling }) {
  const quoted = (text: string | null) => (text === null ? null : `"${text}"`)
  return (
    <div>
      <code>{string.name}</code> <Pair from={quoted(string.from)} to={quoted(string.to)} />
    </div>
  )
}

function Leaf({ item }: { item: Item }) {
  const side = item.parts[0]?.c.change === 'lost' ? 'from' : 'to'
  const strings = item.parts.filter(({ c }) => c.string && isFirstOfString(item, c))
  const rest = item.parts.filter(({ c }) => !c.string)
  const spelt = strings.map(({ c }) => c.string && <Spelt string={c.string} />)
  if (item.parts[0] && changeOf(item.parts[0].c) === 'changed')
    return (
      <>
        {rest.map(({ c }) => (
          <div>
            {c.key !== item.subject && !fieldsSay(c) && <span class="faint">{partOf(item, c)} </span>}
            <Said c={c} />
          </div>
        ))}
        {spelt}
      </>
    )
  // One that came or went: its registers, and what their bits are called.
  const names = rest.flatMap(({ c }) => c.fields.filter((f) => f[side] && f[side] !== '0').map((f) => (f.bits.includes(':') ? `${f.name}=${numberText(f[side])}` : f.name)))
  return (
    <>
      {rest.length > 0 && <Short text={item.parts.map(({ c }) => [partOf(item, c), c[side]].filter(Boolean).join('=')).join(' ')} />}
      {names.length > 0 && (
        <div class="faint">
          <Short text={names.join(', ')} />
        </div>
      )}
      {spelt}
    </>
  )
}

/** What came or went as a whole: what it is, then what it said. */
function Whole({ item }: { item: Item }) {
  const side = item.parts[0]?.c.change === 'lost' ? 'from' : 'to'
  const id = item.parts.find(({ c }) => partOf(item, c) === 'id' || partOf(item, c) === '')?.c
  const rest = item.parts.filter(({ c }) => c !== id).map(({ c }) => `${partOf(item, c)} ${c[side] ?? ''}`)
  return (
    <>
      {id && <Said c={id} />}{' '}
      <span class="faint">
        <Short text={rest.join(' · ')} />
      </span>
    </>
  )
}

function Like({ item }: { item: Item }) {
  const c = item.parts[0]?.c
  const befores = [...new Set(item.parts.map((p) => p.c.from))]
  const digests = /^sha256:/.test(c?.to ?? '')
  const names = item.parts.map((p) => partOf(item, p.c))
  return (
    <>
      {c && !digests && <Pair from={befores.length === 1 ? (befores[0] ?? null) : befores.slice(0, 3).join(', ') + (befores.length > 3 ? ', …' : '')} to={c.to} />}{' '}
      <span class="faint">
        in <Short text={names.slice(0, 8).join(', ')} />
        {names.length > 8 && ` and ${names.length - 8} more`}
      </span>
    </>
  )
}

function Row({ item, look }: { item: Item; look: Look }) {
  const first = item.parts[0]
  if (!first) return null
  const { c, index } = first
  const id = `c${index}`
  const open = look.open.has(id)
  const moved = item.parts.reduce((n, p) => n + p.c.moved.length, 0)
  const worst = item.parts.find((p) => p.c.severity !== look.said?.severity || p.c.verdict !== look.said?.verdict)?.c
  const blame = look.blames ? look.blame(index) : null
  const notes = [
    item.parts.some((p) => p.c.running) && 'while the guest ran',
    item.parts.some((p) => p.c.firmware) && 'arrived with firmware',
    moved > 0 && `${moved} placement change${moved === 1 ? '' : 's'} folded`,
  ].filter(Boolean)
  return (
    <li class="change">
      <span class={`sign sign-${changeOf(c)}`} aria-hidden="true">
        {SIGNS[changeOf(c)]}
      </span>
      <span class="facet">{c.facet}</span>
      <code class="key">
        <Short text={item.subject} />
      </code>
      <span class="kind">{changeOf(c)}</span>
      <div class="said-of">
        {item.kind === 'leaf' ? <Leaf item={item} /> : item.kind === 'whole' && item.parts.length > 1 ? <Whole item={item} /> : item.kind === 'like' ? <Like item={item} /> : <Said c={c} />}
        {(worst || notes.length > 0 || blame) && (
          <div class="notes">
            {worst && <SeverityTag severity={worst.severity} verdict={worst.verdict} />} {blame && <Text text={blame} />} {notes.length > 0 && <span class="faint">{notes.join(' · ')}</span>}
          </div>
        )}
      </div>
      <More id={id} open={look.open} name={`${c.facet} ${seen(item.subject.slice(0, 100))}`} />
      {look.bits &&
        item.parts.some((p) => isRegister(p.c)) && (
          <div class="under">
            {item.parts.filter((p) => isRegister(p.c)).map((p) => (
              <BitRows name={nameOfRegister(p.c)} from={p.c.from} to={p.c.to} fields={p.c.fields} />
            ))}
          </div>
        )}
      {open && (
        <div class="under">
          <Part all={item.parts} id={id + 'all'} open={look.open} what="entries">
            {(some) => some.map((at) => <Details at={at} look={look} key={at.index} />)}
          </Part>
        </div>
      )}
    </li>
  )
}

export function Rows({ changes, id, look }: { changes: Indexed[]; id: string; look: Look }) {
  return (
    <Part all={itemsOf(changes)} id={id + 'all'} open={look.open} what="rows">
      {(some) => (
        <ul class={some.length > SHOWN ? 'changes long' : 'changes'}>
          {some.map((item) => (
            <Row key={item.parts[0]?.index} item={item} look={look} />
          ))}
        </ul>
      )}
    </Part>
  )
}

const one = (n: number, what: string) => `${n.toLocaleString('en')} ${what}${n === 1 ? '' : 's'}`

/**
 * What may be folded. The severity of what nobody meant says how much it harms; what is intended or exempt is "info" because somebody
 * meant it, whatever it breaks, so there it is harmless only where no impact is known.
 */
const isHarmless = (c: Change): boolean =>
  (c.severity === 'info' || c.severity === 'none') && (c.verdict === 'violation' || c.verdict === 'unexplained' || !c.impact)

/** The same, what is harmless folded where something worse is there. */
export function RowsByHarm({ changes, id, look, fold }: { changes: Indexed[]; id: string; look: Look; fold: boolean }) {
  const harmless = fold ? changes.filter(({ c }) => isHarmless(c)) : []
  const rest = harmless.length ? changes.filter(({ c }) => !isHarmless(c)) : changes
  const severities = [...new Set(harmless.map(({ c }) => c.severity))].sort().join(', ')
  return (
    <>
      {rest.length > 0 && <Rows changes={rest} id={id} look={look} />}
      {harmless.length > 0 && (
        <Fold id={id + 'h'} open={look.open} summary={`${one(harmless.length, 'harmless change')} (severity ${severities})`}>
          {() => <Rows changes={harmless} id={id + 'h'} look={{ ...look, said: look.said && { verdict: look.said.verdict, severity: 'info' } }} />}
        </Fold>
      )}
    </>
  )
}

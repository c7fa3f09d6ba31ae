// SPDX-License-Identifier: Apache-2.0
/** Which two. The form holds what somebody types until it is sent; then it is in the URL. */
import { useEffect, useState } from 'preact/hooks'
import { paths, useAnswer } from '../api'
import type { Guest, GuestList, Show } from '../model'
import { seen, timeText } from '../parts'
import { diffLink, sideOf, type Params } from '../url'

interface Chosen {
  /** As somebody types it: a name, an id, `sha256:…`. */
  who: string
  /** "" is now. */
  at: string
}

const isDigest = (who: string) => who.startsWith('sha256:')

function split(side: string | undefined): Chosen {
  const m = /^(.*)@(\d+|baseline)$/s.exec(side ?? '')
  return m ? { who: m[1] ?? '', at: m[2] ?? '' } : { who: side ?? '', at: '' }
}

function join({ who, at }: Chosen): string {
  if (isDigest(who)) return who
  return who.startsWith('guest:') ? who + (at ? '@' + at : '') : sideOf(who, at === 'baseline' ? at : Number(at) || null)
}

/** Both sides in words of the API, of a comparison that may name one only. */
export function sidesOf({ from, to }: Params): [string, string] {
  if (to || !from || isDigest(from)) return [from ?? '', to ?? '']
  const { who, at } = split(from)
  return at ? [from, join({ who, at: '' })] : [join({ who, at: 'baseline' }), from]
}

/** What a text field keeps as it is, and names one guest only: its name, else its id. */
function optionsOf(guests: Guest[]): { value: string; label: string }[] {
  const count = new Map<string, number>()
  for (const g of guests) if (g.name) count.set(g.name, (count.get(g.name) ?? 0) + 1)
  return guests.map((g) => {
    const plain = g.name && g.name === g.name.trim() && seen(g.name) === g.name && count.get(g.name) === 1 && !/[@/]/.test(g.name) && g.name.length < 200
    return plain ? { value: g.name ?? g.id, label: g.id } : { value: g.id, label: seen(g.name ?? '').slice(0, 200) }
  })
}

interface SideProps {
  name: 'From' | 'To'
  chosen: Chosen
  choose: (c: Chosen) => void
  guests: Guest[]
  other?: Chosen
  told: string | undefined
}

function Side({ name, chosen, choose, guests, other, told }: SideProps) {
  const who = chosen.who || other?.who || ''
  const [asked, ask] = useState(who)
  // Nobody is asked about half a name.
  useEffect(() => {
    const timer = setTimeout(() => ask(who), 300)
    return () => clearTimeout(timer)
  }, [who])
  const known = guests.find((g) => g.id === asked || g.uuid === asked || g.name === asked)
  const { value, failure } = useAnswer<Show>(asked && !isDigest(asked) ? paths.guest(known?.id ?? asked) : null)
  const id = name.toLowerCase()
  const failed = asked === chosen.who && failure?.text !== told ? failure : null
  const marks = value?.revisions ?? []
  const listed = ['', 'baseline', ...marks.map((m) => String(m.revision))]
  return (
    <fieldset>
      <legend>{name}</legend>
      <label>
        Guest, or sha256:…
        <input
          name={id}
          list="diff-guests"
          value={chosen.who}
          placeholder={other && !isDigest(other.who) ? 'the same guest' : 'name, id or UUID'}
          autocomplete="off"
          spellcheck={false}
          required={!other || isDigest(other.who)}
          aria-describedby={failed ? `${id}-failed` : undefined}
          onInput={(e) => choose({ ...chosen, who: e.currentTarget.value })}
        />
      </label>
      <label>
        Revision
        <select name={`${id}-at`} value={chosen.at} disabled={isDigest(who)} onChange={(e) => choose({ ...chosen, at: e.currentTarget.value })}>
          <option value="">now</option>
          <option value="baseline">baseline</option>
          {!listed.includes(chosen.at) && <option value={chosen.at}>{chosen.at}</option>}
          {marks.map((m) => (
            <option value={String(m.revision)}>
              {m.revision}: {timeText(m.at)}
              {m.baseline ? ' (baseline)' : ''}
            </option>
          ))}
        </select>
      </label>
      {failed && (
        <p id={`${id}-failed`} class="wrong" role="status">
          {failed.text}
        </p>
      )}
    </fieldset>
  )
}

/** `told`: what stands above already. */
export function Sides({ params, told }: { params: Params; told?: string | undefined }) {
  const [from, to] = sidesOf(params)
  const [left, setLeft] = useState<Chosen>({ who: '', at: '' })
  const [right, setRight] = useState<Chosen>({ who: '', at: '' })
  useEffect(() => {
    const a = split(from || '@baseline'), b = split(to)
    setLeft(a)
    setRight(b.who === a.who ? { ...b, who: '' } : b)
  }, [from, to])
  const { value } = useAnswer<GuestList>(paths.guests())
  const guests = value?.guests ?? []
  const compare = (e: SubmitEvent) => {
    e.preventDefault()
    const { open: _, ...rest } = params
    const who = right.who || left.who
    // What one guest drifts by has its shortest link.
    const alone = who === left.who && left.at === 'baseline' && !right.at
    location.hash = alone ? diffLink(join({ who, at: '' }), null, rest) : diffLink(join(left), join({ who, at: right.at }), rest)
  }
  return (
    <form class="choose" onSubmit={compare}>
      <datalist id="diff-guests">
        {optionsOf(guests).map((o) => (
          <option value={o.value}>{o.label}</option>
        ))}
      </datalist>
      <Side name="From" chosen={left} choose={setLeft} guests={guests} told={told} />
      <Side name="To" chosen={right} choose={setRight} guests={guests} other={left} told={told} />
      <p>
        <button type="submit">Compare</button>
      </p>
    </form>
  )
}

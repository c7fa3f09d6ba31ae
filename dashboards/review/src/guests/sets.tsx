// SPDX-License-Identifier: Apache-2.0
/** What drifts now, the same changes with the same causes together: the worst first, then what meets most guests. */
import type { ChangeSet, Guest } from '../model'
import { Command, Name, SeverityTag, Text, When, count } from '../parts'
import { change, diffLink, link, sideOf, type Params } from '../url'

/** So many are shown at once. */
const FIRST = 10

function Drifting({ set, guest, toList }: { set: ChangeSet; guest: Guest | undefined; toList: (e: MouseEvent) => void }) {
  const headline = set.headline || `${count(set.changes, 'change')} of ${count(set.guests, 'guest')}`
  return (
    <li class={`set edge-${set.severity}`}>
      <h3>
        <SeverityTag severity={set.severity} verdict={set.verdict} /> <Text text={headline} />
      </h3>
      <p>
        <Text text={set.summary} />
      </p>
      <p class="set-links">
        <a href={link([], { set: set.id })} onClick={toList}>
          {set.guests === 1 ? 'Show the guest' : `Show the ${count(set.guests, 'guest')}`}
        </a>
        {guest && (
          <a href={diffLink(sideOf(guest.id))}>
            Diff of <Name guest={guest} />
          </a>
        )}
        {set.since && (
          <span class="faint">
            since <When at={set.since} />
          </span>
        )}
      </p>
      <Command text={set.accept} name={`the command that accepts ${set.guests === 1 ? 'it' : 'them all'}`} />
    </li>
  )
}

export function ChangeSets({ sets, guests, params, toList }: { sets: ChangeSet[]; guests: Guest[]; params: Params; toList: (e: MouseEvent) => void }) {
  const all = params.sets === 'all'
  const shown = all ? sets : sets.slice(0, FIRST)
  // Of its guests one that runs, if any does.
  const one = new Map<string, Guest>()
  for (const g of guests) if (g.change_set && !(one.get(g.change_set)?.running ?? false)) one.set(g.change_set, g)
  return (
    <section aria-labelledby="sets">
      <h2 id="sets">What drifts now</h2>
      {sets.length === 0 && <p class="calm">Nothing.</p>}
      <ul class="sets">
        {shown.map((set) => (
          <Drifting key={set.id} set={set} guest={one.get(set.id)} toList={toList} />
        ))}
      </ul>
      {sets.length > FIRST && (
        <button type="button" aria-expanded={all} onClick={() => change({ sets: all ? null : 'all' })}>
          {all ? `Show the worst ${FIRST} only` : `Show all ${count(sets.length, 'change set')}`}
        </button>
      )}
    </section>
  )
}

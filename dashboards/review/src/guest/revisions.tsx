// SPDX-License-Identifier: Apache-2.0
/** All fingerprints that are kept; any two are compared. */
import { isHeld, paths } from '../api'
import type { RevisionMark, Show } from '../model'
import { When, Wide } from '../parts'
import { change, diffLink, guestLink, sideOf, type Params } from '../url'
import { Digest } from './digest'

const FEW = 8

/** Newest first. An answer without them has at least these two. */
export function revisionsOf(show: Show): RevisionMark[] {
  if (show.revisions) return show.revisions
  const { current, baseline } = show.guest ?? {}
  const marks: RevisionMark[] = []
  if (current) marks.push({ ...current, boot: null, baseline: current.revision === baseline?.revision })
  if (baseline && baseline.revision !== current?.revision) marks.push({ ...baseline, boot: null, baseline: true })
  return marks
}

export function Revisions({ show, revisions, params }: { show: Show; revisions: RevisionMark[]; params: Params }) {
  const guest = show.guest
  if (!guest || !revisions.length) return null
  const known = (text: string | undefined) => revisions.find((r) => String(r.revision) === text)?.revision
  const a = known(params.a) ?? guest.baseline?.revision ?? revisions[1]?.revision ?? revisions[0]?.revision
  const b = known(params.b) ?? guest.current?.revision ?? revisions[0]?.revision
  const two: [string, string] | null = a !== undefined && b !== undefined && a !== b ? [sideOf(guest.id, a), sideOf(guest.id, b)] : null
  const all = params.revisions === 'all'
  const shown = all ? revisions : revisions.filter((r, i) => i < FEW || r.baseline || r.revision === a || r.revision === b || r.revision === show.revision)
  return (
    <section aria-labelledby="revisions">
      <h2 id="revisions">Revisions</h2>
      <Wide name="List of revisions">
        <table class="revisions stack">
          <caption class="faint">Fingerprints that are kept, newest first. Choose two to compare.</caption>
          <thead>
            <tr>
              <th scope="col">From</th>
              <th scope="col">To</th>
              <th scope="col">Revision</th>
              <th scope="col">Made</th>
              <th scope="col">Boot</th>
              <th scope="col">Digest</th>
              <th scope="col">Is</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((r) => (
              <tr key={r.revision} aria-current={r.revision === show.revision ? 'true' : undefined}>
                <td data-label="from">
                  <input type="radio" name="a" aria-label={`From revision ${r.revision}`} checked={r.revision === a} onChange={() => change({ a: r.revision })} />
                </td>
                <td data-label="to">
                  <input type="radio" name="b" aria-label={`To revision ${r.revision}`} checked={r.revision === b} onChange={() => change({ b: r.revision })} />
                </td>
                <th scope="row" data-label="revision">
                  {isHeld(paths.guest(guest.id, r.revision)) ? <a href={guestLink(guest.id, { rev: r.revision })}>{r.revision}</a> : r.revision}
                </th>
                <td>
                  <When at={r.at} />
                </td>
                <td data-label="boot">{r.boot}</td>
                <td>
                  <Digest digest={r.digest} of={`revision ${r.revision}`} />
                </td>
                <td>
                  {[r.baseline && 'baseline', r.revision === guest.current?.revision && (guest.running ? 'now' : 'the last'), r.revision === show.revision && 'shown here'].filter(Boolean).join(', ')}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Wide>
      <p class="links">
        {two && !isHeld(paths.diff(...two)) && <span class="faint">This report does not hold that comparison.</span>}
        {two && isHeld(paths.diff(...two)) && (
          <a class="button" href={diffLink(...two)}>
            Compare revision {a} → {b}
          </a>
        )}
        {shown.length < revisions.length && (
          <button type="button" class="small" onClick={() => change({ revisions: 'all' })}>
            Show all {revisions.length}
          </button>
        )}
        {all && revisions.length > FEW && (
          <button type="button" class="small" onClick={() => change({ revisions: null })}>
            Show fewer
          </button>
        )}
      </p>
    </section>
  )
}

// SPDX-License-Identifier: Apache-2.0
/** How it stands, for somebody who was just woken. */
import { paths, useAnswer } from '../api'
import type { Blame, Diff, Guest, GuestList } from '../model'
import { Command, count, Failed, Loading, nameOf, SeverityTag, Text, When } from '../parts'
import { diffLink, link, sideOf } from '../url'

/** So many are told here; the comparison tells all. */
const BLAMES = 4

function BlameOf({ blame }: { blame: Blame }) {
  return (
    <li>
      <SeverityTag severity={blame.severity} verdict={blame.verdict} /> <strong><Text text={blame.title} /></strong>
      <span class="faint"> ({count(blame.changes.length, 'change')})</span>
      {blame.impact.map((i) => (
        <div key={i}><Text text={i} /></div>
      ))}
      {blame.because.map((b) => (
        <div key={b} class="faint"><Text text={b} /></div>
      ))}
    </li>
  )
}

function Unknowns({ diff }: { diff: Diff }) {
  if (!diff.unknown.length) return null
  return (
    <ul>
      {diff.unknown.slice(0, 8).map((u, i) => (
        <li key={i}>
          {u.facet}
          {u.key && (
            <>
              {' '}
              <code>
                <Text text={u.key} />
              </code>
            </>
          )}
          {u.facet && ': '}
          <Text text={u.reason ?? 'no reason is stored'} />
        </li>
      ))}
      {diff.unknown.length > 8 && <li>and {diff.unknown.length - 8} more</li>}
    </ul>
  )
}

function Drift({ guest: g, diff, others }: { guest: Guest; diff: Diff | null; others: number }) {
  const blames = diff?.blames ?? []
  return (
    <>
      {blames.length > 0 && (
        <ol class="blames">
          {blames.slice(0, BLAMES).map((b, i) => (
            <BlameOf key={i} blame={b} />
          ))}
          {blames.length > BLAMES && <li>and {count(blames.length - BLAMES, 'more cause')}</li>}
        </ol>
      )}
      {others > 0 && (
        <p>
          <a href={link([], { set: g.change_set })}>{count(others, 'other guest')}</a> {others === 1 ? 'drifts' : 'drift'} in exactly the same way.
        </p>
      )}
      {diff?.accept?.guest && (
        <>
          <p class="faint">If this is meant to be so: make what it is now its baseline, on the command line.</p>
          <Command text={diff.accept.guest} name="accept this guest" />
        </>
      )}
    </>
  )
}

export function StateNote({ guest: g, list }: { guest: Guest; list: GuestList | null }) {
  const asks = g.current !== null && (g.state === 'drift' || g.state === 'unknown')
  const { value: diff, failure } = useAnswer<Diff>(asks ? paths.diff(sideOf(g.id)) : null, true)
  const set = g.change_set ? list?.change_sets.find((s) => s.id === g.change_set) : undefined
  const silent = g.running ? list?.stale.find((s) => s.host === g.host) : undefined
  const compare = g.baseline && (
    <a class="button" href={diffLink(sideOf(g.id))}>
      Compare baseline → now
    </a>
  )
  const baseline = g.baseline && (
    <>
      revision {g.baseline.revision} (the baseline since <When at={g.baseline.at} />)
    </>
  )
  return (
    <div class={`note state ${g.state} ${g.severity}`} aria-label={`State of ${nameOf(g)}`} role="group">
      <p class="first">
        {g.state === 'drift' && (
          <>
            <strong>
              {g.running ? 'Drifts' : 'Drifted when it last ran'}
              {g.drift_since && (
                <>
                  {' '}
                  since <When at={g.drift_since} />
                </>
              )}
              : {[g.verdict, g.severity, count(g.changes, 'change')].filter(Boolean).join(', ')}
            </strong>{' '}
            from its baseline, {baseline}. {compare}
          </>
        )}
        {g.state === 'same' && (
          <>
            <strong>The same as its baseline</strong>, {baseline}
            {g.current && g.baseline && g.current.revision !== g.baseline.revision ? <>; what else differs does not count, or is suppressed. {compare}</> : '.'}
          </>
        )}
        {g.state === 'learning' && (
          <>
            <strong>Learning.</strong> Not all of boot {g.boot} has been seen yet, so nothing is said of it{baseline ? <>; what it is compared with then is its baseline, {baseline}</> : ''}.{' '}
            {g.baseline && g.current && g.current.revision !== g.baseline.revision && compare}
          </>
        )}
        {g.state === 'unknown' && (
          <>
            <strong>Unknown</strong> whether it is as its baseline{baseline && <>, {baseline}</>}:{' '}
            {!g.baseline ? 'it has none.' : diff && !diff.unknown.length ? 'no facet is named for it; “facts lost” among its events may tell more.' : 'not enough of it was seen.'} {compare}
          </>
        )}
      </p>
      {silent && (
        <p>
          <strong>This is old:</strong> the monitor of its host has said nothing since <When at={silent.at} />.
        </p>
      )}
      {set?.summary && g.state === 'drift' && !diff?.blames?.length && (
        <p>
          <Text text={set.summary} />
        </p>
      )}
      {asks && !diff && (failure ? <Failed failure={failure} what="What differs" /> : <Loading what="what differs" />)}
      {diff && g.state === 'unknown' && <Unknowns diff={diff} />}
      {g.state === 'drift' && <Drift guest={g} diff={diff} others={(set?.guests ?? 1) - 1} />}
    </div>
  )
}

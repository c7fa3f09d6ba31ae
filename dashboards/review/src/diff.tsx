// SPDX-License-Identifier: Apache-2.0
/** What differs between two fingerprints, who is to blame, and what it breaks. */
import type { ComponentChildren } from 'preact'
import './diff.css'
import { askText, isHeld, paths, report, useAnswer, type Failure } from './api'
import { BlameHead } from './diff/blame'
import { Fold, openOf, Part } from './fold'
import { type Indexed } from './diff/items'
import { Patch } from './diff/patch'
import { FactorWords, isRegister, MovedTable, Rows, RowsByHarm, type Look } from './diff/rows'
import { Sides, sidesOf } from './diff/sides'
import { Short } from './diff/values'
import type { Blame, Change, Diff, Severity, Side, Verdict } from './model'
import { Command, Copy, count, Failed, Loading, nameOf, SEVERITIES, SeverityTag, Text, useTitle, When, Wide } from './parts'
import { change, diffLink, guestLink, link, sideOf, useQuery, type Params } from './url'

/** With more of them nobody wants all drawn; one by one behind "more". */
const BITS_SHOWN = 12
const VERDICTS: Verdict[] = ['violation', 'unexplained', 'exempt', 'intended']

/* ---- the two sides */

/** A link's words for exactly this side, whatever becomes of the guest; null: it has no revision yet. */
const pinOf = (s: Side) => (s.guest && s.revision ? sideOf(s.guest.id, s.revision) : s.digest)

function SideWords({ side, again }: { side: Side; again: boolean }) {
  const at = side.guest && side.revision ? guestLink(side.guest.id, { rev: side.revision }) : null
  return (
    <>
      {!again && <Short text={side.guest ? side.guest.name?.trim() || side.guest.id : side.name || side.path || '?'} />}{' '}
      {at ? (
        <a href={at}>revision {side.revision}</a>
      ) : side.digest ? (
        <code title={side.digest}>{side.digest.slice(0, 19)}</code>
      ) : (
        <span class="faint">no fingerprint</span>
      )}
    </>
  )
}

function Head({ diff, params }: { diff: Diff; params: Params }) {
  const again = !!diff.from.guest && diff.from.guest.id === diff.to.guest?.id
  return (
    <header>
      <h1>
        <SideWords side={diff.from} again={false} /> <span aria-hidden="true">→</span> <span class="unseen">compared with</span> <SideWords side={diff.to} again={again} />
      </h1>
      <p class="faint times">
        <When at={diff.from.at} /> → <When at={diff.to.at} />
        {diff.machine && (
          <>
            {' · '}
            <Text text={[diff.vmm, diff.machine].filter(Boolean).join(' ')} />
          </>
        )}
      </p>
      <Pins diff={diff} params={params} />
    </header>
  )
}

/** "Now" and "baseline" are others tomorrow; a link that is kept as evidence names revisions. */
function Pins({ diff, params }: { diff: Diff; params: Params }) {
  const { from, to, ...rest } = params
  const a = pinOf(diff.from), b = pinOf(diff.to)
  const [left, right] = sidesOf(params)
  const exact = a && b ? diffLink(a, b, rest) : null
  return (
    <p class="tools">
      {exact && (a !== from || b !== to) && isHeld(paths.diff(a ?? '', b)) && <a href={exact}>Link to exactly this</a>}
      {exact && !report && <Copy text={() => Promise.resolve(location.href.replace(/#.*/s, '') + exact)} label="Copy link" name="to exactly this comparison" />}
      {left && right && isHeld(paths.diff(right, left)) && <a href={diffLink(right, left, rest)}>Swap</a>}
      {from && <Copy text={() => askText(paths.diffText(from, to))} label="Copy as text" name="the comparison, as abidrift diff prints it" />}
    </p>
  )
}

/* ---- the result */

function parts<T extends string>(changes: Change[], values: T[], of: (c: Change) => T | null): string {
  return values
    .map((v) => [v, changes.filter((c) => of(c) === v).length] as const)
    .filter(([, n]) => n > 0)
    .map(([v, n]) => `${n.toLocaleString('en')} ${v}`)
    .join(', ')
}

function Result({ diff, counted, suppressed, moved }: { diff: Diff; counted: Change[]; suppressed: number; moved: number }) {
  const more = [suppressed && `${suppressed} suppressed`, moved && `${moved} moved`, diff.unknown.length && `${diff.unknown.length} unknown`].filter(Boolean).join(', ')
  const facets = diff.unknown.filter((u) => u.key === null)
  return (
    <div class={`result result-${diff.result} result-${diff.severity}`}>
      {diff.result === 'drift' && (
        <p>
          <SeverityTag severity={diff.severity} verdict={diff.verdict} /> <strong>{count(counted.length, 'change')}</strong>
          {new Set(counted.map((c) => c.verdict)).size > 1 && ': ' + parts(counted, VERDICTS, (c) => c.verdict)}
          {counted.length > 1 && ` (${parts(counted, ['changed', 'lost', 'gained'], (c) => c.change)})`}
          {more && <span class="faint">; {more}</span>}
        </p>
      )}
      {diff.result === 'same' && (
        <p>
          <strong>{suppressed ? 'Nothing differs that counts.' : 'Nothing differs.'}</strong>
          {more && <span class="faint"> {more}</span>}
        </p>
      )}
      {diff.result === 'unknown' && (
        <p>
          <strong>It is not known whether they are the same.</strong>{' '}
          {diff.unknown.every((u) => u.facet !== null) && (suppressed ? 'What was seen of both differs in nothing that counts.' : 'What was seen of both does not differ.')}
          {more && <span class="faint"> {more}</span>}
        </p>
      )}
      {facets.map((u) => (
        <p>
          <span class="tag state-unknown">not compared</span> {u.facet && <strong>{u.facet}: </strong>}
          <Text text={u.reason ?? 'nobody knows why'} />
        </p>
      ))}
      {diff.next_boot?.map((n) => (
        <p>
          <span class="tag">at its next boot</span> <Text text={n.reason} />
        </p>
      ))}
      {diff.stale?.map((s) => (
        <p>
          <span class="tag severity-warning">
            <span aria-hidden="true">▲ </span>old
          </span>{' '}
          Nothing has been heard of host <Text text={s.host} /> since <When at={s.at} />.
        </p>
      ))}
      {diff.change_set && diff.accept?.change_set && !report && (
        <p>
          <a href={link([], { set: diff.change_set })}>All guests with these changes</a> <code class="faint">{diff.change_set}</code>
        </p>
      )}
    </div>
  )
}

/* ---- what is looked at */

function Choice({ name, value, of, children }: { name: string; value: string; of: [string, string][]; children: ComponentChildren }) {
  return (
    <label>
      {children}{' '}
      <select name={name} value={value} onChange={(e) => change({ [name]: e.currentTarget.value })}>
        {of.map(([v, words]) => (
          <option value={v}>{words}</option>
        ))}
      </select>
    </label>
  )
}

function counts(changes: Change[], of: (c: Change) => string): [string, string][] {
  const found = new Map<string, number>()
  for (const c of changes) found.set(of(c), (found.get(of(c)) ?? 0) + 1)
  return [...found].map(([v, n]) => [v, `${v} (${n.toLocaleString('en')})`])
}

function Filters({ params, all, shown, registers, bits }: { params: Params; all: Change[]; shown: number; registers: number; bits: boolean }) {
  const { query, search } = useQuery(params)
  const severities = counts(all, (c) => c.severity).sort(([a], [b]) => SEVERITIES.indexOf(a as Severity) - SEVERITIES.indexOf(b as Severity))
  const everything: [string, string] = ['', `all (${all.length.toLocaleString('en')})`]
  return (
    <form class="filters" aria-label="What is shown" onSubmit={(e) => e.preventDefault()}>
      <Choice name="view" value={params.view ?? ''} of={[['', 'rows'], ['unified', 'unified'], ['side', 'side by side']]}>
        View
      </Choice>
      <Choice name="by" value={params.by === 'facet' ? 'facet' : ''} of={[['', 'cause'], ['facet', 'facet']]}>
        By
      </Choice>
      <Choice name="facet" value={params.facet ?? ''} of={[everything, ...counts(all, (c) => c.facet)]}>
        Facet
      </Choice>
      <Choice name="severity" value={params.severity ?? ''} of={[everything, ...severities]}>
        Severity
      </Choice>
      <label>
        Find <input type="search" name="q" value={query} placeholder="key, value, bit" onInput={(e) => search(e.currentTarget.value)} />
      </label>
      {registers > 0 && !params.view && (
        <label>
          <input type="checkbox" name="bits" checked={bits} onChange={(e) => change({ bits: e.currentTarget.checked ? '1' : '0' })} /> bits of registers
        </label>
      )}
      <span role="status">{shown < all.length ? `${shown.toLocaleString('en')} of ${count(all.length, 'change')}` : ''}</span>
    </form>
  )
}

const holds = (c: Change, q: string) =>
  [c.key, c.from, c.to, c.meaning, c.reason, c.impact, ...c.fields.map((f) => f.name)].some((text) => text?.toLowerCase().includes(q))

/* ---- by what is to blame, by facet */

interface Shown {
  changes: Indexed[]
  worst: boolean
  look: Look
  view: string | undefined
}

function Changes({ changes, id, worst, look, view }: Shown & { id: string }) {
  return view ? <Patch changes={changes} id={id} side={view === 'side'} look={look} /> : <RowsByHarm changes={changes} id={id} look={look} fold={worst} />
}

function BlamePart({ blame, index, look, ...shown }: Shown & { blame: Blame; index: number }) {
  return (
    <section class="blame">
      <BlameHead blame={blame} changes={shown.changes.length} />
      <Changes {...shown} id={`b${index}`} look={{ ...look, said: blame, blames: false }} />
    </section>
  )
}

function ByFacet({ changes, ...shown }: Shown) {
  const facets = [...new Set(changes.map(({ c }) => c.facet))]
  return (
    <>
      {facets.map((facet) => {
        const here = changes.filter(({ c }) => c.facet === facet)
        return (
          <section key={facet}>
            <h2>
              {facet} <span class="faint">{parts(here.map(({ c }) => c), SEVERITIES, (c) => c.severity)}</span>
            </h2>
            <Changes {...shown} changes={here} id={`f${facet}`} />
          </section>
        )
      })}
    </>
  )
}

/* ---- what is folded below */

function Suppressed({ diff, changes, look }: { diff: Diff; changes: Indexed[]; look: Look }) {
  const overruns = diff.suppressed.filter((s) => !s.applied)
  return (
    <>
      {overruns.map((s) => (
        <p class="note">
          <span class="tag severity-warning">
            <span aria-hidden="true">▲ </span>rule not applied
          </span>{' '}
          Suppression rule <Text text={s.rule} /> hides nothing: it says at most {s.at_most}, and {s.changes} fit.
        </p>
      ))}
      {changes.length > 0 && (
        <Fold id="suppressed" open={look.open} summary={`${count(changes.length, 'change')} suppressed, so not counted`}>
          {() =>
            [...new Set(changes.map(({ c }) => c.suppressed_by))].map((rule, number) => {
              const here = changes.filter(({ c }) => c.suppressed_by === rule)
              const reason = diff.suppressed.find((s) => s.rule === rule)?.reason
              return (
                <section key={rule}>
                  <h2>
                    by rule <Text text={rule ?? ''} />
                    {reason && (
                      <>
                        : <Text text={reason} />
                      </>
                    )}{' '}
                    <span class="faint">{here.length}</span>
                  </h2>
                  <Rows changes={here} id={`s${number}`} look={{ ...look, said: null, blames: true }} />
                </section>
              )
            })
          }
        </Fold>
      )}
    </>
  )
}

function Unknown({ diff, open }: { diff: Diff; open: Set<string> }) {
  const keys = diff.unknown.filter((u) => u.key !== null)
  if (!keys.length) return null
  return (
    <Fold id="unknown" open={open} summary={`${count(keys.length, 'entry', 'entries')} unknown, so not compared`}>
      {() => (
        <Part all={keys} id="unknownall" open={open} what="entries">
          {(some) => (
            <Wide name="What was not compared">
              <table class="plain">
                <caption class="unseen">What was not compared</caption>
                <thead>
                  <tr>
                    <th scope="col">Facet</th>
                    <th scope="col">Key</th>
                    <th scope="col">Why</th>
                  </tr>
                </thead>
                <tbody>
                  {some.map((u) => (
                    <tr>
                      <td>{u.facet}</td>
                      <th scope="row">
                        <code>
                          <Text text={u.key ?? ''} />
                        </code>
                      </th>
                      <td>
                        <Text text={u.reason ?? ''} />
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </Wide>
          )}
        </Part>
      )}
    </Fold>
  )
}

function Context({ diff, open }: { diff: Diff; open: Set<string> }) {
  if (!diff.context.length) return null
  return (
    <Fold id="context" open={open} summary={`${count(diff.context.length, 'factor')} changed on the host's side`}>
      {() => (
        <ul class="context">
          {diff.context.map((f) => (
            <li>
              <FactorWords factor={f} />
            </li>
          ))}
        </ul>
      )}
    </Fold>
  )
}

function CliText({ path }: { path: string }) {
  const { value: text, failure } = useAnswer<string>(path)
  if (text === null) return failure ? <Failed failure={failure} what="The text" /> : <Loading what="the text" />
  return (
    <pre class="cli" tabIndex={0} role="region" aria-label="The comparison as text">
      {text}
    </pre>
  )
}

function Accept({ diff }: { diff: Diff }) {
  const accept = diff.accept
  if (!accept?.guest && !accept?.change_set) return null
  return (
    <section>
      <h2>To accept</h2>
      {accept.guest && (
        <>
          <p>To make what is now the baseline of this guest:</p>
          <Command text={accept.guest} name="the command that accepts for this guest" />
        </>
      )}
      {accept.change_set && (
        <>
          <p>For all guests with these changes:</p>
          <Command text={accept.change_set} name="the command that accepts for all guests with these changes" />
        </>
      )}
    </section>
  )
}

/* ---- all of it */

function Comparison({ diff, params }: { diff: Diff; params: Params }) {
  const open = openOf(params)
  const every: Indexed[] = diff.changes.map((c, index) => ({ index, c }))
  const suppressed = every.filter(({ c }) => c.suppressed_by !== null)
  const counted = every.filter(({ c }) => c.suppressed_by === null)
  const q = (params.q ?? '').toLowerCase()
  const shown = counted.filter(({ c }) => (!params.facet || c.facet === params.facet) && (!params.severity || c.severity === params.severity) && (!q || holds(c, q)))
  const registers = counted.filter(({ c }) => isRegister(c)).length
  const bits = params.bits ? params.bits === '1' : registers <= BITS_SHOWN
  const moved = diff.moved.length + diff.changes.reduce((n, c) => n + c.moved.length, 0)
  const { blames } = diff
  const blameOf = new Map<number, Blame>()
  for (const b of blames) for (const index of b.changes) blameOf.set(index, b)
  // What is true of all of them stands above all of them.
  const first = counted[0]?.c ?? null
  const said = first && counted.every(({ c }) => c.verdict === first.verdict && c.severity === first.severity) ? first : null
  const look: Look = { open, bits, said, blames: params.by === 'facet', blame: (index) => blameOf.get(index)?.title ?? null }
  const worst = (diff.severity === 'critical' || diff.severity === 'warning') && !params.severity && !q
  const byIndex = new Map(shown.map((at) => [at.index, at]))
  const unblamed = shown.filter(({ index }) => !blameOf.has(index))
  return (
    <>
      <Head diff={diff} params={params} />
      <Result diff={diff} counted={counted.map(({ c }) => c)} suppressed={suppressed.length} moved={moved} />
      {counted.length > 0 && <Filters params={params} all={counted.map(({ c }) => c)} shown={shown.length} registers={registers} bits={bits} />}
      {counted.length > 0 && !shown.length && (
        <p class="note">
          None of the {count(counted.length, 'change')} is such. <a href={diffLink(params.from ?? '', params.to, { ...params, facet: null, severity: null, q: null })}>All of them</a>
        </p>
      )}
      {params.by === 'facet' ? (
        <ByFacet changes={shown} worst={worst} look={look} view={params.view} />
      ) : (
        <>
          {blames.map((b, index) => {
            const here = b.changes.flatMap((i) => byIndex.get(i) ?? [])
            return here.length > 0 && <BlamePart key={index} blame={b} index={index} changes={here} worst={worst} look={look} view={params.view} />
          })}
          {unblamed.length > 0 && <Changes changes={unblamed} id="u" worst={worst} look={look} view={params.view} />}
        </>
      )}
      <div class="folds">
        <Suppressed diff={diff} changes={suppressed} look={look} />
        {diff.moved.length > 0 && (
          <Fold id="moved" open={open} summary={`${count(diff.moved.length, 'placement')} moved, and nothing that was seen moved ${diff.moved.length === 1 ? 'it' : 'them'}`}>
            {() => (
              <Part all={diff.moved} id="movedall" open={open} what="placements">
                {(some) => <MovedTable moved={some} caption="Placements that moved" />}
              </Part>
            )}
          </Fold>
        )}
        <Context diff={diff} open={open} />
        <Unknown diff={diff} open={open} />
        {params.from && (
          <Fold id="text" open={open} summary="As text, as abidrift diff prints it">
            {() => <CliText path={paths.diffText(params.from ?? '', params.to)} />}
          </Fold>
        )}
      </div>
      <Accept diff={diff} />
    </>
  )
}

/** Of a report, whose guest is known: "revision 2", "baseline". */
function sideName(side: string): string {
  if (report && side === sideOf(report.guest)) return 'now'
  const own = report && sideOf(report.guest) + '@'
  return own && side.startsWith(own) ? side.slice(own.length).replace(/^(?=\d)/, 'revision ') : side
}

/** Which two: any on the live page, those that it holds in a report. */
function Choose({ params, told }: { params: Params; told?: string }) {
  if (!report) return <Sides params={params} told={told} />
  const seen = new Set<string>()
  const held = Object.keys(report.answers)
    .filter((path) => path.startsWith('/api/v1/diff?'))
    .map((path) => new URLSearchParams(path.slice(path.indexOf('?'))))
    .filter((query) => !query.has('format'))
    // The same two revisions have several names, of which the first is what people ask for; and none asks whether one is as itself.
    .filter((query) => {
      const d = report?.answers[paths.diff(query.get('from') ?? '', query.get('to'))] as Diff | undefined
      const two = `${d?.from?.revision} ${d?.to?.revision}`
      const itself = query.has('to') && d?.from?.revision === d?.to?.revision
      return !d?.from?.revision || !d.to?.revision || (!itself && !seen.has(two) && seen.add(two))
    })
  return (
    <>
      <h2>What this report holds</h2>
      <ul class="held">
        {held.map((query) => {
          const from = query.get('from') ?? '', to = query.get('to')
          return (
            <li>
              <a href={diffLink(from, to)}>
                <Text text={to ? `${sideName(from)} → ${sideName(to)}` : 'baseline → now'} />
              </a>
            </li>
          )
        })}
      </ul>
    </>
  )
}

const titleOf = (side: Side) => (side.guest ? nameOf(side.guest) : side.name) + (side.revision ? ` ${side.revision}` : '')

export function DiffView({ params }: { params: Params }) {
  const { from, to } = params
  const stays = (s: Side, word: string | undefined) => word !== undefined && (word.startsWith('sha256:') || word === pinOf(s))
  const moves = (d: Diff) => !stays(d.from, from) || !stays(d.to, to)
  const { value, failure, at } = useAnswer<Diff>(from ? paths.diff(from, to) : null, moves)
  useTitle(value ? `${titleOf(value.from)} → ${titleOf(value.to)}` : 'Compare')
  if (!from)
    return (
      <div class="diff">
        <h1>Compare</h1>
        {!report && <p>Any two: revisions of a guest, or a guest and another.</p>}
        <Choose params={params} />
      </div>
    )
  return (
    <div class="diff">
      {value && (
        <Fold id="choose" open={openOf(params)} summary="Compare others">
          {() => <Choose params={params} />}
        </Fold>
      )}
      {value && failure && <Failed failure={failure} what="This comparison" at={at} />}
      {value ? <Comparison diff={value} params={params} /> : failure ? <NotCompared failure={failure} params={params} /> : <Loading what="the comparison" />}
    </div>
  )
}

function NotCompared({ failure, params }: { failure: Failure; params: Params }) {
  return (
    <>
      <h1>Compare</h1>
      <Failed failure={failure} what="The comparison" />
      <Choose params={params} told={failure.text} />
    </>
  )
}

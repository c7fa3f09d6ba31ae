// SPDX-License-Identifier: Apache-2.0
/** One guest: what it is, what is wrong with it, what happened to it, and what its fingerprint says. */
import './guest.css'
import { type Failure, isHeld, paths, report, useAnswer } from './api'
import { FacetsView } from './facets'
import { ContextTable } from './guest/context'
import { CoverageTable } from './guest/coverage'
import { Facts } from './guest/facts'
import { Revisions, revisionsOf } from './guest/revisions'
import { StateNote } from './guest/state'
import type { GuestList, Show } from './model'
import { Copy, Empty, Failed, Loading, Name, nameOf, SeverityTag, StateTag, Text, When, useTitle } from './parts'
import { Timeline } from './timeline'
import { diffLink, guestLink, link, sideOf, type Params } from './url'

/** Of a revision that is not what the guest is now. */
function Earlier({ show }: { show: Show }) {
  const { guest, revision } = show
  if (!guest || !revision || revision === guest.current?.revision) return null
  const side = sideOf(guest.id, revision)
  const now = sideOf(guest.id, report ? guest.current?.revision : null)
  return (
    <div class="note earlier">
      <strong>
        Revision {revision} of <When at={show.at} />: not what it is now.
      </strong>{' '}
      Facets, coverage and context below are this revision's; state, place and timeline are those of now.{' '}
      <span class="links">
        <a href={guestLink(guest.id)}>Now{guest.current && ` (revision ${guest.current.revision})`}</a>
        {isHeld(paths.diff(side, now)) && <a href={diffLink(side, now)}>Compare with now</a>}
        {guest.baseline && guest.baseline.revision !== revision && isHeld(paths.diff(sideOf(guest.id, 'baseline'), side)) && <a href={diffLink(sideOf(guest.id, 'baseline'), side)}>Compare with the baseline (revision {guest.baseline.revision})</a>}
      </span>
    </div>
  )
}

/** What was asked for again and did not come. */
function Old({ failure }: { failure: Failure }) {
  return (
    <div class="note failed" role="alert">
      <strong>What is shown is old.</strong> {failure.text}
    </div>
  )
}

/** This page's own address, with the guest and the revision as they are never meant otherwise. */
const exactly = (id: string, revision: number | null) => new URL(guestLink(id, { rev: revision }), location.href).href

function Head({ show, list }: { show: Show; list: GuestList | null }) {
  const g = show.guest
  if (!g) return null
  const twins = list?.guests.filter((o) => o.id === g.id && o.running) ?? []
  return (
    <>
      <h1>
        <Name guest={g} /> <StateTag state={g.state} /> {g.state === 'drift' && <SeverityTag severity={g.severity} verdict={g.verdict} />}
      </h1>
      <Earlier show={show} />
      {twins.length > 1 && (
        <div class="note failed">
          <strong>{twins.length} VMs run as this guest at once</strong> (process {twins.map((t) => t.pid).join(', ')}): they have the same {g.uuid ? 'UUID' : 'name'}. The one whose
          process began later is judged; a live migration within one host looks like this for a while.
        </div>
      )}
      <StateNote guest={g} list={list} />
      <p class="actions">
        {!report && (
          <a class="button" href={paths.export(g.id)} download>
            Export
          </a>
        )}
        {!report && <Copy text={exactly(g.id, show.revision)} label="Copy link" name={show.revision ? `exactly revision ${show.revision} of ${nameOf(g)}` : nameOf(g)} />}
      </p>
      <Facts guest={g} revisions={revisionsOf(show)} />
    </>
  )
}

/** What no guest has: nobody is asked about it. */
const noRevision = (rev: string | undefined): Failure | null =>
  rev === undefined || /^[1-9]\d{0,9}$/.test(rev) ? null : { status: 404, text: 'Revisions are numbered 1, 2, 3 and so on; there is no such revision.' }

export function GuestView({ id, params }: { id: string; params: Params }) {
  const wrong = noRevision(params.rev)
  const { value, ...answer } = useAnswer<Show>(wrong ? null : paths.guest(id, params.rev), true)
  const failure = wrong ?? answer.failure
  const list = useAnswer<GuestList>(value ? paths.guests() : null, true).value
  const gone = !value && failure && !params.rev && (failure.status === 404 || failure.status === 409)
  const guest = value?.guest ?? null
  const revisions = value ? revisionsOf(value) : []
  useTitle(nameOf({ name: guest?.name ?? null, id }) + (params.rev ? ` revision ${params.rev}` : ''))
  return (
    <div class="guest">
      {!value && <h1>{guest ? <Name guest={guest} /> : <Text text={id} />}</h1>}
      {failure && !value && <Failed failure={failure} what={params.rev ? `Revision ${params.rev} of this guest` : 'This guest'} />}
      {failure && value && <Old failure={failure} />}
      {!value && failure && (
        <p class="links">
          {params.rev && <a href={guestLink(id)}>What the guest is now</a>}
          {!report && gone && <a href={link([], { q: id })}>Guests whose name or id holds this</a>}
          {!report && <a href="#/">All guests</a>}
        </p>
      )}
      {!value && !failure && <Loading what="the guest" />}
      {value && <Head show={value} list={list} />}
      {!gone && (
        <Timeline
          id={id}
          params={params}
          guest={guest}
          revisions={revisions}
          until={guest?.running ? list?.stale.find((s) => s.host === guest.host)?.at : guest?.ended}
        />
      )}
      {value && guest && (
        <>
          <Revisions show={value} revisions={revisions} params={params} />
          {value.facets.length > 0 && <CoverageTable show={value} params={params} />}
          {value.context && <ContextTable context={value.context} params={params} />}
          {value.revision === null ? (
            <Empty>No fingerprint yet: nothing of what the guest sees has been judged since abidrift first met it.</Empty>
          ) : (
            <FacetsView show={value} params={params} />
          )}
        </>
      )}
    </div>
  )
}

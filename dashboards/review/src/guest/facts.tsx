// SPDX-License-Identifier: Apache-2.0
/** Who and where it is, and what it was promised. */
import type { ComponentChildren } from 'preact'
import { isHeld, paths } from '../api'
import type { Guest, Mark, Reason, RevisionMark } from '../model'
import { Copy, Text, When } from '../parts'
import { guestLink } from '../url'
import { Digest } from './digest'

const LIFE: Record<string, string> = {
  started: 'its VMM was started',
  reset: 'it was reset in the same process',
  migrated: 'it was migrated in',
  restored: 'it was restored from a snapshot or file',
  twin: 'this VM is not the guest, which runs in another one',
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  )
}

const Unknown = () => <span class="faint">unknown</span>

function Reasons({ reasons }: { reasons: Reason[] }) {
  return (
    <ul>
      {reasons.map((r) => (
        <li key={r.code + r.reason}>
          <Text text={r.reason} /> <code class="faint">{r.code}</code>
        </li>
      ))}
    </ul>
  )
}

/** A baseline's time is that of its accept, which is another than that of the revision. */
function MarkOf({ mark, id, of, made, baseline }: { mark: Mark; id: string; of: string; made: string | undefined; baseline?: boolean }) {
  return (
    <>
      {isHeld(paths.guest(id, mark.revision)) ? <a href={guestLink(id, { rev: mark.revision })}>revision {mark.revision}</a> : <>revision {mark.revision}</>}
      {made && (
        <>
          {' '}
          of <When at={made} />
        </>
      )}
      {baseline && (
        <>
          , the baseline since <When at={mark.at} />
        </>
      )}{' '}
      <Digest digest={mark.digest} of={of} />
    </>
  )
}

export function Facts({ guest: g, revisions }: { guest: Guest; revisions: RevisionMark[] }) {
  const made = (n: number | undefined) => revisions.find((r) => r.revision === n)?.at
  const vmm = g.vmm
  return (
    <dl class="guest-facts">
      <Fact name={g.running ? 'Runs on' : 'Ran on'}>
        {g.host ? <Text text={g.host} /> : g.host === null ? <Unknown /> : 'this host'}
        {g.pid !== null && <>, process {g.pid}</>}
        {!g.running && (g.ended ? <>; ended <When at={g.ended} /></> : '; it does not run')}
      </Fact>
      {g.began !== undefined && (
        <Fact name="Process first seen">
          <When at={g.began} />
        </Fact>
      )}
      <Fact name="Boot">
        {g.boot ?? <Unknown />}
        {g.life && LIFE[g.life] && <>: {LIFE[g.life]}</>}
        {g.settled ? '' : '; not all of it has been judged yet'}
      </Fact>
      <Fact name="VMM">
        {vmm?.kind ? (
          <>
            {vmm.kind} <Text text={vmm.version ?? 'of unknown version'} />
            {vmm.path && (
              <>
                , <code><Text text={vmm.path} /></code>
              </>
            )}
            {vmm.replaced && ', '}
            {vmm.replaced && <strong>replaced on disk since it was started</strong>}
            {vmm.build_id && ', '}
            {vmm.build_id && (
              <details class="digest build-id">
                <summary>build id</summary>
                <code>{vmm.build_id}</code>
              </details>
            )}
          </>
        ) : (
          <Unknown />
        )}
      </Fact>
      <Fact name="Machine type">{g.machine ? <Text text={g.machine} /> : <span class="faint">none given, or not known</span>}</Fact>
      <Fact name="UUID">
        {g.uuid ? (
          <>
            <code>{g.uuid}</code> <Copy text={g.uuid} name="UUID" />
          </>
        ) : (
          <span class="faint">none</span>
        )}
      </Fact>
      {g.id !== g.uuid && (g.anonymous || g.id !== g.name) && (
        <Fact name="Id">
          <code>
            <Text text={g.id} />
          </code>
          {g.anonymous && <> (anonymous: its VMM was given neither name nor UUID, so the next one like it is another guest)</>}
        </Fact>
      )}
      <Fact name="Stable Guest ABI">
        {g.stable === null ? <>unknown: how it was started is not known</> : g.stable ? 'yes: nothing is known that keeps it from having one' : 'no, because'}
        {g.unstable.length > 0 && <Reasons reasons={g.unstable} />}
      </Fact>
      <Fact name="Its next boot meets">{g.next_boot.length ? <Reasons reasons={g.next_boot} /> : 'nothing that is known and new'}</Fact>
      <Fact name="Baseline">{g.baseline ? <MarkOf mark={g.baseline} id={g.id} of="the baseline" made={made(g.baseline.revision)} baseline /> : 'none yet'}</Fact>
      <Fact name={g.running ? 'Now' : 'At last'}>{g.current ? <MarkOf mark={g.current} id={g.id} of="the current fingerprint" made={made(g.current.revision) ?? g.current.at} /> : 'no fingerprint yet'}</Fact>
    </dl>
  )
}

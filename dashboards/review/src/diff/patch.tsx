// SPDX-License-Identifier: Apache-2.0
/** Every key by itself, before and after: below each other like a patch, or beside each other. */
import type { Change } from '../model'
import { SeverityTag, Text } from '../parts'
import { Part } from '../fold'
import { type Indexed } from './items'
import type { Look } from './rows'
import { Fields, Short, SIGNS, Value } from './values'

/** `blame`: of which no heading tells. */
const Key = ({ c, blame }: { c: Change; blame: string | null }) => (
  <div class="patch-key">
    <span class={`sign sign-${c.change}`} aria-hidden="true">
      {SIGNS[c.change]}
    </span>{' '}
    <span class="faint">{c.facet}</span>{' '}
    <code>
      <Short text={c.key} />
    </code>{' '}
    {c.change} <SeverityTag severity={c.severity} verdict={c.verdict} />
    {c.fields.length > 0 && <Fields c={c} />}
    {!c.fields.length && c.meaning && (
      <span class="faint">
        {' '}
        <Short text={c.meaning} />
      </span>
    )}
    {blame && (
      <div>
        <Text text={blame} />
        {c.impact && (
          <>
            ; impact: <Text text={c.impact} />
          </>
        )}
      </div>
    )}
  </div>
)

function Line({ sign, text, whole }: { sign: '+' | '−'; text: string; whole: boolean }) {
  return (
    <div class={`line line-${sign === '+' ? 'gained' : 'lost'}`}>
      <span class="line-sign" aria-hidden="true">
        {sign}
      </span>
      <span class="unseen">{sign === '+' ? 'after: ' : 'before: '}</span>
      <Value text={text} whole={whole} />
    </div>
  )
}

/** Digests in full: they stand below each other to be compared. Long strings are for "more" of the rows. */
const isShort = (text: string | null) => (text ?? '').length < 1000

export function Patch({ changes, id, side, look }: { changes: Indexed[]; id: string; side: boolean; look: Look }) {
  return (
    <Part all={changes} id={`${id}all`} open={look.open} what="changes">
      {(some) => (
        <ul class={side ? 'patch sides' : 'patch'}>
          {some.map(({ index, c }) => (
            <li key={index}>
              <Key c={c} blame={look.blames ? look.blame(index) : null} />
              {side ? (
                <div class="columns">
                  <div class={c.from === null ? 'line' : 'line line-lost'}>
                    <span class="line-side">before</span> {c.from === null ? <span class="faint">not there</span> : <Value text={c.from} whole={isShort(c.from)} />}
                  </div>
                  <div class={c.to === null ? 'line' : 'line line-gained'}>
                    <span class="line-side">after</span> {c.to === null ? <span class="faint">not there</span> : <Value text={c.to} whole={isShort(c.to)} />}
                  </div>
                </div>
              ) : (
                <>
                  {c.from !== null && <Line sign="−" text={c.from} whole={isShort(c.from)} />}
                  {c.to !== null && <Line sign="+" text={c.to} whole={isShort(c.to)} />}
                </>
              )}
            </li>
          ))}
        </ul>
      )}
    </Part>
  )
}

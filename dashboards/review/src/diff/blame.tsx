// SPDX-License-Identifier: Apache-2.0
/** What is to blame for changes, and what they break: the same words above each view of them. */
import type { Blame } from '../model'
import { count, SeverityTag, Text } from '../parts'

function Whys({ label, texts }: { label: string; texts: (string | null | undefined)[] }) {
  const said = texts.filter((text) => !!text)
  if (!said.length) return null
  return (
    <>
      <dt>{label}</dt>
      {said.map((text) => (
        <dd>
          <Text text={text ?? ''} />
        </dd>
      ))}
    </>
  )
}

export function BlameHead({ blame, changes }: { blame: Blame; changes: number }) {
  return (
    <>
      <h2>
        {blame.verdict && <SeverityTag severity={blame.severity} verdict={blame.verdict} />} <Text text={blame.title || (blame.verdict ? '' : 'Nobody judged these')} />{' '}
        <span class="faint">{count(changes, 'change')}</span>
      </h2>
      <dl class="whys">
        <Whys label="because" texts={blame.because} />
        <Whys label="or by" texts={[blame.or_by]} />
        <Whys label={blame.verdict === 'exempt' ? 'exempt' : 'reason'} texts={[blame.reason]} />
        <Whys label="note" texts={[blame.note]} />
        <Whys label="impact" texts={blame.impact} />
      </dl>
    </>
  )
}

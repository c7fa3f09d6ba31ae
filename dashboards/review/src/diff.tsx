// SPDX-License-Identifier: Apache-2.0
import { askText, paths, useAnswer } from './api'
import type { Diff } from './model'
import { Copy, Empty, Failed, Loading, SeverityTag } from './parts'
import type { Params } from './url'

export function DiffView({ params }: { params: Params }) {
  const { from, to } = params
  const { value, failure } = useAnswer<Diff>(from ? paths.diff(from, to) : null, false)
  if (!from) return <Empty>Which two? abidrift compares any revisions of any guests.</Empty>
  if (!value) return failure ? <Failed failure={failure} what="The comparison" /> : <Loading what="the comparison" />
  return (
    <>
      <h1>
        {value.from.name} → {value.to.name}
      </h1>
      <SeverityTag severity={value.severity} verdict={value.verdict} />
      <Copy text={() => askText(paths.diffText(from, to))} label="Copy as text" name="the comparison" />
      <ul>
        {value.changes.map((c) => (
          <li key={c.facet + c.key}>
            {c.facet} <code>{c.key}</code> {c.change} <code>{c.from}</code> → <code>{c.to}</code>
          </li>
        ))}
      </ul>
    </>
  )
}

// SPDX-License-Identifier: Apache-2.0
/** The facets of one fingerprint, each as people know it. */
import type { Show } from './model'
import { CoverageTag } from './parts'
import type { Params } from './url'

export function FacetsView({ show, params: _params }: { show: Show; params: Params }) {
  return (
    <>
      {show.facets.map((f) => (
        <section key={f.facet}>
          <h2>
            {f.facet} <CoverageTag coverage={f.coverage} reason={f.reason} />
          </h2>
          <ul>
            {f.entries.map((e) => (
              <li key={e.key}>
                <code>{e.key}</code> <code>{e.value}</code> {e.meaning}
              </li>
            ))}
          </ul>
        </section>
      ))}
    </>
  )
}

// SPDX-License-Identifier: Apache-2.0
/** What of each facet was seen, and why not all. */
import type { Show } from '../model'
import { CoverageTag, Text, Wide } from '../parts'
import type { Params } from '../url'
import { Fold, openOf } from '../fold'

export function CoverageTable({ show, params }: { show: Show; params: Params }) {
  const now = show.guest?.coverage ?? {}
  const complete = show.facets.filter((f) => f.coverage === 'complete').length
  const lacking = show.facets.filter((f) => f.coverage === 'none').map((f) => f.facet)
  const moved = show.facets.some((f) => now[f.facet] && now[f.facet] !== f.coverage)
  return (
    <section aria-labelledby="coverage">
      <h2 id="coverage">Coverage</h2>
      <Fold
        id="coverage"
        open={openOf(params, 'more')}
        where="more"
        summary={
          <>
            {complete} of {show.facets.length} facets complete
            {lacking.length > 0 && <>; nothing is known of {lacking.join(', ')}</>}
            {moved && <>; it is not what revision {show.revision} had</>}
          </>
        }
      >
        {() => (
          <Wide name="List of facets and their coverage">
            <table class="stack">
              <caption class="faint">complete: all of it. witnessed: what the guest asked for. none: nothing.</caption>
              <thead>
                <tr>
                  <th scope="col">Facet</th>
                  <th scope="col">In revision {show.revision}</th>
                  {moved && <th scope="col">Now</th>}
                  <th scope="col">Why not all</th>
                </tr>
              </thead>
              <tbody>
                {show.facets.map((f) => (
                  <tr key={f.facet}>
                    <th scope="row">{f.facet}</th>
                    <td data-label={moved ? `revision ${show.revision}` : undefined}>
                      <CoverageTag coverage={f.coverage} />
                    </td>
                    {moved && (
                      <td data-label="now">
                        <CoverageTag coverage={now[f.facet] ?? 'none'} />
                      </td>
                    )}
                    <td>{f.coverage !== 'complete' && <Text text={f.reason ?? 'no reason is stored'} />}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Wide>
        )}
      </Fold>
    </section>
  )
}

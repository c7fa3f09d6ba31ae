// SPDX-License-Identifier: Apache-2.0
/** The host's side: what may be to blame when the guest's side changes. */
import { Text, Wide } from '../parts'
import type { Params } from '../url'
import { Fold, openOf } from '../fold'

export function ContextTable({ context, params }: { context: Record<string, string>; params: Params }) {
  const factors = Object.keys(context).sort()
  return (
    <section aria-labelledby="context">
      <h2 id="context">Context</h2>
      <Fold id="context" open={openOf(params, 'more')} where="more" summary={`What the host was, and how the VMM was started: ${factors.length} factors`}>
        {() => (
          <Wide name="List of factors">
            <table class="stack">
              <caption class="faint">None of it is the guest's ABI. It is what changes of it are explained by.</caption>
              <thead>
                <tr>
                  <th scope="col">Factor</th>
                  <th scope="col">Value</th>
                </tr>
              </thead>
              <tbody>
                {factors.map((f) => (
                  <tr key={f}>
                    <th scope="row">
                      <Text text={f} />
                    </th>
                    <td>
                      <code>
                        <Text text={context[f] ?? ''} />
                      </code>
                    </td>
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

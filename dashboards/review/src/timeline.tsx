// SPDX-License-Identifier: Apache-2.0
/** Boots, host changes, drifts, accepts and alerts of one guest, to scale. */
import { paths, useAnswer } from './api'
import type { History } from './model'
import { When } from './parts'
import type { Params } from './url'

export function Timeline({ id, params: _params }: { id: string; params: Params }) {
  const { value } = useAnswer<History>(paths.history(id), true)
  return (
    <ol>
      {value?.events.map((e) => (
        <li>
          <When at={e.at} /> {e.type} {e.reason}
        </li>
      ))}
    </ol>
  )
}

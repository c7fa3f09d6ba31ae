// SPDX-License-Identifier: Apache-2.0
import { Copy } from '../parts'

const SHORT = 'sha256:'.length + 12

/** Short; whole where it is asked for. */
export function Digest({ digest, of }: { digest: string | null; of: string }) {
  if (!digest) return <span class="faint">none</span>
  return (
    <details class="digest">
      <summary aria-label={`Digest of ${of}, ${digest.slice(0, SHORT)}: show all of it`}>
        <code>{digest.slice(0, SHORT)}…</code>
      </summary>
      <code>{digest}</code> <Copy text={digest} name={`digest of ${of}`} />
    </details>
  )
}

// SPDX-License-Identifier: Apache-2.0
/** What is folded, and which folds are open: in the URL, so that who gets the link sees the same. */
import type { ComponentChildren } from 'preact'
import { change, parse, type Params } from './url'

/** The parameter that names what is open. */
type Where = 'open' | 'more'

export const openOf = (params: Params, where: Where = 'open'): Set<string> => new Set((params[where] ?? '').split(',').filter(Boolean))

/** Several may be opened before the page is drawn again: what is open is what the URL says now. */
function setOpen(id: string, now: boolean, where: Where = 'open'): void {
  const next = openOf(parse(location.hash).params, where)
  if (now) next.add(id)
  else next.delete(id)
  change({ [where]: [...next].sort().join(',') })
}

interface FoldProps {
  id: string
  open: Set<string>
  where?: Where
  summary: ComponentChildren
  children: () => ComponentChildren
  kind?: string
}

/** Its inside is made only where somebody looks at it: there may be thousands. */
export function Fold({ id, open, where, summary, children, kind }: FoldProps) {
  const is = open.has(id)
  return (
    <details class={kind ?? 'fold'} open={is} onToggle={(e) => e.currentTarget.open !== is && setOpen(id, e.currentTarget.open, where)}>
      <summary>{summary}</summary>
      {is && children()}
    </details>
  )
}

export function More({ id, open, name }: { id: string; open: Set<string>; name: string }) {
  const is = open.has(id)
  return (
    <button type="button" class="small more" aria-expanded={is} aria-label={`${is ? 'less' : 'more'} of ${name}`} onClick={() => setOpen(id, !is)}>
      {is ? 'less' : 'more'}
    </button>
  )
}

/** As many as people read at once; the rest when asked for. */
export const SHOWN = 100

export function Part<T>({ all, id, open, what, children }: { all: T[]; id: string; open: Set<string>; what: string; children: (some: T[]) => ComponentChildren }) {
  const whole = all.length <= SHOWN || open.has(id)
  return (
    <>
      {children(whole ? all : all.slice(0, SHOWN))}
      {!whole && (
        <p class="part">
          {SHOWN} of {all.length.toLocaleString('en')} {what}.{' '}
          <button type="button" class="small" onClick={() => setOpen(id, true)}>
            Show all {all.length.toLocaleString('en')}
          </button>
        </p>
      )}
    </>
  )
}

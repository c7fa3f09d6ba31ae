// SPDX-License-Identifier: Apache-2.0
import type { ComponentChildren } from 'preact'
import { change, parse, type Params } from '../url'

const opened = (params: Params) => (params.more ?? '').split(',').filter(Boolean)

/** A part that is open where the link says so (`more`). */
export function Fold({ name, title, params, children }: { name: string; title: ComponentChildren; params: Params; children: () => ComponentChildren }) {
  const open = opened(params).includes(name)
  const onToggle = (e: Event) => {
    const now = (e.currentTarget as HTMLDetailsElement).open
    // Of the link as it is by now: several may be opened at once.
    const others = opened(parse(location.hash).params).filter((n) => n !== name)
    if (now !== open) change({ more: (now ? [...others, name] : others).sort().join(',') })
  }
  return (
    <details class="fold" open={open} onToggle={onToggle}>
      <summary>{title}</summary>
      {open && children()}
    </details>
  )
}

// SPDX-License-Identifier: Apache-2.0
import type { ComponentChildren } from 'preact'
import { change, type Params } from '../url'

/** A part that is open where the link says so (`more`). */
export function Fold({ name, title, params, children }: { name: string; title: ComponentChildren; params: Params; children: () => ComponentChildren }) {
  const all = (params.more ?? '').split(',').filter(Boolean)
  const open = all.includes(name)
  const onToggle = (e: Event) => {
    const now = (e.currentTarget as HTMLDetailsElement).open
    if (now !== open) change({ more: (now ? [...all, name] : all.filter((n) => n !== name)).sort().join(',') })
  }
  return (
    <details class="fold" open={open} onToggle={onToggle}>
      <summary>{title}</summary>
      {open && children()}
    </details>
  )
}

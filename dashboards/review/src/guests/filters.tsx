// SPDX-License-Identifier: Apache-2.0
import { useEffect, useRef, useState } from 'preact/hooks'
import { report } from '../api'
import type { ChangeSet } from '../model'
import { number } from '../parts'
import { change, link, parse, type Params } from '../url'
import { FILTERS, type Choice, type Filter } from './list'

function Choices({ filter, choices, sets, value }: { filter: Filter; choices: Choice[]; sets: ChangeSet[]; value: string }) {
  const [chosen, setChosen] = useState(false)
  const still = useRef(choices)
  // What somebody is choosing from stays as it is: news would move it, or close it.
  if (!chosen) still.current = choices
  const id = `filter-${filter.param}`
  return (
    <p class="filter">
      <label for={id}>{filter.label}</label>
      <select
        id={id}
        class={value ? 'on' : undefined}
        value={value}
        onFocus={() => setChosen(true)}
        onBlur={() => setChosen(false)}
        onChange={(e) => change({ [filter.param]: e.currentTarget.value })}
      >
        <option value="">any</option>
        {still.current.map((c) => (
          <option key={c.value} value={c.value}>
            {filter.word(c.value, sets)} ({number(c.guests)})
          </option>
        ))}
      </select>
    </p>
  )
}

export const CLEAR = Object.fromEntries([...FILTERS.map((f) => f.param), 'q'].map((p) => [p, null]))
const filtered = (params: Params) => Object.keys(CLEAR).some((p) => params[p])

/** The search was asked for where it is not. */
let wanted = false

function come(input: HTMLInputElement | null): void {
  wanted = !input
  input?.focus()
  input?.select()
}

/** `/` comes to the search from every view. */
export function useSlash(): void {
  useEffect(() => {
    const slash = (e: KeyboardEvent) => {
      const at = e.target as HTMLElement
      if (report || e.key !== '/' || e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(at.tagName)) return
      e.preventDefault()
      come(document.querySelector<HTMLInputElement>('input#q'))
      if (wanted && parse(location.hash).path.length) location.hash = link([])
    }
    document.addEventListener('keydown', slash)
    return () => document.removeEventListener('keydown', slash)
  }, [])
}

interface Props {
  params: Params
  choices: Record<string, Choice[]>
  sets: ChangeSet[]
  query: string
  search: (query: string) => void
  clear: () => void
}

export function Filters({ params, choices, sets, query, search, clear }: Props) {
  const input = useRef<HTMLInputElement>(null)
  useEffect(() => {
    if (wanted) come(input.current)
  }, [])
  return (
    <form class="filters" role="search" aria-label="Filter guests" onSubmit={(e) => e.preventDefault()}>
      <p class="filter search">
        <label for="q">
          Search <span class="faint">name, UUID, id, machine, host</span>
        </label>
        <span class="search-line">
          <input id="q" ref={input} type="search" value={query} autocomplete="off" spellcheck={false} onInput={(e) => search(e.currentTarget.value)} aria-keyshortcuts="/" />
          <span class="key-hint faint">
            <kbd>/</kbd> comes here
          </span>
        </span>
      </p>
      {FILTERS.map((f) => (
        <Choices key={f.param} filter={f} choices={choices[f.param] ?? []} sets={sets} value={params[f.param] ?? ''} />
      ))}
      {(filtered(params) || query) && (
        <p class="filter clear">
          <button
            type="button"
            onClick={() => {
              clear()
              input.current?.focus()
            }}
          >
            Clear filters
          </button>
        </p>
      )}
    </form>
  )
}

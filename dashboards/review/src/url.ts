// SPDX-License-Identifier: Apache-2.0
/**
 * What is looked at is the URL, all of it, so that a link is evidence. It lies behind the `#`: it goes into no server's log, and a
 * report that is opened as a file has the same links.
 *
 *     #/                                    guests; q, state, severity, verdict, vmm, machine, host, stable, coverage, running, set, sort, sets
 *     #/guest/ID                            rev; facet, key (an entry), q, fold; since, until, types, event, events (list all); revisions (list all), a, b; more (open parts)
 *     #/diff                                from, to, view (unified, side), by (cause, facet), facet, severity, q, bits (0, 1), open (open parts)
 */
import { useEffect, useRef, useState } from 'preact/hooks'

export type Params = Record<string, string>

/** Null: without it. */
export type Changes = Record<string, string | number | null | undefined>

export interface Route {
  /** Decoded parts of the path: [] is the list of guests. */
  path: string[]
  params: Params
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

export function parse(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split(/\?(.*)/s)
  const params: Params = {}
  for (const [name, value] of new URLSearchParams(query)) params[name] = value
  return { path: path.split('/').filter(Boolean).map(decode), params }
}

/** The link to it. Empty and undefined parameters are left out; the order is that of names, so that equal states are equal links. */
export function link(path: string[], params: Changes = {}): string {
  const query = new URLSearchParams()
  for (const name of Object.keys(params).sort()) {
    const value = params[name]
    if (value !== undefined && value !== null && value !== '') query.set(name, String(value))
  }
  const text = query.toString()
  return '#/' + path.map(encodeURIComponent).join('/') + (text ? '?' + text : '')
}

export const guestLink = (id: string, params: Changes = {}) => link(['guest', id], params)
export const diffLink = (from: string, to?: string | null, params: Changes = {}) =>
  link(['diff'], { ...params, from, to })

/** A side of a comparison. `guest:` forces a name, so one that holds @ or /, or begins as a digest does, needs it. */
export const sideOf = (id: string, at?: number | 'baseline' | null) => (/[@/]|^(guest|sha256):/.test(id) ? 'guest:' + id : id) + (at ? '@' + at : '')

/** Browsers refuse a page that changes its address too often, some by an error; then it is changed so much later. */
const REFUSED_MS = 1000

/** Changes parameters of what is looked at. Replaces the entry of the browser's history unless the reader would go back to it. */
export function change(params: Changes, keep = false): void {
  const now = parse(location.hash)
  const next = link(now.path, { ...now.params, ...params })
  if (next === location.hash) return
  if (keep) {
    location.hash = next
    return
  }
  try {
    history.replaceState(history.state, '', next)
  } catch {
    setTimeout(() => parse(location.hash).path.join('/') === now.path.join('/') && change(params), REFUSED_MS)
    return
  }
  dispatchEvent(new HashChangeEvent('hashchange'))
}

/** The URL follows so long after what is typed. */
const SETTLE_MS = 150

/** What is searched for: typed, it is there at once, and soon in the URL, with `also`; who goes back or follows a link finds what that says. */
export function useQuery(params: Params, also: Changes = {}): { query: string; search: (query: string) => void; clear: (changes: Changes) => void } {
  const [query, set] = useState(params.q ?? '')
  const ours = useRef(params.q ?? '')
  const later = useRef(0)
  useEffect(() => {
    if ((params.q ?? '') === ours.current) return
    clearTimeout(later.current)
    set((ours.current = params.q ?? ''))
  }, [params.q])
  useEffect(() => () => clearTimeout(later.current), [])
  const search = (text: string) => {
    set(text)
    clearTimeout(later.current)
    later.current = window.setTimeout(() => change({ ...also, q: (ours.current = text.trim()) }), SETTLE_MS)
  }
  const clear = (changes: Changes) => {
    set((ours.current = ''))
    clearTimeout(later.current)
    change({ ...changes, q: null })
  }
  return { query, search, clear }
}

export function useRoute(): Route {
  const [hash, setHash] = useState(location.hash)
  useEffect(() => {
    const follow = () => setHash(location.hash)
    addEventListener('hashchange', follow)
    return () => removeEventListener('hashchange', follow)
  }, [])
  return parse(hash)
}

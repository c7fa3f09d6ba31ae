// SPDX-License-Identifier: Apache-2.0
/**
 * What is looked at is the URL, all of it, so that a link is evidence. It lies behind the `#`: it goes into no server's log, and a
 * report that is opened as a file has the same links.
 *
 *     #/                                    guests; q, state, severity, verdict, vmm, machine, host, stable, coverage, running, set, sort, sets
 *     #/guest/ID                            rev; facet, key (an entry), q, fold; since, until, types, event, events (list all); revisions (list all), a, b; more (open parts)
 *     #/diff                                from, to, view (unified, side), by (cause, facet), facet, open
 */
import { useEffect, useState } from 'preact/hooks'

export type Params = Record<string, string>

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
export function link(path: string[], params: Record<string, string | number | null | undefined> = {}): string {
  const query = new URLSearchParams()
  for (const name of Object.keys(params).sort()) {
    const value = params[name]
    if (value !== undefined && value !== null && value !== '') query.set(name, String(value))
  }
  const text = query.toString()
  return '#/' + path.map(encodeURIComponent).join('/') + (text ? '?' + text : '')
}

export const guestLink = (id: string, params: Record<string, string | number | null | undefined> = {}) => link(['guest', id], params)
export const diffLink = (from: string, to?: string | null, params: Record<string, string | number | null | undefined> = {}) =>
  link(['diff'], { ...params, from, to })

/** A side of a comparison. `guest:` forces a name, so one that holds @ or /, or begins as a digest does, needs it. */
export const sideOf = (id: string, at?: number | 'baseline' | null) => (/[@/]|^(guest|sha256):/.test(id) ? 'guest:' + id : id) + (at ? '@' + at : '')

/** Changes parameters of what is looked at. Replaces the entry of the browser's history unless the reader would go back to it. */
export function change(params: Record<string, string | number | null | undefined>, keep = false): void {
  const now = parse(location.hash)
  const next = link(now.path, { ...now.params, ...params })
  if (next === location.hash) return
  if (keep) location.hash = next
  else {
    history.replaceState(history.state, '', next)
    dispatchEvent(new HashChangeEvent('hashchange'))
  }
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

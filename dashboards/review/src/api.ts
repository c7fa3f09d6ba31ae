// SPDX-License-Identifier: Apache-2.0
/**
 * Asks the API. A report has the answers with it (`<script type="application/json" id="answers">`: {PATH: answer}); then nobody is
 * asked. The paths that are made here are those that a report is made with: docs/interface.md.
 */
import { useEffect, useState } from 'preact/hooks'

/** What is followed while somebody looks is asked for again so often; unchanged, the server answers 304. */
const FOLLOW_MS = 5000

export interface Failure {
  /** HTTP's; 0: nobody answered. */
  status: number
  text: string
}

export interface Answer<T> {
  value: T | null
  /** Why there is none, or why `value` is no newer than `at`. */
  failure: Failure | null
  /** When the server last said so, by this clock; null: not yet, or this is a report. */
  at: string | null
  /** Asked, and nothing of it here yet. */
  loading: boolean
}

const encode = encodeURIComponent
export const paths = {
  guests: () => '/api/v1/guests',
  guest: (id: string, revision?: string | number | null) => `/api/v1/guests/${encode(id)}` + (revision ? `/revisions/${encode(String(revision))}` : ''),
  diff: (from: string, to?: string | null) => `/api/v1/diff?from=${encode(from)}` + (to ? `&to=${encode(to)}` : ''),
  diffText: (from: string, to?: string | null) => paths.diff(from, to) + '&format=text',
  /** With what happened to its host. */
  history: (id: string, before?: string | null) => `/api/v1/history?guest=${encode(id)}&host=yes` + (before ? `&before=${encode(before)}` : ''),
  alerts: (id: string) => `/api/v1/alerts?guest=${encode(id)}`,
  export: (id: string) => `/api/v1/guests/${encode(id)}/export`,
}

interface Report {
  /** Of the guest whose report this is. */
  guest: string
  at: string
  answers: Record<string, unknown>
}

function reportRead(): Report | null {
  const element = document.getElementById('answers')
  return element ? (JSON.parse(element.textContent ?? '') as Report) : null
}

/** Null: this is the live page. */
export const report = reportRead()

/** The live page has an answer to all that it can ask; a report those that it was made with. */
export const isHeld = (path: string): boolean => !report || path in report.answers

/** What the server said of a path, and by which tag it knows that. */
interface Said {
  value: unknown
  tag: string | null
  at: string | null
}

/** Of the paths looked at last, oldest first: who comes back sees at once what was there. */
const kept = new Map<string, Said>()
const KEPT = 24

function keep(path: string, said: Said): Said {
  kept.delete(path)
  kept.set(path, said)
  for (const oldest of kept.keys()) if (kept.size > KEPT) kept.delete(oldest)
  return said
}

/** The server answers within 60 s, or not at all. */
const PATIENCE_MS = 65000

const isText = (path: string): boolean => path.endsWith('&format=text')

/** `tag`: of what is known already; an answer that has none is 304. */
async function fetched(path: string, signal: AbortSignal, tag: string | null): Promise<Said | null> {
  let response: Response | null = null
  try {
    // A tag that is sent by hand goes past the browser's cache, and its 304 comes back to us.
    const headers = { Accept: isText(path) ? 'text/plain' : 'application/json', ...(tag ? { 'If-None-Match': tag } : {}) }
    response = await fetch(path, { cache: tag ? 'no-store' : 'no-cache', signal, headers })
    if (tag && response.status === 304) return null
    if (response.ok) return { value: await (isText(path) ? response.text() : response.json()), tag: response.headers.get('ETag'), at: now() }
  } catch {
    throw { status: 0, text: response ? 'The answer broke off.' : 'abidrift does not answer. Is it running? (systemctl status abidrift)' } satisfies Failure
  }
  const said = (await response.json().catch(() => null)) as { error?: string } | null
  throw { status: response.status, text: said?.error ?? `${response.status} ${response.statusText}` } satisfies Failure
}

/** As long as `signal` lets it and the server may take, for the body too: one that stalls would be waited for without end. */
async function ask(path: string, tag: string | null = null, signal: AbortSignal | null = null): Promise<Said | null> {
  const end = new AbortController()
  const give_up = () => end.abort()
  const timer = setTimeout(give_up, PATIENCE_MS)
  signal?.addEventListener('abort', give_up)
  try {
    return await fetched(path, end.signal, tag)
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', give_up)
  }
}

function fromReport(path: string): unknown {
  if (report && path in report.answers) return report.answers[path]
  throw { status: 404, text: 'This report does not hold that. The program that made it does: abidrift show, diff, history.' } satisfies Failure
}

const now = (): string => new Date().toISOString().slice(0, 19) + 'Z'

/** What is known of it already is sent as its tag; unchanged, the very same `value` comes back. */
async function look(path: string, signal: AbortSignal): Promise<Said> {
  if (report) return { value: fromReport(path), tag: null, at: null }
  const before = kept.get(path)
  const said = (await ask(path, before?.tag, signal)) ?? (before && { ...before, at: now() })
  if (!said) throw { status: 304, text: 'Nothing new, and nothing old is known.' } satisfies Failure
  return keep(path, said)
}

/** Once, as text: for copying. */
export async function askText(path: string): Promise<string> {
  return (report ? fromReport(path) : (await ask(path))?.value) as string
}

interface Held extends Said {
  path: string | null
  failure: Failure | null
}

const begin = (path: string | null): Held => {
  const said = path ? kept.get(path) : undefined
  return { path, value: said?.value ?? null, tag: null, at: said?.at ?? null, failure: null }
}

/** Nobody answered, or the store could not be read: both pass. */
const passes = (failure: Failure): boolean => failure.status === 0 || failure.status === 503

/**
 * The answer to `path` (null: nothing is asked). With `follow` it is asked for again while the page is in view, as is what failed by
 * something that passes; as long as it is the same nothing is drawn. What was there stays, also beside a failure. Another `press`
 * asks at once.
 */
export function useAnswer<T>(path: string | null, follow: boolean | ((value: T) => boolean) = false, press = 0): Answer<T> {
  const [held, hold] = useState<Held>(() => begin(path))
  const ours = held.path === path ? held : begin(path)
  useEffect(() => {
    if (!path) return
    const end = new AbortController()
    let timer = 0
    const turn = async () => {
      let more: boolean
      try {
        const said = await look(path, end.signal)
        more = typeof follow === 'function' ? follow(said.value as T) : follow
        if (!end.signal.aborted) hold((h) => (h.path === path && !h.failure && h.value === said.value ? h : { ...said, path, failure: null }))
      } catch (e) {
        const failure = e as Failure
        more = !!follow || passes(failure)
        if (!end.signal.aborted)
          hold((h) => {
            // Until when it was so is known by what was kept: what is held was not drawn again for a 304.
            const before = begin(path)
            return h.path === path && h.failure?.text === failure.text && h.value === before.value ? h : { ...before, failure }
          })
      }
      if (more && !report && !end.signal.aborted) timer = window.setTimeout(again, FOLLOW_MS)
    }
    const again = () => {
      if (document.hidden) document.addEventListener('visibilitychange', turn, { once: true, signal: end.signal })
      else void turn()
    }
    void turn()
    return () => {
      end.abort()
      clearTimeout(timer)
    }
  }, [path, !!follow, press])
  return { value: ours.value as T | null, failure: ours.failure, at: ours.at, loading: path !== null && ours.value === null && !ours.failure }
}

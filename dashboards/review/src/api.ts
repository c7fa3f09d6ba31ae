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
  failure: Failure | null
  /** Asked, and nothing of it here yet. */
  loading: boolean
}

const encode = encodeURIComponent
export const paths = {
  guests: () => '/api/v1/guests',
  guest: (id: string, revision?: string | number | null) => `/api/v1/guests/${encode(id)}` + (revision ? `/revisions/${revision}` : ''),
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

async function ask(path: string, text: boolean, signal: AbortSignal): Promise<unknown> {
  if (report) {
    if (path in report.answers) return report.answers[path]
    throw { status: 404, text: 'This report does not hold that. The program that made it does: abidrift show, diff, history.' } satisfies Failure
  }
  let response: Response
  try {
    response = await fetch(path, { cache: 'no-cache', signal, headers: { Accept: text ? 'text/plain' : 'application/json' } })
  } catch (e) {
    if (signal.aborted) throw e
    throw { status: 0, text: 'abidrift does not answer. Is it running? (systemctl status abidrift)' } satisfies Failure
  }
  if (response.ok) return text ? response.text() : response.json()
  const said = (await response.json().catch(() => null)) as { error?: string } | null
  throw { status: response.status, text: said?.error ?? `${response.status} ${response.statusText}` } satisfies Failure
}

/** Once, as text: for copying. */
export const askText = (path: string): Promise<string> => ask(path, true, new AbortController().signal) as Promise<string>

/**
 * The answer to `path` (null: nothing is asked). With `follow` it is asked for again while the page is in view. What was there stays
 * beside a failure, and until another path has its answer there is none.
 */
export function useAnswer<T>(path: string | null, follow = false): Answer<T> {
  const [held, hold] = useState<{ path: string | null; value: T | null; failure: Failure | null }>({ path: null, value: null, failure: null })
  useEffect(() => {
    if (!path) return
    const end = new AbortController()
    let timer = 0
    const look = async () => {
      try {
        const value = (await ask(path, false, end.signal)) as T
        if (!end.signal.aborted) hold((h) => (h.path === path && !h.failure && JSON.stringify(h.value) === JSON.stringify(value) ? h : { path, value, failure: null }))
      } catch (e) {
        if (!end.signal.aborted) hold((h) => ({ path, value: h.path === path ? h.value : null, failure: e as Failure }))
      }
      if (follow && !report && !end.signal.aborted) timer = window.setTimeout(again, FOLLOW_MS)
    }
    const again = () => {
      if (document.hidden) document.addEventListener('visibilitychange', look, { once: true, signal: end.signal })
      else void look()
    }
    void look()
    return () => {
      end.abort()
      clearTimeout(timer)
    }
  }, [path, follow])
  const ours = held.path === path
  return { value: ours ? held.value : null, failure: ours ? held.failure : null, loading: path !== null && !ours }
}

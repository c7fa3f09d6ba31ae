// SPDX-License-Identifier: Apache-2.0
/** What all views are made of. */
import type { ComponentChildren } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import type { Failure } from './api'
import type { Coverage, Severity, State, Verdict } from './model'

/**
 * What is not seen, or turns what is beside it: control and format characters (zero widths, overrides of direction, tags), line ends,
 * lone surrogates, private use, and spaces other than U+0020. In a name they are somebody's trick or mistake; both are to be seen.
 */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\u00a0\u115f\u1160\u1680\u2000-\u200a\u202f\u205f\u2800\u3000\u3164\uffa0]|[\u180b-\u180f\ufe00-\ufe0f\u{e0100}-\u{e01ef}]/gu

const escapeOf = (c: string) => `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`

/** Hostile text with what is not seen in it written out, for a title or an attribute. */
export const seen = (text: string): string => text.replace(UNSEEN, escapeOf)

const PLAIN = /^[\x20-\x7e]*$/

/** The same as elements; its direction is its own. */
export function Text({ text }: { text: string }): ComponentChildren {
  if (PLAIN.test(text)) return text
  const parts: ComponentChildren[] = []
  let at = 0
  for (const m of text.matchAll(UNSEEN)) {
    parts.push(text.slice(at, m.index), <span class="escape">{escapeOf(m[0])}</span>)
    at = m.index + m[0].length
  }
  return <bdi>{at ? [...parts, text.slice(at)] : text}</bdi>
}

export const nameOf = (guest: { name: string | null; id: string }): string => seen(guest.name?.trim() ? guest.name : guest.id)

/** A guest by its name; one that has none, by its id. */
export function Name({ guest }: { guest: { name: string | null; id: string } }): ComponentChildren {
  return Text({ text: guest.name?.trim() ? guest.name : guest.id })
}

/** The worst first. */
export const SEVERITIES: Severity[] = ['critical', 'warning', 'info', 'none']

/** Signs beside colours, so that a colour is never the only one. */
const SIGNS: Record<Severity, string> = { critical: '✖', warning: '▲', info: '●', none: '○' }

export function SeverityTag({ severity, verdict }: { severity: Severity; verdict?: Verdict | null }) {
  return (
    <span class={`tag severity-${severity}`}>
      <span aria-hidden="true">{SIGNS[severity]} </span>
      {verdict ? `${verdict}, ${severity}` : severity}
    </span>
  )
}

const STATES: Record<State, string> = {
  same: 'as its baseline',
  drift: 'drifts',
  learning: 'learning: not all of this boot has been seen yet',
  unknown: 'unknown: not enough was seen to say',
}

export function StateTag({ state }: { state: State }) {
  return (
    <span class={`tag state-${state}`} title={STATES[state]}>
      {state}
    </span>
  )
}

export function CoverageTag({ coverage, reason }: { coverage: Coverage; reason?: string | null }) {
  return (
    <span class={`tag coverage-${coverage}`} title={reason ?? undefined}>
      {coverage}
    </span>
  )
}

/** In UTC, to the second. */
export const timeText = (at: string): string => at.replace('T', ' ').replace(/\.\d+Z$/, 'Z')

/** A moment, in UTC as the CLI writes it; what the reader's clock says is in its title. */
export function When({ at }: { at: string | null }) {
  if (!at) return <span class="faint">unknown</span>
  return (
    <time dateTime={at} title={new Date(at).toLocaleString()}>
      {timeText(at)}
    </time>
  )
}

/** What may be wider than the window: it scrolls by itself, also by keyboard. */
export function Wide({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div class="wide" tabIndex={0} role="region" aria-label={name}>
      {children}
    </div>
  )
}

export function Loading({ what }: { what: string }) {
  return (
    <p class="note" role="status">
      Loading {what} …
    </p>
  )
}

export function Empty({ children }: { children: ComponentChildren }) {
  return <div class="note">{children}</div>
}

/** What to do about an answer that is none, where the server's own words do not say it. */
const REMEDIES: Record<number, string> = {
  401: 'This server asks for a token. Reload the page: the browser asks for a user name (any) and a password, which is the token (a line of serve.token_file).',
  403: 'This server does not let you read that. Who runs it can say who may.',
  421: 'Open the page by a name that the server knows: localhost, its address, or one of serve.host.',
  503: 'The store cannot be read just now. It is tried again while this page is open.',
}

/** With `at`, what is below is what was known then. */
export function Failed({ failure, what, at }: { failure: Failure; what: string; at?: string | null }) {
  return (
    <div class="note failed" role="alert">
      <strong>
        {at ? (
          <>
            {what} is old: it is of <When at={at} />.
          </>
        ) : (
          `${what} cannot be shown:`
        )}
      </strong>{' '}
      <Text text={/[.!?)]$/.test(failure.text) ? failure.text : failure.text + '.'} /> {REMEDIES[failure.status]}
    </div>
  )
}

export function Banner({ kind, children }: { kind: Severity; children: ComponentChildren }) {
  return (
    <div class={`note banner edge-${kind}`} role="status">
      {children}
    </div>
  )
}

const grouped = new Intl.NumberFormat('en')
export const number = (n: number): string => grouped.format(n)
/** "1,000 guests", "1 guest", "2 leaves" */
export const count = (n: number, one: string, many = one + 's'): string => `${number(n)} ${n === 1 ? one : many}`

/** What the tab is called while this is shown: "web-01 · abidrift". */
export function useTitle(text: string): void {
  useEffect(() => {
    document.title = `${seen(text)} · abidrift`
  }, [text])
}

/** Something to copy, and a button that does. */
export function Copy({ text, label = 'Copy', name }: { text: string | (() => Promise<string>); label?: string; name: string }) {
  const [said, say] = useState('')
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(typeof text === 'string' ? text : await text())
      say('Copied')
    } catch {
      say('Could not copy: select it and copy by hand')
    }
  }
  return (
    <>
      <button type="button" class="small" onClick={copy} aria-label={`${label}: ${name}`}>
        {label}
      </button>
      <span class="said" role="status">
        {said}
      </span>
    </>
  )
}

export function Command({ text, name }: { text: string; name: string }) {
  return (
    <p class="command">
      <code tabIndex={0}>{text}</code> <Copy text={text} name={name} />
    </p>
  )
}

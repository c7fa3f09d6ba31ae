// SPDX-License-Identifier: Apache-2.0
/** What all views are made of. */
import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import type { Failure } from './api'
import type { Coverage, Severity, State, Verdict } from './model'

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

/** A moment, in UTC as the CLI writes it; what the reader's clock says is in its title. */
export function When({ at }: { at: string | null }) {
  if (!at) return <span class="faint">unknown</span>
  return (
    <time dateTime={at} title={new Date(at).toLocaleString()}>
      {at.replace('T', ' ').replace(/\.\d+Z$/, 'Z')}
    </time>
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

export function Failed({ failure, what }: { failure: Failure; what: string }) {
  return (
    <div class="note failed" role="alert">
      <strong>{what} cannot be shown.</strong> {failure.text}
    </div>
  )
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

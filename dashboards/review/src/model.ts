// SPDX-License-Identifier: Apache-2.0
/**
 * What the API answers (docs/interface.md): the CLI's JSON. Names, verdicts, causes and words were made there; the page only
 * arranges them. Everything in it may come from a guest or its command line.
 */

export type Severity = 'none' | 'info' | 'warning' | 'critical'
export type Verdict = 'violation' | 'unexplained' | 'exempt' | 'intended'
export type State = 'learning' | 'same' | 'drift' | 'unknown'
export type Coverage = 'complete' | 'witnessed' | 'none'

export const FACETS = ['cpuid', 'msr', 'ports', 'mmio', 'memory', 'pci', 'placement', 'acpi', 'smbios', 'numa', 'firmware', 'identity'] as const

export interface Mark {
  revision: number
  digest: string | null
  at: string
}

export interface Reason {
  code: string
  reason: string
}

/** One guest as `ls` lists it. */
export interface Guest {
  id: string
  uuid: string | null
  name: string | null
  anonymous: boolean
  vmm: { kind: string | null; version: string | null; build_id: string | null; path: string | null; replaced: boolean | null } | null
  machine: string | null
  /** Where it runs, or ran last. */
  host: string | null
  pid: number | null
  running: boolean
  /** When this VM process was first seen, and when it was gone (null: it runs). */
  began: string | null
  ended: string | null
  /** How it came to its present boot. */
  life: 'started' | 'reset' | 'migrated' | 'restored' | 'twin' | null
  boot: number | null
  settled: boolean
  state: State
  severity: Severity
  verdict: Verdict | null
  changes: number
  change_set: string | null
  /** Since when its drift is open. */
  drift_since: string | null
  stable: boolean | null
  unstable: Reason[]
  next_boot: Reason[]
  baseline: Mark | null
  current: Mark | null
  coverage: Record<string, Coverage>
}

/** The same changes with the same causes, over however many guests. */
export interface ChangeSet {
  id: string
  guests: number
  changes: number
  verdict: Verdict | null
  severity: Severity
  /** One line: what changed, why, what it breaks. */
  summary: string
  /** One line: "the same 3 changes, since the kernel went from 6.1 to 6.12". */
  headline: string
  /** When the first of its guests began to drift so. */
  since: string | null
  /** The command that accepts it for all of its guests. */
  accept: string
  causes: Factor[]
}

export interface Maintenance {
  begin: string
  end: string
  by: string | null
  reason: string | null
}

export interface Stale {
  host: string
  at: string
}

export interface GuestList {
  guests: Guest[]
  change_sets: ChangeSet[]
  maintenance: Maintenance | null
  stale: Stale[]
}

export interface FieldValue {
  name: string
  /** "ecx[5]", "eax[7:0]" */
  bits: string
  /** Unsigned decimal. */
  value: string
}

export interface Entry {
  key: string
  value: string
  meaning: string | null
  /** The id of the group that it belongs to; null: none. */
  group: string | null
  /** Of a register: its named bits and fields that are not 0. Null: it is none. */
  fields: FieldValue[] | null
}

/** Entries that people see as one thing: a CPUID leaf, a PCI function, an ACPI table, an SMBIOS structure, a NUMA node. */
export interface Group {
  id: string
  title: string | null
}

export interface Facet {
  facet: string
  digest: string | null
  coverage: Coverage
  reason: string | null
  groups: Group[]
  entries: Entry[]
}

export interface RevisionMark {
  revision: number
  at: string
  digest: string | null
  boot: number | null
  baseline: boolean
}

/** `show`. Of a guest without a fingerprint yet all but `guest` is null, and `facets` empty. */
export interface Show {
  guest: Guest | null
  revision: number | null
  digest: string | null
  at: string | null
  context: Record<string, string> | null
  facets: Facet[]
  /** All that the store has of this guest, newest first. */
  revisions: RevisionMark[]
}

export interface Side {
  name: string
  guest: { id: string; uuid: string | null; name: string | null } | null
  revision: number | null
  digest: string | null
  at: string | null
  path: string | null
}

export interface Factor {
  factor: string
  from: string | null
  to: string | null
  why?: string
}

export interface Moved {
  key: string
  from: string | null
  to: string | null
}

/** What CPUID spells over several registers, as each side has all of it. */
export interface Spelling {
  name: string
  from: string | null
  to: string | null
}

export interface Change {
  facet: string
  key: string
  change: 'changed' | 'lost' | 'gained'
  from: string | null
  to: string | null
  fields: { name: string; bits: string; from: string | null; to: string | null }[]
  /** Of a register that is a part of one. What an older abidrift found open has none. */
  string?: Spelling | null
  meaning: string | null
  verdict: Verdict | null
  severity: Severity
  cause: Factor[] | null
  reason: string | null
  impact: string | null
  suppressed_by: string | null
  running: boolean
  firmware: boolean
  moved: Moved[]
}

/** Changes that have the same to blame, worst first: the parts of the CLI's text. What rules suppress is in none of them. */
export interface Blame {
  verdict: Verdict | null
  severity: Severity
  /** "QEMU 5.2.0 → 7.2.22 under pc-q35-5.2", as the CLI heads this part. */
  title: string
  because: string[]
  /** What else may have done it. */
  or_by?: string | null
  /** What excuses it, or makes it worse. */
  reason?: string | null
  note?: string | null
  impact: string[]
  /** Indexes into `changes`. */
  changes: number[]
}

export interface Diff {
  from: Side
  to: Side
  result: 'same' | 'drift' | 'unknown'
  verdict: Verdict | null
  severity: Severity
  vmm: string | null
  machine: string | null
  context: Factor[]
  changes: Change[]
  blames: Blame[]
  moved: Moved[]
  unknown: { facet: string | null; key: string | null; reason: string | null }[]
  suppressed: { rule: string; reason: string | null; changes: number; at_most: number | null; applied: boolean }[]
  change_set: string | null
  /** Commands that make `to` the baseline; null where there is nothing to accept. */
  accept: { guest: string | null; change_set: string | null }
  stale: Stale[]
  /** What the next boot of `to` meets, where that is a guest that runs now. A report of an older abidrift has none. */
  next_boot?: Reason[]
}

export type EventType = 'host' | 'boot' | 'fingerprint' | 'drift' | 'resolved' | 'accept' | 'undo' | 'evidence' | 'loss' | 'stop' | 'twin' | 'maintenance'

export interface Event {
  at: string
  type: EventType
  guest: string | null
  name: string | null
  vmm: string | null
  revision: number | null
  by: string | null
  reason: string | null
  changes: Change[] | null
  context: Factor[] | null
  change_set: string | null
  guests: { id: string; name: string | null }[] | null
}

export interface History {
  events: Event[]
  before?: string
}

export interface Alert {
  id: string
  at: string
  /** Null, as the severity: it cannot be read any more, and the summary says so. */
  type: 'drift' | 'resolved' | 'loss' | 'blind' | 'store' | 'twin' | 'test' | null
  host: string | null
  guest: { id: string; uuid: string | null; name: string | null } | null
  severity: Severity | null
  verdict: Verdict | null
  summary: string
  /** How many. */
  changes: number
  change_set: string | null
  /** What became of it at each sink. `done`: it was delivered, or given up after alerts.give_up. */
  sinks: { sink: string; state: 'waiting' | 'done'; attempts: number; why: string | null }[]
}

export interface Alerts {
  alerts: Alert[]
  before?: string
}

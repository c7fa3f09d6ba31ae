// SPDX-License-Identifier: Apache-2.0
/**
 * The facets of one fingerprint, each as people know it. `facet`: the one that is looked at; without it all of them in short. `key`:
 * the entry that is linked to. `q`: what is searched for. `fold`: what is not folded as it is at first.
 */
import './facets/facets.css'
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { Acpi } from './facets/acpi'
import { about, entryLink, foldsOf, here, sized, Viewed, Value } from './facets/common'
import { Cpuid, Msr } from './facets/cpuid'
import { Memory } from './facets/memory'
import { Pci } from './facets/pci'
import { Numa, Placement, Plain, Reads, Smbios } from './facets/tables'
import type { Entry, Facet, Show } from './model'
import { count, Copy, CoverageTag, Empty, Text } from './parts'
import { change, useQuery, type Params } from './url'

const ABOUT: Record<string, string> = {
  cpuid: 'what the processor says it is and can',
  msr: 'model-specific registers that the guest read',
  ports: 'I/O ports that answered, and that did not',
  mmio: 'pages of device memory that answered, and that did not',
  memory: 'RAM and ROM, by address',
  pci: 'functions on the PCI buses',
  placement: 'where BARs and windows were put',
  acpi: 'tables of the firmware for the system',
  smbios: 'what firmware tells of the hardware',
  numa: 'nodes, distances, topology of processors',
  firmware: 'code that the guest was given',
  identity: 'what tells this guest from others',
}

/** A few words about what is in it, for the list of all. */
function gist(f: Facet): string {
  const distinct = (of: (e: Entry) => string | undefined) => new Set(f.entries.map(of).filter(Boolean)).size
  const value = (key: string) => f.entries.find((e) => e.key === key)?.value
  switch (f.facet) {
    case 'cpuid':
      return count(distinct((e) => /^0x[0-9a-f]{8}\.\d+/.exec(e.key)?.[0]), 'leaf', 'leaves')
    case 'memory':
      return `${about(f.entries.reduce((n, e) => n + (e.value.endsWith(' ram') ? (sized(e.value) ?? 0n) : 0n), 0n))} of RAM`
    case 'pci':
      return count(distinct((e) => e.key.slice(0, e.key.lastIndexOf('/'))), 'function')
    case 'acpi':
      return count(distinct((e) => e.key.split('/')[0]), 'table')
    case 'smbios':
      return count(distinct((e) => (e.key.includes('/') ? e.key.split('/')[0] : undefined)), 'structure')
    case 'numa': {
      const processors = value('topology/processors')
      return [count(distinct((e) => /^node\d+/.exec(e.key)?.[0]) || 1, 'node'), processors && count(Number(processors), 'processor')].filter(Boolean).join(', ')
    }
    case 'firmware':
      return f.entries.find((e) => e.key.endsWith('.version'))?.value ?? ''
    default:
      return ''
  }
}

/** What a reader must know before taking the facet for all that there is. */
function Coverage({ facet: f }: { facet: Facet }) {
  return (
    <>
      <CoverageTag coverage={f.coverage} /> {f.reason && <Text text={f.reason} />}
    </>
  )
}

const short = (digest: string): string => digest.replace(/^(sha256:)?(.{12}).*$/, '$2')

function Overview({ facets, params }: { facets: Facet[]; params: Params }) {
  return (
    <table class="overview" role="table">
      <caption class="unseen">All facets</caption>
      <thead>
        <tr>
          <th scope="col">Facet</th>
          <th scope="col">Entries</th>
          <th scope="col">What</th>
          <th scope="col">Coverage</th>
          <th scope="col">Digest</th>
        </tr>
      </thead>
      <tbody>
        {facets.map((f) => (
          <tr key={f.facet} role="row">
            <th scope="row" role="rowheader">
              <a href={here(params, { facet: f.facet })}>{f.facet}</a>
            </th>
            <td class="number" role="cell">{f.entries.length.toLocaleString('en')}</td>
            <td role="cell">
              {f.entries.length > 0 && gist(f) && (
                <>
                  <Text text={gist(f)} />
                  {'; '}
                </>
              )}
              <span class="faint">{ABOUT[f.facet]}</span>
            </td>
            <td role="cell">
              <Coverage facet={f} />
            </td>
            <td role="cell">{f.digest ? <code class="digest" title={f.digest}>{short(f.digest)}</code> : <span class="faint">none</span>}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function Tabs({ facets, params, now }: { facets: Facet[]; params: Params; now: string | null }) {
  return (
    <nav class="facet-tabs" aria-label="Facets">
      <ul>
        <li>
          <a href={here(params, { facet: null, key: null, fold: null, q: null })} aria-current={now === null && !params.q ? 'page' : undefined}>
            all <span class="faint">{facets.reduce((n, f) => n + f.entries.length, 0).toLocaleString('en')}</span>
            <small class="coverage-word">in short</small>
          </a>
        </li>
        {facets.map((f) => (
          <li key={f.facet}>
            <a href={here(params, { facet: f.facet, key: null, fold: null })} aria-current={now === f.facet ? 'page' : undefined} title={f.reason ?? undefined}>
              {f.facet} <span class="faint">{f.entries.length.toLocaleString('en')}</span>
              <small class={`coverage-word coverage-${f.coverage}`}>{f.coverage}</small>
            </a>
          </li>
        ))}
      </ul>
    </nav>
  )
}

const FOUND = 200

interface Found {
  facet: Facet
  entries: Entry[]
}

function search(facets: Facet[], words: string[]): Found[] {
  return facets
    .map((facet) => {
      const titles = new Map((facet.groups ?? []).map((g) => [g.id, g.title ?? '']))
      const entries = facet.entries.filter((e) => {
        const text = `${facet.facet} ${e.key} ${e.value} ${e.meaning ?? ''} ${titles.get(e.group ?? '') ?? ''}`.toLowerCase()
        return words.every((w) => text.includes(w))
      })
      return { facet, entries }
    })
    .filter((f) => f.entries.length)
}

function Results({ facets, only, q, params }: { facets: Facet[]; only: Facet | undefined; q: string; params: Params }) {
  const [all, showAll] = useState<Record<string, boolean>>({})
  const everywhere = useMemo(() => search(facets, q.toLowerCase().split(/\s+/).filter(Boolean)), [facets, q])
  const found = only ? everywhere.filter((f) => f.facet === only) : everywhere
  const total = found.reduce((n, f) => n + f.entries.length, 0)
  const elsewhere = everywhere.reduce((n, f) => n + f.entries.length, 0) - total
  return (
    <>
      <p role="status">
        {count(total, 'entry', 'entries')} with “<Text text={q} />”{only ? ` in ${only.facet}` : ''}.{' '}
        {only && elsewhere > 0 && <a href={here(params, { facet: null })}>{elsewhere} more in other facets</a>}
      </p>
      {found.map(({ facet: f, entries }) => (
        <section key={f.facet} class="group">
          <h3>
            {f.facet} <span class="faint">{entries.length}</span>
          </h3>
          <table class="entries">
            <caption class="unseen">Entries of {f.facet} that were found</caption>
            <tbody>
              {entries.slice(0, all[f.facet] ? undefined : FOUND).map((e) => (
                <tr key={e.key}>
                  <th scope="row">
                    <a class="key" href={entryLink(params, f.facet, e.key)}>
                      <Text text={e.key} />
                    </a>
                  </th>
                  <td>
                    <Value text={e.value} />
                  </td>
                  <td>{e.meaning && <Text text={e.meaning} />}</td>
                </tr>
              ))}
            </tbody>
          </table>
          {entries.length > FOUND && !all[f.facet] && (
            <button type="button" onClick={() => showAll({ ...all, [f.facet]: true })}>
              Show all {entries.length}
            </button>
          )}
        </section>
      ))}
    </>
  )
}

function Body({ facet: f, facets }: { facet: Facet; facets: Map<string, Facet> }) {
  switch (f.facet) {
    case 'cpuid':
      return <Cpuid facet={f} />
    case 'pci':
      return <Pci facet={f} placement={facets.get('placement')} />
    case 'memory':
      return <Memory facets={facets} />
    case 'acpi':
      return <Acpi facet={f} />
    case 'smbios':
      return <Smbios facet={f} />
    case 'numa':
      return <Numa facet={f} />
    case 'ports':
      return <Reads facet={f} step={1n} what="Ports" />
    case 'mmio':
      return <Reads facet={f} step={0x1000n} what="Pages" />
    case 'placement':
      return <Placement facet={f} pci={facets.get('pci')} />
    case 'msr':
      return <Msr facet={f} />
    default:
      return <Plain facet={f} />
  }
}

function One({ facet: f, facets, linked }: { facet: Facet; facets: Map<string, Facet>; linked: string | null }) {
  return (
    <section>
      <h3>
        {f.facet} <span class="about">{ABOUT[f.facet]}</span>
      </h3>
      <p class="facet-head">
        <Coverage facet={f} />
        {f.digest && (
          <span class="facet-digest">
            digest <code title={f.digest}>{short(f.digest)}</code> <Copy text={f.digest} name={`digest of ${f.facet}`} />
          </span>
        )}
      </p>
      {linked && !f.entries.some((e) => e.key === linked) && (
        <Empty>
          This revision has no entry <Value text={linked} /> in {f.facet}.
        </Empty>
      )}
      {f.entries.length ? (
        <Body facet={f} facets={facets} />
      ) : (
        <Empty>
          {f.coverage === 'none' ? (
            <>
              Nothing of it was seen; the reason stands above. What this host can show at all, and how to get the rest: <code>abidrift doctor</code>.
            </>
          ) : f.coverage === 'witnessed' ? (
            'Nothing of it was seen so far.'
          ) : (
            'All of it was seen, and there is nothing.'
          )}
        </Empty>
      )}
    </section>
  )
}

export function FacetsView({ show, params }: { show: Show; params: Params }) {
  const section = useRef<HTMLElement>(null)
  // Who came by a link to a facet wants to see that, not what stands above. A link to an entry leads there by itself (useLinked).
  useEffect(() => {
    if ((params.facet || params.q) && !params.key) section.current?.scrollIntoView()
  }, [])
  const facets = useMemo(() => new Map(show.facets.map((f) => [f.facet, f])), [show])
  const linked = params.key ?? null
  const asked = params.facet ?? (linked !== null ? show.facets.find((f) => f.entries.some((e) => e.key === linked))?.facet : undefined)
  const facet = asked ? facets.get(asked) : undefined
  const q = params.q ?? ''
  const { query, search } = useQuery(params, { key: null })
  const view = useMemo(() => ({ facet: facet?.facet ?? '', params, linked, folds: foldsOf(params.fold) }), [facet, JSON.stringify(params)])
  useEffect(() => {
    // A revision that opens at an entry shows it; the row itself takes the focus (useLinked).
    if (linked !== null && !params.facet && facet) change({ facet: facet.facet })
  }, [linked, params.facet, facet])
  if (!show.facets.length) return <Empty>There is no fingerprint yet: no boot of this guest has been seen as a whole.</Empty>
  return (
    <Viewed.Provider value={view}>
      <section class="facets" ref={section}>
        <h2>Facets</h2>
        <Tabs facets={show.facets} params={params} now={facet?.facet ?? null} />
        <form role="search" onSubmit={(e) => e.preventDefault()}>
          <label>
            Search keys, values and meanings{facet ? ` in ${facet.facet}` : ''}{' '}
            <input type="search" value={query} onInput={(e) => search(e.currentTarget.value)} />
          </label>
        </form>
        {q.trim() ? (
          <Results facets={show.facets} only={facet} q={q.trim()} params={params} />
        ) : facet ? (
          <One key={facet.facet} facet={facet} facets={facets} linked={linked} />
        ) : (
          <>
            {asked && (
              <Empty>
                There is no facet <Value text={asked} />.
              </Empty>
            )}
            <Overview facets={show.facets} params={params} />
          </>
        )}
      </section>
    </Viewed.Provider>
  )
}

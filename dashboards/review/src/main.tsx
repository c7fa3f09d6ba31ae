// SPDX-License-Identifier: Apache-2.0
import { render } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import './style.css'
import { report } from './api'
import { DiffView } from './diff'
import { GuestView } from './guest'
import { GuestsView } from './guests'
import { Empty } from './parts'
import { guestLink, useRoute } from './url'

function Page() {
  const { path, params } = useRoute()
  const main = useRef<HTMLElement>(null)
  const where = path.join('/')
  // Who came by a link begins at the top of what it shows, also by keyboard and ear.
  useEffect(() => main.current?.focus(), [where])
  return (
    <>
      <a class="skip" href="#main" onClick={(e) => (e.preventDefault(), main.current?.focus())}>
        Skip to content
      </a>
      <header class="bar">
        <a href={report ? guestLink(report.guest) : '#/'} class="brand">
          abidrift
        </a>
        <nav aria-label="Views">
          {report ? <a href={guestLink(report.guest)}>Guest</a> : <a href="#/">Guests</a>}
          <a href="#/diff">Compare</a>
        </nav>
        {report && (
          <span class="faint">
            report of <time dateTime={report.at}>{report.at}</time>
          </span>
        )}
      </header>
      <main id="main" ref={main} tabIndex={-1}>
        {path.length === 0 || (path.length === 1 && path[0] === 'guests') ? (
          report ? <GuestView id={report.guest} params={params} /> : <GuestsView params={params} />
        ) : path[0] === 'guest' && path[1] ? (
          <GuestView id={path[1]} params={params} />
        ) : path[0] === 'diff' ? (
          <DiffView params={params} />
        ) : (
          <Empty>
            There is no such view. <a href="#/">All guests</a>
          </Empty>
        )}
      </main>
    </>
  )
}

const root = document.getElementById('page')
if (root) {
  root.textContent = ''
  render(<Page />, root)
}

// SPDX-License-Identifier: Apache-2.0
import { render } from 'preact'
import './style.css'
import { report } from './api'
import { DiffView } from './diff'
import { GuestView } from './guest'
import { GuestsView } from './guests'
import { useSlash } from './guests/filters'
import { Empty, useTitle } from './parts'
import { usePlace } from './scroll'
import { guestLink, useRoute } from './url'

function Foot() {
  return (
    <footer class="foot">
      <p>Read-only. What is right is accepted on the command line: each drift shows its command.</p>
      {!report && (
        <p>
          Keys: <kbd>/</kbd> searches the guests; <kbd>Tab</kbd> goes on, <kbd>Enter</kbd> follows and folds. All that you see is in the address: a link shows others the same.
        </p>
      )}
    </footer>
  )
}

function Page() {
  const { path, params } = useRoute()
  useSlash()
  const list = path.length === 0 || (path.length === 1 && path[0] === 'guests')
  const main = usePlace(list ? '' : [...path, ...(path[0] === 'diff' ? [params.from, params.to] : [])].join('/'))
  const here = (at: boolean) => (at ? 'page' : undefined)
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
          {report ? (
            <a href={guestLink(report.guest)} aria-current={here(list || path[0] === 'guest')}>
              Guest
            </a>
          ) : (
            <a href="#/" aria-current={here(list)}>
              Guests
            </a>
          )}
          <a href="#/diff" aria-current={here(path[0] === 'diff')}>
            Compare
          </a>
        </nav>
        {report && (
          <span class="faint">
            report of <time dateTime={report.at}>{report.at}</time>
          </span>
        )}
      </header>
      <main id="main" ref={main} tabIndex={-1}>
        {list ? (
          report ? (
            <GuestView id={report.guest} params={params} />
          ) : (
            <GuestsView params={params} />
          )
        ) : path[0] === 'guest' && path[1] ? (
          <GuestView key={path[1]} id={path[1]} params={params} />
        ) : path[0] === 'diff' ? (
          <DiffView params={params} />
        ) : (
          <Nowhere />
        )}
      </main>
      <Foot />
    </>
  )
}

function Nowhere() {
  useTitle('No such view')
  return (
    <>
      <h1>No such view</h1>
      <Empty>
        This address is none of this page. <a href="#/">{report ? 'The guest' : 'All guests'}</a>
      </Empty>
    </>
  )
}

const root = document.getElementById('page')
if (root) {
  root.textContent = ''
  render(<Page />, root)
}

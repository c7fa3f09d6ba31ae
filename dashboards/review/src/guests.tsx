// SPDX-License-Identifier: Apache-2.0
import { paths, useAnswer } from './api'
import type { GuestList } from './model'
import { Failed, Loading, SeverityTag, StateTag } from './parts'
import { guestLink, type Params } from './url'

export function GuestsView({ params: _params }: { params: Params }) {
  const { value, failure } = useAnswer<GuestList>(paths.guests(), true)
  if (!value) return failure ? <Failed failure={failure} what="The list of guests" /> : <Loading what="guests" />
  return (
    <>
      <h1>Guests</h1>
      <ul>
        {value.guests.map((g) => (
          <li key={g.id + g.pid}>
            <a href={guestLink(g.id)}>{g.name ?? g.id}</a> <StateTag state={g.state} /> <SeverityTag severity={g.severity} verdict={g.verdict} />
          </li>
        ))}
      </ul>
    </>
  )
}

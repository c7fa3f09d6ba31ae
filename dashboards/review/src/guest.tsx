// SPDX-License-Identifier: Apache-2.0
import { paths, useAnswer } from './api'
import { FacetsView } from './facets'
import type { Show } from './model'
import { Failed, Loading } from './parts'
import { Timeline } from './timeline'
import type { Params } from './url'

export function GuestView({ id, params }: { id: string; params: Params }) {
  const { value, failure } = useAnswer<Show>(paths.guest(id, params.rev), !params.rev)
  if (!value) return failure ? <Failed failure={failure} what={`Guest ${id}`} /> : <Loading what="the guest" />
  return (
    <>
      <h1>{value.guest?.name ?? id}</h1>
      <Timeline id={id} params={params} />
      <FacetsView show={value} params={params} />
    </>
  )
}

// SPDX-License-Identifier: Apache-2.0
/**
 * Where the reader was, on each entry of the browser's history: who goes back finds the same place, and the link that was followed
 * has the focus. Whoever follows a link begins at the top of what it shows, also by keyboard and ear.
 */
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks'

interface Place {
  y: number
  /** Of the link that was followed from here, and how far below the window's top it stood. */
  href: string | null
  top: number
}

const NOTE_MS = 120
/** The place is not there before its content is. */
const PATIENCE_MS = 5000
/** Rows that come into view take their true height; the place is held while they do. */
const STEADY_FRAMES = 5

function note(link: Element | null): void {
  const before = history.state as Place | null
  const place: Place = link ? { y: scrollY, href: link.getAttribute('href'), top: link.getBoundingClientRect().top } : { y: scrollY, href: before?.href ?? null, top: before?.top ?? 0 }
  try {
    history.replaceState(place, '')
  } catch {
    // A browser that has enough of it; only the place is lost.
  }
}

function back(main: HTMLElement, place: Place): () => void {
  const begun = performance.now()
  let frame = 0
  let steady = 0
  const stop = () => cancelAnimationFrame(frame)
  const step = () => {
    const link = place.href ? [...main.querySelectorAll('a')].find((a) => a.getAttribute('href') === place.href) : null
    if (link) {
      scrollBy(0, link.getBoundingClientRect().top - place.top)
      link.focus({ preventScroll: true })
    } else scrollTo(0, place.y)
    if (link || (!place.href && Math.abs(scrollY - place.y) < 2)) steady++
    if (steady < STEADY_FRAMES && performance.now() - begun < PATIENCE_MS) frame = requestAnimationFrame(step)
  }
  main.focus({ preventScroll: true })
  step()
  for (const type of ['wheel', 'keydown', 'pointerdown']) addEventListener(type, stop, { once: true, passive: true })
  return stop
}

/** `where`: what is looked at, without its filters. */
export function usePlace(where: string) {
  const main = useRef<HTMLElement>(null)
  const first = useRef(true)
  useEffect(() => {
    history.scrollRestoration = 'manual'
    let timer = 0
    const scrolled = () => {
      clearTimeout(timer)
      timer = window.setTimeout(() => note(null), NOTE_MS)
    }
    const followed = (e: Event) => {
      const link = (e.target as Element).closest?.('a')
      clearTimeout(timer)
      if (link) note(link)
    }
    // What comes after is another entry: nothing of this one may be noted there.
    const left = () => clearTimeout(timer)
    addEventListener('scroll', scrolled, { passive: true })
    addEventListener('popstate', left)
    document.addEventListener('click', followed, true)
    return () => {
      removeEventListener('scroll', scrolled)
      removeEventListener('popstate', left)
      document.removeEventListener('click', followed, true)
    }
  }, [])
  // Before the effects of what is shown: what a link names within it may scroll further.
  useLayoutEffect(() => {
    const place = history.state as Place | null
    const begins = first.current
    first.current = false
    if (!main.current) return undefined
    if (place) return back(main.current, begins ? { ...place, href: null } : place)
    if (!begins) {
      scrollTo(0, 0)
      main.current.focus({ preventScroll: true })
    }
    return undefined
  }, [where])
  return main
}

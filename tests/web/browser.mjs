// SPDX-License-Identifier: Apache-2.0
// Debian's Chromium for the tests of the review page, which are Python: one request and one answer per line of JSON.
//   {open: {…options of a context}}  → number of a page of its own profile
//   {page, code, args}               → what the body of an async function of (page, args, axe) returns
//   {page, faults: true}             → what went wrong in that page since the last time
//   {page, close: true}
import { createInterface } from 'node:readline'
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'

const require = createRequire(process.argv[2] + '/')
const { chromium } = require('playwright-core')
const axe = readFileSync(require.resolve('axe-core'), 'utf8')
const BODY = Object.getPrototypeOf(async () => undefined).constructor
const PATIENCE_MS = 30000
const QUIET = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']

process.stdout.on('error', () => process.exit(1))
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: QUIET })
const pages = new Map()
let last = 0

async function open({ origin, ...options }) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, reducedMotion: 'reduce', ...options })
  context.setDefaultTimeout(PATIENCE_MS)
  if (origin.startsWith('http')) await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin })
  const faults = []
  // The document says what its policy kept it from, also where the console stays silent.
  await context.exposeBinding('toldViolation', (_, what) => void faults.push(`policy: ${what}`))
  await context.addInitScript(() => document.addEventListener('securitypolicyviolation', (e) => window.toldViolation(`${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}:${e.lineNumber}`)))
  // How many answers are on their way: what waits for none of them need not wait for a time.
  await context.addInitScript(() => {
    const fetch = window.fetch
    window.pending = 0
    window.fetch = async (...what) => {
      window.pending++
      try {
        const response = await fetch(...what)
        await response.clone().arrayBuffer()
        return response
      } finally {
        window.pending--
      }
    }
  })
  const page = await context.newPage()
  page.on('console', (m) => ['error', 'warning'].includes(m.type()) && faults.push(`console ${m.type()}: ${m.text()} (${m.location().url})`))
  page.on('pageerror', (e) => faults.push(`error: ${e.stack ?? e}`))
  page.on('dialog', (d) => (faults.push(`dialog: ${d.message()}`), d.dismiss()))
  page.on('request', (r) => !r.url().startsWith(origin) && !/^(data|blob):/.test(r.url()) && faults.push(`request to another place: ${r.url()}`))
  pages.set(++last, { page, context, faults })
  return last
}

async function answer({ open: options, page: number, code, args, faults, close }) {
  if (options) return open(options)
  const held = pages.get(number)
  if (faults) return held.faults.splice(0)
  if (close) return void (pages.delete(number), await held.context.close())
  return new BODY('page', 'args', 'axe', code)(held.page, args, axe)
}

for await (const line of createInterface({ input: process.stdin })) {
  let said
  try {
    said = { value: (await answer(JSON.parse(line))) ?? null }
  } catch (e) {
    said = { error: String(e.stack ?? e) }
  }
  process.stdout.write(JSON.stringify(said) + '\n')
}
await browser.close()

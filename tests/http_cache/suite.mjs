// Puts one edge through http-cache-tests: node suite.mjs ORIGIN_PORT EDGE_URL BUCKET [ID…]; prints what came of each
// test as JSON. The store that the edge asks is the suite's own, at ORIGIN_PORT; what it is told to answer, and what it
// was asked, goes to it directly and not through the edge, which only lets be read. A test's address is a page's,
// /test/…/, which the edge asks for as /BUCKET/test/…/index.html; without BUCKET addresses stay as they are.
import http from 'node:http'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import fetch from 'node-fetch'
import { getResults, runTests } from 'http-cache-tests/client/runner.mjs'
import handleConfig from 'http-cache-tests/server/handle-config.mjs'
import handleState from 'http-cache-tests/server/handle-state.mjs'
import handleTest from 'http-cache-tests/server/handle-test.mjs'
import suites from 'http-cache-tests/tests/index.mjs'

const PATIENCE_MS = 20_000
const [port, edge, bucket, ...ids] = process.argv.slice(2)
const handlers = { config: handleConfig, state: handleState, test: handleTest }
console.log = () => {} // the suite tells of what it answers; only the results go to standard output

const origin = http.createServer((request, response) => {
  const path = decodeURI(request.url.split('?')[0]).replace(new RegExp(`^/${bucket || '(?!)'}(?=/)`), '')
  const [, kind, ...rest] = path.replace(/\/index\.html$/, '').split('/')
  if (handlers[kind]) return handlers[kind](rest, request, response)
  response.statusCode = path === '/robots.txt' ? 200 : 404
  response.end('nothing else is here\n')
})

const atOrigin = `http://127.0.0.1:${port}`
function ask (url, init) {
  const [, kind, rest] = url.match(/^\/(config|state|test)(\/.*)$/)
  if (kind !== 'test') return fetch(`${atOrigin}/${kind}${rest}`, init)
  const [path, query] = rest.split('?')
  const page = bucket && !path.includes('.') ? `${path}/` : path
  return fetch(`${edge}/test${page}${query === undefined ? '' : `?${query}`}`, { ...init, redirect: 'manual', compress: false })
}

async function ready () {
  for (const until = Date.now() + PATIENCE_MS; Date.now() < until; await sleep(100)) {
    const answer = await fetch(`${edge}/robots.txt`).catch(() => undefined)
    if (answer?.status === 200) return
  }
  throw new Error(`the edge ${edge} does not answer from its store`)
}

origin.listen(Number(port), '127.0.0.1')
await once(origin, 'listening')
await ready()
const chosen = suites.map(suite => ({
  ...suite, tests: suite.tests.filter(test => ids.length === 0 || ids.includes(test.id))
}))
await runTests(chosen, ask, false, '')
const found = getResults()
const results = JSON.stringify(chosen.flatMap(suite => suite.tests.filter(test => test.id in found).map(test => ({
  id: test.id,
  suite: suite.name,
  name: test.name,
  kind: test.kind ?? 'required',
  needs: test.depends_on ?? [],
  came: found[test.id] === true ? ['pass'] : found[test.id]
}))))
process.stdout.write(results + '\n', () => process.exit(0))

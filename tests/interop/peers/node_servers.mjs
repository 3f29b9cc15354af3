// Servers for Node that authenticate clients: node_servers.mjs mcp|mcp-bare|oidc-provider CLIENTS, and
// node_servers.mjs middleware CLIENTS FORMS, which is no server but the middleware by itself.
//
// CLIENTS is a JSON array of RFC 7591 metadata. `mcp` answers `POST /token` with "ok" once the client is authenticated;
// `mcp-bare` reads the body without authentication.

import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { createServer } from 'node:http'

const [which, ...files] = process.argv.slice(2)
const [records, forms] = files.map((file) => JSON.parse(readFileSync(file, 'utf8')))

function listen(handler) {
  const server = createServer(handler)
  server.keepAliveTimeout = 600_000
  server.listen(0, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${server.address().port}`))
}

async function authentication() {
  const { authenticateClient } = await import('@modelcontextprotocol/sdk/server/auth/middleware/clientAuth.js')
  const clients = new Map(records.map((record) => [record.client_id, record]))
  return authenticateClient({ clientsStore: { getClient: (id) => clients.get(id) } })
}

async function mcp(bare) {
  const { default: express } = await import('express')
  const app = express()
  const ok = (request, response) => response.type('text').send('ok')
  if (bare) {
    app.post('/token', (request, response) => request.on('end', () => ok(request, response)).resume())
  } else {
    app.post('/token', express.urlencoded({ extended: false }), await authentication(), ok)
  }
  listen(app)
}

async function oidcProvider() {
  const { default: Provider } = await import('oidc-provider')
  const provider = new Provider('http://127.0.0.1', {
    clients: records.map((record) => ({
      ...record,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
    })),
    features: { clientCredentials: { enabled: true }, devInteractions: { enabled: false } },
  })
  listen(provider.callback())
}

// For each line N on the standard input: authenticates N times 100 forms, and prints how many nanoseconds one took in the
// median. The parser is that of `express.urlencoded`, with its options; reading the body and the answer are left out.
async function middleware() {
  const { default: qs } = await import('qs')
  const authenticate = await authentication()
  const options = { allowPrototypes: true, arrayLimit: 100, depth: 0, parameterLimit: 1000, strictDepth: true }
  const response = {
    status() {
      throw new Error('refused')
    },
  }
  let authenticated = 0
  const next = () => (authenticated += 1)
  for await (const line of createInterface({ input: process.stdin })) {
    const times = []
    authenticated = 0
    for (let first = 0; first < 100 * Number(line); first += 100) {
      const start = process.hrtime.bigint()
      for (let n = first; n < first + 100; n += 1) {
        await authenticate({ body: qs.parse(forms[n % forms.length], options) }, response, next)
      }
      times.push(Number(process.hrtime.bigint() - start) / 100)
    }
    if (authenticated !== 100 * times.length) throw new Error(`only ${authenticated} were authenticated`)
    console.log(times.sort((a, b) => a - b)[Math.floor(times.length / 2)])
  }
}

const programs = { mcp: () => mcp(false), 'mcp-bare': () => mcp(true), 'oidc-provider': oidcProvider, middleware }
await programs[which]()

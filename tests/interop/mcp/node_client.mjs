// The MCP TypeScript clients: node_client.mjs client|sdk SERVER METHOD. Prints a line for each step it went through.
// METHOD is what to register for, or the URL of a document, for which nothing is registered. With $ONCE one call is
// all.

import { execFileSync } from 'node:child_process'

import * as oauth from 'oauth4webapi'

const [library, server, method] = process.argv.slice(2)
const { Client, StreamableHTTPClientTransport, UnauthorizedError } =
  library === 'client'
    ? await import('@modelcontextprotocol/client')
    : Object.assign(
        {},
        await import('@modelcontextprotocol/sdk/client/index.js'),
        await import('@modelcontextprotocol/sdk/client/streamableHttp.js'),
        await import('@modelcontextprotocol/sdk/client/auth.js'),
      )

const document = method.startsWith('https://') ? method : undefined
const NAME = 'TypeScript <"&\'>'
const REDIRECT = 'http://127.0.0.1:1/callback'

const step = (name) => console.log(`step: ${name}`)
const check = (condition, what) => {
  if (!condition) throw new Error(`not so: ${what}`)
}

// What an application stores for the client, and the person in front of it.
const application = {
  asked: 0,
  redirectUrl: REDIRECT,
  clientMetadata: {
    client_name: NAME,
    redirect_uris: [REDIRECT],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: document ? 'none' : method,
  },
  clientMetadataUrl: document,
  state: () => 'state & more',
  clientInformation: () => application.information,
  saveClientInformation: (information) => void (application.information = information),
  tokens: () => application.stored,
  saveTokens: (tokens) => void (application.stored = tokens),
  codeVerifier: () => application.verifier,
  saveCodeVerifier: (verifier) => void (application.verifier = verifier),
  // Asked for when a token endpoint says that they are of no use any more.
  invalidateCredentials: (scope) => {
    check(scope === 'tokens', `nothing but tokens is invalid: ${scope}`)
    application.stored = undefined
  },
  redirectToAuthorization: (url) => {
    application.asked += 1
    application.url = url
  },
}

// $PERSON is the program that stands for one, in Python.
function consent() {
  const { PYTHON, PERSON, ONCE } = process.env
  const said = execFileSync(PYTHON, [PERSON, application.url, ONCE ? '' : NAME], { encoding: 'utf8' })
  const back = new URL(said.trim())
  check(back.href.startsWith(REDIRECT), `a link back: ${back}`)
  check(back.searchParams.get('state') === 'state & more', `the state: ${back}`)
  return back.searchParams
}

const open = () => new StreamableHTTPClientTransport(new URL(`${server}/mcp`), { authProvider: application })

async function call() {
  const client = new Client({ name: 'interop', version: '1.0.0' })
  await client.connect(open())
  const result = await client.callTool({ name: 'whoami', arguments: {} })
  await client.close()
  const told = result.content[0].text
  check(process.env.ONCE || told === application.information.client_id, `the tool tells the client: ${told}`)
}

async function mustAuthorize() {
  try {
    await call()
  } catch (error) {
    check(error instanceof UnauthorizedError, `unauthorized: ${error.stack}`)
    return
  }
  check(false, 'the call is refused')
}

// Neither library has a revocation of its own.
async function revoke(token) {
  const { client_id, client_secret } = application.information
  const as = { issuer: server, revocation_endpoint: `${server}/revoke` }
  const authentication = {
    client_secret_basic: () => oauth.ClientSecretBasic(client_secret),
    client_secret_post: () => oauth.ClientSecretPost(client_secret),
    none: () => oauth.None(),
  }[document ? 'none' : method]()
  const insecure = { [oauth.allowInsecureRequests]: true }
  const response = await oauth.revocationRequest(as, { client_id }, authentication, token, insecure)
  await oauth.processRevocationResponse(response)
}

await mustAuthorize()
const { information } = application
if (document) {
  check(information.client_id === document, `known by the document, not as ${information.client_id}`)
  step('known by its document')
} else {
  check((information.token_endpoint_auth_method ?? 'client_secret_basic') === method, `registered for ${method}`)
  check(Boolean(information.client_secret) === (method !== 'none'), 'a secret is issued where one is needed')
  step('registered')
}
const parameters = consent()
await (library === 'client' ? open().finishAuth(parameters) : open().finishAuth(parameters.get('code')))
check(application.asked === 1, 'one authorization')
step('authorized')
if (process.env.ONCE) {
  await call()
  step('tool called')
  process.exit(0)
}
check(application.stored.refresh_token, 'a refresh token')
await call()
step('tool called')

// A 401 makes these clients refresh.
let before = application.stored
application.stored = { ...before, access_token: 'expired' }
await call()
check(application.stored.access_token !== before.access_token, 'another access token')
check(application.stored.refresh_token !== before.refresh_token, 'the refresh token rotates')
step('refreshed')
step('tool called')

before = application.stored
await revoke(before.access_token)
step('access token revoked')
await call()
check(application.stored.access_token !== before.access_token, 'another access token')
check(application.asked === 1, 'a refresh needs no consent')
step('refreshed or authorized')
step('tool called')

await revoke(application.stored.refresh_token)
step('refresh token revoked')
await mustAuthorize()
check(application.asked === 2, 'a person is asked')
step('asked to authorize again')

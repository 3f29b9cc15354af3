// Node clients. Reads jobs as JSON from standard input and answers one JSON line for each.

import { readFileSync } from 'node:fs'
import * as mcpClient from '@modelcontextprotocol/client'
import * as mcpSdk from '@modelcontextprotocol/sdk/client/auth.js'
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import { ClientCredentials } from 'simple-oauth2'

// Errors that only an authenticated client gets to see.
const BEHIND_AUTHENTICATION = ['unauthorized_client', 'unsupported_grant_type']

class Refused extends Error {}

// An answer that a library made an error of: a refusal, unless it comes from behind the layer.
function judge(status, code) {
  if (status === 401 || code === 'invalid_client') throw new Refused(`${status} ${code}`)
  if (!BEHIND_AUTHENTICATION.includes(code)) throw new Refused(`${status} ${code}`)
}

const ENDPOINTS = ['token', 'introspection', 'revocation']
const PATHS = { token: '/token', introspection: '/introspect', revocation: '/revoke' }

function metadata(server) {
  return { issuer: server, ...Object.fromEntries(ENDPOINTS.map((name) => [`${name}_endpoint`, server + PATHS[name]])) }
}

async function oauth4webapi({ server, method, client_id, client_secret }) {
  const as = metadata(server)
  const client = { client_id }
  const authentication = {
    client_secret_basic: () => oauth.ClientSecretBasic(client_secret),
    client_secret_post: () => oauth.ClientSecretPost(client_secret),
    none: () => oauth.None(),
  }[method]()
  const insecure = { [oauth.allowInsecureRequests]: true }
  try {
    const response = await oauth.clientCredentialsGrantRequest(as, client, authentication, {}, insecure)
    const { access_token } = await oauth.processClientCredentialsResponse(as, client, response)
    const told = await oauth.introspectionRequest(as, client, authentication, access_token, insecure)
    const { active } = await oauth.processIntrospectionResponse(as, client, told)
    if (!active) throw new Refused('the token is not active')
  } catch (error) {
    if (!(error instanceof oauth.ResponseBodyError || error instanceof oauth.WWWAuthenticateChallengeError)) throw error
    judge(error.status, error.error)
  }
  await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, authentication, 'none', insecure))
}

async function openidClient({ server, method, client_id, client_secret }) {
  const authentication = {
    client_secret_basic: () => openid.ClientSecretBasic(client_secret),
    client_secret_post: () => openid.ClientSecretPost(client_secret),
    none: () => openid.None(),
  }[method]()
  const config = new openid.Configuration(metadata(server), client_id, undefined, authentication)
  openid.allowInsecureRequests(config)
  try {
    const { access_token } = await openid.clientCredentialsGrant(config)
    const { active } = await openid.tokenIntrospection(config, access_token)
    if (!active) throw new Refused('the token is not active')
  } catch (error) {
    if (!(error instanceof openid.ResponseBodyError || error instanceof openid.WWWAuthenticateChallengeError)) throw error
    judge(error.status, error.error)
  }
  await openid.tokenRevocation(config, 'none')
}

// Both generations of the official client have the same functions.
const modelContextProtocol = (library) => async ({ front, method, client_id, client_secret }) => {
  const information = { client_id, token_endpoint_auth_method: method }
  if (client_secret !== null) information.client_secret = client_secret
  const provider = {
    redirectUrl: undefined,
    clientMetadata: { redirect_uris: [], token_endpoint_auth_method: method },
    clientInformation: () => information,
    prepareTokenRequest: () => new URLSearchParams({ grant_type: 'client_credentials' }),
  }
  const discovered = await library.discoverAuthorizationServerMetadata(front)
  try {
    await library.fetchToken(provider, front, { metadata: discovered })
  } catch (error) {
    const code = error.errorCode ?? error.code
    if (typeof code !== 'string' || !/^[a-z]+(_[a-z]+)+$/.test(code)) throw error
    judge(undefined, code)
  }
}

const simpleOauth2 = (options) => async ({ server, client_id, client_secret }) => {
  const client = new ClientCredentials({
    client: { id: client_id, secret: client_secret },
    auth: { tokenHost: server, tokenPath: '/token' },
    options,
  })
  try {
    await client.getToken({})
  } catch (error) {
    if (!error.isBoom) throw error
    judge(error.output.statusCode, error.data?.payload?.error)
  }
}

const CLIENTS = {
  oauth4webapi,
  'openid-client': openidClient,
  '@modelcontextprotocol/sdk': modelContextProtocol(mcpSdk),
  '@modelcontextprotocol/client': modelContextProtocol(mcpClient),
  'simple-oauth2': (job) =>
    simpleOauth2({ authorizationMethod: job.method === 'client_secret_post' ? 'body' : 'header' })(job),
  'simple-oauth2, loose': simpleOauth2({ authorizationMethod: 'header', credentialsEncodingMode: 'loose' }),
}

for (const job of JSON.parse(readFileSync(0, 'utf8'))) {
  let answer = { outcome: 'accepted', detail: '' }
  try {
    await CLIENTS[job.client](job)
  } catch (error) {
    // What a library cannot send is a result, too; the table has to know why.
    answer = error instanceof Refused
      ? { outcome: 'refused', detail: error.message }
      : { outcome: 'unable', detail: `${error.name}: ${error.message}` }
  }
  console.log(JSON.stringify({ id: job.id, ...answer, detail: answer.detail.slice(0, 300) }))
}

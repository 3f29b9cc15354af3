// Node clients that sign assertions. Reads jobs as JSON from standard input and answers one JSON line for each.

import { readFileSync } from 'node:fs'
import * as mcpClient from '@modelcontextprotocol/client'
import * as mcpSdk from '@modelcontextprotocol/sdk/client/auth.js'
import * as mcpExtensions from '@modelcontextprotocol/sdk/client/auth-extensions.js'
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'

class Refused extends Error {}

const IMPORT = {
  RS256: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
  PS256: { name: 'RSA-PSS', hash: 'SHA-256' },
  ES256: { name: 'ECDSA', namedCurve: 'P-256' },
  ES384: { name: 'ECDSA', namedCurve: 'P-384' },
  ES512: { name: 'ECDSA', namedCurve: 'P-521' },
  EdDSA: { name: 'Ed25519' },
}

async function authentication(library, job, options) {
  if (job.method === 'client_secret_jwt') return library.ClientSecretJwt(job.secret)
  // The clients choose `alg` by the key that they are given.
  const key = await crypto.subtle.importKey('jwk', job.jwk, IMPORT[job.alg], false, ['sign'])
  return library.PrivateKeyJwt({ key, kid: job.jwk.kid }, options)
}

// As draft-ietf-oauth-rfc7523bis asks.
const typed = (library) => ({
  [library.modifyAssertion]: (header) => {
    header.typ = 'client-authentication+jwt'
  },
})

const oauth4webapi = (options) => async (job) => {
  const insecure = { [oauth.allowInsecureRequests]: true }
  const client = { client_id: job.client_id }
  const authenticate = await authentication(oauth, job, options)
  const as = job.metadata
  try {
    const response = await oauth.clientCredentialsGrantRequest(as, client, authenticate, {}, insecure)
    const { access_token } = await oauth.processClientCredentialsResponse(as, client, response)
    const told = await oauth.introspectionRequest(as, client, authenticate, access_token, insecure)
    const { active } = await oauth.processIntrospectionResponse(as, client, told)
    if (!active) throw new Error('the token is not active')
    await oauth.processRevocationResponse(
      await oauth.revocationRequest(as, client, authenticate, access_token, insecure),
    )
  } catch (error) {
    if (error instanceof oauth.ResponseBodyError || error instanceof oauth.WWWAuthenticateChallengeError)
      throw new Refused(`${error.status} ${error.error}`)
    throw error
  }
}

const openidClient = (options) => async (job) => {
  const authenticate = await authentication(openid, job, options)
  const config = new openid.Configuration(job.metadata, job.client_id, undefined, authenticate)
  openid.allowInsecureRequests(config)
  try {
    const { access_token } = await openid.clientCredentialsGrant(config)
    const { active } = await openid.tokenIntrospection(config, access_token)
    if (!active) throw new Error('the token is not active')
    await openid.tokenRevocation(config, access_token)
  } catch (error) {
    if (error instanceof openid.ResponseBodyError || error instanceof openid.WWWAuthenticateChallengeError)
      throw new Refused(`${error.status} ${error.error}`)
    throw error
  }
}

const modelContextProtocol = (library, extensions) => async (job) => {
  const provider = new extensions.PrivateKeyJwtProvider({
    clientId: job.client_id,
    privateKey: job.jwk,
    algorithm: job.alg,
    expectedIssuer: job.issuer,
  })
  const metadata = await library.discoverAuthorizationServerMetadata(job.issuer)
  try {
    await library.fetchToken(provider, job.issuer, { metadata })
  } catch (error) {
    const code = error.errorCode ?? error.code
    if (typeof code !== 'string' || !/^[a-z]+(_[a-z]+)+$/.test(code)) throw error
    throw new Refused(code)
  }
}

const CLIENTS = {
  oauth4webapi: oauth4webapi(),
  'oauth4webapi, typed': oauth4webapi(typed(oauth)),
  'openid-client': openidClient(),
  'openid-client, typed': openidClient(typed(openid)),
  '@modelcontextprotocol/sdk': modelContextProtocol(mcpSdk, mcpExtensions),
  '@modelcontextprotocol/client': modelContextProtocol(mcpClient, mcpClient),
}

for (const job of JSON.parse(readFileSync(0, 'utf8'))) {
  let answer = { outcome: 'accepted', detail: '' }
  try {
    await CLIENTS[job.client](job)
  } catch (error) {
    answer = error instanceof Refused
      ? { outcome: 'refused', detail: error.message }
      : { outcome: 'unable', detail: `${error.name}: ${error.message}` }
  }
  console.log(JSON.stringify({ id: job.id, ...answer, detail: answer.detail.slice(0, 300) }))
}

// What the Node drivers share: they read jobs as JSON from standard input and answer one JSON line for each, and the
// same libraries go through the same requests, whatever they authenticate with.

import { readFileSync } from 'node:fs'
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'

// Errors that only an authenticated client gets to see.
const BEHIND_AUTHENTICATION = ['unauthorized_client', 'unsupported_grant_type']

class Refused extends Error {}

// An answer that a library made an error of: a refusal, unless it comes from behind the layer.
export function classify(status, code) {
  if (status === 401 || code === 'invalid_client') throw new Refused(`${status} ${code}`)
  if (!BEHIND_AUTHENTICATION.includes(code)) throw new Refused(`${status} ${code}`)
}

export async function oauth4webapi(as, client_id, authentication) {
  const client = { client_id }
  const insecure = { [oauth.allowInsecureRequests]: true }
  try {
    const response = await oauth.clientCredentialsGrantRequest(as, client, authentication, {}, insecure)
    const { access_token } = await oauth.processClientCredentialsResponse(as, client, response)
    const told = await oauth.introspectionRequest(as, client, authentication, access_token, insecure)
    const { active } = await oauth.processIntrospectionResponse(as, client, told)
    if (!active) throw new Refused('the token is not active')
  } catch (error) {
    if (!(error instanceof oauth.ResponseBodyError || error instanceof oauth.WWWAuthenticateChallengeError)) throw error
    classify(error.status, error.error)
  }
  await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, authentication, 'none', insecure))
}

export async function openidClient(as, client_id, authentication) {
  const config = new openid.Configuration(as, client_id, undefined, authentication)
  openid.allowInsecureRequests(config)
  try {
    const { access_token } = await openid.clientCredentialsGrant(config)
    const { active } = await openid.tokenIntrospection(config, access_token)
    if (!active) throw new Refused('the token is not active')
  } catch (error) {
    if (!(error instanceof openid.ResponseBodyError || error instanceof openid.WWWAuthenticateChallengeError)) throw error
    classify(error.status, error.error)
  }
  await openid.tokenRevocation(config, 'none')
}

// Both generations of the official client have the same functions.
export async function modelContextProtocol(library, provider, issuer) {
  const metadata = await library.discoverAuthorizationServerMetadata(issuer)
  try {
    await library.fetchToken(provider, issuer, { metadata })
  } catch (error) {
    const code = error.errorCode ?? error.code
    if (typeof code !== 'string' || !/^[a-z]+(_[a-z]+)+$/.test(code)) throw error
    classify(undefined, code)
  }
}

export async function drive(clients) {
  for (const job of JSON.parse(readFileSync(0, 'utf8'))) {
    let answer = { outcome: 'accepted', detail: '' }
    try {
      await clients[job.client](job)
    } catch (error) {
      // What a library cannot send is a result, too; the table has to know why.
      answer = error instanceof Refused
        ? { outcome: 'refused', detail: error.message }
        : { outcome: 'unable', detail: `${error.name}: ${error.message}` }
    }
    console.log(JSON.stringify({ id: job.id, ...answer, detail: answer.detail.slice(0, 300) }))
  }
}

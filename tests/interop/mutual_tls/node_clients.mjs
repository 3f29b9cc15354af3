// Node clients with certificates. Their `fetch` is undici's, which takes the key and the certificate; what the server
// answered is told, and the libraries get a token in its place, for `hyper_echo` issues none.

import { readFileSync } from 'node:fs'
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import { Agent, fetch } from 'undici'

const recording = ({ ca, cert, key }, told) => {
  const read = (file) => (file ? readFileSync(file) : undefined)
  const dispatcher = new Agent({ connect: { ca: read(ca), cert: read(cert), key: read(key) } })
  return async (url, options) => {
    const answer = await fetch(url, { ...options, dispatcher })
    const body = await answer.text()
    Object.assign(told, { status: answer.status, headers: Object.fromEntries(answer.headers), body })
    return answer.ok ? Response.json({ access_token: 'token', token_type: 'bearer' }) : new Response(body, answer)
  }
}

const clients = {
  async oauth4webapi(as, client_id, transport) {
    const client = { client_id, use_mtls_endpoint_aliases: true }
    const options = { [oauth.customFetch]: transport }
    const response = await oauth.clientCredentialsGrantRequest(as, client, oauth.TlsClientAuth(), { a: 'b' }, options)
    return oauth.processClientCredentialsResponse(as, client, response)
  },
  async 'openid-client'(as, client_id, transport) {
    const config = new openid.Configuration(as, client_id, { use_mtls_endpoint_aliases: true }, openid.TlsClientAuth())
    config[openid.customFetch] = transport
    return openid.clientCredentialsGrant(config, { a: 'b' })
  },
}

for (const { client, server, client_id, ...files } of JSON.parse(readFileSync(0, 'utf8'))) {
  const told = {}
  // RFC 8705 §5: clients of these methods prefer the alias of an endpoint.
  const as = {
    issuer: server,
    token_endpoint: 'https://localhost:1/never',
    mtls_endpoint_aliases: { token_endpoint: `${server}/token` },
  }
  try {
    await clients[client](as, client_id, recording(files, told))
    told.error = null
  } catch (error) {
    // A challenge is an error of its own.
    const challenged = [oauth, openid].some(({ WWWAuthenticateChallengeError }) => error instanceof WWWAuthenticateChallengeError)
    told.error = challenged ? error.status : error.message
  }
  console.log(JSON.stringify(told))
}

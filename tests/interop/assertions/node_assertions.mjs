// Node clients that sign assertions.

import * as mcpClient from '@modelcontextprotocol/client'
import * as mcpSdk from '@modelcontextprotocol/sdk/client/auth.js'
import * as mcpExtensions from '@modelcontextprotocol/sdk/client/auth-extensions.js'
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import { drive, modelContextProtocol, oauth4webapi, openidClient } from './driver.mjs'

const IMPORT = {
  RS256: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
  PS256: { name: 'RSA-PSS', hash: 'SHA-256' },
  ES256: { name: 'ECDSA', namedCurve: 'P-256' },
  ES384: { name: 'ECDSA', namedCurve: 'P-384' },
  ES512: { name: 'ECDSA', namedCurve: 'P-521' },
  EdDSA: { name: 'Ed25519' },
}

// As RFC 10070 asks.
const typed = (library) => ({
  [library.modifyAssertion]: (header) => {
    header.typ = 'client-authentication+jwt'
  },
})

const signing = (go, library, options) => async (job) => {
  if (job.method === 'client_secret_jwt') return go(job.metadata, job.client_id, library.ClientSecretJwt(job.secret))
  // The clients choose `alg` by the key that they are given.
  const key = await crypto.subtle.importKey('jwk', job.jwk, IMPORT[job.alg], false, ['sign'])
  return go(job.metadata, job.client_id, library.PrivateKeyJwt({ key, kid: job.jwk.kid }, options))
}

const official = (library, extensions) => (job) => {
  const provider = new extensions.PrivateKeyJwtProvider({
    clientId: job.client_id,
    privateKey: job.jwk,
    algorithm: job.alg,
    expectedIssuer: job.issuer,
  })
  return modelContextProtocol(library, provider, job.issuer)
}

await drive({
  oauth4webapi: signing(oauth4webapi, oauth),
  'oauth4webapi, typed': signing(oauth4webapi, oauth, typed(oauth)),
  'openid-client': signing(openidClient, openid),
  'openid-client, typed': signing(openidClient, openid, typed(openid)),
  '@modelcontextprotocol/sdk': official(mcpSdk, mcpExtensions),
  '@modelcontextprotocol/client': official(mcpClient, mcpClient),
})

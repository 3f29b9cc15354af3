// Node clients with secrets and without.

import * as mcpClient from '@modelcontextprotocol/client'
import * as mcpSdk from '@modelcontextprotocol/sdk/client/auth.js'
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import { ClientCredentials } from 'simple-oauth2'
import { drive, classify, modelContextProtocol, oauth4webapi, openidClient } from './driver.mjs'

const ENDPOINTS = { token: '/token', introspection: '/introspect', revocation: '/revoke' }

const sending = (go, library) => ({ server, method, client_id, client_secret }) => {
  const endpoints = Object.entries(ENDPOINTS).map(([name, path]) => [`${name}_endpoint`, server + path])
  const authentication = {
    client_secret_basic: () => library.ClientSecretBasic(client_secret),
    client_secret_post: () => library.ClientSecretPost(client_secret),
    none: () => library.None(),
  }[method]()
  return go({ issuer: server, ...Object.fromEntries(endpoints) }, client_id, authentication)
}

const official = (library) => ({ front, method, client_id, client_secret }) => {
  const information = { client_id, token_endpoint_auth_method: method }
  if (client_secret !== null) information.client_secret = client_secret
  const provider = {
    redirectUrl: undefined,
    clientMetadata: { redirect_uris: [], token_endpoint_auth_method: method },
    clientInformation: () => information,
    prepareTokenRequest: () => new URLSearchParams({ grant_type: 'client_credentials' }),
  }
  return modelContextProtocol(library, provider, front)
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
    classify(error.output.statusCode, error.data?.payload?.error)
  }
}

await drive({
  oauth4webapi: sending(oauth4webapi, oauth),
  'openid-client': sending(openidClient, openid),
  '@modelcontextprotocol/sdk': official(mcpSdk),
  '@modelcontextprotocol/client': official(mcpClient),
  'simple-oauth2': (job) =>
    simpleOauth2({ authorizationMethod: job.method === 'client_secret_post' ? 'body' : 'header' })(job),
  'simple-oauth2, loose': simpleOauth2({ authorizationMethod: 'header', credentialsEncodingMode: 'loose' }),
})

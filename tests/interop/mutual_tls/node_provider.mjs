// node-oidc-provider with client certificates: node_provider.mjs CLIENTS CHAIN KEY CLIENT_CA.
//
// It leaves to the application how a certificate is found and how its subject is compared; here that is what Node has.

import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import Provider from 'oidc-provider'

const [clients, cert, key, ca] = process.argv.slice(2).map((file) => readFileSync(file, 'utf8'))

const certificate = ({ socket }) => {
  const { raw } = socket.getPeerCertificate()
  return raw && new X509Certificate(raw)
}
const names = ({ subjectAltName = '' }, kind) =>
  subjectAltName.split(', ').filter((name) => name.startsWith(`${kind}:`)).map((name) => name.slice(kind.length + 1))
const matches = {
  tls_client_auth_subject_dn: (presented) => [presented.subject.split('\n').reverse().join(',')],
  tls_client_auth_san_dns: (presented) => names(presented, 'DNS'),
  tls_client_auth_san_uri: (presented) => names(presented, 'URI'),
  tls_client_auth_san_ip: (presented) => names(presented, 'IP Address'),
  tls_client_auth_san_email: (presented) => names(presented, 'email'),
}

const provider = new Provider('https://localhost', {
  clients: JSON.parse(clients).map((record) => ({
    token_endpoint_auth_method: 'client_secret_basic',
    ...record,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
  })),
  clientAuthMethods: [
    'client_secret_basic', 'client_secret_post', 'none', 'private_key_jwt', 'self_signed_tls_client_auth', 'tls_client_auth',
  ],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    mTLS: {
      enabled: true,
      certificateBoundAccessTokens: true,
      selfSignedTlsClientAuth: true,
      tlsClientAuth: true,
      getCertificate: (context) => certificate(context)?.toString(),
      certificateAuthorized: ({ socket }) => socket.authorized,
      certificateSubjectMatches: (context, property, expected) => matches[property](certificate(context)).includes(expected),
    },
  },
})

const server = createServer({ cert, key, ca, requestCert: true, rejectUnauthorized: false }, provider.callback())
server.listen(0, '127.0.0.1', () => console.log(`listening on https://127.0.0.1:${server.address().port}`))

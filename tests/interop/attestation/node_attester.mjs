// node-oidc-provider with attestations: node_attester.mjs CLIENTS ATTESTERS ISSUER. It asks for a challenge in each proof,
// and leaves to the application which key an attester has; here it is the one of the client's `attester` with the `kid`.

import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createPublicKey } from 'node:crypto'
import Provider from 'oidc-provider'

const [clients, attesters] = process.argv.slice(2, 4).map((file) => JSON.parse(readFileSync(file, 'utf8')))
const names = Object.fromEntries(clients.map(({ client_id, attester }) => [client_id, attester]))

const provider = new Provider(process.argv[4], {
  clients: clients.map(({ attester, ...record }) => ({
    ...record,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
  })),
  clientAuthMethods: ['attest_jwt_client_auth', 'client_secret_basic', 'client_secret_post', 'none'],
  enabledJWA: { attestSigningAlgValues: ['ES256', 'EdDSA', 'Ed25519', 'RS256'] },
  features: {
    attestClientAuth: {
      enabled: true,
      ack: 'draft-12',
      challengeSecret: Buffer.alloc(32, 7),
      getAttestationSignaturePublicKey: (context, { kid }, payload, client) => {
        const { keys } = attesters[names[client.clientId]]
        const key = keys.find((one) => one.kid === kid)
        if (!key) throw new Error('no such key')
        return createPublicKey({ key, format: 'jwk' })
      },
    },
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    dPoP: { enabled: false },
  },
})

const server = createServer(provider.callback())
server.listen(0, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${server.address().port}`))

// JWT-SVIDs in the shape of SPIRE's, made by jose. Reads the claims of each as a line of JSON, and answers with the bundle
// of the trust domain, and then with a token for each line.

import { createInterface } from 'node:readline'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'

const { publicKey, privateKey } = await generateKeyPair('ES256')
const key = { ...(await exportJWK(publicKey)), kid: 'pSZ8pQx1', use: 'jwt-svid' }
// SPIRE has the authorities of X.509-SVIDs in the same bundle.
const authority = { ...(await exportJWK((await generateKeyPair('ES256')).publicKey)), use: 'x509-svid' }
console.log(JSON.stringify({ keys: [authority, key], spiffe_sequence: 1, spiffe_refresh_hint: 300 }))

for await (const line of createInterface({ input: process.stdin })) {
  const jwt = new SignJWT(JSON.parse(line)).setProtectedHeader({ alg: 'ES256', kid: key.kid, typ: 'JWT' })
  console.log(await jwt.sign(privateKey))
}

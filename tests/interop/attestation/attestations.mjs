// Attestations with certificates in their headers, and proofs, by jose: attestations.mjs CASES. Each case has the `alg`, the
// file of the private `key`, the `x5c` and the `issuer`. Prints an array of both tokens.

import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { exportJWK, generateKeyPair, importPKCS8, SignJWT } from 'jose'

const cases = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const made = cases.map(async ({ alg, key, x5c, issuer }) => {
  const instance = await generateKeyPair('ES256')
  const attestation = new SignJWT({ cnf: { jwk: await exportJWK(instance.publicKey) } })
    .setProtectedHeader({ typ: 'oauth-client-attestation+jwt', alg, ...(x5c.length ? { x5c } : {}) })
    .setSubject('wallet')
    .setIssuedAt()
    .setExpirationTime('1h')
  const proof = new SignJWT({ jti: randomUUID() })
    .setProtectedHeader({ typ: 'oauth-client-attestation-pop+jwt', alg: 'ES256' })
    .setAudience(issuer)
    .setIssuedAt()
  return {
    attestation: await attestation.sign(await importPKCS8(readFileSync(key, 'utf8'), alg)),
    proof: await proof.sign(instance.privateKey),
  }
})
console.log(JSON.stringify(await Promise.all(made)))

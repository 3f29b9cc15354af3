// The MCP TypeScript clients without a person: node_machine.mjs client|sdk SERVER METHOD CLIENT_ID SECRET_OR_KEY.
// With the method `static` the last is an assertion that is signed already.

const [library, server, method, clientId, secret] = process.argv.slice(2)
const whole = '@modelcontextprotocol/client'
const of = (path) => import(library === 'client' ? whole : `@modelcontextprotocol/sdk/client/${path}.js`)
const { Client } = await of('index')
const { StreamableHTTPClientTransport } = await of('streamableHttp')
const { ClientCredentialsProvider, PrivateKeyJwtProvider, StaticPrivateKeyJwtProvider } = await of('auth-extensions')

const common = { clientId, expectedIssuer: server }
const authProvider = {
  client_secret_basic: () => new ClientCredentialsProvider({ ...common, clientSecret: secret }),
  private_key_jwt: () => new PrivateKeyJwtProvider({ ...common, privateKey: secret, algorithm: 'ES256' }),
  static: () => new StaticPrivateKeyJwtProvider({ ...common, jwtBearerAssertion: secret }),
}[method]()

const client = new Client({ name: 'interop', version: '1.0.0' })
await client.connect(new StreamableHTTPClientTransport(new URL(`${server}/mcp`), { authProvider }))
const result = await client.callTool({ name: 'whoami', arguments: {} })
console.log(result.content[0].text)
await client.close()

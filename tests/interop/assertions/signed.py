"""Tries every client that signs assertions, with every algorithm, and writes the table of what they send and need."""

import contextlib
import dataclasses
import os
import pathlib
import secrets
import sys
import urllib.parse

from issuer import claims, forward, header, is_invalid_client, issuing
from joserfc import jwk
from published import publishing
from trials import Tally, Trial, release

SERVERS = {"strict": ["--strict-assertions"], "default": [], "legacy": ["--legacy-assertions"]}
STRICT, DEFAULT, LEGACY = ("strict", "default", "legacy"), ("default", "legacy"), ("legacy",)

PRIVATE, SECRET = "private_key_jwt", "client_secret_jwt"
KEYS = {
    "RS256": ("RSA", 2048),
    "PS256": ("RSA", 2048),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}
# Bytes, as many as the hash has.
SECRETS = {"HS256": 32, "HS384": 48, "HS512": 64}
KID, OTHER_KID = "current", "next"
PUBLISHED = "ES256"


@dataclasses.dataclass(frozen=True)
class Client:
    """A row. `works` are the servers that must accept it; the others must refuse it. With `kid` it names its key."""

    name: str
    driver: str
    method: str
    algorithms: tuple[str, ...]
    works: tuple[str, ...] = DEFAULT
    kid: bool = False
    how: str = ""

    @property
    def package(self):
        return self.name.split(",")[0]


ALL, HMAC = tuple(KEYS), tuple(SECRETS)
TYPED = "typed[^typed]"
CONFIGURED = "configured[^authlib]"
CLIENTS = [
    Client("oauth4webapi", "node", PRIVATE, ALL, kid=True),
    Client("oauth4webapi", "node", SECRET, ("HS256",)),
    Client("oauth4webapi, typed", "node", PRIVATE, ALL, STRICT, kid=True, how=TYPED),
    Client("openid-client", "node", PRIVATE, ALL, kid=True),
    Client("openid-client", "node", SECRET, ("HS256",)),
    Client("openid-client, typed", "node", PRIVATE, ALL, STRICT, kid=True, how=TYPED),
    Client("@modelcontextprotocol/sdk", "node", PRIVATE, ALL),
    Client("@modelcontextprotocol/client", "node", PRIVATE, ALL),
    Client("mcp", "python", PRIVATE, ALL),
    Client("Authlib", "python", PRIVATE, ALL, LEGACY),
    Client("Authlib", "python", SECRET, HMAC, LEGACY),
    Client("Authlib, configured", "python", PRIVATE, ALL, STRICT, kid=True, how=CONFIGURED),
    Client("Authlib, configured", "python", SECRET, HMAC, STRICT, how=CONFIGURED),
    Client("huskarl", "rust", PRIVATE, ("RS256", "PS256", "ES256", "ES384", "EdDSA"), STRICT, kid=True),
    Client("huskarl", "rust", SECRET, HMAC, STRICT),
    Client("rmcp", "rust", PRIVATE, ("RS256", "ES256", "ES384"), STRICT),
]


@dataclasses.dataclass(frozen=True)
class Registration:
    """A client with one right key and one wrong one, which are registered, or published at `uri`."""

    client: Client
    alg: str
    client_id: str
    right: dict
    wrong: dict
    uri: str | None = None

    def jwks(self):
        # A client that names its key has the wrong one, too, by another name.
        others = [self.wrong["public"] | {"kid": OTHER_KID}] if self.client.kid else []
        return {"keys": [*others, self.right["public"] | {"kid": KID}]}

    def metadata(self):
        record = {
            "client_id": self.client_id,
            "token_endpoint_auth_method": self.client.method,
            "token_endpoint_auth_signing_alg": self.alg,
        }
        if self.client.method == SECRET:
            return record | {"client_secret": self.right["secret"], "client_secret_expires_at": 0}
        return record | ({"jwks_uri": self.uri} if self.uri else {"jwks": self.jwks()})


def credential(alg):
    if alg in SECRETS:
        # As long as the hash, and longer as text.
        secret = secrets.token_urlsafe(SECRETS[alg])
        return {"secret": secret, "jwk": jwk.OctKey.import_key(secret).as_dict(private=True)}
    key = jwk.generate_key(*KEYS[alg])
    return {
        "jwk": key.as_dict(private=True) | {"kid": KID},
        "public": key.as_dict(private=False),
        "pem": key.as_pem(private=True).decode(),
    }


def registrations(publisher):
    pairs = {alg: (credential(alg), credential(alg)) for alg in ALL + HMAC}
    for row, client in enumerate(CLIENTS):
        for alg in client.algorithms:
            yield Registration(client, alg, f"client-{row}-{alg}", *pairs[alg])
        if publisher and client.method == PRIVATE:
            published = Registration(
                client, PUBLISHED, f"client-{row}-published", *pairs[PUBLISHED], f"{publisher.url}/client-{row}"
            )
            publisher.documents[f"/client-{row}"] = published.jwks()
            yield published


def tried(trial, server, registered):
    """For every registration and right or wrong key: what the client says, and what went over the wire."""
    for driver in trial.drivers:
        for right in (True, False):
            # A client that is refused anyway says nothing about keys.
            chosen = [
                registration
                for registration in registered
                if registration.client.driver == driver and (right or server.name in registration.client.works)
            ]
            jobs = [
                {
                    "client": registration.client.name,
                    "method": registration.client.method,
                    "alg": registration.alg,
                    "client_id": registration.client_id,
                    "issuer": server.url,
                    "metadata": server.metadata,
                    **(registration.right if right else registration.wrong),
                }
                for registration in chosen
            ]
            server.seen.clear()
            answers = trial.ask(driver, jobs)
            for registration, answer in zip(chosen, answers):
                wire = [seen for seen in server.seen if claims(seen)["sub"] == registration.client_id]
                yield registration, right, answer, wire


def evaluate(server, elsewhere, registration, right, answer, wire, tally):
    """Checks what happened, and gives what the page says of it."""
    client = registration.client
    label = f"{client.name} {client.method} {registration.client_id} ({server.name})"
    if not wire:
        tally.expect(False, f"{label}: nothing was sent: {answer}")
        return None
    first = wire[0]
    if not right or server.name not in client.works:
        why = "works with these settings" if right else "works with a wrong key"
        tally.expect(is_invalid_client(*first[3:]), f"{label}: {why}: {first[3:]}")
        tally.expect(answer[0] == "refused", f"{label}: {why}: {answer}")
        return None
    tally.expect(answer[0] == "accepted", f"{label}: does not work: {answer}")
    tally.expect(all(seen[3] == 200 for seen in wire), f"{label}: {[seen[3:] for seen in wire]}")
    for path, headers, body, *_ in wire:
        again = forward(server.behind, path, headers, body)[:2]
        tally.expect(is_invalid_client(*again), f"{label}: a replay at {path} is not invalid_client: {again}")
    # Another authorization server, which knows the client and would accept what the client made for it.
    for other in elsewhere:
        if other.name in client.works:
            for path, headers, body, *_ in wire:
                there = forward(other.behind, path, headers, body)[:2]
                tally.expect(is_invalid_client(*there), f"{label}: is good for {other.name}, too: {there}")
    names = {server.url: "issuer", server.url + first[0]: "endpoint"}
    said, head = claims(first), header(first)
    named = head.get("kid") == KID
    tally.expect(named == client.kid, f"{label}: the kid is {head.get('kid')!r}")
    return (
        client,
        f"`{head['alg']}`",
        names.get(said["aud"] if isinstance(said["aud"], str) else None, "other"),
        f"`{head['typ']}`" if "typ" in head else "",
        "✓" if named else "",
        f"{round((said['exp'] - said['iat']) / 60)} min",
    )


def judge_fetches(publisher, registered, tally):
    """No server may have fetched a published set more than once, for all the requests that needed it."""
    for registration in registered:
        if registration.uri:
            fetches = publisher.fetches.count(urllib.parse.urlsplit(registration.uri).path)
            possible = range(len(registration.client.works), len(SERVERS) + 1)
            label = f"{registration.client.name}: the published keys were fetched {fetches} times by {len(SERVERS)} servers"
            tally.expect(fetches in possible, label)


INTRO = """Which OAuth clients can authenticate with assertions, and what they put into them.

Each of these authenticated over a real connection at the example `token_server`, with every
algorithm in its row. Those with `private_key_jwt` did it also with their keys published at a
`jwks_uri`, which no server fetched twice. Refused as `invalid_client` were the same bytes sent
again, the same bytes sent to another authorization server that knows the client, and an assertion
signed with another key. `tests/interop/assertions/run` writes this page, and CI fails where a run
would write another one.

- *Issuer* and *endpoint* are what the client sends as `aud`: the issuer, as
  draft-ietf-oauth-rfc7523bis asks, or the URL that it sends the assertion to. A client that sends an
  endpoint, or a lifetime above 5 minutes, is refused by the defaults.
- *Strict settings* are [`explicit_typ`](crate::assertion::Assertions::explicit_typ)
  (draft-ietf-oauth-rfc7523bis) and [`string_audience`](crate::assertion::Assertions::string_audience) (FAPI 2.0
  Security Profile §5.3.2.1). Clients that work with these work with the defaults, too; all others
  were refused by them, for their `typ`. Every client sends `aud` as a string.
- A client with ✓ names its key by `kid`. It had a second key of the same kind, and nothing but the
  `kid` told which one was meant. All others must have one key for an algorithm, and no more.

| Client | Method | Algorithms | `aud` | `typ` | `kid` | Lifetime | Works with |
|---|---|---|---|---|---|---|---|
"""

WORKS = {
    STRICT: "strict settings",
    DEFAULT: "the defaults",
    LEGACY: "[`legacy_audiences`](crate::assertion::Assertions::legacy_audiences) with the URL of every endpoint, and a "
    "[`longest_lifetime`](crate::assertion::Assertions::longest_lifetime) of an hour",
}

NOTES = """
[^typed]: `PrivateKeyJwt(key, { [modifyAssertion]: (header) => { header.typ =
    'client-authentication+jwt' } })`.

[^authlib]: `PrivateKeyJWT(token_endpoint=issuer, claims={"exp": …}, headers={"typ":
    "client-authentication+jwt", "kid": …})`, and the same for `ClientSecretJWT`. Authlib writes the
    `jti` of the first assertion into these claims and sends it again with the next, which is refused
    as a replay: register the method anew for each request.

`EdDSA` and `Ed25519` (RFC 9864) are two names of one algorithm here.
"""


def page(facts):
    lines = []
    for client in CLIENTS:
        name = f"{client.package} {release(client.driver, client.package)}" + (f", {client.how}" if client.how else "")
        columns = zip(*(fact[1:] for fact in facts if fact[0] is client))
        said = [", ".join(dict.fromkeys(column)) for column in columns]
        lines.append(f"| {name} | `{client.method}` | {' | '.join(said)} | {WORKS[client.works]} |")
    return INTRO + "\n".join(lines) + "\n" + NOTES


def main():
    more = [("--publish-at", "an address of this machine that counts as public; without, no keys are published")]
    driver = pathlib.Path(__file__).with_name("python_assertions.py")
    trial = Trial(__doc__, "src/docs/assertion_clients.md", driver, more)
    tally, facts = Tally(), []
    with contextlib.ExitStack() as stack:
        publisher = None
        if trial.arguments.publish_at:
            publisher = stack.enter_context(publishing(trial.arguments.publish_at, trial.scratch))
            os.environ["SSL_CERT_FILE"] = publisher.trusted
        registered = list(registrations(publisher))
        command = trial.token_server([registration.metadata() for registration in registered])
        servers = [
            stack.enter_context(issuing(name, [*command, *flags], trial.scratch / f"{name}.log"))
            for name, flags in SERVERS.items()
        ]
        for server in servers:
            elsewhere = [other for other in servers if other is not server]
            for registration, right, answer, wire in tried(trial, server, registered):
                if trial.arguments.verbose:
                    print(server.name, registration.client.name, registration.client_id, right, *answer)
                fact = evaluate(server, elsewhere, registration, right, answer, wire, tally)
                # Every client works with this one.
                if server.name == "legacy" and fact and not registration.uri:
                    facts.append(fact)
        if publisher:
            judge_fetches(publisher, registered, tally)
    return trial.settle("assertions", page(facts), tally)


if __name__ == "__main__":
    sys.exit(main())

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
# FAPI 2.0 Security Profile §5.3.2.1: a client whose clock is 10 seconds ahead must be accepted. One that is behind makes
# assertions that end sooner.
OFFSETS = (0, -10, 10)
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
    """A client with one right key, an old one and a wrong one, which are registered, or published at `uri`."""

    client: Client
    alg: str
    client_id: str
    right: dict
    old: dict
    wrong: dict
    uri: str | None = None

    def jwks(self):
        # A client that names its key has the wrong one, too, by another name. The others are about to change theirs.
        other = self.wrong if self.client.kid else self.old
        return {"keys": [other["public"] | {"kid": OTHER_KID}, self.right["public"] | {"kid": KID}]}

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
    credentials = {alg: [credential(alg) for _ in range(3)] for alg in ALL + HMAC}
    for row, client in enumerate(CLIENTS):
        for alg in client.algorithms:
            yield Registration(client, alg, f"client-{row}-{alg}", *credentials[alg])
        if publisher and client.method == PRIVATE:
            published = Registration(
                client, PUBLISHED, f"client-{row}-published", *credentials[PUBLISHED], f"{publisher.url}/client-{row}"
            )
            publisher.documents[f"/client-{row}"] = published.jwks()
            yield published


def is_tried(client, server, right):
    works = server.name in client.works
    # A client that is refused anyway says nothing about keys, and nothing about clocks.
    return right and (works or not server.offset) or works and not server.offset


def tried(trial, server, registered):
    """For every registration and right or wrong key: what the client says, and what went over the wire."""
    for driver in trial.drivers:
        for right in (True, False):
            chosen = [
                registration
                for registration in registered
                if registration.client.driver == driver and is_tried(registration.client, server, right)
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
    label = f"{client.name} {client.method} {registration.client_id} ({server.name}, clock {server.offset:+d} s)"
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
        "`kid`" if named else "",
        f"{round((said['exp'] - said['iat']) / 60)} min",
    )


def judge_fetches(publisher, registered, servers, tally):
    """No server may have fetched a published set more than once, for all the requests that needed it."""
    for registration in registered:
        if registration.uri:
            fetches = publisher.fetches.count(urllib.parse.urlsplit(registration.uri).path)
            possible = range(sum(server.name in registration.client.works for server in servers), len(servers) + 1)
            label = f"{registration.client.name}: the published keys were fetched {fetches} times by {len(servers)} servers"
            tally.expect(fetches in possible, label)


INTRO = """Which OAuth clients can authenticate with assertions, and what they put into them.

Each of these authenticated over a real connection at the example `token_server`, with every
algorithm in its row. Those with `private_key_jwt` did it also with their keys published at a
`jwks_uri`, which no server fetched twice. Refused as `invalid_client` were the same bytes sent
again, the same bytes sent to another authorization server that knows the client, and an assertion
signed with another key. Each was accepted as well where its clock was 10 seconds ahead of the server's, and
where it was 10 seconds behind. `tests/interop/assertions/run` writes this page, and CI fails where a run
would write another one.

- *Issuer* and *endpoint* are what the client sends as `aud`: the issuer, as
  RFC 10070 asks, or the URL that it sends the assertion to. A client that sends an
  endpoint, or a lifetime above 5 minutes, is refused by the defaults.
- *Strict settings* are [`explicit_typ`](crate::assertion::Assertions::explicit_typ)
  (RFC 10070) and [`string_audience`](crate::assertion::Assertions::string_audience) (FAPI 2.0
  Security Profile §5.3.2.1). Clients that work with these work with the defaults, too; all others
  were refused by them, for their `typ`. Every client sends `aud` as a string.
- *It sends* has the `aud`, the lifetime, the `typ` if there is one, `kid` if that names the key, and the
  algorithms. Each client had a second key of the same kind, as in the middle of a rotation. Where nothing
  names the key, both are tried; three would be refused.
"""

WORKS = {
    STRICT: "strict settings",
    DEFAULT: "the defaults",
    LEGACY: "[`legacy_audiences`](crate::assertion::Assertions::legacy_audiences) with the URL of every endpoint, and a "
    "[`longest_lifetime`](crate::assertion::Assertions::longest_lifetime) of an hour",
}

NOTES = """
# Clients that need a setting

These clients are common, and refused by the defaults. They were tried by hand or in the form that
their users report, on 26 November 2026.

| Client | What it sends | What it needs |
|---|---|---|
| ChatGPT's connector for MCP | `aud` is the token endpoint; `RS256`, keys at a `jwks_uri`, an id that is a URL | [`legacy_audiences`](crate::assertion::Assertions::legacy_audiences) with the token endpoint, and a [`jwks_source`](crate::assertion::Assertions::jwks_source) |
| openid-client 5.6.5 | `aud` is an array of the issuer and the token endpoint, at every endpoint | [`legacy_audiences`](crate::assertion::Assertions::legacy_audiences) with the token endpoint; 5.7.1 sends the issuer and works with the defaults |
| MSAL, such as `@azure/msal-node` 7.2.3 | `aud` is the token endpoint; 10 minutes; no `kid`, but `x5t`, and if it is told so `x5c`, which is ignored | [`legacy_audiences`](crate::assertion::Assertions::legacy_audiences) with the token endpoint, and a [`longest_lifetime`](crate::assertion::Assertions::longest_lifetime) of 10 minutes |

All of them work with

```
use std::time::Duration;
use tower_client_auth::{ConfigError, assertion::Assertions, replay::ReplayStore};

fn assertions(used: impl ReplayStore) -> Result<Assertions, ConfigError> {
    Assertions::new("https://as.example", used)?
        .legacy_audiences(["https://as.example/token"])
        .longest_lifetime(Duration::from_secs(600))
}
```

RFC 9126 §2 says that a server must accept its issuer identifier, its token endpoint and its endpoint for
pushed authorization requests as `aud`. The defaults accept the issuer alone, as
RFC 10070, which takes that sentence back, asks (CVE-2025-27370, CVE-2025-27371): a server
for clients that go by RFC 9126 lists both URLs.

# Headers that bring keys

`x5c`, `x5u`, `jku` and `jwk` in the header of an assertion are ignored and not read. The key must be
registered, or published at the registered `jwks_uri`.
[`Outcome::has_key_in_header`](crate::Outcome::has_key_in_header) tells that they were there, which
explains many a `wrong_signature`.

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
    for method in dict.fromkeys(client.method for client in CLIENTS):
        lines += ["", f"# `{method}`", "", "| Client | Works with | It sends |", "|---|---|---|"]
        for client in CLIENTS:
            if client.method == method:
                package = f"`{client.package}`" if "/" in client.package else client.package
                name = f"{package} {release(client.driver, client.package)}" + (f", {client.how}" if client.how else "")
                columns = zip(*(fact[1:] for fact in facts if fact[0] is client))
                algs, aud, typ, kid, lifetime = [", ".join(dict.fromkeys(column)) for column in columns]
                sent = ", ".join(filter(None, (aud, lifetime, typ, kid)))
                lines.append(f"| {name} | {WORKS[client.works]} | {sent}; {algs} |")
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
            stack.enter_context(issuing(name, offset, [*command, *flags], trial.scratch / f"{name}{offset:+d}.log"))
            for offset in OFFSETS
            for name, flags in SERVERS.items()
        ]
        for server in servers:
            elsewhere = [other for other in servers if other is not server and not other.offset and not server.offset]
            for registration, right, answer, wire in tried(trial, server, registered):
                if trial.arguments.verbose:
                    print(server.name, registration.client.name, registration.client_id, right, *answer)
                fact = evaluate(server, elsewhere, registration, right, answer, wire, tally)
                # Every client works with this one.
                if server.name == "legacy" and not server.offset and fact and not registration.uri:
                    facts.append(fact)
        if publisher:
            judge_fetches(publisher, registered, servers, tally)
    return trial.settle("assertions", page(facts), tally)


if __name__ == "__main__":
    sys.exit(main())

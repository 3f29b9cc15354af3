"""The same requests with attestations to `hyper_echo` and to node-oidc-provider, both asking for a challenge in each
proof, and in what the answers differ. `DIFFERENCES` are those that are known, each with the reason; any other is a
failure, and so is one that has gone. PyJWT makes the tokens.

oidc-provider 9.13 follows revision 12 of the draft and hyper_echo revision 11. Of these requests one alone is answered
otherwise than by oidc-provider 9.12, which follows revision 10: one with an attestation without `iat`, which is refused. As far
as they show, what a client sends by any of these revisions is accepted here. The second method of oidc-provider 9.13,
`attest_jwt_client_auth_dpop`, is not built here."""

import argparse
import base64
import contextlib
import json
import pathlib
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from servers import serving
from trials import ROOT, Tally

ISSUER = "https://as.example"
ATTESTATION, PROOF = "OAuth-Client-Attestation", "OAuth-Client-Attestation-PoP"
NEXT = "oauth-client-attestation-challenge"
GRANTED, NO_CLIENT, MALFORMED = "200", "401 invalid_client", "400 invalid_request"
FRESH = "401 use_fresh_attestation"
# What was asked: what the two answered, and why.
DIFFERENCES = {
    "no iat": ((GRANTED, NO_CLIENT), "`iat` is OPTIONAL (-11 §4), and oidc-provider, by -12, requires it; without it `exp` bounds the age"),
    "expired": ((FRESH, NO_CLIENT), "-11 §7.4: `use_fresh_attestation` MUST be used"),
    "two days old": ((FRESH, GRANTED), "how old it may be is local policy (-11 §7.1); oidc-provider leaves it to a hook"),
    "no kid": ((GRANTED, NO_CLIENT), "an attester with one key need not name it; with oidc-provider the application decides"),
    "audience in an array": ((GRANTED, NO_CLIENT), "an array of one is one audience (RFC 7519 §4.1.3); `string_audience` refuses it"),
    "a long jti": ((NO_CLIENT, GRANTED), "no more than 256 bytes are remembered"),
    "an old proof": ((NO_CLIENT, GRANTED), "-11 §7.2 takes the time of `iat` or of the challenge, and here it is both"),
    **dict.fromkeys(
        ("iat ahead", "a proof from the future"),
        ((NO_CLIENT, GRANTED), "what was made more than 60 seconds in the future is refused"),
    ),
    **dict.fromkeys(
        ("a client with a secret", "no token"),
        ((NO_CLIENT, MALFORMED), "RFC 6749 §5.2: failed client authentication is `invalid_client`"),
    ),
}


def private(kind=ec):
    return ec.generate_private_key(ec.SECP256R1()) if kind is ec else ed25519.Ed25519PrivateKey.generate()


def public(key, **members):
    algorithm = jwt.algorithms.ECAlgorithm if isinstance(key, ec.EllipticCurvePrivateKey) else jwt.algorithms.OKPAlgorithm
    return json.loads(algorithm.to_jwk(key.public_key())) | members


def algorithm(key):
    return "ES256" if isinstance(key, ec.EllipticCurvePrivateKey) else "EdDSA"


class Wallets:
    """The keys of attesters and of instances."""

    def __init__(self):
        self.attester, self.other_attester, self.instance, self.other_instance = (private() for _ in range(4))
        self.edwards = private(ed25519)

    def attesters(self):
        return {
            "wallet-provider": {"keys": [public(self.attester, kid="a")]},
            "other-provider": {"keys": [public(self.other_attester, kid="b")]},
        }

    def clients(self):
        method = "attest_jwt_client_auth"
        return [
            {"client_id": "wallet", "token_endpoint_auth_method": method, "attester": "wallet-provider"},
            {"client_id": "other", "token_endpoint_auth_method": method, "attester": "other-provider"},
            {"client_id": "basic", "token_endpoint_auth_method": "client_secret_basic", "client_secret": "basic-secret"},
        ]  # fmt: skip

    def attestation(self, key=None, instance=None, header=(), without=(), **claims):
        key, instance, now = key or self.attester, instance or self.instance, int(time.time())
        claims = {"sub": "wallet", "iat": now, "exp": now + 3600, "cnf": {"jwk": public(instance)}} | claims
        claims = {name: value for name, value in claims.items() if name not in without}
        header = {"typ": "oauth-client-attestation+jwt", "kid": "a"} | dict(header)
        return jwt.encode(claims, key, algorithm(key), {name: value for name, value in header.items() if value})

    def proof(self, offered, key=None, header=(), without=(), **claims):
        key = key or self.instance
        claims = {"aud": ISSUER, "jti": secrets.token_hex(8), "iat": int(time.time()), "challenge": offered} | claims
        claims = {name: value for name, value in claims.items() if name not in without}
        return jwt.encode(claims, key, algorithm(key), {"typ": "oauth-client-attestation-pop+jwt"} | dict(header))

    def combined(self):
        """A DPoP proof of the instance, of which the one method makes a proof of possession and the other does not."""
        claims = {"htm": "POST", "htu": ISSUER + "/token", "jti": secrets.token_hex(8), "iat": int(time.time())}
        return jwt.encode(claims, self.instance, "ES256", {"typ": "dpop+jwt", "jwk": public(self.instance)})

    def requests(self):
        """The name of each, and how its headers and its form are made of a challenge."""

        def pair(attestation=(), proof=(), form="", more=()):
            def made(challenge):
                both = [(ATTESTATION, self.attestation(**dict(attestation))), (PROOF, self.proof(challenge, **dict(proof)))]
                return both + list(more), form

            return made

        now = int(time.time())
        yield "right", pair()
        yield "an instance with Ed25519", pair({"instance": self.edwards}, {"key": self.edwards})
        yield "client_id", pair(form="&client_id=wallet")
        yield "the client_id of another", pair(form="&client_id=other")
        yield "no iat", pair({"without": ("iat",)})
        yield "no exp", pair({"without": ("exp",)})
        yield "expired", pair({"iat": now - 3600, "exp": now - 60})
        yield "two days old", pair({"iat": now - 2 * 86400})
        yield "iat ahead", pair({"iat": now + 3600, "exp": now + 7200})
        yield "no cnf", pair({"without": ("cnf",)})
        yield "a private cnf", pair({"cnf": {"jwk": public(self.instance, d="eA")}})
        yield "cnf without a key", pair({"cnf": {"jkt": "x"}})
        yield "typ JWT", pair({"header": {"typ": "JWT"}})
        yield "typ with application/", pair({"header": {"typ": "application/oauth-client-attestation+jwt"}})
        yield "no kid", pair({"header": {"kid": None}})
        yield "another kid", pair({"header": {"kid": "x"}})
        yield "another attester", pair({"key": self.other_attester})
        yield "another attester, by its kid", pair({"key": self.other_attester, "header": {"kid": "b"}})
        yield "another client", pair({"key": self.other_attester, "header": {"kid": "b"}, "sub": "other"})
        yield "an unknown client", pair({"sub": "nobody"}, form="&client_id=nobody")
        yield "a client with a secret", pair({"sub": "basic"}, form="&client_id=basic")
        yield "a proof of another key", pair(proof={"key": self.other_instance})
        yield "a proof with typ JWT", pair(proof={"header": {"typ": "JWT"}})
        yield "audience of the endpoint", pair(proof={"aud": ISSUER + "/token"})
        yield "audience in an array", pair(proof={"aud": [ISSUER]})
        yield "audience of two", pair(proof={"aud": [ISSUER, "https://other.example"]})
        yield "no audience", pair(proof={"without": ("aud",)})
        yield "no jti", pair(proof={"without": ("jti",)})
        yield "a long jti", pair(proof={"jti": "x" * 257})
        yield "an old proof", pair(proof={"iat": now - 3600})
        yield "a proof from the future", pair(proof={"iat": now + 3600})
        yield "a proof without iat", pair(proof={"without": ("iat",)})
        yield "no challenge", pair(proof={"without": ("challenge",)})
        yield "an unknown challenge", pair(proof={"challenge": "x"})
        yield "beside Basic", pair(
            {"sub": "basic"}, more=[("Authorization", "Basic " + base64.b64encode(b"basic:basic-secret").decode())]
        )
        yield "beside a secret", pair(form="&client_id=wallet&client_secret=x")
        yield "beside a DPoP proof", pair(more=[("DPoP", "a.b.c")])
        yield "a DPoP proof in place of the proof", lambda _: (
            [(ATTESTATION, self.attestation()), ("DPoP", self.combined())], "&client_id=wallet",
        )  # fmt: skip
        yield "no proof", lambda _: ([(ATTESTATION, self.attestation())], "&client_id=wallet")
        yield "no attestation", lambda challenge: ([(PROOF, self.proof(challenge))], "&client_id=wallet")
        yield "nothing but the client_id", lambda _: ([], "&client_id=wallet")
        yield "no token", lambda _: ([(ATTESTATION, "a.b.c"), (PROOF, "a.b.c")], "&client_id=wallet")
        yield "a list", lambda challenge: (
            [(ATTESTATION, ", ".join([self.attestation()] * 2)), (PROOF, self.proof(challenge))], "&client_id=wallet",
        )  # fmt: skip


def asked(url, headers=(), form=None, method="POST"):
    sent = urllib.request.Request(url, None if form is None else form.encode(), dict(headers), method=method)
    try:
        answer = urllib.request.urlopen(sent, timeout=20)
    except urllib.error.HTTPError as refusal:
        answer = refusal
    with answer:
        return answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read()


def told(answer):
    """Status, error, and whether there is a challenge with it: what a client goes by. That of a success is another time's:
    oidc-provider leaves it out where the client has the newest one."""
    status, headers, body = answer
    try:
        error = json.loads(body).get("error")
    except ValueError:
        error = None
    words = [str(status)] + [error] * bool(error) + ["with a challenge"] * (status != 200 and NEXT in headers)
    return " ".join(words)


def challenge_of(server):
    status, headers, body = asked(f"{server}/challenge", form="")
    assert status == 200 and "no-store" in headers["cache-control"], (status, headers)
    return json.loads(body)["attestation_challenge"]


def follow(folder, command):
    """What the program of the page prints, run as the page says."""
    page = (ROOT / "src/docs/wallets.md").read_text()
    folder.mkdir(exist_ok=True)
    program = folder / "wallet.py"
    program.write_text(page.split("```python\n")[1].split("```")[0])

    def run(*words):
        return subprocess.run([sys.executable, program, *words], cwd=folder, check=True, capture_output=True, text=True).stdout

    run()
    clients, attesters = folder / "clients.json", folder / "attesters.json"
    with serving(command(clients, attesters), folder / "hyper_echo.log") as server:
        return run(server)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", required=True, help="hyper_echo")
    parser.add_argument("--node", required=True, help="node_attester.mjs, beside its packages")
    parser.add_argument("--scratch", required=True)
    arguments = parser.parse_args()
    scratch = pathlib.Path(arguments.scratch)
    scratch.mkdir(parents=True, exist_ok=True)
    wallets, tally = Wallets(), Tally()
    clients, attesters = scratch / "clients.json", scratch / "attesters.json"
    clients.write_text(json.dumps(wallets.clients()))
    attesters.write_text(json.dumps(wallets.attesters()))

    def command(clients, attesters):
        words = [arguments.server, "--listen", "127.0.0.1:0", "--clients", clients, "--issuer", ISSUER]
        return words + ["--attesters", attesters, "--attestation-challenges"]

    ours = command(clients, attesters)
    theirs = ["node", arguments.node, clients, attesters, ISSUER]
    with contextlib.ExitStack() as stack:
        servers = [
            stack.enter_context(serving(ours, scratch / "hyper_echo.log")),
            stack.enter_context(serving(theirs, scratch / "provider.log")),
        ]
        for server in servers:
            tally.expect(challenge_of(server), f"{server} has no challenge")

        def send(server, headers, form):
            form = "grant_type=client_credentials" + form
            headers = [("Content-Type", "application/x-www-form-urlencoded"), *headers]
            return asked(f"{server}/token", headers, form)

        for what, made in wallets.requests():
            answers = tuple(told(send(server, *made(challenge_of(server)))) for server in servers)
            known = DIFFERENCES.get(what, ((answers[0],) * 2, ""))[0]
            tally.expect(answers == known, f"{what}: hyper_echo, oidc-provider {answers}, not {known}")

        ours = servers[0]
        # oidc-provider remembers a `jti` for the client, and here it is for the instance.
        def twins(server):
            jti = secrets.token_hex(8)
            for instance in (wallets.instance, wallets.edwards):
                attestation = wallets.attestation(instance=instance)
                proof = wallets.proof(challenge_of(server), instance, jti=jti)
                yield told(send(server, [(ATTESTATION, attestation), (PROOF, proof)], ""))

        answers = [list(twins(server)) for server in servers]
        tally.expect(answers == [[GRANTED, GRANTED], [GRANTED, NO_CLIENT]], f"one jti, two instances: {answers}")

        # The same proof again, and the challenge of an answer for the next one.
        headers = [(ATTESTATION, wallets.attestation()), (PROOF, wallets.proof(challenge_of(ours)))]
        for wanted in (GRANTED, NO_CLIENT):
            answer = send(ours, headers, "")
            tally.expect(told(answer) == wanted, f"twice: {told(answer)}, not {wanted}")
        refusal = send(ours, [(ATTESTATION, wallets.attestation()), (PROOF, wallets.proof("x"))], "")
        for offered in (refusal, None):
            offered = offered or answer
            proof = wallets.proof(offered[1][NEXT])
            answer = send(ours, [(ATTESTATION, wallets.attestation()), (PROOF, proof)], "")
            tally.expect(told(answer) == GRANTED, f"with the challenge of an answer: {told(answer)}")
        tally.expect(len(answer[1].get("x-key-thumbprint", "")) == 43, f"no thumbprint in {answer[1]}")
        tally.expect(answer[1].get("x-auth-method") == "attest_jwt_client_auth", f"another method in {answer[1]}")
        followed = follow(scratch / "page", command)
        tally.expect(followed.startswith("wallet attest_jwt_client_auth "), f"the page: {followed}")
        status, headers, _ = asked(f"{ours}/challenge", method="GET")
        tally.expect((status, headers.get("allow")) == (405, "POST"), f"GET of a challenge: {status}")
    print("".join(f"{problem}\n" for problem in tally.problems), end="")
    for what, ((mine, other), reason) in DIFFERENCES.items():
        print(f"{what}: hyper_echo {mine}, oidc-provider {other}: {reason}")
    print(f"interop attestation: {tally.passed} passed, {len(tally.problems)} failed, {len(DIFFERENCES)} differences")
    return 1 if tally.problems else 0


if __name__ == "__main__":
    sys.exit(main())

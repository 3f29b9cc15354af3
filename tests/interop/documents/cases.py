"""Documents in all the shapes that clients publish, and in many that must not work, each fetched by `hyper_echo`."""

import argparse
import contextlib
import itertools
import json
import pathlib
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote

import httpx2
from published_documents import ADDRESSES, JSON, page, pieces, publishing
from servers import free_port, serving
from shapes import CHATGPT, CLAUDE, CLAUDE_CODE, CODE_EDITOR, ZED
from signing import assertion, key

ISSUER, TOKEN_ENDPOINT = "https://as.example", "https://as.example/token"
# How long a request may take, and how long the publisher keeps silent, which is longer.
SECONDS, SILENCE = 20, 30
# Of a document, in bytes.
LIMIT = 5120


def padded(size):
    """A document that is `size` bytes long."""

    def body(url):
        bare = json.dumps({"client_id": url, **CLAUDE, "software_id": ""})
        return json.dumps({"client_id": url, **CLAUDE, "software_id": "x" * (size - len(bare))}).encode()

    return body


def whole(size):
    return lambda handler, url: handler.answer(200, padded(size)(url), JSON)


def written(text):
    """A document that is not written by a library, with the URL in the place of `ID`."""
    return lambda handler, url: handler.answer(200, text.replace(b"ID", json.dumps(url).encode()), JSON)


def redirect(handler, url):
    handler.answer(302, b"", {"Location": url.replace("/redirecting", "/claude")})


def silent(handler, url):
    """Takes the request and says nothing."""
    time.sleep(SILENCE)


def typed(*types):
    return page(CLAUDE, headers={"Content-Type": types[0]} if types else {})


# Some point of the curve.
PUBLIC = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
# Every page is the `client_id` of a client that sends nothing else.
ACCEPTED = {
    "claude": page(CLAUDE),
    "claude-code": page(CLAUDE_CODE),
    "code-editor": page(CODE_EDITOR),
    "zed": page(ZED),
    "no-method": page({name: value for name, value in CLAUDE.items() if name != "token_endpoint_auth_method"}),
    "unknown-members": page(
        CLAUDE | {"client_name#de": "Klaus", "x": [{"y": None}], "grant_types": ["authorization_code", "urn:x"]}
    ),
    "largest": whole(LIMIT),
    "chunked": pieces(padded(1000), each=100),
    "byte-by-byte": pieces(padded(400)),
    "charset": typed("application/json; charset=utf-8"),
    "json-suffix": typed("application/activity+json"),
    "no-caching": page(CLAUDE, headers=JSON | {"Cache-Control": "no-store"}),
    "a/%252e/x": page(CLAUDE),
    "a..b/x": page(CLAUDE),
    "...": page(CLAUDE),
    "?a=/../b": page(CLAUDE),
}
# Reached, and refused for good: 401 `invalid_client`.
REFUSED = {
    **{f"status-{status}": page(CLAUDE, status=status) for status in (201, 202, 206, 301, 400, 403, 404, 410)},
    "no-content": page(status=204, body=b""),
    "not-modified": page(status=304, body=b""),
    "redirecting": redirect,
    "too-large": whole(LIMIT + 1),
    "too-large-chunked": pieces(padded(LIMIT + 1), each=1000),
    "endless": pieces(b"[" * 10_000_000, each=10_000),
    "html": typed("text/html"),
    "text-json": typed("text/json"),
    "no-type": typed(),
    "array": page(body=b"[]"),
    "no-json": page(body=b"<html>"),
    "empty": page(body=b""),
    "nested": page(body=b"[" * LIMIT),
    "invalid-utf-8": written(b'{"client_id": ID, "client_name": "\xff", "redirect_uris": ["https://client.example/"]}'),
    "byte-order-mark": written(b'\xef\xbb\xbf{"client_id": ID, "redirect_uris": ["https://client.example/"]}'),
    "twice": written(b'{"client_id": ID, "client_id": ID, "redirect_uris": ["https://client.example/"]}'),
    "other-id": page(CLAUDE | {"client_id": "https://other.example/x"}),
    "no-id": written(b'{"redirect_uris": ["https://client.example/"]}'),
    "id-in-capitals": lambda handler, url: page(CLAUDE | {"client_id": url.upper()})(handler, url),
    "id-with-slash": lambda handler, url: page(CLAUDE | {"client_id": url + "/"})(handler, url),
    "secret": page(CLAUDE | {"client_secret": "s"}),
    "secret-expires": page(CLAUDE | {"client_secret_expires_at": 0}),
    **{
        f"method-{method}": page(CLAUDE | {"token_endpoint_auth_method": method})
        for method in ("client_secret_basic", "client_secret_post", "client_secret_jwt", "unheard-of")
    },
    "private-key": page(CLAUDE | {"jwks": {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "A" * 43, "d": "A" * 43}]}}),
    "symmetric-key": page(CLAUDE | {"jwks": {"keys": [{"kty": "oct", "k": "A" * 43}]}}),
    "keys-twice": page(CLAUDE | {"jwks": {"keys": [PUBLIC]}, "jwks_uri": "https://localhost/keys"}),
    "no-redirects": page({name: value for name, value in CLAUDE.items() if name != "redirect_uris"}),
    "singular-not-listed": page(CLAUDE | {"token_endpoint_auth_methods_supported": ["private_key_jwt"]}),
}
# Not reached, as far as anybody can tell: 503, and come back later.
UNREACHABLE = {
    **{f"status-{status}": page(CLAUDE, status=status) for status in (429, 500, 502, 503)},
    "hung-up": lambda handler, url: handler.connection.close(),
    "cut-off": pieces(padded(1000), each=100, declared=5000),
    "silent": silent,
    "too-slow": pieces(padded(400), delay=0.1),
}
# Not fetched at all: 401 at once.
NOT_FETCHED = (
    "http://localhost:{port}/claude",
    "https://localhost:{port}",
    "https://user@localhost:{port}/claude",
    "https://@localhost:{port}/claude",
    "https://localhost:{port}/a/../claude",
    "https://localhost:{port}/a/%2E%2e/claude",
    "https://localhost:{port}/./claude",
    "https://localhost:{port}/claude#",
    "https://localhost:{port}/claude#x",
    "https://localhost:{port}\\claude",
    "https://localhost:{port}/cla ude",
    "https://localhost:{port}/cl\u00e4ude",
    "HTTPS://localhost:{port}/claude",
    "https://localhost:{port}/" + "x" * 2048,
)
# A name that does not exist, a port where nobody listens, and an address that is nobody's look alike.
NOWHERE = ("https://nowhere.invalid/x", f"https://localhost:{free_port()}/x", "https://192.0.2.1/x")


class Cases:
    def __init__(self):
        self.passed, self.failed = 0, 0

    def expect(self, name, got, wanted):
        if got == wanted:
            self.passed += 1
        else:
            self.failed += 1
            print(f"  {name}: {got}, and not {wanted}")


def ask(server, client_id, **form):
    """What matters of the answer: the status, the error or the method, and whether to come back."""
    answer = httpx2.post(f"{server}/token", data={"grant_type": "x", "client_id": client_id, **form}, timeout=SECONDS)
    if answer.status_code == 200:
        assert unquote(answer.headers["x-client-id"]) == client_id, answer.headers
        return 200, answer.headers["x-auth-method"]
    return answer.status_code, answer.json()["error"], "retry-after" in answer.headers


def hosts():
    """One after the other: what counts hosts and networks must not take the cases for a flood."""
    return itertools.cycle(ADDRESSES[1:])


def pages(publisher, cases, server):
    host = hosts()
    tables = {
        "accepted": (ACCEPTED, (200, "none")),
        "refused": (REFUSED, (401, "invalid_client", False)),
        "unreachable": (UNREACHABLE, (503, "temporarily_unavailable", True)),
    }
    with ThreadPoolExecutor(8) as pool:
        work = {}
        for table, (shapes, wanted) in tables.items():
            for name, shape in shapes.items():
                path = f"/{name}"
                publisher.pages[path] = shape
                client_id = publisher.id(path, next(host))
                work[f"{table} {name}"] = (pool.submit(ask, server, client_id), client_id, wanted)
        for name, (answer, client_id, wanted) in work.items():
            cases.expect(name, answer.result(), wanted)
            cases.expect(f"{name} fetched", publisher.fetches.count(client_id), 1)
    fetched = len(publisher.fetches)
    for form in NOT_FETCHED:
        client_id = form.format(port=publisher.port)
        cases.expect(f"not fetched {client_id[:60]}", ask(server, client_id), (401, "invalid_client", False))
    cases.expect("not fetched", len(publisher.fetches), fetched)
    answers = {httpx2.post(f"{server}/token", data={"client_id": url}, timeout=SECONDS).content for url in NOWHERE}
    cases.expect("nowhere", len(answers), 1)
    for url in NOWHERE:
        cases.expect(f"nowhere {url}", ask(server, url), (503, "temporarily_unavailable", True))


def once(publisher, cases, server):
    """A hundred requests for a client that nobody has asked for yet are one fetch."""
    client_id = publisher.id("/claude", "127.0.201.1")
    with ThreadPoolExecutor(100) as pool:
        answers = set(pool.map(lambda _: ask(server, client_id), range(100)))
    cases.expect("at once", answers, {(200, "none")})
    cases.expect("fetched once", publisher.fetches.count(client_id), 1)


def mended(publisher, cases, server):
    """What was broken a moment ago is asked for again, but not at once."""
    client_id = publisher.id("/mended", "127.0.202.1")
    publisher.pages["/mended"] = page(status=500)
    cases.expect("broken", ask(server, client_id)[0], 503)
    publisher.pages["/mended"] = page(CLAUDE)
    cases.expect("still broken", ask(server, client_id)[0], 503)
    cases.expect("not asked for again", publisher.fetches.count(client_id), 1)
    ends = time.monotonic() + SECONDS
    while (answer := ask(server, client_id)) != (200, "none") and time.monotonic() < ends:
        time.sleep(0.5)
    cases.expect("mended", answer, (200, "none"))
    publisher.pages["/mended"] = page(status=500)
    cases.expect("known", ask(server, client_id), (200, "none"))


def signing(publisher, cases, servers):
    """ChatGPT's shape, at a server that accepts assertions, at one with its audience, and at one that accepts none."""
    private, published = key()
    host = hosts()
    refused = (401, "invalid_client", False)

    def client(name, **more):
        """A client of this shape, whose keys are beside its document."""
        at = next(host)
        keys = f"/{name}/keys"
        publisher.pages[keys] = page(
            body=json.dumps(published).encode(), headers={"Content-Type": "application/jwk-set+json"}
        )
        publisher.pages[f"/{name}"] = page(CHATGPT | {"jwks_uri": publisher.id(keys, at)} | more)
        return publisher.id(f"/{name}", at)

    singular = {"token_endpoint_auth_method": "private_key_jwt"}
    turned = {"token_endpoint_auth_methods_supported": ["private_key_jwt", "none"]}
    shapes = {"chatgpt-list": {}, "chatgpt-list-turned": turned, "chatgpt-singular": singular}
    shapes["chatgpt-keys-inside"] = singular | {"jwks": published}
    for name, more in shapes.items():
        client_id = client(name, **more)
        if "jwks" in more:
            bare = {member: value for member, value in CHATGPT.items() if member != "jwks_uri"}
            publisher.pages[f"/{name}"] = page(bare | more)
        good, strict = (200, "private_key_jwt"), servers["strict"]
        cases.expect(f"{name} issuer", ask(strict, client_id, **assertion(private, client_id, ISSUER)), good)
        cases.expect(
            f"{name} endpoint", ask(strict, client_id, **assertion(private, client_id, TOKEN_ENDPOINT)), refused
        )
        legacy = servers["legacy"]
        cases.expect(f"{name} legacy", ask(legacy, client_id, **assertion(private, client_id, TOKEN_ENDPOINT)), good)
        slash = assertion(private, client_id, TOKEN_ENDPOINT + "/")
        cases.expect(f"{name} legacy slash", ask(legacy, client_id, **slash), refused)
        cases.expect(f"{name} without", ask(strict, client_id), refused)
        proof = assertion(private, client_id, ISSUER)
        cases.expect(f"{name} first", ask(strict, client_id, **proof), good)
        cases.expect(f"{name} again", ask(strict, client_id, **proof), refused)
        other, _ = key()
        cases.expect(f"{name} other key", ask(strict, client_id, **assertion(other, client_id, ISSUER)), refused)
        cases.expect(f"{name} plain", ask(servers["plain"], client_id), (200, "none"))
    alone = client("chatgpt-alone", **singular, token_endpoint_auth_methods_supported=["private_key_jwt"])
    cases.expect("nothing in common", ask(servers["plain"], alone), refused)
    elsewhere = client("elsewhere", **singular, jwks_uri=publisher.id("/elsewhere/keys", "127.0.203.1"))
    cases.expect("keys elsewhere", ask(servers["strict"], elsewhere, **assertion(private, elsewhere, ISSUER)), refused)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", required=True, help="hyper_echo, with all features")
    parser.add_argument("--scratch", required=True, type=pathlib.Path)
    arguments = parser.parse_args()
    cases = Cases()
    with publishing(arguments.scratch) as publisher, contextlib.ExitStack() as stack:
        (arguments.scratch / "clients.json").write_text("[]")
        flags = ["--listen", "127.0.0.1:0", "--clients", str(arguments.scratch / "clients.json")]
        flags += ["--metadata-documents", "any", "--allow-loopback-documents", publisher.ca]
        kinds = {
            "plain": [],
            "strict": ["--issuer", ISSUER],
            "legacy": ["--issuer", ISSUER, "--legacy-audience", TOKEN_ENDPOINT],
        }
        servers = {
            kind: stack.enter_context(serving([arguments.server, *flags, *more], arguments.scratch / f"{kind}.log"))
            for kind, more in kinds.items()
        }
        pages(publisher, cases, servers["plain"])
        once(publisher, cases, servers["plain"])
        mended(publisher, cases, servers["plain"])
        signing(publisher, cases, servers)
    print(f"interop documents: {cases.passed} passed, {cases.failed} failed")
    return 1 if cases.failed or not cases.passed else 0


if __name__ == "__main__":
    sys.exit(main())

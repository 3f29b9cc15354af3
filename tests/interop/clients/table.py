"""Tries every client with every method and every kind of secret and id, and writes the table of what works."""

import argparse
import contextlib
import dataclasses
import difflib
import http.server
import json
import pathlib
import subprocess
import sys
import threading
import tomllib
import urllib.request
from importlib.metadata import version

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from servers import serving  # noqa: E402

ROOT = HERE.parents[2]
PAGE = ROOT / "src/docs/clients.md"
DRIVER_SECONDS = 600

BASIC, POST, NONE = "client_secret_basic", "client_secret_post", "none"

# (heading, text): each text is once a secret and once an id.
KINDS = [
    ("plain", "kT9vQ2xR7mZ4"),
    ("`:`", "a:b"),
    ("`%`", "a%b"),
    ("`%41`", "a%41b"),
    ("`+`", "a+b"),
    ("`/`", "a/b"),
    ("`&`", "a&b"),
    ("`=`", "a=b"),
    ("space", "c d"),
    ("`\"` `'`", "a\"b'c"),
    ("`ü`", "aüb"),
    ("emoji", "a🦀b"),
    ("200 long", "aB3-" * 50),
]
# What makes two ids of different methods different.
PREFIX = {BASIC: "b.", POST: "p.", NONE: "n."}


@dataclasses.dataclass(frozen=True)
class Client:
    """A row, but for its method. `writes` is what the client makes of Basic credentials."""

    name: str
    driver: str
    methods: tuple[str, ...]
    writes: str = "form"
    package: str | None = None
    how: str = ""


FORM, RAW, LATIN = "form", "raw", "latin-1"

CLIENTS = [
    Client("mcp", "python", (BASIC, POST, NONE)),
    Client("Authlib", "python", (BASIC, POST, NONE), LATIN),
    Client("requests-oauthlib", "python", (BASIC, POST), LATIN),
    Client("httpx-auth", "python", (BASIC,), RAW),
    Client("httpx-oauth", "python", (BASIC, POST), RAW),
    Client("oauth4webapi", "node", (BASIC, POST, NONE)),
    Client("openid-client", "node", (BASIC, POST, NONE)),
    Client("@modelcontextprotocol/sdk", "node", (BASIC, POST, NONE), LATIN),
    Client("@modelcontextprotocol/client", "node", (BASIC, POST, NONE), LATIN),
    Client("simple-oauth2", "node", (BASIC, POST), "ascii"),
    Client("simple-oauth2, loose", "node", (BASIC,), "ascii raw", "simple-oauth2", "`credentialsEncodingMode: 'loose'`"),
    Client("oauth2", "rust", (BASIC, POST, NONE), how="with reqwest"),
    Client("rmcp", "rust", (BASIC, POST, NONE)),
    Client("curl", "python", (BASIC, POST, NONE), RAW),
]

# Why a cell is empty: (who and when, the text). The first that applies is the reason.
REASONS = [
    (
        lambda client, method, place, text: client.writes.startswith("ascii") and not text.isascii(),
        "The library refuses to be configured with anything but printable ASCII (RFC 6749 Appendix A).",
    ),
    (
        lambda client, method, place, text: client.writes == LATIN and method == BASIC and not text.isascii(),
        "The library writes Basic credentials as Latin-1, or fails where Latin-1 has no such character; the layer reads "
        "UTF-8 (RFC 6749 Appendix B).",
    ),
    (
        lambda client, method, place, text: unencoded(client, method) and place == "id" and ":" in text,
        "Without form-encoding, the id ends at its first colon (RFC 7617 §2).",
    ),
    (
        lambda client, method, place, text: unencoded(client, method) and place == "id" and ("%" in text or "+" in text),
        "An id is form-decoded always. `raw_basic` concerns the secret alone, because an id read in two ways could be "
        "two clients.",
    ),
]


def unencoded(client, method):
    return method == BASIC and client.writes.split()[-1] in (RAW, LATIN)


@dataclasses.dataclass(frozen=True)
class Registration:
    method: str
    place: str
    kind: int
    client_id: str
    secret: str | None

    def metadata(self):
        record = {"client_id": self.client_id, "token_endpoint_auth_method": self.method}
        if self.secret is not None:
            record |= {"client_secret": self.secret, "client_secret_expires_at": 0}
        return record


def registrations():
    for method in (BASIC, POST, NONE):
        for number, (_, text) in enumerate(KINDS):
            # No two alike, so that an id that arrives as another one is not let in by accident.
            secret = None if method == NONE else f"kT9vQ2xR7mZ4{number}"
            yield Registration(method, "id", number, PREFIX[method] + text, secret)
            if method != NONE:
                yield Registration(method, "secret", number, f"{PREFIX[method]}secret-{number}", text)


class Front(http.server.BaseHTTPRequestHandler):
    """What the MCP clients expect around an authorization server: a protected resource, and metadata of both.

    `token_server` has no authorization endpoint, and the MCP clients do not read metadata without one.
    """

    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self):
        path = self.path
        if path == "/mcp":
            granted = (self.headers["authorization"] or "").startswith("Bearer ")
            challenge = f'Bearer resource_metadata="{self.server.address}/.well-known/oauth-protected-resource/mcp"'
            self.answer(200 if granted else 401, {}, {} if granted else {"WWW-Authenticate": challenge})
        elif path == "/.well-known/oauth-protected-resource/mcp":
            address = self.server.address
            self.answer(200, {"resource": f"{address}/mcp", "authorization_servers": [address]})
        elif path == "/.well-known/oauth-authorization-server":
            self.answer(200, self.server.metadata)
        else:
            self.answer(404, {})

    def answer(self, status, document, headers=None):
        body = json.dumps(document).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def front(token_server):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Front)
    server.daemon_threads = True
    server.address = "http://127.0.0.1:%d" % server.server_address[1]
    with urllib.request.urlopen(f"{token_server}/.well-known/oauth-authorization-server", timeout=20) as answer:
        metadata = json.load(answer)
    server.metadata = metadata | {
        "issuer": server.address,
        "authorization_endpoint": f"{server.address}/authorize",
        "response_types_supported": ["code"],
    }
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.address
    finally:
        server.shutdown()
        server.server_close()


def jobs(servers):
    """One per client, registration, server, and right or wrong credential."""
    for client in CLIENTS:
        for registration in registrations():
            if registration.method not in client.methods:
                continue
            for server, (address, front_address) in servers.items():
                for right in (True, False):
                    client_id, secret = registration.client_id, registration.secret
                    if not right:
                        # Longer by one letter that no encoding touches.
                        client_id, secret = (client_id, secret + "x") if secret else (client_id + "x", secret)
                    yield (client, registration, server, right), {
                        "client": client.name,
                        "method": registration.method,
                        "server": address,
                        "front": front_address,
                        "client_id": client_id,
                        "client_secret": secret,
                    }


def run(drivers, work):
    """Hands every driver its jobs and collects (outcome, detail) for each."""
    answers = {}
    for driver, command in drivers.items():
        keys = {number: key for number, (key, _) in enumerate(work) if key[0].driver == driver}
        document = [{"id": number, **work[number][1]} for number in keys]
        done = subprocess.run(
            command, input=json.dumps(document), capture_output=True, text=True, timeout=DRIVER_SECONDS
        )
        for line in done.stdout.splitlines():
            answer = json.loads(line)
            answers[keys.pop(answer["id"])] = (answer["outcome"], answer["detail"])
        if done.returncode or keys:
            sys.stderr.write(done.stderr)
            raise SystemExit(f"FAILED: the {driver} clients stopped with {len(keys)} jobs left")
    return answers


def judge(answers):
    """The cell of every (client, registration), and what is wrong with the run."""
    cells, reasons, problems, passed = {}, [], [], 0
    for client, registration in dict.fromkeys((key[0], key[1]) for key in answers):
        text = registration.client_id if registration.place == "id" else registration.secret or ""
        name = f"{client.name} {registration.method} {registration.place} {KINDS[registration.kind][0]}"

        def got(server, right):
            return answers[client, registration, server, right]

        works = {server: got(server, True)[0] == "accepted" for server in ("default", "raw_basic")}
        for server in works:
            outcome, detail = got(server, False)
            if outcome == "accepted":
                problems.append(f"{name}: a wrong credential was accepted ({server})")
            elif works[server] and (outcome != "refused" or not is_invalid_client(detail)):
                problems.append(f"{name}: a wrong credential is not invalid_client but {outcome} {detail!r} ({server})")
            else:
                passed += 1
        # What the table says of a client is about the client, so an unexpected refusal must not become a footnote.
        applying = [number for number, (applies, _) in enumerate(REASONS) if applies(client, registration.method, registration.place, text)]
        if works["default"]:
            cell = "✓"
            if not works["raw_basic"]:
                problems.append(f"{name}: works, but not with raw_basic: {got('raw_basic', True)}")
        elif works["raw_basic"]:
            cell = "raw"
            if not unencoded(client, registration.method):
                problems.append(f"{name}: needs raw_basic: {got('default', True)}")
        elif applying:
            cell = applying[0]
            reasons.append(cell)
        else:
            cell = "?"
            problems.append(f"{name}: does not work: {got('default', True)}, with raw_basic {got('raw_basic', True)}")
        passed += 2
        cells[client, registration.method, registration.place, registration.kind] = cell
    used = [number for number in range(len(REASONS)) if number in reasons]
    for number in set(range(len(REASONS))) - set(used):
        problems.append(f"nothing happens any more for the reason {REASONS[number][1]!r}")
    return cells, used, problems, passed - len(problems)


def is_invalid_client(detail):
    return "invalid_client" in detail or "401" in detail


def releases():
    """Which release of which client was tried, from the same files that pin them."""
    with open(HERE.parent / "package-lock.json", encoding="utf-8") as file:
        node = json.load(file)["packages"]
    with open(HERE.parent / "rust/Cargo.lock", "rb") as file:
        rust = {package["name"]: package["version"] for package in tomllib.load(file)["package"]}
    for client in CLIENTS:
        package = client.package or client.name
        if client.name == "curl":
            # The machine's own; every release behaves alike here, and the page must not depend on the machine.
            yield client, "curl"
        elif client.driver == "python":
            yield client, f"{package} {version(package)}"
        elif client.driver == "node":
            yield client, f"{package} {node[f'node_modules/{package}']['version']}"
        else:
            yield client, f"{package} {rust[package]}"


INTRO = """Which OAuth clients work, with which ids and secrets.

Each of these authenticated over a real connection at the example `token_server`, with every method
that it supports, once with the right credential and once with a wrong one, which was refused as
`invalid_client` every time. `tests/interop/clients/run` writes this page, and CI fails where a run
would write another one.

- ✓ works with the defaults of the layer.
- *raw* works with [`raw_basic`](crate::ClientAuthLayer::raw_basic): the client does not form-encode
  its Basic credentials, as RFC 6749 §2.3.1 asks, and there is something in them to encode.
- A number is a combination that cannot work, for the [reason](#reasons) with that number.

Credentials in a form work with every character, and so does every client that form-encodes. Where
clients cannot be chosen, issue ids and secrets of letters, digits, `-`, `.` and `_`: these are the
same in every encoding, and `GeneratedSecret` makes no others.
"""

SECTIONS = {
    "secret": ("Secrets", "The `client_id` is plain, and the `client_secret` holds what the column says."),
    "id": ("Identifiers", "The `client_id` holds what the column says, and the `client_secret`, if any, is plain."),
}

def page(cells, used):
    lines = [INTRO]
    columns = [heading for heading, _ in KINDS]
    names = dict(releases())
    for place, (title, text) in SECTIONS.items():
        lines += [f"# {title}", "", text, ""]
        lines += ["| Client | Method | " + " | ".join(columns) + " |", "|---" * (len(columns) + 2) + "|"]
        for client in CLIENTS:
            for method in client.methods:
                if place == "secret" and method == NONE:
                    continue
                row = [cells[client, method, place, kind] for kind in range(len(KINDS))]
                shown = [str(used.index(cell) + 1) if isinstance(cell, int) else {"raw": "*raw*"}.get(cell, cell) for cell in row]
                name = f"{names[client]}, {client.how}" if client.how else names[client]
                lines.append(f"| {name} | `{method}` | " + " | ".join(shown) + " |")
        lines.append("")
    lines += ["# Reasons", ""]
    lines += [f"{number}. {REASONS[reason][1]}" for number, reason in enumerate(used, 1)]
    return "\n".join(lines) + "\n"


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--token-server", default=str(ROOT / "target/debug/examples/token_server"))
    parser.add_argument("--scratch", required=True, help="folder for the clients file and the servers' logs")
    parser.add_argument("--node", required=True, help="node_clients.mjs beside its packages")
    parser.add_argument("--rust", required=True, help="the built program rust/src/bin/clients.rs")
    parser.add_argument("--check", action="store_true", help="compare with src/docs/clients.md instead of writing it")
    parser.add_argument("--verbose", action="store_true", help="print what became of every job")
    return parser.parse_args()


def main():
    arguments = options()
    scratch = pathlib.Path(arguments.scratch)
    scratch.mkdir(parents=True, exist_ok=True)
    file = scratch / "clients.json"
    records = [registration.metadata() for registration in registrations()]
    file.write_text(json.dumps(records, ensure_ascii=False), encoding="utf-8")
    if not pathlib.Path(arguments.token_server).exists():
        raise SystemExit(
            f"FAILED: there is no {arguments.token_server}; cargo build --example token_server --all-features makes it"
        )

    command = [arguments.token_server, "--listen", "127.0.0.1:0", "--clients", str(file)]
    drivers = {
        "python": [sys.executable, str(HERE / "python_clients.py")],
        "node": ["node", arguments.node],
        "rust": [arguments.rust],
    }
    with contextlib.ExitStack() as stack:
        servers = {}
        for name, flags in {"default": [], "raw_basic": ["--raw-basic"]}.items():
            address = stack.enter_context(serving([*command, *flags], scratch / f"{name}.log"))
            servers[name] = (address, stack.enter_context(front(address)))
        answers = run(drivers, list(jobs(servers)))
    if arguments.verbose:
        for (client, registration, server, right), answer in answers.items():
            print(client.name, registration.method, registration.place, KINDS[registration.kind][0], server, right, *answer)

    cells, used, problems, passed = judge(answers)
    for problem in problems:
        print(problem)
    failed = len(problems)
    text = page(cells, used)
    if arguments.check:
        present = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
        difference = list(difflib.unified_diff(present.splitlines(), text.splitlines(), PAGE.name, "this run", lineterm=""))
        print("\n".join(difference))
        failed += bool(difference)
    elif not failed:
        PAGE.write_text(text, encoding="utf-8")
    print(f"interop clients: {passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

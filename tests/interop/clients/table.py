"""Tries every client with every method and every kind of secret and id, and writes the table of what works."""

import contextlib
import dataclasses
import pathlib
import sys

from servers import Front, front_metadata, serving, threaded
from trials import Tally, Trial, release

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

# Why a cell is empty: (which client and when, the text). The first that applies is the reason.
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


def run(trial, work):
    """What became of every job, by its key."""
    answers = {}
    for driver in trial.drivers:
        keys, documents = zip(*(pair for pair in work if pair[0][0].driver == driver))
        answers |= dict(zip(keys, trial.ask(driver, documents)))
    return answers


def evaluate(answers, tally):
    """The cell of every (client, registration), and the reasons that cells name."""
    cells, reasons = {}, set()
    for client, registration in dict.fromkeys((key[0], key[1]) for key in answers):
        text = registration.client_id if registration.place == "id" else registration.secret or ""
        name = f"{client.name} {registration.method} {registration.place} {KINDS[registration.kind][0]}"

        def got(server, right):
            return answers[client, registration, server, right]

        works = {server: got(server, True)[0] == "accepted" for server in ("default", "raw_basic")}
        for server in works:
            outcome, detail = got(server, False)
            refused = outcome == "refused" and is_invalid_client(detail)
            # A client that cannot send the right one need not send the wrong one.
            fine = refused or (outcome != "accepted" and not works[server])
            tally.expect(fine, f"{name}: a wrong credential is not invalid_client but {outcome} {detail!r} ({server})")
        # What the table says of a client is about the client, so an unexpected refusal must not become a footnote.
        applying = [number for number, (applies, _) in enumerate(REASONS) if applies(client, registration.method, registration.place, text)]
        if works["default"]:
            cell, fine = "✓", works["raw_basic"]
        elif works["raw_basic"]:
            cell, fine = "raw", unencoded(client, registration.method)
        elif applying:
            cell, fine = applying[0], True
            reasons.add(cell)
        else:
            cell, fine = "?", False
        tally.expect(fine, f"{name}: {got('default', True)}, and with raw_basic {got('raw_basic', True)}")
        cells[client, registration.method, registration.place, registration.kind] = cell
    for number, (_, reason) in enumerate(REASONS):
        tally.expect(number in reasons, f"nothing happens any more for the reason {reason!r}")
    return cells, sorted(reasons)


def is_invalid_client(detail):
    return "invalid_client" in detail or "401" in detail


def named(client):
    package = client.package or client.name
    # curl is the machine's own; every release behaves alike here, and the page must not depend on the machine.
    if package == "curl":
        return package
    # As code it may be cut anywhere, which a long name needs on a phone.
    return (f"`{package}`" if "/" in package else package) + f" {release(client.driver, package)}"


INTRO = """Which OAuth clients work, with which ids and secrets.

Each of these authenticated over a real connection at the example `token_server`, with every method
that it supports, once with the right credential and once with a wrong one, which was refused as
`invalid_client` every time. `tests/interop/clients/run` writes this page, and CI fails where a run
would write another one.

- ✓ works with the defaults of the layer. Where not everything does, a cell has what does not, behind the
  *raw* or the number that it needs.
- *raw* works with [`raw_basic`](crate::Compat::raw_basic): the client does not form-encode
  its Basic credentials, as RFC 6749 §2.3.1 asks, and there is something in them to encode.
- A number is a combination that cannot work, for the [reason](#reasons) with that number.

Credentials in a form work with every character, and so does every client that form-encodes. Where
clients cannot be chosen, issue ids and secrets of letters, digits, `-`, `.` and `_`: these are the
same in every encoding, and `GeneratedSecret` makes no others.

*Basic* is `client_secret_basic`, and *form* `client_secret_post`. An empty cell is a method that the client does not have.
"""

SECTIONS = {
    "secret": ("Secrets", "The `client_id` is plain, and the `client_secret` holds one of these:", (BASIC, POST)),
    "id": ("Identifiers", "The `client_secret`, if any, is plain, and the `client_id` holds one of these:", (BASIC, POST, NONE)),
}
# Short, so that the table is as narrow as a phone.
METHODS = {BASIC: "Basic", POST: "form", NONE: "none"}


def cell_of(cells, used):
    """What does not work without further ado, behind what it needs."""
    said = {}
    for (heading, _), cell in zip(KINDS, cells):
        if cell != "✓":
            mark = str(used.index(cell) + 1) if isinstance(cell, int) else {"raw": "*raw*"}.get(cell, cell)
            said.setdefault(mark, []).append(heading)
    return "; ".join(f"{mark}: {', '.join(headings)}" for mark, headings in said.items()) or "✓"


def page(cells, used):
    lines = [INTRO]
    names = {client: named(client) for client in CLIENTS}
    for place, (title, text, methods) in SECTIONS.items():
        lines += [f"# {title}", "", text, ", ".join(heading for heading, _ in KINDS) + ".", ""]
        lines += ["| Client | " + " | ".join(METHODS[method] for method in methods) + " |", "|---" * (len(methods) + 1) + "|"]
        for client in CLIENTS:
            row = [
                cell_of([cells[client, method, place, kind] for kind in range(len(KINDS))], used) if method in client.methods else ""
                for method in methods
            ]
            name = f"{names[client]}, {client.how}" if client.how else names[client]
            lines.append(f"| {name} | " + " | ".join(row) + " |")
        lines.append("")
    lines += ["# Reasons", ""]
    lines += [f"{number}. {REASONS[reason][1]}" for number, reason in enumerate(used, 1)]
    return "\n".join(lines) + "\n"


def main():
    trial = Trial(__doc__, "src/docs/clients.md", pathlib.Path(__file__).with_name("python_clients.py"))
    command = trial.token_server([registration.metadata() for registration in registrations()])
    with contextlib.ExitStack() as stack:
        servers = {}
        for name, flags in {"default": [], "raw_basic": ["--raw-basic"]}.items():
            address = stack.enter_context(serving([*command, *flags], trial.scratch / f"{name}.log"))
            front = stack.enter_context(threaded(Front))
            front.metadata = front_metadata(front.url, address)
            servers[name] = (address, front.url)
        answers = run(trial, list(jobs(servers)))
    if trial.arguments.verbose:
        for (client, registration, server, right), answer in answers.items():
            print(client.name, registration.method, registration.place, KINDS[registration.kind][0], server, right, *answer)
    tally = Tally()
    cells, used = evaluate(answers, tally)
    return trial.settle("clients", page(cells, used), tally)


if __name__ == "__main__":
    sys.exit(main())

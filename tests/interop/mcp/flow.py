"""Takes every client through one server, and writes the table of which connect how."""

import argparse
import contextlib
import difflib
import json
import pathlib
import subprocess
import sys

import minimal
from application import Application
from joserfc import jwk
from person import Refused
from programs import CALLBACKS, programs
from proxy import proxy
from published_documents import page, publishing
from servers import free_port, serving
from shapes import APPLICATIONS, CHATGPT, CLAUDE_CODE, CURSOR, LOOPBACK
from signing import assertion, key
from trials import release

HERE = pathlib.Path(__file__).resolve().parent
PAGE = HERE.parents[2] / "src/docs/mcp_clients.md"
METHODS = ("none", "client_secret_basic", "client_secret_post")
# What every client reports, in this order. `whoami` is a tool of the server and names the client.
KNOWN = {False: "registered", True: "known by its document"}
STEPS = (
    "authorized",
    "tool called",
    "refreshed",
    "tool called",
    "access token revoked",
    "refreshed or authorized",
    "tool called",
    "refresh token revoked",
    "asked to authorize again",
)
CLIENT_SECONDS = 60
BY_DOCUMENT, REGISTERED = "by its document", "registered"
ALONE, ALONE_BY_DOCUMENT = "for itself, registered", "for itself, by its document"
TOKEN, MCP = "/token", "/mcp"


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", required=True)
    parser.add_argument("--scratch", required=True, type=pathlib.Path, help="folder for the database and the logs")
    parser.add_argument("--minimal", required=True, help="the server that the guide shows")
    parser.add_argument("--documents", action="store_true", help="the server knows clients by their documents, too")
    parser.add_argument("--node", required=True, type=pathlib.Path, help="folder of the installed packages")
    parser.add_argument("--check", action="store_true", help="compare with the page instead of writing it")
    return parser.parse_args()


def published(publisher, path, document):
    publisher.pages[path] = page(document)
    return publisher.id(path)


def machines(run, front, publisher, node):
    """Clients that ask for tokens for themselves (SEP-1046), registered and by a document."""
    private = jwk.generate_key("EC", "P-256", {"kid": "machine", "alg": "ES256", "use": "sig"})
    pem = private.as_pem(private=True).decode()
    keys = {"keys": [private.as_dict(private=False)]}
    commands = {
        "mcp": [sys.executable, str(HERE / "python_machine.py")],
        "@modelcontextprotocol/client": ["node", str(node / "node_machine.mjs"), "client"],
        "@modelcontextprotocol/sdk": ["node", str(node / "node_machine.mjs"), "sdk"],
    }
    for client, command in commands.items():
        methods = (
            ["client_secret_basic", "client_secret_post", "private_key_jwt"]
            if client == "mcp"
            else ["client_secret_basic", "private_key_jwt"]
        )
        for method in methods:
            metadata = {"grant_types": ["client_credentials"], "token_endpoint_auth_method": method}
            if method == "private_key_jwt":
                metadata["jwks"] = keys
            known = Application(front.url, None).register(**metadata)
            run.machine(client, command, method, known["client_id"], known.get("client_secret", pem))
        document = published(publisher, f"/machine/{client}", metadata | {"client_name": "Machine"})
        run.machine(client, command, "private_key_jwt", document, pem, ALONE_BY_DOCUMENT)


def shapes(run, front, publisher):
    for client, shape in APPLICATIONS.items():
        document = published(publisher, f"/shape/{client.replace(' ', '-')}", shape)
        for redirect in shape["redirect_uris"]:
            # An application on this machine listens on the port that it gets.
            loopback = redirect.startswith("http://") and redirect.count(":") == 1
            back = redirect.replace("/callback", ":54321/callback") if loopback else redirect
            application = Application(front.url, back)
            application.client_id = document
            run.shape(client, application, BY_DOCUMENT, "none", shape["client_name"])
    private, keys = key()
    publisher.pages["/shape/keys"] = page(body=json.dumps(keys).encode(), headers={"Content-Type": "application/json"})
    for name, more in {"list": {}, "both": {"token_endpoint_auth_method": "private_key_jwt"}}.items():
        shape = CHATGPT | {"jwks_uri": publisher.id("/shape/keys")} | more
        document = published(publisher, f"/shape/ChatGPT-{name}", shape)
        application = Application(front.url, shape["redirect_uris"][0])
        application.client_id = document
        application.authenticate = lambda document=document: assertion(private, document, f"{front.url}{TOKEN}")
        run.shape("ChatGPT", application, BY_DOCUMENT, "private_key_jwt", shape["client_name"])


def cursor(run, front):
    """One of its redirect URIs has a scheme of its own; the registration is refused as a whole if any of them is."""
    for redirect in CURSOR["redirect_uris"]:
        application = Application(front.url, redirect)
        application.register(**CURSOR)
        run.shape("Cursor", application, REGISTERED, "none", CURSOR["client_name"])


class Run:
    def __init__(self, front):
        self.front, self.passed, self.failed = front, 0, 0
        # (client, how it is known): the methods with which all went well.
        self.cells = {}

    def judge(self, client, how, method, went, said=""):
        """`went` is what the client went through, if all was well."""
        name = f"{client}, {how}, {method}"
        if went:
            self.passed += 1
            self.cells.setdefault((client, how), []).append(method)
            print(f"  {name}: {', '.join(went)}")
        else:
            self.failed += 1
            print(f"  {name} FAILED\n{said[-3000:]}")
            print("".join(f"    {exchange}\n" for exchange in self.front.exchanges), end="")

    def methods(self):
        """How the client authenticated where it got tokens."""
        return {seen.authentication for seen in self.front.exchanges if (seen.path, seen.status) == (TOKEN, 200)}

    def said(self, command):
        """What a program printed, and what was wrong."""
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=CLIENT_SECONDS, stdin=subprocess.DEVNULL
            )
        except subprocess.TimeoutExpired as late:
            return "", f"took longer than {CLIENT_SECONDS} s\n{late.stderr}"
        return done.stdout, done.stderr if done.returncode else ""

    def library(self, client, command, method, document=None):
        self.front.exchanges.clear()
        printed, wrong = self.said([*command, self.front.url, document or method])
        steps = tuple(line.removeprefix("step: ") for line in printed.splitlines() if line.startswith("step: "))
        well = steps == (KNOWN[bool(document)], *STEPS) and not wrong and self.methods() == {method}
        self.judge(
            client, BY_DOCUMENT if document else REGISTERED, method, well and steps, f"{json.dumps(steps)}\n{wrong}"
        )

    def program(self, program, document=None):
        """Installed anew, and started once more when its access token is of no use any more."""
        self.front.exchanges.clear()
        said = []
        for _ in range(2):
            said.append(program.run())
            self.front.expire()
        seen = [(exchange.path, exchange.what, exchange.status) for exchange in self.front.exchanges]
        came = {
            KNOWN[bool(document)]: ("/register" not in {exchange.path for exchange in self.front.exchanges})
            == bool(document),
            "authorized": (TOKEN, "authorization_code", 200) in seen,
            "tool called": seen.count((MCP, "tools/call", 200)) == 2,
            "refreshed": (TOKEN, "refresh_token", 200) in seen,
        }
        how = BY_DOCUMENT if document else REGISTERED
        well = all(came.values()) and self.methods() == {"none"} and (not document or document in "".join(said))
        self.judge(program.name, how, "none", well and tuple(came), f"{came}\n" + "\n".join(said))

    def machine(self, client, command, method, client_id, secret, how=ALONE):
        self.front.exchanges.clear()
        printed, wrong = self.said([*command, self.front.url, method, client_id, secret])
        method = "private_key_jwt" if method == "static" else method
        well = printed.strip() == client_id and not wrong and self.methods() == {method}
        self.judge(client, how, method, well and ("authenticated", "tool called"), printed + wrong)

    def shape(self, client, application, how, method, name):
        """An application that is not to be had, by what it publishes."""
        self.front.exchanges.clear()
        try:
            application.sign_in(name)
            application.call()
            application.refresh()
            application.call()
        except (AssertionError, Refused) as wrong:
            return self.judge(client, how, method, (), str(wrong))
        well = self.methods() == {method}
        self.judge(client, how, method, well and ("authorized", "tool called", "refreshed", "tool called"))


INTRO = """# Which clients connect

`tests/interop/mcp/run` takes each of these through `examples/mcp_authorization_server`, by its document and by
registration: it asks a person and calls a tool, and when its token has expired, it refreshes, and calls again. By its
document it goes through `examples/minimal_mcp_server`, too, which gives out no refresh tokens. CI fails where a run
would write another list.
"""
FOR_ITSELF = """
These ask for a token for themselves, without a person, where the server has `--allow-client-credentials`:
"""
PROGRAMS = {
    "mcp": ("python", "mcp", "Python"),
    "fastmcp": ("python", "fastmcp", "Python"),
    "@modelcontextprotocol/client": ("node", "@modelcontextprotocol/client", "TypeScript"),
    "@modelcontextprotocol/sdk": ("node", "@modelcontextprotocol/sdk", "TypeScript"),
    "@modelcontextprotocol/inspector": ("node", "@modelcontextprotocol/inspector", "`--cli`"),
    "mcp-remote": ("node", "mcp-remote", "for applications that know local servers only"),
}
SHAPES = """
Applications that cannot be run here are stood in for by what they publish and send, as it was recorded in August 2026.
"""
REMARKS = {
    "Claude": "",
    "Claude Code": "listens on any port of `localhost` or `127.0.0.1`",
    "VS Code": "listens on any port of `127.0.0.1`, or goes on at `https://vscode.dev/redirect`",
    "Zed": "listens on any port of `127.0.0.1`",
    "ChatGPT": "signs where the server accepts it, and [needs a setting](#chatgpt) there",
    "Cursor": "one of its redirect URIs has the scheme `cursor`, and all must be accepted",
}
REPORTED = """
These have not been run, neither they nor what they send; this is what others reported until August 2026.

- Codex: goes by its document only where the metadata has `client_id_metadata_document_supported`, and `none` among the
  methods
- opencode: the same
"""


def table(cells):
    """The page of what came true, in lists, because a table would be too wide for a telephone."""

    def methods(client, how):
        return ", ".join(f"`{method}`" for method in dict.fromkeys(cells.get((client, how), [])))

    def connects(client, ways):
        return "; ".join(f"{name} {methods(client, how)}" for name, how in ways.items() if methods(client, how))

    def clients(ways):
        """The programs that connect in any of these ways."""
        for client, (driver, package, what) in PROGRAMS.items():
            if how := connects(client, ways):
                yield f"- {package} {release(driver, package)}, {what}: {how}"

    for_a_person = {BY_DOCUMENT: BY_DOCUMENT, REGISTERED: REGISTERED}
    lines = [INTRO, *clients(for_a_person)]
    lines += [FOR_ITSELF, *clients({REGISTERED: ALONE, BY_DOCUMENT: ALONE_BY_DOCUMENT})]
    lines.append(SHAPES)
    for client, remark in REMARKS.items():
        how = "; ".join(filter(None, [connects(client, for_a_person), remark]))
        lines.append(f"- {client}: {how}")
    return "\n".join(lines) + "\n" + REPORTED


def settle(text, check):
    """Writes the page or compares it, and tells whether it is what it should be."""
    if not check:
        PAGE.write_text(text, encoding="utf-8")
        return True
    present = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    difference = list(difflib.unified_diff(present.splitlines(), text.splitlines(), PAGE.name, "this run", lineterm=""))
    print("".join(f"{line}\n" for line in difference), end="")
    return not difference


def main():
    arguments = options()
    arguments.scratch.mkdir(parents=True)
    libraries = {
        "mcp": [sys.executable, str(HERE / "python_client.py")],
        "@modelcontextprotocol/client": ["node", str(arguments.node / "node_client.mjs"), "client"],
        "@modelcontextprotocol/sdk": ["node", str(arguments.node / "node_client.mjs"), "sdk"],
    }
    with contextlib.ExitStack() as stack:
        publisher = stack.enter_context(publishing(arguments.scratch))
        front = stack.enter_context(proxy())
        # Short enough for a client that goes by its own clock, and long enough for those that go by the server's.
        front.changed[TOKEN] = lambda answer: answer | {"expires_in": 1} if "expires_in" in answer else answer
        command = [arguments.server, "--listen", "127.0.0.1:0", "--issuer", front.url]
        command += ["--database", str(arguments.scratch / "clients.sqlite")]
        # For clients without a person, whom nobody vouches for here.
        command.append("--allow-client-credentials")
        documents = arguments.documents
        if documents:
            command += ["--metadata-documents", "any", "--allow-loopback-documents", publisher.ca]
        address = stack.enter_context(serving(command, arguments.scratch / "server.log"))
        front.upstream = address.removeprefix("http://")
        run = Run(front)
        published(publisher, "/program", CLAUDE_CODE | {"redirect_uris": LOOPBACK + CALLBACKS})
        for document in (None, publisher.id("/program")) if documents else (None,):
            for program in programs(front.url, arguments.scratch, arguments.node, free_port(), document):
                run.program(program, document)
        del front.changed[TOKEN]
        for client, command in libraries.items():
            for method in METHODS:
                run.library(client, command, method)
            if not documents:
                continue
            name = {"mcp": "Python <\"&'>"}.get(client, "TypeScript <\"&'>")
            published(publisher, f"/{client}", CLAUDE_CODE | {"client_name": name})
            run.library(client, command, "none", publisher.id(f"/{client}"))
        cursor(run, front)
        if documents:
            machines(run, front, publisher, arguments.node)
            shapes(run, front, publisher)
    driven = minimal.drive(arguments.minimal, arguments.scratch / "minimal", arguments.node, libraries)
    for client, wrong in driven:
        run.judge(client, BY_DOCUMENT, "none", not wrong and ("authorized", "tool called"), wrong)
    if not run.failed:
        run.failed += not settle(table(run.cells), arguments.check)
    print(f"interop mcp: {run.passed} passed, {run.failed} failed")
    return 1 if run.failed or not run.passed else 0


if __name__ == "__main__":
    sys.exit(main())

"""Takes every client through one server, and checks what each went through."""

import argparse
import contextlib
import json
import pathlib
import subprocess
import sys

from programs import free_port, programs
from proxy import proxy
from servers import serving

HERE = pathlib.Path(__file__).resolve().parent
METHODS = ("none", "client_secret_basic", "client_secret_post")
# What every client reports, in this order. `whoami` is a tool of the server and names the client.
STEPS = (
    "registered",
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
TOKEN, MCP = "/token", "/mcp"


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", required=True)
    parser.add_argument("--scratch", required=True, type=pathlib.Path, help="folder for the database and the logs")
    parser.add_argument("--node", required=True, type=pathlib.Path, help="folder of the installed packages")
    return parser.parse_args()


class Run:
    def __init__(self, front):
        self.front, self.passed, self.failed = front, 0, 0

    def judge(self, client, how, went, said=""):
        """`went` is what the client went through, if all was well."""
        if went:
            self.passed += 1
            print(f"  {client} {how}: {', '.join(went)}")
        else:
            self.failed += 1
            print(f"  {client} {how} FAILED\n{said[-3000:]}")
            print("".join(f"    {exchange}\n" for exchange in self.front.exchanges), end="")

    def library(self, client, command, method):
        self.front.exchanges.clear()
        try:
            done = subprocess.run(
                [*command, self.front.url, method],
                capture_output=True,
                text=True,
                timeout=CLIENT_SECONDS,
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired as late:
            return self.judge(client, method, (), f"took longer than {CLIENT_SECONDS} s\n{late.stderr}")
        steps = tuple(line.removeprefix("step: ") for line in done.stdout.splitlines() if line.startswith("step: "))
        well = steps == STEPS and done.returncode == 0 and self.methods() == {method}
        self.judge(client, method, well and steps, f"{json.dumps(steps)}\n{done.stderr}")

    def methods(self):
        """How the client authenticated where it got tokens."""
        return {seen.authentication for seen in self.front.exchanges if (seen.path, seen.status) == (TOKEN, 200)}

    def program(self, program, how):
        """Installed anew, and started once more when its access token is of no use any more."""
        self.front.exchanges.clear()
        said = []
        for _ in range(2):
            said.append(program.run())
            self.front.expire()
        seen = [(exchange.path, exchange.what, exchange.status) for exchange in self.front.exchanges]
        came = {
            "registered": ("/register", "", 201) in seen,
            "authorized": (TOKEN, "authorization_code", 200) in seen,
            "tool called": seen.count((MCP, "tools/call", 200)) == 2,
            "refreshed": (TOKEN, "refresh_token", 200) in seen,
        }
        well = all(came.values()) and self.methods() == {"none"}
        self.judge(program.name, how, well and tuple(came), f"{came}\n" + "\n".join(said))


def main():
    arguments = options()
    arguments.scratch.mkdir(parents=True)
    libraries = {
        "mcp": [sys.executable, str(HERE / "python_client.py")],
        "@modelcontextprotocol/client": ["node", str(arguments.node / "node_client.mjs"), "client"],
        "@modelcontextprotocol/sdk": ["node", str(arguments.node / "node_client.mjs"), "sdk"],
    }
    with contextlib.ExitStack() as stack:
        front = stack.enter_context(proxy())
        # Short enough for a client that goes by its own clock, and long enough for those that go by the server's.
        front.changed[TOKEN] = lambda answer: answer | {"expires_in": 1} if "expires_in" in answer else answer
        command = [arguments.server, "--listen", "127.0.0.1:0", "--issuer", front.url]
        command += ["--database", str(arguments.scratch / "clients.sqlite")]
        address = stack.enter_context(serving(command, arguments.scratch / "server.log"))
        front.upstream = address.removeprefix("http://")
        run = Run(front)
        for program in programs(front.url, arguments.scratch, arguments.node, free_port()):
            run.program(program, "none")
        del front.changed[TOKEN]
        for client, command in libraries.items():
            for method in METHODS:
                run.library(client, command, method)
    print(f"interop mcp: {run.passed} passed, {run.failed} failed")
    return 1 if run.failed or not run.passed else 0


if __name__ == "__main__":
    sys.exit(main())

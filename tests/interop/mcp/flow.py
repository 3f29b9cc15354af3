"""Runs every official client with every method against one server, and checks what each went through."""

import argparse
import json
import pathlib
import subprocess
import sys

from servers import serving

HERE = pathlib.Path(__file__).resolve().parent
METHODS = ("none", "client_secret_basic", "client_secret_post")
# What every client reports, in this order. `whoami` is a tool of the server and names the registered client.
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


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", default=str(HERE.parents[2] / "target/debug/mcp_authorization_server"))
    parser.add_argument("--scratch", required=True, help="folder for the database and the server's log")
    parser.add_argument("--node", required=True, help="node_client.mjs beside its packages")
    return parser.parse_args()


def walk(command):
    """The steps that a client reported, and what it said when it stopped."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=CLIENT_SECONDS, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired as late:
        return [], f"took longer than {CLIENT_SECONDS} s\n{late.stderr}"
    steps = [line.removeprefix("step: ") for line in done.stdout.splitlines() if line.startswith("step: ")]
    return steps, done.stderr if done.returncode else ""


def main():
    arguments = options()
    if not pathlib.Path(arguments.server).exists():
        raise SystemExit(f"FAILED: there is no {arguments.server}; cargo build -p mcp_authorization_server makes it")
    scratch = pathlib.Path(arguments.scratch)
    scratch.mkdir(parents=True, exist_ok=True)
    database = scratch / "clients.sqlite"
    for file in scratch.glob("clients.sqlite*"):
        file.unlink()
    clients = {
        "mcp (Python)": [sys.executable, str(HERE / "python_client.py")],
        "@modelcontextprotocol/client": ["node", arguments.node, "client"],
        "@modelcontextprotocol/sdk": ["node", arguments.node, "sdk"],
    }
    passed = failed = 0
    command = [arguments.server, "--listen", "127.0.0.1:0", "--database", str(database)]
    with serving(command, scratch / "server.log") as address:
        for name, client in clients.items():
            for method in METHODS:
                steps, said = walk([*client, address, method])
                if tuple(steps) == STEPS and not said:
                    passed += 1
                    print(f"  {name} {method}: {', '.join(steps)}")
                else:
                    failed += 1
                    print(f"  {name} {method} FAILED after {json.dumps(steps)}\n{said}")
    print(f"interop mcp: {passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())

"""The conformance suite of MCP itself, against the authorization server and the MCP server behind it."""

import argparse
import contextlib
import json
import pathlib
import shutil
import subprocess
import sys
import threading

from application import Application
from person import visit
from programs import ASKED
from proxy import proxy
from servers import free_port, serving

HERE = pathlib.Path(__file__).resolve().parent
SECONDS = 60
METADATA = "/.well-known/oauth-authorization-server"
METHODS = ("none", "client_secret_post", "client_secret_basic")
# What the MCP server of the example can be asked; the rest of the suite is about tools and prompts that it has not.
SCENARIOS = {
    "server-initialize": "2025-11-25",
    "server-session-lifecycle": "2025-11-25",
    "ping": "2025-11-25",
    "tools-list": "2025-11-25",
    "dns-rebinding-protection": "2025-11-25",
    "server-stateless": "2026-07-28",
    "http-header-validation": "2026-07-28",
}
# So the suite begins where it wants a tool of its own.
NOT_APPLICABLE = "Not testable: server does not list the diagnostic tool"


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", required=True)
    parser.add_argument("--scratch", required=True, type=pathlib.Path)
    parser.add_argument("--node", required=True, type=pathlib.Path, help="folder of the installed packages")
    return parser.parse_args()


def run(command, scratch):
    """The checks of one run of the suite. Where it waits for a person, there is one."""
    shutil.rmtree(scratch, ignore_errors=True)
    command = [*command, "--output-dir", str(scratch)]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    alarm = threading.Timer(SECONDS, process.kill)
    alarm.start()
    said = []
    try:
        for line in process.stdout:
            said.append(line)
            if asked := ASKED.search(line):
                visit(asked[0])
        process.wait()
    finally:
        alarm.cancel()
        process.kill()
        process.stdout.close()
    checks = [check for file in sorted(scratch.rglob("checks.json")) for check in json.loads(file.read_text())]
    return checks, "".join(said)


def authorization(suite, server, method, scratch):
    port = free_port()
    # The suite authenticates with `none` as soon as that is announced, whatever the client is registered for.
    server.changed[METADATA] = lambda metadata: metadata | {"token_endpoint_auth_methods_supported": [method]}
    client = Application(server.url, f"http://127.0.0.1:{port}/callback").register(token_endpoint_auth_method=method)
    command = [*suite, "authorization", "--url", server.url, "--port", str(port), "--resource", f"{server.url}/mcp"]
    command += ["--client-id", client["client_id"]]
    if method != "none":
        command += ["--client-secret", client["client_secret"]]
    return run(command, scratch)


def main():
    arguments = options()
    arguments.scratch.mkdir(parents=True, exist_ok=True)
    suite = ["node", str(arguments.node / "node_modules/@modelcontextprotocol/conformance/dist/index.js")]
    passed = failed = 0

    def judge(name, result):
        nonlocal passed, failed
        checks, said = result
        ended = {}
        for check in checks:
            status = check["status"]
            if check.get("errorMessage", "").startswith(NOT_APPLICABLE):
                status = "not applicable"
            ended.setdefault(status, []).append(check)
        good, bad = len(ended.get("SUCCESS", [])), ended.get("FAILURE", []) + ended.get("WARNING", [])
        passed, failed = passed + good, failed + len(bad) + (not good)
        print(f"  {name}: {', '.join(f'{len(of)} {status.lower()}' for status, of in ended.items()) or said[-2000:]}")
        for check in bad:
            print(f"    {check['status']} {check['id']}: {check.get('errorMessage')}")

    with contextlib.ExitStack() as stack:
        front = stack.enter_context(proxy())
        command = [arguments.server, "--listen", "127.0.0.1:0", "--issuer", front.url, "--metadata-documents", "any"]
        address = stack.enter_context(serving(command, arguments.scratch / "server.log"))
        front.upstream = address.removeprefix("http://")
        for method in METHODS:
            judge(f"authorization {method}", authorization(suite, front, method, arguments.scratch / method))
        application = Application(front.url)
        application.register(token_endpoint_auth_method="none")
        # The suite calls every tool that there is.
        application.scope = "mcp notes:read"
        application.sign_in()
        front.added["/mcp"] = {"Authorization": f"Bearer {application.tokens['access_token']}"}
        for scenario, version in SCENARIOS.items():
            command = [*suite, "server", "--url", f"{front.url}/mcp", "--scenario", scenario, "--spec-version", version]
            judge(scenario, run(command, arguments.scratch / scenario))
    print(f"interop mcp suite: {passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())

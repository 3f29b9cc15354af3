"""Takes programs that people install, and what applications publish, through the server of the guide, by document."""

import argparse
import contextlib
import pathlib
import sys

from application import Application
from person import Refused
from programs import CALLBACKS, programs
from proxy import proxy
from published_documents import page, publishing
from servers import free_port, serving
from shapes import APPLICATIONS, CHATGPT, CLAUDE_CODE, LOOPBACK


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", required=True)
    parser.add_argument("--scratch", required=True, type=pathlib.Path)
    parser.add_argument("--node", required=True, type=pathlib.Path, help="folder of the installed packages")
    arguments = parser.parse_args()
    arguments.scratch.mkdir(parents=True)
    passed = failed = 0

    def judge(name, wrong):
        nonlocal passed, failed
        passed, failed = passed + (not wrong), failed + bool(wrong)
        print(f"  {name}: {wrong[-3000:] or 'authorized, tool called'}")

    with contextlib.ExitStack() as stack:
        publisher = stack.enter_context(publishing(arguments.scratch))
        front = stack.enter_context(proxy())
        command = [arguments.server, "--listen", "127.0.0.1:0", "--issuer", front.url]
        command += ["--metadata-documents", "any", "--allow-loopback-documents", publisher.ca]
        address = stack.enter_context(serving(command, arguments.scratch / "server.log"))
        front.upstream = address.removeprefix("http://")
        publisher.pages["/program"] = page(CLAUDE_CODE | {"redirect_uris": LOOPBACK + CALLBACKS})
        for program in programs(front.url, arguments.scratch, arguments.node, free_port(), publisher.id("/program")):
            said = program.run()
            # The tool says whose account is in use.
            judge(program.name, "" if "demonstration" in said else said)
        shapes = APPLICATIONS | {"ChatGPT": CHATGPT | {"jwks_uri": publisher.id("/keys")}}
        for name, shape in shapes.items():
            path = f"/{name.replace(' ', '-')}"
            publisher.pages[path] = page(shape)
            application = Application(front.url, shape["redirect_uris"][0])
            application.client_id = publisher.id(path)
            try:
                # The page shows the host of the client.
                application.sign_in("localhost")
                application.call()
            except (AssertionError, Refused) as wrong:
                judge(name, str(wrong))
            else:
                judge(name, "")
    print(f"interop mcp minimal: {passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())

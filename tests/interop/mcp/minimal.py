"""Takes programs that people install, and what applications publish, through the server of the guide, by document."""

import contextlib
import os
import subprocess

from application import Application
from person import Refused
from programs import CALLBACKS, programs
from proxy import proxy
from published_documents import page, publishing
from servers import free_port, serving
from shapes import APPLICATIONS, CHATGPT, CLAUDE_CODE, LOOPBACK


def drive(server, scratch, node, libraries):
    """Yields (client, what was wrong) for each. `libraries` are the commands that take a server and a document."""
    scratch.mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        publisher = stack.enter_context(publishing(scratch))
        front = stack.enter_context(proxy())
        command = [server, "--listen", "127.0.0.1:0", "--issuer", front.url]
        command += ["--metadata-documents", "any", "--allow-loopback-documents", publisher.ca]
        address = stack.enter_context(serving(command, scratch / "server.log"))
        front.upstream = address.removeprefix("http://")
        publisher.pages["/program"] = page(CLAUDE_CODE | {"redirect_uris": LOOPBACK + CALLBACKS})
        for program in programs(front.url, scratch, node, free_port(), publisher.id("/program")):
            said = program.run()
            # The tool says whose account is in use.
            yield program.name, "" if "demonstration" in said else said
        for name, command in libraries.items():
            command = [*command, front.url, publisher.id("/program")]
            done = subprocess.run(command, env=os.environ | {"ONCE": "1"}, capture_output=True, text=True, timeout=60)
            well = done.returncode == 0 and done.stdout.endswith("step: tool called\n")
            yield name, "" if well else done.stdout + done.stderr
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
                yield name, str(wrong)
            else:
                yield name, ""

"""Replicas that share a Redis: what one has fetched all know, what one has accepted none accepts again."""

import argparse
import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

import httpx2
from cases import Cases
from published_documents import page, publishing
from servers import serving
from shapes import CHATGPT, CLAUDE
from signing import assertion, key

ISSUER, SECONDS = "https://as.example", 20
# It gives no tokens to clients that anybody could be, but knows them.
KNOWN, REFUSED = (400, "unauthorized_client"), (401, "invalid_client")


@contextlib.contextmanager
def redis(program, scratch):
    """Yields the socket of a server."""
    # The path of a socket must be short.
    path = pathlib.Path(tempfile.mkdtemp()) / "redis"
    command = [program, "--port", "0", "--unixsocket", str(path), "--dir", str(scratch), "--save", ""]
    with open(scratch / "redis.log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            ends = time.monotonic() + SECONDS
            while not path.exists() and time.monotonic() < ends:
                time.sleep(0.05)
            yield path
        finally:
            process.terminate()
            process.wait()


def say(path, command):
    """What the server at this socket answers."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.sendall(f"{command}\r\n".encode())
        return connection.recv(65536).decode()


def ask(server, client_id, **form):
    form = {"grant_type": "client_credentials", "client_id": client_id, **form}
    answer = httpx2.post(f"{server}/token", data=form, timeout=SECONDS)
    return answer.status_code, answer.json().get("error")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", required=True, help="token-server-redis")
    parser.add_argument("--redis", required=True, help="redis-server")
    parser.add_argument("--scratch", required=True, type=pathlib.Path)
    arguments = parser.parse_args()
    cases = Cases()
    with contextlib.ExitStack() as stack:
        publisher = stack.enter_context(publishing(arguments.scratch))
        path = stack.enter_context(redis(arguments.redis, arguments.scratch))
        os.environ["REDIS_URL"] = f"unix://{path}"

        def replica(name, *flags):
            command = [arguments.server, "serve", "--listen", "127.0.0.1:0", "--issuer", ISSUER]
            command += ["--metadata-documents", "any", "--allow-loopback-documents", publisher.ca, *flags]
            return stack.enter_context(serving(command, arguments.scratch / f"{name}.log"))

        def keep(client_id):
            command = [arguments.server, "keep", client_id, "--metadata-documents", "any"]
            subprocess.run([*command, "--allow-loopback-documents", publisher.ca], check=True, timeout=SECONDS)

        def kept():
            return [name for name in say(path, "KEYS *").split("\r\n") if name.startswith("metadata-document:")]

        first, second = replica("first"), replica("second")
        publisher.pages["/claude"] = page(CLAUDE)
        client = publisher.id("/claude")
        cases.expect("the first fetches", ask(first, client), KNOWN)
        cases.expect("nothing is kept of whoever comes", kept(), [])
        keep(client)
        cases.expect("the second knows", ask(second, client), KNOWN)
        cases.expect("fetched twice", publisher.fetches.count(client), 2)

        publisher.pages["/claude"] = page(status=500)
        third, careful = replica("third"), replica("careful", "--known-only")
        cases.expect("a new one knows while the host is down", ask(third, client), KNOWN)
        cases.expect("one that fetches nothing new knows", ask(careful, client), KNOWN)
        cases.expect("not fetched again", publisher.fetches.count(client), 2)
        stranger = publisher.id("/stranger")
        publisher.pages["/stranger"] = page(CLAUDE)
        cases.expect("one that fetches nothing new refuses a stranger", ask(careful, stranger), REFUSED)
        cases.expect("a stranger is not fetched", publisher.fetches.count(stranger), 0)
        cases.expect("another fetches the stranger", ask(first, stranger), KNOWN)
        cases.expect("and that changes nothing", ask(careful, stranger), REFUSED)
        keep(stranger)
        cases.expect("until it is kept", ask(careful, stranger), KNOWN)

        private, keys = key()
        publisher.pages["/keys"] = page(body=json.dumps(keys).encode(), headers={"Content-Type": "application/json"})
        publisher.pages["/chatgpt"] = page(CHATGPT | {"jwks_uri": publisher.id("/keys")})
        signing = publisher.id("/chatgpt")
        proof = assertion(private, signing, ISSUER)
        cases.expect("an assertion", ask(first, signing, **proof), (200, None))
        cases.expect("the same at another replica", ask(second, signing, **proof), REFUSED)

        # What another program has written there is read like what a stranger has sent.
        cases.expect("two documents are kept", len(kept()), 2)
        for name in kept():
            say(path, f"SET {name} spoiled")
        cases.expect("what is spoiled is fetched again", ask(replica("fourth"), stranger), KNOWN)
        cases.expect("fetched by three", publisher.fetches.count(stranger), 3)
    print(f"interop documents replicas: {cases.passed} passed, {cases.failed} failed")
    return 1 if cases.failed or not cases.passed else 0


if __name__ == "__main__":
    sys.exit(main())

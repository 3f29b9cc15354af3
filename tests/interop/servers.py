"""Servers that a run starts and always stops again."""

import contextlib
import http.server
import json
import os
import pathlib
import queue
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request

READY = re.compile(r"listening on (https?://[0-9.]+:\d+)")
START_SECONDS = 60
STOP_SECONDS = 5


def free_port():
    """One that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port):
    """Whether somebody listens at it, for `running`."""

    def ready():
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True

    return ready


def _end(process):
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def running(command, log, ready, environment=None):
    """Runs `command` until the block ends, which begins when it is `ready`."""
    with open(log, "wb") as sink:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, env=environment)
    try:
        end = time.monotonic() + START_SECONDS
        while not ready():
            if process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"FAILED: {command[0]} does not start:\n{log.read_text(errors='replace')}")
            time.sleep(0.02)
        yield
    finally:
        _end(process)


def unpacked(debian, path):
    """A file of the packages that were unpacked below `debian`. What a machine has already is not unpacked."""
    return debian / path if (debian / path).exists() else pathlib.Path("/") / path


def with_libraries(debian):
    """The environment of programs that were unpacked there."""
    libraries = dict.fromkeys(str(path.parent) for path in debian.glob("usr/lib/*/lib*.so*"))
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(libraries)}


class Address(str):
    """Of a server that runs as process `pid`."""


@contextlib.contextmanager
def serving(command, log):
    """Runs `command` until the block ends and yields the address it announces.

    `log` receives everything the server prints, so that its pipes never fill up.
    """
    with open(log, "w", encoding="utf-8", errors="replace") as sink:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=sink, text=True, errors="replace"
        )
        announced = queue.Queue()

        def drain():
            for line in process.stdout:
                with contextlib.suppress(ValueError):
                    sink.write(line)
                if match := READY.search(line):
                    announced.put(match[1])
            announced.put(None)

        reader = threading.Thread(target=drain, daemon=True)
        reader.start()
        try:
            address = Address(_address(announced, command, log))
            address.pid = process.pid
            yield address
        finally:
            _end(process)
            reader.join(STOP_SECONDS)


def _address(announced, command, log):
    with contextlib.suppress(queue.Empty):
        address = announced.get(timeout=START_SECONDS)
        if address is not None:
            return address
    with open(log, encoding="utf-8", errors="replace") as file:
        sys.stderr.write(file.read())
    raise SystemExit(f"FAILED: {command[0]} did not announce an address, see {log}")


class Quiet(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def answer(self, status, body, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle(self):
        # A client that goes away in the middle is not worth a traceback.
        with contextlib.suppress(ConnectionError):
            super().handle()

    def log_message(self, *arguments):
        pass


class Front(Quiet):
    """What the MCP clients expect around an authorization server: a protected resource, and metadata of both.

    `token_server` has no authorization endpoint, and the MCP clients do not read metadata without one.
    """

    def do_GET(self):
        address = self.server.url
        if self.path == "/mcp":
            granted = (self.headers["authorization"] or "").startswith("Bearer ")
            challenge = f'Bearer resource_metadata="{address}/.well-known/oauth-protected-resource/mcp"'
            self.tell(200 if granted else 401, {}, {} if granted else {"WWW-Authenticate": challenge})
        elif self.path == "/.well-known/oauth-protected-resource/mcp":
            self.tell(200, {"resource": f"{address}/mcp", "authorization_servers": [address]})
        elif self.path == "/.well-known/oauth-authorization-server":
            self.tell(200, self.server.metadata)
        else:
            self.tell(404, {})

    def tell(self, status, document, headers=None):
        self.answer(status, json.dumps(document).encode(), {"Content-Type": "application/json"} | (headers or {}))


@contextlib.contextmanager
def threaded(handler, address="127.0.0.1", tls=None):
    """A server of this process, with its `url`."""
    server = http.server.ThreadingHTTPServer((address, 0), handler)
    server.daemon_threads = True
    if tls:
        # Nobody else waits while somebody shakes hands.
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.url = f"{'https' if tls else 'http'}://{address}:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def front_metadata(url, token_server):
    """The metadata of `token_server` as `url` shows them."""
    with urllib.request.urlopen(f"{token_server}/.well-known/oauth-authorization-server", timeout=20) as answer:
        return json.load(answer) | {
            "issuer": url,
            "authorization_endpoint": f"{url}/authorize",
            "response_types_supported": ["code"],
        }

"""A proxy in front of the server, which sees what a client asks for, and may change what either side is told."""

import contextlib
import dataclasses
import http.client
import json
import threading
from urllib.parse import parse_qs, urlsplit

from servers import Quiet, threaded

TIMEOUT = 30
HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding", "content-length", "te", "trailer", "upgrade", "expect")


@dataclasses.dataclass(frozen=True)
class Exchange:
    """`what` is the grant of a token request, the method of an MCP call, and nothing elsewhere."""

    method: str
    path: str
    what: str
    authentication: str
    status: int


class Watcher(Quiet):
    def forward(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        headers |= self.server.added.get(self.path, {})
        headers = {name: self.server.spoil(name, value) for name, value in headers.items()}
        upstream = http.client.HTTPConnection(self.server.upstream, timeout=TIMEOUT)
        with contextlib.closing(upstream):
            try:
                upstream.request(self.command, self.path, body, headers)
                answer = upstream.getresponse()
            except OSError as error:
                return self.answer(502, str(error).encode(), {})
            self.server.note(self.command, self.path, headers, body, answer.status)
            change = self.server.changed.get(self.path)
            if change:
                document = json.dumps(change(json.loads(answer.read()))).encode()
                return self.answer(answer.status, document, {"Content-Type": "application/json"})
            self.stream(answer)

    def stream(self, answer):
        """Events must arrive while the answer is still open."""
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        length = answer.getheader("content-length")
        bare = self.command == "HEAD" or answer.status in (204, 304)
        self.send_header(*(("Content-Length", length or "0") if length or bare else ("Transfer-Encoding", "chunked")))
        self.end_headers()
        with contextlib.suppress(OSError, http.client.HTTPException):
            while piece := answer.read1(65536):
                self.wfile.write(piece if length else b"%x\r\n%b\r\n" % (len(piece), piece))
            if not (length or bare):
                self.wfile.write(b"0\r\n\r\n")

    do_GET = do_POST = do_DELETE = do_OPTIONS = do_HEAD = forward


def what(path, body):
    if path in ("/token", "/revoke"):
        return parse_qs(body.decode(errors="replace")).get("grant_type", [""])[0]
    with contextlib.suppress(ValueError, AttributeError):
        return json.loads(body).get("method", "")
    return ""


def authentication(headers, body):
    form = parse_qs(body.decode(errors="replace"), keep_blank_values=True)
    given = {name.lower(): value for name, value in headers.items()}.get("authorization", "")
    if given.startswith("Basic "):
        return "client_secret_basic"
    if "client_assertion" in form:
        return "private_key_jwt"
    return "client_secret_post" if "client_secret" in form else "none"


@contextlib.contextmanager
def proxy():
    """Yields a proxy with `url`; set `upstream` to HOST:PORT before anybody calls."""
    with threaded(Watcher) as server:
        server.upstream, server.added, server.changed = None, {}, {}
        server.exchanges = []
        seen, spoiled, lock = set(), set(), threading.Lock()

        def spoil(name, value):
            if name.lower() != "authorization" or not value.startswith("Bearer "):
                return value
            seen.add(value)
            return "Bearer expired" if value in spoiled else value

        def note(method, path, headers, body, status):
            path = urlsplit(path).path
            exchange = Exchange(method, path, what(path, body), authentication(headers, body), status)
            with lock:
                server.exchanges.append(exchange)

        server.note, server.spoil = note, spoil
        # From now on the server knows none of the access tokens that passed by.
        server.expire = lambda: spoiled.update(seen)
        yield server

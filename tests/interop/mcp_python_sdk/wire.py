"""Requests as bytes, answers as the few facts that are compared."""

import contextlib
import http.client
import json
import socket
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes, urlsplit

# Long enough for a loaded machine, short enough that a server that hangs fails the run.
ANSWER_SECONDS = 20


@dataclass(frozen=True)
class Request:
    """One HTTP request. The bytes are exact: nothing is encoded, folded or ordered on the way out."""

    label: str
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    path: bytes = b"/token"
    query: bytes = b""
    method: bytes = b"POST"
    chunked: bool = False
    # Bytes of the announced body that are never sent before the connection closes.
    cut: int = 0

    def encode(self):
        target = self.path + (b"?" + self.query if self.query else b"")
        lines = [self.method + b" " + target + b" HTTP/1.1", b"Host: localhost"]
        lines += [name + b": " + value for name, value in self.headers]
        if self.chunked:
            lines.append(b"Transfer-Encoding: chunked")
            # An odd chunk size splits parameters and escapes in the middle.
            pieces = [self.body[at : at + 7] for at in range(0, len(self.body), 7)]
            body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        else:
            lines.append(b"Content-Length: %d" % (len(self.body)))
            body = self.body[: len(self.body) - self.cut]
        return b"\r\n".join(lines) + b"\r\n\r\n" + body

    def values(self, name):
        return [value for key, value in self.headers if key.lower() == name]


@dataclass
class Answer:
    """What is compared. `client` is the client that the server says it authenticated, as bytes."""

    status: int
    client: bytes | None = None
    method: str | None = None
    error: str | None = None
    description: str | None = None
    headers: dict[str, str | None] = field(default_factory=dict)

    def facts(self):
        named = {"status": self.status, "client": self.client, "method": self.method}
        named |= {"error": self.error, "description": self.description}
        return named | self.headers


COMPARED_HEADERS = ("www-authenticate", "cache-control", "pragma")


class Connection:
    """A keep-alive connection that opens itself again when the server closed it."""

    def __init__(self, address):
        parts = urlsplit(address)
        self.peer = (parts.hostname, parts.port)
        self.socket = None

    def close(self):
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def exchange(self, request):
        """Status, headers and body, or `None` where the server closed without an answer."""
        reused = self.socket is not None
        try:
            return self._exchange(request)
        except (http.client.RemoteDisconnected, ConnectionError):
            self.close()
            # A server may drop an idle connection between two requests; only a fresh one tells.
            if not reused:
                return None
        try:
            return self._exchange(request)
        except (http.client.RemoteDisconnected, ConnectionError):
            self.close()
            return None

    def _exchange(self, request):
        if self.socket is None:
            self.socket = socket.create_connection(self.peer, timeout=ANSWER_SECONDS)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A server may refuse a body before it has read all of it, and its answer is there all the same.
        with contextlib.suppress(ConnectionError):
            self.socket.sendall(request.encode())
        if request.cut:
            self.socket.shutdown(socket.SHUT_WR)
        response = http.client.HTTPResponse(self.socket, method=request.method.decode())
        try:
            response.begin()
            body = response.read()
        finally:
            response.close()
        if response.will_close or request.cut:
            self.close()
        return response.status, response.headers, body


def _error_facts(status, headers, body):
    """The OAuth error of a refusal; a body that is no such object is kept as its text."""
    facts = Answer(status)
    for name in COMPARED_HEADERS:
        facts.headers[name] = headers[name]
    media = (headers["content-type"] or "").partition(";")[0].strip().lower()
    facts.headers["content-type"] = media
    if media == "application/json":
        try:
            document = json.loads(body)
            facts.error = document.pop("error", None)
            facts.description = document.pop("error_description", None)
        except (ValueError, AttributeError):
            document = body
        if document:
            facts.headers["unexpected"] = repr(document)
    else:
        facts.description = body.decode("utf-8", "replace")
    return facts


def read_echo(request, received):
    """An answer of `hyper_echo`."""
    if received is None:
        return Answer(0)
    status, headers, body = received
    if status != 200:
        return _error_facts(status, headers, body)
    facts = Answer(200, unquote_to_bytes(headers["x-client-id"] or ""), headers["x-auth-method"])
    if body != request.body:
        facts.headers["unexpected"] = "the inner service did not see the body that was sent"
    return facts


def read_sdk(request, received, methods):
    """An answer of the SDK.

    Its handlers answer authentication failures with 401 and everything that comes after authentication with 200
    or with a 400 as JSON (the grant was refused), so both of the latter are a success here. The client is the one
    that the SDK passed to the provider; where the grant was refused before that, it is the one it looked up,
    because the SDK returns no other.
    """
    if received is None:
        return Answer(0)
    status, headers, body = received
    client = headers["x-authenticated"] or headers["x-looked-up"]
    refused_grant = status == 400 and headers["content-type"] == "application/json"
    if refused_grant and b"client_secret: Field required" in body:
        # D22 is about the endpoint, but it is in the list, so it is shown as the difference that it is.
        facts = _error_facts(status, headers, body)
        facts.client, facts.method = unquote_to_bytes(client), methods[unquote_to_bytes(client)]
        return facts
    if (status == 200 or refused_grant) and client is not None:
        client = unquote_to_bytes(client)
        facts = Answer(200, client, methods[client])
        if status == 200 and request.path == b"/token":
            named = unquote_to_bytes(json.loads(body)["access_token"])
            if named != client:
                facts.headers["unexpected"] = "the SDK issued a token to another client than it authenticated"
        return facts
    return _error_facts(status, headers, body)

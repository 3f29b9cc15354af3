"""Requests byte by byte, over connections with and without a certificate, and what is compared of the answers."""

import http.client
import io
import re
import socket
import ssl
import subprocess

SECONDS = 20
# Of an answer. What else there is differs between the proxies and says nothing about the client.
COMPARED = ("cache-control", "content-type", "www-authenticate", "x-client-id", "x-auth-method", "x-client-cert-thumbprint")


class Answer:
    def __init__(self, status, body, headers):
        self.status, self.body = status, body
        self.headers = {name: value for name, value in sorted(headers.items()) if name in COMPARED}

    @classmethod
    def read(cls, source):
        response = http.client.HTTPResponse(source, method="POST")
        response.begin()
        body = response.read()
        return cls(response.status, body, {name.lower(): value for name, value in response.getheaders()})

    def __eq__(self, other):
        return (self.status, self.body, self.headers) == (other.status, other.body, other.headers)

    def __repr__(self):
        return f"{self.status} {self.headers} {self.body.decode(errors='replace')[:200]}"


def accepted(form, client_id, method, thumbprint=None):
    headers = {"x-client-id": client_id, "x-auth-method": method}
    return Answer(200, form.encode(), headers | ({"x-client-cert-thumbprint": thumbprint} if thumbprint else {}))


def request(form, headers=(), basic=None):
    """As bytes; `headers` are pairs, in their order and spelling."""
    lines = ["POST /token HTTP/1.1", "Host: localhost", "Content-Type: application/x-www-form-urlencoded"]
    lines += [f"Content-Length: {len(form)}"] + [f"{name}: {value}" for name, value in headers]
    if basic:
        lines.append(f"Authorization: Basic {basic}")
    return ("\r\n".join(lines) + "\r\n\r\n" + form).encode()


def over_tls(port, pki, party, sent, version=None):
    context = ssl.create_default_context(cafile=str(pki.server_ca.crt))
    if version:
        context.minimum_version = context.maximum_version = version
    if party:
        context.load_cert_chain(party.crt, party.private)
    with _connected(port) as plain, context.wrap_socket(plain, server_hostname="localhost") as connection:
        connection.sendall(sent)
        return Answer.read(connection)


def over_tcp(port, sent, source="127.0.0.1"):
    with _connected(port, source) as connection:
        connection.sendall(sent)
        return Answer.read(connection)


def _connected(port, source="127.0.0.1"):
    return socket.create_connection(("127.0.0.1", port), SECONDS, source_address=(source, 0))


class Received:
    """What `http.client` reads an answer from that has arrived."""

    def __init__(self, received):
        self.received = received

    def makefile(self, _mode):
        return io.BytesIO(self.received)


def by_openssl(port, pki, form, *options):
    """Sends a form with `openssl s_client`, and gives how the session began, `New` or `Reused`, and the answer."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "localhost", "-ign_eof"]
    command += ["-CAfile", pki.server_ca.crt, "-verify_return_error", *options]
    # Of HTTP/1.0, so that the connection ends with the answer.
    sent = request(form).replace(b"HTTP/1.1", b"HTTP/1.0", 1)
    done = subprocess.run(command, input=sent, capture_output=True, timeout=SECONDS)
    begun = re.search(rb"^(New|Reused), (TLSv1\.[23])", done.stdout, re.M)
    at = done.stdout.find(b"HTTP/1.")
    if not begun or at < 0:
        raise ConnectionError(done.stderr.decode(errors="replace")[-300:])
    return begun[1].decode(), begun[2].decode(), Answer.read(Received(done.stdout[at:]))


def resumed(port, pki, party, form, version, scratch):
    """The answers with a certificate, and without one in a session of the same client."""
    session = scratch / "session"
    session.unlink(missing_ok=True)
    option = f"-tls{version.replace('.', '_')}"
    pair = ["-cert", party.crt, "-key", party.private]
    first = by_openssl(port, pki, form, option, *pair, "-sess_out", session)
    # A server need not offer any.
    kept = ["-sess_in", session] if session.exists() else []
    return first, by_openssl(port, pki, form, option, *kept)

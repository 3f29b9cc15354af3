"""Client ID metadata documents, published over TLS with a CA of this run's own: as clients have them, and as nobody
should."""

import contextlib
import datetime
import ipaddress
import json
import ssl
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from servers import Quiet, threaded

JSON = {"Content-Type": "application/json", "Cache-Control": "public, max-age=300"}
# All of 127.0.0.0/8 is this machine. What counts addresses counts them by their first 24 bits.
NAMES = ["localhost"]
ADDRESSES = [f"127.0.{number}.1" for number in range(256)]


class Publisher(Quiet):
    """`server.pages` has, by path, a function that answers. It is given the handler, and the URL as it was asked for."""

    def do_GET(self):
        url = f"https://{self.headers['host']}{self.path}"
        self.server.fetches.append(url)
        page = self.server.pages.get(self.path, self.server.otherwise)
        self.close_connection = True
        # Whoever fetches hangs up in the middle of what is too long.
        with contextlib.suppress(OSError):
            page(self, url)


def page(document=None, status=200, headers=None, body=None):
    """Answers with a `document`, in which `client_id` is the URL unless it says otherwise, or with this very `body`."""
    headers = JSON if headers is None else headers

    def answer(handler, url):
        content = json.dumps({"client_id": url, **(document or {})}).encode() if body is None else body
        handler.answer(status, content, headers)

    return answer


def pieces(body, each=1, declared=None, delay=0):
    """Answers in pieces: chunked, or with a length that may be `declared` wrongly."""

    def answer(handler, url):
        content = body(url) if callable(body) else body
        handler.send_response(200)
        for name, value in JSON.items():
            handler.send_header(name, value)
        chunked = declared is None
        handler.send_header(*(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(declared))))
        handler.end_headers()
        for start in range(0, len(content), each):
            time.sleep(delay)
            piece = content[start : start + each]
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            handler.wfile.flush()
        if chunked:
            handler.wfile.write(b"0\r\n\r\n")

    return answer


def certified(scratch):
    """The files of a CA, and of a certificate of it for every name and address that is used here."""
    now = datetime.datetime.now(datetime.timezone.utc)

    def made(subject, key, issuer, signer, *extensions):
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(signer, hashes.SHA256())

    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    names = [x509.DNSName(name) for name in NAMES]
    names += [x509.IPAddress(ipaddress.ip_address(address)) for address in ADDRESSES]
    root = made("documents CA", authority, "documents CA", authority, x509.BasicConstraints(ca=True, path_length=0))
    leaf = made("documents", key, "documents CA", authority, x509.SubjectAlternativeName(names))
    pem = serialization.Encoding.PEM
    (scratch / "ca.pem").write_bytes(root.public_bytes(pem))
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (scratch / "leaf.pem").write_bytes(leaf.public_bytes(pem) + key.private_bytes(pem, *plain))
    return scratch / "ca.pem", scratch / "leaf.pem"


@contextlib.contextmanager
def publishing(scratch):
    """Yields a server with the file to trust (`ca`), its `port`, `pages` by path, and the URLs of all `fetches`."""
    scratch.mkdir(parents=True, exist_ok=True)
    authority, leaf = certified(scratch)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(leaf)
    with threaded(Publisher, "0.0.0.0", tls) as server:
        server.ca, server.port = str(authority), server.server_address[1]
        server.pages, server.fetches, server.otherwise = {}, [], page(status=404)
        server.id = lambda path, host="localhost": f"https://{host}:{server.port}{path}"
        yield server

"""Keys as clients publish them: over TLS, at an address that counts as public."""

import contextlib
import datetime
import http.server
import ipaddress
import json
import ssl
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Handler(http.server.BaseHTTPRequestHandler):
    timeout = 30

    def do_GET(self):
        self.server.fetches.append(self.path)
        body = json.dumps(self.server.documents[self.path]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/jwk-set+json")
        self.send_header("Cache-Control", "max-age=600")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


def certificate(address, scratch):
    """A key and a certificate for the address, in one file that is also what to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "published keys")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (scratch / "published-key.pem").write_bytes(key.private_bytes(pem, *plain))
    (scratch / "published.pem").write_bytes(made.public_bytes(pem))
    return scratch / "published.pem", scratch / "published-key.pem"


@contextlib.contextmanager
def publishing(address, scratch):
    """Yields a server with `url`, `trusted`, `documents` by path, and the paths that were fetched."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trusted, key = certificate(address, scratch)
    context.load_cert_chain(trusted, key)
    server = http.server.ThreadingHTTPServer((address, 0), Handler)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.url = f"https://{address}:{server.server_address[1]}"
    server.trusted = str(trusted)
    server.documents, server.fetches = {}, []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()

"""Keys as clients publish them: over TLS, at an address that counts as public."""

import contextlib
import datetime
import ipaddress
import json
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from servers import Quiet, threaded


class Publisher(Quiet):
    def do_GET(self):
        self.server.fetches.append(self.path)
        document = json.dumps(self.server.documents[self.path]).encode()
        self.answer(200, document, {"Content-Type": "application/jwk-set+json", "Cache-Control": "max-age=600"})


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
    trusted, key = certificate(address, scratch)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(trusted, key)
    with threaded(Publisher, address, tls) as server:
        server.trusted = str(trusted)
        server.documents, server.fetches = {}, []
        yield server

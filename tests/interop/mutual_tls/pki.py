"""The certificates of a run, made at its start."""

import base64
import datetime
import ipaddress
import json
import subprocess

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)
SUBJECT = x509.Name(
    [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Acme, Inc."),
        x509.NameAttribute(NameOID.COMMON_NAME, "pki"),
    ]
)
# As RFC 4514 writes it.
SUBJECT_DN = r"CN=pki,O=Acme\, Inc.,C=DE"
NAMES = {
    "dns": ("client.example", x509.DNSName("client.example")),
    "uri": ("spiffe://example/client", x509.UniformResourceIdentifier("spiffe://example/client")),
    "ip": ("2001:0DB8:0:0:0:0:0:1", x509.IPAddress(ipaddress.ip_address("2001:db8::1"))),
    "email": ("Ops@EXAMPLE.org", x509.RFC822Name("Ops@example.org")),
}


def common_name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Party:
    """A key with its certificate, in the files `NAME.pem` (both), `NAME.crt` and `NAME.key`."""

    def __init__(self, folder, name, subject, issuer=None, key=None, names=(), days=(-1, 30), usage=None):
        self.name, self.issuer = name, issuer
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.certificate.subject if issuer else subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + days[0] * DAY)
            .not_valid_after(now + days[1] * DAY)
            .add_extension(x509.BasicConstraints(ca=usage is None, path_length=None), critical=True)
        )
        if usage:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        self.certificate = builder.sign(issuer.key if issuer else self.key, hashes.SHA256())
        self.der = self.certificate.public_bytes(serialization.Encoding.DER)
        certificate = self.certificate.public_bytes(serialization.Encoding.PEM)
        private = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self.pem, self.crt, self.private = (folder / f"{name}.{suffix}" for suffix in ("pem", "crt", "key"))
        self.pem.write_bytes(certificate + private)
        self.crt.write_bytes(certificate)
        self.private.write_bytes(private)

    @property
    def thumbprint(self):
        """By OpenSSL, which is not what the server computes it with."""
        digest = subprocess.run(
            ["openssl", "x509", "-in", self.crt, "-noout", "-fingerprint", "-sha256"], capture_output=True, check=True
        ).stdout.decode()
        raw = bytes.fromhex(digest.strip().split("=")[1].replace(":", ""))
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    @property
    def jwk(self):
        numbers = self.key.public_key().public_numbers()

        def coordinate(number):
            return base64.urlsafe_b64encode(number.to_bytes(32, "big")).rstrip(b"=").decode()

        key = {"kty": "EC", "crv": "P-256", "x": coordinate(numbers.x), "y": coordinate(numbers.y)}
        return key | {"x5c": [base64.b64encode(self.der).decode()]}


class Pki:
    """Everybody who takes part in a run."""

    def __init__(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder

        def party(name, subject, issuer=None, **more):
            usage = None if name.endswith("-ca") else ExtendedKeyUsageOID.CLIENT_AUTH
            return Party(folder, name, subject, issuer, **{"usage": usage} | more)

        addresses = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        names = [name for _, name in NAMES.values()]
        self.server_ca = party("server-ca", common_name("server CA"))
        self.server = party(
            "server", common_name("localhost"), self.server_ca, names=addresses, usage=ExtendedKeyUsageOID.SERVER_AUTH
        )
        self.client_ca = party("client-ca", common_name("client CA"))
        self.other_ca = party("other-ca", common_name("other CA"))
        self.pki = party("pki", SUBJECT, self.client_ca, names=names)
        self.renewed = party("renewed", SUBJECT, self.client_ca, names=names)
        self.large = party("large", SUBJECT, self.client_ca, names=names, key=rsa.generate_private_key(65537, 2048))
        self.expired = party("expired", SUBJECT, self.client_ca, names=names, days=(-30, -1))
        self.stranger = party("stranger", common_name("stranger"), self.client_ca)
        # What a client can make for itself: the subject of another.
        self.forged = party("forged", SUBJECT, names=names)
        self.other_issuer = party("other-issuer", SUBJECT, self.other_ca, names=names)
        self.first = party("self-signed", common_name("self"))
        self.second = party("self-signed-2", common_name("self"))
        # As a header it is larger than a buffer of HAProxy.
        self.huge = party("huge", common_name("huge"), names=[x509.DNSName(f"{number}.example") for number in range(1000)])
        self.old = party("self-signed-old", common_name("self"), days=(-30, -1))
        self.same_key = party("same-key", common_name("self"), key=self.first.key)

    def write_clients(self, more=()):
        """A file with RFC 7591 metadata."""

        def pki(client_id, member, value):
            method = "tls_client_auth"
            return {"client_id": client_id, "token_endpoint_auth_method": method, f"tls_client_auth_{member}": value}

        jwks = {"keys": [party.jwk for party in (self.first, self.second, self.old)]}
        clients = [
            pki("pki", "subject_dn", SUBJECT_DN),
            *(pki(f"pki-{kind}", f"san_{kind}", value) for kind, (value, _) in NAMES.items()),
            {"client_id": "self", "token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": jwks},
            {"client_id": "basic", "client_secret": "basic-secret"},
            {"client_id": "public", "token_endpoint_auth_method": "none"},
            *more,
        ]
        file = self.folder / "clients.json"
        file.write_text(json.dumps(clients))
        return file

"""A listener with client certificates, of a proxy or of `hyper_echo` itself: what is asked, and what comes back."""

import base64
import ssl
import subprocess
from typing import NamedTuple
from urllib.parse import quote

from pki import NAMES
from wire import Answer, accepted, over_tcp, over_tls, request, resumed

BASIC = base64.b64encode(b"basic:basic-secret").decode()
REFUSED = Answer(
    401,
    b'{"error":"invalid_client","error_description":"Client authentication failed"}',
    {
        "cache-control": "no-store",
        "content-type": "application/json",
        "www-authenticate": 'Basic realm="OAuth", charset="UTF-8"',
    },
)


def escaped_pem(party):
    return quote(party.crt.read_text(), safe="")


def base64_der(party):
    return base64.b64encode(party.der).decode()


def rfc9440(party):
    return f":{base64_der(party)}:"


def spaced_pem(party):
    return party.crt.read_text().replace("\n", " ")


WRITTEN = (escaped_pem, base64_der, rfc9440, spaced_pem)
CERT, VERIFY = "X-SSL-Client-Cert", "X-SSL-Client-Verify"
# What becomes of a connection: its requests are handed on, answered with a status, or there is none.
FORWARDED, NONE = object(), None
TRUSTED, OTHER = "127.0.0.1", "127.0.0.2"


class Kind(NamedTuple):
    """What a proxy does: the header, its encoding as the server and as this run knows it, and the value of the other
    header where the chain is good; what becomes of a certificate that is expired, and of one that nobody vouches for;
    whether it resumes sessions; and what becomes of a certificate of 16 KB."""

    header: str
    flag: str
    write: object
    good: str
    expired: object
    unverified: object = FORWARDED
    resumes: bool = True
    huge: object = 400


# `hyper_echo` itself, which reads none of the headers.
DIRECT = Kind(CERT, "", escaped_pem, "SUCCESS", FORWARDED, huge=FORWARDED)


class Listener:
    """A recipe that runs at `port`, in front of the server at `upstream`."""

    def __init__(self, name, kind, pki, tally, port, upstream):
        self.name, self.kind, self.pki, self.tally = name, kind, pki, tally
        self.port, self.upstream = port, upstream

    def same(self, what, ask, wanted):
        """`wanted` is an answer, a status, or `NONE`."""
        try:
            got = ask()
        except OSError as error:
            got = error
        if wanted is NONE:
            fine = isinstance(got, OSError)
        elif isinstance(wanted, int):
            fine = isinstance(got, Answer) and got.status == wanted
        else:
            fine = got == wanted
        self.tally.expect(fine, f"{self.name}: {what}: {got!r}, not {wanted!r}")

    def ask(self, what, party, wanted, form, headers=(), basic=None, version=None):
        """Compares the answer to a request through the proxy, as far as the proxy hands it on."""
        sent = request(form, headers, basic)
        end = self.end(party)
        self.same(
            f"{what}, {party.name if party else 'no certificate'}",
            lambda: over_tls(self.port, self.pki, party, sent, version),
            wanted if end is FORWARDED else end,
        )

    def end(self, party):
        if party in (self.pki.expired, self.pki.old):
            return self.kind.expired
        return FORWARDED if party is None or party.issuer is self.pki.client_ca else self.kind.unverified

    def ask_server(self, what, wanted, form, headers=(), basic=None, source=TRUSTED):
        """The same without the proxy."""
        sent = request(form, headers, basic)
        self.same(what, lambda: over_tcp(self.upstream, sent, source), wanted)


def by_pki(party, client_id="pki"):
    return accepted(f"a=b&client_id={client_id}", client_id, "tls_client_auth", party.thumbprint)


def by_itself(party):
    return accepted("a=b&client_id=self", "self", "self_signed_tls_client_auth", party.thumbprint)


def by_secret(party):
    return accepted("a=b", "basic", "client_secret_basic", party and party.thumbprint)


def public(party):
    return accepted("a=b&client_id=public", "public", "none", party and party.thumbprint)


def methods(listener):
    """Which certificate is whom."""
    pki = listener.pki
    form = "a=b&client_id=pki"
    for version in (None, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        for party in (pki.pki, pki.renewed, pki.large):
            listener.ask(f"a certificate of the CA, {version!r}", party, by_pki(party), form, version=version)
        for party in (None, pki.stranger, pki.forged, pki.other_issuer, pki.expired, pki.first):
            listener.ask(f"a certificate of the CA, {version!r}", party, REFUSED, form, version=version)
    for name in NAMES:
        client_id = f"pki-{name}"
        listener.ask(f"by {name}", pki.pki, by_pki(pki.pki, client_id), f"a=b&client_id={client_id}")
        listener.ask(f"by {name}", pki.stranger, REFUSED, f"a=b&client_id={client_id}")
    listener.ask("an unknown client", pki.pki, REFUSED, "a=b&client_id=unknown")
    listener.ask("nobody", pki.pki, 401, "a=b")

    form = "a=b&client_id=self"
    for party in (pki.first, pki.second, pki.old):
        listener.ask("a registered certificate", party, by_itself(party), form)
    for party in (None, pki.same_key, pki.forged, pki.pki):
        listener.ask("a registered certificate", party, REFUSED, form)

    # Taken for none, its owner would get tokens that are not bound to it.
    wanted = by_secret(pki.huge) if listener.kind.huge is FORWARDED else listener.kind.huge
    listener.ask("a secret", pki.huge, wanted, "a=b", basic=BASIC)
    for party in (None, pki.pki, pki.forged):
        listener.ask("a secret", party, by_secret(party), "a=b", basic=BASIC)
        listener.ask("a public client", party, public(party), "a=b&client_id=public")


def sessions(listener, scratch):
    """A session that is resumed has no certificate on the wire."""
    pki, tally = listener.pki, listener.tally
    for version in ("1.2", "1.3"):
        for party, client_id, wanted in (
            (pki.pki, "pki", by_pki(pki.pki)),
            (pki.first, "self", by_itself(pki.first)),
            (pki.forged, "pki", REFUSED),
            (pki.other_issuer, "pki", REFUSED),
        ):
            what = f"{listener.name}: {party.name} over TLS {version}"
            both = None
            try:
                both = resumed(listener.port, pki, party, f"a=b&client_id={client_id}", version, scratch)
            except (OSError, subprocess.TimeoutExpired) as error:
                tally.expect(listener.end(party) is NONE, f"{what}: {error!r}")
                continue
            second = ("Reused", wanted) if listener.kind.resumes else ("New", REFUSED)
            for (begun, answer), got in zip((("New", wanted), second), both):
                expected = (begun, f"TLSv{version}", answer)
                tally.expect(got == expected, f"{what}: {got!r}, not {expected!r}")


def spellings(header):
    """Of a name: as it is, in other cases, and as others read it in CGI."""
    return [header, header.lower(), header.upper(), header.replace("-", "_"), header.lower().replace("-", "_")]


def spoofs(kind, party):
    """The headers that a client could send for another, who has the certificate of `party`."""
    value, verify = kind.write(party), (VERIFY, kind.good)
    for header in spellings(kind.header):
        yield header, [(header, value), verify]
    yield "all spellings", [(header, value) for header in spellings(kind.header)] + [
        (header, kind.good) for header in spellings(VERIFY)
    ]
    yield "twice", [(kind.header, value), (kind.header, value), verify, verify]
    lists = f"close, {kind.header}, {VERIFY}"
    yield "Connection", [("Connection", lists), (kind.header, value), verify]
    yield "Connection, other spellings", [
        ("Connection", lists),
        *((header, value) for header in spellings(kind.header)[3:]),
        (VERIFY.replace("-", "_"), kind.good),
    ]
    for other in WRITTEN:
        for header in ("Client-Cert", CERT, "X-Forwarded-Client-Cert"):
            if header != kind.header:
                yield f"{other.__name__} in {header}", [(header, other(party)), verify]


def forgeries(listener):
    """Headers of the client never count."""
    pki = listener.pki
    form = "a=b&client_id=pki"
    for what, headers in spoofs(listener.kind, pki.pki):
        what = f"spoofed, {what}"
        listener.ask(what, None, REFUSED, form, headers)
        listener.ask(what, pki.forged, REFUSED, form, headers)
        listener.ask(what, pki.renewed, by_pki(pki.renewed), form, headers)
        for party in (None, pki.forged, pki.renewed):
            listener.ask(what, party, by_secret(party), "a=b", headers, BASIC)

"""nginx, HAProxy and Apache as the guide configures them, each in front of a `hyper_echo`: what a client is with its
certificate, without one, with one that it made itself, and with the headers of others."""

import argparse
import base64
import contextlib
import pathlib
import re
import ssl
import subprocess
import sys
from typing import NamedTuple
from urllib.parse import quote

from pki import NAMES, Pki
from proxies import blocks, proxy, recipes
from servers import serving
from trials import Tally
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


class Proxy(NamedTuple):
    """What a recipe does: the header, its encoding as the server and as this run knows it, and the value of the other
    header where the chain is good; what becomes of a certificate that is expired, and of one that nobody vouches for;
    and whether it resumes sessions."""

    header: str
    flag: str
    write: object
    good: str
    expired: object
    unverified: object = FORWARDED
    resumes: bool = True


# The same of `hyper_echo` itself, which reads none of the headers.
DIRECT = Proxy(CERT, "", escaped_pem, "SUCCESS", FORWARDED)
PROXIES = {
    "nginx": Proxy(CERT, "escaped-pem", escaped_pem, "SUCCESS", 400),
    "HAProxy": Proxy(CERT, "base64-der", base64_der, "1-0", FORWARDED),
    "HAProxy, RFC 9440": Proxy("Client-Cert", "rfc9440", rfc9440, "1-0", FORWARDED),
    "Apache": Proxy(CERT, "spaced-pem", spaced_pem, "SUCCESS", NONE, resumes=False),
    "Apache, CA only": Proxy(CERT, "spaced-pem", spaced_pem, "SUCCESS", NONE, NONE),
}


class Trial:
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


def methods(trial):
    """Which certificate is whom."""
    pki = trial.pki
    form = "a=b&client_id=pki"
    for version in (None, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        for party in (pki.pki, pki.renewed, pki.large):
            trial.ask(f"a certificate of the CA, {version!r}", party, by_pki(party), form, version=version)
        for party in (None, pki.stranger, pki.forged, pki.other_issuer, pki.expired, pki.first):
            trial.ask(f"a certificate of the CA, {version!r}", party, REFUSED, form, version=version)
    for name in NAMES:
        client_id = f"pki-{name}"
        trial.ask(f"by {name}", pki.pki, by_pki(pki.pki, client_id), f"a=b&client_id={client_id}")
        trial.ask(f"by {name}", pki.stranger, REFUSED, f"a=b&client_id={client_id}")
    trial.ask("an unknown client", pki.pki, REFUSED, "a=b&client_id=unknown")
    trial.ask("nobody", pki.pki, 401, "a=b")

    form = "a=b&client_id=self"
    for party in (pki.first, pki.second, pki.old):
        trial.ask("a registered certificate", party, by_itself(party), form)
    for party in (None, pki.same_key, pki.forged, pki.pki):
        trial.ask("a registered certificate", party, REFUSED, form)

    for party in (None, pki.pki, pki.forged):
        trial.ask("a secret", party, by_secret(party), "a=b", basic=BASIC)
        trial.ask("a public client", party, public(party), "a=b&client_id=public")


def sessions(trial, scratch):
    """A session that is resumed has no certificate on the wire."""
    pki, tally = trial.pki, trial.tally
    for version in ("1.2", "1.3"):
        for party, client_id, wanted in (
            (pki.pki, "pki", by_pki(pki.pki)),
            (pki.first, "self", by_itself(pki.first)),
            (pki.forged, "pki", REFUSED),
            (pki.other_issuer, "pki", REFUSED),
        ):
            what = f"{trial.name}: {party.name} over TLS {version}"
            both = None
            try:
                both = resumed(trial.port, pki, party, f"a=b&client_id={client_id}", version, scratch)
            except (OSError, subprocess.TimeoutExpired) as error:
                tally.expect(trial.end(party) is NONE, f"{what}: {error!r}")
                continue
            second = ("Reused", wanted) if trial.kind.resumes else ("New", REFUSED)
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


def forgeries(trial):
    """Headers of the client never count."""
    pki = trial.pki
    form = "a=b&client_id=pki"
    for what, headers in spoofs(trial.kind, pki.pki):
        what = f"spoofed, {what}"
        trial.ask(what, None, REFUSED, form, headers)
        trial.ask(what, pki.forged, REFUSED, form, headers)
        trial.ask(what, pki.renewed, by_pki(pki.renewed), form, headers)
        for party in (None, pki.forged, pki.renewed):
            trial.ask(what, party, by_secret(party), "a=b", headers, BASIC)


def around(trial):
    """Straight to the server: headers count where they come from the trusted hop, and have to be readable there."""
    pki, kind = trial.pki, trial.kind
    form, value = "a=b&client_id=pki", kind.write(pki.pki)
    good = [(kind.header, value), (VERIFY, kind.good)]
    trial.ask_server("from the trusted hop", by_pki(pki.pki), form, good)
    trial.ask_server("from another hop", REFUSED, form, good, source=OTHER)
    trial.ask_server("from another hop, a secret", by_secret(None), "a=b", good, BASIC, OTHER)
    wrong = ["", "0", "NONE", f"FAILED:{kind.good}", f"{kind.good}x", kind.good[:-1]]
    for verify in ([], *([(VERIFY, value)] for value in wrong), [(VERIFY, "FAILED"), good[1]], [good[1]] * 2):
        trial.ask_server(f"verified is {verify}", REFUSED, form, [good[0], *verify])
    others = [write(pki.pki) for write in WRITTEN if write != kind.write]
    for unreadable in ([value[: len(value) // 2]], ["x"], [value + "x"], [value, value], *([other] for other in others)):
        headers = [(kind.header, one) for one in unreadable]
        trial.ask_server(f"unreadable: {unreadable}", 400, "a=b", headers, BASIC)


def shell(trial, script):
    """What a script of the page prints, in the folder of the certificates."""
    script = script.replace("localhost/", f"localhost:{trial.port}/").replace("localhost:443", f"localhost:{trial.port}")
    done = subprocess.run(["bash"], input=script, cwd=trial.pki.folder, capture_output=True, text=True, timeout=120)
    return done.stdout.split("\n")[:-1]


def by_hand(trial):
    """What the page says that its commands print."""
    pages, tally = blocks(), trial.tally
    header = {name: line for line, name in re.findall(r"^(.*) # (.*)$", pages["Which header"], re.M)}
    which = trial.name if trial.name in header else trial.name.split(",")[0]
    wanted = re.findall(r"# (\d{3})$", pages["Who gets in"], re.M)
    if trial.kind.unverified is NONE:
        lines = pages["Who gets in"].splitlines()[1:]
        wanted = ["000" if "forged.pem" in line else status for line, status in zip(lines, wanted)]
    printed = shell(trial, f"{header[which]}\n{pages['Who gets in']}")
    tally.expect(printed == wanted and len(wanted) > 10, f"{trial.name}: the page prints {printed}, not {wanted}")
    for version in ("tls1_2", "tls1_3"):
        printed = shell(trial, pages["Resumed"].replace("tls1_2", version))
        # HTTP/1.0 or HTTP/1.1.
        printed = [line.split()[-1] for line in printed]
        expected = ["New", "401", "Reused" if trial.kind.resumes else "New", "401"]
        if trial.kind.unverified is NONE:
            printed, expected = printed[-2:], ["New", "401"]
        tally.expect(printed == expected, f"{trial.name}: the page prints {printed} with {version}, not {expected}")


def replacing(line, other):
    """Edits a recipe: `other` in the place of the only line that begins with `line`."""

    def edit(recipe):
        lines, words = recipe.splitlines(), line.split()
        found = [number for number, one in enumerate(lines) if one.split()[: len(words)] == words]
        if len(found) != 1:
            raise SystemExit(f"FAILED: there is no one line {line!r} in {recipe}")
        lines[found[0]] = other
        return "\n".join(lines)

    return edit


def claim_certificate(trial, _scratch):
    """Somebody without a certificate is who they say."""
    party = trial.pki.first
    headers = [(trial.kind.header, trial.kind.write(party))]
    trial.ask("claimed", None, by_itself(party), "a=b&client_id=self", headers)


def claim_verification(trial, _scratch):
    """A certificate that somebody made is as good as one of the CA."""
    party = trial.pki.forged
    trial.ask("claimed", party, by_pki(party), "a=b&client_id=pki", [(VERIFY, trial.kind.good)])


def resume(trial, scratch):
    """The same, from the second connection on."""
    party = trial.pki.forged
    _, second = resumed(trial.port, trial.pki, party, "a=b&client_id=pki", "1.2", scratch)
    expected = ("Reused", "TLSv1.2", by_pki(party))
    trial.tally.expect(second == expected, f"{trial.name}: {second!r}, not {expected!r}")


def shed(trial, _scratch):
    """A client sheds its certificate, which helps nobody who needs one."""
    pki = trial.pki
    headers = [("Connection", f"close, {trial.kind.header}")]
    trial.ask("shed", pki.pki, REFUSED, "a=b&client_id=pki", headers)
    trial.ask("shed", pki.pki, by_secret(None), "a=b", headers, BASIC)


# What happens without a line of a recipe, or with another in its place.
NEEDED = (
    ("nginx", "proxy_set_header X-SSL-Client-Cert", claim_certificate),
    ("nginx", "proxy_set_header X-SSL-Client-Verify", claim_verification),
    ("HAProxy", "http-request set-header X-SSL-Client-Cert", claim_certificate),
    ("HAProxy", "http-request set-header X-SSL-Client-Verify", claim_verification),
    ("HAProxy, RFC 9440", "http-request del-header Client-Cert", claim_certificate),
    ("HAProxy, RFC 9440", "http-request set-header X-SSL-Client-Verify", claim_verification),
    ("Apache", "RequestHeader set X-SSL-Client-Cert", claim_certificate),
    ("Apache", "RequestHeader set X-SSL-Client-Verify", claim_verification),
    ("Apache", "RequestHeader unset Connection", shed),
    ("Apache", "SSLSessionTickets off", resume),
    ("Apache", "SSLSessionCache none", resume, "SSLSessionCache shmcb:sessions(65536)"),
)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", required=True, help="hyper_echo")
    parser.add_argument("--debian", required=True, help="the folder with the unpacked proxies")
    parser.add_argument("--scratch", required=True)
    arguments = parser.parse_args()
    scratch, debian = pathlib.Path(arguments.scratch), pathlib.Path(arguments.debian)
    pki = Pki(scratch / "pki")
    clients = pki.write_clients()
    tally = Tally()
    tally.expect(set(recipes()) == set(PROXIES), f"the page has the recipes {list(recipes())}")

    @contextlib.contextmanager
    def running(name, edit=lambda recipe: recipe):
        kind = PROXIES[name]
        command = [arguments.server, "--listen", "127.0.0.1:0", "--clients", clients]
        command += ["--client-cert-header", f"{kind.header}={kind.flag}", "--trusted-hop", TRUSTED]
        command += ["--verified-if", f"{VERIFY}={kind.good}"]
        with serving(command, scratch / "hyper_echo.log") as upstream:
            with proxy(name, debian, scratch, pki.folder, upstream, edit) as port:
                yield Trial(name, kind, pki, tally, port, int(upstream.rsplit(":", 1)[1]))

    for name in PROXIES:
        with running(name) as trial:
            methods(trial)
            sessions(trial, scratch)
            forgeries(trial)
            around(trial)
            by_hand(trial)
    for name, line, attack, *other in NEEDED:
        with running(name, replacing(line, *other or [""])) as trial:
            trial.name += f", without {line!r}"
            attack(trial, scratch)
    print("".join(f"{problem}\n" for problem in tally.problems), end="")
    print(f"interop proxies: {tally.passed} passed, {len(tally.problems)} failed")
    return 1 if tally.problems else 0


if __name__ == "__main__":
    sys.exit(main())

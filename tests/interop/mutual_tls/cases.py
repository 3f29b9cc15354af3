"""nginx, HAProxy and Apache as the guide configures them, each in front of a `hyper_echo`: what a client is with its
certificate, without one, with one that it made itself, and with the headers of others."""

import argparse
import contextlib
import pathlib
import re
import subprocess
import sys

from clients import libraries
from listener import (
    BASIC,
    CERT,
    FORWARDED,
    NONE,
    OTHER,
    REFUSED,
    TRUSTED,
    VERIFY,
    WRITTEN,
    Kind,
    Listener,
    base64_der,
    by_itself,
    by_pki,
    by_secret,
    escaped_pem,
    forgeries,
    methods,
    rfc9440,
    sessions,
    spaced_pem,
)
from pki import Pki
from proxies import blocks, proxy, recipes
from servers import serving
from trials import Tally
from wire import resumed

PROXIES = {
    "nginx": Kind(CERT, "escaped-pem", escaped_pem, "SUCCESS", 400),
    "HAProxy": Kind(CERT, "base64-der", base64_der, "1-0", FORWARDED),
    "HAProxy, RFC 9440": Kind("Client-Cert", "rfc9440", rfc9440, "1-0", FORWARDED),
    "Apache": Kind(CERT, "spaced-pem", spaced_pem, "SUCCESS", NONE, resumes=False),
    "Apache, CA only": Kind(CERT, "spaced-pem", spaced_pem, "SUCCESS", NONE, NONE),
}


def around(listener):
    """Straight to the server: headers count where they come from the trusted hop, and have to be readable there."""
    pki, kind = listener.pki, listener.kind
    form, value = "a=b&client_id=pki", kind.write(pki.pki)
    good = [(kind.header, value), (VERIFY, kind.good)]
    listener.ask_server("from the trusted hop", by_pki(pki.pki), form, good)
    listener.ask_server("from another hop", REFUSED, form, good, source=OTHER)
    listener.ask_server("from another hop, a secret", by_secret(None), "a=b", good, BASIC, OTHER)
    wrong = ["", "0", "NONE", f"FAILED:{kind.good}", f"{kind.good}x", kind.good[:-1]]
    for verify in ([], *([(VERIFY, value)] for value in wrong), [(VERIFY, "FAILED"), good[1]], [good[1]] * 2):
        listener.ask_server(f"verified is {verify}", REFUSED, form, [good[0], *verify])
    others = [write(pki.pki) for write in WRITTEN if write != kind.write]
    for unreadable in ([value[: len(value) // 2]], ["x"], [value + "x"], [value, value], *([other] for other in others)):
        headers = [(kind.header, one) for one in unreadable]
        listener.ask_server(f"unreadable: {unreadable}", 400, "a=b", headers, BASIC)


def shell(listener, script):
    """What a script of the page prints, in the folder of the certificates."""
    script = script.replace("localhost/", f"localhost:{listener.port}/").replace("localhost:443", f"localhost:{listener.port}")
    done = subprocess.run(["bash"], input=script, cwd=listener.pki.folder, capture_output=True, text=True, timeout=120)
    return done.stdout.split("\n")[:-1]


def by_hand(listener):
    """What the page says that its commands print."""
    pages, tally = blocks(), listener.tally
    header = {name: line for line, name in re.findall(r"^(.*) # (.*)$", pages["Which header"], re.M)}
    which = listener.name if listener.name in header else listener.name.split(",")[0]
    wanted = re.findall(r"# (\d{3})$", pages["Who gets in"], re.M)
    if listener.kind.unverified is NONE:
        lines = pages["Who gets in"].splitlines()[1:]
        wanted = ["000" if "forged.pem" in line else status for line, status in zip(lines, wanted)]
    printed = shell(listener, f"{header[which]}\n{pages['Who gets in']}")
    tally.expect(printed == wanted and len(wanted) > 10, f"{listener.name}: the page prints {printed}, not {wanted}")
    for version in ("tls1_2", "tls1_3"):
        printed = shell(listener, pages["Resumed"].replace("tls1_2", version))
        # HTTP/1.0 or HTTP/1.1.
        printed = [line.split()[-1] for line in printed]
        expected = ["New", "401", "Reused" if listener.kind.resumes else "New", "401"]
        if listener.kind.unverified is NONE:
            printed, expected = printed[-2:], ["New", "401"]
        tally.expect(printed == expected, f"{listener.name}: the page prints {printed} with {version}, not {expected}")


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


def claim_certificate(listener, _scratch):
    """Somebody without a certificate is who they say."""
    party = listener.pki.first
    headers = [(listener.kind.header, listener.kind.write(party))]
    listener.ask("claimed", None, by_itself(party), "a=b&client_id=self", headers)


def claim_verification(listener, _scratch):
    """A certificate that somebody made is as good as one of the CA."""
    party = listener.pki.forged
    listener.ask("claimed", party, by_pki(party), "a=b&client_id=pki", [(VERIFY, listener.kind.good)])


def resume(listener, scratch):
    """The same, from the second connection on."""
    party = listener.pki.forged
    _, second = resumed(listener.port, listener.pki, party, "a=b&client_id=pki", "1.2", scratch)
    expected = ("Reused", "TLSv1.2", by_pki(party))
    listener.tally.expect(second == expected, f"{listener.name}: {second!r}, not {expected!r}")


def shed(listener, _scratch):
    """A client sheds its certificate, which helps nobody who needs one."""
    pki = listener.pki
    headers = [("Connection", f"close, {listener.kind.header}")]
    listener.ask("shed", pki.pki, REFUSED, "a=b&client_id=pki", headers)
    listener.ask("shed", pki.pki, by_secret(None), "a=b", headers, BASIC)


def overflow(listener, _scratch):
    """A certificate that does not fit is none, and tokens are bound to nothing."""
    listener.ask("too large", listener.pki.huge, by_secret(None), "a=b", basic=BASIC)


# What happens without a line of a recipe, or with another in its place.
NEEDED = (
    ("nginx", "proxy_set_header X-SSL-Client-Cert", claim_certificate),
    ("nginx", "proxy_set_header X-SSL-Client-Verify", claim_verification),
    ("HAProxy", "http-request set-header X-SSL-Client-Cert", claim_certificate),
    ("HAProxy", "http-request set-header X-SSL-Client-Verify", claim_verification),
    ("HAProxy", "http-request deny deny_status 400", overflow),
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
    parser.add_argument("--node", required=True, help="node_clients.mjs, beside its packages")
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
                yield Listener(name, kind, pki, tally, port, int(upstream.rsplit(":", 1)[1]))

    for name in PROXIES:
        with running(name) as listener:
            methods(listener)
            sessions(listener, scratch)
            forgeries(listener)
            around(listener)
            by_hand(listener)
            libraries(listener, arguments.node)
    for name, line, attack, *other in NEEDED:
        with running(name, replacing(line, *other or [""])) as listener:
            listener.name += f", without {line!r}"
            attack(listener, scratch)
    print("".join(f"{problem}\n" for problem in tally.problems), end="")
    print(f"interop proxies: {tally.passed} passed, {len(tally.problems)} failed")
    return 1 if tally.problems else 0


if __name__ == "__main__":
    sys.exit(main())

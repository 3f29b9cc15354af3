"""The same requests to `hyper_echo` and to node-oidc-provider, both with certificates of the connection, and in what
the answers differ. `DIFFERENCES` are those that are known, each with the reason; any other is a failure, and so is one
that has gone."""

import argparse
import base64
import contextlib
import json
import pathlib
import sys

from pki import NAMES, SUBJECT_DN, Pki
from servers import serving
from trials import Tally
from wire import over_tls, request

BASIC = base64.b64encode(b"basic:basic-secret").decode()
FORM = "grant_type=client_credentials"

NO_CLIENT, MALFORMED = "401 invalid_client", "400 invalid_request"
# What was asked: what the two answered, and why. How names are compared is the application's with oidc-provider, and
# here it compares strings.
DIFFERENCES = {
    "pki-ip": (("200", NO_CLIENT), "RFC 8705 §2.1.2 compares addresses in binary"),
    "pki-email": (("200", NO_CLIENT), "RFC 5280 §7.5 compares the host without regard to case"),
    **dict.fromkeys(
        ("pki-spaces", "pki-case", "pki-escape", "pki-type"),
        (("200", NO_CLIENT), "RFC 4514 has many ways to write the same name"),
    ),
    **dict.fromkeys(
        ("nobody, no certificate", "nobody, pki", "nobody, forged"),
        ((NO_CLIENT, MALFORMED), "RFC 6749 §5.2: no client authentication is `invalid_client`"),
    ),
    "pki and an assertion": ((NO_CLIENT, MALFORMED), "what cannot be read as an assertion is malformed to it"),
}


def requests(pki):
    """The name of each, the certificate, the parameters, and the credentials in the header."""
    parties = (
        None, pki.pki, pki.renewed, pki.large, pki.stranger, pki.forged, pki.other_issuer, pki.expired, pki.first,
        pki.second, pki.old, pki.same_key,
    )  # fmt: skip
    for client_id in ("pki", "self", "public", "basic", "unknown"):
        for party in parties:
            yield f"{client_id}, {party.name if party else 'no certificate'}", party, f"&client_id={client_id}", None
    for kind in NAMES:
        yield f"pki-{kind}", pki.pki, f"&client_id=pki-{kind}", None
        yield f"pki-{kind}, stranger", pki.stranger, f"&client_id=pki-{kind}", None
    for name, party in (("no certificate", None), ("pki", pki.pki), ("forged", pki.forged)):
        yield f"a secret, {name}", party, "", BASIC
        yield f"a secret and the client_id of another, {name}", party, "&client_id=pki", BASIC
        yield f"a wrong secret, {name}", party, "", base64.b64encode(b"basic:wrong").decode()
        yield f"nobody, {name}", party, "", None
    yield "pki and a secret", pki.pki, "&client_id=pki&client_secret=x", None
    yield "pki and an empty secret", pki.pki, "&client_id=pki&client_secret=", None
    yield "pki twice", pki.pki, "&client_id=pki&client_id=pki", None
    yield "pki and an assertion", pki.pki, (
        "&client_id=pki&client_assertion=a.b.c"
        "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
    ), None
    for name in ("pki-spaces", "pki-case", "pki-reversed", "pki-escape", "pki-type"):
        yield name, pki.pki, f"&client_id={name}", None


def more_clients():
    """Ways to write the subject."""
    method = "tls_client_auth"
    for name, subject in {
        "pki-spaces": SUBJECT_DN.replace(",C", ", C"),
        "pki-case": SUBJECT_DN.replace("CN=", "cn="),
        "pki-reversed": r"C=DE,O=Acme\, Inc.,CN=pki",
        "pki-escape": SUBJECT_DN.replace(r"\,", r"\2C"),
        "pki-type": SUBJECT_DN.replace("CN=", "2.5.4.3="),
    }.items():
        yield {"client_id": name, "token_endpoint_auth_method": method, "tls_client_auth_subject_dn": subject}


def told(answer):
    """Status and error: what a client goes by."""
    try:
        error = json.loads(answer.body).get("error")
    except ValueError:
        error = None
    return f"{answer.status} {error}" if error else str(answer.status)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", required=True, help="hyper_echo")
    parser.add_argument("--node", required=True, help="node_provider.mjs, beside its packages")
    parser.add_argument("--scratch", required=True)
    arguments = parser.parse_args()
    scratch = pathlib.Path(arguments.scratch)
    pki, tally = Pki(scratch / "pki"), Tally()
    clients = pki.write_clients(more_clients())
    ours = [arguments.server, "--listen", "127.0.0.1:0", "--clients", clients]
    ours += ["--tls-cert", pki.server.crt, "--tls-key", pki.server.private, "--client-ca", pki.client_ca.crt, "--issuer", "https://localhost"]
    theirs = ["node", arguments.node, clients, pki.server.crt, pki.server.private, pki.client_ca.crt]
    with contextlib.ExitStack() as stack:
        servers = [
            stack.enter_context(serving(ours, scratch / "hyper_echo.log")),
            stack.enter_context(serving(theirs, scratch / "provider.log")),
        ]
        ports = [int(server.rsplit(":", 1)[1]) for server in servers]
        for what, party, parameters, basic in requests(pki):
            sent = request(FORM + parameters, basic=basic)
            answers = tuple(told(over_tls(port, pki, party, sent)) for port in ports)
            known = DIFFERENCES.get(what, ((answers[0],) * 2, ""))[0]
            tally.expect(answers == known, f"{what}: hyper_echo, oidc-provider {answers}, not {known}")
    print("".join(f"{problem}\n" for problem in tally.problems), end="")
    for what, ((mine, other), reason) in DIFFERENCES.items():
        print(f"{what}: hyper_echo {mine}, oidc-provider {other}: {reason}")
    print(f"interop oidc-provider: {tally.passed} passed, {len(tally.problems)} failed, {len(DIFFERENCES)} differences")
    return 1 if tally.problems else 0


if __name__ == "__main__":
    sys.exit(main())

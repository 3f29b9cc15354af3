"""Clients that people use, straight at a `hyper_echo` that speaks TLS, once with each of many certificates."""

import argparse
import contextlib
import json
import pathlib
import socket
import ssl
import subprocess
import sys
from urllib.parse import parse_qsl, urlencode

import httpx
import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import OAuth2Client as AuthlibHttpx
from authlib.integrations.requests_client import OAuth2Session as AuthlibRequests
from listener import DIRECT, FORWARDED, REFUSED, Listener, by_itself, by_pki, forgeries, methods, sessions
from pki import Pki
from servers import serving
from trials import Tally
from wire import SECONDS, Answer

FORM = {"a": "b"}


def curl(*options):
    def go(server, pki, party, client_id):
        command = ["curl", "--silent", "--show-error", "--include", "--max-time", str(SECONDS), "--cacert", pki.server_ca.crt]
        command += ["--cert", party.pem] if party else []
        command += [*options, "--data", urlencode(FORM | {"client_id": client_id}), f"{server}/token"]
        head, _, body = subprocess.run(command, capture_output=True, check=True).stdout.partition(b"\r\n\r\n")
        status, *headers = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in headers)
        return Answer(int(status.split()[1]), body, {name.lower(): value for name, value in headers.items()})

    return go


def from_library(answer):
    return Answer(answer.status_code, answer.content, {name.lower(): value for name, value in answer.headers.items()})


def by_requests(server, pki, party, client_id):
    pair = (party.crt, party.private) if party else None
    form = FORM | {"client_id": client_id}
    answer = requests.post(f"{server}/token", data=form, cert=pair, verify=str(pki.server_ca.crt), timeout=SECONDS)
    return from_library(answer)


def context(pki, party):
    context = ssl.create_default_context(cafile=str(pki.server_ca.crt))
    if party:
        context.load_cert_chain(party.crt, party.private)
    return context


def by_httpx(server, pki, party, client_id):
    with httpx.Client(verify=context(pki, party), timeout=SECONDS) as client:
        return from_library(client.post(f"{server}/token", data=FORM | {"client_id": client_id}))


def authlib(session, **transport):
    """Authlib has no name for the methods: to it the client is public, and the connection has a certificate."""
    told = []

    def issue(answer):
        """`hyper_echo` issues no token."""
        told.append(from_library(answer))
        if answer.status_code == 200:
            answer._content = b'{"access_token": "token", "token_type": "bearer"}'
        return answer

    session.register_compliance_hook("access_token_response", issue)
    try:
        session.fetch_token(grant_type="client_credentials", **FORM, **transport)
    except OAuthError as error:
        if told[0].status == 200 or error.error != "invalid_client":
            raise
    return told[0]


def authlib_requests(server, pki, party, client_id):
    session = AuthlibRequests(client_id, token_endpoint=f"{server}/token", token_endpoint_auth_method="none")
    pair = (str(party.crt), str(party.private)) if party else None
    return authlib(session, cert=pair, verify=str(pki.server_ca.crt))


def authlib_httpx(server, pki, party, client_id):
    with AuthlibHttpx(
        client_id, token_endpoint=f"{server}/token", token_endpoint_auth_method="none", verify=context(pki, party)
    ) as client:
        return authlib(client)


CLIENTS = {
    **{
        f"curl {version} {tls}": curl(version, *options)
        for version in ("--http1.1", "--http2")
        for tls, options in (("TLS 1.2", ["--tlsv1.2", "--tls-max", "1.2"]), ("TLS 1.3", ["--tlsv1.3"]))
    },
    "requests": by_requests,
    "httpx": by_httpx,
    "Authlib, requests": authlib_requests,
    "Authlib, httpx": authlib_httpx,
}
NODE_CLIENTS = ("oauth4webapi", "openid-client")


def rows(pki):
    """Of the client with an id the certificate, and what becomes of it."""
    for party in (pki.pki, pki.renewed, pki.large):
        yield "pki", party, by_pki(party)
    for party in (None, pki.stranger, pki.forged, pki.other_issuer, pki.expired, pki.first):
        yield "pki", party, REFUSED
    for party in (pki.first, pki.second, pki.old):
        yield "self", party, by_itself(party)
    for party in (None, pki.same_key, pki.pki):
        yield "self", party, REFUSED


def same(got, wanted):
    """The libraries have parameters and an order of their own."""
    form = dict(parse_qsl(got.body.decode()))
    form.pop("grant_type", None)
    body = urlencode(form).encode() if got.status == 200 else got.body
    return Answer(got.status, body, got.headers) == wanted


def node_answers(program, server, pki, rows):
    """What came back in Node, and what the library made of it."""
    names = {"ca": str(pki.server_ca.crt)}
    jobs = []
    for client in NODE_CLIENTS:
        for client_id, party, _ in rows:
            files = {"cert": str(party.crt), "key": str(party.private)} if party else {}
            jobs.append({"client": client, "server": server, "client_id": client_id, **names, **files})
    done = subprocess.run(["node", program], input=json.dumps(jobs), capture_output=True, text=True, timeout=300)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    if len(answers) != len(jobs):
        raise SystemExit(f"FAILED: the Node clients stopped: {done.stderr}")
    for job, told in zip(jobs, answers):
        answer = Answer(told["status"], told["body"].encode(), told["headers"]) if "status" in told else None
        yield job, answer, told["error"]


def libraries(listener, node):
    """Every client with every certificate, as far as a proxy hands it on."""
    pki, tally, server = listener.pki, listener.tally, f"https://localhost:{listener.port}"
    passing = [row for row in rows(pki) if listener.end(row[1]) is FORWARDED]
    for name, client in CLIENTS.items():
        for client_id, party, wanted in passing:
            got = client(server, pki, party, client_id)
            who = f"{listener.name}: {name}, {client_id}, {party.name if party else 'no certificate'}"
            tally.expect(same(got, wanted), f"{who}: {got!r}, not {wanted!r}")
    wanted = [wanted for _ in NODE_CLIENTS for *_, wanted in passing]
    for (job, got, error), expected in zip(node_answers(node, server, pki, passing), wanted, strict=True):
        fine = got and same(got, expected) and error == (None if expected.status == 200 else 401)
        tally.expect(fine, f"{listener.name}: {job}: {got!r}, {error}, not {expected!r}")


# What does not make sense ends the program with status 2, before anybody is believed who should not be.
HEADER = ("--client-cert-header", "x-ssl-client-cert=escaped-pem")
MEANINGLESS = (
    HEADER,
    (*HEADER, "--verified-if", "x-ssl-client-verify=SUCCESS"),
    (*HEADER, "--trusted-hop", "everybody"),
    ("--trusted-hop", "127.0.0.1"),
    ("--verified-if", "x-ssl-client-verify=SUCCESS"),
    ("--client-cert-header", "x-ssl-client-cert=pem", "--trusted-hop", "127.0.0.1"),
    ("--client-cert-header", "x-ssl-client-cert=rfc9440", "--trusted-hop", "127.0.0.1"),
    ("--tls-cert", "server.crt"),
    ("--client-ca", "client-ca.crt"),
    ("--tls-cert", "server.crt", "--tls-key", "server.key", *HEADER, "--trusted-hop", "127.0.0.1"),
)


@contextlib.contextmanager
def stuck(port, number=200):
    """Connections that begin a handshake and say no more, while the others go on."""
    with contextlib.ExitStack() as stack:
        for _ in range(number):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), SECONDS))
            connection.sendall(b"\x16\x03\x01")
        yield


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", required=True, help="hyper_echo")
    parser.add_argument("--node", required=True, help="node_clients.mjs, beside its packages")
    parser.add_argument("--scratch", required=True)
    arguments = parser.parse_args()
    scratch = pathlib.Path(arguments.scratch)
    pki, tally = Pki(scratch / "pki"), Tally()
    command = [arguments.server, "--listen", "127.0.0.1:0", "--clients", pki.write_clients()]
    for flags in MEANINGLESS:
        ended = subprocess.run([*command, *flags], cwd=pki.folder, capture_output=True, timeout=SECONDS)
        tally.expect(ended.returncode == 2, f"{flags}: status {ended.returncode}")
    command += ["--tls-cert", pki.server.crt, "--tls-key", pki.server.private, "--client-ca", pki.client_ca.crt]
    with contextlib.ExitStack() as stack:
        address = stack.enter_context(serving(command, scratch / "hyper_echo.log"))
        port = int(address.rsplit(":", 1)[1])
        server = f"https://localhost:{port}"
        listener = Listener("hyper_echo", DIRECT, pki, tally, port, port)
        stack.enter_context(stuck(port))
        methods(listener)
        sessions(listener, scratch)
        forgeries(listener)
        libraries(listener, arguments.node)
    print("".join(f"{problem}\n" for problem in tally.problems), end="")
    print(f"interop client certificates: {tally.passed} passed, {len(tally.problems)} failed")
    return 1 if tally.problems else 0


if __name__ == "__main__":
    sys.exit(main())

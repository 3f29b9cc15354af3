"""A real nginx in front of an upstream, which asks the gateway who is calling, as the README of the gateway shows it."""

import argparse
import base64
import contextlib
import http.client
import json
import pathlib
import re
import threading
import http.server

from servers import Quiet, free_port, listens, running, serving, unpacked, with_libraries

ROOT = pathlib.Path(__file__).resolve().parents[3]
README = ROOT / "examples/gateway/README.md"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
CLIENTS = [{"client_id": "batch", "client_secret": "gX9kWZ2c"}]
CONFIG = """
{limits}
[[listener]]
address = "127.0.0.1:0"
[clients]
file = "clients.json"
[identity]
client_id = "x-client-id"
auth_method = "x-client-auth-method"
[[route]]
path = "/check"
forward_auth = true
{settings}
[[route]]
path = "/token"
upstream = "http://127.0.0.1:{upstream}"
"""
NGINX = """
daemon off;
pid {scratch}/pid;
error_log {scratch}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {scratch}/body;
    proxy_temp_path {scratch}/proxy;
    fastcgi_temp_path {scratch}/fastcgi;
    uwsgi_temp_path {scratch}/uwsgi;
    scgi_temp_path {scratch}/scgi;
{recipe}
}}
"""


def recipe():
    return re.search(r"```nginx\n(.*?)```", README.read_text(encoding="utf-8"), re.S)[1]


class Upstream(Quiet):
    """Answers with what it got."""

    def do_GET(self):
        length = int(self.headers["content-length"] or 0)
        body = self.rfile.read(length).decode()
        headers = [[name.lower(), value] for name, value in self.headers.items()]
        got = {"method": self.command, "path": self.path, "headers": headers, "body": body}
        self.answer(200, json.dumps(got).encode(), {"Content-Type": "application/json"})

    do_POST = do_PUT = do_DELETE = do_GET


@contextlib.contextmanager
def upstream():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()


@contextlib.contextmanager
def nginx(arguments, gateway, origin):
    """The recipe with the addresses of this run."""
    port, scratch = free_port(), arguments.scratch
    text = recipe()
    changes = {
        "listen 443 ssl;": f"listen 127.0.0.1:{port};",
        "127.0.0.1:8080": gateway.removeprefix("http://"),
        "127.0.0.1:9000": f"127.0.0.1:{origin}",
    }
    for old, new in changes.items():
        if old not in text:
            raise SystemExit(f"FAILED: the recipe for nginx does not name {old}")
        text = text.replace(old, new)
    text = re.sub(r"^ *ssl_.*\n", "", text, flags=re.M)
    file = scratch / "nginx.conf"
    file.write_text(NGINX.format(scratch=scratch, recipe=text))
    program = unpacked(arguments.debian, "usr/sbin/nginx")
    command = [program, "-p", scratch, "-e", scratch / "start.log", "-c", file]
    with running(command, scratch / "nginx.log", listens(port), with_libraries(arguments.debian)):
        yield port


def ask(port, method, path, headers=(), body=None, caller="127.0.0.1"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20, source_address=(caller, 0))
    connection.putrequest(method, path, skip_accept_encoding=True)
    for name, value in dict(headers).items():
        # Each spelling as it is.
        connection.putheader(name, value)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer, text


def basic(secret, client="batch"):
    return {"Authorization": "Basic " + base64.b64encode(f"{client}:{secret}".encode()).decode()}


def expect(what, got, wanted):
    if got != wanted:
        raise SystemExit(f"FAILED: {what}: wanted {wanted!r}, got {got!r}")


def identity(text):
    """What a server that knows headers by their names in CGI takes for an identity, and what is left of credentials."""
    names = {"x-client-id", "x-client-auth-method", "authorization"}
    headers = json.loads(text)["headers"]
    return sorted([name, value] for name, value in headers if re.sub("[^a-z0-9]", "-", name) in names)


BATCH = [["x-client-auth-method", "client_secret_basic"], ["x-client-id", "batch"]]
SPOOF = {"X-Client-Id": "admin", "x_client_id": "admin", "X.Client.Id": "admin", "x-client-auth_method": "none"}
SPOOF |= {"Connection": "X-Client-Id, X-Client-Auth-Method"}


def cases(port):
    good, wrong = basic("gX9kWZ2c"), basic("gu3ss3d")
    answer, text = ask(port, "GET", "/api/v2?a=b", good | SPOOF)
    expect("a client", (answer.status, identity(text)), (200, BATCH))
    expect("its path", json.loads(text)["path"], "/api/v2?a=b")
    answer, text = ask(port, "POST", "/api", good | {"Content-Type": "application/json"}, b'{"a": 1}')
    expect("a body", (answer.status, json.loads(text)["body"], identity(text)), (200, '{"a": 1}', BATCH))
    answer, _ = ask(port, "GET", "/api", wrong | SPOOF)
    challenge = 'Basic realm="OAuth", charset="UTF-8"'
    expect("a wrong secret", (answer.status, answer.getheader("www-authenticate")), (401, challenge))
    answer, _ = ask(port, "GET", "/api", SPOOF)
    expect("nobody", answer.status, 401)
    answer, _ = ask(port, "POST", "/api", good | FORM, b"client_secret=x")
    expect("a form", answer.status, 403)
    # The check has the method of the request, not that of the question.
    answer, _ = ask(port, "DELETE", "/api", good)
    expect("a method", answer.status, 403)
    forged = {"X-Original-Method": "GET", "X-Forwarded-Method": "GET"}
    answer, _ = ask(port, "DELETE", "/api", good | forged)
    expect("a forged method", answer.status, 403)
    # Forms go through the gateway itself.
    answer, text = ask(port, "POST", "/token", FORM | SPOOF, b"a=1&client_id=batch&client_secret=wrong")
    expect("a wrong secret in a form", (answer.status, json.loads(text)["error"]), (401, "invalid_client"))
    answer, text = ask(port, "POST", "/token", good | FORM | SPOOF, b"a=1")
    expect("a form through the gateway", (answer.status, identity(text), json.loads(text)["body"]), (200, BATCH, "a=1"))
    # Nobody is asked about what is not for clients.
    answer, _ = ask(port, "GET", "/_auth", good)
    expect("the question itself", answer.status, 404)


def throttled(port):
    """Callers are counted by their own addresses, not by that of nginx."""
    for attempt in range(4):
        answer, _ = ask(port, "GET", "/api", basic("gu3ss3d", f"nobody{attempt}"), caller="127.0.0.9")
        expect(f"guess {attempt}", answer.status, 401 if attempt < 3 else 403)
    good, forged = basic("gX9kWZ2c"), {"X-Forwarded-For": "127.0.0.8"}
    for headers in good, good | forged:
        answer, _ = ask(port, "GET", "/api", headers, caller="127.0.0.9")
        expect("who guessed", answer.status, 403)
        answer, _ = ask(port, "POST", "/token", headers | FORM, b"a=1", caller="127.0.0.9")
        expect("who guessed, with a form", answer.status, 429)
    answer, text = ask(port, "GET", "/api", good, caller="127.0.0.8")
    expect("another caller", (answer.status, identity(text)), (200, BATCH))
    answer, _ = ask(port, "POST", "/token", good | FORM, b"a=1", caller="127.0.0.8")
    expect("another caller, with a form", answer.status, 200)


def main():
    parser = argparse.ArgumentParser()
    for name in ("gateway", "debian", "scratch"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    scratch = arguments.scratch
    scratch.mkdir(parents=True, exist_ok=True)
    (scratch / "clients.json").write_text(json.dumps(CLIENTS))
    config, log = scratch / "gateway.toml", scratch / "gateway.log"
    with upstream() as origin:
        methods = 'methods = ["GET", "POST"]'

        def configured(settings, limits=""):
            config.write_text(CONFIG.format(settings=settings, limits=limits, upstream=origin))
            return serving([arguments.gateway, "--config", config], log)

        with configured(f"only_401_403 = true\n{methods}") as gateway, nginx(arguments, gateway, origin) as port:
            cases(port)
        limits = '[throttle]\nper_address = 3\nperiod_seconds = 3600\ntrusted_proxies = ["127.0.0.1"]'
        with configured("only_401_403 = true", limits) as gateway, nginx(arguments, gateway, origin) as port:
            throttled(port)
        with configured("optional = true") as gateway, nginx(arguments, gateway, origin) as port:
            answer, text = ask(port, "GET", "/api", SPOOF)
            expect("nobody where it is optional", (answer.status, identity(text)), (200, []))
            # Without the setting nginx knows 401 and 403 alone.
            answer, _ = ask(port, "POST", "/api", basic("gX9kWZ2c") | FORM, b"a=1")
            expect("a form without `only_401_403`", answer.status, 500)
        with nginx(arguments, f"http://127.0.0.1:{free_port()}", origin) as port:
            answer, _ = ask(port, "GET", "/api", basic("gX9kWZ2c"))
            expect("a gateway that is away", answer.status, 500)
    logged = log.read_text(encoding="utf-8")
    if "gu3ss3d" in logged or "gX9kWZ2c" in logged:
        raise SystemExit("FAILED: there is a secret in the log")
    print("nginx: all as the README says")


main()

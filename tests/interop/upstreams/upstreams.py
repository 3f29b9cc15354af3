"""What servers in several languages see of clients that try to be taken for others, behind `reverse_proxy`."""

import argparse
import contextlib
import http.client
import json
import os
import pathlib
import re
import resource
import shutil
import socket
import sys
import time

from servers import free_port, listens, running, serving, unpacked, with_libraries
from trials import Tally

HERE = pathlib.Path(__file__).resolve().parent
# More than a body may take, which is 10.
SECONDS = 20
SLOW = 10_000

NGINX = """
daemon off;
pid {scratch}/pid;
error_log {scratch}/error.log;
worker_processes 2;
events {{}}
http {{
    access_log off;
    client_body_temp_path {scratch}/body;
    proxy_temp_path {scratch}/proxy;
    fastcgi_temp_path {scratch}/fastcgi;
    uwsgi_temp_path {scratch}/uwsgi;
    scgi_temp_path {scratch}/scgi;
    server {{
        listen 127.0.0.1:{port};
        listen 127.0.0.1:{http2} http2;
        # What it would help with is not its task here.
        underscores_in_headers on;
        ignore_invalid_headers off;
        location / {{
            fastcgi_pass unix:{scratch}/fcgi;
            fastcgi_param GATEWAY_INTERFACE CGI/1.1;
            fastcgi_param SCRIPT_FILENAME {script};
            fastcgi_param REQUEST_METHOD $request_method;
            fastcgi_param CONTENT_TYPE $content_type;
            fastcgi_param CONTENT_LENGTH $content_length;
        }}
    }}
}}
"""


def gunicorn(scratch):
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--chdir", str(HERE)]
    # Without this it drops names with an underscore by itself.
    command += ["--header-map", "dangerous", "--worker-tmp-dir", str(scratch), "python_upstream:application"]
    return port, running(command, scratch / "gunicorn.log", listens(port))


@contextlib.contextmanager
def nginx(debian, scratch):
    """A CGI program behind nginx; yields the ports for HTTP/1.1 and for HTTP/2."""
    environment = with_libraries(debian)
    script, configuration, fcgi = scratch / "cgi", scratch / "nginx.conf", scratch / "fcgi"
    script.write_text(f"#!{sys.executable}\n{(HERE / 'python_upstream.py').read_text()}")
    script.chmod(0o700)
    fcgi.unlink(missing_ok=True)
    port, http2 = free_port(), free_port()
    configuration.write_text(NGINX.format(scratch=scratch, script=script, port=port, http2=http2))
    # Whoever nginx runs as.
    wrap = ["sh", "-c", 'umask 0; exec "$0" "$@"', unpacked(debian, "usr/sbin/fcgiwrap"), "-c", "2", "-s", f"unix:{fcgi}"]
    serve = [unpacked(debian, "usr/sbin/nginx"), "-p", scratch, "-e", scratch / "start.log", "-c", configuration]
    if os.getuid() == 0:
        serve += ["-g", "user root;"]
    with (
        running(wrap, scratch / "fcgiwrap.log", fcgi.exists, environment),
        running(serve, scratch / "nginx.log", listens(port), environment),
    ):
        yield port, http2


class Connection:
    def __init__(self, port, sent):
        self.socket = socket.socket()
        self.socket.settimeout(SECONDS)
        self.socket.connect(("127.0.0.1", port))
        self.socket.sendall(sent)

    def is_open(self):
        """Whether nothing has been answered yet."""
        self.socket.setblocking(False)
        try:
            self.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        finally:
            self.socket.settimeout(SECONDS)
        return False

    def answer(self):
        """The status and, of one that is JSON, the document."""
        with self.socket:
            response = http.client.HTTPResponse(self.socket, method="POST")
            response.begin()
            body = response.read()
        return response.status, json.loads(body)


def fold(name):
    """As CGI and what came after it take names."""
    return re.sub("[^a-z0-9]", "-", name.lower())


def folded(pairs):
    return sorted((fold(name), value) for name, value in pairs)


FORM = "Content-Type: application/x-www-form-urlencoded"
BASIC = "Authorization: Basic ZGVtby1iYXNpYzpiYXNpYy1zZWNyZXQ="
IDS = ["x-client-id", "X-CLIENT-ID", "x_client_id", "X_Client-Id", "X.Client.Id", "x!client~id"]
METHODS = ["X-Client-Auth-Method", "x_client_auth_method", "X.Client_Auth-Method", "x-client-auth+method"]
FORGED = [f"{name}: {value}" for name in IDS for value in ("admin", "root")]
FORGED += [f"{name}: tls_client_auth" for name in METHODS]
FORGED += ["Connection: x-client-id, X_Client_Id, x-client-auth-method, content-type, content-length, host"]
TRAILERS = "".join(f"{name}: admin\r\n" for name in IDS + METHODS)


def head(*lines):
    return "".join(f"{line}\r\n" for line in ("POST /token HTTP/1.1", "Host: as.example", FORM, *lines, "")).encode()


def length(body):
    return f"Content-Length: {len(body)}"


def chunked(body, *sizes):
    """In pieces of these sizes and the rest, with trailers."""
    pieces = []
    for size in (*sizes, len(body)):
        pieces.append(body[:size])
        body = body[size:]
    return "".join(f"{len(piece):x}\r\n{piece}\r\n" for piece in pieces if piece) + f"0\r\n{TRAILERS}\r\n"


POST = "a=1&client_secret=post-secret&b=%20+&client_id=demo-post"
KEPT = "a=1&b=%20+&client_id=demo-post"
PUBLIC = "client_id=demo-public&a=b"


class Upstream:
    """A server behind the proxy at `port`, which gets the host `host`."""

    def __init__(self, name, port, host, tally):
        self.name, self.port, self.host, self.tally = name, port, host, tally

    def expect(self, what, answer, client_id, method, body, more=()):
        """The whole of what it saw."""
        status, document = answer
        seen = [("content-type", FORM.split(": ")[1]), ("content-length", str(len(body))), ("host", self.host)]
        seen = folded([*seen, ("x-client-id", client_id), ("x-client-auth-method", method), *more])
        got = status, folded(document.get("seen", [])), document.get("body"), document.get("trailers")
        wanted = 200, seen, body, []
        self.tally.expect(got == wanted, f"{self.name}: {what}: {got}, not {wanted}")

    def ask(self, what, sent, *expected):
        self.expect(what, Connection(self.port, sent).answer(), *expected)

    def continuing(self, what, body, lines, *expected):
        """The body is sent when the server asks for it."""
        connection = Connection(self.port, head(*lines, "Expect: 100-continue", length(body)))
        asked = connection.socket.recv(100)
        self.tally.expect(asked == b"HTTP/1.1 100 Continue\r\n\r\n", f"{self.name}: {what}: {asked} instead of 100")
        connection.socket.sendall(body.encode())
        self.expect(what, connection.answer(), *expected)

    def cases(self):
        basic, post = ("demo-basic", "client_secret_basic"), ("demo-post", "client_secret_post")
        self.ask("Basic", head(BASIC, *FORGED, length("a=b")) + b"a=b", *basic, "a=b")
        # The second request of a connection that is kept.
        self.ask("a secret", head(*FORGED, length(POST)) + POST.encode(), *post, KEPT)
        self.ask("nobody in particular", head(*FORGED, length(PUBLIC)) + PUBLIC.encode(), "demo-public", "none", PUBLIC)
        lines = ["Transfer-Encoding: chunked", f"Trailer: {', '.join(IDS + METHODS)}", *FORGED]
        self.ask("chunked", head(*lines) + chunked(POST, 1, 20).encode(), *post, KEPT)
        self.ask("chunked, Basic", head(BASIC, *lines) + chunked("a=b", 2).encode(), *basic, "a=b")
        self.continuing("expecting 100", POST, FORGED, *post, KEPT)
        self.continuing("expecting 100, Basic", "a=b", [BASIC, *FORGED], *basic, "a=b", [("expect", "100-continue")])
        big = f"{POST}&z={'z' * 60_000}"
        self.ask("a long form", head(length(big)) + big.encode(), *post, f"{KEPT}&z={'z' * 60_000}")

    def alone(self, port):
        """Without the proxy it is not hard to be anybody: otherwise nothing was tried here."""
        _, document = Connection(port, head(*FORGED[:-1], length("a=b")) + b"a=b").answer()
        seen = folded(document["seen"])
        for name in ("x-client-id", "x-client-auth-method"):
            found = any(one == name for one, _ in seen)
            self.tally.expect(found, f"{self.name}: there is no {name} to be seen without the proxy: {seen}")

    def slow(self):
        """While thousands of uploads stand still, others are served; and they end."""
        room = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 200
        count = min(SLOW, room)
        if count < SLOW:
            print(f"SKIPPED: interop upstreams: {SLOW} slow uploads, for only {count} files may be open")
        starts = [head(length(POST)) + b"client_id=demo-post&", head("Transfer-Encoding: chunked") + b"ff\r\na=b&"]
        slow, longest, began = [], 0, time.monotonic()
        with contextlib.ExitStack() as stack:
            for number in range(count):
                slow.append(Connection(self.port, starts[number % 2]))
                stack.enter_context(slow[-1].socket)
                # Which also waits until the server has taken these, or more would wait for a second to be let in.
                if number % 500 == 499:
                    asked = time.monotonic()
                    sent = head(BASIC, length("a=b")) + b"a=b"
                    self.ask("among slow uploads", sent, "demo-basic", "client_secret_basic", "a=b")
                    longest = max(longest, time.monotonic() - asked)
            opened = time.monotonic() - began
            standing = sum(connection.is_open() for connection in slow)
            for connection in (slow[0], slow[1], slow[-2], slow[-1]):
                status, document = connection.answer()
                self.tally.expect(status == 408, f"{self.name}: a slow upload: {status} {document}")
        figures = f"{standing} of {count} slow uploads, opened in {opened:.1f} s; the longest answer among them took {longest:.3f} s"
        print(figures)
        self.tally.expect(standing > count / 4 and longest < 5, f"{self.name}: {figures}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--proxy", required=True, help="the program reverse_proxy")
    parser.add_argument("--debian", required=True, type=pathlib.Path, help="where nginx and fcgiwrap were unpacked")
    parser.add_argument("--scratch", required=True, type=pathlib.Path, help="folder for logs and configurations")
    arguments = parser.parse_args()
    # What is started here may open as many.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    scratch = arguments.scratch.resolve()
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    tally = Tally()
    with contextlib.ExitStack() as stack:

        def proxied(name, port, flags=()):
            url = f"http://127.0.0.1:{port}"
            command = [arguments.proxy, "--listen", "127.0.0.1:0", "--upstream", url, *flags]
            log = scratch / f"{re.sub('[^a-z0-9]+', '-', name.lower())}.log"
            address = stack.enter_context(serving(command, log))
            # HTTP/2 has the host in the target.
            host = url.removeprefix("http://") if flags else "as.example"
            return Upstream(name, int(address.rsplit(":", 1)[1]), host, tally)

        def announced(command, log):
            return int(stack.enter_context(serving(command, scratch / log)).rsplit(":", 1)[1])

        node = ["node", str(HERE / "node_upstream.mjs")]
        servers = {
            "wsgiref": announced([sys.executable, str(HERE / "python_upstream.py")], "wsgiref-server.log"),
            "Node": announced(node, "node-server.log"),
        }
        servers["gunicorn"], process = gunicorn(scratch)
        stack.enter_context(process)
        servers["nginx"], nginx_http2 = stack.enter_context(nginx(arguments.debian, scratch))
        for name, port in servers.items():
            upstream = proxied(name, port)
            upstream.alone(port)
            upstream.cases()
        for name, port in (("Node", announced([*node, "http2"], "node-http2-server.log")), ("nginx", nginx_http2)):
            proxied(f"{name}, HTTP/2", port, ["--http2"]).cases()
        proxied("Node, slow", servers["Node"]).slow()
    print("".join(f"{problem}\n" for problem in tally.problems), end="")
    print(f"interop upstreams: {tally.passed} passed, {len(tally.problems)} failed")
    return 1 if tally.problems else 0


if __name__ == "__main__":
    sys.exit(main())

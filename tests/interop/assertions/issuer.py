"""An issuer to try clients at: `token_server` behind what the MCP clients expect around it, with all that it is sent."""

import base64
import contextlib
import http.client
import json
import urllib.parse

from servers import Front, front_metadata, serving, threaded


class Proxy(Front):
    """Keeps what it forwards, so that an assertion can be looked into and sent again."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        status, answer, headers = forward(self.server.behind, self.path, self.headers, body)
        self.server.seen.append((self.path, dict(self.headers), body, status, answer))
        self.answer(status, answer, headers)


def forward(behind, path, headers, body):
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(behind).netloc, timeout=20)
    try:
        kept = {name: value for name, value in headers.items() if name.lower() in ("content-type", "authorization")}
        connection.request("POST", path, body, kept)
        answer = connection.getresponse()
        passed_on = ("content-type", "www-authenticate", "cache-control")
        return answer.status, answer.read(), {n: value for n, value in answer.getheaders() if n.lower() in passed_on}
    finally:
        connection.close()


@contextlib.contextmanager
def issuing(name, offset, command, log):
    """Yields the issuer in front of the server that `command` starts, which is `behind` it.

    The clock of the server is ahead by `offset` seconds.
    """
    command = [*command, "--clock-offset", str(offset)] if offset else command
    with threaded(Proxy) as server, serving([*command, "--issuer", server.url], log) as behind:
        server.name, server.offset, server.behind, server.seen = name, offset, behind, []
        server.metadata = front_metadata(server.url, behind)
        yield server


def part(seen, number):
    assertion = urllib.parse.parse_qs(seen[2].decode())["client_assertion"][0]
    text = assertion.split(".")[number]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def header(seen):
    return part(seen, 0)


def claims(seen):
    return part(seen, 1)


def is_invalid_client(status, body):
    return status == 401 and json.loads(body).get("error") == "invalid_client"

"""What a program in Python sees of a request: of WSGI, as a module for gunicorn and by itself with wsgiref, or of CGI."""

import json
import os
import sys

# Those of the request that have no prefix. nginx says them twice.
OTHERS = ("CONTENT_LENGTH", "CONTENT_TYPE", "AUTH_TYPE", "REMOTE_USER")


def seen(environment, body):
    fields = {name: name.removeprefix("HTTP_") for name in environment if name.startswith("HTTP_")}
    names = {name: short for name, short in fields.items() if short not in OTHERS} | dict(zip(OTHERS, OTHERS))
    # Some servers set those that are absent.
    pairs = [(short, environment[name]) for name, short in names.items() if environment.get(name)]
    return json.dumps({"seen": pairs, "body": body.decode("latin-1"), "trailers": []}).encode()


def application(environment, start):
    body = environment["wsgi.input"].read(int(environment.get("CONTENT_LENGTH") or 0))
    start("200 OK", [("Content-Type", "application/json")])
    return [seen(environment, body)]


def cgi():
    answer = seen(os.environ, sys.stdin.buffer.read())
    sys.stdout.buffer.write(b"Content-Type: application/json\r\n\r\n" + answer)


def wsgiref():
    from wsgiref.simple_server import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log_message(self, *arguments):
            pass

    with make_server("127.0.0.1", 0, application, handler_class=Quiet) as server:
        print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    cgi() if "GATEWAY_INTERFACE" in os.environ else wsgiref()

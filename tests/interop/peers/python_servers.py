"""Servers in Python that authenticate clients: python_servers.py mcp|mcp-bare|authlib CLIENTS.

CLIENTS is a JSON array of RFC 7591 metadata. Each answers `POST /token` with "ok" once the client is authenticated;
`mcp-bare` reads the body without authentication. How they are run is what their makers recommend for production:
uvicorn with uvloop and httptools, and gunicorn with threads, which keeps connections open.
"""

import json
import os
import secrets
import socket
import sys


def announce(address):
    host, port = address
    print(f"listening on http://{host}:{port}", flush=True)


def mcp(records, bare):
    import uvicorn
    from mcp.server.auth.middleware.client_auth import AuthenticationError, ClientAuthenticator
    from mcp.shared.auth import OAuthClientInformationFull
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse, PlainTextResponse
    from starlette.routing import Route

    class Provider:
        clients = {record["client_id"]: OAuthClientInformationFull(**record) for record in records}

        async def get_client(self, client_id):
            return self.clients.get(client_id)

    authenticator = ClientAuthenticator(Provider())

    async def read(request):
        await request.body()
        return PlainTextResponse("ok")

    async def token(request):
        try:
            await authenticator.authenticate_request(request)
        except AuthenticationError as error:
            return JSONResponse(
                {"error": "invalid_client", "error_description": error.message},
                status_code=401,
                headers={"Cache-Control": "no-store", "Pragma": "no-cache"},
            )
        return PlainTextResponse("ok")

    class Server(uvicorn.Server):
        async def startup(self, sockets=None):
            await super().startup(sockets=sockets)
            announce(sockets[0].getsockname())

    # asyncio switches Nagle's algorithm off only where the protocol is named.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        Starlette(routes=[Route("/token", read if bare else token, methods=["POST"])]),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="error",
        timeout_keep_alive=600,
    )
    Server(config).run(sockets=[listener])


def authlib(records):
    # There is no TLS here, in front of any of the servers.
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
    from authlib.integrations.flask_oauth2 import AuthorizationServer
    from authlib.oauth2.rfc6749 import ClientMixin, InvalidClientError
    from flask import Flask
    from gunicorn.app.base import BaseApplication

    class Client(ClientMixin):
        def __init__(self, record):
            self.client_id = record["client_id"]
            self.secret = record["client_secret"]
            self.method = record["token_endpoint_auth_method"]

        def check_client_secret(self, client_secret):
            return secrets.compare_digest(self.secret, client_secret)

        def check_endpoint_auth_method(self, method, endpoint):
            return self.method == method

    clients = {record["client_id"]: Client(record) for record in records}
    app = Flask(__name__)
    server = AuthorizationServer(app, clients.get, lambda token, request: None)
    methods = ["client_secret_basic", "client_secret_post", "none"]

    @app.post("/token")
    def token():
        request = server.create_oauth2_request(None)
        try:
            server.authenticate_client(request, methods)
        except InvalidClientError as error:
            return server.handle_error_response(request, error)
        return "ok"

    class Application(BaseApplication):
        def load_config(self):
            self.cfg.set("bind", "127.0.0.1:0")
            self.cfg.set("worker_class", "gthread")
            self.cfg.set("threads", 8)
            self.cfg.set("keepalive", 600)
            self.cfg.set("loglevel", "error")
            self.cfg.set("when_ready", lambda arbiter: announce(arbiter.LISTENERS[0].getsockname()))

        def load(self):
            return app

    Application().run()


def main():
    which, clients = sys.argv[1:]
    with open(clients, encoding="utf-8") as file:
        records = json.load(file)
    if which == "authlib":
        authlib(records)
    else:
        mcp(records, bare=which == "mcp-bare")


if __name__ == "__main__":
    main()

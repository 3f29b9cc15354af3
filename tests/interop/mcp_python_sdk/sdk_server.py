"""The MCP Python SDK's own token and revocation endpoints on loopback.

Routes, handlers and `ClientAuthenticator` are the SDK's, unmodified. Two things around them are ours:

* The clock. `ClientAuthenticator` asks `time.time()` through the name `time` of its module; that one name is
  replaced by a clock that stands still, so that both servers judge expiry at the same second.
* The provider. It grants every refresh token to any authenticated client and says in a response header which client
  that was, so that a success can be told from a failure and attributed to a client.
"""

import argparse
import asyncio
import json
import socket
from contextvars import ContextVar
from types import SimpleNamespace
from urllib.parse import quote

import uvicorn
from mcp.server.auth.middleware import client_auth
from mcp.server.auth.provider import RefreshToken
from mcp.server.auth.routes import create_auth_routes
from mcp.server.auth.settings import RevocationOptions
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from pydantic import AnyHttpUrl
from starlette.applications import Starlette

# One dictionary per request: which client the SDK looked up, and for which client it then acted.
seen: ContextVar[dict[str, str]] = ContextVar("seen")


class Provider:
    """The part of the SDK's provider interface that the two endpoints reach."""

    def __init__(self, records):
        self.clients = {record["client_id"]: OAuthClientInformationFull(**record) for record in records}

    async def get_client(self, client_id):
        client = self.clients.get(client_id)
        if client is not None:
            seen.get()["looked-up"] = client.client_id
        return client

    async def load_refresh_token(self, client, refresh_token):
        # The SDK hands the authenticated client in, so this answer cannot name another one.
        seen.get()["authenticated"] = client.client_id
        return RefreshToken(token=refresh_token, client_id=client.client_id, scopes=[])

    async def exchange_refresh_token(self, client, refresh_token, scopes):
        seen.get()["authenticated"] = client.client_id
        return OAuthToken(access_token=quote(client.client_id, safe=""))

    async def load_authorization_code(self, client, authorization_code):
        seen.get()["authenticated"] = client.client_id
        return None

    async def load_access_token(self, token):
        return None

    async def revoke_token(self, token):
        seen.get()["authenticated"] = token.client_id


class Attribute:
    """Adds what the provider saw to the response, without touching what the SDK answered."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        record = {}
        seen.set(record)

        async def attributed(message):
            if message["type"] == "http.response.start":
                extra = [(f"x-{name}".encode(), quote(value, safe="").encode()) for name, value in record.items()]
                message = {**message, "headers": [*message["headers"], *extra]}
            await send(message)

        await self.app(scope, receive, attributed)


class Server(uvicorn.Server):
    """Announces readiness only when connections are really accepted."""

    async def startup(self, sockets=None):
        await super().startup(sockets=sockets)
        host, port = sockets[0].getsockname()
        print(f"listening on http://{host}:{port}", flush=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--clients", required=True)
    arguments.add_argument("--at", type=int, required=True)
    options = arguments.parse_args()

    client_auth.time = SimpleNamespace(time=lambda: float(options.at))

    with open(options.clients, encoding="utf-8") as file:
        provider = Provider(json.load(file))
    routes = create_auth_routes(
        provider,
        AnyHttpUrl("http://127.0.0.1"),
        revocation_options=RevocationOptions(enabled=True),
    )

    # asyncio switches Nagle's algorithm off only where the protocol is named; 40 ms for every request otherwise.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        Attribute(Starlette(routes=routes)),
        http="h11",
        lifespan="off",
        access_log=False,
        log_level="error",
        # A request head that our own layer would still look at must not be refused below the SDK.
        h11_max_incomplete_event_size=256 * 1024,
        timeout_keep_alive=60,
    )
    asyncio.run(Server(config).serve(sockets=[listener]))


if __name__ == "__main__":
    main()

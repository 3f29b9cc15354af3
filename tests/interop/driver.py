"""What the Python drivers share: they read jobs as JSON from standard input and answer one JSON line for each, and the
same libraries go through the same requests, whatever they authenticate with."""

import asyncio
import json
import os
import sys
import warnings

# The library insists on TLS, which loopback does not have.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

import httpx2  # noqa: E402
from mcp.client.auth import OAuthTokenError  # noqa: E402

TIMEOUT = 20
# Errors that only an authenticated client gets to see.
BEHIND_AUTHENTICATION = ("unauthorized_client", "unsupported_grant_type")


class Refused(Exception):
    """The server said no."""


def expect(condition, detail):
    if not condition:
        raise Refused(detail)


def classify(text):
    """An error that the library made of the server's answer: a refusal, unless it comes from behind the layer."""
    if not any(code in text for code in BEHIND_AUTHENTICATION):
        raise Refused(text)


def authlib(session, server, method):
    """`session` makes one for each request."""
    token = "none"
    try:
        token = session().fetch_token(f"{server}/token", grant_type="client_credentials")["access_token"]
    except Exception as error:
        # Authlib's own error type differs between its modules; the attribute does not.
        if not hasattr(error, "error"):
            raise
        classify(error.error)
    if method != "none":
        answer = session().introspect_token(f"{server}/introspect", token=token)
        expect(answer.status_code == 200 and answer.json()["active"], f"introspection: {answer.text}")
    answer = session().revoke_token(f"{server}/revoke", token=token)
    expect(answer.status_code == 200, f"revocation: {answer.text}")


class Forgetful:
    """The token storage that the MCP client asks for."""

    def __init__(self, client_info=None):
        self.tokens = None
        self.client_info = client_info

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client_info

    async def set_client_info(self, client_info):
        pass


def mcp(provider, resource):
    async def call():
        async with httpx2.AsyncClient(auth=provider, timeout=TIMEOUT) as client:
            return await client.get(resource)

    try:
        answer = asyncio.run(call())
    except OAuthTokenError as error:
        classify(str(error))
    else:
        expect(answer.status_code == 200, f"resource: {answer.status_code}")


def outcome(attempt, job):
    try:
        attempt(job)
    except Refused as refusal:
        return "refused", str(refusal)
    except Exception as error:  # noqa: BLE001
        # What a library cannot send is a result, too; the table has to know why.
        return "unable", f"{type(error).__name__}: {error}"
    return "accepted", ""


def drive(clients):
    warnings.simplefilter("ignore")
    for job in json.load(sys.stdin):
        result, detail = outcome(clients[job["client"]], job)
        print(json.dumps({"id": job["id"], "outcome": result, "detail": detail[:300]}), flush=True)

"""The MCP Python client without a person: python_machine.py SERVER METHOD CLIENT_ID SECRET_OR_KEY."""

import asyncio
import sys

import httpx2
from driver import Forgetful
from mcp import Client
from mcp.client.auth.extensions.client_credentials import (
    ClientCredentialsOAuthProvider,
    PrivateKeyJWTOAuthProvider,
    SignedJWTParameters,
)
from mcp.client.streamable_http import streamable_http_client

TIMEOUT = 20
SERVER, METHOD, CLIENT_ID, SECRET = sys.argv[1:]


def provider():
    common = {"server_url": f"{SERVER}/mcp", "storage": Forgetful(), "client_id": CLIENT_ID, "issuer": SERVER}
    if METHOD != "private_key_jwt":
        return ClientCredentialsOAuthProvider(**common, client_secret=SECRET, token_endpoint_auth_method=METHOD)
    signed = SignedJWTParameters(issuer=CLIENT_ID, subject=CLIENT_ID, signing_key=SECRET, signing_algorithm="ES256")
    return PrivateKeyJWTOAuthProvider(**common, assertion_provider=signed.create_assertion_provider())


async def main():
    async with httpx2.AsyncClient(auth=provider(), timeout=TIMEOUT) as http:
        async with Client(streamable_http_client(f"{SERVER}/mcp", http_client=http)) as client:
            print((await client.call_tool("whoami", {})).content[0].text)


asyncio.run(main())

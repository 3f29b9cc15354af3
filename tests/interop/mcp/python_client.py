"""The MCP Python client: python_client.py SERVER METHOD. Prints a line for each step it went through. With $ONCE one
call is all."""

import asyncio
import os
import sys
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata
from person import TIMEOUT, consent

REDIRECT = "http://127.0.0.1:1/callback"
NAME = "Python <\"&'>"
# A method to register for, or the URL of a document, for which nothing is registered.
SERVER, METHOD = sys.argv[1:]
ONCE = os.environ.get("ONCE")
DOCUMENT = METHOD if METHOD.startswith("https://") else None


def step(name):
    print(f"step: {name}", flush=True)


def check(condition, what):
    if not condition:
        raise SystemExit(f"not so: {what}")


class Storage:
    tokens = client_info = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client_info

    async def set_client_info(self, client_info):
        self.client_info = client_info


class AskedAgain(Exception):
    pass


class Person:
    """Consents once as often as it is allowed to."""

    def __init__(self):
        self.willing = True
        self.asked = 0
        self.answer = None

    async def browse(self, url):
        self.asked += 1
        if not self.willing:
            raise AskedAgain
        back = await asyncio.to_thread(consent, url, "" if ONCE else NAME)
        check(back.startswith(REDIRECT), f"a link back: {back}")
        self.answer = {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}

    async def come_back(self):
        return AuthorizationCodeResult(**self.answer)


async def call(provider, storage):
    async with httpx2.AsyncClient(auth=provider, timeout=TIMEOUT) as http:
        async with Client(streamable_http_client(f"{SERVER}/mcp", http_client=http)) as client:
            result = await client.call_tool("whoami", {})
    told = result.content[0].text
    check(ONCE or told == storage.client_info.client_id, f"the tool tells the client: {told}")


async def revoke(provider, token):
    """The SDK has no revocation; it writes the credentials, as for its token requests."""
    form = {"token": token, "client_id": provider.context.client_info.client_id}
    form, headers = provider.context.prepare_token_auth(form, {})
    async with httpx2.AsyncClient(timeout=TIMEOUT) as http:
        answer = await http.post(f"{SERVER}/revoke", data=form, headers=headers)
        check(answer.status_code == 200, f"revocation: {answer.status_code} {answer.text}")
        if METHOD != "none" and not DOCUMENT:
            # The same without the secret must fail, or all of this proves nothing.
            bare = await http.post(f"{SERVER}/revoke", data={"token": token, "client_id": form["client_id"]})
            check(bare.status_code == 401, f"revocation without the secret: {bare.status_code}")


async def main():
    storage, person = Storage(), Person()
    metadata = OAuthClientMetadata(
        client_name=NAME,
        redirect_uris=[REDIRECT],
        grant_types=["authorization_code", "refresh_token"],
        token_endpoint_auth_method="none" if DOCUMENT else METHOD,
    )
    provider = OAuthClientProvider(
        f"{SERVER}/mcp", metadata, storage, person.browse, person.come_back, client_metadata_url=DOCUMENT
    )

    await call(provider, storage)
    info = storage.client_info
    if DOCUMENT:
        check(info.client_id == DOCUMENT, f"known by the document, not as {info.client_id}")
        step("known by its document")
    else:
        check(info.token_endpoint_auth_method == METHOD, f"registered for {info.token_endpoint_auth_method}")
        check(bool(info.client_secret) == (METHOD != "none"), "a secret is issued where one is needed")
        step("registered")
    check(person.asked == 1, "one authorization")
    step("authorized")
    step("tool called")
    if ONCE:
        return
    check(storage.tokens.refresh_token, "a refresh token")

    # The client refreshes when its own clock says so.
    first = storage.tokens
    provider.context.token_expiry_time = 1
    await call(provider, storage)
    check(person.asked == 1, "a refresh asks nobody")
    check(storage.tokens.access_token != first.access_token, "another access token")
    check(storage.tokens.refresh_token != first.refresh_token, "the refresh token rotates")
    step("refreshed")
    step("tool called")

    # A 401 makes this client authorize anew.
    await revoke(provider, storage.tokens.access_token)
    step("access token revoked")
    await call(provider, storage)
    step("refreshed or authorized")
    step("tool called")

    person.willing = False
    asked = person.asked
    await revoke(provider, storage.tokens.refresh_token)
    step("refresh token revoked")
    provider.context.token_expiry_time = 1
    try:
        await call(provider, storage)
    except BaseException as error:  # noqa: BLE001
        # Task groups wrap what is raised inside them.
        check(person.asked > asked, f"a person is asked: {error!r}")
        step("asked to authorize again")


asyncio.run(main())

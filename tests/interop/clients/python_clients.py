"""Python clients and curl. Reads jobs as JSON from standard input and answers one JSON line for each."""

import asyncio
import json
import os
import subprocess
import sys
import warnings
from urllib.parse import parse_qs, urlsplit

# The libraries insist on TLS, which loopback does not have.
os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

import httpx  # noqa: E402
import httpx2  # noqa: E402
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession  # noqa: E402
from httpx_auth import InvalidGrantRequest, OAuth2ClientCredentials  # noqa: E402
from httpx_oauth.oauth2 import BaseOAuth2, OAuth2RequestError  # noqa: E402
from mcp.client.auth import OAuthClientProvider, OAuthTokenError  # noqa: E402
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider  # noqa: E402
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata  # noqa: E402
from oauthlib.oauth2 import BackendApplicationClient, OAuth2Error  # noqa: E402
from requests_oauthlib import OAuth2Session as RequestsSession  # noqa: E402

TIMEOUT = 20
# Errors that only an authenticated client gets to see.
BEHIND_AUTHENTICATION = ("unauthorized_client", "unsupported_grant_type")


class Refused(Exception):
    """The server said no."""


def expect(condition, detail):
    if not condition:
        raise Refused(detail)


def judge(text):
    """An error that the library made of the server's answer: a refusal, unless it comes from behind the layer."""
    if not any(code in text for code in BEHIND_AUTHENTICATION):
        raise Refused(text)


def authlib(job):
    session = AuthlibSession(
        job["client_id"],
        job["client_secret"],
        token_endpoint_auth_method=job["method"],
        revocation_endpoint_auth_method=job["method"],
    )
    server = job["server"]
    token = "none"
    try:
        token = session.fetch_token(f"{server}/token", grant_type="client_credentials")["access_token"]
    except Exception as error:
        # Authlib's own error type differs between its modules; the attribute does not.
        if not hasattr(error, "error"):
            raise
        judge(error.error)
    if job["method"] != "none":
        answer = session.introspect_token(f"{server}/introspect", token=token)
        expect(answer.status_code == 200 and answer.json()["active"], f"introspection: {answer.text}")
    answer = session.revoke_token(f"{server}/revoke", token=token)
    expect(answer.status_code == 200, f"revocation: {answer.text}")


def requests_oauthlib(job):
    session = RequestsSession(client=BackendApplicationClient(client_id=job["client_id"]))
    extra = {"include_client_id": True} if job["method"] == "client_secret_post" else {}
    try:
        session.fetch_token(
            f"{job['server']}/token", client_secret=job["client_secret"], timeout=TIMEOUT, **extra
        )
    except OAuth2Error as error:
        judge(error.error)


def httpx_auth(job):
    auth = OAuth2ClientCredentials(f"{job['server']}/token", job["client_id"], job["client_secret"])
    try:
        answer = httpx.get(f"{job['front']}/mcp", auth=auth, timeout=TIMEOUT)
    except InvalidGrantRequest as error:
        judge(str(error))
    else:
        expect(answer.status_code == 200, f"resource: {answer.status_code}")


def httpx_oauth(job):
    server = job["server"]
    client = BaseOAuth2(
        job["client_id"],
        job["client_secret"],
        f"{server}/authorize",
        f"{server}/token",
        revoke_token_endpoint=f"{server}/revoke",
        token_endpoint_auth_method=job["method"],
        revocation_endpoint_auth_method=job["method"],
    )
    try:
        asyncio.run(client.get_access_token("code", "https://client.example/callback"))
    except OAuth2RequestError as error:
        judge(error.response.text if error.response is not None else str(error))
    try:
        asyncio.run(client.revoke_token("none"))
    except OAuth2RequestError as error:
        judge(error.response.text if error.response is not None else str(error))


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


def confidential_mcp(job):
    return ClientCredentialsOAuthProvider(
        f"{job['front']}/mcp",
        Forgetful(),
        job["client_id"],
        job["client_secret"],
        token_endpoint_auth_method=job["method"],
        issuer=job["front"],
    )


def public_mcp(job):
    """A public client has no client credentials, so it comes with an authorization code, and is told at the token
    endpoint that there is no such grant; that is behind the layer."""
    redirect = "http://127.0.0.1:1/callback"
    states = []

    async def authorize(url):
        states.append(parse_qs(urlsplit(url).query)["state"][0])

    async def come_back():
        return AuthorizationCodeResult(code="code", state=states[-1])

    registered = OAuthClientInformationFull(
        client_id=job["client_id"], redirect_uris=[redirect], token_endpoint_auth_method="none", issuer=job["front"]
    )
    metadata = OAuthClientMetadata(redirect_uris=[redirect], token_endpoint_auth_method="none")
    return OAuthClientProvider(f"{job['front']}/mcp", metadata, Forgetful(registered), authorize, come_back)


def mcp(job):
    provider = public_mcp(job) if job["method"] == "none" else confidential_mcp(job)

    async def call():
        async with httpx2.AsyncClient(auth=provider, timeout=TIMEOUT) as client:
            return await client.get(f"{job['front']}/mcp")

    try:
        answer = asyncio.run(call())
    except OAuthTokenError as error:
        judge(str(error))
    else:
        expect(answer.status_code == 200, f"resource: {answer.status_code}")


def curl(job):
    client_id, secret = job["client_id"], job["client_secret"]
    ident, grant = ["--data-urlencode", f"client_id={client_id}"], ["--data", "grant_type=client_credentials"]
    credentials = {
        "client_secret_basic": ["--user", f"{client_id}:{secret}"],
        "client_secret_post": [*ident, "--data-urlencode", f"client_secret={secret}"],
        "none": ident,
    }[job["method"]]
    command = ["curl", "--disable", "--silent", "--show-error", "--max-time", str(TIMEOUT)]
    done = subprocess.run(
        [*command, *credentials, *grant, f"{job['server']}/token"], capture_output=True, text=True, check=True
    )
    answer = json.loads(done.stdout)
    if "access_token" not in answer:
        judge(answer["error"])


CLIENTS = {
    "mcp": mcp,
    "Authlib": authlib,
    "requests-oauthlib": requests_oauthlib,
    "httpx-auth": httpx_auth,
    "httpx-oauth": httpx_oauth,
    "curl": curl,
}


def outcome(job):
    try:
        CLIENTS[job["client"]](job)
    except Refused as refusal:
        return "refused", str(refusal)
    except Exception as error:  # noqa: BLE001
        # What a library cannot send is a result, too; the table has to know why.
        return "unable", f"{type(error).__name__}: {error}"
    return "accepted", ""


def main():
    warnings.simplefilter("ignore")
    for job in json.load(sys.stdin):
        result, detail = outcome(job)
        print(json.dumps({"id": job["id"], "outcome": result, "detail": detail[:300]}), flush=True)


if __name__ == "__main__":
    main()

"""Python clients with secrets and without, and curl."""

import asyncio
import json
import os
import subprocess
from urllib.parse import parse_qs, urlsplit

# The library insists on TLS, which loopback does not have.
os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"

import driver  # noqa: E402
import httpx  # noqa: E402
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession  # noqa: E402
from driver import TIMEOUT, Forgetful, expect, classify  # noqa: E402
from httpx_auth import InvalidGrantRequest, OAuth2ClientCredentials  # noqa: E402
from httpx_oauth.oauth2 import BaseOAuth2, OAuth2RequestError  # noqa: E402
from mcp.client.auth import OAuthClientProvider  # noqa: E402
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider  # noqa: E402
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata  # noqa: E402
from oauthlib.oauth2 import BackendApplicationClient, OAuth2Error  # noqa: E402
from requests_oauthlib import OAuth2Session as RequestsSession  # noqa: E402


def authlib(job):
    session = AuthlibSession(
        job["client_id"],
        job["client_secret"],
        token_endpoint_auth_method=job["method"],
        revocation_endpoint_auth_method=job["method"],
    )
    driver.authlib(lambda: session, job["server"], job["method"])


def requests_oauthlib(job):
    session = RequestsSession(client=BackendApplicationClient(client_id=job["client_id"]))
    extra = {"include_client_id": True} if job["method"] == "client_secret_post" else {}
    try:
        session.fetch_token(
            f"{job['server']}/token", client_secret=job["client_secret"], timeout=TIMEOUT, **extra
        )
    except OAuth2Error as error:
        classify(error.error)


def httpx_auth(job):
    auth = OAuth2ClientCredentials(f"{job['server']}/token", job["client_id"], job["client_secret"])
    try:
        answer = httpx.get(f"{job['front']}/mcp", auth=auth, timeout=TIMEOUT)
    except InvalidGrantRequest as error:
        classify(str(error))
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
        classify(error.response.text if error.response is not None else str(error))
    try:
        asyncio.run(client.revoke_token("none"))
    except OAuth2RequestError as error:
        classify(error.response.text if error.response is not None else str(error))


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
    driver.mcp(provider, f"{job['front']}/mcp")


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
        classify(answer["error"])


if __name__ == "__main__":
    driver.drive(
        {
            "mcp": mcp,
            "Authlib": authlib,
            "requests-oauthlib": requests_oauthlib,
            "httpx-auth": httpx_auth,
            "httpx-oauth": httpx_oauth,
            "curl": curl,
        }
    )

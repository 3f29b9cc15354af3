"""Python clients that sign assertions. Reads jobs as JSON from standard input and answers one JSON line for each."""

import asyncio
import json
import os
import sys
import time
import warnings

# The library insists on TLS, which loopback does not have.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

import httpx2  # noqa: E402
from authlib.integrations.requests_client import OAuth2Session  # noqa: E402
from authlib.oauth2.rfc7523 import ClientSecretJWT, PrivateKeyJWT  # noqa: E402
from joserfc import jwk  # noqa: E402
from mcp.client.auth import OAuthTokenError  # noqa: E402
from mcp.client.auth.extensions.client_credentials import PrivateKeyJWTOAuthProvider, SignedJWTParameters  # noqa: E402

TIMEOUT = 20


class Refused(Exception):
    """The server said no."""


def authlib(job, settings=dict):
    """`settings` is called for each request, because Authlib keeps the `jti` of the first in the claims it is given."""
    public = job["method"] == "private_key_jwt"
    kind = PrivateKeyJWT if public else ClientSecretJWT

    def session():
        session = OAuth2Session(
            job["client_id"],
            jwk.import_key(job["jwk"]) if public else job["secret"],
            token_endpoint_auth_method=job["method"],
            revocation_endpoint_auth_method=job["method"],
        )
        session.register_client_auth_method(kind(alg=job["alg"], **settings()))
        return session

    server = job["issuer"]
    try:
        token = session().fetch_token(f"{server}/token", grant_type="client_credentials")["access_token"]
    except Exception as error:
        # Authlib's own error type differs between its modules; the attribute does not.
        if not hasattr(error, "error"):
            raise
        raise Refused(error.error) from error
    answer = session().introspect_token(f"{server}/introspect", token=token)
    if answer.status_code != 200 or not answer.json()["active"]:
        raise Refused(f"introspection: {answer.status_code} {answer.text}")
    answer = session().revoke_token(f"{server}/revoke", token=token)
    if answer.status_code != 200:
        raise Refused(f"revocation: {answer.status_code} {answer.text}")


def configured_authlib(job):
    headers = {"typ": "client-authentication+jwt"}
    if "kid" in job["jwk"]:
        headers["kid"] = job["jwk"]["kid"]
    authlib(
        job,
        lambda: {"token_endpoint": job["issuer"], "claims": {"exp": int(time.time()) + 60}, "headers": dict(headers)},
    )


class Forgetful:
    """The token storage that the MCP client asks for."""

    tokens = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return None

    async def set_client_info(self, client_info):
        pass


def mcp(job):
    parameters = SignedJWTParameters(
        issuer=job["client_id"], subject=job["client_id"], signing_key=job["pem"], signing_algorithm=job["alg"]
    )
    provider = PrivateKeyJWTOAuthProvider(
        f"{job['issuer']}/mcp",
        Forgetful(),
        job["client_id"],
        parameters.create_assertion_provider(),
        issuer=job["issuer"],
    )

    async def call():
        async with httpx2.AsyncClient(auth=provider, timeout=TIMEOUT) as client:
            return await client.get(f"{job['issuer']}/mcp")

    try:
        answer = asyncio.run(call())
    except OAuthTokenError as error:
        raise Refused(str(error)) from error
    if answer.status_code != 200:
        raise Refused(f"resource: {answer.status_code}")


CLIENTS = {"Authlib": authlib, "Authlib, configured": configured_authlib, "mcp": mcp}


def outcome(job):
    try:
        CLIENTS[job["client"]](job)
    except Refused as refusal:
        return "refused", str(refusal)
    except Exception as error:  # noqa: BLE001
        return "unable", f"{type(error).__name__}: {error}"
    return "accepted", ""


def main():
    warnings.simplefilter("ignore")
    for job in json.load(sys.stdin):
        result, detail = outcome(job)
        print(json.dumps({"id": job["id"], "outcome": result, "detail": detail[:300]}), flush=True)


if __name__ == "__main__":
    main()

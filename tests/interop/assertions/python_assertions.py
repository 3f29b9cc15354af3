"""Python clients that sign assertions."""

import time

import driver
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import ClientSecretJWT, PrivateKeyJWT
from joserfc import jwk
from mcp.client.auth.extensions.client_credentials import PrivateKeyJWTOAuthProvider, SignedJWTParameters


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

    driver.authlib(session, job["issuer"], job["method"])


def configured_authlib(job):
    headers = {"typ": "client-authentication+jwt"}
    if "kid" in job["jwk"]:
        headers["kid"] = job["jwk"]["kid"]
    authlib(
        job,
        lambda: {"token_endpoint": job["issuer"], "claims": {"exp": int(time.time()) + 60}, "headers": dict(headers)},
    )


def mcp(job):
    parameters = SignedJWTParameters(
        issuer=job["client_id"], subject=job["client_id"], signing_key=job["pem"], signing_algorithm=job["alg"]
    )
    resource = f"{job['issuer']}/mcp"
    provider = PrivateKeyJWTOAuthProvider(
        resource,
        driver.Forgetful(),
        job["client_id"],
        parameters.create_assertion_provider(),
        issuer=job["issuer"],
    )
    driver.mcp(provider, resource)


if __name__ == "__main__":
    driver.drive({"Authlib": authlib, "Authlib, configured": configured_authlib, "mcp": mcp})

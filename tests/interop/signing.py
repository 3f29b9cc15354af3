"""Assertions as ChatGPT signs them, with a key that is published."""

import secrets
import time

from joserfc import jwk, jwt

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def key():
    """A key as ChatGPT has it, and its set as it is published."""
    private = jwk.generate_key("RSA", 2048, {"kid": "first", "use": "sig", "alg": "RS256"})
    return private, {"keys": [private.as_dict(private=False)]}


def assertion(private, client_id, audience, **claims):
    now = int(time.time())
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "iat": now,
        "exp": now + 60,
        "jti": secrets.token_hex(8),
    } | claims
    return {
        "client_assertion_type": JWT_BEARER,
        "client_assertion": jwt.encode({"alg": "RS256", "kid": "first"}, claims, private),
    }

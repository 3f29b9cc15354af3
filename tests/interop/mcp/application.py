"""A client with no library of its own, for what none of the libraries can be made to send."""

import base64
import hashlib
import secrets
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
from person import TIMEOUT, consent

CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "interop", "version": "1"}},
}
BOTH = {"Accept": "application/json, text/event-stream"}


class Application:
    """`authenticate` gives the members of a form that prove who asks, besides the `client_id`."""

    def __init__(self, server, redirect_uri="http://127.0.0.1:1/callback", authenticate=dict):
        self.server, self.redirect_uri, self.authenticate = server, redirect_uri, authenticate
        self.client_id = self.tokens = self.scope = None

    def register(self, **metadata):
        if self.redirect_uri:
            metadata = {"redirect_uris": [self.redirect_uri]} | metadata
        answer = httpx2.post(f"{self.server}/register", json=metadata, timeout=TIMEOUT)
        assert answer.status_code == 201, f"registration: {answer.status_code} {answer.text}"
        self.client_id = answer.json()["client_id"]
        return answer.json()

    def authorize(self, name=""):
        """Raises where there is no code; otherwise it and what else the token request needs."""
        verifier, state = secrets.token_urlsafe(32), secrets.token_urlsafe(8)
        digest = hashlib.sha256(verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "state": state,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            "resource": f"{self.server}/mcp",
            **({"scope": self.scope} if self.scope else {}),
        }
        back = consent(f"{self.server}/authorize?{urlencode(query)}", name)
        assert back.startswith(self.redirect_uri), back
        answer = parse_qs(urlsplit(back).query)
        assert answer["state"] == [state] and answer["iss"] == [self.server] and "code" in answer, back
        return {"code": answer["code"][0], "code_verifier": verifier, "redirect_uri": self.redirect_uri}

    def ask(self, **form):
        """The answer of the token endpoint."""
        form = {"client_id": self.client_id, **form, **self.authenticate()}
        return httpx2.post(f"{self.server}/token", data=form, timeout=TIMEOUT)

    def got(self, answer):
        assert answer.status_code == 200, f"token: {answer.status_code} {answer.text}"
        self.tokens = answer.json()

    def sign_in(self, name=""):
        self.got(self.ask(grant_type="authorization_code", **self.authorize(name)))

    def refresh(self):
        self.got(self.ask(grant_type="refresh_token", refresh_token=self.tokens["refresh_token"]))

    def call(self):
        """Whether the MCP server lets it in."""
        headers = BOTH | {"Authorization": f"Bearer {self.tokens['access_token']}"}
        answer = httpx2.post(f"{self.server}/mcp", json=CALL, headers=headers, timeout=TIMEOUT)
        assert answer.status_code == 200, f"the MCP server: {answer.status_code} {answer.text}"

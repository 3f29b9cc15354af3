"""Clients without a secret, at `hyper_echo`: what is accepted, and what is refused."""

import argparse
import base64
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import uuid

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwk
from joserfc import jwt as joserfc_jwt

ISSUER = "https://as.example"
CLUSTER = "https://oidc.eks.eu-central-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF"
WORKER = "system:serviceaccount:billing:worker"
ACTIONS = "https://token.actions.githubusercontent.com"
MAIN = "repo:example/app:ref:refs/heads/main"
SVID = "spiffe://prod.example/ns/billing/sa/worker"
JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
JWT_SPIFFE = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe"


class Kubernetes:
    """A cluster: projected tokens as its API server signs them, by PyJWT."""

    def __init__(self):
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        kid = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        self.kid = kid
        self.jwks = {"keys": [{"use": "sig", "kty": "RSA", "kid": kid, "alg": "RS256", "n": public["n"], "e": public["e"]}]}

    def token(self, **claims):
        now = int(time.time())
        claims = {
            "aud": [ISSUER],
            "exp": now + 607,
            "iat": now,
            "iss": CLUSTER,
            "jti": str(uuid.uuid4()),
            "kubernetes.io": {
                "namespace": "billing",
                "node": {"name": "node-1", "uid": str(uuid.uuid4())},
                "pod": {"name": "worker", "uid": str(uuid.uuid4())},
                "serviceaccount": {"name": "worker", "uid": str(uuid.uuid4())},
            },
            "nbf": now,
            "sub": WORKER,
        } | claims
        # The API server writes no `typ`.
        return jwt.encode(claims, self.key, "RS256", headers={"kid": self.kid, "typ": None})


class Actions:
    """GitHub: tokens of a job, by joserfc, which Authlib signs with."""

    def __init__(self):
        self.key = jwk.generate_key("RSA", 2048, {"kid": "cc413527", "alg": "RS256", "use": "sig"})
        public = self.key.as_dict(private=False)
        self.jwks = {"keys": [public]}

    def token(self, **claims):
        now = int(time.time())
        header = {"typ": "JWT", "alg": "RS256", "x5t": "ykNaY4qM_ta4k2TgZOCEYLkcYlA", "kid": "cc413527"}
        claims = {
            "jti": str(uuid.uuid4()),
            "sub": MAIN,
            "aud": ISSUER,
            "ref": "refs/heads/main",
            "sha": "e4bd6e2f5cd2b0c0ff1ca3e8d2f6d1d8a1f6c7f0",
            "repository": "example/app",
            "repository_owner": "example",
            "repository_visibility": "private",
            "event_name": "push",
            "workflow": "deploy",
            "job_workflow_ref": "example/app/.github/workflows/deploy.yaml@refs/heads/main",
            "runner_environment": "github-hosted",
            "iss": ACTIONS,
            "nbf": now - 600,
            "exp": now + 300,
            "iat": now,
        } | claims
        return joserfc_jwt.encode(header, claims, self.key)


class Spire:
    """A trust domain: SVIDs by jose."""

    def __init__(self, program):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen(["node", program], text=True, **pipes)
        self.bundle = json.loads(self.process.stdout.readline())

    def token(self, **claims):
        now = int(time.time())
        claims = {"aud": [ISSUER], "exp": now + 300, "iat": now, "sub": SVID} | claims
        self.process.stdin.write(json.dumps(claims) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def stop(self):
        self.process.stdin.close()
        self.process.wait(10)


def send(address, token, kind, client_id):
    """As the page has it. Returns the status, and who is calling and how if it is known."""
    with tempfile.NamedTemporaryFile("w", suffix=".token") as file:
        file.write(token)
        file.flush()
        command = ["curl", "--silent", "--output", "/dev/null", "--max-time", "20"]
        command += ["--write-out", "%{http_code} %header{x-client-id} %header{x-auth-method}"]
        command += ["-d", "grant_type=client_credentials", "-d", f"client_assertion_type={kind}"]
        command += ["-d", f"client_id={client_id}"] if client_id else []
        command += ["--data-urlencode", f"client_assertion@{file.name}", f"{address}/token"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def records(cluster, actions, spire, jwks_uri):
    federated = {"token_endpoint_auth_method": "private_key_jwt"}
    cluster_keys = {"issuer": CLUSTER, "jwks_uri": jwks_uri, "longest_lifetime": 600, "reusable": True}
    return [
        {"client_id": "worker", **federated, "federated_identities": [{"subject": WORKER, **cluster_keys}]},
        {
            "client_id": "reader",
            **federated,
            "federated_identities": [{"subject": "system:serviceaccount:billing:reader", **cluster_keys}],
        },
        {
            "client_id": "deployment",
            **federated,
            "federated_identities": [
                {"issuer": ACTIONS, "subject": MAIN, "jwks": actions.jwks},
                {"issuer": ACTIONS, "subject": "repo:example/app:environment:production", "jwks": actions.jwks},
            ],
        },
        {
            "client_id": "billing",
            "token_endpoint_auth_method": "spiffe_jwt",
            "spiffe_id": "spiffe://prod.example/ns/billing/*",
            "spiffe_bundle": spire.bundle,
        },
    ]


def cases(cluster, actions, spire):
    """Name, token, type, the `client_id` in the form, and what is answered."""
    stranger = Kubernetes()
    stranger.kid = cluster.kid
    key = "private_key_jwt"
    kept, job, svid = cluster.token(), actions.token(), spire.token()
    production = actions.token(sub="repo:example/app:environment:production")
    yield "Kubernetes, by client_id", kept, JWT_BEARER, "worker", f"200 worker {key}"
    yield "Kubernetes, the same token, by issuer and subject", kept, JWT_BEARER, None, f"200 worker {key}"
    yield "Kubernetes, as another client", kept, JWT_BEARER, "reader", "401"
    yield "Kubernetes, another account", cluster.token(sub="system:serviceaccount:kube-system:admin"), JWT_BEARER, None, "401"
    yield "Kubernetes, for the API server", cluster.token(aud=["https://kubernetes.default.svc"]), JWT_BEARER, "worker", "401"
    yield "Kubernetes, for two", cluster.token(aud=[ISSUER, "vault"]), JWT_BEARER, "worker", "401"
    yield "Kubernetes, for a day", cluster.token(exp=int(time.time()) + 86400), JWT_BEARER, "worker", "401"
    yield "Kubernetes, expired", cluster.token(exp=int(time.time()) - 1), JWT_BEARER, "worker", "401"
    yield "Kubernetes, signed by another cluster", stranger.token(), JWT_BEARER, "worker", "401"
    yield "Kubernetes, of an unknown cluster", cluster.token(iss=f"{CLUSTER}0"), JWT_BEARER, "worker", "401"
    yield "GitHub Actions", job, JWT_BEARER, "deployment", f"200 deployment {key}"
    yield "GitHub Actions, the same token", job, JWT_BEARER, "deployment", "401"
    yield "GitHub Actions, by issuer and subject", production, JWT_BEARER, None, f"200 deployment {key}"
    yield "GitHub Actions, without an audience", actions.token(aud="https://github.com/example"), JWT_BEARER, None, "401"
    yield "GitHub Actions, of a pull request", actions.token(sub="repo:example/app:pull_request"), JWT_BEARER, None, "401"
    yield "GitHub Actions, of another repository", actions.token(sub="repo:evil/app:ref:refs/heads/main"), JWT_BEARER, None, "401"
    yield "SPIFFE", svid, JWT_SPIFFE, "billing", "200 billing spiffe_jwt"
    yield "SPIFFE, the same SVID, by its id", svid, JWT_SPIFFE, None, "200 billing spiffe_jwt"
    yield "SPIFFE, as jwt-bearer", svid, JWT_BEARER, "billing", "401"
    yield "SPIFFE, another namespace", spire.token(sub="spiffe://prod.example/ns/other/sa/x"), JWT_SPIFFE, "billing", "401"
    yield "SPIFFE, another trust domain", spire.token(sub="spiffe://prod.example.evil/ns/billing/x"), JWT_SPIFFE, None, "401"
    yield "SPIFFE, for another server", spire.token(aud=["https://other.example"]), JWT_SPIFFE, "billing", "401"


def main():
    # The folder above has what the runs share.
    from published import publishing
    from servers import serving

    options = argparse.ArgumentParser()
    options.add_argument("--server", required=True)
    options.add_argument("--scratch", required=True, type=pathlib.Path)
    options.add_argument("--node", required=True)
    options = options.parse_args()
    options.scratch.mkdir(parents=True, exist_ok=True)
    cluster, actions, spire = Kubernetes(), Actions(), Spire(options.node)
    failures = 0
    with publishing("127.0.0.1", options.scratch) as web:
        web.documents["/openid/v1/jwks"] = cluster.jwks
        clients = options.scratch / "clients.json"
        clients.write_text(json.dumps(records(cluster, actions, spire, f"{web.url}/openid/v1/jwks")))
        command = [options.server, "--listen", "127.0.0.1:0", "--clients", str(clients), "--issuer", ISSUER]
        command += ["--metadata-documents", "client.example", "--allow-loopback-documents", web.trusted]
        log = options.scratch / "server.log"
        with serving(command, log) as address:
            for name, token, kind, client_id, expected in cases(cluster, actions, spire):
                found = send(address, token, kind, client_id)
                if found != expected:
                    failures += 1
                    print(f"FAILED: {name}: {found!r} instead of {expected!r}")
        # Nothing is asked of an issuer that nobody trusts, and the keys of the other once.
        if web.fetches != ["/openid/v1/jwks"]:
            failures += 1
            print(f"FAILED: fetched {web.fetches}")
    spire.stop()
    if failures:
        print(log.read_text())
        sys.exit(1)
    print("tokens of Kubernetes, GitHub Actions and SPIFFE, in shape: all as expected")


if __name__ == "__main__":
    main()

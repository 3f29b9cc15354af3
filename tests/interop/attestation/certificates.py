"""Attesters with certificates at `hyper_echo`: OpenSSL makes the chains, and jose, in Node, what they sign. And the
commands of the page, as written."""

import argparse
import base64
import json
import pathlib
import re
import subprocess
import sys

from peer import ATTESTATION, GRANTED, ISSUER, NO_CLIENT, PROOF, asked, told
from servers import serving
from trials import ROOT, Tally

LEAF = "basicConstraints=critical,CA:false", "keyUsage=critical,digitalSignature"
AUTHORITY = "basicConstraints=critical,CA:true", "keyUsage=critical,keyCertSign"
ATTESTER = "subjectAltName=DNS:attester.wallet.example"


class Authorities:
    """Keys and certificates as files of one folder, by their names."""

    def __init__(self, folder):
        self.folder = folder

    def openssl(self, *words):
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True)

    def issue(self, name, issuer=None, extensions=LEAF, kind=("EC", "ec_paramgen_curve:P-256"), days=30):
        algorithm, option = kind
        self.openssl("genpkey", "-algorithm", algorithm, *(["-pkeyopt", option] if option else []), "-out", f"{name}.key")
        # One with a name in common with others.
        words = ["req", "-new", "-key", f"{name}.key", "-subj", f"/O=Wallets/CN={name.split('-')[0]}", "-out", f"{name}.csr"]
        self.openssl(*words)
        (self.folder / f"{name}.ext").write_text("".join(f"{extension}\n" for extension in extensions))
        by = ["-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key"] if issuer else ["-signkey", f"{name}.key"]
        words = ["x509", "-req", "-in", f"{name}.csr", "-extfile", f"{name}.ext", "-days", str(days), "-out", f"{name}.pem"]
        self.openssl(*words, *by)

    def pem(self, name):
        return (self.folder / f"{name}.pem").read_text()

    def x5c(self, *names):
        return [re.sub(r"-----[A-Z ]+-----|\s", "", self.pem(name)) for name in names]


def made(authorities):
    authorities.issue("root", extensions=AUTHORITY, kind=("EC", "ec_paramgen_curve:P-384"))
    authorities.issue("root-other", extensions=AUTHORITY)
    authorities.issue("middle", "root", AUTHORITY, ("RSA", "rsa_keygen_bits:2048"))
    authorities.issue("attester", "middle", (*LEAF, ATTESTER))
    authorities.issue("attester-edwards", "root", (*LEAF, ATTESTER), ("ED25519", None))
    authorities.issue("attester-rsa", "root", (*LEAF, ATTESTER), ("RSA", "rsa_keygen_bits:2048"))
    authorities.issue("attester-foreign", "root-other", (*LEAF, ATTESTER))
    authorities.issue("attester-tls", "root", (*LEAF, ATTESTER, "extendedKeyUsage=serverAuth"))
    authorities.issue("attester-jwt", "root", (*LEAF, ATTESTER, "extendedKeyUsage=1.3.6.1.5.5.7.3.37"))
    authorities.issue("customer", "root", (*LEAF, "subjectAltName=DNS:customer.example"))
    authorities.issue("middle-customer", "customer", AUTHORITY)
    authorities.issue("attester-below", "middle-customer", (*LEAF, ATTESTER))


# The `alg`, whose key signs, and what is in `x5c`: what comes of it.
CASES = [
    ("ES256", "attester", ("attester", "middle"), GRANTED),
    ("ES256", "attester", ("attester", "middle", "root"), GRANTED),
    ("EdDSA", "attester-edwards", ("attester-edwards",), GRANTED),
    ("PS256", "attester-rsa", ("attester-rsa",), GRANTED),
    ("ES256", "attester-jwt", ("attester-jwt",), GRANTED),
    ("ES256", "attester", ("attester",), NO_CLIENT),
    ("ES256", "attester-jwt", ("attester", "middle"), NO_CLIENT),
    ("ES256", "attester-foreign", ("attester-foreign",), NO_CLIENT),
    ("ES256", "attester-foreign", ("attester-foreign", "root-other"), NO_CLIENT),
    ("ES256", "attester-tls", ("attester-tls",), NO_CLIENT),
    ("ES256", "customer", ("customer",), NO_CLIENT),
    ("ES256", "attester-below", ("attester-below", "middle-customer", "customer"), NO_CLIENT),
    ("ES384", "root", ("root",), NO_CLIENT),
    ("ES256", "attester", (), NO_CLIENT),
]


def clients():
    method = {"token_endpoint_auth_method": "attest_jwt_client_auth", "attester": "wallet-provider"}
    return [{"client_id": "wallet", **method}]


def follow(folder, command):
    """What the program of the page prints with a certificate, which the commands of the page have made."""
    page = (ROOT / "src/docs/wallets.md").read_text()
    folder.mkdir(exist_ok=True)
    program = page.split("```python\n")[1].split("```")[0]
    commands = next(block for block in page.split("```sh\n")[1:] if "openssl req" in block).split("```")[0]

    def run(*words):
        return subprocess.run(words, cwd=folder, check=True, capture_output=True, text=True).stdout

    (folder / "wallet.py").write_text(program)
    run(sys.executable, "wallet.py")
    run("bash", "-euc", commands)
    leaf = base64.b64encode(subprocess.run(
        ["openssl", "x509", "-in", folder / "leaf.pem", "-outform", "der"], check=True, capture_output=True
    ).stdout).decode()  # fmt: skip
    header = '"typ": "oauth-client-attestation+jwt", "kid": "1"'
    assert header in program, "the program of the page has another header"
    (folder / "wallet.py").write_text(program.replace(header, header.replace('"kid": "1"', f'"x5c": ["{leaf}"]')))
    with serving([*command(folder / "clients.json", folder / "attesters.json"), "--attestation-challenges"], folder / "log") as server:
        return run(sys.executable, "wallet.py", server)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", required=True, help="hyper_echo")
    parser.add_argument("--node", required=True, help="attestations.mjs, beside its packages")
    parser.add_argument("--scratch", required=True)
    arguments = parser.parse_args()
    scratch = pathlib.Path(arguments.scratch).resolve()
    scratch.mkdir(parents=True, exist_ok=True)
    authorities, tally = Authorities(scratch), Tally()
    made(authorities)
    (scratch / "clients.json").write_text(json.dumps(clients()))
    # One authority in PEM, and one as its DER.
    anchors = [authorities.pem("root"), *authorities.x5c("root")]
    trusted = {"wallet-provider": {"trust_anchors": anchors, "san_dns": "attester.wallet.example"}}
    (scratch / "attesters.json").write_text(json.dumps(trusted))
    cases = [
        {"alg": alg, "key": str(scratch / f"{key}.key"), "x5c": authorities.x5c(*chain), "issuer": ISSUER}
        for alg, key, chain, _ in CASES
    ]
    (scratch / "cases.json").write_text(json.dumps(cases))

    def command(clients, attesters):
        words = [arguments.server, "--listen", "127.0.0.1:0", "--clients", clients, "--issuer", ISSUER]
        return [*words, "--attesters", attesters]

    made_by_jose = subprocess.run(
        ["node", arguments.node, scratch / "cases.json"], check=True, capture_output=True, text=True
    )
    with serving(command(scratch / "clients.json", scratch / "attesters.json"), scratch / "hyper_echo.log") as server:
        for (alg, key, chain, wanted), pair in zip(CASES, json.loads(made_by_jose.stdout), strict=True):
            headers = [(ATTESTATION, pair["attestation"]), (PROOF, pair["proof"])]
            headers.append(("Content-Type", "application/x-www-form-urlencoded"))
            answer = told(asked(f"{server}/token", headers, "grant_type=client_credentials"))
            tally.expect(answer == wanted, f"{alg} of {key}, x5c {chain}: {answer}, not {wanted}")
    followed = follow(scratch / "page", command)
    tally.expect(followed.startswith("wallet attest_jwt_client_auth "), f"the page: {followed}")
    print("".join(f"{problem}\n" for problem in tally.problems), end="")
    print(f"interop attestation, certificates: {tally.passed} passed, {len(tally.problems)} failed")
    return 1 if tally.problems else 0


if __name__ == "__main__":
    sys.exit(main())

"""Verifies identities that the layer signed with the programs of the page, in Python, Node and Go."""

import argparse
import json
import pathlib
import re
import subprocess
import sys

from servers import Quiet, threaded
from trials import ROOT, Tally

PAGE = ROOT / "src/docs/forwarding.md"
KEYS = "https://gateway.example/jwks.json"
SECONDS = 120


def program(language, keys):
    """What the page shows, with the keys at an address of this machine."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    if len(blocks) != 1 or KEYS not in blocks[0]:
        raise SystemExit(f"FAILED: {PAGE} has no one program in {language} that names {KEYS}")
    return blocks[0].replace(KEYS, keys)


def in_python(keys, tokens):
    names = {}
    exec(compile(program("python", keys), str(PAGE), "exec"), names)
    import jwt

    for token in tokens:
        try:
            claims = names["client"](token)
            yield f"{claims['sub']} {claims['auth_method']}"
        except jwt.PyJWTError:
            yield None


def by(command, tokens, **options):
    """The answers of a program to the tokens."""
    done = subprocess.run(command, input=json.dumps(tokens), capture_output=True, text=True, timeout=SECONDS, **options)
    if done.returncode:
        raise SystemExit(f"FAILED: {command[0]}: {done.stderr}")
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--identities", required=True, help="the program that makes them")
    parser.add_argument("--node", required=True, type=pathlib.Path, help="the folder of the program in Node, with its packages")
    parser.add_argument("--go", type=pathlib.Path, help="the folder of the module in Go")
    parser.add_argument("--scratch", required=True, type=pathlib.Path, help="folder for programs")
    arguments = parser.parse_args()
    arguments.scratch.mkdir(parents=True, exist_ok=True)
    made = json.loads(subprocess.run([arguments.identities], capture_output=True, text=True, check=True).stdout)

    class Gateway(Quiet):
        def do_GET(self):
            self.answer(200, json.dumps(made["jwks"]).encode(), {"Content-Type": "application/jwk-set+json"})

    tally = Tally()
    tokens = [one["token"] for one in made["tokens"]]
    with threaded(Gateway) as gateway:
        keys = f"{gateway.url}/jwks.json"
        (arguments.node / "page.mjs").write_text(program("javascript", keys), encoding="utf-8")
        answers = {
            "Python": list(in_python(keys, tokens)),
            "Node": by(["node", str(arguments.node / "node_identities.mjs")], tokens),
        }
        if arguments.go:
            (arguments.go / "page.go").write_text(f"package main\n\n{program('go', keys)}", encoding="utf-8")
            answers["Go"] = by(["go", "run", ".", keys], tokens, cwd=arguments.go)
    for language, found in answers.items():
        for one, client in zip(made["tokens"], found, strict=True):
            tally.expect(client == one["client"], f"{language}: {one['what']}: {client!r}, not {one['client']!r}")
    print("".join(f"{problem}\n" for problem in tally.problems), end="")
    print(f"interop identities: {tally.passed} passed, {len(tally.problems)} failed")
    return 1 if tally.problems or tally.passed < 2 * len(tokens) else 0


if __name__ == "__main__":
    sys.exit(main())

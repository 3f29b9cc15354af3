"""What the runs that try clients share: the programs that try them, and the page that tells what came of it."""

import argparse
import difflib
import json
import pathlib
import subprocess
import sys
import tomllib
from importlib.metadata import version

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
DRIVER_SECONDS = 600


class Tally:
    def __init__(self):
        self.passed, self.problems = 0, []

    def expect(self, condition, text):
        if condition:
            self.passed += 1
        else:
            self.problems.append(text)


class Trial:
    """A run, with the arguments that all of them take. `python` is the driver in Python."""

    def __init__(self, description, page, python, more=()):
        parser = argparse.ArgumentParser(description=description)
        parser.add_argument("--token-server", default=str(ROOT / "target/debug/token_server"))
        parser.add_argument("--scratch", required=True, help="folder for the clients file and the servers' logs")
        parser.add_argument("--node", required=True, help="the driver in Node, beside its packages")
        parser.add_argument("--rust", required=True, help="the driver in Rust, built")
        parser.add_argument("--check", action="store_true", help="compare with the page instead of writing it")
        parser.add_argument("--verbose", action="store_true", help="print what became of every job")
        for name, purpose in more:
            parser.add_argument(name, help=purpose)
        self.arguments = parser.parse_args()
        self.page = ROOT / page
        self.drivers = {
            "python": [sys.executable, str(python)],
            "node": ["node", self.arguments.node],
            "rust": [self.arguments.rust],
        }
        self.scratch = pathlib.Path(self.arguments.scratch)
        self.scratch.mkdir(parents=True, exist_ok=True)
        server = self.arguments.token_server
        if not pathlib.Path(server).exists():
            raise SystemExit(f"FAILED: there is no {server}; cargo build -p token_server --all-features makes it")

    def token_server(self, records):
        """The command of a server with these clients."""
        file = self.scratch / "clients.json"
        file.write_text(json.dumps(records, ensure_ascii=False), encoding="utf-8")
        return [self.arguments.token_server, "--listen", "127.0.0.1:0", "--clients", str(file)]

    def ask(self, driver, jobs):
        """Hands a driver its jobs, and gives (outcome, detail) for each."""
        work = json.dumps([{"id": number, **job} for number, job in enumerate(jobs)])
        command = self.drivers[driver]
        done = subprocess.run(command, input=work, capture_output=True, text=True, timeout=DRIVER_SECONDS)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        if done.returncode or [answer["id"] for answer in answers] != list(range(len(jobs))):
            sys.stderr.write(done.stderr)
            raise SystemExit(f"FAILED: the {driver} clients stopped with {len(jobs) - len(answers)} jobs left")
        return [(answer["outcome"], answer["detail"]) for answer in answers]

    def settle(self, name, text, tally):
        """Tells what is wrong, writes the page or compares it, and gives the status to exit with."""
        print("".join(f"{problem}\n" for problem in tally.problems), end="")
        failed = len(tally.problems)
        if self.arguments.check:
            present = self.page.read_text(encoding="utf-8") if self.page.exists() else ""
            lines = present.splitlines(), text.splitlines()
            difference = list(difflib.unified_diff(*lines, self.page.name, "this run", lineterm=""))
            print("".join(f"{line}\n" for line in difference), end="")
            failed += bool(difference)
        elif not failed:
            self.page.write_text(text, encoding="utf-8")
        print(f"interop {name}: {tally.passed} passed, {failed} failed")
        return 1 if failed else 0


def release(driver, package):
    """Which release was tried, from the same files that pin it."""
    if driver == "python":
        return version(package)
    if driver == "node":
        with open(HERE / "package-lock.json", encoding="utf-8") as file:
            return json.load(file)["packages"][f"node_modules/{package}"]["version"]
    with open(HERE / "rust/Cargo.lock", "rb") as file:
        locked = tomllib.load(file)["package"]
    return next(found["version"] for found in locked if found["name"] == package)

"""Sends every request to the SDK and to `hyper_echo --mcp-python-sdk` and compares the answers."""

import argparse
import collections
import contextlib
import json
import pathlib
import sys
import time
import urllib.request
from importlib.metadata import version

import cases
import differences
import rows
import wire
from servers import serving

HERE = pathlib.Path(__file__).resolve().parent
# Fewer would mean that the product above lost a dimension.
AT_LEAST = 5_000
SHOWN = 25
RUN_SECONDS = 900


def options():
    root = HERE.parents[2]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hyper-echo", default=str(root / "target/debug/hyper_echo"))
    parser.add_argument("--scratch", required=True, help="folder for the clients file and the servers' logs")
    parser.add_argument("--only", help="compare only requests whose label contains this text, and show both answers")
    return parser.parse_args()


def shown(request, sdk, ours):
    head = request.encode()[:600]
    return f"  {request.label}\n    request {head!r}\n    SDK     {sdk}\n    ours    {ours}"


def compare(arguments, records, sdk_address, ours_addresses):
    registry = {record["client_id"]: record for record in records}
    methods = {name.encode(): record.get("token_endpoint_auth_method") for name, record in registry.items()}
    sdk_connection = wire.Connection(sdk_address)
    ours_connections = {path: wire.Connection(address) for path, address in ours_addresses.items()}

    def ask(request):
        return wire.read_sdk(request, sdk_connection.exchange(request), methods)

    explained, outcomes, touched = collections.Counter(), collections.Counter(), collections.Counter()
    failures = collections.defaultdict(list)
    compared = 0
    deadline = time.monotonic() + RUN_SECONDS
    for request in cases.requests(records):
        if arguments.only and arguments.only not in request.label:
            continue
        if time.monotonic() > deadline:
            raise SystemExit(f"FAILED: the run takes longer than {RUN_SECONDS} s")
        sdk = ask(request)
        ours = wire.read_echo(request, ours_connections[request.path].exchange(request))
        compared += 1
        outcomes[f"{request.path.decode()} {sdk.status}"] += 1
        touched.update(rows.touched(differences.View(request, registry), sdk))
        if arguments.only:
            print(shown(request, sdk, ours))
        if sdk.facts() == ours.facts():
            continue
        difference = differences.explain(request, registry, sdk, ours, ask)
        if difference is None:
            # One defect fails many requests; they are told apart by what the two servers said.
            failures[request.path, str(sdk), str(ours)].append(shown(request, sdk, ours))
        else:
            explained[difference.row] += 1
    for connection in (sdk_connection, *ours_connections.values()):
        connection.close()
    return compared, outcomes, explained, touched, failures


def announced(address):
    """The methods in the SDK's metadata, which leave `none` out although it works: D24 (RFC 8414 section 2)."""
    url = f"{address}/.well-known/oauth-authorization-server"
    with urllib.request.urlopen(url, timeout=wire.ANSWER_SECONDS) as answer:
        document = json.load(answer)
    return [document[f"{endpoint}_endpoint_auth_methods_supported"] for endpoint in ("token", "revocation")]


def main():
    arguments = options()
    scratch = pathlib.Path(arguments.scratch)
    scratch.mkdir(parents=True, exist_ok=True)
    records = cases.clients()
    file = scratch / "clients.json"
    file.write_text(json.dumps(records, ensure_ascii=False), encoding="utf-8")
    if not pathlib.Path(arguments.hyper_echo).exists():
        raise SystemExit(f"FAILED: there is no {arguments.hyper_echo}; cargo build -p hyper_echo makes it")

    common = ["--clients", str(file), "--at", str(cases.NOW)]
    echo = [arguments.hyper_echo, "--listen", "127.0.0.1:0", *common]
    with contextlib.ExitStack() as stack:
        sdk = stack.enter_context(serving([sys.executable, str(HERE / "sdk_server.py"), *common], scratch / "sdk.log"))
        ours = {
            b"/token": stack.enter_context(serving([*echo, "--mcp-python-sdk"], scratch / "token.log")),
            b"/revoke": stack.enter_context(serving([*echo, "--mcp-python-sdk-revocation"], scratch / "revoke.log")),
        }
        compared, outcomes, explained, touched, failures = compare(arguments, records, sdk, ours)
        methods = announced(sdk)

    print(f"compared with mcp {version('mcp')}, starlette {version('starlette')}, python-multipart "
          f"{version('python-multipart')}")
    for outcome, count in sorted(outcomes.items()):
        print(f"  {count:6} {outcome} (SDK)")
    print("differences on purpose:")
    for difference in differences.DIFFERENCES:
        print(f"  {explained[difference.row]:6} {difference.row}: {difference.why}")
    for row, why in differences.NOT_ON_THE_WIRE.items():
        print(f"       - {row}: {why}")

    print("rows touched: " + ", ".join(f"{row} {touched[row]}" for row in rows.ROWS))

    for alike in list(failures.values())[:SHOWN]:
        print(f"{alike[0]}\n    and {len(alike) - 1} more like it")
    if len(failures) > SHOWN:
        print(f"  ... and {len(failures) - SHOWN} more kinds")
    problems = sum(map(len, failures.values()))
    if not arguments.only:
        for difference in differences.DIFFERENCES:
            if not explained[difference.row]:
                print(f"  {difference.row} is listed as a difference, but no request shows it")
                problems += 1
        for row in rows.ROWS:
            if not touched[row]:
                print(f"  no request is about {row}")
                problems += 1
        if any("none" in listed for listed in methods):
            print(f"  D24: the SDK announces `none` now: {methods}")
            problems += 1
        if compared < AT_LEAST:
            print(f"  only {compared} requests, {AT_LEAST} are expected")
            problems += 1
    print(f"interop mcp_python_sdk: {compared} compared, {problems} failed")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

"""Programs as people install them, each with a home of its own: they are run and looked at, nothing else."""

import json
import os
import pathlib
import re
import subprocess
import sys
import threading

from person import Refused, visit

HERE = pathlib.Path(__file__).resolve().parent
SECONDS = 60
# Where the programs listen, on the port that they are given.
CALLBACKS = ["http://localhost/oauth/callback", "http://127.0.0.1/oauth/callback"]
ASKED = re.compile(r"https?://\S+/authorize\?\S+")
# What a desktop application says to a server that it started: each line after the answer to the one before.
OPENING = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "interop", "version": "1"}}
SPEECH = [
    [{"id": 1, "method": "initialize", "params": OPENING}],
    [
        {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/call", "params": {"name": "whoami", "arguments": {}}},
    ],
]
ANSWER = re.compile(r'^\{.*"jsonrpc"')


class Program:
    """Run again, it has what it stored. One that `speaks` is called by another program, on its standard input."""

    def __init__(self, name, home, command, environment=(), speaks=False):
        self.name, self.command, self.speaks = name, command, speaks
        home.mkdir(parents=True, exist_ok=True)
        self.environment = os.environ | {"HOME": str(home)} | dict(environment)

    def run(self):
        """Everything that the program said. Where it names an authorization page, the person goes there."""
        process = subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE if self.speaks else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=self.environment,
        )
        alarm = threading.Timer(SECONDS, process.kill)
        alarm.start()
        said, speech = [], iter(SPEECH)

        def speak():
            messages = next(speech, None)
            if messages is None:
                return process.stdin.close()
            for message in messages:
                process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
            process.stdin.flush()

        try:
            if self.speaks:
                speak()
            for line in process.stdout:
                said.append(line)
                if asked := ASKED.search(line):
                    try:
                        visit(asked[0])
                    except Refused as refused:
                        said.append(f"{refused}\n")
                        process.terminate()
                if self.speaks and ANSWER.search(line):
                    speak()
            process.wait()
        finally:
            alarm.cancel()
            process.kill()
            process.stdout.close()
        return "".join(said)


def programs(server, scratch, node, port, document=None):
    """With a `document`, that is their `client_id`. It must list their redirect URIs, which have this port."""
    metadata = ["--client-metadata-url", document] if document else []

    def home(name):
        return scratch / f"{name}{'-document' if document else ''}"

    fast = [sys.executable, str(HERE / "fastmcp_client.py"), server, str(home("fastmcp") / "store"), str(port)]
    remote = ["node", str(node / "node_modules/mcp-remote/dist/proxy.js"), f"{server}/mcp", str(port)]
    inspector = [
        "node",
        str(node / "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js"),
        *("--cli", f"{server}/mcp", "--method", "tools/call", "--tool-name", "whoami", "--format", "json"),
        *("--callback-url", f"http://127.0.0.1:{port}/oauth/callback"),
    ]
    stored = {
        "MCP_AUTO_OPEN_ENABLED": "true",
        "MCP_INSPECTOR_SECRET_STORE": "file",
        "MCP_INSPECTOR_SECRET_KEY": "a key of the test, and of nothing else",
    }
    return [
        Program("fastmcp", home("fastmcp"), [*fast, *([document] if document else [])]),
        Program("mcp-remote", home("mcp-remote"), [*remote, *metadata], speaks=True),
        Program("@modelcontextprotocol/inspector", home("inspector"), [*inspector, *metadata], stored),
    ]

"""Servers that a run starts and always stops again."""

import contextlib
import queue
import re
import subprocess
import sys
import threading

READY = re.compile(r"listening on (http://[0-9.]+:\d+)")
START_SECONDS = 60
STOP_SECONDS = 5


@contextlib.contextmanager
def serving(command, log):
    """Runs `command` until the block ends and yields the address it announces.

    `log` receives everything the server prints, so that its pipes never fill up.
    """
    with open(log, "w", encoding="utf-8", errors="replace") as sink:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=sink, text=True, errors="replace"
        )
        announced = queue.Queue()

        def drain():
            for line in process.stdout:
                with contextlib.suppress(ValueError):
                    sink.write(line)
                if match := READY.search(line):
                    announced.put(match[1])
            announced.put(None)

        reader = threading.Thread(target=drain, daemon=True)
        reader.start()
        try:
            yield _address(announced, command, log)
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            reader.join(STOP_SECONDS)


def _address(announced, command, log):
    with contextlib.suppress(queue.Empty):
        address = announced.get(timeout=START_SECONDS)
        if address is not None:
            return address
    with open(log, encoding="utf-8", errors="replace") as file:
        sys.stderr.write(file.read())
    raise SystemExit(f"FAILED: {command[0]} did not announce an address, see {log}")

"""Many thousands of ids that nobody knows, from hundreds of hosts, beside one client that is known and keeps coming."""

import argparse
import http.client
import itertools
import pathlib
import sys
import threading
import time
from collections import Counter
from urllib.parse import urlencode

from published_documents import ADDRESSES, page, pieces, publishing
from servers import serving
from shapes import CLAUDE

# More senders than fetches at a time, so that a host that keeps silent does not hold up the flood.
IDS, HOSTS, SENDERS = 20_000, 200, 40
# How long the flood takes: long enough for a document that is kept for a minute to be asked for again.
SECONDS = 35
GROWTH = 20 * 1024 * 1024
# What the hosts of the flood answer, in turn.
KINDS = (page(CLAUDE), page(status=404), pieces(b"[" * 100_000, each=1000), lambda handler, url: time.sleep(10))


def resident(pid):
    """In bytes."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("FAILED: this machine does not tell how much memory a process has")


class Sender:
    """One connection, and what was answered on it."""

    def __init__(self, server):
        self.connection = http.client.HTTPConnection(server.removeprefix("http://"), timeout=20)

    def ask(self, client_id):
        form = urlencode({"grant_type": "x", "client_id": client_id})
        self.connection.request("POST", "/token", form, {"Content-Type": "application/x-www-form-urlencoded"})
        answer = self.connection.getresponse()
        answer.read()
        return answer.status


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", required=True, help="hyper_echo, with all features")
    parser.add_argument("--scratch", required=True, type=pathlib.Path)
    arguments = parser.parse_args()
    with publishing(arguments.scratch) as publisher:
        (arguments.scratch / "clients.json").write_text("[]")
        command = [arguments.server, "--listen", "127.0.0.1:0", "--clients", str(arguments.scratch / "clients.json")]
        command += ["--metadata-documents", "any", "--allow-loopback-documents", publisher.ca]
        with serving(command, arguments.scratch / "flood.log") as server:
            return flood(publisher, server)


def flood(publisher, server):
    publisher.pages["/honest"] = page(
        CLAUDE, headers={"Content-Type": "application/json", "Cache-Control": "max-age=60"}
    )

    def otherwise(handler, url):
        # Of the host 127.0.N.1, by N.
        KINDS[int(url.split(".")[2]) % len(KINDS)](handler, url)

    publisher.otherwise = otherwise
    honest = publisher.id("/honest")
    answers, honestly, over = Counter(), Counter(), threading.Event()
    first = Sender(server)
    honestly[first.ask(honest)] += 1
    before = highest = resident(server.pid)

    def known():
        nonlocal highest
        sender = Sender(server)
        while not over.wait(1):
            honestly[sender.ask(honest)] += 1
            highest = max(highest, resident(server.pid))

    numbers, lock = itertools.count(), threading.Lock()
    begun = time.monotonic()

    def unknown():
        sender = Sender(server)
        while (number := next(numbers)) < IDS:
            time.sleep(max(0, begun + number * SECONDS / IDS - time.monotonic()))
            status = sender.ask(publisher.id(f"/{number}", ADDRESSES[1 + number % HOSTS]))
            with lock:
                answers[status] += 1

    threads = [threading.Thread(target=unknown) for _ in range(SENDERS)]
    keeps_coming = threading.Thread(target=known)
    for thread in (keeps_coming, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    over.set()
    keeps_coming.join()
    took = time.monotonic() - begun

    # When the flood is over, somebody new gets in.
    newcomer, sender = publisher.id("/honest", "127.0.250.1"), Sender(server)
    while (status := sender.ask(newcomer)) != 200 and time.monotonic() < begun + took + 30:
        time.sleep(0.5)

    grown = highest - before
    print(
        f"  {sum(answers.values())} ids in {took:.0f} s: {dict(sorted(answers.items()))}, {len(publisher.fetches)} fetches"
    )
    print(f"  the one that is known: {dict(honestly)}; resident memory grew by {grown / 1024 / 1024:.1f} MiB")
    wrong = [
        (set(honestly) != {200}, "the known client was refused"),
        (sum(honestly.values()) < SECONDS // 2, "the known client was kept waiting"),
        (grown >= GROWTH, "too much memory"),
        (sum(answers.values()) != IDS, "requests were not answered"),
        (not set(answers) <= {200, 401, 429, 503}, "other answers than there should be"),
        (status != 200, "nobody new gets in when it is over"),
    ]
    failed = [text for is_wrong, text in wrong if is_wrong]
    print("".join(f"  FAILED: {text}\n" for text in failed), end="")
    print(f"interop documents flood: {len(wrong) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

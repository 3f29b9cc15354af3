"""Names that lead elsewhere the next time they are asked for. Needs a network and an /etc/resolv.conf of its own."""

import argparse
import os
import pathlib
import socketserver
import sys
import threading
from collections import Counter

import published_documents
from cases import Cases, ask
from published_documents import page, publishing
from servers import serving
from shapes import CLAUDE

INSIDE = "127.0.0.1"
KNOWN, UNREACHABLE = (200, "none"), (503, "temporarily_unavailable", True)


class Names(socketserver.BaseRequestHandler):
    """Answers with the next of `server.addresses` of the name, and with the last of them from then on."""

    def handle(self):
        query, sending = self.request
        end, labels = 12, []
        while length := query[end]:
            labels.append(query[end + 1 : end + 1 + length].decode())
            end += 1 + length
        question, kind = query[12 : end + 5], query[end + 1 : end + 3]
        name, answers = ".".join(labels), []
        # RFC 1035 §3.2.2: A. There is no address of IPv6.
        if kind == b"\0\1":
            self.server.asked[name] += 1
            left = self.server.addresses.get(name, [[]])
            answers = left.pop(0) if len(left) > 1 else left[0]
        head = query[:2] + b"\x81\x80\0\1" + len(answers).to_bytes(2, "big") + bytes(4)
        record = b"\xc0\x0c\0\1\0\1" + bytes(4) + b"\0\4"
        addresses = [bytes(map(int, address.split("."))) for address in answers]
        sending.sendto(head + question + b"".join(record + address for address in addresses), self.client_address)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", required=True, help="hyper_echo, with all features")
    parser.add_argument("--scratch", required=True, type=pathlib.Path)
    parser.add_argument("--public", required=True, help="an address of this machine that counts as public")
    arguments = parser.parse_args()
    public, cases = arguments.public, Cases()
    addresses = {
        "turning.example": [[public], [INSIDE]],
        "inside.example": [[INSIDE]],
        "both.example": [[INSIDE, public]],
    }
    published_documents.NAMES += addresses
    with (
        publishing(arguments.scratch) as publisher,
        socketserver.ThreadingUDPServer((INSIDE, 53), Names) as names,
    ):
        names.addresses, names.asked = addresses, Counter()
        threading.Thread(target=names.serve_forever, daemon=True).start()
        reached = []

        def document(handler, url):
            reached.append(handler.connection.getsockname()[0])
            page(CLAUDE)(handler, url)

        publisher.otherwise = document
        (arguments.scratch / "clients.json").write_text("[]")
        command = [arguments.server, "--listen", "127.0.0.1:0", "--clients", str(arguments.scratch / "clients.json")]
        os.environ["SSL_CERT_FILE"] = publisher.ca
        with serving([*command, "--metadata-documents", "any"], arguments.scratch / "rebinding.log") as server:
            for name, expected, connections in (
                ("turning.example", KNOWN, [public]),
                ("inside.example", UNREACHABLE, []),
                ("both.example", KNOWN, [public]),
            ):
                reached.clear()
                cases.expect(name, ask(server, publisher.id("/a", name)), expected)
                cases.expect(f"{name} is reached", reached, connections)
                cases.expect(f"{name} is asked for once", names.asked[name], 1)
            reached.clear()
            cases.expect("turned", ask(server, publisher.id("/b", "turning.example")), UNREACHABLE)
            cases.expect("turned is not reached", reached, [])
        names.shutdown()
    print(f"interop documents rebinding: {cases.passed} passed, {cases.failed} failed")
    return 1 if cases.failed or not cases.passed else 0


if __name__ == "__main__":
    sys.exit(main())

"""A log that shows each of two runs of one witness another history gets one of them signed."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain.audit.checkpoint import Checkpoint
from domain.audit.note import VerifierKey, to_base64
from domain.audit.tree import append, consistency_path, leaf_hash, range_hash, root
from entrypoints.verifier.witness import Witness, main

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(32))
KEY = VerifierKey(name="log.example/1", public_key=PRIVATE.public_key().public_bytes_raw())
SEEN_BEFORE = [b"1", b"2", b"3", b"4", b"5"]
TIMEOUT_SECONDS = 20.0


@contextmanager
def log_of(leaves: Sequence[bytes], *, proving: Callable[[], object]) -> Iterator[str]:
    """The address of a log of these leaves; `proving` is called before each consistency proof."""
    nodes = append(0, {}, [leaf_hash(each) for each in leaves])
    checkpoint = Checkpoint(origin=KEY.name, size=len(leaves), root=root(len(leaves), nodes))

    def consistency(old: int, new: int) -> str:
        proving()
        hashes = [to_base64(range_hash(each, nodes)) for each in consistency_path(old, new)]
        return json.dumps({"from": old, "to": new, "hashes": hashes})

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            told = checkpoint.signed(KEY, PRIVATE.sign(checkpoint.text.encode()))
            if asked.path.endswith("/consistency"):
                query = parse_qs(asked.query)
                told = consistency(int(query["from"][0]), int(query["to"][0]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(told.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


def test_two_runs_at_once_sign_one_history(tmp_path: Path) -> None:
    def run(address: str) -> int:
        return main([address, "--key", KEY.printed, "--directory", str(tmp_path / "witness")])

    both = threading.Barrier(2)
    first_has_signed = threading.Event()

    def after_the_first() -> None:
        both.wait(TIMEOUT_SECONDS)
        first_has_signed.wait(TIMEOUT_SECONDS)

    with (
        log_of(SEEN_BEFORE, proving=list) as before,
        log_of([*SEEN_BEFORE, b"6"], proving=lambda: both.wait(TIMEOUT_SECONDS)) as one,
        log_of([*SEEN_BEFORE, b"another"], proving=after_the_first) as other,
        ThreadPoolExecutor() as runs,
    ):
        assert run(before) == 0
        second = runs.submit(run, other)
        assert run(one) == 0
        signed = Witness(tmp_path / "witness", "witness").last(KEY)
        first_has_signed.set()
        assert second.result(TIMEOUT_SECONDS) == 2
        assert Witness(tmp_path / "witness", "witness").last(KEY) == signed
        assert run(other) == 1, "it looks again, and says that the log was rewritten"

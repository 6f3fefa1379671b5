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

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain.audit.checkpoint import LOG_OF_CHECKPOINTS, Checkpoint, log_name
from domain.audit.note import VerifierKey, to_base64
from domain.audit.tree import append, consistency_path, leaf_hash, range_hash, root
from entrypoints.verifier.command import main as verify
from entrypoints.verifier.witness import Witness, main

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(32))
KEY = VerifierKey(name="log.example/1", public_key=PRIVATE.public_key().public_bytes_raw())
SEEN_BEFORE = [b"1", b"2", b"3", b"4", b"5"]
TIMEOUT_SECONDS = 20.0


@contextmanager
def log_of(
    leaves: Sequence[bytes],
    *,
    proving: Callable[[], object],
    key: VerifierKey = KEY,
    at: str = "/v1/audit/",
) -> Iterator[str]:
    """The address of a log of these leaves; `proving` is called before each consistency proof."""
    nodes = append(0, {}, [leaf_hash(each) for each in leaves])
    checkpoint = Checkpoint(origin=key.name, size=len(leaves), root=root(len(leaves), nodes))

    def consistency(old: int, new: int) -> str:
        proving()
        hashes = [to_base64(range_hash(each, nodes)) for each in consistency_path(old, new)]
        return json.dumps({"from": old, "to": new, "hashes": hashes})

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            told = checkpoint.signed(key, PRIVATE.sign(checkpoint.text.encode()))
            if not asked.path.startswith(at):
                self.send_error(401)
                return
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


def test_the_log_of_checkpoints_is_verified_without_an_account(tmp_path: Path) -> None:
    name = log_name(LOG_OF_CHECKPOINTS)
    public = VerifierKey(name=name, public_key=KEY.public_key)
    arguments = ["--key", public.printed, "--directory", str(tmp_path)]
    leaves, at = [*SEEN_BEFORE, b"6"], "/v1/checkpoints/"
    with log_of(SEEN_BEFORE, proving=list, key=public, at=at) as before:
        assert main([before, *arguments]) == 0
        assert verify([before, "--key", public.printed]) == 0
    (kept,) = tmp_path.glob("*.checkpoint")
    with log_of(leaves, proving=list, key=public, at=at) as log:
        assert verify([log, "--key", public.printed, "--checkpoint", str(kept)]) == 0
    with log_of([b"0", *leaves], proving=list, key=public, at=at) as another:
        assert verify([another, "--key", public.printed, "--checkpoint", str(kept)]) == 1


def test_what_is_wrong_with_a_witness_is_no_verdict_on_the_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "short").mkdir()
    (tmp_path / "short" / "witness.key").write_bytes(b"short")
    key = ["--key", KEY.printed]
    with log_of(SEEN_BEFORE, proving=list) as log:
        for wrong in (
            [*key, "--directory", str(tmp_path / "file")],
            [*key, "--directory", str(tmp_path / "short")],
            [*key, "--directory", str(tmp_path / "new"), "--name", "a b"],
            ["--key", str(tmp_path / "missing"), "--directory", str(tmp_path / "new")],
        ):
            assert main([log, *wrong]) == 2, wrong
            assert capsys.readouterr().out.startswith("FAIL")
        for seconds in ("0", "-1", "nan", "inf", "1e9", "soon"):
            with pytest.raises(SystemExit) as ended:
                main([log, *key, "--directory", str(tmp_path / "new"), "--every", seconds])
            assert ended.value.code == 2


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

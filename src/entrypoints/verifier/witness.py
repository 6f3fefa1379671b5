"""`strongroom witness`: keep the last checkpoint of a log, cosign what continues it, and say aloud
when a log was rolled back or rewritten.

Anyone may be a witness: an operator elsewhere, an auditor, or the person whose documents they are.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain.audit.checkpoint import Checkpoint
from domain.audit.cosignature import WitnessKey, cosignature_line, cosigned_message
from domain.audit.note import NoteNotValid, VerifierKey
from entrypoints.verifier.bundle import UNREADABLE
from entrypoints.verifier.findings import NotChecked, NotVerified
from entrypoints.verifier.history import (
    continues,
    hashes_between,
    place_of,
    trusted_checkpoint,
)
from entrypoints.verifier.reading import read_key, read_text
from entrypoints.verifier.service import TOKEN_VARIABLE, Service

SEED_BYTES = 32
SECONDS_MIN, SECONDS_MAX = 0.1, 86_400


@dataclass(frozen=True, slots=True)
class Witness:
    """Its directory holds its key, and for each log the last checkpoint that it signed.

    What it signed is on the disk before anyone sees it, so that it never signs two histories; nor
    do two runs over one directory, whatever the log shows to each of them.
    """

    directory: Path
    name: str

    @property
    def key(self) -> WitnessKey:
        return WitnessKey(
            name=self.name, public_key=self._private_key().public_key().public_bytes_raw()
        )

    def last(self, log: VerifierKey) -> Checkpoint | None:
        """The last one that it signed. Raises NoteNotValid where the file was altered."""
        path = self._path(log)
        return trusted_checkpoint(read_text(path), log) if path.exists() else None

    def cosign(self, log: VerifierKey, note: str, at: datetime, *, after: Checkpoint | None) -> str:
        """The note with one more line. It was seen to continue `after`: see `watch`.

        Raises NotChecked, having signed nothing, unless `after` is what was signed last.
        """
        message = cosigned_message(trusted_checkpoint(note, log), at)
        private_key = self._private_key()
        with self._alone():
            if self.last(log) != after:
                raise NotChecked("another run signed a checkpoint of this log meanwhile")
            signature = private_key.sign(message)
            cosigned = f"{note}{cosignature_line(self.key, at, signature)}\n"
            _write(self._path(log), cosigned.encode())
        return cosigned

    def keep_evidence(self, log: VerifierKey, note: str) -> Path:
        """What contradicts the kept checkpoint, beside it: both are signed by the log."""
        path = self._path(log).with_suffix(f".contradicted-{time.time_ns()}")
        _write(path, note.encode())
        return path

    def _path(self, log: VerifierKey) -> Path:
        return self.directory / f"{log.id.hex()}.checkpoint"

    def _private_key(self) -> Ed25519PrivateKey:
        """Made the first time, and for its owner's eyes only."""
        path = self.directory / "witness.key"
        if not path.exists():
            with self._alone():
                if not path.exists():
                    _write(path, os.urandom(SEED_BYTES))
        return Ed25519PrivateKey.from_private_bytes(path.read_bytes())

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Among all runs over this directory; whoever dies lets the next one in."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.directory / "lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def watch(witness: Witness, log: VerifierKey, service: Service, *, submit: bool) -> str:
    """One look. Says what was signed; raises NotVerified where the log is not what it was."""
    place = place_of(log)
    note = service.text(f"{place}/checkpoint")
    latest = trusted_checkpoint(note, log)
    kept = witness.last(log)
    try:
        if kept is not None:
            hashes: Sequence[bytes] = []
            if kept.size < latest.size:
                asked = {"from": kept.size, "to": latest.size}
                hashes = hashes_between(service.json(f"{place}/consistency", **asked), kept, latest)
            continues(kept, latest, hashes)
    except NotVerified as failed:
        path = witness.keep_evidence(log, note)
        raise NotVerified(failed.code, f"{failed}; the contradiction is kept in {path}") from None
    cosigned = witness.cosign(log, note, datetime.now(UTC), after=kept)
    if submit:
        service.post(f"{place}/cosignatures", json.dumps({"checkpoint": cosigned}))
    since = "for the first time" if kept is None else f"continuing {kept.size}"
    return f"{witness.name} cosigned {log.name} at {latest.size} entries, {since}"


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when the log is what it was, 1 when it is not, 2 when it could not be looked at."""
    given = _parser().parse_args(arguments)
    try:
        witness = Witness(given.directory, given.name)
        if given.show_key:
            print(witness.key.printed)
            return 0
        log, service = read_key(given.key), Service.at(given.address)
        _ = witness.key  # what is wrong with it is no fault of the log
    except (NotChecked, NoteNotValid, ValueError, OSError) as wrong:
        print(f"FAIL  {wrong}")
        return 2
    while True:
        status = _look(witness, log, service, submit=given.submit)
        # A log that was rewritten stays rewritten; one that cannot be reached is asked again.
        if given.every is None or status == 1:
            return status
        time.sleep(given.every)


def _look(witness: Witness, log: VerifierKey, service: Service, *, submit: bool) -> int:
    try:
        print(f"ok    {watch(witness, log, service, submit=submit)}", flush=True)
    except NotVerified as failed:
        print(f"FAIL  {failed} [{failed.code}]", flush=True)
        return 1
    except (NotChecked, OSError) as failed:
        print(f"FAIL  {failed}", flush=True)
        return 2
    except UNREADABLE as malformed:
        print(f"FAIL  what the log answered cannot be read: {malformed!r}"[:300], flush=True)
        return 1
    return 0


def _write(path: Path, content: bytes) -> None:
    """All of it or nothing, and on the disk before this returns."""
    new = path.with_name(path.name + ".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _seconds(given: str) -> float:
    seconds = float(given)
    if not SECONDS_MIN <= seconds <= SECONDS_MAX:
        raise argparse.ArgumentTypeError(f"from {SECONDS_MIN} to {SECONDS_MAX} seconds")
    return seconds


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="strongroom witness",
        description="Keep the last checkpoint of a log, and cosign what continues it.",
        epilog=f"{TOKEN_VARIABLE} holds an access token; the log of checkpoints needs none.",
    )
    parser.add_argument("address", nargs="?", default="", help="of the service")
    parser.add_argument("--key", default="", help="the log's key, printed, or a file of it")
    parser.add_argument(
        "--directory", type=Path, default=Path("witness"), help="for its key and checkpoints"
    )
    parser.add_argument("--name", default="witness", help="of its key, as it signs (witness)")
    parser.add_argument("--every", type=_seconds, help="look again after so many seconds")
    parser.add_argument("--submit", action="store_true", help="hand cosignatures to the service")
    parser.add_argument("--show-key", action="store_true", help="print its public key, and end")
    return parser


if __name__ == "__main__":
    sys.exit(main())
